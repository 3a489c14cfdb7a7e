"""The picture: it is drawn for any call, and shows what happened."""

import msgspec
import pytest
from PIL import Image

from pipelines.actions import TurnTaken
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
    dump = two_parties()
    turn = msgspec.structs.replace(dump.turns()[0], text="it $_{$ costs", heard="it")
    steps = (*dump.steps[:-1], Step(29_000_000, dump.steps[-1].event, (TurnTaken(turn),)))
    figure = draw(Dump(dump.meta, steps))
    assert "it $_{$ costs" in words(figure)
    figure.savefig(tmp_path / "call.png")
