"""The caller's audio, from packets of the wire to media samples and windows of them.

A packet is decoded, put in order, resampled to 16 kHz and kept, all at once and on the caller's thread: 10 to 20 us.

The relation of the two clocks is kept here as well. A packet comes when its last sample has been said, plus the way
through the network. The least delayed of the recent packets tells how long that way is without jitter, and so at
which call time any media sample reached us at the earliest. The resampler adds nothing to it: it holds samples back,
but does not move them in media time.
"""

import numpy as np
from numpy.typing import NDArray

from pipelines.audio.g711 import decode
from pipelines.audio.jitter import Jitter
from pipelines.audio.resample import Resampler
from pipelines.audio.ring import Ring
from pipelines.events import MediaReceived
from pipelines.frames import AudioFormat
from pipelines.units import SAMPLE_RATE, SECOND, samples_to_us

_EPOCH_US = 5 * SECOND
_STALL_US = 1 * SECOND


class Inbound:
    """One call's inbound path. No packet raises, whatever is in it."""

    def __init__(self, format: AudioFormat, window: int = 512) -> None:
        """`window`: samples of an analysis window (512 at 16 kHz is 32 ms). Raises ValueError as `Resampler` does."""
        self._format = format
        self._window = window
        self._jitter = Jitter(format.sample_rate)
        self._resampler = Resampler(format.sample_rate, SAMPLE_RATE)
        self._ring = Ring()
        self._cut = 0  # windows are cut up to here
        self._delay = _LeastDelay()

    def receive(self, at_us: int, event: MediaReceived) -> list[tuple[int, int]]:
        """Take a packet that came at call time `at_us`; give the windows that it completes, as media samples.

        A window is (first, last), the last not included. One that is out of the ring already (the packet was longer
        than 20 s) is passed over. Half a sample at a packet's end is ignored."""
        jitter, ring = self._jitter, self._ring
        samples = jitter.receive(at_us, event.timestamp, decode(event.payload, self._format.encoding))
        self._delay.observe(at_us, at_us - jitter.end * SECOND // self._format.sample_rate)
        ring.write(self._resampler.process(samples))
        if self._cut < ring.start:
            self._cut = -(-ring.start // self._window) * self._window
        windows = []
        while self._cut + self._window <= ring.end:
            windows.append((self._cut, self._cut + self._window))
            self._cut += self._window
        return windows

    def span(self, first: int, last: int) -> NDArray[np.float32]:
        """Media samples [first, last) as float32 in [-1, 1); what has left the ring (20 s) is missing at the front.

        Raises SpanNotHeld (an IndexError) if nothing of it is held, or not all of it is there yet."""
        return self._ring.span(max(first, self._ring.start), last)

    @property
    def end(self) -> int:
        """Media samples so far."""
        return self._ring.end

    def said_at(self, sample: int) -> int:
        """Call time (microseconds) at which a media sample reached us at the earliest: without the network's jitter.

        True for the last seconds; a carrier that pauses without saying so in its timestamps moves what came before."""
        return self._delay.least + samples_to_us(sample)

    # ---- packets by their fate, as `Jitter` counts them

    @property
    def lost(self) -> int:
        return self._jitter.lost

    @property
    def late(self) -> int:
        return self._jitter.late

    @property
    def duplicated(self) -> int:
        return self._jitter.duplicated

    @property
    def reordered(self) -> int:
        return self._jitter.reordered


class _LeastDelay:
    """The smallest of the delays of the last 5 to 10 s, so that it follows a carrier's clock that drifts.

    After a second without a packet it begins anew: either the wire paused, and what was no longer holds, or the
    network stalled, and the packets that it held back follow at once and bring the smallest delay with them."""

    def __init__(self) -> None:
        self.least = 0
        """Microseconds; 0 before any."""
        self._before = self._now = 0  # the smallest of the last epoch and of this one
        self._began = self._last = -_STALL_US

    def observe(self, at: int, delay: int) -> None:
        if at - self._last >= _STALL_US:
            self._before = self._now = delay
            self._began = at
        elif at - self._began >= _EPOCH_US:
            self._before, self._now = self._now, delay
            self._began = at
        elif delay < self._now:
            self._now = delay
        self._last = at
        self.least = min(self._before, self._now)
