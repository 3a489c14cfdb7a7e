"""Codecs of carriers, one file each, sans-IO: messages in, typed events out; commands in, messages out."""

import msgspec


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
    account_id: str = ""
