"""What the caller wants answered, once his turn is taken."""

from typing import NamedTuple, Self

from pipelines.actions import Turn
from pipelines.units import to_seconds

_KEYPAD = "[keypad] "


def is_keyed(text: str) -> bool:
    """Whether a turn's text is keys that were pressed."""
    return text.startswith(_KEYPAD)


class Asked(NamedTuple):
    """`text`: what is to be answered; `said`: what he said in this turn (less, when a turn before it was taken too soon). Times are call
    time in microseconds; `endpoint_at`: when it was decided that he had finished. `speaker`: as in
    `Turn`."""

    text: str
    said: str
    language: str
    started_at: int
    ended_at: int
    endpoint_at: int
    speaker: str = ""

    @classmethod
    def keyed(cls, at: int, keys: str, language: str) -> Self:
        """He pressed keys, the last of them `at` or a pause before."""
        said = f"{_KEYPAD}{keys}"
        return cls(said, said, language, at, at, at)

    @property
    def is_keys(self) -> bool:
        """Whether he pressed keys and said nothing."""
        return is_keyed(self.text)

    @property
    def turn(self) -> Turn:
        """What the transcript keeps."""
        start, end = to_seconds(self.started_at), to_seconds(self.ended_at)
        return Turn("caller", self.said, self.said, start, end, language=self.language, speaker=self.speaker)
