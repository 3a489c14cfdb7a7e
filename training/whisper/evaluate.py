"""What a context costs in words and saves in time, measured by what serves: CTranslate2 in int8.

Bare: one try with 220 tokens at most. Guarded: as the server does, the tokens limited by the duration, and a second try with 30 s when the first is
doubtful (`pipelines/adapters/stt/context.py`).
"""

import time
from collections.abc import Iterable
from pathlib import Path

import ctranslate2
import msgspec
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from numpy.typing import NDArray

from pipelines.adapters.stt import context
from pipelines.adapters.stt.context import FULL, Decoded, Plan
from pipelines.errors import ModelError
from training.common import audio
from training.common.manifests import Clip
from training.common.measures import Errors, word_errors
from training.common.telephony import plain
from training.whisper.frames import context_frames, in_context

_UNLIMITED = 220  # tokens: about what Whisper's own decoding allows


class Heard(msgspec.Struct, frozen=True):
    """A transcript. `runs_away`: the first try did; `tries`: 2 when the full context was asked."""

    text: str
    encode_ms: float
    decode_ms: float
    runs_away: bool
    tries: int


class Transcriber:
    """A Whisper for CTranslate2, one clip at a time, with the context chosen."""

    def __init__(self, folder: Path, *, threads: int = 2, compute: str = "int8") -> None:
        """Raises ModelError."""
        try:
            self._whisper = WhisperModel(
                str(folder), device="cpu", compute_type=compute, cpu_threads=threads, local_files_only=True
            )
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"No Whisper model can be loaded from {folder}: {error}") from error
        self._model = self._whisper.model

    def features(self, path: Path, *, plain_line: bool) -> NDArray[np.float32]:
        """(bins, n), of the recording through a plain telephone line or as it is."""
        samples = audio.load(path)
        return self._whisper.feature_extractor(plain(samples) if plain_line else samples)[:, :FULL]

    def hear(
        self, features: NDArray[np.float32], language: str, *, margin_s: float, beam: int = 1, guarded: bool = False
    ) -> Heard:
        """The words in `features`, with `margin_s` seconds of context behind them (30: the full context)."""
        frames = context_frames(features.shape[1], margin_s)
        [served, *_] = context.plans(features.shape[1], final=False, beam=1)
        limit = served.max_tokens
        plan = Plan(frames, beam, limit if guarded else _UNLIMITED)
        first, encode_ms, decode_ms = self._try(features, plan, language)
        best, tries = first, 1
        if guarded and context.doubtful(first, plan) and frames < FULL:
            full = Plan(FULL, beam, limit)
            again, more_encode, more_decode = self._try(features, full, language)
            best, tries = context.better(first, again, full), 2
            encode_ms, decode_ms = encode_ms + more_encode, decode_ms + more_decode
        return Heard(best.text, encode_ms, decode_ms, context.runs_away(first, Plan(frames, beam, limit)), tries)

    def _try(self, features: NDArray[np.float32], plan: Plan, language: str) -> tuple[Decoded, float, float]:
        started = time.perf_counter()
        encoded = self._model.encode(ctranslate2.StorageView.from_array(in_context(features, plan.frames)[None]))
        between = time.perf_counter()
        tokenizer = Tokenizer(
            self._whisper.hf_tokenizer, self._model.is_multilingual, task="transcribe", language=language or "en"
        )
        prompt = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
        [result] = self._model.generate(
            encoded,
            [prompt],
            beam_size=plan.beam,
            max_length=max(2 * plan.max_tokens, plan.max_tokens + len(prompt)),
            return_scores=True,
            return_no_speech_prob=True,
        )
        ended = time.perf_counter()
        tokens = result.sequences_ids[0]
        score = result.scores[0] * len(tokens) / (len(tokens) + 1)
        decoded = Decoded(tokenizer.decode(tokens).strip(), tokens, score, result.no_speech_prob)
        return decoded, 1_000 * (between - started), 1_000 * (ended - between)


def word_errors_of(
    transcriber: Transcriber, clips: Iterable[Clip], *, margin_s: float, plain_line: bool = True
) -> list[Errors]:
    """Word errors of each clip, greedy and bare."""
    return [
        word_errors(
            clip.text,
            transcriber.hear(
                transcriber.features(clip.audio, plain_line=plain_line), clip.language, margin_s=margin_s
            ).text,
            clip.language,
        )
        for clip in clips
    ]
