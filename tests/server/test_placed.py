from hypothesis import given
from hypothesis import strategies as st

from server.placed import Pace, Placed, PlacedCalls


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_call_is_taken_once() -> None:
    calls = PlacedCalls(Clock())
    placed = Placed("desk", "Please call back.", "fr")
    brought_back = calls.keep(placed)
    assert brought_back["agent"] == "desk"
    assert "Please" not in "".join(brought_back.values())
    assert calls.take(brought_back) == placed
    assert calls.take(brought_back) == Placed("desk")


def test_a_call_that_we_did_not_place_is_none_of_ours() -> None:
    assert PlacedCalls(Clock()).take({"agent": "desk"}) is None


def test_a_forgotten_call_keeps_its_agent_and_loses_its_message() -> None:
    clock = Clock()
    calls = PlacedCalls(clock)
    late, refused = calls.keep(Placed("desk", "Hello.")), calls.keep(Placed("desk", "Hello."))
    calls.forget(refused)
    assert calls.take(refused) == Placed("desk")
    clock.now = 601
    assert calls.take(late) == Placed("desk")


def test_it_is_bounded_and_has_room_again() -> None:
    clock = Clock()
    calls = PlacedCalls(clock)
    assert all(calls.keep(Placed("a")) for _ in range(1_000))
    assert calls.keep(Placed("a")) is None
    clock.now = 601
    assert calls.keep(Placed("a"))


@given(limit=st.integers(1, 5), waits=st.lists(st.floats(0, 40), max_size=60))
def test_never_more_than_so_many_in_any_minute(limit, waits) -> None:
    clock = Clock()
    pace, admitted = Pace(limit, clock), []
    for wait in waits:
        clock.now += wait
        recent = sum(clock.now - at < 60 for at in admitted)
        if pace.admit():
            admitted.append(clock.now)
            assert recent < limit
        else:
            assert recent == limit
