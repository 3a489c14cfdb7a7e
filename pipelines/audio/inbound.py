"""Packets to media samples."""

import numpy as np
from numpy.typing import NDArray

from pipelines.audio.g711 import decode
from pipelines.audio.resample import Resampler
from pipelines.audio.ring import Ring
from pipelines.events import MediaReceived
from pipelines.frames import AudioFormat
from pipelines.units import SAMPLE_RATE, samples_to_us


class Inbound:
    def __init__(self, format: AudioFormat, window: int = 512) -> None:
        self._format, self._window = format, window
        self._resampler = Resampler(format.sample_rate, SAMPLE_RATE)
        self._ring = Ring()
        self._next = 0
        self._offset = 1 << 62

    @property
    def end(self) -> int:
        return self._ring.end

    def receive(self, at_us: int, event: MediaReceived) -> list[tuple[int, int]]:
        self._ring.write(self._resampler.process(decode(event.payload, self._format.encoding)))
        self._offset = min(self._offset, at_us - samples_to_us(self._ring.end))
        spans = []
        while self._next + self._window <= self._ring.end:
            spans.append((self._next, self._next + self._window))
            self._next += self._window
        return spans

    def said_at(self, sample: int) -> int:
        return self._offset + samples_to_us(sample)

    def span(self, first: int, last: int) -> NDArray[np.float32]:
        return self._ring.span(max(first, self._ring.start), last)
