"""A whole conversation from the browser, over both ways, with an agent that follows a script: page, dump and memory tell the same."""

import asyncio

import numpy as np
import pytest

from pipelines.models.ports import Transcript
from pipelines.replay.dump import read_dump
from server import engines
from tests.helpers.agent import FakeEndpoint, serving
from tests.helpers.houses import open_house
from tests.helpers.phone_page import RtcPage, SocketPage, tone
from tests.helpers.voice import ToneVoice


class Loudness:
    """Speech is what is loud."""

    window = 512

    def initial_state(self):
        return None

    def analyze(self, windows, states):
        return [float(np.abs(window).max() > 0.05) for window in windows], states


class Stt:
    def transcribe(self, audio, *, languages, final, hot_words=""):
        return Transcript("What are your opening hours?", "en", 0.99)


@pytest.fixture(params=[RtcPage, SocketPage])
async def page(request):
    return request.param()


@pytest.fixture
def models(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(engines, "load_vad", lambda store, config: Loudness())
    monkeypatch.setattr(engines, "load_stt", lambda store, settings, name: Stt())
    monkeypatch.setattr(engines, "load_voice", lambda store, settings, language: ToneVoice(language))


async def test_page_and_dump_tell_the_same(page, models, tmp_path):
    endpoint = FakeEndpoint(["We are open ", "from eight to six."], ["Goodbye."])
    async with serving(endpoint) as base_url:
        config = {
            "models": {"llm": {"kind": "openai", "base_url": base_url, "model": "m"}},
            "recording": {"enabled": True, "dir": str(tmp_path / "dumps")},
            "agents": [{"name": "desk", "languages": ["en"], "greeting": {"en": "Front desk."}, "instructions": "x"}],
        }
        async with open_house(config) as (_, http):
            await page.call(http, "desk")
            await page.until(lambda: len(page.facts("taken")) == 1)  # the greeting was heard
            await say(page, tone(1.2))
            await page.until(lambda: len(page.facts("taken")) == 3)
            assert page.loud()
            await tell(page, {"type": "hangup"})
            await page.until(lambda: page.facts("ended"))
            await page.close()
    turns = [fact["turn"] for fact in page.facts("taken")]
    assert [(turn["party"], turn["heard"]) for turn in turns] == [
        ("agent", "Front desk."),
        ("caller", "What are your opening hours?"),
        ("agent", "We are open from eight to six."),
    ]
    (gap,) = page.facts("gap")
    assert gap["gap"] == pytest.approx(turns[2]["gap"], abs=0.002)
    states = [fact["state"] for fact in page.facts("state")]
    assert states[-2:] == ["speaking", "listening"]
    (folder,) = (tmp_path / "dumps").glob("*-phone-*")  # beside the index
    dump = read_dump(folder)
    assert [(turn.party, turn.heard) for turn in dump.turns()] == [(turn["party"], turn["heard"]) for turn in turns]
    assert (dump.meta.carrier, dump.meta.agent, dump.meta.inbound.sample_rate) == ("phone", "desk", 16_000)


async def say(page, pcm: bytes) -> None:
    """Speak, and be silent for two seconds."""
    pcm += bytes(2 * 32_000)
    if isinstance(page, RtcPage):
        page.microphone.say(pcm)
        return
    for first in range(0, len(pcm), 640):
        await page.socket.send_bytes(pcm[first : first + 640])
        await asyncio.sleep(0.018)  # as a microphone does: the server's clock is the wall's


async def tell(page, message: dict) -> None:
    page.say(message) if isinstance(page, RtcPage) else await page.socket.send_json(message)
