"""Sound as a spectrum and back."""

import numpy as np
import pytest

from pipelines.speakers.spectrum import BINS, KEPT, analysed, compressed, joined


@pytest.mark.parametrize("samples", [1, 255, 256, 257, 512, 16_000, 16_001])
def test_what_is_analysed_comes_back(samples):
    audio = np.random.default_rng(0).standard_normal(samples).astype(np.float32)
    spectra = analysed(audio)
    assert spectra.shape[1] == BINS
    back = joined(spectra, samples)
    assert back.shape == audio.shape
    assert back == pytest.approx(audio, abs=1e-5)


def test_the_kept_bins_reach_four_kilohertz():
    time = np.arange(16_000) / 16_000
    for hertz, kept in ((3_900, True), (4_200, False)):
        spectrum = np.abs(analysed(np.sin(2 * np.pi * hertz * time).astype(np.float32))[20])
        assert (spectrum.argmax() < KEPT) == kept


def test_magnitudes_are_compressed():
    spectra = np.full((3, BINS), 16.0, np.complex64)
    assert compressed(spectra) == pytest.approx(np.full((3, KEPT), 16**0.3), rel=1e-5)
