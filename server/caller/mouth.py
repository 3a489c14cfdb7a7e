"""What the caller says, frame by frame: clips one after another, line noise underneath. Pure."""

from collections import deque

import numpy as np

from server.caller.ear import Pcm, levels

SPEECH_DBFS = -20.0
"""Level of the shipped clips: RMS of their speech, relative to full scale."""

_NOISE_SECONDS = 7
_SPOKEN_DB = 30.0  # a clip's speech is what lies less than this under its loudest 5 ms
_BLOCK_US = 5_000


def spoken(pcm: Pcm, rate: int) -> tuple[int, int]:
    """When speech begins and ends in a clip, by energy, in microseconds from its start, to 5 ms."""
    level = levels(pcm, rate)
    if not len(level) or not level.max():
        return 0, 0
    loud = np.flatnonzero(level > level.max() * 10 ** (-_SPOKEN_DB / 20))
    return int(loud[0]) * _BLOCK_US, int(loud[-1] + 1) * _BLOCK_US


def line_noise(rate: int, snr: float, seed: int = 0) -> Pcm:
    """Seven seconds of white noise in the telephone band, `snr` dB under the level of the shipped clips."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.standard_normal(rate * _NOISE_SECONDS))
    hz = np.fft.rfftfreq(rate * _NOISE_SECONDS, 1 / rate)
    spectrum[(hz < 300) | (hz > 3_400)] = 0
    noise = np.fft.irfft(spectrum)
    level = 32_768 * 10 ** ((SPEECH_DBFS - snr) / 20)
    return np.clip(noise * level / noise.std(), -32_768, 32_767).astype(np.int16)


class Mouth:
    """One caller's side of the line, in frames of `ptime` milliseconds at `rate` Hz."""

    def __init__(self, rate: int = 8_000, ptime: int = 20, noise: Pcm | None = None) -> None:
        self.rate = rate
        self._length = rate * ptime // 1_000
        self._noise = noise
        self._waiting: deque[Pcm] = deque()
        self._sent: list[Pcm] = []
        self._until = 0  # sample at which everything asked for so far has been said

    @property
    def position(self) -> int:
        """Samples said so far, silence included."""
        return len(self._sent) * self._length

    def say(self, pcm: Pcm) -> tuple[int, int]:
        """Say a clip (int16 at `rate`) next; returns when its first and its last sound leave the mouth, in microseconds
        of the stream."""
        first = max(self._until, self.position)
        self._until = first + len(pcm)
        self._waiting.append(pcm)
        start, end = spoken(pcm, self.rate)
        begin = first * 1_000_000 // self.rate
        return begin + start, begin + end

    def frame(self) -> Pcm:
        """The next frame."""
        frame = np.zeros(self._length, np.int32)
        filled = 0
        while self._waiting and filled < self._length:
            clip = self._waiting.popleft()
            n = min(len(clip), self._length - filled)
            frame[filled : filled + n] = clip[:n]
            filled += n
            if n < len(clip):
                self._waiting.appendleft(clip[n:])
        if self._noise is not None:
            frame += self._noise.take(range(self.position, self.position + self._length), mode="wrap")
        said = np.clip(frame, -32_768, 32_767).astype(np.int16)
        self._sent.append(said)
        return said

    def wave(self) -> Pcm:
        """Everything said so far."""
        return np.concatenate(self._sent) if self._sent else np.zeros(0, np.int16)
