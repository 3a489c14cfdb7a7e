"""How good a cleaned clip is, by the measures that the field uses, each by the package that the field uses.

Clips are float32, 16 kHz, shape (n,), both of the same length and lined up; telephone speech has nothing above 4 kHz, so all are taken
at 8 kHz.
"""

import warnings
from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from pipelines.audio.resample import resample
from pipelines.models.ports import Audio
from training.common.audio import to_float, to_int16

_RATE = 8_000
NAMES = ("si_sdr", "pesq", "stoi")


def lacking() -> tuple[str, ...]:
    """Packages that are not installed, whose measures are left out: pesq (built when installed, needs a C compiler), pystoi."""
    return tuple(name for name in ("pesq", "pystoi") if find_spec(name) is None)


def measure(clean: Audio, found: Audio) -> dict[str, float]:
    """SI-SDR in dB (Le Roux et al. 2019), PESQ as MOS-LQO from 1 to 4.5 (ITU-T P.862.1, narrow band), STOI from 0 to 1 (Taal et
    al. 2011). nan where a measure cannot be had: no speech, or no package."""
    wanted, given = (to_float(resample(to_int16(each), 16_000, _RATE)) for each in (clean, found))
    return {"si_sdr": si_sdr(wanted, given), "pesq": _pesq(wanted, given), "stoi": _stoi(wanted, given)}


def si_sdr(wanted: Audio, found: Audio) -> float:
    """Scale-invariant signal-to-distortion ratio, dB."""
    wanted, found = (each - each.mean(dtype=np.float64) for each in (wanted, found))
    target = wanted * (np.dot(found, wanted) / max(np.dot(wanted, wanted), 1e-12))
    rest = found - target
    return float(10 * np.log10(max(np.dot(target, target), 1e-12) / max(np.dot(rest, rest), 1e-12)))


def _pesq(wanted: Audio, found: Audio) -> float:
    if find_spec("pesq") is None:
        return float("nan")
    from pesq import PesqError, pesq

    score = pesq(_RATE, wanted, found, "nb", on_error=PesqError.RETURN_VALUES)
    return float(score) if score > 0 else float("nan")


def _stoi(wanted: Audio, found: Audio) -> float:
    if find_spec("pystoi") is None:
        return float("nan")
    from pystoi import stoi

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of clips too short to judge, for which it answers 1e-5
        score = float(stoi(wanted, found, _RATE))
    return score if score > 1e-4 else float("nan")


def bounds(values: Sequence[float], draws: int = 2_000, seed: int = 0) -> tuple[float, float, float]:
    """Mean over clips, and the bounds that hold it in 95 of 100 draws of as many clips (bootstrap); nan are left out."""
    rows: NDArray = np.array([value for value in values if np.isfinite(value)])
    if not len(rows):
        return (float("nan"),) * 3
    drawn = np.random.default_rng(seed).integers(0, len(rows), (draws, len(rows)))
    low, high = np.percentile(rows[drawn].mean(axis=1), (2.5, 97.5))
    return float(rows.mean()), float(low), float(high)
