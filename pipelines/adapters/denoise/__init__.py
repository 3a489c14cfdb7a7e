"""Noise suppression behind `pipelines.models.ports.Denoiser`, for what voice activity detection hears.

`dtln.py`, `spectral_mask.py` and `waveform.py` run weights of the model store by onnxruntime. `rnnoise.py` and `deepfilternet.py` run
libraries of packages that are not installed by themselves; each says how. `keeping.py` puts a floor under any of them.
"""
