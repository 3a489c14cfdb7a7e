"""What the net is shown, and that a folder which holds no net is refused. A served net is in `tests/training/overlap`."""

from pathlib import Path

import numpy as np
import pytest

from pipelines.adapters.overlap.gru import GruOverlap
from pipelines.audio.overlap_frames import SIZE, overlap_frames
from pipelines.errors import ModelError


def test_frames_do_not_depend_on_what_comes_later() -> None:
    audio = np.random.default_rng(0).normal(0, 0.1, 8_000).astype(np.float32)
    whole, begun = overlap_frames(audio), overlap_frames(audio[:4_000])
    assert whole.shape[1] == SIZE
    np.testing.assert_allclose(whole[: len(begun)], begun, atol=1e-5)


def test_frames_of_a_quieter_line_differ_by_its_loudness_alone() -> None:
    audio = np.random.default_rng(0).normal(0, 0.1, 8_000).astype(np.float32)
    loud, quiet = overlap_frames(audio), overlap_frames(audio / 2)
    bands = (loud[:, :-1] > -13.5) & (quiet[:, :-1] > -13.5)
    assert bands.mean() > 0.9
    np.testing.assert_allclose(loud[:, :-1][bands], quiet[:, :-1][bands], atol=1e-3)
    assert (loud[:, -1] > quiet[:, -1]).all()


def test_a_folder_without_the_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        GruOverlap(tmp_path)
