"""Streaming sample rate conversion by a rational factor, with low delay and no drift.

One windowed-sinc low-pass (Kaiser, linear phase) between the two Nyquist frequencies, in polyphase form (Crochiere
and Rabiner, "Multirate Digital Signal Processing", 1983, chapter 3). It reaches 24 periods of the lower rate to each
side, so with N the lower Nyquist frequency it is flat to 0.85 N and lets nothing pass above N, and the delay is 3 ms
at 8 kHz, 1.5 ms at 16 kHz.

The output is time-aligned: sample k out is the instant k / rate_out of the input, so an 8 kHz sample i is exactly the
16 kHz sample 2 i. The filter's delay shows only as samples that are not out yet.

Coefficients are rounded to multiples of 2^-28: products with int16 samples and their sums are then exact in float64
(45 of its 53 bits), in whatever order a BLAS adds them, and the output does not depend, in any bit, on how the input
was cut.
"""

from functools import lru_cache
from math import ceil, gcd

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]

_REACH = 24  # periods of the lower rate on each side
_CUTOFF = 0.925  # -6 dB, in units of the lower Nyquist frequency
_BETA = 5.65  # Kaiser: stopband at -60 dB
_GRAIN = 2.0**28
_BLOCK = 32  # samples made by one row of a matrix product, at least
_PRODUCT = 200_000  # multiplications at once: from 262 144 on OpenBLAS starts threads, which here only cost time
_TERMS = 1_500  # largest term of a rate ratio: bounds the filter (11 025 to 32 000 Hz, the worst in use, is 1280/441)


class _Filter:
    """The polyphase filter of one ratio as a matrix: a row of input times `matrix` is `block_out` output samples."""

    def __init__(self, up: int, down: int) -> None:
        self.up, self.down = up, down
        self.ahead = ceil(_REACH * max(up, down) / up)
        """Input samples needed after the instant of an output sample."""
        taps = self._taps()
        rows = max(1, _BLOCK // up)
        self.block_in, self.block_out = down * rows, up * rows
        self.span = (self.block_out - 1) * down // up + 2 * self.ahead
        """Input samples in a row; it starts `ahead - 1` before the row's first output."""
        self.rows_at_once = max(1, _PRODUCT // (self.span * self.block_out))
        self.matrix = np.zeros((self.span, self.block_out))
        for k in range(self.block_out):
            first, phase = divmod(k * down, up)
            self.matrix[first : first + 2 * self.ahead, k] = taps[phase]

    def _taps(self) -> NDArray[np.float64]:
        """Shape (up, 2 ahead): weights of the inputs around an output that falls `phase / up` after an input sample."""
        reach = _REACH * max(self.up, self.down)  # in steps of the common multiple of both rates
        steps = np.arange(self.up)[:, None] - self.up * np.arange(1 - self.ahead, self.ahead + 1)
        inside = np.abs(steps) < reach
        window = np.kaiser(2 * reach + 1, _BETA)[np.where(inside, steps + reach, 0)]
        taps = np.where(inside, np.sinc(_CUTOFF * steps / max(self.up, self.down)) * window, 0.0)
        taps /= taps.sum(axis=1, keepdims=True)  # every phase alike at 0 Hz: a constant stays constant
        return np.rint(taps * _GRAIN) / _GRAIN


@lru_cache(maxsize=16)
def _filter(up: int, down: int) -> _Filter:
    return _Filter(up, down)


class Resampler:
    """State of one stream. Samples are int16 of shape (n,), any n; what clips is held at full scale.

    Raises ValueError when a rate is not positive or the rates (Hz) have no ratio of terms up to 1 500."""

    def __init__(self, rate_in: int, rate_out: int) -> None:
        if rate_in <= 0 or rate_out <= 0:
            raise ValueError(f"sample rates must be positive, not {rate_in} and {rate_out}")
        common = gcd(rate_in, rate_out)
        up, down = rate_out // common, rate_in // common
        if max(up, down) > _TERMS:
            raise ValueError(f"cannot resample from {rate_in} to {rate_out} Hz: their ratio {up}/{down} is not simple")
        self._filter = None if up == down else _filter(up, down)
        self.group_delay = self._filter.ahead / rate_in if self._filter else 0.0
        """Seconds by which output is held back: the filter's constant delay. 0 when the rates are equal."""
        self._reset()

    def _reset(self) -> None:
        self._taken = 0  # input samples so far
        self._given = 0  # output samples so far
        # The input from the first sample of the next output's row on; before the stream there was silence.
        self._held = np.zeros(self._filter.ahead - 1 if self._filter else 0)

    def process(self, samples: Samples) -> Samples:
        """Output that `samples` complete: all instants up to `group_delay` before the end of the input."""
        f = self._filter
        if f is None:
            return samples
        return self._advance(samples, _ceil_div((self._taken + len(samples) - f.ahead) * f.up, f.down))

    def flush(self) -> Samples:
        """The rest, as if silence followed: ceil(n * rate_out / rate_in) samples in all. Then a new stream begins."""
        f = self._filter
        if f is None:
            return np.zeros(0, np.int16)
        rest = self._advance(np.zeros(f.ahead, np.int16), _ceil_div(self._taken * f.up, f.down))
        self._reset()
        return rest

    def _advance(self, samples: Samples, until: int) -> Samples:
        """Take `samples`; give the output samples from `_given` to `until`."""
        f, held, given = self._filter, self._held, self._given
        assert f is not None
        have = len(held) + len(samples)
        first = given // f.block_out
        rows = _ceil_div(until, f.block_out) - first if until > given else 0
        # The last row may reach past the input: into zeros, for output samples that are cut off below.
        line = np.empty(max(have, (rows - 1) * f.block_in + f.span))
        line[: len(held)] = held
        line[len(held) : have] = samples
        line[have:] = 0.0
        self._taken += len(samples)
        if rows <= 0:
            self._held = line[:have]
            return np.zeros(0, np.int16)
        step = line.itemsize
        overlapping = np.ndarray((rows, f.span), np.float64, line, 0, (f.block_in * step, step))
        made = np.empty((rows, f.block_out))
        for row in range(0, rows, f.rows_at_once):
            some = slice(row, row + f.rows_at_once)
            np.matmul(np.ascontiguousarray(overlapping[some]), f.matrix, out=made[some])
        np.rint(made, out=made)
        np.minimum(made, 32_767.0, out=made)
        np.maximum(made, -32_768.0, out=made)
        skip = first * f.block_out
        self._held = line[(until // f.block_out - first) * f.block_in : have].copy()
        self._given = until
        return made.ravel()[given - skip : until - skip].astype(np.int16)


def _ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def resample(samples: Samples, rate_in: int, rate_out: int) -> Samples:
    """All of `samples` at another rate, without delay: ceil(n * rate_out / rate_in) samples. Raises as `Resampler`."""
    resampler = Resampler(rate_in, rate_out)
    return np.concatenate((resampler.process(samples), resampler.flush()))
