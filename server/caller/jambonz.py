"""jambonz as the server meets it: the audio websocket of the `listen` verb, its buffer, marks and kills.

Limits and quirks as in mod_audio_fork (lws_glue.cpp); the verb as in jambonz/schema (listen.schema.json).
"""

import asyncio
import secrets
from typing import Any
from urllib.parse import urljoin

import aiohttp
import msgspec
import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.headers import build_authorization_basic
from websockets.typing import Subprotocol

from server.caller.ear import Ear, Pcm
from server.caller.jambonz_control import Application, ControlSocket, Verbs, Webhook
from server.caller.line import PTIME_MS, CallRefused, Line
from server.caller.mouth import Mouth, line_noise

MAX_MARKS = 30


class Listen(msgspec.Struct, frozen=True, rename="camel"):
    """The `listen` (or `stream`) verb, as far as it matters here. `after`: the verbs behind it."""

    url: str
    sample_rate: int = 8_000
    bidirectional_audio: dict[str, Any] = {}
    pass_dtmf: bool = False
    metadata: dict[str, Any] = {}
    ws_auth: dict[str, str] = {}
    action_hook: str = ""
    after: tuple[dict[str, Any], ...] = ()


def parse_verbs(verbs: Verbs) -> Listen:
    """The two-way `listen` among the verbs. Raises `CallRefused` when there is none."""
    at = next((i for i, verb in enumerate(verbs) if verb.get("verb") in ("listen", "stream")), None)
    if at is None:
        raise CallRefused(f"the server does not listen to the call: its verbs are {[v.get('verb') for v in verbs]}")
    listen = msgspec.convert(verbs[at] | {"after": verbs[at + 1 :]}, Listen)
    back = listen.bidirectional_audio
    if not back.get("streaming") or not back.get("sampleRate"):
        raise CallRefused("`bidirectionalAudio` lacks streaming or sampleRate: jambonz would drop the agent's audio")
    return listen


class JambonzLine(Line):
    """A call through jambonz: linear PCM at the rates that the server asks for. Open one with `dial`."""

    def __init__(self, socket: ClientConnection, application: Application, listen: Listen, call_sid: str, mouth: Mouth):
        super().__init__(socket, call_sid, Ear(listen.bidirectional_audio["sampleRate"]), mouth)
        self.commands: list[dict[str, Any]] = []
        """What the server ordered over the control socket, in order."""
        self.verbs_after: Verbs = list(listen.after)
        """What jambonz goes on with once the audio is over."""
        self._application, self._listen_verb = application, listen
        self._odd = b""
        self._redirected = False

    @classmethod
    async def dial(
        cls,
        hook: str,
        *,
        caller: str,
        called: str,
        basic: tuple[str, str] | None = None,
        webhook_secret: str = "",
        noise_snr: float | None = None,
    ) -> "JambonzLine":
        """Call the server at `hook` (ws, wss: control socket; http, https: webhook). `basic`: user and password for the
        control socket; `webhook_secret`: signs the webhook; `noise_snr`: line noise that many dB under the caller's
        speech.

        Raises `CallRefused` when the server does not listen to the call; OSError, aiohttp.ClientError or
        WebSocketException when it cannot be reached.
        """
        call_sid, call_id = secrets.token_hex(16), secrets.token_hex(8)
        session = {"call_sid": call_sid, "call_id": call_id, "direction": "inbound", "from": caller, "to": called}
        session |= {"account_sid": "account", "application_sid": "application", "call_status": "trying"}
        application: Application
        if hook.startswith("ws"):
            application = await ControlSocket.open(hook, call_sid, basic)
        else:
            application = Webhook(hook, webhook_secret)
        try:
            listen = parse_verbs(await application.ask("session:new", session))
            socket = await _open(urljoin(hook, listen.url).replace("http", "ws", 1), listen.ws_auth)
        except BaseException:
            await application.close()
            raise
        noise = None if noise_snr is None else line_noise(listen.sample_rate, noise_snr)
        line = cls(socket, application, listen, call_sid, Mouth(listen.sample_rate, PTIME_MS, noise))
        first = {"callSid": call_sid, "callId": call_id, "direction": "inbound", "from": caller, "to": called}
        first |= {"sampleRate": listen.sample_rate, "mixType": "mono"} | listen.metadata
        await socket.send(_json(first))
        line._open()
        application.obey(line._obey)
        return line

    def press(self, digit: str) -> None:
        if self._listen_verb.pass_dtmf:
            self._send(_json({"event": "dtmf", "dtmf": digit, "duration": "1600"}))

    def _audio(self, pcm: Pcm) -> bytes:
        return pcm.astype("<i2").tobytes()

    def _mark(self, name: str, cleared: bool) -> str:
        return _json({"type": "mark", "data": {"name": name, "event": "cleared" if cleared else "playout"}})

    def _receive(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            data = self._odd + message
            whole = len(data) // 2 * 2
            self._odd = data[whole:]
            self.ear.receive(np.frombuffer(data[:whole], "<i2"), self.now)
            return
        order = msgspec.json.decode(message)
        match order["type"]:
            case "mark":
                if self.ear.pending >= MAX_MARKS:
                    raise ValueError(f"more than {MAX_MARKS} marks outstanding: jambonz discards them without a word")
                self._marked(order["data"]["name"])
            case "killAudio":
                self._odd = b""
                self._cleared()
            case "clearMarks":
                self.ear.forget_marks()
            case "disconnect":
                self._tasks.append(asyncio.create_task(self._socket.close()))
            case other:
                raise ValueError(f"a streaming listen takes no {other!r}")

    def _obey(self, command: dict[str, Any]) -> None:
        """An order of the server's: a redirect ends what runs and goes on with its verbs."""
        self.commands.append(command)
        if command.get("command") == "redirect":
            self.verbs_after, self._redirected = command.get("data") or [], True
            self._tasks.append(asyncio.create_task(self._socket.close()))

    async def _leave(self) -> None:
        await self._socket.close()

    async def _ended(self) -> None:
        listen = self._listen_verb
        try:
            if not self.left and not self._redirected and listen.action_hook:
                data = {"call_sid": self.call_id, "call_status": "in-progress"}
                self.verbs_after = await self._application.ask("verb:hook", data, listen.action_hook) or list(
                    listen.after
                )
            await self._application.tell("call:status", {"call_sid": self.call_id, "call_status": "completed"})
        except (CallRefused, aiohttp.ClientError, TimeoutError) as error:
            self.complaints.append(f"action hook: {error}")
        finally:
            await self._application.close()


async def _open(url: str, auth: dict[str, str]) -> ClientConnection:
    headers = {"Authorization": build_authorization_basic(auth["username"], auth["password"])} if auth else {}
    protocol = Subprotocol("audio.jambonz.org")
    return await connect(
        url, subprotocols=[protocol], additional_headers=headers, compression=None, max_size=None, proxy=None
    )


def _json(message: dict[str, Any]) -> str:
    return msgspec.json.encode(message).decode()
