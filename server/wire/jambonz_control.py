"""jambonz' call control: messages of its control socket, commands to it, and the verbs that answer it.

Sources: jambonz/jambonz-feature-server lib/utils/ws-requestor.js and lib/session/call-session.js; jambonz/schema
verbs/listen.schema.json.
"""

from typing import Any

import msgspec

from pipelines.errors import WireError
from server.wire import MESSAGE_LIMIT

CONTROL_PROTOCOL = "ws.jambonz.org"

Verbs = list[dict[str, Any]]
"""An application: what jambonz does with a call, one verb after another."""

HANG_UP_VERBS: Verbs = [{"verb": "hangup"}]
BUSY_VERBS: Verbs = [{"verb": "sip:decline", "status": 486, "reason": "Busy Here"}]


def listen_verbs(
    url: str, rate: int, metadata: dict[str, str], *, action_hook: str, user: str = "", password: str = ""
) -> Verbs:
    """Connect the call to our audio socket, both ways at `rate` Hz; when that ends `action_hook` is asked what is next.
    `user`, `password`: for the audio socket's basic authentication. `streaming` must be asked for: without it jambonz
    drops what we send, silently."""
    listen: dict[str, Any] = {
        "verb": "listen",
        "url": url,
        "sampleRate": rate,
        "mixType": "mono",
        "passDtmf": True,
        "bidirectionalAudio": {"enabled": True, "streaming": True, "sampleRate": rate},
        "metadata": metadata,
        "actionHook": action_hook,
    }
    if user:
        listen["wsAuth"] = {"username": user, "password": password}
    return [{"verb": "answer"}, listen, *HANG_UP_VERBS]


def dial_verbs(number: str) -> Verbs:
    """Hand the call to a number or SIP address."""
    target = {"type": "sip", "sipUri": number} if number.startswith("sip") else {"type": "phone", "number": number}
    return [{"verb": "dial", "target": [target]}]


class Control(msgspec.Struct, frozen=True):
    """A message of the control socket; what it has not, or has of another type, is empty. `tag`: what we gave the call when we placed it."""

    type: str
    msgid: str = ""
    call_sid: str = ""
    hook: str = ""
    tag: dict[str, str] = {}


def read_control(message: str | bytes) -> Control:
    """Raises WireError for what is no control message; its text has nothing of the message."""
    if isinstance(message, bytes):
        raise WireError("the control socket takes text")
    if len(message) > MESSAGE_LIMIT:
        raise WireError(f"a control message is longer than {MESSAGE_LIMIT} characters")
    try:
        frame = msgspec.json.decode(message)
    except (ValueError, RecursionError):  # ValueError: broken JSON, half a surrogate pair
        frame = None
    if not isinstance(frame, dict) or not _text(frame, "type"):
        raise WireError("a control message is malformed")
    data = frame.get("data")
    data = data if isinstance(data, dict) else {}
    call_sid = _text(frame, "call_sid") or _text(data, "call_sid")
    return Control(frame["type"], _text(frame, "msgid"), call_sid[:128], _text(frame, "hook"), tag_of(data))


def tag_of(call: dict[str, Any]) -> dict[str, str]:
    """The `tag` of createCall, which jambonz brings back as customerData, of what it tells about a call."""
    tag = call.get("customerData")
    return {key: value for key, value in tag.items() if isinstance(value, str)} if isinstance(tag, dict) else {}


def _text(frame: dict[str, Any], key: str) -> str:
    value = frame.get(key)
    return value if isinstance(value, str) else ""


def ack(msgid: str, verbs: Verbs | None = None) -> str:
    """The answer to session:new, session:redirect, session:reconnect, verb:hook and dial:confirm."""
    reply: dict[str, Any] = {"type": "ack", "msgid": msgid}
    if verbs is not None:
        reply["data"] = verbs
    return msgspec.json.encode(reply).decode()


def redirect(call_sid: str, verbs: Verbs) -> str:
    """Do this instead of what runs now: queueCommand is false."""
    return _command("redirect", call_sid, verbs)


def press(call_sid: str, digit: str, duration_ms: int = 250) -> str:
    """Send one DTMF digit."""
    return _command("dtmf", call_sid, {"dtmf": {"digit": digit, "duration": duration_ms}})


def _command(name: str, call_sid: str, data: object) -> str:
    # The documentation names the call `call_sid`, ws-requestor.js reads `callSid`; both default to the socket's own
    # call.
    return msgspec.json.encode(
        {
            "type": "command",
            "command": name,
            "queueCommand": False,
            "call_sid": call_sid,
            "callSid": call_sid,
            "data": data,
        }
    ).decode()
