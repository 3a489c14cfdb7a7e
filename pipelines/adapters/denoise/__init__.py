"""Noise suppression behind `pipelines.models.ports.Denoiser`, for what voice activity detection hears."""
