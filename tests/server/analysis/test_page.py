"""The page: it holds the call, nothing of it is obeyed, and it needs nothing from outside."""

import itertools
import re
from html.parser import HTMLParser

import msgspec
import pytest

from pipelines.analysis.analysis import Felt, Finding, Findings, Key, KnownCaller, Reading, Speaking
from pipelines.analysis.analyze import analyze
from pipelines.replay.dump import Dump, read_dump
from server.analysis.page import lines, render
from server.analysis.picture import clock, draw, ticks, wave
from tests.golden.behaviours import BEHAVIOURS, FOLDER
from tests.helpers.analysis import recorded
from tests.helpers.replay import meta, two_parties
from tests.pipelines.analysis.test_analyze import felt_call

EVIL = "</p><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7*7 }}\"'&\u202e\x00"
VOID = {"meta", "br", "img", "hr", "input", "link"}


class Page(HTMLParser):
    """What a browser would make of it: tags, attributes, text; raises on a tag that is not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


def full() -> tuple:
    """A call with everything that can be on a page, and hostile words everywhere."""
    dump = two_parties()
    analysis = analyze(dump)
    reading = Reading("angry", 0.9)
    turns = tuple(
        msgspec.structs.replace(
            t, text=EVIL, heard=EVIL, speaker=EVIL, language=EVIL, emotion=reading, sentiment=Reading(EVIL, 0.5)
        )
        for t in analysis.turns
    )
    tools = tuple(msgspec.structs.replace(t, tool=EVIL, arguments=EVIL) for t in analysis.tools)
    findings = Findings(
        EVIL,
        EVIL,
        EVIL,
        {EVIL: Finding(EVIL, EVIL), "b": Finding(True, "x"), "c": Finding(), "d": Finding(left_out=EVIL)},
    )
    return (
        msgspec.structs.replace(
            analysis,
            call_id=EVIL,
            agent=EVIL,
            carrier=EVIL,
            outcome=EVIL,
            answered=EVIL,
            turns=turns,
            tools=tools,
            emotions=(Felt(7.4, 11.5, EVIL, 0.9),),
            keys=(Key(3.0, "caller", "#"),),
            findings=findings,
        ),
        dump,
    )


def test_hostile_words_stay_words():
    page = Page(render(*full()))
    assert "script" not in page.tags
    assert "img" not in page.tags
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert page.text.count("alert(1)") >= 6
    assert "{{ 7*7 }}" in page.text


def test_words_cannot_turn_what_follows_them():
    html = render(*full())
    assert "\u202e" not in html
    assert "\x00" not in html


def test_labels_do_not_run_into_each_other():
    dump = two_parties()
    call = analyze(dump)
    (tool,) = call.tools
    tools = tuple(msgspec.structs.replace(tool, at=at) for at in (3.0, 4.0, 9.0, 28.5))
    picture = draw(msgspec.structs.replace(call, tools=tools), dump)
    assert [bool(box.label) for box in picture.events] == [True, False, True, True]
    assert [box.over for box in picture.events] == [False, False, False, True]


def test_nothing_comes_from_outside():
    html = render(*full())
    page = Page(html)
    assert not {"script", "link", "iframe", "img", "object", "embed", "base", "form"} & set(page.tags)
    assert not [value for name, value in page.attributes if name in ("src", "href", "action", "srcset")]
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL).group(1)
    assert "@import" not in style
    assert re.findall(r"url\(([^)]*)\)", style) == ["#stripes"]
    assert "default-src 'none'" in html


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_every_golden_call_has_a_page(name):
    dump = read_dump(FOLDER / name)
    analysis = analyze(dump)
    page = Page(render(analysis, dump))
    said = " ".join(page.text.split())
    for turn in analysis.turns:
        assert " ".join(turn.heard.split()) in said


def test_both_schemes_and_a_phone():
    html = render(analyze(two_parties()), two_parties())
    assert "prefers-color-scheme: dark" in html
    assert 'name="viewport"' in html


def test_the_picture_shows_what_happened():
    text = render(analyze(two_parties()), two_parties())
    for what in ("both speak for 0.5 s", "silence of 2.8 s", "the caller interrupts", "find_customer", "several cars"):
        assert what in text


def test_feeling_is_drawn_above_the_voices():
    dump = recorded(felt_call())
    picture = draw(analyze(dump), dump)
    assert [box.label for box in picture.feelings] == ["angry", "neutral"]
    assert [bar.height for bar in picture.sentiments] == [-0.8, 0.7]
    assert picture.feelings[0].x < picture.feelings[1].x < picture.width


@pytest.mark.parametrize("steps", [(), two_parties().steps[:1]])
def test_the_shortest_calls_have_a_page(steps):
    dump = Dump(meta(), steps, complete=False)
    assert "Nobody said anything" in Page(render(analyze(dump), dump)).text


def test_why_there_is_no_summary_is_said():
    analysis = msgspec.structs.replace(analyze(two_parties()), findings_missing="no answer within 180 s")
    assert "no answer within 180 s" in render(analysis, two_parties())


def test_lines_are_in_order_of_time():
    found = lines(analyze(two_parties()))
    assert [line.at for line in found] == sorted(line.at for line in found)
    assert [bool(line.turn) for line in found].count(False) == 2  # a tool, a silence of 2.8 s


def test_a_wave_stays_in_its_lane():
    caller = two_parties()
    analysis = analyze(caller)
    path = draw(analysis, caller).caller_wave
    heights = [float(point.split(",")[1]) for point in re.findall(r"[\d.]+,-?[\d.]+", path)]
    assert -36 <= min(heights) < -30
    assert 30 < max(heights) <= 36
    import numpy as np

    assert wave(np.zeros(0, np.int16), 100) == ""
    assert (
        max(
            map(
                abs,
                (
                    float(p.split(",")[1])
                    for p in re.findall(r"[\d.]+,-?[\d.]+", wave(np.full(8_000, 3, np.int16), 100))
                ),
            )
        )
        < 1
    )


@pytest.mark.parametrize("seconds", [1, 29, 200, 3_600])
def test_the_axis_is_readable_at_any_length(seconds):
    scale = min(max(seconds * 16, 640), 12_000) / seconds
    found = ticks(seconds, scale)
    assert found[0] == 0
    assert all((b - a) * scale >= 60 for a, b in itertools.pairwise(found))
    assert clock(61.9) == "1:01"


def test_names_of_speakers_are_escaped_and_each_has_a_colour():
    dump = two_parties()
    analysis = analyze(dump)
    speakers = (EVIL, f"other {EVIL}", "other 2", "other 3", "other 4", "other 5")
    spoken = tuple(Speaking(n, n + 1.0, name) for n, name in enumerate(speakers))
    turns = tuple(
        msgspec.structs.replace(turn, speaker=name, party="other" if name.startswith("other") else "caller")
        for turn, name in zip(analysis.turns, speakers, strict=False)
    )
    known = KnownCaller(EVIL, 0.9, 0.8)
    page = Page(render(msgspec.structs.replace(analysis, speakers=spoken, turns=turns, known_caller=known), dump))
    assert not {"script", "img"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert page.text.count("alert(1)") >= 5
    kinds = [value for name, value in page.attributes if name == "class"]
    assert all(f"s{n}" in kinds for n in range(5))
    assert "0.90 from 0.80; no proof" in page.text


def test_one_who_is_alone_needs_no_legend():
    dump = two_parties()
    analysis = msgspec.structs.replace(analyze(dump), speakers=(Speaking(0.0, 1.0, "caller"),))
    assert "On the caller's line" not in render(analysis, dump)
