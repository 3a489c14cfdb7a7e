"""Codecs of carriers, one file each, sans-IO: messages in, typed events out; commands in, messages out.

`DESIGN.md` beside this file says why they are as they are.
"""

from typing import Annotated

import msgspec

MESSAGE_LIMIT = 256 * 1024
"""Characters or bytes of the longest message that is read: ten seconds of audio in one."""

DIGITS = frozenset("0123456789*#ABCD")
"""Keys of a telephone (ITU-T Q.23)."""

RATES = (8_000, 16_000, 24_000, 48_000)
"""Sample rates that are spoken, in Hz."""

Identifier = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
"""A call's or stream's name, as its carrier gave it: it goes into logs and dumps."""


class Capabilities(msgspec.Struct, frozen=True):
    """What a carrier's media wire can do."""

    marks: bool
    clear: bool
    dtmf: bool
    outstanding_marks: int | None = None
    """At most this many marks may be on the wire; None for no limit."""


class Stream(msgspec.Struct, frozen=True):
    """What a carrier said when its media began. `parameters`: ours, brought back."""

    call_id: str
    parameters: dict[str, str]
    stream_id: str = ""
