"""A frozen network that learnt speech from recordings alone (wav2vec 2.0, HuBERT, WavLM), and one weighted sum on top. Needs torch."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoFeatureExtractor, AutoModel
from transformers.utils import logging as transformers_logging

from pipelines.adapters.emotion import verdict
from pipelines.adapters.emotion.linear import read_weights
from pipelines.errors import ModelError
from pipelines.models.ports import Audio
from pipelines.units import SAMPLE_RATE


class Encoder:
    """Audio into one vector: of all layers' frames the mean over the layers, then mean and deviation over time."""

    def __init__(self, base: str | Path) -> None:
        """`base`: a folder that transformers saved, or OWNER/NAME on the hub. No code that came with weights is run. Raises ModelError."""
        transformers_logging.disable_progress_bar()
        transformers_logging.set_verbosity_error()
        try:
            self._features = AutoFeatureExtractor.from_pretrained(base, trust_remote_code=False)
            self.net = AutoModel.from_pretrained(base, dtype=torch.float32, trust_remote_code=False).eval()
        except (OSError, ValueError, RuntimeError) as error:
            first = str(error).strip().partition("\n")[0].rstrip(".")
            raise ModelError(
                f"No network in {base}: {first}. Give a folder saved by transformers, or a name of the hub."
            ) from error
        if self._features.model_input_names[0] != "input_values":
            raise ModelError(f"{base} does not hear waveforms. Take wav2vec 2.0, HuBERT, WavLM ...")

    @property
    def size(self) -> int:
        """Numbers in a vector."""
        return 2 * self.net.config.hidden_size

    @torch.inference_mode()
    def __call__(self, audio: Audio) -> NDArray[np.float32]:
        """float32 (size,)."""
        entered = self._features(audio, sampling_rate=SAMPLE_RATE, return_tensors="pt").input_values
        layers = torch.stack(self.net(entered, output_hidden_states=True).hidden_states)
        frames = layers.mean(0)[0]
        return torch.cat([frames.mean(0), frames.std(0, correction=0)]).numpy()

    def save(self, folder: Path) -> list[str]:
        """The files that another `Encoder` reads; their names."""
        before = set(folder.iterdir())
        self.net.save_pretrained(folder)
        self._features.save_pretrained(folder)
        return sorted(path.name for path in set(folder.iterdir()) - before)


class SslEmotion:
    """Serves all calls, from one thread at a time."""

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        """`folder`: the encoder's files, `emotion.json` and `linear.npz`. Raises ModelError."""
        torch.set_num_threads(threads)
        self._verdict = verdict.read(folder)
        self._encoder = Encoder(folder)
        self._weights, self._bias = read_weights(folder, len(self._verdict.labels), self._encoder.size)

    @property
    def labels(self) -> tuple[str, ...]:
        return self._verdict.labels

    @property
    def thresholds(self) -> dict[str, float]:
        """From which probability on a label may be said of a caller."""
        return self._verdict.thresholds

    def recognize(self, audio: Audio) -> dict[str, float]:
        """Probabilities of the labels. Of a long clip its last ten seconds."""
        return self._verdict.of(audio, lambda clip: self._weights @ self._encoder(clip) + self._bias)
