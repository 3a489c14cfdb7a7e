"""Beginnings of interruptions behind `pipelines.models.ports.OverlapDetector`."""
