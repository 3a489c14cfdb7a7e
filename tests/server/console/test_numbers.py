"""What stands for a number tells nobody which."""

import pytest

from server.console.numbers import SHAPE, Numbers


def test_one_number_has_one_handle_until_the_server_starts_anew():
    numbers, later = Numbers(), Numbers()
    handle = numbers.handle("+33 (6) 12-34")
    assert handle == numbers.handle("sip:+3361234@host") == numbers.handle("003361234")
    assert SHAPE.fullmatch(handle)
    assert "61234" not in handle
    assert numbers.made(handle)
    assert not later.made(handle)
    assert handle[8:] not in later.handle("+3361234")


@pytest.mark.parametrize("nobody", ["", "+", " - ()", "\x00"])
def test_nobodys_number_has_none(nobody):
    assert Numbers().handle(nobody) == ""


def test_any_text_has_one():
    assert len(Numbers().handle("anonymous \ud800")) == 40
