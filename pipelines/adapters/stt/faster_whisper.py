"""Whisper on CTranslate2 through faster-whisper, tuned for one utterance of a telephone call at a time.

Sources: Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision";
https://github.com/SYSTRAN/faster-whisper (whose `WhisperModel.transcribe` is made for long recordings: it always
encodes 30 s, detects the language in a pass of its own and decodes timestamps that nobody here reads; so its parts are
used one by one).
"""

import json
from collections.abc import Sequence
from pathlib import Path

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from numpy.typing import NDArray

from pipelines.adapters.stt import context
from pipelines.adapters.stt.context import Decoded, Plan
from pipelines.errors import ModelError
from pipelines.models.ports import Audio, Transcript
from pipelines.units import SAMPLE_RATE

_FILES = ("config.json", "model.bin", "tokenizer.json", "vocabulary.txt")
_CONTEXT = "context.json"  # of a model that was taught to do with less context: {"margin_s": 1.0}
_MIN_SAMPLES = SAMPLE_RATE // 20  # no word is shorter, and the features need two windows of 25 ms
_MAX_SAMPLES = 30 * SAMPLE_RATE
_MAX_HOT_TOKENS = 200  # of the decoder's 448; the words themselves need up to 220


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
        self._tokenizers: dict[str, Tokenizer] = {}
        try:
            self._whisper = WhisperModel(
                str(folder), device="cpu", compute_type="int8", cpu_threads=threads, local_files_only=True
            )
            self._model = self._whisper.model
            # The first run allocates, and takes twice as long as the next: not while a caller waits.
            self._transcribe(np.zeros(SAMPLE_RATE, np.float32), self._whisper.supported_languages[:1], True, "")
        except Exception as error:  # CTranslate2 and tokenizers raise bare RuntimeError and Exception
            raise ModelError(f"No Whisper model can be loaded from {folder}: run `allo models pull`.") from error

    def transcribe(self, audio: Audio, *, languages: Sequence[str], final: bool, hot_words: str = "") -> Transcript:
        """Words in up to 30 s of audio. A partial is quicker and rougher than a final, and "" if it cannot be trusted.

        `languages`: ISO 639-1 codes; those that the model does not know are left out. `p_language` is the likelihood
        among the others. `hot_words`: names and terms to expect, as text (about 150 words are taken). Raises
        ModelError, also when the model knows none of the languages.
        """
        if audio.size > _MAX_SAMPLES:
            raise ModelError(f"Whisper takes at most 30 s at once, not {audio.size / SAMPLE_RATE:.1f} s.")
        known = [language for language in languages if language in self._whisper.supported_languages]
        if not known:
            raise ModelError(f"This Whisper model knows none of the languages asked for ({', '.join(languages)}).")
        if audio.size < _MIN_SAMPLES:
            return Transcript("", known[0])
        try:
            return self._transcribe(audio, known, final, hot_words)
        except (RuntimeError, ValueError) as error:
            raise ModelError("Whisper failed.") from error

    def _transcribe(self, audio: Audio, languages: Sequence[str], final: bool, hot_words: str) -> Transcript:
        features = self._whisper.feature_extractor(audio)[:, : context.FULL]
        language, p_language = languages[0], 1.0
        best: Decoded | None = None
        encoded, frames = None, 0
        for plan in context.plans(features.shape[1], final=final, beam=self._beam, margin=self._margin):
            if plan.frames != frames:
                encoded, frames = self._encode(features, plan.frames), plan.frames
            if best is None and len(languages) > 1:
                language, p_language = self._detect(encoded, languages)
            decoded = self._decode(encoded, plan, language, hot_words)
            best = decoded if best is None else context.better(best, decoded, plan)
            if context.settled(decoded, plan):
                break
        text = "" if context.speechless(best) or (not final and context.runs_away(best, plan)) else best.text
        return Transcript(text, language, p_language)

    def _encode(self, features: NDArray[np.float32], frames: int) -> ctranslate2.StorageView:
        """Features (80, n) in a context of `frames`; the rest is as quiet as the utterance's quietest moment."""
        padded = np.full((1, features.shape[0], frames), features.min(), np.float32)
        padded[0, :, : features.shape[1]] = features
        return self._model.encode(ctranslate2.StorageView.from_array(padded))

    def _detect(self, encoded: ctranslate2.StorageView, languages: Sequence[str]) -> tuple[str, float]:
        """The likeliest of `languages`, and its likelihood among them."""
        likelihood = {token[2:-2]: p for token, p in self._model.detect_language(encoded)[0]}  # tokens like <|fr|>
        total = sum(likelihood[language] for language in languages)
        best = max(languages, key=likelihood.__getitem__)
        return best, likelihood[best] / total if total else 1.0 / len(languages)

    def _decode(self, encoded: ctranslate2.StorageView, plan: Plan, language: str, hot_words: str) -> Decoded:
        tokenizer = self._tokenizer(language)
        prompt = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
        if hot_words:  # given as if they had just been said
            prompt = [tokenizer.sot_prev, *tokenizer.encode(f" {hot_words.strip()}")[:_MAX_HOT_TOKENS], *prompt]
        [result] = self._model.generate(
            encoded,
            [prompt],
            beam_size=plan.beam,
            # CTranslate2 takes the smaller of half of this and what the prompt leaves of it.
            max_length=max(2 * plan.max_tokens, plan.max_tokens + len(prompt)),
            return_scores=True,
            return_no_speech_prob=True,
        )
        tokens = result.sequences_ids[0]
        # The score is the sum over the tokens and the end, divided by the number of tokens alone.
        mean_log_prob = result.scores[0] * len(tokens) / (len(tokens) + 1)
        return Decoded(tokenizer.decode(tokens).strip(), tokens, mean_log_prob, result.no_speech_prob)

    def _tokenizer(self, language: str) -> Tokenizer:
        if language not in self._tokenizers:
            self._tokenizers[language] = Tokenizer(
                self._whisper.hf_tokenizer, self._model.is_multilingual, task="transcribe", language=language
            )
        return self._tokenizers[language]


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
