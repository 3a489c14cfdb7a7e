"""The ways in which a recording is heard over a telephone line: plain offline faster-whisper, our recogniser, a call.

Nothing here depends on how busy the machine is. A call runs in virtual time and gives each answer of a model the same time (`Latency`), so its
turns are the same at every run; what offline faster-whisper draws by chance, where it doubts, it draws from the same seed for every recording.
"""

import hashlib
import json
import random
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import ctranslate2
import msgspec
import numpy as np
import soundfile
from faster_whisper import WhisperModel

from pipelines import actions as do
from pipelines import events as ev
from pipelines.adapters.stt.faster_whisper import FasterWhisper
from pipelines.adapters.stt.two import Two
from pipelines.adapters.vad.silero import SileroVad
from pipelines.audio.g711 import decode, encode
from pipelines.audio.resample import resample
from pipelines.frames import TELEPHONE, Encoding
from pipelines.models.ports import Audio, SpeechToText, Transcript, VoiceActivity
from pipelines.replay.answers import Latency, ModelAnswers
from pipelines.replay.audio_files import caller_dump
from pipelines.replay.dump import Dump
from pipelines.replay.virtual import run
from pipelines.turns.policy import CallSettings, Phrases
from pipelines.units import SAMPLE_RATE, SECOND
from server.model_config import SttSettings

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


Hear = Callable[[Clip], Heard]


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


class Timed:
    """A recogniser with a stopwatch on its finals. Partials of more than two seconds are not made: only the first of them, which tell whether a caller
    interrupts, change what the agent is asked."""

    def __init__(self, stt: SpeechToText) -> None:
        self._stt = stt
        self.took_ms: list[float] = []

    def transcribe(self, audio: Audio, *, languages: Sequence[str], final: bool, **options: Any) -> Transcript:
        if not final and audio.size > 2 * SAMPLE_RATE:
            return Transcript("", languages[0])
        began = perf_counter()
        transcript = self._stt.transcribe(audio, languages=languages, final=final, **options)
        if final:
            self.took_ms.append(1_000 * (perf_counter() - began))
        return transcript


class Listener:
    """An agent that says a word without a sound, so that no speech is ever over it. `after_us`: how long it looks for the word."""

    def __init__(self, after_us: int = 0) -> None:
        self._after_us = after_us

    def reply(self, action: do.StartReply) -> Generator[tuple[int, ev.Event | None], None, None]:
        yield self._after_us, ev.ReplyDelta(action.reply, "Noted.")

    def commit(self, action: do.CommitReply) -> None: ...

    def forget(self, action: do.ForgetReply) -> None: ...

    def remember(self, action: do.Remember) -> None: ...
    def notice(self, action: do.Notice) -> None: ...


def offline(clip: Clip, model: WhisperModel) -> Heard:
    ctranslate2.set_random_seed(0)
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
    """The words on which a call acts when the recording is its caller: those that are answered. A caller who goes on before the answer begins (`Latency`)
    is answered as a whole."""
    settings = CallSettings(languages=languages, phrases=dict.fromkeys(languages, _SILENT))
    timed = Timed(stt)
    answers = ModelAnswers(vad, timed, Listener(Latency().token), languages, speak=lambda action: [])
    quiet = np.random.default_rng(0).normal(0, _HISS, 8_000 * _QUIET_US // SECOND).astype(np.int16)
    audio = encode(quiet, Encoding.MULAW) + clip.wire + encode(quiet, Encoding.MULAW)
    dump = run(caller_dump(TELEPHONE, audio, settings, "listener"), answers)
    return Heard(" ".join(acted_on(dump)), tuple(timed.took_ms))


def acted_on(dump: Dump) -> list[str]:
    """What the agent was asked, question by question; not what it was to forget, since the caller went on."""
    asked = {action.reply: action.text for _, action in dump.actions(do.StartReply)}
    for _, action in dump.actions(do.ForgetReply):
        asked.pop(action.reply, None)
    return list(asked.values())


def kept(hear: Hear, folder: Path | None) -> Hear:
    """`hear`, each recording only once: what was heard is kept in `folder` (None: nothing is kept)."""
    if folder is None:
        return hear
    folder.mkdir(parents=True, exist_ok=True)

    def once(clip: Clip) -> Heard:
        file = folder / f"{hashlib.sha256(clip.language.encode() + clip.wire).hexdigest()}.json"
        if not file.exists():
            file.write_bytes(msgspec.json.encode(hear(clip)))
        return msgspec.json.decode(file.read_bytes(), type=Heard)

    return once


def ways_of(
    models: Path, threads: int, languages: tuple[str, ...] = (), kept_in: Path | None = None
) -> dict[str, Hear]:
    """All of them by name. `languages`: between which ours tell by themselves; none: they are told the clip's. `kept_in`: folder for what the first
    one heard, which does not change with us."""
    settings = SttSettings()
    plain = WhisperModel(str(models / "whisper-base"), device="cpu", compute_type="int8", cpu_threads=threads)
    quick, vad = FasterWhisper(models / settings.quick, threads=threads), SileroVad(models / "silero-vad")
    stt = Two(FasterWhisper(models / settings.model, threads=threads), quick)
    greedy = Two(FasterWhisper(models / settings.model, threads=threads, beam=1), quick)
    return {
        "offline": kept(lambda clip: offline(clip, plain), kept_in),
        "final": lambda clip: alone(clip, stt, languages or (clip.language,), final=True),
        "call": lambda clip: call(clip, stt, vad, languages or (clip.language,)),
        "greedy": lambda clip: call(clip, greedy, vad, languages or (clip.language,)),
        "partial": lambda clip: alone(clip, stt, languages or (clip.language,), final=False),
    }
