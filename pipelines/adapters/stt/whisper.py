"""A Whisper on CTranslate2, one step at a time: features, encoder, language, decoder.

What serves a call, what measures a model and what writes labels all hear through this class, so that they hear the same. How much context,
how many tries and which of them to believe is up to each of them (`context.py`).

Sources: Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision";
https://github.com/SYSTRAN/faster-whisper (whose `WhisperModel.transcribe` is made for long recordings: it always
encodes 30 s, detects the language in a pass of its own and decodes timestamps that nobody here reads; so its parts are
used one by one).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from numpy.typing import NDArray

from pipelines.adapters.stt.context import FULL, Decoded, Plan, echo
from pipelines.errors import ModelError
from pipelines.models.ports import Audio

Features = NDArray[np.float32]
"""(bins, n): log-mel, a frame every 10 ms."""

_WEIGHTS = {"en": 0.25}
"""Of languages, against each other. Two thirds of Whisper's training was English, and what is short it takes for English: of Whisper base, over a
telephone, 38 of 100 first seconds of French and never the reverse (`tests.load.languages`). An English caller loses little by this: he is understood at
once in 97 of 100 first seconds instead of all, a French one in 83 instead of 62."""

_MAX_HOT_TOKENS = 200  # of the decoder's 448; the words themselves need up to 220


class Whisper:
    """For one thread at a time; keeps nothing between utterances."""

    def __init__(self, folder: Path, *, threads: int, device: str = "cpu", compute: str = "int8") -> None:
        """`folder`: a Whisper converted for CTranslate2; `threads`: of the processor, 0 for all; `device` and `compute`: as CTranslate2 names
        them. Raises ModelError."""
        try:
            self._whisper = WhisperModel(
                str(folder), device=device, compute_type=compute, cpu_threads=threads, local_files_only=True
            )
        except Exception as error:  # CTranslate2 and tokenizers raise bare RuntimeError and Exception
            raise ModelError(f"No Whisper model can be loaded from {folder}: {error}") from error
        self._model = self._whisper.model
        self._tokenizers: dict[str, Tokenizer] = {}
        self.languages: Sequence[str] = self._whisper.supported_languages
        """ISO 639-1."""

    def features(self, audio: Audio) -> Features:
        """Of at most 30 s; what comes after is left out."""
        return self._whisper.feature_extractor(audio)[:, :FULL]

    def encode(self, features: Features, frames: int) -> ctranslate2.StorageView:
        """What the encoder makes of `features` in a context of `frames`, 3 000 at most."""
        return self._model.encode(ctranslate2.StorageView.from_array(in_context(features, frames)[None]))

    def states(self, audio: Audio, frames: int) -> NDArray[np.float32]:
        """(n, width): what the encoder makes of the first `frames` of `audio`, one state for every two, without the silence behind."""
        features = self.features(audio)[:, :frames]
        return np.array(self.encode(features, frames))[0, : -(-features.shape[1] // 2)]

    def detect(self, encoded: ctranslate2.StorageView, languages: Sequence[str]) -> tuple[str, float]:
        """The likeliest of `languages`, and its likelihood among them, weighed by `_WEIGHTS`."""
        likelihood = {token[2:-2]: p for token, p in self._model.detect_language(encoded)[0]}  # tokens like <|fr|>
        return likeliest({language: likelihood[language] for language in languages})

    def decode(self, encoded: ctranslate2.StorageView, plan: Plan, language: str, hot_words: str = "") -> Decoded:
        """The words, by the beam and up to the number of tokens of `plan`; if that was too few and they ran in a circle, then only once round it.
        `hot_words`: names and terms to expect, as text; about 150 words are taken. Raises RuntimeError or ValueError, as CTranslate2 does."""
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
        circling = echo(tokens) if len(tokens) >= plan.max_tokens else 0
        text = tokenizer.decode(tokens[: len(tokens) - circling]).strip()
        return Decoded(text, tokens, mean_log_prob, result.no_speech_prob)

    def _tokenizer(self, language: str) -> Tokenizer:
        if language not in self._tokenizers:
            self._tokenizers[language] = Tokenizer(
                self._whisper.hf_tokenizer, self._model.is_multilingual, task="transcribe", language=language
            )
        return self._tokenizers[language]


def likeliest(likelihood: Mapping[str, float]) -> tuple[str, float]:
    """The likeliest language and its share, 0 to 1, once they are weighed."""
    weighed = {language: p * _WEIGHTS.get(language, 1.0) for language, p in likelihood.items()}
    best, total = max(weighed, key=weighed.__getitem__), sum(weighed.values())
    return best, weighed[best] / total if total else 1.0 / len(weighed)


def in_context(features: Features, frames: int) -> Features:
    """Features in a context of `frames`; the rest is as quiet as the utterance's quietest moment. A longer utterance is cut."""
    padded = np.full((features.shape[0], frames), features.min(), np.float32)
    padded[:, : min(features.shape[1], frames)] = features[:, :frames]
    return padded
