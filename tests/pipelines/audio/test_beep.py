"""A beep is found where it is, whatever its pitch, length and level; nothing else a telephone sounds like is one."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipelines.audio.beep import Beep, BeepDetector
from pipelines.audio.g711 import decode, encode
from pipelines.audio.resample import Resampler
from pipelines.frames import Encoding
from pipelines.units import SAMPLE_RATE

RATE = 8_000
CLIPS = Path(__file__).parents[3] / "server" / "caller" / "clips"
Span = tuple[float, float, tuple[float, ...]]
"""From, to (seconds), and the frequencies that sound."""


def line(seconds: float, *spans: Span, level_db: float = -12.0, snr_db: float = 40.0) -> NDArray[np.float32]:
    """What a telephone line with these tones sounds like to us: coded in mu-law, resampled to 16 kHz."""
    at = np.arange(int(seconds * RATE)) / RATE
    amplitude = 10 ** (level_db / 20)
    wave = np.random.default_rng(7).normal(0, amplitude / np.sqrt(2) * 10 ** (-snr_db / 20), len(at))
    for first, last, tones in spans:
        sounding = (at >= first) & (at < last)
        for hz in tones:
            wave[sounding] += amplitude / len(tones) * np.sin(2 * np.pi * hz * at[sounding])
    return heard((np.clip(wave, -1, 1) * 32_767).astype(np.int16))


def heard(pcm: NDArray[np.int16]) -> NDArray[np.float32]:
    coded = decode(encode(pcm, Encoding.MULAW), Encoding.MULAW)
    return Resampler(RATE, SAMPLE_RATE).process(coded).astype(np.float32) / 32_768


def beeps(audio: NDArray[np.float32], piece: int = 512) -> list[Beep]:
    detector = BeepDetector()
    found = [detector.hear(first, audio[first : first + piece]) for first in range(0, len(audio), piece)]
    return [beep for beep in found if beep is not None]


@given(
    hz=st.floats(352, 2_098),
    length=st.floats(0.13, 0.85),
    start=st.floats(0.2, 1.0),
    level_db=st.floats(-35, -3),
    snr_db=st.floats(15, 60),
)
@settings(max_examples=80, deadline=None)
def test_a_steady_tone_is_found_where_it_is(hz, length, start, level_db, snr_db) -> None:
    [beep] = beeps(line(3.0, (start, start + length, (hz,)), level_db=level_db, snr_db=snr_db))
    assert beep.hz == pytest.approx(hz, abs=8)
    assert beep.first / SAMPLE_RATE == pytest.approx(start, abs=0.025)
    assert beep.last / SAMPLE_RATE == pytest.approx(start + length, abs=0.025)


@given(piece=st.integers(1, 4_000))
@settings(max_examples=20, deadline=None)
def test_it_does_not_depend_on_how_the_audio_is_cut(piece) -> None:
    audio = line(2.5, (0.5, 0.9, (1_000.0,)))
    assert beeps(audio, piece) == beeps(audio)


@given(hz=st.floats(352, 2_098), length=st.floats(0.005, 0.085))
@settings(max_examples=40, deadline=None)
def test_a_click_is_none(hz, length) -> None:
    assert not beeps(line(2.0, (0.5, 0.5 + length, (hz,))))


@given(low=st.sampled_from([697, 770, 852, 941]), high=st.sampled_from([1_209, 1_336, 1_477, 1_633]))
@settings(max_examples=16, deadline=None)
def test_a_key_is_none(low, high) -> None:
    assert not beeps(line(2.0, (0.5, 0.8, (low, high))))


@given(level_db=st.floats(-50, -3))
@settings(max_examples=20, deadline=None)
def test_noise_is_none(level_db) -> None:
    assert not beeps(line(3.0, level_db=level_db, snr_db=0))


@pytest.mark.parametrize(
    ("name", "tones", "on", "off"),
    [
        ("busy in France", (440,), 0.5, 0.5),
        ("busy in Europe", (425,), 0.5, 0.5),
        ("busy in Britain", (400,), 0.375, 0.375),
        ("busy in North America", (480, 620), 0.5, 0.5),
        ("congestion", (425,), 0.25, 0.25),
        ("ringing in France", (440,), 1.5, 3.5),
        ("ringing in Europe", (425,), 1.0, 4.0),
        ("ringing in North America", (440, 480), 2.0, 4.0),
    ],
)
def test_what_the_network_says_is_none(name, tones, on, off) -> None:
    starts = np.arange(0.3, 11.0, on + off)
    assert not beeps(line(13.0, *((at, at + on, tones) for at in starts))), name


def test_the_three_tones_before_an_announcement_are_none() -> None:
    tones = [(0.5 + 0.33 * n, 0.83 + 0.33 * n, (hz,)) for n, hz in enumerate((950, 1_400, 1_800))]
    assert not beeps(line(4.0, *tones))


def test_a_fax_is_none() -> None:
    assert not beeps(line(6.0, (0.5, 3.8, (2_100.0,))))


def test_a_lost_packet_does_not_end_it() -> None:
    [beep] = beeps(line(3.0, (0.5, 0.7, (1_400.0,)), (0.72, 1.0, (1_400.0,))))
    assert (beep.first / SAMPLE_RATE, beep.last / SAMPLE_RATE) == pytest.approx((0.5, 1.0), abs=0.025)


def test_after_a_hole_it_begins_anew() -> None:
    audio = line(3.0, (0.5, 0.9, (1_000.0,)))
    detector = BeepDetector()
    detector.hear(0, audio[:400])
    found = [detector.hear(10_000 + first, audio[first : first + 512]) for first in range(0, len(audio), 512)]
    [beep] = [beep for beep in found if beep]
    assert (beep.first - 10_000) / SAMPLE_RATE == pytest.approx(0.5, abs=0.025)


def test_people_do_not_beep() -> None:
    clips = sorted(CLIPS.glob("*.wav"))
    assert clips
    for clip in clips:
        samples, rate = soundfile.read(clip, dtype="int16")
        telephone = Resampler(rate, RATE).process(samples) if rate != RATE else samples
        assert not beeps(np.append(heard(telephone), np.zeros(SAMPLE_RATE, np.float32))), clip.name
