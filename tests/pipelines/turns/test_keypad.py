from hypothesis import given
from hypothesis import strategies as st

from pipelines.turns.keypad import Keypad
from pipelines.turns.policy import CallSettings

SETTINGS = CallSettings()


def keyed(keypad: Keypad, keys: str) -> list[bool]:
    return [keypad.press(key) for key in keys]


def test_a_terminator_ends_and_is_not_part_of_it() -> None:
    keypad = Keypad(SETTINGS)
    assert keyed(keypad, "12*#") == [False, False, False, True]
    assert keypad.take() == "12*"


def test_the_terminator_alone_is_an_answer() -> None:
    keypad = Keypad(SETTINGS)
    assert keyed(keypad, "#") == [True]
    assert keypad.take() == "#"


def test_the_expected_length_ends_it() -> None:
    keypad = Keypad(SETTINGS)
    keypad.expect(4)
    assert keyed(keypad, "1234") == [False, False, False, True]
    assert keypad.take() == "1234"


def test_slow_fingers_have_more_time_once_asked_and_only_once() -> None:
    keypad = Keypad(SETTINGS)
    unasked = keypad.pause_us
    keypad.expect(0)
    assert keypad.pause_us > unasked
    keypad.press("1")
    keypad.take()
    assert keypad.pause_us == unasked


@given(keys=st.text("0123456789*#ABCD", min_size=1, max_size=100), length=st.integers(0, 32))
def test_no_key_is_lost_and_no_input_grows_without_end(keys: str, length: int) -> None:
    keypad = Keypad(SETTINGS)
    keypad.expect(length)
    taken = ""
    for key in keys:
        taken += key
        if keypad.press(key):
            answer = keypad.take()
            assert answer in (taken, taken.removesuffix("#"))
            assert 1 <= len(answer) <= 32
            taken = ""
    if taken:
        assert keypad.take() in (taken, taken.removesuffix("#"))
