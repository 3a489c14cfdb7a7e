"""The simulated jambonz against a server of a few lines."""

import asyncio
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from websockets.asyncio.server import ServerConnection, serve

from server.caller.jambonz import JambonzLine
from server.caller.line import CallRefused

RATE = 16_000


AFTER = [{"verb": "dial", "target": [{"type": "phone", "number": "+15550199"}]}]


class FakeApplication:
    """Answers session:new with `verbs`, keeps what comes, and lets a test send what it likes on the audio socket."""

    def __init__(self, verbs: list[dict]) -> None:
        self.verbs = verbs
        self.control: list[dict] = []
        self.texts: list[dict] = []
        self.audio = bytearray()
        self.sockets: dict[str, ServerConnection] = {}

    async def handle(self, socket: ServerConnection) -> None:
        self.sockets[socket.subprotocol] = socket
        async for message in socket:
            if socket.subprotocol == "ws.jambonz.org":
                self.control.append(json.loads(message))
                if self.control[-1]["type"] == "verb:hook":
                    await socket.send(json.dumps({"type": "ack", "msgid": self.control[-1]["msgid"], "data": AFTER}))
                if self.control[-1]["type"] == "session:new":
                    await socket.send(
                        json.dumps({"type": "ack", "msgid": self.control[-1]["msgid"], "data": self.verbs})
                    )
            elif isinstance(message, bytes):
                self.audio += message
            else:
                self.texts.append(json.loads(message))

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        async with serve(self.handle, "127.0.0.1", 0, subprotocols=["ws.jambonz.org", "audio.jambonz.org"]) as server:
            yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/jambonz"


def listen(**changes: object) -> list[dict]:
    back = {"enabled": True, "streaming": True, "sampleRate": RATE}
    verb = {
        "verb": "listen",
        "url": "/jambonz/audio",
        "sampleRate": RATE,
        "bidirectionalAudio": back,
        "metadata": {"token": "t"},
    }
    return [{"verb": "answer"}, verb | changes, {"verb": "hangup"}]


@asynccontextmanager
async def call(verbs: list[dict]) -> AsyncIterator[tuple[FakeApplication, JambonzLine]]:
    application = FakeApplication(verbs)
    async with application.serve() as url:
        line = await JambonzLine.dial(url, caller="+15550123", called="+15550100")
        try:
            yield application, line
        finally:
            await line.hang_up()


async def test_the_session_is_new_and_the_audio_begins_with_its_metadata() -> None:
    async with call(listen(passDtmf=True)) as (application, line):
        line.press("7")
        await asyncio.sleep(0.25)
    assert application.control[0]["data"]["from"] == "+15550123"
    first = application.texts[0]
    assert (first["callSid"], first["sampleRate"], first["token"]) == (line.call_id, RATE, "t")
    assert application.texts[1]["dtmf"] == "7"
    assert 5 * 640 <= len(application.audio) <= 15 * 640
    assert application.control[-1]["type"] == "call:status"
    assert line.verbs_after == [{"verb": "hangup"}]


async def test_audio_of_any_size_is_heard_and_kill_clears_it() -> None:
    async with call(listen()) as (application, line):
        audio = application.sockets["audio.jambonz.org"]
        pcm = np.full(RATE, 5_000, "<i2").tobytes()
        for piece in (pcm[:333], pcm[333:1_000], pcm[1_000:]):
            await audio.send(piece)
        await audio.send('{"type":"mark","data":{"name":"m1"}}')
        await asyncio.sleep(0.2)
        await audio.send('{"type":"killAudio"}')
        await asyncio.sleep(0.1)
        assert 150_000 <= line.ear.heard(0, line.now) <= 300_000
    assert {"type": "mark", "data": {"name": "m1", "event": "cleared"}} in application.texts
    assert line.complaints == []


async def test_the_31st_mark_is_discarded() -> None:
    async with call(listen()) as (application, line):
        audio = application.sockets["audio.jambonz.org"]
        await audio.send(np.full(RATE, 5_000, "<i2").tobytes())
        for number in range(31):
            await audio.send(json.dumps({"type": "mark", "data": {"name": f"m{number}"}}))
        await asyncio.sleep(0.1)
        assert line.ear.pending == 30
        assert len(line.complaints) == 1


async def test_a_redirect_ends_the_audio_and_says_what_comes_next() -> None:
    async with call(listen()) as (application, line):
        verbs = [{"verb": "dial", "target": [{"type": "phone", "number": "+15550199"}]}]
        await application.sockets["ws.jambonz.org"].send(
            json.dumps({"type": "command", "command": "redirect", "queueCommand": False, "data": verbs})
        )
        assert await line.wait_ended(5)
        assert line.verbs_after == verbs
        assert not line.left


@pytest.mark.parametrize("verbs", [[], [{"verb": "sip:decline"}], listen(bidirectionalAudio={"enabled": True})])
async def test_a_call_without_two_way_audio_is_refused(verbs: list[dict]) -> None:
    application = FakeApplication(verbs)
    async with application.serve() as url:
        with pytest.raises(CallRefused):
            await JambonzLine.dial(url, caller="", called="")


async def test_the_action_hook_says_what_comes_after_a_disconnect() -> None:
    async with call(listen(actionHook="/jambonz/after")) as (application, line):
        await application.sockets["audio.jambonz.org"].send('{"type":"disconnect"}')
        assert await line.wait_ended(5)
    assert [message["type"] for message in application.control] == ["session:new", "verb:hook", "call:status"]
    assert application.control[1]["hook"] == "/jambonz/after"
    assert line.verbs_after == AFTER


async def test_the_webhook_is_signed() -> None:
    requests = []

    async def voice(request: web.Request) -> web.Response:
        requests.append((request.headers["Jambonz-Signature"], await request.read()))
        return web.json_response([])

    app = web.Application()
    app.add_routes([web.post("/jambonz/voice", voice)])
    async with TestServer(app) as server:
        url = str(server.make_url("/jambonz/voice"))
        with pytest.raises(CallRefused, match="does not listen"):
            await JambonzLine.dial(url, caller="", called="", webhook_secret="s3")
    (signature, body), *_ = requests
    at, _, digest = signature.removeprefix("t=").partition(",v1=")
    assert digest == hmac.new(b"s3", f"{at}.".encode() + body, "sha256").hexdigest()
