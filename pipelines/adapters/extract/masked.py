"""The mask net of `training/extract` by onnxruntime. Needs no torch."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.adapters.tts.onnx import open_session
from pipelines.errors import ModelError
from pipelines.models.ports import Audio
from pipelines.speakers.spectrum import KEPT, analysed, compressed, joined

FILE = "extract.onnx"
_LOUDNESS = 0.05  # rms that the net was trained at


class Masked:
    """For recordings. Keeps nothing between them."""

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        """`folder` holds `extract.onnx`. Raises ModelError."""
        self._session = open_session(folder / FILE, threads)
        sizes = {given.name: given.shape[-1] for given in self._session.get_inputs()}
        if sizes.get("magnitudes") != KEPT or "voice" not in sizes:
            raise ModelError(
                f"{folder / FILE} takes {sizes} and not magnitudes of {KEPT} bins and a voice. Export it again."
            )
        self.voice_size: int = sizes["voice"]

    def extract(self, audio: Audio, voice: NDArray[np.float32]) -> Audio:
        """What the person with that voice says, as long as `audio` (float32, 16 kHz, (n,)); nothing above 4 kHz. Raises ModelError for a
        voice of another encoder."""
        if voice.shape != (self.voice_size,):
            raise ModelError(f"this extractor follows voices of {self.voice_size} numbers, not {voice.shape}.")
        if not audio.size:
            return audio
        gain = np.float32(_LOUDNESS / max(float(np.sqrt(np.mean(np.square(audio, dtype=np.float64)))), 1e-6))
        spectra = analysed(audio * gain)
        try:
            [mask] = self._session.run(None, {"magnitudes": compressed(spectra)[None], "voice": voice[None]})
        except Exception as error:  # onnxruntime's exceptions have no common base of their own
            raise ModelError("The extraction failed.") from error
        spectra[:, KEPT:] = 0
        spectra[:, :KEPT] *= mask[0]
        return joined(spectra, audio.size) / gain
