"""What carriers can do with a call beyond its audio: answer its webhook, hang up, transfer, press keys."""

import re

from pipelines.errors import AlloError

_NUMBER = re.compile(r"\+?[0-9]{3,15}|sips?:[^\s<>\"']{3,200}")


class CarrierError(AlloError):
    """The carrier did not do what was asked. The text has no number and no secret."""


def plain_target(number: str) -> str:
    """The number, if a call may be transferred there: digits with or without +, or a SIP address. Raises
    CarrierError."""
    if not _NUMBER.fullmatch(number):
        raise CarrierError("the transfer number is neither a telephone number nor a SIP address")
    return number
