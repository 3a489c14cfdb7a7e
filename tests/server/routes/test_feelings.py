"""/api/feelings and /feelings: the carried models asked by a real client, who may ask, and what is sent to do harm."""

import asyncio
import io
import struct
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from aiohttp import FormData, encode_basic_auth
from pydantic import SecretStr

from pipelines.models.store import Store
from server import engines, sound
from tests.helpers.carriers import serving
from tests.helpers.hearing import CLIPS, LoudnessVad, ScriptedStt, weights
from tests.helpers.houses import open_house
from tests.helpers.voice import ToneVoice

ANGRY = Path(__file__).parents[2] / "load" / "clips" / "de_angry.flac"
TOKEN = "token-of-the-operator"
AGENT = {"name": "a", "languages": ["en", "fr"], "sentiment": True, "emotion": {"anger": "Say sorry."}}
SECURED = {"server": {"api_token": SecretStr(TOKEN)}}


class NoAgents:
    def phrases(self, agent):
        return []

    async def close(self):
        pass


@pytest.fixture
def stt(monkeypatch, tmp_path) -> ScriptedStt:
    """Hears one complaint in whatever it is given; feelings are judged by the models that ship."""

    async def open_agents(config, progress):
        return NoAgents()

    stt = ScriptedStt(lambda audio, final: "I am very angry <b>and</b> disappointed.")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(engines, "load_vad", lambda store, config: LoudnessVad())
    monkeypatch.setattr(engines, "load_stt", lambda store, settings, name: stt)
    monkeypatch.setattr(engines, "load_voice", lambda store, settings, language: ToneVoice(language))
    monkeypatch.setattr("server.house.Agents.open", open_agents)
    return stt


def house(tmp_path: Path, **config: Any) -> AbstractAsyncContextManager:
    store = Store(tmp_path / "models")
    for name in ("sentiment-linear", "emotion-logistic"):
        store.pull(name)
    return open_house({"agents": [AGENT], "models": {"dir": tmp_path / "models"}} | config)


@pytest.fixture
async def http(stt, tmp_path) -> AsyncIterator[Any]:
    async with house(tmp_path) as (_, http):
        yield http


def wav(seconds: float = 1.0, rate: int = 8_000, channels: int = 1, **how: str) -> bytes:
    held = io.BytesIO()
    noise = np.random.default_rng(0).normal(0, 0.05, (round(seconds * rate), channels))
    soundfile.write(held, noise, rate, format=how.get("format", "WAV"), subtype=how.get("subtype", "PCM_16"))
    return held.getvalue()


def form(**fields: bytes | str) -> FormData:
    made = FormData(default_to_multipart=True)
    for name, value in fields.items():
        made.add_field(name, value, filename="c.wav" if isinstance(value, bytes) else None)
    return made


# ---- what is answered


@pytest.mark.parametrize(
    ("text", "language", "label"),
    [
        ("I am very disappointed, nobody called me back.", "en", "negative"),
        ("Thank you so much, that is wonderful!", "en", "positive"),
        ("Je suis vraiment déçu, c'est inadmissible.", "fr", "negative"),
        ("Merci beaucoup, c'est parfait !", "fr", "positive"),
    ],
)
async def test_a_sentence(http, text, language, label) -> None:
    async with http.post("/api/feelings", json={"text": f"  {text}\n", "language": language}) as response:
        found = await response.json()
    assert (response.status, found["text"], found["language"]) == (200, text, language)
    assert found["sentiment"]["label"] == label
    assert sum(found["sentiment"]["probabilities"].values()) == pytest.approx(1)
    assert found["emotion"] is None


@pytest.mark.parametrize("how", ["body", "form"])
async def test_a_clip_is_understood_and_judged_by_its_words_and_its_sound(http, stt, how) -> None:
    clip = ANGRY.read_bytes()
    data = {"data": clip} if how == "body" else {"data": form(clip=clip)}
    async with http.post("/api/feelings", **data) as response:
        found = await response.json()
    assert (response.status, len(stt.heard)) == (200, 1)
    assert found["sentiment"]["label"] == "negative"
    assert found["emotion"]["label"] == "anger"
    assert sum(found["emotion"]["probabilities"].values()) == pytest.approx(1)


@pytest.mark.parametrize(
    "clip",
    [
        wav(rate=44_100, channels=2),
        wav(subtype="ULAW"),
        wav(rate=48_000, subtype="FLOAT"),
        wav(rate=16_000, format="FLAC"),
    ],
)
async def test_clips_of_many_forms_are_heard_alike_loud(http, stt, clip) -> None:
    loudness = []
    stt.say = lambda audio, final: loudness.append(float(np.sqrt(np.mean(audio**2)))) or ""
    async with http.post("/api/feelings", data=clip) as response:
        found = await response.json()
    assert (response.status, found["text"], found["sentiment"]) == (200, "", None)
    assert 0.01 < loudness[0] < 0.06


async def test_the_language_that_is_given_is_the_one_that_is_heard(http) -> None:
    async with http.post("/api/feelings?language=fr", data=wav()) as response:
        assert (await response.json())["language"] == "fr"


async def test_whisper_hears_a_clip(stt, tmp_path, monkeypatch) -> None:
    from pipelines.adapters.stt.faster_whisper import FasterWhisper

    folder = weights("whisper-base", "model.bin", "tokenizer.json", "vocabulary.txt", "config.json")
    monkeypatch.setattr(engines, "load_stt", lambda store, settings, name: FasterWhisper(folder, threads=1))
    clip = (CLIPS / "en_prompt.flac").read_bytes()
    async with house(tmp_path) as (_, http), http.post("/api/feelings", data=clip) as response:
        found = await response.json()
    assert found["language"] == "en"
    assert len(found["text"].split()) > 2


# ---- who may ask


@pytest.mark.parametrize("path", ["/api/feelings", "/feelings"])
@pytest.mark.parametrize("headers", [{"X-Forwarded-For": "1.2.3.4"}, {"Origin": "https://evil.example"}])
async def test_without_a_token_configured_only_loopback_asks(path, headers) -> None:
    async with (
        serving() as served,
        served.http.post(f"{served.base}{path}", json={"text": "x"}, headers=headers) as response,
    ):
        assert (response.status, served.house.refused("feelings_not_loopback")) == (403, 1)


@pytest.mark.parametrize("path", ["/api/feelings", "/feelings"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic ???"},
        {"Authorization": encode_basic_auth("me", "wrong")},
        {"Authorization": encode_basic_auth("me", TOKEN), "Origin": "https://evil.example"},
    ],
)
async def test_with_one_configured_it_must_be_brought_and_not_by_another_page(path, headers) -> None:
    async with (
        serving(SECURED) as served,
        served.http.post(f"{served.base}{path}", json={"text": "x"}, headers=headers) as response,
    ):
        assert (response.status, served.house.refused("feelings_token")) == (401, 1)
        assert response.headers["WWW-Authenticate"].split()[0] == ("Bearer" if path.startswith("/api") else "Basic")


@pytest.mark.parametrize("header", [f"Bearer {TOKEN}", encode_basic_auth("", TOKEN), encode_basic_auth("me", TOKEN)])
async def test_whoever_brings_it_is_answered(stt, tmp_path, header) -> None:
    async with house(tmp_path, **SECURED) as (_, http):
        headers = {"Authorization": header, "X-Forwarded-For": "1.2.3.4"}
        async with http.post("/api/feelings", json={"text": "Great."}, headers=headers) as response:
            assert response.status == 200


# ---- what does harm


def lying_flac() -> bytes:
    """An hour of silence in some kilobytes."""
    held = io.BytesIO()
    soundfile.write(held, np.zeros(3_600 * 8_000, np.int16), 8_000, format="FLAC")
    return held.getvalue()


def lying_wav() -> bytes:
    """A second that says it is a day."""
    data = bytearray(wav())
    data[40:44] = struct.pack("<I", 0xFFFFFFF0)
    return bytes(data)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"json": {"text": "a" * 1_000_000}}, 413),
        ({"json": {"text": "a" * 2_001}}, 413),
        ({"json": {"text": " \n"}}, 400),
        ({"json": {"text": "x", "language": "de"}}, 400),
        ({"json": {"text": "x", "extra": 1}}, 400),
        ({"json": {"text": 1}}, 400),
        ({"json": [1]}, 400),
        ({"data": b"[" * 10_000, "headers": {"Content-Type": "application/json"}}, 400),
        ({"data": b"\xff", "headers": {"Content-Type": "application/json"}}, 400),
        ({"data": b""}, 400),
        ({"data": b"<script>alert(1)</script>"}, 400),
        ({"data": b"PK\x03\x04" + bytes(1_000)}, 400),
        ({"data": b"fLaC" + bytes(1_000)}, 400),
        ({"data": b"RIFF\xff\xff\xff\xffWAVEfmt "}, 400),
        ({"data": wav(0.05)}, 400),
        ({"data": wav(15.1)}, 400),
        ({"data": wav(0.5, rate=1_000)}, 400),
        ({"data": wav(0.5, rate=9_973)}, 400),
        ({"data": wav(0.5, rate=16_000, channels=6)}, 400),
        ({"data": lying_flac()}, 400),
        ({"data": bytes(sound.LIMIT_BYTES + 1)}, 413),
        ({"data": form(clip=bytes(sound.LIMIT_BYTES + 1))}, 413),
        ({"data": form(text="x" * 20_000)}, 413),
        ({"data": form(text="x", clip=wav())}, 400),
        ({"data": form(text="x", other="y")}, 400),
        ({"data": b"--x", "headers": {"Content-Type": "multipart/form-data"}}, 400),
        ({"data": b"--x\r\n\r\nend", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, 400),
    ],
)
async def test_what_is_wrong_is_said_and_reaches_no_model(http, stt, body, status) -> None:
    async with http.post("/api/feelings", **body) as response:
        answer = await response.json()
    assert (response.status, list(answer)) == (status, ["errors"])
    assert answer["errors"][0].endswith(".")
    assert "script" not in answer["errors"][0]
    assert stt.heard == []
    async with http.post("/api/feelings", json={"text": "Great."}) as response:
        assert response.status == 200  # nobody is kept out by it


async def test_a_header_that_promises_a_day_of_sound_is_not_believed(http) -> None:
    async with http.post("/api/feelings", data=lying_wav()) as response:
        assert response.status == 200


async def test_one_clip_at_a_time_and_callers_come_first(stt, tmp_path) -> None:
    stt.gate.clear()
    async with house(tmp_path) as (open_, http):
        first = asyncio.create_task(http.post("/api/feelings", data=wav()))
        await asyncio.to_thread(stt.entered.wait, 5)
        async with http.post("/api/feelings", data=wav()) as response:
            assert response.status == 429
        stt.gate.set()
        assert (await first).status == 200
        open_.sessions["a call"] = object()
        async with http.post("/api/feelings", data=wav()) as response:
            assert response.status == 503
        async with http.post("/api/feelings", json={"text": "Great."}) as response:
            assert response.status == 200
        open_.sessions.clear()
    assert len(stt.heard) == 1


async def test_without_models_of_feelings_the_mend_is_said() -> None:
    config = {"agents": [{"name": "line", "kind": "echo"}]}
    async with open_house(config) as (_, http), http.post("/api/feelings", json={"text": "Great."}) as response:
        assert response.status == 503
        assert "sentiment" in (await response.json())["errors"][0]


# ---- the page


async def test_the_page_shows_what_was_heard_as_words_and_never_as_markup(http) -> None:
    async with http.post("/feelings", data=form(clip=ANGRY.read_bytes(), text="", language="")) as response:
        page = await response.text()
    assert response.status == 200
    assert "I am very angry &lt;b&gt;and&lt;/b&gt; disappointed." in page
    assert page.count("<meter") == 8
    assert "<b>" not in page
    async with http.post(
        "/feelings", data=form(text="<script>alert('x')</script> \"great\"", language="en")
    ) as response:
        page = await response.text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


async def test_the_page_needs_nothing_from_outside_and_runs_nothing(http) -> None:
    async with http.get("/feelings") as response:
        page, policy = await response.text(), response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "script" not in policy
    assert not [outside for outside in ("://", "<script", "<img", "url(", "@import") if outside in page]


@pytest.mark.parametrize(("accepted", "words"), [("fr-FR,fr;q=0.9,en;q=0.8", "Quel sentiment"), ("de", "What does it")])
async def test_the_page_speaks_the_language_of_its_reader(http, accepted, words) -> None:
    async with http.get("/feelings", headers={"Accept-Language": accepted}) as response:
        assert words in await response.text()


async def test_the_page_says_what_is_wrong(http) -> None:
    async with http.post("/feelings", data=form(text="", clip=b"no sound", language="fr")) as response:
        assert response.status == 400
        assert "no WAV or FLAC" in await response.text()
