"""Whisper for one utterance of a telephone call at a time: which tries are made of it, and what is believed."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipelines.adapters.stt import context
from pipelines.adapters.stt.context import Decoded
from pipelines.adapters.stt.whisper import Whisper
from pipelines.errors import ModelError
from pipelines.models.ports import Audio, Transcript
from pipelines.units import SAMPLE_RATE

_FILES = ("config.json", "model.bin", "tokenizer.json", "vocabulary.txt")
_CONTEXT = "context.json"  # of a model that was taught to do with less context: {"margin_s": 1.0}
_MIN_SAMPLES = SAMPLE_RATE // 20  # no word is shorter, and the features need two windows of 25 ms
_MAX_SAMPLES = 30 * SAMPLE_RATE


class FasterWhisper:
    """Serves all calls, from one thread at a time; keeps nothing between calls."""

    def __init__(self, folder: Path, *, threads: int, beam: int = 5) -> None:
        """`folder`: a Whisper model converted for CTranslate2, run in int8 on `threads` CPU threads. `beam`: of finals;
        1 is greedy.

        Raises ModelError when a file is missing or broken.
        """
        missing = [name for name in _FILES if not (folder / name).is_file()]
        if missing:
            raise ModelError(f"{', '.join(missing)} missing in {folder}: run `allo models pull`.")
        self._beam = beam
        self._margin = _margin(folder / _CONTEXT)
        try:
            self._whisper = Whisper(folder, threads=threads)
            # The first run allocates, and takes twice as long as the next: not while a caller waits.
            self._transcribe(np.zeros(SAMPLE_RATE, np.float32), self._whisper.languages[:1], True, "")
        except Exception as error:  # a broken file shows in many ways
            raise ModelError(f"No Whisper model can be loaded from {folder}: run `allo models pull`.") from error

    def transcribe(self, audio: Audio, *, languages: Sequence[str], final: bool, hot_words: str = "") -> Transcript:
        """Words in up to 30 s of audio. A partial is quicker and rougher than a final, and "" if it cannot be trusted.

        `languages`: ISO 639-1 codes; those that the model does not know are left out. `p_language` is the likelihood
        among the others. `hot_words`: names and terms to expect, as text (about 150 words are taken). Raises
        ModelError, also when the model knows none of the languages.
        """
        if audio.size > _MAX_SAMPLES:
            raise ModelError(f"Whisper takes at most 30 s at once, not {audio.size / SAMPLE_RATE:.1f} s.")
        known = [language for language in languages if language in self._whisper.languages]
        if not known:
            raise ModelError(f"This Whisper model knows none of the languages asked for ({', '.join(languages)}).")
        if audio.size < _MIN_SAMPLES:
            return Transcript("", known[0])
        try:
            return self._transcribe(audio, known, final, hot_words)
        except (RuntimeError, ValueError) as error:
            raise ModelError("Whisper failed.") from error

    def _transcribe(self, audio: Audio, languages: Sequence[str], final: bool, hot_words: str) -> Transcript:
        features = self._whisper.features(audio)
        language, p_language = languages[0], 1.0
        best: Decoded | None = None
        encoded, frames = None, 0
        for plan in context.plans(features.shape[1], final=final, beam=self._beam, margin=self._margin):
            if plan.frames != frames:
                encoded, frames = self._whisper.encode(features, plan.frames), plan.frames
            if best is None and len(languages) > 1:
                language, p_language = self._whisper.detect(encoded, languages)
            decoded = self._whisper.decode(encoded, plan, language, hot_words)
            best = decoded if best is None else context.better(best, decoded, plan)
            if context.settled(decoded, plan) or context.mumbles(decoded):
                break
        text = "" if context.speechless(best) or (not final and context.runs_away(best, plan)) else best.text
        return Transcript(text, language, p_language)


def _margin(file: Path) -> int | None:
    """Feature frames that a model needs behind an utterance, if it was taught to do with few."""
    if not file.is_file():
        return None
    try:
        margin_s = float(json.loads(file.read_text(encoding="utf-8"))["margin_s"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f'{file} should hold {{"margin_s": SECONDS}}: export the model again.') from error
    if not 0.0 < margin_s <= 30.0:
        raise ModelError(f"{file}: margin_s must be above 0 and at most 30 seconds, not {margin_s:g}.")
    return round(margin_s * context.FRAMES_PER_SECOND)
