"""The tone after which an answering machine records, found in the caller's audio.

A beep is one steady sine: nearly all the power of its spectrum lies in one peak, which neither moves nor swells. Speech has its power in
harmonics, two-tone signals (keys, ITU-T Q.23; North American busy and ring) in two peaks. What sounds like it is told by time: ring and busy
tones (ITU-T E.180) and the three tones before an announcement come again at once, and a dial tone, a fax or a held ring last too long.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipelines.units import SAMPLE_RATE, ms_to_samples

_FRAME, _HOP = 512, 256  # 32 ms, every 16 ms
_WINDOW = np.hanning(_FRAME).astype(np.float32)
_BIN_HZ = SAMPLE_RATE / _FRAME
_LOWEST_HZ, _HIGHEST_HZ = 350.0, 2_100.0
_FROM_BIN = int(100 / _BIN_HZ)  # what is under 100 Hz is hum
_LOBE = 2  # bins on each side of the peak that are still of it: the main lobe of the window
_PURE = 0.85  # of the power is in the peak: noise at least 8 dB under the tone
_QUIETEST = 1e-5  # mean square: -50 dB of full scale
_DRIFT_HZ = 16.0  # from the first frame
_SPREAD_HZ = 6.0  # of all frames
_SWELL = 4.0  # of power, 6 dB either way
_MISSED = 3  # frames in a row that a lost packet may spoil
_SHORTEST = ms_to_samples(120) - _HOP  # an edge is known to half a frame
_LONGEST = ms_to_samples(2_500)
_ALONE = ms_to_samples(600)  # nothing like it before or after: busy tones pause for half a second at most
_RING_HZ, _RING = (400.0, 480.0), ms_to_samples(900)  # so long a tone at these frequencies is a ring


class Beep(msgspec.Struct, frozen=True):
    """A beep, media samples [first, last), to within 20 ms; its frequency in Hz."""

    first: int
    last: int
    hz: float


class _Tone:
    __slots__ = ("first", "heard", "hz", "last", "power")

    def __init__(self, at: int, hz: float, power: float) -> None:
        self.first = self.last = at
        self.hz, self.power = hz, power
        self.heard = [hz]  # of each frame

    @property
    def beeps(self) -> bool:
        """Whether its length and frequency are a beep's, and it is as steady as no voice is. Its first and last frame are half of it."""
        length = self.last - self.first
        whole = self.heard[1:-1] or self.heard
        if max(whole) - min(whole) > _SPREAD_HZ:
            return False
        rings = _RING_HZ[0] <= self.hz <= _RING_HZ[1] and length >= _RING
        return _SHORTEST <= length <= _LONGEST and not rings


class BeepDetector:
    """Looks for beeps in one call's audio. A beep is told 0.6 s after its end, when nothing like it has followed."""

    def __init__(self) -> None:
        self._held = np.empty(0, np.float32)
        self._at = 0  # media sample of the first that is held
        self._tone: _Tone | None = None  # it sounds now
        self._missed = 0
        self._ended = -_ALONE  # where the last tone ended
        self._candidate: _Tone | None = None

    def hear(self, first: int, samples: NDArray[np.float32]) -> Beep | None:
        """The audio from media sample `first` on, in [-1, 1], shape (n,); pieces in order, what lies between them is lost. The beep that has
        become certain with it."""
        if first != self._at + len(self._held):
            self._held, self._at = self._held[:0], first
        self._held = np.concatenate((self._held, samples))
        found = None
        while len(self._held) >= _FRAME:
            found = self._frame(self._at + _FRAME // 2, self._held[:_FRAME]) or found
            self._held, self._at = self._held[_HOP:], self._at + _HOP
        return found

    def _frame(self, middle: int, frame: NDArray[np.float32]) -> Beep | None:
        hz, power = _peak(frame)
        tone = self._tone
        if (
            tone is not None
            and hz
            and abs(hz - tone.hz) <= _DRIFT_HZ
            and tone.power / _SWELL <= power <= tone.power * _SWELL
        ):
            tone.last, self._missed = middle, 0
            tone.heard.append(hz)
            tone.power = max(tone.power, power)  # its first frame may have been half a frame
        elif tone is not None and self._missed < _MISSED:
            self._missed += 1
        else:
            if tone is not None:
                self._end(tone)
            self._tone, self._missed = _Tone(middle, hz, power) if hz else None, 0
        return self._settle(middle)

    def _end(self, tone: _Tone) -> None:
        if tone.last - tone.first < _SHORTEST // 2:
            return  # a moment of a voice
        alone = tone.first - self._ended >= _ALONE
        self._ended = tone.last
        self._candidate = tone if alone and tone.beeps else None

    def _settle(self, at: int) -> Beep | None:
        tone, sounding = self._candidate, self._tone
        if tone is None or at - tone.last < _ALONE:
            return None
        if sounding is not None and sounding.first - tone.last < _ALONE:
            return None  # it may be a tone, or a moment of a voice
        self._candidate = None
        return Beep(tone.first, tone.last, tone.hz)


def _peak(frame: NDArray[np.float32]) -> tuple[float, float]:
    """Frequency (Hz) and mean square of the sine that this frame is, (0, 0) if it is none."""
    mean_square = float(frame @ frame) / _FRAME
    if mean_square < _QUIETEST:
        return 0.0, 0.0
    power = np.abs(np.fft.rfft(frame * _WINDOW)) ** 2
    power[:_FROM_BIN] = 0.0
    top = int(power.argmax())
    in_peak = float(power[max(0, top - _LOBE) : top + _LOBE + 1].sum())
    if not 1 <= top < len(power) - 1 or in_peak < _PURE * float(power.sum()):
        return 0.0, 0.0
    # A parabola through the logarithms of the three highest bins has its top where the sine is (Smith, Serra 1987, PARSHL).
    below, here, above = np.log(power[top - 1 : top + 2] + 1e-20)
    hz = float(top + 0.5 * (below - above) / (below - 2 * here + above)) * _BIN_HZ
    return (hz, mean_square) if _LOWEST_HZ - 5 <= hz <= _HIGHEST_HZ + 5 else (0.0, 0.0)
