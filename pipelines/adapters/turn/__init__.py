"""Ends of turns, told by their sound, behind `pipelines.models.ports.TurnDetector`."""
