"""jambonz' call control: commands on the control socket where the call has one, else verbs for when its audio socket ends."""

from collections.abc import Callable
from typing import Any, Protocol

from server.carriers.twilio import CarrierError, valid_number
from server.wire.jambonz import HANG_UP_VERBS, command, dial_verbs


class CommandSocket(Protocol):
    """A live control socket."""

    def send(self, message: str) -> None: ...


class JambonzControl:
    """Control of one call (server.session.Control)."""

    def __init__(
        self,
        call_sid: str,
        socket_of: Callable[[str], CommandSocket | None],
        disconnect: Callable[[], None],
        after_audio: Callable[[str, list[dict[str, Any]]], None],
    ) -> None:
        """`socket_of(call_sid)`: the control socket now (it may have reconnected), or None in the HTTP form. `disconnect()` ends the
        `listen` verb; `after_audio(call_sid, verbs)`: what the action hook will answer then."""
        self._call_sid, self._socket_of = call_sid, socket_of
        self._disconnect, self._after = disconnect, after_audio

    async def hang_up(self) -> None:
        self._then(HANG_UP_VERBS)

    async def transfer(self, number: str) -> None:
        if not valid_number(number):
            raise CarrierError("the transfer number is neither a telephone number nor a SIP address")
        self._then(dial_verbs(number))

    async def send_digits(self, digits: str) -> None:
        socket = self._socket_of(self._call_sid)
        if socket is None:
            raise CarrierError("keys can be pressed only through jambonz' control socket, not from an HTTP webhook")
        for digit in digits:
            socket.send(command("dtmf", self._call_sid, {"digit": digit, "duration": 250}))

    def _then(self, verbs: list[dict[str, Any]]) -> None:
        socket = self._socket_of(self._call_sid)
        if socket is not None:
            socket.send(command("redirect", self._call_sid, verbs))
        else:
            self._after(self._call_sid, verbs)
            self._disconnect()
