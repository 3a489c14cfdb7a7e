"""Commands where there is a control socket, verbs for afterwards where there is none."""

import json

import pytest

from server.carriers import CarrierError, jambonz
from server.carriers.jambonz import JambonzControl

CALL = "0b5cf8a5"


class FakeSocket:
    def __init__(self) -> None:
        self.sent = []

    def send(self, message: str) -> None:
        self.sent.append(json.loads(message))


class Call:
    """One call's control and what came of it."""

    def __init__(self, socket: FakeSocket | None) -> None:
        self.socket, self.after, self.disconnected = socket, {}, 0
        self.control = JambonzControl(CALL, lambda call_sid: self.socket, self._disconnect, self.after.__setitem__)

    def _disconnect(self) -> None:
        assert self.after, "what comes next must be known before the listen verb ends"
        self.disconnected += 1


async def test_over_the_control_socket():
    call = Call(FakeSocket())
    await call.control.transfer("sip:desk@example.com")
    await call.control.hang_up()
    assert [(c["command"], c["queueCommand"], c["call_sid"], c["data"]) for c in call.socket.sent] == [
        (
            "redirect",
            False,
            CALL,
            [{"verb": "dial", "target": [{"type": "sip", "sipUri": "sip:desk@example.com"}]}],
        ),
        ("redirect", False, CALL, [{"verb": "hangup"}]),
    ]
    assert (call.after, call.disconnected) == ({}, 0)


async def test_over_the_action_hook():
    call = Call(None)
    await call.control.transfer("+15550199")
    assert call.after == {CALL: [{"verb": "dial", "target": [{"type": "phone", "number": "+15550199"}]}]}
    await call.control.hang_up()
    assert (call.after, call.disconnected) == ({CALL: [{"verb": "hangup"}]}, 2)


async def test_a_reconnected_socket_is_used():
    call = Call(None)
    call.socket = FakeSocket()
    await call.control.hang_up()
    assert len(call.socket.sent) == 1


async def test_keys_are_pressed_one_after_another(monkeypatch):
    waits = []

    async def sleep(seconds: float) -> None:
        waits.append((seconds, len(call.socket.sent)))

    monkeypatch.setattr(jambonz.asyncio, "sleep", sleep)
    call = Call(FakeSocket())
    await call.control.send_digits("4#")
    assert [c["data"]["dtmf"]["digit"] for c in call.socket.sent] == ["4", "#"]
    assert all(
        c["data"]["dtmf"]["duration"] / 1_000 < wait for c, (wait, _) in zip(call.socket.sent, waits, strict=True)
    )
    assert [sent for _, sent in waits] == [1, 2]


async def test_what_cannot_be_done_is_said():
    call = Call(None)
    with pytest.raises(CarrierError, match="control socket"):
        await call.control.send_digits("1")
    with pytest.raises(CarrierError, match="neither"):
        await call.control.transfer("nonsense")
    assert call.disconnected == 0
