"""jambonz as the server meets it: call control over its websocket or its HTTP webhook, and the `listen` verb's audio
websocket.

https://docs.jambonz.org/reference/websocket-api/call-control/overview; limits and quirks as in mod_audio_fork
(lws_glue.cpp).
"""

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import urljoin

import aiohttp
import msgspec
import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.headers import build_authorization_basic
from websockets.typing import Subprotocol

from server.caller.ear import Ear, Pcm
from server.caller.line import PTIME_MS, CallRefused, Line
from server.caller.mouth import Mouth, line_noise

MAX_MARKS = 30
_TIMEOUT_S = 20.0


class JambonzLine(Line):
    """A call through jambonz: linear PCM at the rates that the server's `listen` verb asks for. Open one with
    `dial`."""

    def __init__(
        self,
        socket: ClientConnection,
        control: ClientConnection | None,
        verbs: Sequence[dict],
        call_sid: str,
        ear: Ear,
        mouth: Mouth,
        passes_digits: bool,
    ) -> None:
        super().__init__(socket, call_sid, ear, mouth)
        self.commands: list[dict] = []
        """What the server asked for over the control socket, in order."""
        self._control, self._after = control, list(verbs)
        self._odd = b""
        self._passes_digits = passes_digits
        self._commands = asyncio.create_task(self._obey()) if control else None

    @classmethod
    async def dial(
        cls,
        hook: str,
        *,
        caller: str,
        called: str,
        secret: tuple[str, str] | None = None,
        noise_snr: float | None = None,
    ) -> "JambonzLine":
        """Call the server at `hook` (ws, wss: control socket; http, https: webhook). `secret`: user and password of
        HTTP basic auth.

        `noise_snr`: line noise that many dB under the caller's speech. Raises `CallRefused` when the server does not
        listen to the call.
        """
        call_sid = secrets.token_hex(16)
        session = {
            "call_sid": call_sid,
            "call_id": secrets.token_hex(8),
            "direction": "inbound",
            "from": caller,
            "to": called,
        }
        session |= {
            "account_sid": "acct",
            "application_sid": "app",
            "call_status": "trying",
            "sip_status": 100,
            "trace_id": secrets.token_hex(8),
        }
        control = None
        if hook.startswith("ws"):
            control, verbs = await _new_session(hook, session, secret)
        else:
            verbs = await _post(hook, session, secret)
        try:
            at = next((i for i, verb in enumerate(verbs) if verb.get("verb") in ("listen", "stream")), None)
            if at is None:
                raise CallRefused(
                    f"the server does not listen to the call: its verbs are {[verb.get('verb') for verb in verbs]}"
                )
            line = await cls._open_audio(hook, session, verbs[at], verbs[at + 1 :], control, noise_snr)
        except BaseException:
            if control:
                await control.close()
            raise
        return line

    @classmethod
    async def _open_audio(
        cls,
        hook: str,
        session: dict,
        listen: dict,
        after: Sequence[dict],
        control: ClientConnection | None,
        noise_snr: float | None,
    ) -> "JambonzLine":
        url = urljoin(hook, listen["url"]).replace("http", "ws", 1)
        auth = listen.get("wsAuth")
        headers = {"Authorization": build_authorization_basic(auth["username"], auth["password"])} if auth else {}
        socket = await connect(
            url,
            subprotocols=[Subprotocol("audio.jambonz.org")],
            additional_headers=headers,
            compression=None,
            max_size=None,
            proxy=None,
        )
        rate = listen.get("sampleRate", 8_000)
        back = listen.get("bidirectionalAudio", {})
        if not back.get("streaming") or not back.get("sampleRate"):
            raise CallRefused(
                "bidirectionalAudio lacks streaming or sampleRate: jambonz would drop the agent's audio without a word"
            )
        noise = None if noise_snr is None else line_noise(rate, noise_snr)
        line = cls(
            socket,
            control,
            after,
            session["call_sid"],
            Ear(back["sampleRate"]),
            Mouth(rate, PTIME_MS, noise),
            bool(listen.get("passDtmf")),
        )
        first = {
            "callSid": session["call_sid"],
            "callId": session["call_id"],
            "from": session["from"],
            "to": session["to"],
        }
        first |= {
            "direction": "inbound",
            "accountSid": "acct",
            "applicationSid": "app",
            "sampleRate": rate,
            "mixType": "mono",
        }
        await socket.send(msgspec.json.encode(first | listen.get("metadata", {})).decode())
        line._open()
        return line

    def press(self, digit: str) -> None:
        if self._passes_digits:
            self._send(msgspec.json.encode({"event": "dtmf", "dtmf": digit, "duration": "1600"}).decode())

    def _audio(self, pcm: Pcm) -> bytes:
        return pcm.astype("<i2").tobytes()

    def _mark(self, name: str, cleared: bool) -> str:
        return msgspec.json.encode(
            {"type": "mark", "data": {"name": name, "event": "cleared" if cleared else "playout"}}
        ).decode()

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

    async def _obey(self) -> None:
        """Read the control socket: keep every command, and end the call when one says so."""
        assert self._control is not None
        with suppress(ConnectionClosed):
            async for message in self._control:
                command = msgspec.json.decode(message)
                self.commands.append(command)
                verbs = command.get("data") or []
                if command.get("command") == "redirect" and isinstance(verbs, list):
                    self._after = verbs
                    await self._socket.close()

    async def _leave(self) -> None:
        await self._status("completed")
        await self._socket.close()

    async def _ended(self) -> None:
        if self._control is None:
            return
        if not self.left:
            await self._status("completed")
        assert self._commands is not None
        self._commands.cancel()
        await self._control.close()

    async def _status(self, status: str) -> None:
        if self._control is not None:
            message = {"type": "call:status", "msgid": secrets.token_hex(8), "call_sid": self.call_id}
            message["data"] = {"call_sid": self.call_id, "call_status": status, "sip_status": 200}
            with suppress(ConnectionClosed):
                await self._control.send(msgspec.json.encode(message).decode())

    @property
    def verbs_after(self) -> list[dict]:
        """The verbs that jambonz goes on with once the audio has ended."""
        return self._after


async def _new_session(url: str, session: dict, secret: tuple[str, str] | None) -> tuple[ClientConnection, list[dict]]:
    headers = {"Authorization": build_authorization_basic(*secret)} if secret else {}
    control = await connect(
        url, subprotocols=[Subprotocol("ws.jambonz.org")], additional_headers=headers, compression=None, proxy=None
    )
    msgid = secrets.token_hex(8)
    message = {"type": "session:new", "msgid": msgid, "call_sid": session["call_sid"], "b3": "0", "data": session}
    try:
        await control.send(msgspec.json.encode(message).decode())
        async with asyncio.timeout(_TIMEOUT_S):
            while True:
                answer = msgspec.json.decode(await control.recv())
                if answer.get("type") == "ack" and answer.get("msgid") == msgid:
                    return control, answer.get("data") or []
    except (ConnectionClosed, TimeoutError) as error:
        await control.close()
        raise CallRefused("the server did not acknowledge the new session") from error


async def _post(url: str, session: dict, secret: tuple[str, str] | None) -> list[dict]:
    auth = aiohttp.BasicAuth(*secret) if secret else None
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S)) as http,
        http.post(url, json=session, auth=auth) as response,
    ):
        if response.status != 200:
            raise CallRefused(f"the jambonz webhook answered {response.status}")
        return await response.json()
