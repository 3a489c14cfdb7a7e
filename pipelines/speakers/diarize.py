"""Who spoke when: voice activity, the voice of each window, the windows grouped. One speaker at a time: of overlapped speech the
louder is found, the other is missed.
"""

from collections.abc import Sequence

import msgspec

from pipelines.models.ports import Audio, SpeakerEncoder, VoiceActivity
from pipelines.speakers.clusters import clusters
from pipelines.speakers.enrolment import Voice
from pipelines.speakers.online import Speakers, Thresholds
from pipelines.speakers.speech import Span, cut, p_speech, spans, windows
from pipelines.units import SAMPLE_RATE


class Turn(msgspec.Struct, frozen=True):
    """`start`, `end`: seconds; `speaker`: counted from 0 in the order they are first heard."""

    start: float
    end: float
    speaker: int


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`window_s`, `step_s`: in which a voice is looked at. `same`: mean cosine from which two groups are one person (offline).
    `other`: cosine below which a voice is somebody new (online). `least_s`: of a speaker, offline."""

    window_s: float = 1.5
    step_s: float = 0.5
    same: float = 0.4
    other: float = 0.3
    least_s: float = 1.0
    most: int = 8


def settings_of(encoder: SpeakerEncoder) -> Settings:
    """The thresholds that were measured for it ("same" and "other" of its `thresholds`), the defaults where there are none."""
    known = getattr(encoder, "thresholds", {})
    return Settings(**{name: known[name] for name in ("same", "other") if name in known})


def heard(
    audio: Audio, encoder: SpeakerEncoder, speech: Sequence[Span], settings: Settings
) -> tuple[list[Span], list[Voice]]:
    """The windows within `speech`, and the voice in each. Blocks while the encoder runs."""
    places = [place for place in windows(speech, settings.window_s, settings.step_s) if place[1] - place[0] >= 0.25]
    return places, [encoder.embed(cut(audio, place)) for place in places]


def speech_in(audio: Audio, vad: VoiceActivity) -> list[Span]:
    """Stretches of speech in `audio`. Blocks."""
    return spans(p_speech(audio, vad), vad.window / SAMPLE_RATE)


def offline(
    places: Sequence[Span],
    voices: Sequence[Voice],
    speech: Sequence[Span],
    settings: Settings,
    count: int | None = None,
) -> list[Turn]:
    """Turns, when all is there. `count`: how many people, when that is known."""
    seconds = [settings.step_s if end - start >= settings.window_s else end - start for start, end in places]
    labels = clusters(voices, seconds, same=settings.same, count=count, least=settings.least_s)
    return turns(places, labels, speech)


def online(
    places: Sequence[Span],
    voices: Sequence[Voice],
    speech: Sequence[Span],
    settings: Settings,
    known: Voice | None = None,
) -> list[Turn]:
    """Turns as they would have been said while listening. `known`: an enrolled caller, who is speaker 0."""
    speakers = Speakers(
        Thresholds(same=max(settings.same, settings.other), other=settings.other, most=settings.most), known
    )
    labels = [speakers.heard(voice, end - start)[0] for (start, end), voice in zip(places, voices, strict=True)]
    return turns(places, labels, speech)


def turns(places: Sequence[Span], labels: Sequence[int], speech: Sequence[Span]) -> list[Turn]:
    """Each moment of speech goes to the window whose middle is nearest; neighbours by one speaker are one turn."""
    found: list[Turn] = []
    for start, end in speech:
        inside = [(place, label) for place, label in zip(places, labels, strict=True) if start <= sum(place) / 2 <= end]
        at = start
        for i, (place, label) in enumerate(inside):
            until = end if i + 1 == len(inside) else (sum(place) + sum(inside[i + 1][0])) / 4
            if found and found[-1].speaker == label and found[-1].end == at:
                found[-1] = Turn(found[-1].start, until, label)
            else:
                found.append(Turn(at, until, label))
            at = until
    return found


def rttm(found: Sequence[Turn], name: str) -> str:
    """NIST's Rich Transcription Time Marked form, a line a turn. `name`: of the recording; blanks become _."""
    name = "_".join(name.split()) or "recording"
    return "".join(
        f"SPEAKER {name} 1 {turn.start:.3f} {turn.end - turn.start:.3f} <NA> <NA> speaker_{turn.speaker} <NA> <NA>\n"
        for turn in found
    )
