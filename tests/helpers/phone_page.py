"""A browser's end of the phone, in Python: aiortc for WebRTC, aiohttp for the websocket. It speaks what `phone.js` speaks."""

import asyncio
import json
from contextlib import suppress
from fractions import Fraction
from typing import Any

import av
import numpy as np
from aiohttp import ClientSession, WSMsgType
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

RATE = 16_000
FRAME = 320


def tone(seconds: float, hertz: float = 440.0) -> bytes:
    """L16 at 16 kHz."""
    at = np.arange(int(seconds * RATE)) / RATE
    return (8_000 * np.sin(2 * np.pi * hertz * at)).astype("<i2").tobytes()


class Microphone(MediaStreamTrack):
    """Says what it is given, at its pace, and silence between."""

    kind = "audio"

    def __init__(self, frames: int | None = None) -> None:
        """`frames`: it says no more than that, and then nothing, not even silence. `on`: cleared, it says nothing yet."""
        super().__init__()
        self.on = asyncio.Event()
        self.on.set()
        self._frames = frames
        self._left = b""
        self._count = 0
        self._began: float | None = None

    def say(self, pcm: bytes) -> None:
        self._left += pcm

    async def recv(self) -> av.AudioFrame:
        await self.on.wait()
        if self._count == self._frames:
            await asyncio.Event().wait()
        loop = asyncio.get_running_loop()
        self._began = self._began or loop.time()
        await asyncio.sleep(self._began + self._count * 0.02 - loop.time())
        piece, self._left = self._left[: 2 * FRAME], self._left[2 * FRAME :]
        frame = av.AudioFrame(format="s16", layout="mono", samples=FRAME)
        frame.planes[0].update(piece.ljust(2 * FRAME, b"\0"))
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._count * FRAME, Fraction(1, RATE)
        self._count += 1
        return frame


class Page:
    """`messages`: what came as text; `sound`: what came as sound, L16 at 16 kHz."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.sound = bytearray()
        self.over = asyncio.Event()
        self._news = asyncio.Event()

    def told(self, text: str) -> None:
        self.messages.append(json.loads(text))
        self._news.set()

    def heard(self, pcm: bytes) -> None:
        self.sound += pcm
        self._news.set()

    async def until(self, condition) -> Any:
        """Wait for what is to come; what `condition` says then."""
        try:
            async with asyncio.timeout(20):
                while not (found := condition()):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"it did not come; what came: {self.messages}") from None
        return found

    def facts(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message.get("fact") == kind]

    def loud(self) -> bool:
        samples = np.frombuffer(bytes(self.sound), "<i2")
        return bool(len(samples)) and int(np.abs(samples.astype(int)).max()) > 1_000


async def ticket(http: ClientSession) -> dict[str, Any]:
    async with http.post("/phone/ticket", json={}) as response:
        assert response.status == 200, await response.text()
        return await response.json()


def start(given: dict[str, Any], **other: Any) -> dict[str, Any]:
    return {"type": "start", "call_id": given["call_id"], "token": given["token"], **other}


class RtcPage(Page):
    def __init__(self, frames: int | None = None) -> None:
        super().__init__()
        self.peer = RTCPeerConnection(RTCConfiguration([]))
        self.microphone = Microphone(frames)
        self.peer.addTrack(self.microphone)
        self.channel = self.peer.createDataChannel("allo")
        self.opened = asyncio.Event()
        self.channel.on("open", self.opened.set)
        self.channel.on("message", self.told)
        self.channel.on("close", self.over.set)
        self._listening: asyncio.Task | None = None

        @self.peer.on("track")
        def on_track(track: MediaStreamTrack) -> None:
            self._listening = asyncio.create_task(self._listen(track))

    async def _listen(self, track: MediaStreamTrack) -> None:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        with suppress(MediaStreamError):
            while True:
                for frame in resampler.resample(await track.recv()):
                    self.heard(frame.to_ndarray().tobytes())

    async def connect(self, http: ClientSession) -> "RtcPage":
        await self.peer.setLocalDescription(await self.peer.createOffer())
        async with http.post("/phone/offer", json={"sdp": self.peer.localDescription.sdp}) as response:
            assert response.status == 200, await response.text()
            answer = await response.json()
        await self.peer.setRemoteDescription(RTCSessionDescription(answer["sdp"], answer["type"]))
        async with asyncio.timeout(10):
            await self.opened.wait()
        return self

    async def call(self, http: ClientSession, agent: str = "") -> "RtcPage":
        given = await ticket(http)
        await self.connect(http)
        self.say(start(given, agent=agent))
        return self

    def say(self, message: dict[str, Any]) -> None:
        self.channel.send(json.dumps(message))

    async def close(self) -> None:
        await self.peer.close()


class SocketPage(Page):
    """`plays`: it echoes marks at once, as a page that played everything would."""

    def __init__(self, plays: bool = True) -> None:
        super().__init__()
        self.plays = plays

    async def call(self, http: ClientSession, agent: str = "") -> "SocketPage":
        given = await ticket(http)
        self.socket = await http.ws_connect("/phone/socket")
        self._reading = asyncio.create_task(self._read())
        await self.socket.send_json(start(given, agent=agent))
        return self

    async def _read(self) -> None:
        async for message in self.socket:
            if message.type is WSMsgType.BINARY:
                self.heard(message.data)
                continue
            self.told(message.data)
            if self.plays and self.messages[-1].get("type") == "mark":
                await self.socket.send_json(self.messages[-1])
        self.over.set()

    async def speak(self, pcm: bytes) -> None:
        for first in range(0, len(pcm), 2 * FRAME):
            await self.socket.send_bytes(pcm[first : first + 2 * FRAME])

    async def close(self) -> None:
        await self.socket.close()
        await self._reading
