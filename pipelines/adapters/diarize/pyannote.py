"""pyannote.audio's speaker diarization (https://github.com/pyannote/pyannote-audio, MIT), from a folder with its config.yaml and weights.

Needs the package pyannote.audio and torchaudio, which are in no extra of this project: on a machine without CUDA the newest torchaudio
wheel does not import. Its weights are in no package index, so this adapter was never run against them here.
"""

from pathlib import Path

from pipelines.errors import ModelError
from pipelines.models.ports import Audio
from pipelines.speakers.diarize import Turn
from pipelines.units import SAMPLE_RATE

_INSTALL = "pip install pyannote.audio"


class Pyannote:
    """Offline; finds overlapped speech too, so turns may overlap."""

    def __init__(self, folder: Path) -> None:
        """`folder` holds config.yaml, which names weights beside it. Raises ModelError."""
        config = folder / "config.yaml"
        if not config.is_file():
            raise ModelError(f"{folder} is no pyannote pipeline: it has no config.yaml.")
        try:
            import torch
            from pyannote.audio import Pipeline
        except (ImportError, OSError) as error:  # OSError: a library of torchaudio's
            raise ModelError(f"pyannote.audio cannot be imported ({error}). Run: {_INSTALL}") from error
        self._torch = torch
        try:
            self._pipeline = Pipeline.from_pretrained(str(config))
        except Exception as error:  # of whatever its YAML builds
            raise ModelError(f"{folder} cannot be loaded by pyannote.audio: {error}") from error

    def diarize(self, audio: Audio) -> list[Turn]:
        """Turns in the order of their start. Raises ModelError."""
        try:
            found = self._pipeline({"waveform": self._torch.from_numpy(audio)[None], "sample_rate": SAMPLE_RATE})
        except RuntimeError as error:
            raise ModelError("pyannote.audio failed.") from error
        found = getattr(found, "speaker_diarization", found)  # version 4 answers with more than the annotation
        names: dict[str, int] = {}
        rows = sorted((segment.start, segment.end, label) for segment, _, label in found.itertracks(yield_label=True))
        return [Turn(start, end, names.setdefault(label, len(names))) for start, end, label in rows]
