"""Piper voices (https://github.com/OHF-Voice/piper1-gpl): VITS, a sentence in less than a tenth of its length.

The library piper-tts is GPL-3.0 and the voices have licences of their own; so it stays behind this adapter, and
nothing of it is imported before a voice is loaded."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipelines.adapters.tts import espeak
from pipelines.adapters.tts.onnx import fingerprint, open_session
from pipelines.errors import ModelError
from pipelines.models.ports import Audio


class Piper:
    """One Piper voice. `folder` holds `<voice>.onnx` and its `.onnx.json`; `threads`: CPU threads of one synthesis;
    `speed`: 1 is the voice's own pace."""

    def __init__(self, folder: Path, *, threads: int = 1, speed: float = 1.0) -> None:
        """Raises ModelError when the folder holds no voice or a broken one."""
        from piper import PiperConfig, PiperVoice, SynthesisConfig

        models = sorted(folder.glob("*.onnx"))
        if len(models) != 1:
            raise ModelError(
                f"{folder} holds {len(models)} Piper voices, not one. Fetch it again with `allo models pull`."
            )
        try:
            config = PiperConfig.from_dict(json.loads(models[0].with_suffix(".onnx.json").read_bytes()))
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"the description of the voice in {folder} cannot be read: {error}") from error
        # PiperVoice.load takes no session options, so the session is made here.
        self._voice = PiperVoice(session=open_session(models[0], threads), config=config)
        self.sample_rate: int = config.sample_rate
        self._pace = SynthesisConfig(length_scale=config.length_scale / speed)
        self.identity = f"piper:{fingerprint(models[0])}:{speed:g}"

    def synthesize(self, text: str) -> Iterator[Audio]:
        """Float32 mono audio in [-1, 1], one piece for each sentence. Raises ModelError."""
        try:
            with espeak.LOCK:
                sentences = self._voice.phonemize(text)
            for phonemes in sentences:
                if phonemes:
                    audio = self._voice.phoneme_ids_to_audio(self._voice.phonemes_to_ids(phonemes), self._pace)
                    yield np.asarray(audio, np.float32).reshape(-1)
        except Exception as error:  # of espeak's bridge and of onnxruntime, which share no base
            raise ModelError(f"Piper could not speak: {type(error).__name__}") from error
