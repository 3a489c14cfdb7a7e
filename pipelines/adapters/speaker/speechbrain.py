"""SpeechBrain's ECAPA-TDNN (https://huggingface.co/speechbrain/spkrec-ecapa-voxceleb, Apache-2.0), from a folder of its files.

Needs the packages speechbrain and torchaudio, which are in no extra of this project: on a machine without CUDA the newest torchaudio
wheel does not import. Its weights are in no package index, so this adapter was never run against them here.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.errors import ModelError
from pipelines.models.ports import Audio

_INSTALL = "pip install speechbrain torchaudio"


class SpeechBrain:
    """Serves all calls, from one thread at a time; keeps nothing between them."""

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        """`folder`: hyperparams.yaml, embedding_model.ckpt, mean_var_norm_emb.ckpt and the others of the repository. Raises ModelError."""
        if not (folder / "hyperparams.yaml").is_file():
            raise ModelError(f"{folder} is no SpeechBrain model: it has no hyperparams.yaml.")
        try:
            import torch
            from speechbrain.inference.speaker import EncoderClassifier
        except (ImportError, OSError) as error:  # OSError: a library of torchaudio's
            raise ModelError(f"SpeechBrain cannot be imported ({error}). Run: {_INSTALL}") from error
        torch.set_num_threads(threads)
        self._torch = torch
        try:
            self._encoder = EncoderClassifier.from_hparams(source=str(folder), savedir=str(folder))
        except Exception as error:  # of whatever its YAML builds
            raise ModelError(f"{folder} cannot be loaded by SpeechBrain: {error}") from error
        self.size = int(self.embed(np.zeros(16_000, np.float32)).shape[0])

    def embed(self, audio: Audio) -> NDArray[np.float32]:
        """Float32 (size,), length 1. Raises ModelError."""
        try:
            voice = self._encoder.encode_batch(self._torch.from_numpy(audio)[None])[0, 0].numpy()
        except RuntimeError as error:
            raise ModelError("The speaker encoder failed.") from error
        return voice / max(float(np.linalg.norm(voice)), 1e-9)
