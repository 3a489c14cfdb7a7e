"""A caller in a room where somebody else talks too, heard with and without following him.

    python -m tests.load.two_voices --data FOLDER --model speaker-ecapa
    python -m tests.load.two_voices --data FOLDER --model speaker-ecapa --calls 8 --softer 0 6 12 --json

Each call is made of recordings of two readers of FOLDER/en_librispeech: the caller says one sentence after the other, and in the pauses between them
another says something, so many dB softer. In virtual time, with the real voice activity, recogniser and encoder; the agent says nothing.

Columns: word errors of the caller's words, in per cent (words of the other that were taken for his count as inserted); turns that the other voice
alone triggered, of those in which it spoke; sentences of the caller that were left out.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from pipelines.audio.g711 import encode
from pipelines.frames import TELEPHONE, Encoding
from pipelines.models.ports import Audio, SpeakerEncoder, SpeechToText, VoiceActivity
from pipelines.models.store import Store
from pipelines.replay.answers import Judges, ModelAnswers
from pipelines.replay.audio_files import caller_dump
from pipelines.replay.virtual import run
from pipelines.turns.policy import CallSettings, Phrases
from server.engines import load_model, load_stt
from server.model_config import SttSettings
from tests.load.words_heard import Listener
from training.common import audio, manifests
from training.common.manifests import Clip
from training.common.measures import Errors, interval, rate, word_errors
from training.common.telephony import plain

_SILENT = Phrases(greeting="", prompt="", goodbye="", apology="", fillers=())
_RATE = 16_000
_PAUSE_S = 1.5
_HISS = 2e-4


class Said(msgspec.Struct, frozen=True):
    """A sentence of a call: whose it is, its words, and where it lies, in seconds."""

    caller: bool
    text: str
    start: float
    end: float


class Heard(msgspec.Struct, frozen=True):
    """What came of one call: errors in the caller's words, turns of the other alone, and sentences of the caller that no turn holds."""

    errors: Errors
    others: int
    other_turns: int
    own: int
    left_out: int


def scenes(clips: list[Clip], count: int, softer_db: float) -> Iterator[tuple[Audio, list[Said]]]:
    """Calls of two readers each: the caller's first sentences alone, then by turns with the other."""
    by_speaker: dict[str, list[Clip]] = {}
    for clip in sorted(clips, key=lambda clip: str(clip.audio)):
        if 2.0 <= clip.duration <= 9.0:
            by_speaker.setdefault(clip.speaker, []).append(clip)
    readers = sorted(speaker for speaker, own in by_speaker.items() if len(own) >= 4)
    for number in range(count):
        one = readers[number % len(readers)]
        other = readers[(number + 1 + number // len(readers)) % len(readers)]
        yield _scene(by_speaker[one][:5], by_speaker[other][-3:], softer_db, np.random.default_rng(number))


def _scene(own: list[Clip], others: list[Clip], softer_db: float, rng: np.random.Generator) -> tuple[Audio, list[Said]]:
    order = [own[0], own[1]]
    for mine, foreign in zip(own[2:], others, strict=False):
        order += [foreign, mine]
    line, said = [np.zeros(_RATE // 2, np.float32)], []
    at = 0.5
    for clip in order:
        caller = clip in own
        sound = audio.load(clip.audio)
        level = 0.08 * (1.0 if caller else 10 ** (-softer_db / 20))
        sound = sound * np.float32(level / max(float(np.sqrt(np.mean(sound**2))), 1e-6))
        said.append(Said(caller, clip.text, at, at + len(sound) / _RATE))
        line += [sound, np.zeros(round(_PAUSE_S * _RATE), np.float32)]
        at += len(sound) / _RATE + _PAUSE_S
    whole = np.concatenate(line)
    return plain(whole + rng.normal(0, _HISS, whole.size).astype(np.float32)), said


def listen(
    scene: tuple[Audio, list[Said]], stt: SpeechToText, vad: VoiceActivity, encoder: SpeakerEncoder | None
) -> Heard:
    """One call, with the caller followed if there is an encoder."""
    sound, said = scene
    known = getattr(encoder, "thresholds", {})
    settings = CallSettings(
        languages=("en",),
        phrases={"en": _SILENT},
        follow=encoder is not None,
        voice_same=known.get("short", CallSettings().voice_same),
        voice_other=known.get("other", CallSettings().voice_other),
    )
    answers = ModelAnswers(vad, stt, Listener(), ("en",), speak=lambda action: [], judges=Judges(speaker=encoder))
    wire = encode((np.clip(sound[::2], -1, 1) * 32_767).astype(np.int16), Encoding.MULAW)  # it is a telephone's already
    dump = run(caller_dump(TELEPHONE, wire, settings, "listener"), answers)
    turns = [turn for turn in dump.turns() if turn.party == "caller"]
    foreign = [part for part in said if not part.caller]
    own = [part for part in said if part.caller]

    def within(part: Said, turn: object) -> bool:
        return min(turn.end, part.end) - max(turn.start, part.start) > 0.3

    alone = [t for t in turns if any(within(p, t) for p in foreign) and not any(within(p, t) for p in own)]
    missed = [p for p in own if not any(within(p, t) for t in turns)]
    text = " ".join(turn.text for turn in turns)
    errors = word_errors(" ".join(part.text for part in own), text, "en")
    return Heard(errors, len(foreign), len(alone), len(own), len(missed))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", required=True, help="a speaker encoder of the store")
    parser.add_argument("--calls", type=int, default=6)
    parser.add_argument("--softer", type=float, nargs="+", default=[0.0, 10.0], help="dB by which the other is softer")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    store = Store()
    clips = manifests.read_all([options.data / "en_librispeech" / "manifest.jsonl"])
    stt, vad = load_stt(store, SttSettings(), SttSettings().model), load_model(store, "silero-vad")
    encoder = load_model(store, options.model)
    rows = []
    for softer in options.softer:
        made = list(scenes(clips, options.calls, softer))
        for way, follows in (("everybody", None), ("the caller", encoder)):
            heard = [
                listen(scene, stt, vad, follows)
                for scene in track(made, f"{way}, {softer:g} dB", console=Console(stderr=True), transient=True)
            ]
            errors = [one.errors for one in heard]
            rows.append(
                {
                    "softer_db": softer,
                    "heard": way,
                    "wer": rate(errors),
                    "bounds": interval(errors),
                    "other_turns": sum(one.other_turns for one in heard),
                    "others": sum(one.others for one in heard),
                    "left_out": sum(one.left_out for one in heard),
                    "own": sum(one.own for one in heard),
                }
            )
    if options.json:
        json.dump(rows, sys.stdout)
        return
    table = Table("softer by", "heard", "word errors", "turns of the other", "sentences left out")
    for row in rows:
        low, high = row["bounds"]
        table.add_row(
            f"{row['softer_db']:g} dB",
            row["heard"],
            f"{100 * row['wer']:.1f} % ({100 * low:.1f} to {100 * high:.1f})",
            f"{row['other_turns']} of {row['others']}",
            f"{row['left_out']} of {row['own']}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
