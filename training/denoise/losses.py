"""How far a cleaned clip is from the clean one: samples (L1) and spectra at several resolutions.

Both are measured against the clip's own loudness, so that a quiet caller counts as much as a loud one. Spectra: Yamamoto et
al., "Parallel WaveGAN", ICASSP 2020, as Facebook's Denoiser uses them; only up to 3.8 kHz, since above the telephone has nothing but
rounding, whose logarithm would be learnt instead of speech.
"""

import torch
from torch import Tensor

_SIZES = ((256, 64), (512, 128), (1024, 256))  # FFT and hop, samples at 16 kHz
_BAND = 3_800 / 8_000
_QUIET = 0.05  # of a magnitude, when the speech has power 1


def levelled(*audio: Tensor, by: Tensor) -> list[Tensor]:
    """`audio`, each (batch, n), with the loudness of `by` made 1."""
    loud = by.square().mean(-1, keepdim=True).sqrt().clamp_min(1e-4)
    return [each / loud for each in audio]


def l1(found: Tensor, wanted: Tensor) -> Tensor:
    """Mean absolute difference of samples."""
    return (found - wanted).abs().mean()


def spectral(found: Tensor, wanted: Tensor) -> Tensor:
    """Spectral convergence and log-magnitude, the mean over resolutions."""
    total = found.new_zeros(())
    for size, hop in _SIZES:
        window = torch.hann_window(size, device=found.device)
        top = int(size / 2 * _BAND)
        a, b = (
            torch.view_as_real(torch.stft(each, size, hop, window=window, return_complex=True)[:, :top])
            .square()
            .sum(-1)
            .clamp_min(1e-8)
            .sqrt()
            for each in (found, wanted)
        )
        convergence = torch.linalg.norm(a - b, dim=(1, 2)) / torch.linalg.norm(b, dim=(1, 2)).clamp_min(1e-3)
        total = total + convergence.mean() + (torch.log(a + _QUIET) - torch.log(b + _QUIET)).abs().mean()
    return total / len(_SIZES)


def si_sdr(found: Tensor, wanted: Tensor) -> Tensor:
    """Scale-invariant signal-to-distortion ratio in dB, shape (batch,) (Le Roux et al., "SDR, half-baked or well done?", 2019)."""
    found, wanted = (each - each.mean(-1, keepdim=True) for each in (found, wanted))
    share = (found * wanted).sum(-1, keepdim=True) / wanted.square().sum(-1, keepdim=True).clamp_min(1e-9)
    target = share * wanted
    rest = found - target
    return 10 * torch.log10(target.square().sum(-1).clamp_min(1e-9) / rest.square().sum(-1).clamp_min(1e-9))
