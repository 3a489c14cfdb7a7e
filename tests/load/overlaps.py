"""Sounds over the agent, one call each, in virtual time: how soon it falls silent for an interruption, and what else silences it.

    python -m tests.load.overlaps                          # the clips of this bench and of `allo call`
    python -m tests.load.overlaps --data DIR --people 40   # and real people, noises and music of recordings with manifests; --recorded: those alone
    python -m tests.load.overlaps --look-ms 80 250         # how long the recogniser takes for a look: a row for each
    python -m tests.load.overlaps --ear none MODEL         # by words alone, and by a net of one's own too: rows for both
    python -m tests.load.overlaps --each                   # a line for each sound

Voice activity, the net that hears interruptions and the recogniser are the real ones, and so is every decision; only time is virtual, so that a busy machine changes nothing:
a window takes 5 ms, the net `--ear-ms`, a look `--look-ms`. Each sound is heard at two places within a frame.

yield     seconds from the first sound of an interruption until silence in the ear: median / 95th percentile. `voice activity`: the part
          until it fired. `never`: the agent spoke on for 1.5 s.
stopped   backchannels, coughs, noises and music for which there was any silence at all in the ear; `longest`: seconds of it;
          `late`: of those, not gone on after within a second, or answered as if they were a turn. `voices`: the same of others in his room.
"""

import argparse
import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from pipelines import actions as do
from pipelines import events as ev
from pipelines.audio.g711 import encode
from pipelines.frames import TELEPHONE, Encoding
from pipelines.models.ports import Audio, OverlapDetector, SpeechToText, Transcript, VoiceActivity
from pipelines.replay import virtual
from pipelines.replay.answers import Judges, Latency, ModelAnswers
from pipelines.replay.audio_files import caller_dump
from pipelines.replay.dump import Dump, Step
from pipelines.replay.ear import heard
from pipelines.turns.policy import CallSettings
from pipelines.units import MS, SECOND
from server.config import Config
from server.engines import load_model, load_stt, load_vad
from server.settings import call_settings, measured
from tests.load.pickup import RATE, NoAgent, read
from tests.load.turn_table import percentiles

CLIPS = Path(__file__).parent / "clips"
CALLER = Path(__file__).parents[2] / "server" / "caller" / "clips"
_ANSWERS = {"en_yes", "en_yes_please", "en_thanks", "en_goodbye", "fr_oui", "fr_oui_court", "fr_merci", "fr_ok"}
"""Neither interruption nor murmur, over somebody who speaks."""
_ASKED = {"en": "en_hours", "fr": "fr_horaires"}
"""What the caller says before, so that he is answered and it is known how loud he is."""
_ANSWER = "One sentence that does not end."
_ANSWER_S = 2.5  # from his last sound: by then the agent has been speaking for a second and a half
_SHIFTS = (0, 104)  # samples at 8 kHz: two places within a frame and a window
_LOUD = 200  # of int16
_PERSON_S = 2.5


class Over(msgspec.Struct, frozen=True):
    """Something heard over the agent: int16 at 8 kHz. `kind`: "interruption", "murmur" (or noise), or another's "voice"."""

    name: str
    kind: str
    language: str
    pcm: np.ndarray


class Talker(NoAgent):
    """Answers at once, and does not end."""

    def reply(self, action: do.StartReply) -> Iterator[tuple[int, ev.Event]]:
        yield 0, ev.ReplyDelta(action.reply, _ANSWER)
        yield 0, ev.ReplyFinished(action.reply)


class Taken(msgspec.Struct, frozen=True):
    """What came of it. Seconds; None: it never was."""

    over: Over
    noticed: float | None
    silent: float | None
    silence: float | None
    """How long until the agent went on; None too if it answered the sound instead."""


def shipped() -> Iterator[Over]:
    """The clips that travel with the project."""
    for path in [*sorted(CLIPS.glob("*.flac")), *sorted(CALLER.glob("*.wav"))]:
        name = path.stem
        if name in _ANSWERS or name[:2] not in ("en", "fr", "x_"):
            continue
        kind = (
            "voice" if "far_voice" in name else "murmur" if "_bc_" in name or name.startswith("x_") else "interruption"
        )
        for language in [name[:2]] if name[:2] != "x_" else ["en", "fr"]:
            yield Over(name, kind, language, read(path))


def recorded(data: Path, people: int) -> Iterator[Over]:
    """Real ones: how people begin to speak, and what is behind them."""
    for folder, language in (("en_spoken_commands", "en"), ("en_librispeech", "en"), ("fr_tuxpaint", "fr")):
        entries = _entries(data / folder)
        for entry in entries[:: max(1, 2 * len(entries) // people)]:
            pcm = read(data / folder / entry["audio"])[: int(_PERSON_S * RATE)]
            yield Over(entry["audio"], "interruption", language, _level(pcm, -20))
    for folder in ("noise", "music_on_hold"):
        for entry in _entries(data / folder):
            pcm = read(data / folder / entry["audio"])[: 2 * RATE]
            yield Over(entry["audio"], "murmur", "en", _level(pcm, -32))


def _entries(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]


def _level(pcm: np.ndarray, dbfs: float) -> np.ndarray:
    level = np.sqrt(np.mean(pcm.astype(np.float64) ** 2)) / 32_768
    return np.clip(pcm * (10 ** (dbfs / 20) / max(level, 1e-6)), -32_768, 32_767).astype(np.int16)


class Remembering:
    """A recogniser that is asked once for the same sound: rows differ by its pace alone."""

    def __init__(self, stt: SpeechToText) -> None:
        self._stt, self._known = stt, {}

    def transcribe(self, audio: Audio, **wanted: object) -> Transcript:
        key = audio.tobytes(), str(sorted(wanted.items()))
        if key not in self._known:
            self._known[key] = self._stt.transcribe(audio, **wanted)
        return self._known[key]


def take(
    over: Over,
    shift: int,
    settings: CallSettings,
    vad: VoiceActivity,
    stt: Remembering,
    latency: Latency,
    ear: OverlapDetector | None = None,
) -> Taken:
    """One call: the caller asks something, the agent talks on and on, and then the sound comes."""
    settings = msgspec.structs.replace(settings, languages=(over.language,))
    asked = read(CALLER / f"{_ASKED[over.language]}.wav")
    before = np.concatenate([asked, np.zeros(int(_ANSWER_S * RATE) + shift, np.int16)])
    pcm = np.concatenate([before, over.pcm, np.zeros(3 * RATE // 2, np.int16)])
    dump = caller_dump(TELEPHONE, encode(pcm, Encoding.MULAW), settings, "bench", after_us=SECOND)
    answers = ModelAnswers(
        vad,
        stt,
        Talker(),
        settings.languages,
        speak=lambda action: [b"\x10" * (20 * RATE if action.text == _ANSWER else RATE // 2)],
        latency=latency,
        judges=Judges(overlap=ear),
    )
    sound = int(np.flatnonzero(np.abs(over.pcm.astype(np.int32)) > _LOUD)[0]) + len(before)
    first = sound * SECOND // RATE + SECOND
    gone = Step(dump.steps[-1].at, ev.CallEnded("caller"), ())
    return judge(over, virtual.run(Dump(dump.meta, (*dump.steps, gone), complete=True), answers, settings), first)


def judge(over: Over, call: Dump, first: int) -> Taken:
    """What was in the ear of a caller whose sound began at call time `first`."""
    at_its_end = call.duration_us - 100 * MS  # where all fall silent
    until = min(first + len(over.pcm) * SECOND // RATE + 1_500 * MS, at_its_end)
    noticed = [
        at for at, a in call.actions(do.Observed) if a.fact == "speech_started" and first - 100 * MS <= at < until
    ]
    edges = [(sound.at, sound.at + TELEPHONE.duration_us(len(sound.audio))) for sound in heard(call)]
    silent = next((end for _, end in edges if first <= end < until), None)
    again = next((start for start, _ in edges if silent is not None and start >= silent), None)
    seconds = lambda at: None if at is None else (at - first) / 1e6  # noqa: E731
    answered = any(a.turn.party == "caller" and at >= first for at, a in call.actions(do.TurnTaken))
    silence = None if again is None or silent is None or answered else (again - silent) / 1e6
    return Taken(over, seconds(noticed[0] if noticed else None), seconds(silent), silence)


def row(taken: list[Taken]) -> list[str]:
    """The figures of some sounds, as the table shows them."""
    wanted = [one for one in taken if one.over.kind == "interruption"]
    yields = [one.silent for one in wanted if one.silent is not None and one.silent <= 1.5]
    others = [one for one in taken if one.over.kind == "murmur"]
    stopped = [one for one in others if one.silent is not None]
    back = [one.silence for one in stopped if one.silence is not None]
    late = sum(one.silence is None or one.silence > 1 for one in stopped)
    voices = [one.silent is not None for one in taken if one.over.kind == "voice"]
    return [
        str(len(wanted)),
        percentiles([one.noticed for one in wanted if one.noticed is not None]),
        percentiles(yields),
        str(len(wanted) - len(yields)),
        f"{len(stopped)} of {len(others)} ({len(stopped) / max(1, len(others)):.0%})",
        f"{max(back):.2f}" if back else "-",
        str(late),
        f"{sum(voices)} of {len(voices)}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, metavar="DIR")
    parser.add_argument("--people", type=int, default=40, help="recordings of people to take from each set")
    parser.add_argument("--recorded", action="store_true", help="the recordings of --data alone")
    parser.add_argument("--look-ms", type=int, nargs="+", default=[80, 150, 250])
    parser.add_argument(
        "--ear",
        nargs="+",
        default=["none"],
        metavar="MODEL",
        help='tells interruptions by their sound; "none": words alone; a row for each',
    )
    parser.add_argument("--ear-ms", type=int, default=25, help="how long the net takes")
    parser.add_argument("--each", action="store_true", help="a line for each sound")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=NUMBER", help="settings of the call to change")
    options = parser.parse_args()
    config = Config()
    store = config.store()
    vad, stt = load_vad(store, config), Remembering(load_stt(store, config.models.stt, config.models.stt.model))
    ears = {name: None if name == "none" else load_model(store, name) for name in options.ear}
    changes = {key: json.loads(value) for key, _, value in (one.partition("=") for one in options.set)}
    if options.recorded and not options.data:
        parser.error("--recorded needs --data.")
    sounds = [
        *(() if options.recorded else shipped()),
        *(recorded(options.data, options.people) if options.data else ()),
    ]
    console = Console(width=150)
    table = Table(
        "look",
        "ear",
        "language",
        "interruptions",
        "voice activity",
        "yield",
        "never",
        "stopped",
        "longest",
        "late",
        "voices",
    )
    for look_ms, (name, ear) in product(options.look_ms, ears.items()):
        settings = measured(call_settings(config, config.agents[0]), config.models, None, None, ear)
        settings = msgspec.structs.replace(settings, judge_overlaps=ear is not None, **changes)
        latency = Latency(transcript=look_ms * MS, overlap=options.ear_ms * MS)
        jobs = [(over, shift) for over in sounds for shift in _SHIFTS]
        taken = [
            take(over, shift, settings, vad, stt, latency, ear)
            for over, shift in track(jobs, console=Console(stderr=True))
        ]
        for language, languages in (("en", {"en"}), ("fr", {"fr"}), ("both", {"en", "fr"})):
            figures = row([one for one in taken if one.over.language in languages])
            table.add_row(f"{look_ms} ms", name, language, *figures)
        for one in taken if options.each else []:
            figures = ["-" if value is None else f"{value:.2f}" for value in (one.noticed, one.silent, one.silence)]
            console.print(f"{look_ms} {name} {one.over.language} {one.over.kind:12} {one.over.name:30}", *figures)
    console.print(table)


if __name__ == "__main__":
    main()
