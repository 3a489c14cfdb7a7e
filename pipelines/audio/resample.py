"""Stateful low-delay resampling between any two rates: a polyphase FIR, linear phase, at most 5 ms of group delay."""

from functools import lru_cache
from math import gcd

import numpy as np
from numpy.typing import NDArray

_DELAY_S = 0.002


@lru_cache(maxsize=64)
def _phases(up: int, down: int, rate_in: int) -> tuple[NDArray[np.float32], int]:
    half = max(8, int(_DELAY_S * rate_in * max(1.0, 1.0)))
    taps = 2 * half * up + 1
    n = np.arange(taps) - half * up
    cutoff = 0.92 / max(up, down)
    h = cutoff * np.sinc(cutoff * n) * np.kaiser(taps, 6.0) * up
    h = np.append(h, np.zeros(up - 1))
    return h.reshape(-1, up).T[:, ::-1].astype(np.float32).copy(), half


class Resampler:
    """`group_delay` in seconds."""

    def __init__(self, rate_in: int, rate_out: int) -> None:
        g = gcd(rate_in, rate_out)
        self._up, self._down = rate_out // g, rate_in // g
        self._same = rate_in == rate_out
        if not self._same:
            self._bank, half = _phases(self._up, self._down, rate_in)
            self._width = self._bank.shape[1]
            self._history = np.zeros(self._width - 1, np.float32)
            self._position = 0
        self.group_delay = 0.0 if self._same else half / rate_in

    def process(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        if self._same:
            return samples
        x = np.concatenate((self._history, samples.astype(np.float32)))
        n = len(samples)
        self._history = x[len(x) - self._width + 1 :]
        total = n * self._up
        steps = np.arange(self._position, total, self._down)
        self._position = self._position + len(steps) * self._down - total
        if not len(steps):
            return np.zeros(0, np.int16)
        windows = np.lib.stride_tricks.sliding_window_view(x, self._width)
        y = np.einsum("ij,ij->i", windows[steps // self._up], self._bank[steps % self._up])
        return np.clip(np.rint(y), -32768, 32767).astype(np.int16)


def resample(samples: NDArray[np.int16], rate_in: int, rate_out: int) -> NDArray[np.int16]:
    """Whole clip, delay removed."""
    r = Resampler(rate_in, rate_out)
    skip = round(r.group_delay * rate_out)
    tail = np.zeros(int(r.group_delay * rate_in) + 2, np.int16)
    return r.process(np.concatenate((samples, tail)))[skip : skip + -(-len(samples) * rate_out // rate_in)]
