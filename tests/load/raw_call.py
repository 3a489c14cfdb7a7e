"""A Twilio call for load tests: as little work a frame as Python allows, so that one core drives hundreds.

Frames are websocket frames built once for all calls (RFC 6455 allows any masking key, and zero masks nothing); what
comes back is found by its stamp without parsing JSON.
"""

import asyncio
import base64
import secrets
import socket
import struct
import time
from array import array
from urllib.parse import urlsplit

import aiohttp
import msgspec

from server.caller.twilio import parse_twiml

PTIME_S = 0.02
_SAMPLES = 160
_PAYLOAD = b'"payload":'
_STAMP = 8  # characters of base64, 6 bytes of audio


class Script:
    """What every call says: frame k of each is the same but for its stream. `stamps` finds k in what comes back."""

    def __init__(self, audio: bytes, *, stamped: bool = True) -> None:
        """`audio`: mu-law, repeated for ever; `stamped`: it is to come back."""
        self._stamped = stamped
        self._audio = audio * (-(-2 * _SAMPLES // len(audio)) if len(audio) < 2 * _SAMPLES else 1)
        self._built: dict[int, tuple[bytes, bytes]] = {}
        self.stamps: dict[bytes, int] = {}

    def frame(self, k: int) -> tuple[bytes, bytes]:
        """What goes before and after the 34 characters of the stream's id."""
        built = self._built.get(k)
        if built is None:
            stamp = bytes(0xE0 | (k >> shift & 15) for shift in (20, 16, 12, 8, 4, 0))  # quiet mu-law
            stamp = stamp if self._stamped else b""
            first = k * _SAMPLES % (len(self._audio) - _SAMPLES)
            payload = base64.b64encode(stamp + self._audio[first + len(stamp) : first + _SAMPLES])
            if self._stamped:
                self.stamps[payload[:_STAMP]] = k
            head = b'{"event":"media","sequenceNumber":"%d","streamSid":"' % (k + 2)
            media = b'"track":"inbound","chunk":"%d","timestamp":"%d","payload":"%b"' % (k + 1, k * 20, payload)
            tail = b'","media":{%b}}' % media
            built = self._built[k] = (_header(len(head) + 34 + len(tail)) + head, tail)
        return built


class Ring(msgspec.Struct, frozen=True):
    """What the server's TwiML gave for a call: its stream, and the call's id."""

    url: str
    parameters: dict[str, str]
    call_sid: str


async def ring(http: aiohttp.ClientSession, url: str, called: str = "+15550100") -> Ring:
    """Ring the server at its voice webhook."""
    call_sid = "CA" + secrets.token_hex(16)
    form = {"CallSid": call_sid, "AccountSid": "AC", "From": "+15550123", "To": called, "CallStatus": "ringing"}
    async with http.post(f"{url}/twilio/voice", data=form) as response:
        response.raise_for_status()
        stream = parse_twiml(await response.text())
    return Ring(stream.url, stream.parameters, call_sid)


class RawCall(asyncio.Protocol):
    """One call. `trips`: for each frame that came back in the current measurement, the seconds since it was due to be
    sent."""

    def __init__(self, script: Script, ring: Ring) -> None:
        self.script = script
        """What it says; may be changed at any time."""
        self._ring, self._parts = ring, urlsplit(ring.url)
        self.sid = b"MZ" + secrets.token_hex(16).encode()
        self._loop = asyncio.get_running_loop()
        self._rest = b""
        self._open = False
        self._first_due = 0.0
        self.ready: asyncio.Future[None] = self._loop.create_future()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self.sent = self.returned = self.garbled = 0
        self.trips = array("d")
        self.media_seen = asyncio.Event()
        """Set by each media frame of the server; whoever waits for the next one clears it first."""

    @classmethod
    async def dial(cls, script: Script, ring: Ring) -> "RawCall":
        """Open the stream and start it."""
        parts = urlsplit(ring.url)
        loop = asyncio.get_running_loop()
        _, call = await loop.create_connection(lambda: cls(script, ring), parts.hostname, parts.port)
        await asyncio.wait_for(call.ready, 10)
        return call

    # ---- out

    def send_frame(self, due: float) -> None:
        """Send the next frame, which was due at `due` (monotonic seconds)."""
        if self.closed.done():
            return
        k = self.sent
        if not k:
            self._first_due = due
        head, tail = self.script.frame(k)
        self.sent = k + 1
        self._transport.write(head + self.sid + tail)

    def send_text(self, text: bytes) -> None:
        self._transport.write(_header(len(text)) + text)

    def hang_up(self) -> None:
        """Say `stop` and close the connection."""
        if self.closed.done():
            return
        ids = (self.sid, self._ring.call_sid.encode())
        self.send_text(b'{"event":"stop","streamSid":"%b","stop":{"accountSid":"AC","callSid":"%b"}}' % ids)
        self._transport.close()

    def drop(self) -> None:
        """Break the connection: a TCP reset, without a word."""
        if self.closed.done():
            return
        line = self._transport.get_extra_info("socket")
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    # ---- in

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        parts = self._parts
        request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        request += f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        transport.write(request.encode())

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionResetError("the server closed the stream before it began"))
        if not self.closed.done():
            self.closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        if not self._open:
            data = self._handshake(data)
            if not self._open:
                return
        now = time.monotonic()
        if self._rest:
            data = self._rest + data
        at, size = 0, len(data)
        while size - at >= 2:
            length, start = data[at + 1], at + 2
            if length > 125:
                width = 2 if length == 126 else 8
                start += width
                length = int.from_bytes(data[at + 2 : start])
            end = start + length
            if end > size or start > size:
                break
            opcode = data[at]
            if opcode == 0x81:
                self._text(data, start, end, now)
            elif opcode == 0x89:
                self._transport.write(b"\x8a\x80\x00\x00\x00\x00")
            elif opcode == 0x88:
                self._transport.close()
            at = end
        self._rest = data[at:]

    def _text(self, data: bytes, start: int, end: int, now: float) -> None:
        at = data.find(_PAYLOAD, start, end)
        if at < 0:
            if data.find(b'"mark"', start, end) >= 0:
                self.send_text(data[start:end])  # nothing plays here: a mark is reached at once
            return
        self.media_seen.set()
        at = data.find(b'"', at + len(_PAYLOAD)) + 1
        k = self.script.stamps.get(data[at : at + _STAMP])
        if k is None:
            self.garbled += 1
            return
        self.returned += 1
        self.trips.append(now - self._first_due - k * PTIME_S)

    def _handshake(self, data: bytes) -> bytes:
        head, end, data = (self._rest + data).partition(b"\r\n\r\n")
        if not end:
            self._rest = head
            return b""
        self._rest, self._open = b"", True
        if b" 101 " not in head.split(b"\r\n", 1)[0]:
            self.ready.set_exception(ConnectionError(head.split(b"\r\n", 1)[0].decode(errors="replace")))
            self._transport.abort()
            return b""
        sid, call_sid = self.sid.decode(), self._ring.call_sid
        parameters = ",".join(f'"{name}":"{value}"' for name, value in self._ring.parameters.items())
        self.send_text(b'{"event":"connected","protocol":"Call","version":"1.0.0"}')
        self.send_text(
            f'{{"event":"start","sequenceNumber":"1","streamSid":"{sid}","start":{{"accountSid":"AC","streamSid":"{sid}",'
            f'"callSid":"{call_sid}","tracks":["inbound"],"mediaFormat":{{"encoding":"audio/x-mulaw","sampleRate":8000,'
            f'"channels":1}},"customParameters":{{{parameters}}}}}}}'.encode()
        )
        self.ready.set_result(None)
        return data


def _header(length: int) -> bytes:
    """Of a masked text frame, with a key of zero."""
    if length < 126:
        return bytes((0x81, 0x80 | length)) + bytes(4)
    if length < 65_536:
        return b"\x81\xfe" + length.to_bytes(2) + bytes(4)
    return b"\x81\xff" + length.to_bytes(8) + bytes(4)
