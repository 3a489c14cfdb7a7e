"""A browser's end of a call over WebRTC: Opus both ways, and a data channel for all that is no sound."""

import asyncio
import re
from contextlib import suppress

import msgspec
import structlog
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError

from pipelines.errors import WireError
from server.config import PhoneSettings
from server.phone.hearing import Hearing, hear_at_once
from server.phone.line import Line
from server.phone.voice import VoiceTrack
from server.wire.phone import CLEAR, Mark

log = structlog.get_logger()

CHANNEL = "allo"
_GATHER_S = 5.0
_CANDIDATES_LIMIT = 60
_UNSENT_LIMIT = 256 * 1024  # bytes of text the page may leave unread before it counts as gone
_PARTING_S, _CLOSE_S = 1.0, 10.0


class _Delay(msgspec.Struct, tag_field="type", tag="delay"):
    """The page's measure of the way from here to its ear."""

    ms: float


class Peer(Line):
    """One page. `answer` its offer; then it is a line like any other, silent until its data channel is open."""

    def __init__(self, settings: PhoneSettings) -> None:
        super().__init__()
        secret = settings.ice_credential.get_secret_value() if settings.ice_credential else None
        servers = [RTCIceServer(url, settings.ice_username or None, secret) for url in settings.ice_servers]
        self._peer = RTCPeerConnection(RTCConfiguration(servers, bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self._voice = VoiceTrack(self._mark_returned)
        self._channel: RTCDataChannel | None = None
        self._hearing: asyncio.Task[None] | None = None
        self._gone = asyncio.Event()
        self._peer.on("track", self._on_track)
        self._peer.on("datachannel", self._on_channel)
        self._peer.on("connectionstatechange", self._on_state)

    async def answer(self, sdp: str) -> str:
        """The answer to an offer of one audio line and one data channel, complete with our candidates. Raises WireError for any
        other."""
        kinds = re.findall(r"^m=(\w+) ", sdp, re.MULTILINE)
        if sorted(kinds) != ["application", "audio"]:
            raise WireError("an offer is one line of audio and one data channel")
        if sdp.count("a=candidate") > _CANDIDATES_LIMIT:
            raise WireError(f"an offer has at most {_CANDIDATES_LIMIT} candidates")
        try:
            async with asyncio.timeout(_GATHER_S):
                await self._peer.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
                (transceiver,) = self._peer.getTransceivers()
                opus = [c for c in RTCRtpSender.getCapabilities("audio").codecs if c.mimeType.lower() == "audio/opus"]
                transceiver.setCodecPreferences(opus)
                self._peer.addTrack(self._voice)
                hear_at_once(transceiver.receiver)
                await self._peer.setLocalDescription(await self._peer.createAnswer())
        except Exception as error:  # the library raises what it likes at what it cannot read
            raise WireError(f"the offer cannot be answered ({type(error).__name__})") from error
        return self._peer.localDescription.sdp

    # ---- what the browser brings

    def _on_track(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio" and self._hearing is None:
            self._hearing = asyncio.create_task(self._hear(track), name="phone-hearing")

    async def _hear(self, track: MediaStreamTrack) -> None:
        hearing = Hearing()
        with suppress(MediaStreamError):
            while True:
                if payload := hearing.receive(await track.recv()):
                    self.put(payload)
        self.put(None)

    def _on_channel(self, channel: RTCDataChannel) -> None:
        if channel.label == CHANNEL and self._channel is None:
            self._channel = channel
            channel.on("message", self._on_message)
            channel.on("close", self._lost)
        else:
            channel.close()

    def _on_message(self, message: str | bytes) -> None:
        if isinstance(message, bytes):  # sound has a track of its own
            self.put(WireError("sound came on the data channel"))
            return
        with suppress(ValueError):
            self._voice.measured(msgspec.json.decode(message, type=_Delay).ms / 1_000)
            return
        self.put(message)

    def _on_state(self) -> None:
        if self._peer.connectionState in ("failed", "closed"):
            self._lost()

    def _lost(self) -> None:
        self._gone.set()
        self.put(None)

    def _mark_returned(self, name: str, cleared: bool) -> None:
        self.put(msgspec.json.encode(Mark(name, cleared)).decode())

    # ---- what it gets

    def send(self, message: str | bytes) -> None:
        """Sound leaves by the track. Marks and clears are the track's own: the page cannot tell what it has played."""
        if isinstance(message, bytes):
            self._voice.media(message)
            return
        if message == CLEAR:
            self._voice.clear()
            return
        with suppress(ValueError):
            self._voice.mark(msgspec.json.decode(message, type=Mark).name)
            return
        channel = self._channel
        if channel is None or channel.readyState != "open" or self._peer.connectionState in ("failed", "closed"):
            raise ConnectionResetError("the page is gone")
        if channel.bufferedAmount > _UNSENT_LIMIT:
            raise ConnectionResetError("the page does not read")
        channel.send(message)

    async def hang_up(self) -> None:
        """Give the page a moment to read that it is over and to go, then close; in bounded time, whatever became of it."""
        self._voice.stop()
        if self._channel is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_PARTING_S):
                    await self._gone.wait()
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._peer.close()
        except Exception as error:  # as above; there is nothing left to be saved
            log.warning("peer_not_closed", error=type(error).__name__)
        if self._hearing is not None:
            self._hearing.cancel()
            await asyncio.gather(self._hearing, return_exceptions=True)
