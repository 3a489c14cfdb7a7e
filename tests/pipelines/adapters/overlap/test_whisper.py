"""The carried net on voices that did not teach it, and a folder that holds none."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from pipelines.adapters.overlap.whisper import WhisperOverlap
from pipelines.audio.resample import Resampler
from pipelines.errors import ModelError
from pipelines.models.store import Store

CLIPS = Path(__file__).parents[3] / "load" / "clips"


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> WhisperOverlap:
    carried = Store(tmp_path_factory.mktemp("models"))
    carried.pull("overlap-states")
    return WhisperOverlap(carried.path("overlap-states"), Store().path(carried.registry["overlap-states"].encoder))


def begun(name: str, seconds: float = 0.4) -> np.ndarray:
    """What is heard of a clip, `seconds` after its first sound."""
    pcm, rate = soundfile.read(CLIPS / f"{name}.flac", dtype="int16")
    pcm = pcm[max(0, int(np.flatnonzero(np.abs(pcm.astype(int)) > 200)[0]) - 50) :]
    wide = Resampler(rate, 16_000).process(pcm).astype(np.float32) / 32_768
    return np.concatenate((np.zeros(1_600, np.float32), wide[: int(seconds * 16_000)]))


@pytest.mark.parametrize(
    "name", ["en_stop_friday", "en_number_people", "en_number_theo", "fr_excuse_lundi", "fr_attendez_jeudi"]
)
def test_who_wants_the_floor_is_told_from_who_murmurs(detector, name):
    murmurs = [detector.p_interruption(begun(murmur)) for murmur in ("en_bc_okay", "en_bc_right", "fr_bc_ok")]
    assert detector.p_interruption(begun(name)) > max(murmurs) + 0.3


@pytest.mark.parametrize("name", ["x_cough", "x_music", "x_room", "x_click"])
def test_a_noise_wants_nothing(detector, name):
    assert detector.p_interruption(begun(name)) < 0.5 < detector.thresholds["hold"]


def test_a_folder_without_the_files_is_refused(tmp_path):
    with pytest.raises(ModelError):
        WhisperOverlap(tmp_path, tmp_path)
