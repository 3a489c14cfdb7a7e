"""Transcripts as players and annotators read them."""

import re

import msgspec

from pipelines.analysis.analysis import Overlap, SpokenTurn
from pipelines.analysis.analyze import analyze
from pipelines.analysis.subtitles import cues, srt, textgrid, vtt
from pipelines.replay.dump import read_dump
from tests.golden.behaviours import FOLDER

CALL = analyze(read_dump(FOLDER / "interruption"))


def turn(text: str, start: float = 1.0, end: float = 9.0, **more) -> SpokenTurn:
    return SpokenTurn("caller", start, end, text, text, **more)


def test_a_caption_for_each_turn_of_both():
    assert srt(CALL).startswith("1\n00:00:00,080 --> 00:00:01,700\nAgent: Hello, this is the surgery.\n\n2\n")
    assert "\n00:00:04.591 --> 00:00:05.711\n<v Agent>We are open from —\n" in vtt(CALL)


def test_an_hour_has_its_place():
    late = msgspec.structs.replace(CALL, turns=(turn("À tout de suite.", 3_661.5, 3_663.0),))
    assert "01:01:01,500 --> 01:01:03,000" in srt(late)


def test_a_long_turn_is_shown_in_pieces_that_share_its_time():
    long = " ".join(["mot"] * 60)
    pieces = cues([turn(long)])
    assert len(pieces) > 2
    assert " ".join(piece.text for piece in pieces) == long
    assert pieces[0].start == 1.0
    assert abs(pieces[-1].end - 9.0) < 1e-6


def test_words_can_be_nothing_but_words():
    hostile = msgspec.structs.replace(CALL, turns=(turn('<b>\n\n2\n00:00 --> x &\x00 “fin” "ici"'),))
    text = vtt(hostile)
    assert "<b>" not in text
    assert "&lt;b&gt; 2 00:00 --&gt; x &amp;" in text
    assert text.count("\n\n") == 1
    assert '""ici""' in textgrid(hostile)


def test_praats_tiers_have_neither_gaps_nor_overlaps():
    two = msgspec.structs.replace(
        CALL,
        turns=(turn("un", 1, 4), turn("deux", 3, 6), turn("", 7, 7)),
        overlaps=(Overlap(2.0, 1.0, "caller", "agent"),),
    )
    for call in (CALL, two):
        text = textgrid(call)
        tiers = text.split("    item [")[1:]
        assert [re.search('name = "(.*)"', tier)[1] for tier in tiers] == ["caller", "agent", "overlaps"]
        for tier in tiers:
            edges = [float(edge) for edge in re.findall(r"xm(?:in|ax) = ([\d.]+)", tier)]
            whole, inside = edges[:2], edges[2:]
            assert inside[0::2][1:] == inside[1::2][:-1]
            assert [inside[0], inside[-1]] == whole
            assert f"intervals: size = {len(inside) // 2}" in tier
