"""What somebody reads who watches a call, checked against calls on the bench."""

import asyncio

import msgspec
import pytest

from pipelines import actions as do
from pipelines import events as ev
from server.observe.live import Caption, Ended, Fact, Gap, Live, Saying, State, Taken, Tool
from tests.helpers.bench import Bench


def watched(bench: Bench) -> list[Fact]:
    """All facts of what happened on the bench."""
    facts, live = [], Live()
    for at, event, actions in bench.log:
        watching = live.watch()
        watching._facts.clear()  # what was so far
        live(at, event, actions)
        facts += watching._facts
        watching.close()
    return facts


def of(kind: type, facts: list[Fact]) -> list:
    return [fact for fact in facts if isinstance(fact, kind)]


@pytest.fixture
def asked() -> Bench:
    return Bench(speech=((3.0, 4.2),)).run(14)


def test_turns_are_those_of_the_call(asked):
    assert [fact.turn for fact in of(Taken, watched(asked))] == asked.turns
    assert len(asked.turns) == 3


def test_the_gap_is_told_when_the_agent_is_first_heard_and_is_the_turns_own(asked):
    facts = watched(asked)
    (gap,) = of(Gap, facts)
    answer = asked.turns[-1]
    assert gap.gap == pytest.approx(answer.gap, abs=0.001)
    assert gap.at == pytest.approx(answer.start, abs=0.001)
    assert facts.index(gap) < next(n for n, f in enumerate(facts) if isinstance(f, Taken) and f.turn == answer)


def test_the_floor_goes_round(asked):
    states = [fact.state for fact in of(State, watched(asked))]
    assert states == ["listening", "speaking", "listening", "hearing", "listening", "thinking", "speaking", "listening"]


def test_an_interruption_gives_the_caller_the_floor():
    bench = Bench(speech=((3.0, 4.2), (6.2, 8.0)), words=("What are your hours?", "No, stop, on Sunday please."))
    states = [fact.state for fact in of(State, watched(bench.run(9)))]
    assert states[6:9] == ["speaking", "hearing", "listening"]
    assert bench.turns[2].interrupted


def test_words_are_shown_as_they_are_said_and_no_sooner():
    bench = Bench(speech=((3.0, 4.2),)).run(14)
    answer = bench.turns[-1]
    sayings = [fact for fact in of(Saying, watched(bench)) if fact.reply == 1]
    assert sayings[0].at == pytest.approx(answer.start, abs=0.03)
    assert sayings[-1].text == answer.text
    assert len(sayings) == 2
    first, second = sayings
    spoken_s = len(first.text) * 0.06  # how fast the bench's voice speaks
    lead_s = bench.call.settings.lead_us / 1e6
    assert second.at - first.at == pytest.approx(spoken_s - lead_s, abs=0.05)


def test_captions_grow_and_the_turn_replaces_them():
    bench = Bench(speech=((1.0, 6.0),), words=("Can I come on Monday?",))
    bench.partials = ["Can I", "Can I come", "Can I come on"]
    facts = watched(bench.run(3.5))
    captions = of(Caption, facts)
    assert captions
    assert captions[-1].committed.startswith("Can I")
    live = Live()
    for step in bench.log:
        live(*step)
    assert captions[-1] in live.so_far()
    for step in bench.run(14).log:
        live(*step)
    assert not of(Caption, live.so_far())


def test_tools_are_told_by_name_alone():
    live = Live()
    watching = live.watch()
    live(0, ev.ToolStarted(1, "book", '{"name":"Ada"}'), [])
    live(1_000, ev.ToolFinished(1, "book", "Ada at nine", failed=True), [])
    assert [msgspec.json.decode(msgspec.json.encode(fact)) for fact in watching._facts] == [
        {"fact": "tool", "at": 0.0, "tool": "book", "state": "started"},
        {"fact": "tool", "at": 0.001, "tool": "book", "state": "failed"},
    ]


async def test_who_comes_late_reads_what_was_and_then_what_is(asked):
    live = Live()
    for step in asked.log:
        live(*step)
    watching = live.watch()
    live(15_000_000, ev.CallEnded("caller"), [])
    facts = [fact async for fact in watching]
    assert [fact.turn for fact in of(Taken, facts)] == asked.turns
    assert facts[-1] == Ended(15.0, "caller")
    assert live.watch()._facts[-1] == facts[-1]
    assert (live.call_id, live.carrier, live.gap) == ("CA1", "twilio", asked.turns[-1].gap)


async def test_who_does_not_read_is_let_go_and_holds_up_nobody():
    live = Live()
    slow, other = live.watch(), live.watch()
    for n in range(300):
        live(n, ev.TranscriptReady(n, "x", "en"), [do.CaptionUpdated(str(n), "")])
        while other._facts:
            await anext(other)
    assert slow.behind
    assert not other.behind
    assert len([fact async for fact in slow]) == 256
    assert live._watching == [other]


async def test_one_who_waits_is_woken():
    live = Live()
    watching = live.watch()
    waiting = asyncio.ensure_future(anext(watching))
    await asyncio.sleep(0)
    live(0, ev.ToolStarted(1, "book"), [])
    assert await waiting == Tool(0.0, "book", "started")


def test_too_many_watchers_are_turned_away():
    live = Live()
    kept = [live.watch() for _ in range(64)]
    with pytest.raises(OverflowError):
        live.watch()
    kept[0].close()
    live.watch()
