"""What the bench of sounds over the agent counts: by calls of which it is known what was in the ear."""

import numpy as np
import pytest

from pipelines.replay.dump import read_dump
from tests.golden.behaviours import FOLDER
from tests.load.overlaps import Over, Taken, judge, row, shipped

_PCM = np.zeros(8_000, np.int16)


def over(kind: str = "interruption") -> Over:
    return Over("x", kind, "en", _PCM)


def taken(kind: str, silent: float | None, silence: float | None = None) -> Taken:
    return Taken(over(kind), 0.1, silent, silence)


def test_fifty_sounds_and_both_languages_are_shipped() -> None:
    sounds = list(shipped())
    assert sum(sound.kind != "interruption" for sound in sounds) >= 50
    assert {sound.name for sound in sounds if sound.kind == "voice"} == {"x_far_voice", "x_far_voice_two"}
    for language in ("en", "fr"):
        assert sum(sound.kind == "interruption" and sound.language == language for sound in sounds) >= 10


def test_yields_are_told_from_silences_that_end() -> None:
    figures = row([taken("interruption", 0.2, 2.0), taken("interruption", 0.4, 2.0), taken("interruption", None)])
    assert figures[0] == "3"
    assert figures[2].startswith("0.30 / ")
    assert figures[3] == "1"


def test_a_murmur_that_stops_the_agent_at_all_counts() -> None:
    murmurs = [taken("murmur", 0.3, 0.2), taken("murmur", 0.3, 1.2), *[taken("murmur", None)] * 8]
    voices = [taken("voice", 0.3, 0.2), taken("voice", None)]
    assert row(murmurs + voices)[4:] == ["2 of 10 (20%)", "1.20", "1", "1 of 2"]


@pytest.mark.parametrize(
    ("name", "first", "stops", "goes_on"),
    [("interruption", 5.5, True, False), ("held_breath", 5.2, True, True), ("backchannel", 5.2, False, False)],
)
def test_silence_is_measured_in_the_ear(name: str, first: float, stops: bool, goes_on: bool) -> None:
    one = judge(over(), read_dump(FOLDER / name), int(first * 1e6))
    assert one.noticed is not None
    assert (one.silent is not None and one.silent < 0.3) is stops
    assert (one.silence is not None and one.silence < 0.5) is goes_on
