"""An analysis on a terminal."""

import io

import msgspec
import pytest
from rich.console import Console

from pipelines.analysis.analysis import Finding, Findings, Reading
from pipelines.analysis.analyze import analyze
from pipelines.replay.dump import Dump, read_dump
from server.analysis.report import line, report
from tests.golden.behaviours import BEHAVIOURS, FOLDER
from tests.helpers.replay import meta, two_parties


def shown(analysis) -> str:
    out = io.StringIO()
    Console(file=out, width=200).print(report(analysis))
    return out.getvalue()


def test_all_of_it():
    findings = Findings(
        "m", "en", "He drives.", {"car": Finding("convertible", "It is the convertible"), "age": Finding()}
    )
    text = shown(msgspec.structs.replace(analyze(two_parties()), findings=findings))
    for what in (
        "the caller hung up",
        "median 1880 ms",
        "0:27 for 0.5 s",
        "He drives.",
        "convertible",
        "not said",
        "Fitilly",
        "‖",
    ):
        assert what in text


def test_words_cannot_steer_a_terminal():
    turns = tuple(
        msgspec.structs.replace(
            t,
            text="\x1b]0;x\x07[red]hi[/]\u202e",
            heard="\x1b]0;x\x07[red]hi[/]\u202e",
            emotion=Reading("\x1bsad", 0.9),
        )
        for t in analyze(two_parties()).turns
    )
    analysis = msgspec.structs.replace(analyze(two_parties()), turns=turns, call_id="\x1b[2J")
    for text in (shown(analysis), line(analysis, "\x1b[2J")):
        assert not set("\x1b\x07\u202e") & set(text)
    assert "[red]hi[/]" in shown(analysis)


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_every_golden_call_in_one_line(name):
    text = line(analyze(read_dump(FOLDER / name)), name)
    assert text.startswith(f"{name}  0:")
    assert "\n" not in text


def test_the_shortest_call():
    analysis = analyze(Dump(meta(), (), complete=False))
    assert "the recording is incomplete" in shown(analysis)
    assert "no answers" in line(analysis, "x")
