"""A server of a hundred lines that answers Twilio: it echoes, or it is an agent that speaks in tones. For tests of the
caller's side."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import numpy as np
from aiohttp import web

from pipelines.audio.g711 import decode, encode
from pipelines.frames import Encoding

FORMS = web.AppKey("forms", list)
"""What the voice webhook was sent: (form, signature)."""

STATUSES = web.AppKey("statuses", list)
"""Stream events that the status callback was told."""

_LOUD = 250  # mean magnitude of a frame in which the caller speaks


def tone(seconds: float, hz: float = 440.0) -> bytes:
    """A tone at -12 dBFS, mu-law."""
    wave = 8_000 * np.sin(2 * np.pi * hz * np.arange(int(seconds * 8_000)) / 8_000)
    return encode(wave.astype(np.int16), Encoding.MULAW)


class FakeAgent:
    """Greets with a tone of one second, answers 0.3 s after the caller's last sound with one of 1.8 s, yields
    within one frame of his first sound, and hangs up after `answers` answers were played. `heard`: marks that came
    back; `digits`: keys."""

    def __init__(self, answers: int = 2, *, yields: bool = True) -> None:
        self.answers, self.yields = answers, yields
        self.heard: list[str] = []
        self.digits: list[str] = []
        self.stopped = False

    async def call(self, socket: web.WebSocketResponse) -> None:
        sid, quiet, spoken, playing, left = "", 0, False, 0, self.answers

        async def send(event: str, **fields: object) -> None:
            await socket.send_str(json.dumps({"event": event, "streamSid": sid, **fields}))

        async def say(seconds: float, name: str) -> None:
            nonlocal playing
            playing += 1
            await send("media", media={"payload": base64.b64encode(tone(seconds)).decode()})
            await send("mark", mark={"name": name})

        async for message in socket:
            frame = json.loads(message.data)
            match frame["event"]:
                case "start":
                    sid = frame["start"]["streamSid"]
                    await say(1.0, "greeting")
                case "mark":
                    self.heard.append(frame["mark"]["name"])
                    playing -= 1
                    if not left and not playing:
                        break
                case "dtmf":
                    self.digits.append(frame["dtmf"]["digit"])
                case "stop":
                    self.stopped = True
                case "media":
                    pcm = decode(base64.b64decode(frame["media"]["payload"]), Encoding.MULAW)
                    if np.abs(pcm).mean() > _LOUD:
                        if playing and self.yields:
                            await send("clear")
                        quiet, spoken = 0, True
                    elif spoken:
                        quiet += 1
                        if quiet == 15 and left:
                            spoken, left = False, left - 1
                            await say(1.8, f"answer {self.answers - left}")
        await socket.close()


async def _echo(socket: web.WebSocketResponse) -> None:
    async for message in socket:
        frame = json.loads(message.data)
        if frame["event"] == "media":
            back = {"event": "media", "streamSid": frame["streamSid"], "media": {"payload": frame["media"]["payload"]}}
            await socket.send_str(json.dumps(back))
        elif frame["event"] == "stop":
            break
    await socket.close()


def create_app(agent: FakeAgent | None = None) -> web.Application:
    """Routes of a fake server: an echo, or one agent for all its calls."""

    forms: list[tuple[dict, str | None]] = []
    statuses: list[str] = []

    async def voice(request: web.Request) -> web.Response:
        forms.append((dict(await request.post()), request.headers.get("X-Twilio-Signature")))
        url = f"ws://{request.host}/twilio/media"
        twiml = (
            f'<Response><Connect action="/twilio/after"><Stream url="{url}" statusCallback="/twilio/status">'
            '<Parameter name="token" value="t0"/></Stream></Connect></Response>'
        )
        return web.Response(text=twiml, content_type="text/xml")

    async def after(request: web.Request) -> web.Response:
        return web.Response(text="<Response><Dial>+15550199</Dial></Response>", content_type="text/xml")

    async def status(request: web.Request) -> web.Response:
        statuses.append((await request.post())["StreamEvent"])
        return web.Response()

    async def media(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        with suppress(ConnectionResetError):  # the caller is gone
            await (agent.call(socket) if agent else _echo(socket))
        return socket

    app = web.Application()
    app[FORMS], app[STATUSES] = forms, statuses
    app.add_routes([web.post("/twilio/voice", voice), web.get("/twilio/media", media)])
    app.add_routes([web.post("/twilio/after", after), web.post("/twilio/status", status)])
    return app


@asynccontextmanager
async def fake_server(agent: FakeAgent | None = None) -> AsyncIterator[tuple[str, web.Application]]:
    """(base URL, application) of a fake server on a free port."""
    app = create_app(agent)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", app
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    web.run_app(create_app(), host="127.0.0.1", port=8099, access_log=None)
