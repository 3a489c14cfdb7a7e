import numpy as np
import pytest

from server.caller.line import resample
from server.caller.mouth import SPEECH_DBFS, Mouth, line_noise, spoken
from server.caller.script import load_clip


def test_clips_follow_each_other_and_silence_fills_the_rest() -> None:
    mouth = Mouth()
    mouth.frame()
    first = mouth.say(np.full(200, 5_000, np.int16))
    second = mouth.say(np.full(200, 7_000, np.int16))
    assert first == (20_000, 45_000)
    assert second == (45_000, 70_000)
    for _ in range(4):
        mouth.frame()
    assert mouth.wave().tolist() == [0] * 160 + [5_000] * 200 + [7_000] * 200 + [0] * 240


def test_speech_of_a_clip_begins_and_ends_where_its_energy_does() -> None:
    quiet, loud = np.full(800, 20, np.int16), np.full(1_600, 8_000, np.int16)
    assert spoken(np.concatenate([quiet, loud, quiet]), 8_000) == (100_000, 300_000)
    assert spoken(np.zeros(800, np.int16), 8_000) == (0, 0)


@pytest.mark.parametrize("snr", [0.0, 15.0])
def test_line_noise_lies_so_much_under_the_clips(snr: float) -> None:
    noise = line_noise(8_000, snr).astype(float)
    level = 20 * np.log10(noise.std() / 32_768)
    assert level == pytest.approx(SPEECH_DBFS - snr, abs=0.5)


def test_noise_is_under_speech_and_silence_alike() -> None:
    mouth = Mouth(noise=line_noise(8_000, 15))
    mouth.say(np.full(160, 10_000, np.int16))
    said, silent = mouth.frame(), mouth.frame()
    assert said.mean() == pytest.approx(10_000, abs=500)
    assert 0 < np.abs(silent).max() < 3_000


@pytest.mark.parametrize("rate", [16_000, 24_000])
def test_a_clip_at_another_rate_keeps_its_sound(rate: int) -> None:
    clip = load_clip("en_hours").pcm
    there = resample(clip, 8_000, rate)
    assert len(there) == len(clip) * rate // 8_000
    back = resample(there, rate, 8_000)
    assert np.abs(back.astype(int) - clip)[200:-200].max() < 40
