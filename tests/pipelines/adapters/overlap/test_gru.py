"""The net that is carried: it answers as it did in training, and what comes later changes nothing of what it has heard."""

from pathlib import Path

import numpy as np
import pytest

from pipelines.adapters import kinds
from pipelines.adapters.overlap.gru import GruOverlap
from pipelines.audio.overlap_frames import SIZE, overlap_frames
from pipelines.errors import ModelError
from pipelines.models import exported, self_test

CARRIED = Path(exported.__file__).parent / "data" / "overlap-gru"
RATE = 16_000


@pytest.fixture(scope="module")
def net() -> GruOverlap:
    return kinds.load("overlap", "gru", CARRIED)


def test_it_passes_its_self_test(net: GruOverlap) -> None:
    assert self_test.differs("overlap", net, self_test.load(CARRIED / self_test.FILE)) == ""


def test_it_carries_its_threshold_and_its_card(net: GruOverlap) -> None:
    assert 0.5 < net.thresholds["hold"] < 1
    assert exported.languages_of(CARRIED) in ((), ("en", "fr"))


@pytest.mark.parametrize("samples", [1, 400, 1_600, 12_000])
def test_any_length_is_a_probability(net: GruOverlap, samples: int) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, samples).astype(np.float32)
    assert 0 <= net.p_interruption(noise) <= 1


def test_silence_and_hiss_interrupt_nobody(net: GruOverlap) -> None:
    hiss = np.random.default_rng(0).normal(0, 1e-3, 9_600).astype(np.float32)
    for audio in (np.zeros(9_600, np.float32), hiss):
        assert net.p_interruption(audio) < net.thresholds["hold"]


def test_frames_do_not_depend_on_what_comes_later() -> None:
    audio = np.random.default_rng(0).normal(0, 0.1, 8_000).astype(np.float32)
    whole, begun = overlap_frames(audio), overlap_frames(audio[:4_000])
    assert whole.shape[1] == SIZE
    np.testing.assert_allclose(whole[: len(begun)], begun, atol=1e-5)


def test_frames_of_a_quieter_line_differ_by_its_loudness_alone() -> None:
    audio = np.random.default_rng(0).normal(0, 0.1, 8_000).astype(np.float32)
    loud, quiet = overlap_frames(audio), overlap_frames(audio / 2)
    np.testing.assert_allclose(loud[:, :-1], quiet[:, :-1], atol=1e-3)
    assert (loud[:, -1] > quiet[:, -1]).all()


def test_a_folder_without_the_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        GruOverlap(tmp_path)
