"""What the caller wants answered, once his turn is taken."""

from typing import NamedTuple

from pipelines.actions import Turn
from pipelines.units import to_seconds


class Asked(NamedTuple):
    """`text`: what is to be answered; `said`: what he said in this turn (less, when a turn before it was taken too soon). Times are call
    time in microseconds; `endpoint_at`: when it was decided that he had finished."""

    text: str
    said: str
    language: str
    started_at: int
    ended_at: int
    endpoint_at: int

    @property
    def turn(self) -> Turn:
        """What the transcript keeps."""
        start, end = to_seconds(self.started_at), to_seconds(self.ended_at)
        return Turn("caller", self.said, self.said, start, end, language=self.language)
