"""Bad input, one kind after another, while a healthy call runs beside it.

    python -m tests.load.hostile            # all, with the models
    python -m tests.load.hostile --quick    # those that need no model

Each attack must be counted by the server, must not take the server or the healthy call down, and must leave no call
behind. The healthy call hears itself: not one of its frames may be lost, and 95 of 100 must come back within 20 ms of
their schedule.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from pipelines.audio.g711 import encode
from pipelines.frames import TELEPHONE, Encoding
from server.caller.host import Host
from server.caller.script import load_clip
from tests.load.fake_llm import FakeLlm, config
from tests.load.generator import Generator
from tests.load.process import gauges
from tests.load.raw_call import RawCall, Ring, Script, ring

_ECHO, _TALKER = "+15550100", "+15550101"
_AGENT_LIMITS = "silence_prompt_s = 1.5\nsilence_hangup_s = 4.0\n"
_WRONG = {"X-Twilio-Signature": "A" * 27 + "="}
_TOKEN = "0123456789abcdef0123456789abcdef"
_ECHO_AGENT = '[[agents]]\nname = "echo"\nkind = "echo"\n'


class Attack(msgspec.Struct, frozen=True):
    """`act` is what is done; `counted`: beginning of the metric that must grow."""

    name: str
    act: Callable[[aiohttp.ClientSession, str], Awaitable[None]]
    counted: str
    models: bool = False


async def _socket(http: aiohttp.ClientSession, url: str) -> tuple[aiohttp.ClientWebSocketResponse, Ring]:
    rung = await ring(http, url, _ECHO)
    return await http.ws_connect(rung.url, max_msg_size=0), rung


def _start(rung: Ring, sid: str = "MZ1") -> dict:
    media = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    start = {"streamSid": sid, "callSid": rung.call_sid, "mediaFormat": media, "customParameters": rung.parameters}
    return {"event": "start", "sequenceNumber": "1", "streamSid": sid, "start": start}


def _media(payload: str = "////", sid: str = "MZ1") -> dict:
    return {"event": "media", "streamSid": sid, "media": {"track": "inbound", "timestamp": "0", "payload": payload}}


def frames(
    *messages: str | bytes | dict, started: bool = True
) -> Callable[[aiohttp.ClientSession, str], Awaitable[None]]:
    """An attack that sends these messages on a media socket, and stop."""

    async def act(http: aiohttp.ClientSession, url: str) -> None:
        socket, rung = await _socket(http, url)
        async with socket:
            if started:
                await socket.send_str(json.dumps(_start(rung)))
            for message in messages:
                try:
                    if isinstance(message, bytes):
                        await socket.send_bytes(message)
                    else:
                        await socket.send_str(message if isinstance(message, str) else json.dumps(message))
                except ConnectionError:
                    return  # the server has had enough
            if not started:
                await socket.send_str(json.dumps(_start(rung)))
            await socket.send_str('{"event":"stop","streamSid":"MZ1","stop":{}}')
            while (await socket.receive(timeout=10)).type not in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED):
                pass

    return act


async def second_start(http: aiohttp.ClientSession, url: str) -> None:
    """The same stream starts twice."""
    rung = await ring(http, url, _ECHO)
    async with http.ws_connect(rung.url) as socket:
        await socket.send_str(json.dumps(_start(rung)))
        await socket.send_str(json.dumps(_start(rung, "MZ2")))
        await socket.send_str('{"event":"stop","streamSid":"MZ1","stop":{}}')


def talk(audio: bytes, seconds: float, *, to_the_end: bool) -> Callable[[aiohttp.ClientSession, str], Awaitable[None]]:
    """An attack by a caller of the agent: he says `audio` over and over."""

    async def act(http: aiohttp.ClientSession, url: str) -> None:
        generator = Generator()
        call = await RawCall.dial(Script(audio), await ring(http, url, _TALKER))
        generator.add(call)
        try:
            if to_the_end:
                await asyncio.wait_for(asyncio.shield(call.closed), seconds)
            else:
                await asyncio.sleep(seconds)
        finally:
            generator.stop()
            call.hang_up()

    return act


_SPEECH = encode(load_clip("en_hours").pcm[800:-800], Encoding.MULAW)


def _ignored(cause: str) -> str:
    return f'allo_wire_ignored_total{{carrier="twilio",cause="{cause}"'


def _ended(reason: str) -> str:
    return f'allo_calls_total{{carrier="twilio",reason="{reason}"'


ATTACKS = (
    Attack("malformed JSON", frames('{"event":', "[]", "null", '"start"', "\x00\xff", "{}" * 9), _ignored("malformed")),
    Attack("wrong base64", frames(_media("@@@"), _media("A"), _media("é" * 40)), _ignored("malformed")),
    Attack("media before start", frames(_media(), _media(), started=False), _ignored("before_start")),
    Attack("a frame of 10 MB", frames(_media("/" * 10_000_000)), _ended("refused")),
    Attack("binary on a text wire", frames(b"\x00" * 640, b"\xff\xfe"), _ignored("binary")),
    Attack("a second start", second_start, _ignored("second_start")),
    Attack("an unknown stream", frames(_media(sid="MZ9")), _ignored("unknown_stream")),
    Attack("an unknown event", frames('{"event":"user_speech_start","streamSid":"MZ1"}'), _ignored("unknown_event")),
    Attack("broken messages without end", frames(*["{"] * 1_000), _ended("refused")),
    Attack("a caller who never speaks", talk(TELEPHONE.silence(320), 25, to_the_end=True), _ended("silence"), True),
    Attack("a caller who never stops", talk(_SPEECH, 12, to_the_end=False), 'allo_facts_total{fact="turn_limit"', True),
)


async def unsigned(http: aiohttp.ClientSession, url: str) -> list[str]:
    """No signature, and a wrong one, at a server that has a token: what was let in."""
    failures = []
    for name, headers in {"no signature": {}, "a wrong signature": _WRONG}.items():
        before = await gauges(url)
        async with http.post(f"{url}/twilio/voice", data={"CallSid": "CA1"}, headers=headers) as response:
            if response.status != 403:
                failures.append(f"{name}: the webhook answered {response.status}")
        try:
            async with http.ws_connect(f"{url}/twilio/media", headers=headers):
                failures.append(f"{name}: the media socket was opened")
        except aiohttp.WSServerHandshakeError as error:
            if error.status != 403:
                failures.append(f"{name}: the media socket answered {error.status}")
        after = await gauges(url)
        if _grown(before, after, "allo_refused_total") < 2:
            failures.append(f"{name}: not counted")
        if after["allo_calls_active"]:
            failures.append(f"{name}: a call was started")
    return failures


def _grown(before: dict[str, float], after: dict[str, float], prefix: str) -> float:
    return sum(value - before.get(name, 0) for name, value in after.items() if name.startswith(prefix))


async def run(console: Console, *, quick: bool, lag_limit: float) -> list[str]:
    """All attacks; returns what went wrong. `lag_limit`: seconds."""
    failures: list[str] = []
    table = Table("attack", "counted", "healthy call: lost", "lag, 95 %")
    llm = FakeLlm()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = _ECHO_AGENT
        async with llm.serve() as llm_url:
            if not quick:
                text = config(llm_url, extra=_AGENT_LIMITS) + "\n[turns]\nturn_limit_s = 5\n"
            (folder / "open.toml").write_text(text)
            async with (
                Host(["--config", str(folder / "open.toml"), "--port", "0"], log=folder / "open.log") as host,
                aiohttp.ClientSession() as http,
            ):
                url = await host.ready()
                failures += await _attacks(http, url, table, quick=quick, lag_limit=lag_limit)
        (folder / "signed.toml").write_text(f'{_ECHO_AGENT}\n[twilio]\nauth_token = "env:HOSTILE_TOKEN"\n')
        async with (
            Host(
                ["--config", str(folder / "signed.toml"), "--port", "0"],
                log=folder / "signed.log",
                environment={"HOSTILE_TOKEN": _TOKEN},
            ) as host,
            aiohttp.ClientSession() as http,
        ):
            failures += await unsigned(http, await host.ready())
        for log in ("open.log", "signed.log"):
            if "Traceback" in (folder / log).read_text():
                failures.append(f"{log}: a traceback")
    console.print(table)
    return failures


async def _attacks(http: aiohttp.ClientSession, url: str, table: Table, *, quick: bool, lag_limit: float) -> list[str]:
    failures: list[str] = []
    generator = Generator()
    healthy = await RawCall.dial(Script(_SPEECH), await ring(http, url, _ECHO))
    generator.add(healthy)
    await asyncio.sleep(0.5)
    for attack in ATTACKS:
        if quick and attack.models:
            continue
        before, returned, sent = await gauges(url), healthy.returned, healthy.sent
        del healthy.trips[:]
        try:
            await attack.act(http, url)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            failures.append(f"{attack.name}: {type(error).__name__}: {error}")
        await asyncio.sleep(0.4)  # for the healthy call's frames, and for the end of the bad one
        after = await gauges(url)
        lost = (healthy.sent - sent) - (healthy.returned - returned)
        lag = float(np.percentile(np.array(healthy.trips) - min(healthy.trips), 95)) if healthy.trips else float("inf")
        counted = _grown(before, after, attack.counted)
        table.add_row(attack.name, f"{counted:g}", str(lost), f"{lag * 1e3:.1f} ms")
        if not counted:
            failures.append(f"{attack.name}: not counted")
        if healthy.closed.done() or lost > 2:  # up to two are on their way
            failures.append(f"{attack.name}: the healthy call lost {lost} frames")
        if lag > lag_limit:
            failures.append(f"{attack.name}: the healthy call's frames were {lag * 1e3:.0f} ms late")
        if after["allo_calls_active"] != 1:
            failures.append(f"{attack.name}: {after['allo_calls_active']:g} calls are active, 1 should be")
    generator.stop()
    healthy.hang_up()
    return failures


def main() -> int:
    """Exit status 1 when anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="only what needs no model")
    parser.add_argument("--lag", type=float, default=20.0, help="ms")
    options, console = parser.parse_args(), Console()
    failures = asyncio.run(run(console, quick=options.quick, lag_limit=options.lag / 1_000))
    for failure in failures:
        console.print(f"✗ {failure}", style="red", markup=False)
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
