"""What `allo doctor` says of one thing that it looked at."""

from typing import Literal

import msgspec

Level = Literal["ok", "warning", "error"]


class Finding(msgspec.Struct, frozen=True):
    """`what` was looked at and how it is; `mend`: what to do, "" when nothing is."""

    level: Level
    what: str
    mend: str = ""
