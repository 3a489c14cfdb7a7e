"""jambonz' call control: commands on the control socket where the call has one, else verbs for when its audio socket
ends."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from server.carriers import CarrierError, plain_target
from server.wire.jambonz_control import HANG_UP_VERBS, Verbs, dial_verbs, press, redirect

_DIGIT_S = 0.25
# Each digit is a SIP request of its own, which nothing keeps in order on its way: the next goes out when this one was
# pressed.
_DIGIT_GAP_S = 0.1


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
        after_audio: Callable[[str, Verbs], None],
    ) -> None:
        """`socket_of(call_sid)`: the control socket now (it may have reconnected), or None: the HTTP form, or jambonz
        is just reconnecting. `disconnect()` ends the `listen` verb; `after_audio(call_sid, verbs)`: what its action
        hook will answer then."""
        self._call_sid, self._socket_of = call_sid, socket_of
        self._disconnect, self._after = disconnect, after_audio

    async def hang_up(self) -> None:
        self._then(HANG_UP_VERBS)

    async def transfer(self, number: str) -> None:
        self._then(dial_verbs(plain_target(number)))

    async def send_digits(self, digits: str) -> None:
        for digit in digits:
            socket = self._socket_of(self._call_sid)
            if socket is None:
                raise CarrierError("keys can be pressed only through jambonz' control socket, not from an HTTP webhook")
            socket.send(press(self._call_sid, digit, round(_DIGIT_S * 1_000)))
            await asyncio.sleep(_DIGIT_S + _DIGIT_GAP_S)

    def _then(self, verbs: Verbs) -> None:
        socket = self._socket_of(self._call_sid)
        if socket is not None:
            socket.send(redirect(self._call_sid, verbs))
        else:
            self._after(self._call_sid, verbs)
            self._disconnect()
