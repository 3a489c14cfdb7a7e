"""How soon interruptions are noticed, and how often what is none makes the agent hold its breath."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from pipelines.nets.overlap import OverlapNet
from training.overlap.examples import Ask, Example, together

TIMES_MS = (150, 200, 250, 300, 400)
_DRAWS = 1_000


@torch.inference_mode()
def heard(net: OverlapNet, some: Sequence[Example], batch: int = 256) -> list[NDArray[np.float32]]:
    """What the net says whenever it is asked, (asks,) for each example."""
    net.eval()
    asks: list[Ask] = [ask for one in some for ask in one.asks]
    parts = [net(*together(asks[first : first + batch])).numpy() for first in range(0, len(asks), batch)]
    answers = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    return np.split(answers, np.cumsum([len(one.asks) for one in some])[:-1])


def highest(some: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The most that was said of each; 0 where nobody asked."""
    return np.array([p.max() if p.size else 0.0 for p in some], np.float32)


def threshold(groups: Sequence[Sequence[NDArray[np.float32]]], share: float) -> float:
    """The least threshold at which no more than `share` of any group of what is no interruption is taken for one."""
    return float(max(np.quantile(highest(group), 1 - share, method="higher") for group in groups if len(group))) + 1e-4


def noticed(some: Sequence[Example], said: Sequence[NDArray[np.float32]], least: float) -> NDArray[np.float64]:
    """Milliseconds from the first sound of each until the net has said `least`; inf: never."""
    return np.array(
        [
            next((ask.ms for ask, p in zip(one.asks, ps, strict=True) if p >= least), np.inf)
            for one, ps in zip(some, said, strict=True)
        ]
    )


def shares(times: NDArray[np.float64]) -> dict[int, float]:
    """Part that is noticed by each of `TIMES_MS`."""
    return {ms: float((times <= ms).mean()) for ms in TIMES_MS}


def bounds(hits: NDArray[np.bool_], speakers: Sequence[str], seed: int = 0) -> tuple[float, float]:
    """Those that hold the share of `hits` in 95 of 100 draws of as many speakers (a clip by nobody known is a speaker of its own)."""
    groups: Mapping[str, list[bool]] = {}
    for place, (hit, speaker) in enumerate(zip(hits, speakers, strict=True)):
        groups.setdefault(speaker or str(place), []).append(bool(hit))
    sums = np.array([(sum(group), len(group)) for group in groups.values()], float)
    drawn = np.random.default_rng(seed).integers(0, len(sums), (_DRAWS, len(sums)))
    rates = sums[drawn].sum(axis=1)
    low, high = np.quantile(rates[:, 0] / rates[:, 1], (0.025, 0.975))
    return float(low), float(high)
