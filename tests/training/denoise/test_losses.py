import numpy as np
import torch

from training.denoise.losses import l1, levelled, si_sdr, spectral
from training.denoise.measures import bounds, measure
from training.denoise.measures import si_sdr as measured


def noise(seed, size=16_000):
    return torch.randn(2, size, generator=torch.Generator().manual_seed(seed)) * 0.1


def test_what_is_alike_loses_nothing_and_more_noise_loses_more():
    clean = noise(0)
    assert float(spectral(clean, clean)) == 0
    losses = [
        float(spectral(clean + share * noise(1), clean) + l1(clean + share * noise(1), clean))
        for share in (0.1, 0.3, 1)
    ]
    assert losses == sorted(losses)


def test_a_quiet_caller_counts_as_much_as_a_loud_one():
    clean, found = noise(0), noise(0) + 0.3 * noise(1)
    loud = [spectral(*levelled(found, clean, by=clean)), l1(*levelled(found, clean, by=clean))]
    quiet = [each(*levelled(found / 10, clean / 10, by=clean / 10)) for each in (spectral, l1)]
    assert all(abs(float(a) - float(b)) < 1e-4 for a, b in zip(loud, quiet, strict=True))


def test_si_sdr_is_the_ratio_of_powers_whatever_the_loudness():
    clean = noise(0)
    other = noise(1)
    other = other - (other * clean).sum(-1, keepdim=True) / clean.square().sum(-1, keepdim=True) * clean
    other = other / other.norm(dim=-1, keepdim=True) * clean.norm(dim=-1, keepdim=True) / 10**0.5
    np.testing.assert_allclose(si_sdr(3 * (clean + other), clean), 10, atol=0.1)
    np.testing.assert_allclose(measured(clean[0].numpy(), (clean + other)[0].numpy()), 10, atol=0.1)


def test_measures_fall_with_noise():
    rng = np.random.default_rng(0)
    voice = (np.sin(np.cumsum(np.full(32_000, 0.1))) * np.abs(np.sin(np.arange(32_000) / 3_000)) * 0.3).astype(
        np.float32
    )
    little, much = (
        measure(voice, voice + rng.normal(0, level, voice.size).astype(np.float32)) for level in (0.003, 0.1)
    )
    for name in little:
        assert np.isnan(little[name]) or little[name] > much[name]


def test_bounds_hold_the_mean_and_leave_out_what_is_no_number():
    mean, low, high = bounds([1.0, 2.0, float("nan"), 3.0])
    assert low <= mean == 2.0 <= high
    assert np.isnan(bounds([float("nan")])).all()
