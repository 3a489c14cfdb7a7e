"""Is a caller known again by his voice, and is a stranger?

    python -m tests.load.known_callers --data FOLDER --model resemblyzer
    python -m tests.load.known_callers --data FOLDER --model resemblyzer --noise 10 --calls 3 --corpora fr_tuxpaint

Of each reader with enough recordings three, cut to 5 s, are enrolled, as calls of his; from the others, on a telephone line, he calls: each recording is a stretch of
speech, and the machine (`pipelines.turns.voices`) asks who he is when it would in a call, after 3, 6 and 12 s of him. Rows: after how much speech;
columns: of the callers who are enrolled, how many are known by then; of all pairs of a caller and another person who is enrolled, how many are mistaken.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from pipelines.events import VoiceHeard
from pipelines.models.ports import Audio
from pipelines.models.store import Store
from pipelines.speakers.enrolment import Person, Voice, enrol, joined
from pipelines.turns.policy import CallSettings
from pipelines.turns.voices import Voices
from pipelines.units import SAMPLE_RATE
from server.config import Config
from server.engines import load_model
from server.settings import known_from, measured
from training.common import audio, manifests
from training.common.telephony import plain

_ENROLLED, _CALL_S, _PART_S = 3, 12.0, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", required=True, help="a speaker encoder of the store")
    parser.add_argument("--corpora", nargs="+", default=["en_librispeech", "fr_tuxpaint", "en_speechocean762"])
    parser.add_argument("--noise", type=float, help="dB by which a hiss is softer than the caller; none without")
    parser.add_argument("--calls", type=int, default=1, help="of each person, at most")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    encoder = load_model(Store(), options.model)
    config = Config()
    settings = measured(CallSettings(identify=True), config.models, None, encoder)
    threshold = known_from(config.models.speaker, encoder)
    people: dict[str, Person] = {}
    calls: list[tuple[str, list[Voice]]] = []
    for name, sounds in track(list(_readers(options)), console=Console(stderr=True), transient=True):
        line = [plain(sound[: _PART_S * SAMPLE_RATE]) for sound in sounds]
        parts = [enrol(name, encoder, sound, model=options.model) for sound in line[:_ENROLLED]]
        people[name] = joined(joined(parts[0], parts[1]), parts[2])
        rng = np.random.default_rng(len(people))
        calls += [(name, looks(call, settings, encoder, options.noise, rng)) for call in _calls(line, options.calls)]
    rows = []
    for n, seconds in enumerate((3, 6, 12)):
        scores = [
            (caller == name, max(float(person.voice @ voice) for voice in asked[: n + 1]))
            for caller, asked in calls
            if asked
            for name, person in people.items()
        ]
        own, others = ([score >= threshold for same, score in scores if same is wanted] for wanted in (True, False))
        rows.append(
            {"seconds": seconds, "known": sum(own), "callers": len(own), "mistaken": sum(others), "pairs": len(others)}
        )
    if options.json:
        json.dump({"threshold": threshold, "people": len(people), "rows": rows}, sys.stdout)
        return
    table = Table("after", "known", "strangers mistaken", title=f"{len(people)} people, from {threshold:.2f} on")
    for row in rows:
        table.add_row(
            f"{row['seconds']} s", f"{row['known']} of {row['callers']}", f"{row['mistaken']} of {row['pairs']}"
        )
    Console().print(table)


def _readers(options: argparse.Namespace) -> Iterator[tuple[str, list[Audio]]]:
    """Those with enough recordings of three seconds and more, or short ones put together."""
    for corpus in options.corpora:
        by_speaker: dict[str, list[Audio]] = {}
        for clip in manifests.read_all([options.data / corpus / "manifest.jsonl"]):
            own = by_speaker.setdefault(clip.speaker or "", [])
            if clip.speaker and sum(map(len, own)) < 120 * SAMPLE_RATE:
                own.append(audio.load(clip.audio))
        for speaker, sounds in sorted(by_speaker.items()):
            stretches = list(_long(sounds))
            if speaker and len(stretches) > _ENROLLED:
                yield speaker, stretches


def _long(sounds: list[Audio]) -> Iterator[Audio]:
    held: list[Audio] = []
    for sound in sounds:
        held.append(sound)
        if sum(map(len, held)) >= 3 * SAMPLE_RATE:
            yield np.concatenate(held)
            held = []


def _calls(line: list[Audio], most: int) -> Iterator[list[Audio]]:
    """What is left of a person's recordings, dealt out to calls of 12 s or more."""
    call: list[Audio] = []
    made = 0
    for sound in line[_ENROLLED:]:
        call.append(sound)
        if sum(map(len, call)) >= _CALL_S * SAMPLE_RATE and made < most:
            yield call
            call, made = [], made + 1
    if call and not made:
        yield call


def looks(
    call: list[Audio], settings: CallSettings, encoder, noise: float | None, rng: np.random.Generator
) -> list[Voice]:
    """The voices that the machine would have asked about."""
    voices, asked = Voices(settings), []
    for number, sound in enumerate(call):
        if noise is not None:
            level = float(np.sqrt(np.mean(sound**2))) * 10 ** (-noise / 20)
            sound = sound + rng.normal(0, level, sound.size).astype(np.float32)
        voices.heard(VoiceHeard(number, encoder.embed(sound).astype("<f2").tobytes()), len(sound) / SAMPLE_RATE)
        asked += [np.frombuffer(action.voice, "<f2").astype(np.float32) for action in voices.look()]
    return asked


if __name__ == "__main__":
    main()
