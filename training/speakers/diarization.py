"""`allo train diarization-table`: who spoke when, in recordings whose speakers people wrote down.

The error (DER, by pyannote.metrics) is the time that is missed, added or given to the wrong person, by the time spoken; overlapped
speech counts for each of its speakers, and nothing is forgiven at borders (collar 0). Thresholds are chosen beforehand, for each
encoder, on conversations put together from other people's clips.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from pipelines.adapters.vad.silero import SileroVad
from pipelines.models.ports import Audio, SpeakerEncoder
from pipelines.models.store import Store
from pipelines.speakers.diarize import Settings, Turn, heard, offline, online, speech_in
from pipelines.speakers.speech import Span
from pipelines.units import SAMPLE_RATE
from training.common import audio as recordings
from training.common import manifests, telephony
from training.common.errors import DataError
from training.common.manifests import Clip, Limits
from training.speakers.data import spoken
from training.speakers.encoders import open_encoder

if TYPE_CHECKING:
    from pyannote.core import Annotation

_SAME = np.arange(0.0, 0.95, 0.05)
_CONVERSATIONS = 12


class _Segment(msgspec.Struct):
    start: float
    end: float
    speaker: str


class _Line(msgspec.Struct):
    audio: str
    segments: list[_Segment]


@dataclass(frozen=True)
class Meeting:
    """A recording and who spoke when in it; segments may overlap."""

    name: str
    sound: Audio
    segments: list[tuple[float, float, str]]

    @property
    def seconds(self) -> float:
        return self.sound.size / SAMPLE_RATE

    @property
    def speech(self) -> list[Span]:
        """Where anybody speaks, as people wrote it down."""
        found: list[Span] = []
        for start, end, _ in sorted(self.segments):
            if found and start <= found[-1][1]:
                found[-1] = (found[-1][0], max(end, found[-1][1]))
            else:
                found.append((start, end))
        return found


def read(manifest: Path) -> list[Meeting]:
    """Raises DataError for a manifest without segments."""
    try:
        lines = [msgspec.json.decode(line, type=_Line) for line in manifest.read_bytes().splitlines() if line.strip()]
    except (OSError, msgspec.DecodeError) as error:
        raise DataError(f"{manifest}: {error}. Each line needs audio and segments of start, end, speaker.") from error
    return [
        Meeting(
            line.audio,
            recordings.load(manifest.parent / line.audio),
            [(s.start, s.end, s.speaker) for s in line.segments],
        )
        for line in lines
    ]


def conversations(clips: Sequence[Clip], count: int = _CONVERSATIONS, seed: int = 0) -> list[Meeting]:
    """Half a minute each: two to four of those who speak in `clips`, drawn, take turns with short pauses, on a telephone line."""
    people = sorted({clip.speaker for clip in clips} - {""})
    if len(people) < 4:
        raise DataError(f"conversations need four speakers at least, not {len(people)}. Name a manifest with more.")
    rng, found = np.random.default_rng(seed), []
    for number in range(count):
        here = rng.choice(people, int(rng.integers(2, 5)), replace=False)
        sound, segments, last = np.zeros(0, np.float32), [], ""
        while sound.size < 30 * SAMPLE_RATE:
            speaker = str(rng.choice([name for name in here if name != last]))
            own = [clip for clip in clips if clip.speaker == speaker]
            said = spoken(own[rng.integers(len(own))])[: 6 * SAMPLE_RATE]
            pause = np.zeros(int(rng.uniform(0.1, 0.8) * SAMPLE_RATE), np.float32)
            sound = np.concatenate((sound, pause))
            segments.append((sound.size / SAMPLE_RATE, (sound.size + said.size) / SAMPLE_RATE, speaker))
            sound, last = np.concatenate((sound, said)), speaker
        found.append(Meeting(f"conversation {number}", telephony.plain(sound), segments))
    return found


def error(pairs: Sequence[tuple[Meeting, Sequence[Turn]]]) -> dict[str, float]:
    """DER and its parts, by the time spoken; bounds of 95 of 100 draws of as many recordings."""
    from pyannote.core import Segment, Timeline
    from pyannote.metrics.diarization import DiarizationErrorRate

    rows = []
    for meeting, found in pairs:
        metric = DiarizationErrorRate(collar=0.0, skip_overlap=False)
        detail = metric(
            _annotation(meeting.segments),
            _annotation([(turn.start, turn.end, str(turn.speaker)) for turn in found]),
            uem=Timeline([Segment(0, meeting.seconds)]),
            detailed=True,
        )
        rows.append([detail[name] for name in ("missed detection", "false alarm", "confusion", "total")])
    table = np.array(rows, float)
    missed, added, confused, total = table.sum(axis=0)
    drawn = table[np.random.default_rng(0).integers(len(table), size=(1_000, len(table)))].sum(axis=1)
    low, high = np.percentile(drawn[:, :3].sum(axis=1) / drawn[:, 3], (2.5, 97.5))
    return {
        "der": (missed + added + confused) / total,
        "low": float(low),
        "high": float(high),
        "missed": missed / total,
        "added": added / total,
        "confused": confused / total,
    }


def _annotation(segments: Sequence[tuple[float, float, str]]) -> "Annotation":
    from pyannote.core import Annotation, Segment

    found = Annotation()
    for number, (start, end, speaker) in enumerate(segments):
        if end > start:
            found[Segment(start, end), number] = speaker
    return found


def chosen(encoder: SpeakerEncoder, talks: Sequence[Meeting]) -> Settings:
    """The thresholds with the fewest errors on conversations, offline and online; where speech is, is known."""
    plain = Settings()
    known = [(talk, *heard(talk.sound, encoder, talk.speech, plain)) for talk in talks]

    def best(way: Callable[..., list[Turn]], name: str) -> float:
        costs = []
        for value in _SAME:
            settings = msgspec.structs.replace(plain, **({"same": value, "other": value} | {name: value}))
            found = [(talk, way(places, voices, talk.speech, settings)) for talk, places, voices in known]
            costs.append(error(found)["der"])
        least = np.flatnonzero(np.array(costs) <= min(costs) + 1e-9)
        return float(_SAME[least[len(least) // 2]])  # the middle of a flat valley

    return msgspec.structs.replace(plain, same=best(offline, "same"), other=best(online, "other"))


def table(
    manifest: Path,
    voices: Path,
    encoders: Sequence[str],
    pyannote: Path | None,
    output: Path | None,
    say: Callable[[str], None],
) -> str:
    """The table as Markdown; its figures to `output` as JSON. `voices`: a manifest of other people, whom thresholds are chosen by."""
    meetings = read(manifest)
    vad = SileroVad(Store().path("silero-vad"))
    detected = [speech_in(meeting.sound, vad) for meeting in meetings]
    rows: dict[str, dict[str, Any]] = {}
    one = [[Turn(start, end, 0) for start, end in speech] for speech in detected]
    rows["everything is one speaker"] = error(list(zip(meetings, one, strict=True)))
    talks = conversations(manifests.read_all([voices], Limits(1.0, 60.0, text=False)))
    for name in encoders:
        encoder = open_encoder(name)
        settings = chosen(encoder, talks)
        say(f"{name}: same {settings.same:.2f} offline, other {settings.other:.2f} online")
        for what, spans in (("", detected), (", speech known", [meeting.speech for meeting in meetings])):
            looked = [
                (meeting, *heard(meeting.sound, encoder, speech, settings), speech)
                for meeting, speech in zip(meetings, spans, strict=True)
            ]
            for way, run in (("offline", offline), ("online", online)):
                found = [(meeting, run(places, heard_, speech, settings)) for meeting, places, heard_, speech in looked]
                rows[f"{name}, {way}{what}"] = error(found) | {"same": settings.same, "other": settings.other}
    if pyannote is not None:
        from pipelines.adapters.diarize.pyannote import Pyannote

        pipeline = Pyannote(pyannote)
        rows["pyannote.audio"] = error([(meeting, pipeline.diarize(meeting.sound)) for meeting in meetings])
    if output:
        output.write_text(json.dumps(rows, indent=2) + "\n")
    return markdown(rows)


def markdown(rows: Mapping[str, Mapping[str, float]]) -> str:
    """One line a way."""
    lines = ["| who spoke when | DER % | missed | added | wrong person |", "|---|---|---|---|---|"]
    for name, row in rows.items():
        lines.append(
            f"| {name} | {100 * row['der']:.1f} ({100 * row['low']:.1f} to {100 * row['high']:.1f}) "
            f"| {100 * row['missed']:.1f} | {100 * row['added']:.1f} | {100 * row['confused']:.1f} |"
        )
    return "\n".join(lines)
