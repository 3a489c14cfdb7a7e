from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from faster_whisper.feature_extractor import FeatureExtractor

from pipelines.audio.features import HOP, WINDOW, Features, Moments, level, mel_filters

FRENCH = Path(__file__).parents[2] / "data" / "hearing" / "fr_sentence.flac"
ALL = [Features("mfcc"), Features("log_mel"), Features("log_mel", bands=80), Features("spectrogram"), Features("raw")]


@pytest.fixture(scope="module")
def speech():
    samples, rate = soundfile.read(FRENCH, dtype="float32")
    assert rate == 16_000
    return samples


@pytest.mark.parametrize("features", ALL)
def test_shapes_are_as_announced(features, speech):
    for samples in (1, WINDOW - 1, WINDOW, WINDOW + HOP - 1, WINDOW + HOP, 12_345):
        made = features(speech[:samples])
        assert made.shape == (features.frames(samples), features.size)
        assert made.dtype == np.float32
        assert np.isfinite(made).all()


@pytest.mark.parametrize("features", ALL)
def test_a_frame_depends_on_its_own_samples_only(features, speech):
    whole, part = features(speech), features(speech[320 : 320 + 8_000])
    first = 320 // features.hop
    assert np.allclose(whole[first : first + len(part)], part, atol=1e-4)


def test_spectra_are_those_of_torch(speech):
    spectra = torch.stft(
        torch.from_numpy(speech), WINDOW, HOP, window=torch.hann_window(WINDOW), center=False, return_complex=True
    )
    power = (spectra.abs() ** 2 / (torch.hann_window(WINDOW) ** 2).sum()).clamp_min(10**-7.6)
    assert np.allclose(Features("spectrogram")(speech), power.log().numpy().T, atol=2e-3)


def test_mel_filters_are_those_of_whisper():
    theirs = FeatureExtractor.get_mel_filters(16_000, 400, 80)
    assert np.allclose(mel_filters(80), theirs / theirs.sum(1, keepdims=True), atol=1e-5)


def test_cepstra_of_all_bands_can_be_turned_back(speech):
    """The cosine transform is orthonormal: it keeps distances, and its first coefficient is the level."""
    mel, cepstra = Features("log_mel", 40)(speech), Features("mfcc", 40, 40)(speech)
    assert np.allclose(np.linalg.norm(mel, axis=1), np.linalg.norm(cepstra, axis=1), rtol=1e-4)
    assert np.allclose(cepstra[:, 0], mel.sum(1) / np.sqrt(40), rtol=1e-4)
    assert np.allclose(Features("mfcc", 40, 13)(speech), cepstra[:, :13], atol=1e-4)


@pytest.mark.parametrize("kind", ["spectrogram", "log_mel"])
def test_white_noise_has_its_variance_in_every_band(kind):
    noise = np.random.default_rng(0).normal(0, 0.1, 16_000 * 20).astype(np.float32)
    power = np.exp(Features(kind)(noise)).mean(0)
    inner = slice(2, -2)  # 0 Hz and 8 kHz have but half
    assert np.allclose(power[inner], 0.01, rtol=0.1)


def test_a_tone_lies_in_the_band_of_its_pitch():
    tone = 0.3 * np.sin(2 * np.pi * 1_000 * np.arange(16_000) / 16_000).astype(np.float32)
    assert Features("spectrogram")(tone)[3].argmax() == 25
    assert Features("log_mel", 40)(tone)[3].argmax() == mel_filters(40)[:, 25].argmax()


@pytest.mark.parametrize("kind", ["mfcc", "log_mel", "spectrogram", "raw"])
def test_levelled_a_whisper_is_as_loud_as_a_shout(kind, speech):
    features = Features(kind, levelled=True)
    pause = np.zeros(len(speech) // 20, np.float32)  # and silence around it changes nothing
    loud, quiet = features(speech), features(np.float32(0.2) * speech)
    assert np.allclose(loud, quiet, atol=1e-3)
    assert not np.allclose(Features(kind)(speech), Features(kind)(np.float32(0.2) * speech), atol=1e-3)
    assert level(np.concatenate((speech, pause))).std() == pytest.approx(level(speech).std(), rel=0.2)


def test_levelled_silence_stays_silence():
    hum = np.random.default_rng(0).normal(0, 1e-5, 8_000).astype(np.float32)
    assert np.abs(level(hum)).max() < 2e-3
    assert not level(np.zeros(100, np.float32)).any()


def test_digital_silence_is_held_at_the_floor():
    assert np.allclose(Features("log_mel")(np.zeros(4_000, np.float32)), np.log(10**-7.6))


def test_moments_are_those_of_all_frames_together(speech):
    features = Features("log_mel")(speech)
    moments = Moments(40)
    for part in np.array_split(features, 7):
        moments.add(part)
    assert np.allclose(moments.mean, features.mean(0), atol=1e-4)
    assert np.allclose(moments.deviation, features.std(0), atol=1e-4)


def test_what_never_changes_in_training_is_not_blown_up_in_use():
    frames = np.random.default_rng(0).normal(0, 2, (100, 4)).astype(np.float32)
    frames[:, 3] = -17.5
    moments = Moments(4)
    moments.add(frames)
    assert moments.deviation[3] == pytest.approx(0.15, rel=0.2)


def test_too_many_bands_are_refused():
    with pytest.raises(ValueError, match="at most 128"):
        mel_filters(400)
