"""The picture: it is drawn for any call, and shows what happened."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from pipelines.actions import Turn, TurnTaken
from pipelines.replay.dump import Dump, Step
from server.observe.timeline import draw, write_picture
from tests.helpers.replay import meta, small_steps, started, two_parties


def words(figure) -> str:
    return "\n".join(text.get_text() for axes in figure.axes for text in axes.texts)


def test_turns_gaps_tools_and_interruptions_are_named():
    text = words(draw(two_parties())).replace("\n", " ")
    for what in ("960 ms", "2800 ms", "tool find_customer", "barge-in", "Fitilly", "purchased ‖ several cars"):
        assert what in text


@pytest.mark.parametrize(("seconds", "rows"), [(29, 1), (31, 2), (200, 7), (3_000, 12)])
def test_long_calls_take_more_rows_up_to_a_limit(seconds, rows):
    dump = two_parties()
    end = Step(seconds * 1_000_000, dump.steps[-1].event, ())
    figure = draw(msgspec.structs.replace(dump, steps=(*dump.steps[:-1], end)))
    assert len(figure.axes) == rows + 1  # and the gaps


def test_a_png_is_written(tmp_path):
    write_picture(two_parties(), tmp_path / "call.png")
    with Image.open(tmp_path / "call.png") as image:
        assert image.format == "PNG"
        assert image.width > 1_500


@pytest.mark.parametrize("steps", [(), (Step(0, started(), ()),), tuple(small_steps())])
def test_the_shortest_calls_can_be_drawn(tmp_path, steps):
    write_picture(Dump(meta(), steps, complete=False), tmp_path / "call.png")


def test_words_are_no_formula_and_no_markup(tmp_path):
    figure = draw(saying([Turn("caller", "it $_{$ costs", "it", 2.0, 4.0)], 29))
    assert "it $_{$ costs" in words(figure)
    figure.savefig(tmp_path / "call.png")


WORDS = [
    "I",
    "would",
    "like",
    "an",
    "appointment",
    "with",
    "the",
    "doctor",
    "on",
    "Tuesday",
    "morning",
    "if",
    "she",
    "is",
    "there",
    "at",
    "all",
    "please",
    "thank",
    "you",
]


@st.composite
def conversations(draw_):
    """Turns of both parties as close as they come, some interrupted, some answered late; sorted by their starts, up to 58 s."""
    turns = []
    for party in ("caller", "agent"):
        at = draw_(st.floats(0, 3))
        while at < 56 and len(turns) < 40:
            length = draw_(st.floats(0.1, 6))
            text = " ".join(WORDS[: draw_(st.integers(1, len(WORDS)))])
            gap = draw_(st.none() | st.floats(0.1, 2.0)) if party == "agent" else None
            turns.append(
                Turn(party, text, text[:9], at, at + length, gap, {"stt": gap} if gap else {}, "en", length < 1)
            )
            at += length + draw_(st.floats(0.05, 4))
    return turns


def overlapping(figure) -> list[tuple[str, str]]:
    """Pairs of texts that lie over each other."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    texts = [text for axes in figure.axes for text in axes.texts] + figure.texts
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in texts if text.get_text()]
    return [
        (one, other)
        for n, (one, box) in enumerate(boxes)
        for other, place in boxes[:n]
        if min(box.x1, place.x1) > max(box.x0, place.x0) and min(box.y1, place.y1) > max(box.y0, place.y0)
    ]


def saying(turns: list[Turn], seconds: int) -> Dump:
    """A call of these turns."""
    dump = two_parties()
    kept = tuple(
        msgspec.structs.replace(step, actions=tuple(a for a in step.actions if not isinstance(a, TurnTaken)))
        for step in dump.steps
    )
    end = Step(seconds * 1_000_000, kept[-1].event, tuple(TurnTaken(turn) for turn in turns))
    return Dump(dump.meta, (*kept[:-1], end))


@settings(max_examples=12, deadline=None)
@given(conversations())
def test_no_two_texts_lie_over_each_other(turns):
    figure = draw(saying(turns, 58))
    assert overlapping(figure) == []
    assert figure.axes[0].texts


def test_a_caption_at_the_end_of_a_row_leaves_the_one_before_it_its_place():
    before = Turn("caller", "I would like an appointment", "", 27.4, 28.6)
    last = Turn("caller", "What do you have on Tuesday morning?", "", 29.0, 29.9)
    figure = draw(saying([before, last], 30))
    assert overlapping(figure) == []
    text = words(figure).replace("\n", " ")
    assert "I would" in text
    assert "What do" in text


def test_a_long_name_leaves_the_key_its_place():
    dump = two_parties()
    figure = draw(Dump(msgspec.structs.replace(dump.meta, agent="a" * 60), dump.steps))
    assert overlapping(figure) == []
    assert any("heard up to here" in text.get_text() for text in figure.texts)
