"""Hold music: ours and a file's, soft, short and in the wire's format."""

import numpy as np
import pytest
import soundfile

from pipelines.audio import g711
from pipelines.errors import ModelError
from pipelines.frames import TELEPHONE, AudioFormat, Encoding
from server.inference.hold import LEVEL_DBFS, hold_music, soft_chords


def level(pcm: np.ndarray) -> float:
    return 20 * np.log10(np.sqrt(np.mean((pcm / 32768) ** 2)))


@pytest.mark.parametrize("wire", [TELEPHONE, AudioFormat(Encoding.L16, 16_000), AudioFormat(Encoding.L16, 24_000)])
def test_our_own_is_soft_and_twelve_seconds(wire: AudioFormat) -> None:
    audio = hold_music("soft", wire)
    assert wire.duration_us(len(audio)) == pytest.approx(12e6, abs=20_000)
    pcm = g711.decode(audio, wire.encoding)
    assert level(pcm) == pytest.approx(LEVEL_DBFS, abs=1.0)
    assert np.abs(pcm).max() < 0.3 * 32768
    assert np.abs(pcm[:80]).max() < 0.01 * 32768, "it does not begin with a click"


def test_it_is_the_same_every_time() -> None:
    assert np.array_equal(soft_chords(), soft_chords())


def test_a_file_in_stereo_is_mixed_levelled_and_cut(tmp_path) -> None:
    seconds = np.arange(44_100 * 20) / 44_100
    tone = 0.8 * np.sin(2 * np.pi * 440 * seconds)
    path = tmp_path / "tune.wav"
    soundfile.write(path, np.stack([tone, tone], axis=1), 44_100)
    audio = hold_music(str(path), TELEPHONE)
    assert TELEPHONE.duration_us(len(audio)) == pytest.approx(12e6, abs=20_000)
    assert level(g711.decode(audio, TELEPHONE.encoding)) == pytest.approx(LEVEL_DBFS, abs=1.0)


def test_what_is_no_sound_is_refused_with_a_mend(tmp_path) -> None:
    text = tmp_path / "tune.wav"
    text.write_text("la la la")
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.zeros(8_000), 8_000)
    with pytest.raises(ModelError, match="hold_music"):
        hold_music(str(text), TELEPHONE)
    with pytest.raises(ModelError, match="silent"):
        hold_music(str(silent), TELEPHONE)
