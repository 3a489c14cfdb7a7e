"""Callers put through a real server, carrier wire and all, one call after another in real time: what it understood."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pipelines.audio.g711 import decode
from pipelines.frames import Encoding
from server.caller.host import Host
from server.caller.twilio import TwilioLine
from tests.load.fake_llm import FakeLlm

_ANSWER_S = 4.0  # after the last word: the final transcript, and the answer
_CONFIG = """
[models.llm]
kind = "openai"
base_url = "{url}/v1"
model = "fake"

[[agents]]
name = "listener"
languages = ["en", "fr"]
[agents.greeting]
en = "Hello."
fr = "Bonjour."
"""


async def hear(calls: Sequence[bytes]) -> list[str]:
    """The words of each caller by the server's `transcript.json`; `calls`: 8 kHz mu-law. The agent answers every turn
    with one word, so that hardly any speech is an interruption; all else is as in any call."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with FakeLlm("Noted.").serve() as llm:
            (folder / "listener.toml").write_text(_CONFIG.format(url=llm))
            arguments = ["--config", str(folder / "listener.toml"), "--port", "0", "--dumps", str(folder / "dumps")]
            async with Host(arguments, log=folder / "server.log") as host:
                url = await host.ready()
                ids = [await _call(f"{url}/twilio/voice", audio) for audio in calls]
        return [_said(folder / "dumps", call_id) for call_id in ids]


async def _call(webhook: str, audio: bytes) -> str:
    line = await TwilioLine.dial(webhook, caller="+15550123", called="+15550100")
    _, end = line.say(decode(audio, Encoding.MULAW))
    if not await line.wait_ended(end / 1e6 + _ANSWER_S):
        await line.hang_up()
    return line.call_id


def _said(dumps: Path, call_id: str) -> str:
    [transcript] = dumps.glob(f"*{call_id}/transcript.json")
    return " ".join(turn["text"] for turn in json.loads(transcript.read_text()) if turn["party"] == "caller")
