"""Voice activity behind `pipelines.models.ports.VoiceActivity`."""
