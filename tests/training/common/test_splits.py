"""Nobody who is tested was trained on."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.common.errors import DataError
from training.common.manifests import Clip
from training.common.splits import by_speaker


def _clips(counts: dict[str, int]) -> list[Clip]:
    return [
        Clip(audio=Path(f"/{name}-{i}.wav"), text="x", language="en", speaker=name, duration=1.0)
        for name, count in counts.items()
        for i in range(count)
    ]


@given(
    st.lists(st.integers(1, 20), min_size=2, max_size=12),
    st.floats(0.05, 0.95),
    st.integers(0, 5),
)
def test_no_speaker_is_on_both_sides_and_no_clip_is_lost(counts: list[int], share: float, seed: int) -> None:
    clips = _clips({f"s{i}": count for i, count in enumerate(counts)})
    train, aside = by_speaker(clips, share, seed)
    assert not {clip.speaker for clip in train} & {clip.speaker for clip in aside}
    assert sorted(clip.audio for clip in train + aside) == sorted(clip.audio for clip in clips)
    assert by_speaker(clips, share, seed) == (train, aside)


def test_the_share_is_reached_when_speakers_are_alike() -> None:
    train, aside = by_speaker(_clips({f"s{i}": 5 for i in range(20)}), 0.2, seed=3)
    assert (len(train), len(aside)) == (80, 20)


def test_named_speakers_are_held_aside() -> None:
    train, aside = by_speaker(_clips({"anne": 2, "bob": 3}), ["bob"])
    assert ({clip.speaker for clip in train}, {clip.speaker for clip in aside}) == ({"anne"}, {"bob"})


@pytest.mark.parametrize(
    ("clips", "held_aside", "reason"),
    [
        (_clips({"anne": 1, "bob": 1}), ["eve"], "No clip is by eve"),
        (_clips({"anne": 2, "": 1}), 0.5, "have no speaker"),
        (_clips({"anne": 2}), ["anne"], "cannot be split"),
    ],
)
def test_what_cannot_be_split_is_said(clips: list[Clip], held_aside: float | list[str], reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        by_speaker(clips, held_aside)
