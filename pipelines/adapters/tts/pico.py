"""SVOX Pico (Apache-2.0), in the package py-nanotts with its voices: 16 kHz, robotic but clear, and fifty times faster
than speech on one thread. For synthesized training data, and for machines that can do no better.

The last bits of its samples differ from one time to the next; a process that says the same texts in the same order says
them with the same samples."""

import threading
from collections.abc import Iterator

import numpy as np

from pipelines.errors import ModelError
from pipelines.models.ports import Audio

VOICES = {"en": "en-US", "fr": "fr-FR", "de": "de-DE", "es": "es-ES", "it": "it-IT"}
"""Pico's voice for each ISO 639-1 language code."""

_LOCK = threading.Lock()  # the engine keeps state in the process


class Pico:
    """Pico's voice of one language. `speed`: 1 is its own pace, 0.2 to 5; `pitch`: 1 is its own, 0.5 to 2, which makes
    something like another speaker of it."""

    sample_rate = 16_000

    def __init__(self, *, language: str, speed: float = 1.0, pitch: float = 1.0) -> None:
        """Raises ModelError when the package is not installed, or the language is none of Pico's."""
        if language not in VOICES:
            raise ModelError(f"Pico speaks {', '.join(VOICES)}, not {language!r}.")
        try:
            from py_nanotts import NanoTTS
        except ImportError:
            raise ModelError(
                "the voice Pico is not installed. Install it with `pip install py-nanotts` (Linux)."
            ) from None
        self._engine, self._voice, self._speed, self._pitch = NanoTTS(), VOICES[language], speed, pitch
        self.identity = f"pico:{self._voice}:{speed:g}:{pitch:g}"

    def synthesize(self, text: str) -> Iterator[Audio]:
        """Float32 mono audio in [-1, 1], in one piece. Raises ModelError."""
        if not text.strip():
            return  # Pico would keep silent for a moment
        try:
            with _LOCK:
                sound = self._engine.speak(text, voice=self._voice, speed=self._speed, pitch=self._pitch)
        except Exception as error:  # of a native extension
            raise ModelError(f"Pico could not speak: {type(error).__name__}") from error
        if sound:  # there is none of characters that it does not know
            yield np.frombuffer(sound, "<i2").astype(np.float32) / 32_768
