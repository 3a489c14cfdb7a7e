"""Is a caller known again by his voice, and is a stranger?

    python -m tests.load.known_callers --data FOLDER --model resemblyzer
    python -m tests.load.known_callers --data FOLDER --model resemblyzer --noise 10 --calls 3 --corpora fr_tuxpaint
    python -m tests.load.known_callers --data FOLDER --model resemblyzer --threshold 0.82 0.87

Of each reader with enough recordings three, cut to 5 s, are enrolled, as calls of his; from the others, on a telephone line, he calls: each recording is a stretch of
speech, and the machine (`pipelines.turns.voices`) asks who he is when it would in a call, after 3, 6 and 12 s of him. Rows: after how much speech;
columns: of the callers who are enrolled, how many are known by then; of all pairs of a caller and another person who is enrolled, how many are mistaken;
each with the bounds, in per cent, that hold in 95 of 100 draws of callers. "known" is the threshold of a call, unless others are given.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
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
from training.common.measures import Errors, interval
from training.common.telephony import plain

_ENROLLED, _CALL_S, _PART_S = 3, 12.0, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", required=True, help="a speaker encoder of the store")
    parser.add_argument("--corpora", nargs="+", default=["en_librispeech", "fr_tuxpaint", "en_speechocean762"])
    parser.add_argument("--noise", type=float, help="dB by which a hiss is softer than the caller; none without")
    parser.add_argument("--calls", type=int, default=1, help="of each person, at most")
    parser.add_argument("--threshold", type=float, nargs="+", help="cosines from which on a caller is known")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    encoder = load_model(Store(), options.model)
    config = Config()
    settings = measured(CallSettings(identify=True), config.models, None, encoder)
    thresholds = options.threshold or [known_from(config.models.speaker, encoder)]
    people: dict[str, Person] = {}
    calls: list[tuple[str, list[Voice]]] = []
    for name, sounds in track(list(_readers(options)), console=Console(stderr=True), transient=True):
        line = [plain(sound[: _PART_S * SAMPLE_RATE]) for sound in sounds]
        parts = [enrol(name, encoder, sound, model=options.model) for sound in line[:_ENROLLED]]
        people[name] = joined(joined(parts[0], parts[1]), parts[2])
        rng = np.random.default_rng(len(people))
        calls += [(name, looks(call, settings, encoder, options.noise, rng)) for call in _calls(line, options.calls)]
    rows = [
        {"threshold": threshold, "seconds": seconds, **counts(people, calls, n + 1, threshold)}
        for threshold in thresholds
        for n, seconds in enumerate((3, 6, 12))
    ]
    if options.json:
        json.dump({"people": len(people), "rows": rows}, sys.stdout)
        return
    table = Table("from", "after", "known", "strangers mistaken", title=f"{len(people)} people")
    for row in rows:
        table.add_row(
            f"{row['threshold']:.2f}",
            f"{row['seconds']} s",
            "{known} of {callers} ({known_low:.0f} to {known_high:.0f} %)".format(**row),
            "{mistaken} of {pairs} ({mistaken_low:.2f} to {mistaken_high:.2f} %)".format(**row),
        )
    Console().print(table)


def counts(
    people: Mapping[str, Person], calls: Sequence[tuple[str, list[Voice]]], looks: int, threshold: float
) -> dict[str, float]:
    """Who is known, and who is taken for somebody else, by one of the first `looks` of a call. A call without any counts as nobody's."""
    known, mistaken = [], []
    for caller, asked in calls:
        alike = {
            name
            for name, person in people.items()
            if any(float(person.voice @ voice) >= threshold for voice in asked[:looks])
        }
        known.append(Errors(caller in alike, 1))
        mistaken.append(Errors(len(alike - {caller}), len(people) - 1))
    found: dict[str, float] = {}
    for (what, of), rows in ((("known", "callers"), known), (("mistaken", "pairs"), mistaken)):
        found |= {what: sum(row.errors for row in rows), of: sum(row.total for row in rows)}
        found[f"{what}_low"], found[f"{what}_high"] = (100 * bound for bound in interval(rows))
    return found


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
