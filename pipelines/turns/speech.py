"""From a probability per window to utterances: where speech starts and where it stops."""

import msgspec

from pipelines.turns.policy import CallSettings
from pipelines.units import us_to_samples


class SpeechStarted(msgspec.Struct, frozen=True):
    """Speech began at media sample `first`."""

    first: int


class SpeechDipped(msgspec.Struct, frozen=True):
    """No speech since media sample `last`, for so short a time that it may be a pause or only the closing of a consonant."""

    last: int


class SpeechStopped(msgspec.Struct, frozen=True):
    """The last speech window ended at media sample `last`; the silence since is long enough to call it a pause."""

    last: int


class Speech:
    """Two thresholds and two durations: on after `min_speech_us` above `speech_on`, off after `min_silence_us` below `speech_off`.

    A sustained probability between the thresholds keeps the state as it is, as in Silero's own iterator.
    """

    def __init__(self, settings: CallSettings, window: int) -> None:
        self._on, self._off = settings.speech_on, settings.speech_off
        self._min_speech = us_to_samples(settings.min_speech_us)
        self._dip = us_to_samples(settings.dip_us)
        self._min_silence = us_to_samples(settings.min_silence_us)
        self._window = window
        self.speaking = False
        self._rise: int | None = None  # first sample of a run above the upper threshold, not yet speech
        self.last = 0  # end of the last window that was speech

    def window_analyzed(
        self, first: int, p_speech: float, on: float | None = None
    ) -> SpeechStarted | SpeechDipped | SpeechStopped | None:
        """Take the window that starts at media sample `first`; windows come in order, some may be missing. `on`: an upper threshold
        other than the usual one."""
        end = first + self._window
        if not self.speaking:
            if p_speech < (self._on if on is None else on):
                self._rise = None
                return None
            if self._rise is None:
                self._rise = first
            if end - self._rise < self._min_speech:
                return None
            started, self._rise = self._rise, None
            self.speaking, self.last = True, end
            return SpeechStarted(started)
        if p_speech >= self._off:
            self.last = end
            return None
        silence = end - self.last
        if silence < self._min_silence:
            return SpeechDipped(self.last) if silence - self._window < self._dip <= silence else None
        self.speaking = False
        return SpeechStopped(self.last)

    @property
    def rising(self) -> bool:
        """Whether the last window sounded like speech, and the next will say whether it is."""
        return self._rise is not None

    def stop(self) -> SpeechStopped:
        """The stream dried up or the turn was cut: whatever was being said ends here."""
        self.speaking, self._rise = False, None
        return SpeechStopped(self.last)
