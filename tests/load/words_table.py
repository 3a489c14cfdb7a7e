"""Word error rates on four sets of recordings over a telephone line: ours, and what a call acts on, beside plain offline
faster-whisper with the same weights.

    python -m tests.load.words_table --data FOLDER
    python -m tests.load.words_table --data FOLDER --limit 5 --json

Rows, each on the same recordings (8 kHz mu-law and back):

offline  faster-whisper as it comes: whole recording, context of 30 s, beam 5, told the language. In doubt it draws
         words by chance, so its figures vary a little from run to run, and a recording on which it runs away weighs much.
final    our recogniser as a call asks it once the caller has paused.
call     the recording played through a call, voice activity and turn-taking included: the words of the turns it took.
partial  our recogniser as a call asks it while the caller speaks: greedy.

Columns: word error rate of each set and of all words together, in per cent; the difference to `offline` in points, with
the interval that holds it in 95 of 100 draws of as many recordings; median milliseconds of one recognition (of `call`:
of a final). Within 1 point of `offline` is what we ask of ourselves.

FOLDER holds recordings in subfolders, each with a `manifest.jsonl` (fields `audio`, `text`, `language`, `duration`,
`verbatim`), of which up to `--limit` are drawn, the same at every run.
"""

import argparse
import json
import os
import random
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from time import perf_counter, perf_counter_ns
from typing import Any

import msgspec
import numpy as np
import soundfile
from faster_whisper import WhisperModel
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from pipelines import actions as do
from pipelines import events as ev
from pipelines.adapters.stt.faster_whisper import FasterWhisper
from pipelines.adapters.vad.silero import SileroVad
from pipelines.audio.g711 import decode, encode
from pipelines.audio.resample import resample
from pipelines.frames import TELEPHONE, Encoding
from pipelines.models.ports import Audio, SpeechToText, Transcript, VoiceActivity
from pipelines.replay.answers import ModelAnswers
from pipelines.replay.audio_files import caller_dump
from pipelines.replay.virtual import run
from pipelines.turns.policy import CallSettings, Phrases
from pipelines.units import SECOND
from training.common.measures import Errors, interval, word_errors
from training.common.measures import rate as error_rate

SETS = ("en_librispeech", "en_telephone_prompts", "en_speechocean762", "fr_tuxpaint")
WAYS = ("offline", "final", "call", "partial")
WITHIN = 1.0
"""Points by which ours may be worse than offline."""
_LONGEST_S = 28.0  # our recogniser takes 30 at once
_QUIET_US = SECOND // 2  # before the recording
_HISS = 6.0  # of the line itself, in steps of 16 bit
_SILENT = Phrases(greeting="Hello.", prompt="Hello?", goodbye="Goodbye.", apology="Sorry.", fillers=())


class Clip(msgspec.Struct, frozen=True):
    """A recording: `wire`, 8 kHz mu-law, and what is said in it."""

    subset: str
    language: str
    text: str
    wire: bytes

    @property
    def audio(self) -> Audio:
        """As recognition gets it: float32 at 16 kHz."""
        return resample(decode(self.wire, Encoding.MULAW), 8_000, 16_000).astype(np.float32) / 32_768


class Heard(msgspec.Struct, frozen=True):
    """What one way made of one clip: its words, and the milliseconds of each recognition."""

    text: str
    took_ms: tuple[float, ...]


class Scored(msgspec.Struct, frozen=True):
    """Word errors of one way on one clip."""

    subset: str
    way: str
    errors: Errors
    took_ms: tuple[float, ...]


def read_clip(path: Path, text: str, language: str, subset: str = "") -> Clip:
    """The recording at `path` after a telephone line."""
    samples, rate = soundfile.read(path, dtype="int16")
    return Clip(subset, language, text, encode(resample(samples, rate, 8_000), Encoding.MULAW))


def clips(folder: Path, limit: int) -> Iterator[Clip]:
    """Up to `limit` recordings of a set whose words are known to the letter."""
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    rows = [row for row in rows if row["text"] and row.get("verbatim") is not False and row["duration"] <= _LONGEST_S]
    for row in random.Random(0).sample(rows, min(limit, len(rows))):
        yield read_clip(folder / row["audio"], row["text"], row["language"], folder.name)


# ---- the ways to hear them


class Timed:
    """A recogniser with a stopwatch on its finals."""

    def __init__(self, stt: SpeechToText) -> None:
        self._stt = stt
        self.took_ms: list[float] = []

    def transcribe(self, audio: Audio, *, final: bool, **options: Any) -> Transcript:
        began = perf_counter()
        transcript = self._stt.transcribe(audio, final=final, **options)
        if final:
            self.took_ms.append(1_000 * (perf_counter() - began))
        return transcript


class Listener:
    """An agent that says a word without a sound, so that no speech is ever over it."""

    def reply(self, action: do.StartReply) -> Generator[tuple[int, ev.Event | None], None, None]:
        yield 0, ev.ReplyDelta(action.reply, "Noted.")

    def commit(self, action: do.CommitReply) -> None: ...

    def forget(self, action: do.ForgetReply) -> None: ...

    def remember(self, action: do.Remember) -> None: ...
    def notice(self, action: do.Notice) -> None: ...


def offline(clip: Clip, model: WhisperModel) -> Heard:
    began = perf_counter()
    segments, _ = model.transcribe(clip.audio, language=clip.language, beam_size=5)
    text = " ".join(segment.text for segment in segments)  # decoded as it is asked for
    return Heard(text, (1_000 * (perf_counter() - began),))


def alone(clip: Clip, stt: SpeechToText, languages: tuple[str, ...], *, final: bool) -> Heard:
    """Our recogniser on the whole recording."""
    began = perf_counter()
    text = stt.transcribe(clip.audio, languages=languages, final=final).text
    return Heard(text, (1_000 * (perf_counter() - began),))


def call(clip: Clip, stt: SpeechToText, vad: VoiceActivity, languages: tuple[str, ...]) -> Heard:
    """The words on which a call acts when the recording is its caller. Models take the time that they take."""
    settings = CallSettings(languages=languages, phrases=dict.fromkeys(languages, _SILENT))
    timed = Timed(stt)
    answers = ModelAnswers(
        vad, timed, Listener(), languages, speak=lambda action: [], clock=lambda: perf_counter_ns() // 1_000
    )
    quiet = np.random.default_rng(0).normal(0, _HISS, 8_000 * _QUIET_US // SECOND).astype(np.int16)
    audio = encode(quiet, Encoding.MULAW) + clip.wire + encode(quiet, Encoding.MULAW)
    taken = run(caller_dump(TELEPHONE, audio, settings, "listener"), answers).turns()
    return Heard(" ".join(turn.text for turn in taken if turn.party == "caller"), tuple(timed.took_ms))


# ---- the table


def rate(scored: Sequence[Scored], way: str, subset: str = "") -> float:
    """Word error rate in per cent, of one set or of all; NaN of nothing."""
    return 100 * error_rate([s.errors for s in scored if s.way == way and subset in ("", s.subset)])


def difference(scored: Sequence[Scored], way: str) -> tuple[float, float, float]:
    """(points by which `way` is worse than offline, the least and the most of 95 in 100 draws of the clips)."""
    ours, plain = ([s.errors for s in scored if s.way == one] for one in (way, "offline"))
    low, high = interval(ours, plain)
    return 100 * (error_rate(ours) - error_rate(plain)), 100 * low, 100 * high


class Row(msgspec.Struct, frozen=True):
    """Of one way: word error rates by set and of `all`, in per cent; how many points worse than offline, with the
    interval; median milliseconds of a recognition, None if there was none."""

    way: str
    rates: dict[str, float]
    points: float
    interval: tuple[float, float]
    within: bool
    ms: float | None


def rows(scored: Sequence[Scored]) -> list[Row]:
    """A row for each way."""
    subsets = dict.fromkeys(s.subset for s in scored)
    found = []
    for way in WAYS:
        rates = {name: rate(scored, way, name) for name in subsets} | {"all": rate(scored, way)}
        took = [ms for s in scored if s.way == way for ms in s.took_ms]
        points, low, high = difference(scored, way)
        found.append(Row(way, rates, points, (low, high), points <= WITHIN, float(np.median(took)) if took else None))
    return found


def table(scored: Sequence[Scored]) -> Table:
    heads = []
    for name in dict.fromkeys(s.subset for s in scored):
        words = [s.errors.total for s in scored if s.way == WAYS[0] and s.subset == name]
        heads.append(f"{name}\n{len(words)} clips, {sum(words)} words")
    shown = Table("", *heads, "all", "to offline (95 %)", "within 1", "ms", title="Word error rate, %")
    for row in rows(scored):
        low, high = row.interval
        compared = (f"{row.points:+.1f} ({low:+.1f} to {high:+.1f})", "yes" if row.within else "no")
        shown.add_row(
            row.way,
            *(f"{value:.1f}" for value in row.rates.values()),
            *(("", "") if row.way == WAYS[0] else compared),
            "-" if row.ms is None else f"{row.ms:.0f}",
        )
    return shown


def measure(chosen: Sequence[Clip], ways: dict[str, Callable[[Clip], Heard]], console: Console) -> list[Scored]:
    """Hear every clip in every way."""
    scored = []
    with Progress(console=console, transient=True) as progress:
        for clip in progress.track(chosen, description="clips"):
            for way, hear in ways.items():
                heard = hear(clip)
                scored.append(
                    Scored(clip.subset, way, word_errors(clip.text, heard.text, clip.language), heard.took_ms)
                )
    return scored


def ways_of(models: Path, threads: int, languages: tuple[str, ...] = ()) -> dict[str, Callable[[Clip], Heard]]:
    """The rows. `languages`: between which ours tell by themselves; none: they are told the clip's."""
    plain = WhisperModel(str(models / "whisper-base"), device="cpu", compute_type="int8", cpu_threads=threads)
    stt, vad = FasterWhisper(models / "whisper-base", threads=threads), SileroVad(models / "silero-vad")
    return {
        "offline": lambda clip: offline(clip, plain),
        "final": lambda clip: alone(clip, stt, languages or (clip.language,), final=True),
        "call": lambda clip: call(clip, stt, vad, languages or (clip.language,)),
        "partial": lambda clip: alone(clip, stt, languages or (clip.language,), final=False),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of recordings")
    default = Path(os.environ.get("ALLO_MODELS", "~/.cache/allo/models")).expanduser()
    parser.add_argument("--models", type=Path, default=default)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limit", type=int, default=100, help="recordings of each set")
    parser.add_argument("--detect", action="store_true", help="ours are not told the language: English or French")
    parser.add_argument("--json", action="store_true", help="rows and every clip's errors, on standard output")
    options = parser.parse_args()

    ways = ways_of(options.models, options.threads, ("en", "fr") if options.detect else ())
    chosen = [clip for subset in SETS for clip in clips(options.data / subset, options.limit)]
    scored = measure(chosen, ways, Console(stderr=True))
    if options.json:
        json.dump(msgspec.to_builtins({"rows": rows(scored), "clips": scored}), sys.stdout)
    else:
        Console(width=160).print(table(scored))


if __name__ == "__main__":
    main()
