import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.frames import TELEPHONE, AudioFormat, Encoding
from server.inference.voicing import finish, finished_pieces, wire_audio
from tests.helpers.voice import RATE, ToneVoice, silence, tone

NOISE = np.random.default_rng(0).normal(0, 1e-4, 2 * RATE).astype(np.float32)


def with_silence(before: float, speech: float, after: float, level: float = 0.1) -> np.ndarray:
    audio = np.concatenate((silence(before), tone(speech, level), silence(after)))
    return audio + np.resize(NOISE, len(audio))


@pytest.mark.parametrize(("ends_sentence", "tail"), [(False, 0.08), (True, 0.15)])
@pytest.mark.parametrize("after", [0.0, 0.1, 0.6])
def test_silence_is_trimmed_and_supplied(ends_sentence: bool, tail: float, after: float) -> None:
    pcm = finish(with_silence(0.4, 0.5, after), RATE, ends_sentence=ends_sentence)
    loud = np.flatnonzero(np.abs(pcm) > 300)
    assert loud[0] <= 0.015 * RATE
    assert len(pcm) - loud[-1] == pytest.approx(tail * RATE, abs=0.01 * RATE)


@pytest.mark.parametrize("level", [0.02, 0.1, 0.9])
def test_every_voice_is_as_loud(level: float) -> None:
    pcm = finish(with_silence(0.3, 0.5, 0.3, level), RATE, ends_sentence=False)
    speech = pcm[RATE // 10 : RATE // 3].astype(float) / 32768
    assert 20 * np.log10(np.sqrt(np.mean(speech**2))) == pytest.approx(-20, abs=0.5)


def test_peaks_do_not_clip() -> None:
    clicks = tone(0.5, 0.02)
    clicks[::800] = 1.0
    assert np.abs(finish(clicks, RATE, ends_sentence=False).astype(int)).max() <= 0.91 * 32767


@given(st.lists(st.floats(-1, 1, width=32), max_size=400))
def test_any_audio_can_be_finished(samples: list[float]) -> None:
    pcm = finish(np.array(samples, np.float32), RATE, ends_sentence=True)
    assert pcm.dtype == np.int16
    assert len(pcm) <= len(samples) + 0.15 * RATE + 80


def test_silence_says_nothing() -> None:
    assert len(finish(silence(0.5), RATE, ends_sentence=True)) == 0
    assert list(finished_pieces(ToneVoice(), "", "en")) == []


def test_the_voice_is_given_what_is_said() -> None:
    voice = ToneVoice()
    assert len(list(finished_pieces(voice, "At 9:30", "en"))) == 1
    assert voice.said == ["At nine thirty"]


@pytest.mark.parametrize(("form", "size"), [(TELEPHONE, 8_000), (AudioFormat(Encoding.L16, 16_000), 32_000)])
def test_audio_is_in_the_wires_format(form: AudioFormat, size: int) -> None:
    pcm = (tone(1.0, rate=24_000) * 32767).astype(np.int16)
    assert len(wire_audio(pcm, 24_000, form)) == size
