"""Calls, addresses and names that mean harm: nothing is executed, nothing leaks, nothing falls over."""

import msgspec
import pytest

from pipelines import actions as do
from pipelines import events as ev
from pipelines.replay.dump import EVENTS, META, Dump, Step
from tests.helpers.recorded import save
from tests.helpers.replay import meta, started, two_parties
from tests.server.analysis.test_page import Page

EVIL = "</p></title><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7*7 }}'\"; DROP TABLE calls;--\u202e"
SCRIPTS = 1  # ours


def evil(text: str = EVIL) -> Dump:
    """A call in which everybody says `text`, everywhere."""
    turns = [
        do.Turn(p, text, text[: n * 3], n + 0.0, n + 0.5, 0.4, {text: 0.4}, text[:100], True)
        for n, p in enumerate(("caller", "agent", text[:50]))
    ]
    steps = [
        Step(0, started(), ()),
        Step(10, ev.ToolStarted(0, text, text), ()),
        Step(20, ev.ToolFinished(0, text, text), ()),
    ]
    steps += [
        Step(30 + n, ev.DeadlineReached("x"), (do.CaptionUpdated(text, text), do.TurnTaken(turn)))
        for n, turn in enumerate(turns)
    ]
    steps += [Step(40, ev.NoteGiven(text), ()), Step(3_000_000, ev.CallEnded(text[:300]), ())]
    about = {
        "call_id": text[:300],
        "carrier": text[:300],
        "agent": text[:300],
        "caller": text[:300],
        "called": text[:300],
    }
    return Dump(msgspec.structs.replace(meta(), **about), tuple(steps))


def checked(html: bytes) -> Page:
    """The page, which runs nothing but our script and is whole."""
    page = Page(html.decode())
    assert page.tags.count("script") == SCRIPTS
    assert "img" not in page.tags
    assert not [name for name, _ in page.attributes if name.startswith("on") or name == "style"]
    assert not [
        value
        for name, value in page.attributes
        if name in ("href", "src", "action") and not (value or "").startswith(("/", "#"))
    ]
    return page


async def test_a_hostile_call_is_text_on_every_page(open_console, calls):
    folder = save(calls, evil())
    async with open_console() as operator:
        listed = checked(await operator.get("/?words=alert"))
        assert "alert" in listed.text
        page = checked(await operator.get(f"/calls/{folder.name}"))
        assert "{{ 7*7 }}" in page.text
        assert "\u202e" not in page.text
        place = await operator.post(f"/calls/{folder.name}/replay", endpoint_ms="300")
        checked(await operator.get(place))


@pytest.mark.parametrize(
    "text", ["x" * 1_000_000, "é\n" * 300_000, "\x00\x1b[2J\x07\u2028\ufeff" * 1_000, "<" * 1_000_000]
)
async def test_a_megabyte_of_words_is_cut_and_control_characters_show_nothing(open_console, calls, text):
    folder = save(calls, evil(text), call_id="CA1", agent="desk", carrier="twilio")
    async with open_console() as operator:
        html = await operator.get(f"/calls/{folder.name}")
        assert len(html) < 1_500_000
        checked(html)
        assert not set(html) & set(b"\x00\x1b\x07")
        checked(await operator.get("/?words=x"))


@pytest.mark.parametrize(
    "query",
    [
        "words=%00%ff%fe",
        "words='%20OR%201=1--&agent=%3Cscript%3Ealert(1)%3C/script%3E",
        "words=%22%20OR%20%22&page=1e999&gap=NaN",
        "page=-1&since=9999-99-99&until=%00",
        "page=99999999999999999999999",
        "until=9999-12-31&since=0001-01-01",
        "words=" + "a%20" * 2_000,
        "number=%2B15551234&whose=%2B15551234",
        "number=" + "0" * 40,
        "agent=" + "%F0%9F%92%A9" * 500,
        "&&&===&words",
    ],
)
async def test_hostile_addresses_find_nothing_and_break_nothing(open_console, calls, query):
    save(calls)
    async with open_console() as operator:
        checked(await operator.get(f"/?{query}"))


NAMES = [
    "..%2f..%2fetc%2fpasswd",
    "%252e%252e",
    "..%5c..%5cwindows",
    "20261121T081319.123-..%2f..%2fsecret",
    "20261121T081319.123-x%00",
    "index.sqlite",
    "audit.jsonl",
    "%2fetc",
    "a" * 3_000,
    "20261121T081319.123-link",
]


@pytest.mark.parametrize("name", NAMES)
async def test_no_name_leads_out_of_the_folder_of_recordings(open_console, calls, tmp_path, name):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / META).write_text("top secret")
    (calls / "20261121T081319.123-link").symlink_to(secret)
    async with open_console() as operator:
        for path in ("", "/call.wav", "/call.json", "/dump.tar"):
            answer = await operator.get(f"/calls/{name}{path}", 404)
            assert b"top secret" not in answer
            assert b"root:" not in answer
        await operator.post(f"/calls/{name}/forget", 404)
        await operator.post(f"/calls/{name}/replay", 404)
        assert (secret / META).exists()
        assert operator.audit == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": 1}', b"\xff" * 100, b'{"format": 99}'])
async def test_a_broken_recording_is_said_to_be_one(open_console, calls, content):
    folder = save(calls)
    (folder / META).write_bytes(content)
    other = save(calls, two_parties(), call_id="CA2")
    async with open_console() as operator:
        answer = await operator.get(f"/calls/{folder.name}", 503)
        assert str(calls).encode() not in answer
        assert other.name in (await operator.get("/")).decode()


async def test_broken_lines_are_said_to_be_so(open_console, calls):
    folder = save(calls)
    (folder / EVENTS).write_bytes(b'{"t":1,"event":"CallStarted"}\n{"t":2,"event":"<script>"}\n')
    async with open_console() as operator:
        answer = await operator.get(f"/calls/{folder.name}", 503, Accept="text/html")
        checked(answer)


async def test_methods_that_are_not_offered(open_console):
    async with open_console() as operator:
        for method, path in (
            ("PUT", "/"),
            ("DELETE", "/calls/x"),
            ("POST", "/"),
            ("GET", "/live/x/hang-up"),
            ("GET", "/calls/x/forget"),
        ):
            async with operator.http.request(method, path) as response:
                assert response.status in (404, 405)


async def test_a_body_that_is_too_long_is_refused(open_console):
    async with open_console() as operator:
        await operator.post("/forget", 413, number="1" * 200_000)
