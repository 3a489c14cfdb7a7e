"""What a context costs in words and saves in time, measured by what serves: CTranslate2, in int8.

Each clip is heard twice in one go:
* bare: one try, of 220 tokens at most, whatever comes of it.
* guarded: as the server does, the tokens limited by the duration, and a second try with 30 s when the first is doubtful
  (`pipelines/adapters/stt/context.py`).
A model that needs no guard has the same words in both.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median

import ctranslate2
import msgspec

from pipelines.adapters.stt import context
from pipelines.adapters.stt.context import FULL, Decoded, Plan
from pipelines.adapters.stt.whisper import Features, Whisper
from training.common import audio
from training.common.manifests import Clip
from training.common.measures import Errors, interval, rate, word_errors
from training.common.telephony import plain
from training.whisper.frames import context_frames

MARGINS_S = (1.0, 3.0, 5.0, 30.0)
_UNLIMITED = 220  # tokens: about what Whisper's own decoding allows


class Heard(msgspec.Struct, frozen=True):
    """A transcript, and what it took. `runs_away`: it did not end by itself or repeats itself; `again`: 30 s were asked too."""

    text: str
    encode_ms: float
    decode_ms: float
    runs_away: bool = False
    again: bool = False


class Transcriber:
    """A Whisper for CTranslate2 on the processor, one clip at a time, in any context."""

    def __init__(self, folder: Path, *, threads: int = 2, compute: str = "int8") -> None:
        """Raises ModelError."""
        self._whisper = Whisper(folder, threads=threads, compute=compute)

    def features(self, path: Path, *, plain_line: bool = True) -> Features:
        """Of the recording through a plain telephone line, or as it is."""
        samples = audio.load(path)
        return self._whisper.features(plain(samples) if plain_line else samples)

    def encode(self, features: Features, frames: int) -> tuple[ctranslate2.StorageView, float]:
        """What the encoder makes of `features` in a context of `frames`, and the ms it took."""
        started = time.perf_counter()
        encoded = self._whisper.encode(features, frames)
        return encoded, 1_000 * (time.perf_counter() - started)

    def decode(self, encoded: ctranslate2.StorageView, plan: Plan, language: str) -> tuple[Decoded, float]:
        """The words, and the ms they took."""
        started = time.perf_counter()
        decoded = self._whisper.decode(encoded, plan, language or "en")
        return decoded, 1_000 * (time.perf_counter() - started)

    def hear(
        self, features: Features, language: str, *, margin_s: float, beam: int = 1, limited: bool = False
    ) -> Heard:
        """One try with `margin_s` seconds behind the utterance (30: the full context). `limited`: to the tokens that its
        duration allows."""
        return self.tries(features, language, margin_s=margin_s, beams=(beam,), limited=limited)[beam]

    def tries(
        self, features: Features, language: str, *, margin_s: float, beams: Sequence[int], limited: bool = False
    ) -> dict[int, Heard]:
        """The same for each beam, from one run of the encoder."""
        frames = context_frames(features.shape[1], margin_s)
        encoded, encode_ms = self.encode(features, frames)
        heard = {}
        for beam in beams:
            plan = _plan(features, frames, beam)
            decoded, ms = self.decode(encoded, plan if limited else Plan(frames, beam, _UNLIMITED), language)
            heard[beam] = Heard(decoded.text, encode_ms, ms, context.runs_away(decoded, plan))
        return heard

    def hear_both(
        self, features: Features, language: str, *, margin_s: float, beams: Sequence[int]
    ) -> dict[int, tuple[Heard, Heard]]:
        """By beam: bare and guarded, from one run of the encoder."""
        frames = context_frames(features.shape[1], margin_s)
        encoded, encode_ms = self.encode(features, frames)
        full: tuple[ctranslate2.StorageView, float] | None = None
        heard = {}
        for beam in beams:
            plan = _plan(features, frames, beam)
            decoded, ms = self.decode(encoded, Plan(frames, beam, _UNLIMITED), language)
            bare = Heard(decoded.text, encode_ms, ms, context.runs_away(decoded, plan))
            guarded = bare
            if context.doubtful(decoded, plan):
                if len(decoded.tokens) >= plan.max_tokens:  # the server would have stopped it sooner
                    decoded, ms = self.decode(encoded, plan, language)
                guarded = Heard(decoded.text, encode_ms, ms, bare.runs_away)
                if frames < FULL:
                    full = full or self.encode(features, FULL)
                    wide = _plan(features, FULL, beam)
                    second, more_ms = self.decode(full[0], wide, language)
                    best = context.better(decoded, second, wide)
                    guarded = Heard(best.text, encode_ms + full[1], ms + more_ms, bare.runs_away, True)
            heard[beam] = bare, guarded
        return heard


def _plan(features: Features, frames: int, beam: int) -> Plan:
    """The try that the server would make of it, its limit of tokens included."""
    return Plan(frames, beam, context.plans(features.shape[1], final=False, beam=1)[0].max_tokens)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table. Rates are 0 upwards, with the bounds of 95 % (bootstrap over clips); ms are medians; `loss`: the rate
    less that of the same model, beam and clips with 30 s and bare."""

    model: str
    group: str
    margin_s: float
    beam: int
    guarded: bool
    clips: int
    wer: float
    wer_bounds: tuple[float, float]
    loss: float
    loss_bounds: tuple[float, float]
    encode_ms: float
    decode_ms: float
    runaways: int
    again: int


def context_table(
    models: dict[str, Path],
    groups: dict[str, Sequence[Clip]],
    *,
    margins_s: Sequence[float] = MARGINS_S,
    beams: Sequence[int] = (1, 5),
    threads: int = 2,
    plain_line: bool = True,
    tick: Callable[[], None] = lambda: None,
) -> list[Row]:
    """Rows for each model, group (and "all"), margin, beam, bare and guarded. `tick` is called after each clip."""
    rows: list[Row] = []
    for name, folder in models.items():
        transcriber = Transcriber(folder, threads=threads)
        heard: dict[tuple[float, int, bool, str], list[tuple[Heard, Errors]]] = {}
        for group, clips in groups.items():
            for clip in clips:
                features = transcriber.features(clip.audio, plain_line=plain_line)
                for margin in margins_s:
                    for beam, pair in transcriber.hear_both(
                        features, clip.language, margin_s=margin, beams=beams
                    ).items():
                        for guarded, one in zip((False, True), pair, strict=True):
                            entry = one, word_errors(clip.text, one.text, clip.language)
                            for place in (group, "all"):
                                heard.setdefault((margin, beam, guarded, place), []).append(entry)
                tick()
        widest = max(margins_s)
        rows += [_row(name, key, entries, heard[widest, key[1], False, key[3]]) for key, entries in heard.items()]
    return rows


def _row(model: str, key: tuple[float, int, bool, str], entries: list, widest: list) -> Row:
    margin, beam, guarded, group = key
    heard, errors = zip(*entries, strict=True)
    reference = [errors for _, errors in widest]
    return Row(
        model=model,
        group=group,
        margin_s=margin,
        beam=beam,
        guarded=guarded,
        clips=len(heard),
        wer=rate(errors),
        wer_bounds=interval(errors),
        loss=rate(errors) - rate(reference),
        loss_bounds=interval(errors, reference),
        encode_ms=median(one.encode_ms for one in heard),
        decode_ms=median(one.decode_ms for one in heard),
        runaways=sum(one.runs_away for one in heard),
        again=sum(one.again for one in heard),
    )


def grouped(clips: Iterable[Clip], most: int = 1_000_000) -> dict[str, list[Clip]]:
    """Clips by the folder they lie in, at most `most` of each, evenly spread over the list."""
    groups: dict[str, list[Clip]] = {}
    for clip in clips:
        groups.setdefault(clip.audio.parent.name, []).append(clip)
    return {name: spread(group, most) for name, group in sorted(groups.items())}


def spread(clips: Sequence[Clip], most: int) -> list[Clip]:
    """At most `most` of them, evenly spread over the list."""
    count = min(most, len(clips))
    return [clips[i * len(clips) // count] for i in range(count)]


def watched_errors(
    transcriber: Transcriber, clips: Iterable[Clip], *, margin_s: float, plain_line: bool = True
) -> list[Errors]:
    """Word errors of each clip, greedy, in one try. The tokens are limited by the duration: without that, one clip that runs away is 200 errors,
    and decides alone which checkpoint is the best."""
    return [
        word_errors(
            clip.text,
            transcriber.hear(
                transcriber.features(clip.audio, plain_line=plain_line), clip.language, margin_s=margin_s, limited=True
            ).text,
            clip.language,
        )
        for clip in clips
    ]
