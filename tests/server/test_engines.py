"""Which models a configuration loads, and what a call hears when its voice fails."""

import asyncio
import json
import threading
from types import MappingProxyType

import numpy as np
import pytest
import structlog

from pipelines.actions import Appraise, Identify, JudgeOverlap, JudgeTurn, Perceive
from pipelines.adapters.speaker.resemblyzer import Resemblyzer
from pipelines.errors import ModelError
from pipelines.events import EmotionHeard, ModelFailed, OverlapJudged, SentimentRead, TurnJudged
from pipelines.frames import TELEPHONE
from pipelines.speakers.enrolment import Person
from server import engines
from server.config import Config
from server.engines import Engines
from server.model_config import SttSettings
from server.models import CallModels
from server.settings import call_settings, known_from
from server.voice_book import VoiceBook
from tests.helpers.hearing import LoudnessVad, ScriptedStt
from tests.helpers.houses import open_house
from tests.helpers.voice import ToneVoice

PIPER = {"kind": "piper", "model": "piper-en_US-joe-medium"}
KOKORO = {"kind": "kokoro", "model": "kokoro-82m-int8", "voice": "af_heart"}
WITH_FALLBACK = {
    "models": {"tts": {"en": PIPER | {"fallback": KOKORO}}},
    "agents": [{"name": "a", "languages": ["en"]}],
}


class MuteVoice(ToneVoice):
    def synthesize(self, text):
        self.said.append(text)
        raise ModelError("no voice today")


class EagerDetector:
    thresholds = MappingProxyType({"hold": 0.8})

    def p_end(self, audio):
        return 1.0

    def p_interruption(self, audio):
        return 1.0


class NoAgents:
    """Nobody to ask: the call says its greeting without them."""

    def of(self, agent, started):
        return None

    def phrases(self, agent):
        return []

    async def close(self):
        pass


@pytest.fixture
def voices(monkeypatch, tmp_path):
    """Voices by kind, where the configured ones are loaded from; `loaded`: (kind, language) of each loading."""
    voices = {"piper": ToneVoice("piper"), "kokoro": ToneVoice("kokoro"), "loaded": []}

    def load_voice(store, settings, language):
        voices["loaded"].append((settings.kind, language))
        return voices[settings.kind]

    async def open_agents(config, progress):
        return NoAgents()

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(engines, "load_vad", lambda store, config: LoudnessVad())
    monkeypatch.setattr(engines, "load_stt", lambda store, settings, name: ScriptedStt())
    monkeypatch.setattr(engines, "load_voice", load_voice)
    monkeypatch.setattr(engines, "load_model", lambda store, name: EagerDetector())  # what tells interruptions
    monkeypatch.setattr("server.house.Agents.open", open_agents)
    return voices


async def test_a_voice_that_fails_is_replaced_by_its_fallback_within_the_call(voices, monkeypatch):
    voices["piper"] = MuteVoice("piper")
    monkeypatch.setattr(engines, "recurring", lambda agent: [])  # the greeting is synthesized in the call
    async with open_house(WITH_FALLBACK) as (house, http):
        socket = await http.ws_connect("/ws")
        await socket.send_json({"event": "start", "conversation_id": "c1"})
        async with asyncio.timeout(5):
            while json.loads(await socket.receive_str())["event"] != "media":
                pass
        assert len(house.sessions) == 1
    assert len(voices["piper"].said) == 2
    assert voices["kokoro"].said[0] == voices["piper"].said[0]


async def test_each_voice_is_loaded_once_and_only_what_is_wanted(voices):
    own = {"name": "b", "languages": ["en"], "numbers": ["1"], "voices": {"en": KOKORO}}
    config = Config.model_validate(WITH_FALLBACK | {"agents": [*WITH_FALLBACK["agents"], own]})
    opened = await Engines.open(config, lambda name, value: None, lambda what: None)
    try:
        assert voices["loaded"] == [("piper", "en"), ("kokoro", "en")]
        first, second = map(opened.speaker, config.agents)
        assert first is not second
    finally:
        await opened.close()


async def test_without_a_fallback_none_is_loaded(voices):
    config = Config.model_validate({"agents": [{"name": "a", "languages": ["en"]}]})
    await (await Engines.open(config, lambda name, value: None, lambda what: None)).close()
    assert voices["loaded"] == [("piper", "en")]


async def test_ends_of_turns_are_judged_by_one_worker_for_all_calls(voices, monkeypatch):
    config = Config.model_validate(
        {"agents": [{"name": "a", "languages": ["en"]}], "models": {"turn": {"model": "smart-turn-v3"}}}
    )
    monkeypatch.setattr(engines, "load_model", lambda store, name: EagerDetector())
    opened = await Engines.open(config, lambda name, value: None, lambda what: None)
    answers = asyncio.Queue()
    models = CallModels(opened, config.agents[0], TELEPHONE, ("en",), answers.put_nowait)
    models.judge(JudgeTurn(7, 0, 512), np.zeros(512, np.float32))
    assert await asyncio.wait_for(answers.get(), 5) == TurnJudged(7, 1.0)
    await opened.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "turn"]


async def test_speech_over_the_agent_is_judged_by_its_sound_and_by_the_models_own_threshold(voices):
    config = Config.model_validate(
        {"agents": [{"name": "a", "languages": ["en"]}], "models": {"overlap": {"model": "overlap-states"}}}
    )
    opened = await Engines.open(config, lambda name, value: None, lambda what: None)
    answers = asyncio.Queue()
    models = CallModels(opened, config.agents[0], TELEPHONE, ("en",), answers.put_nowait)
    models.judge_overlap(JudgeOverlap(0, 4_096), np.zeros(4_096, np.float32))
    assert await asyncio.wait_for(answers.get(), 5) == OverlapJudged(4_096, 1.0)
    settings = opened.measured(call_settings(config, config.agents[0]))
    assert settings.judge_overlaps
    assert settings.p_interruption == 0.8
    config.models.overlap.sure = 0.6
    assert opened.measured(settings).p_interruption == 0.6
    await opened.close()


async def test_without_a_detector_words_alone_interrupt(voices):
    config = Config.model_validate(
        {"agents": [{"name": "a", "languages": ["en"]}], "models": {"overlap": {"model": "none"}}}
    )
    opened = await Engines.open(config, lambda name, value: None, lambda what: None)
    assert opened.overlap is None
    assert not call_settings(config, config.agents[0]).judge_overlaps
    await opened.close()


async def test_without_a_detector_the_words_alone_end_turns(voices, monkeypatch):
    config = Config.model_validate(
        {"agents": [{"name": "a", "languages": ["en"]}], "models": {"turn": {"model": "none"}}}
    )
    opened = await Engines.open(config, lambda name, value: None, lambda what: None)
    assert opened.turn is None
    await opened.close()


class Moody:
    """Hears anger in what is loud, reads it in what ends with "!"; "broken" breaks it."""

    thresholds = MappingProxyType({"angry": 0.7, "short": 0.4, "other": 0.2})

    labels = ("angry", "neutral")

    def recognize(self, audio):
        angry = min(1.0, float(np.abs(audio).max()))
        return {"angry": angry, "neutral": 1 - angry}

    def embed(self, audio):
        return np.array([0.6, 0.8], np.float32)

    def analyze(self, text, language):
        if text == "broken":
            raise ModelError("It cannot read.")
        return {"negative": 0.9, "neutral": 0.1, "positive": 0.0} if text.endswith("!") else {"neutral": 1.0}


FEELING = {
    "agents": [
        {"name": "a", "languages": ["en"], "emotion": {"angry": "Be kind."}, "sentiment": True},
        {"name": "b", "numbers": ["1"]},
    ],
    "models": {port: {"model": "feeling"} for port in ("emotion", "sentiment", "speaker")},
}


async def test_feelings_are_told_for_the_agents_that_want_them(voices, monkeypatch):
    config = Config.model_validate(FEELING)
    monkeypatch.setattr(engines, "load_model", lambda store, name: Moody())
    opened = await Engines.open(config, lambda name, value: None, lambda what: None)
    answers = asyncio.Queue()
    models = CallModels(opened, config.agents[0], TELEPHONE, ("en",), answers.put_nowait)
    told = []
    for ask in (
        lambda: models.perceive(Perceive(3, 0, 512), np.full(512, 0.75, np.float32)),
        lambda: models.appraise(Appraise(0, "That is a disgrace!", "en")),
        lambda: models.appraise(Appraise(1, "broken", "en")),
    ):
        ask()
        told.append(await asyncio.wait_for(answers.get(), 5))
    assert told == [
        EmotionHeard(3, "angry", 0.75),
        SentimentRead(0, "negative", 0.9),
        ModelFailed("sentiment", 1, "It cannot read."),
    ]
    await opened.close()
    assert not [thread for thread in threading.enumerate() if thread.name in ("emotion", "sentiment")]


async def test_an_emotion_that_the_model_is_never_sure_of_is_an_error_that_names_it(voices, monkeypatch):
    monkeypatch.setattr(engines, "load_model", lambda store, name: Moody())
    config = Config.model_validate(FEELING | {"agents": [{"name": "a", "emotion": {"bored": "Hurry."}}]})
    with pytest.raises(ModelError, match=r"agents\.emotion of a: feeling has no limit for bored, but for angry"):
        await Engines.open(config, lambda name, value: None, lambda what: None)
    assert not [thread for thread in threading.enumerate() if thread.name == "emotion"]


async def test_without_such_an_agent_no_feeling_is_loaded(voices, monkeypatch):
    monkeypatch.setattr(engines, "load_model", lambda store, name: pytest.fail(f"{name} was loaded"))
    config = Config.model_validate(FEELING | {"agents": [{"name": "a", "languages": ["en"]}]})
    opened = await Engines.open(config, lambda name, value: None, lambda what: None)
    assert opened.emotion is None
    assert opened.sentiment is None
    await opened.close()


async def test_voices_are_told_apart_for_an_agent_that_follows_its_caller(voices, monkeypatch):
    agents = [{"name": "a", "languages": ["en"], "follow_caller": True}, {"name": "b", "numbers": ["1"]}]
    config = Config.model_validate(FEELING | {"agents": agents})
    monkeypatch.setattr(engines, "load_model", lambda store, name: Moody())
    opened = await Engines.open(config, lambda name, value: None, lambda what: None)
    answers = asyncio.Queue()
    for agent in config.agents:
        models = CallModels(opened, agent, TELEPHONE, ("en",), answers.put_nowait)
        models.perceive(Perceive(3, 0, 512), np.zeros(512, np.float32))
    told = await asyncio.wait_for(answers.get(), 5)
    assert np.frombuffer(told.voice, "<f2") == pytest.approx([0.6, 0.8], abs=1e-3)
    await opened.close()  # waits for what runs
    assert answers.empty()


async def test_calls_go_by_what_was_measured_for_the_models_or_by_the_configuration(voices, monkeypatch):
    monkeypatch.setattr(engines, "load_model", lambda store, name: Moody())
    agents = [{"name": "a", "languages": ["en"], "follow_caller": True, "emotion": {"angry": "Be kind."}}]
    config = Config.model_validate(FEELING | {"agents": agents})
    opened = await Engines.open(config, lambda name, value: None, lambda what: None)
    settings = opened.measured(call_settings(config, config.agents[0]))
    assert settings.emotion_sure["angry"] == 0.7
    assert (settings.voice_same, settings.voice_other) == (0.4, 0.2)
    config.models.emotion.sure = {"angry": 0.9}
    config.models.speaker = {"model": "feeling", "same": 0.6, "other": 0.5}
    settings = opened.measured(settings)
    assert settings.emotion_sure == {"angry": 0.9}
    assert (settings.voice_same, settings.voice_other) == (0.6, 0.5)
    await opened.close()


async def test_a_caller_is_looked_for_among_those_who_are_enrolled(voices, monkeypatch, tmp_path):
    agents = [{"name": "a", "languages": ["en"], "known_callers": True}, {"name": "b", "numbers": ["1"]}]
    config = Config.model_validate(FEELING | {"agents": agents})
    config.models.speaker.book, config.models.speaker.known = tmp_path / "book.json", 0.9
    book = VoiceBook(tmp_path / "book.json")
    for name, direction in (("Anne", (0.6, 0.8)), ("Bob", (0.8, -0.6))):
        person = Person(name=name, encoder="feeling", direction=direction, calls=1, seconds=5.0)
        book.enrol(person, ["+15550100"])
    monkeypatch.setattr(engines, "load_model", lambda store, name: Moody())
    opened = await Engines.open(config, lambda name, value: None, lambda what: None)
    answers = asyncio.Queue()
    voice = Identify(np.array([0.6, 0.8], "<f2").tobytes())
    mine, stranger, other = (
        CallModels(opened, agent, TELEPHONE, ("en",), answers.put_nowait, number)
        for agent, number in (
            (config.agents[0], "+15550100"),
            (config.agents[0], "+15550199"),
            (config.agents[1], "+15550100"),
        )
    )
    for models in (stranger, other, mine):
        models.identify(voice)
    told = await asyncio.wait_for(answers.get(), 5)
    assert (told.name, told.threshold) == ("Anne", 0.9)
    assert told.score == pytest.approx(1.0, abs=1e-3)
    (tmp_path / "book.json").write_text("broken")
    with structlog.testing.capture_logs() as logs:
        mine.identify(voice)
        await asyncio.gather(*mine._asked)
    assert [line["event"] for line in logs] == ["voice_book_unreadable"]
    assert answers.empty()
    await opened.close()


def test_a_model_without_measures_knows_nobody_and_the_configuration_goes_before():
    settings = Config().models.speaker
    assert known_from(settings, object()) > 1
    assert known_from(settings, Resemblyzer) == 0.87
    settings.known = 0.7
    assert known_from(settings, Resemblyzer) == 0.7


@pytest.mark.parametrize(
    ("settings", "quick"),
    [
        ({}, "whisper-base-short"),
        ({"model": "mine"}, ""),
        ({"model": "mine", "partials": "other"}, "other"),
        ({"partials": "none"}, ""),
        ({"partials": "whisper-base"}, ""),
    ],
)
def test_who_hears_while_the_caller_still_speaks(monkeypatch, settings, quick):
    monkeypatch.setattr(engines, "load_model", lambda store, name, **_: name)
    stt = SttSettings(**settings)
    assert stt.quick == quick
    served = engines.load_stt(None, stt, stt.model)
    assert (served.finals, served.partials) == (stt.model, quick) if quick else served == stt.model
    assert engines.load_stt(None, stt, "whisper-tiny.en") == "whisper-tiny.en"  # a fallback stands alone
