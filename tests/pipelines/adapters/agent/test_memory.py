from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipelines.adapters.agent.memory import UNFINISHED, Memory


def test_a_reply_is_what_was_heard_of_it() -> None:
    memory = Memory()
    memory.ask(1, "When are you open?")
    memory.say(1, "We are open from nine ")
    memory.say(1, "to five.")
    memory.remember(1, "We are open")
    assert memory.items() == [
        {"role": "user", "content": "When are you open?"},
        {"role": "assistant", "content": "We are open"},
    ]


def test_what_was_remembered_is_not_overwritten_by_a_late_cancellation_or_delta() -> None:
    memory = Memory()
    memory.ask(1, "Hello?")
    memory.say(1, "Hello, how are you?")
    memory.remember(1, "Hello,")
    memory.unsay(1)
    memory.say(1, " and more")
    assert memory.items()[-1] == {"role": "assistant", "content": "Hello,"}


def test_words_the_agent_did_not_write_take_their_place_by_number() -> None:
    memory = Memory()
    memory.ask(1, "Hi")
    memory.remember(0, "Good morning.")
    assert [item["content"] for item in memory.items()] == ["Good morning.", "Hi"]  # type: ignore[typeddict-item]


def test_nothing_heard_keeps_what_tools_did() -> None:
    memory = Memory()
    memory.ask(1, "Book it")
    memory.tool_called(1, "c1", "book", "{}")
    memory.tool_finished(1, "c1", "booked")
    memory.say(1, "Done")
    memory.remember(1, "")
    assert [item.get("type", item.get("role")) for item in memory.items()] == [
        "user",
        "function_call",
        "function_call_output",
    ]


def test_a_result_the_caller_heard_word_for_word_is_not_told_twice() -> None:
    memory = Memory()
    memory.ask(1, "When?")
    memory.tool_called(1, "c1", "hours", "{}")
    memory.tool_finished(1, "c1", "From nine to five.")
    outputs = []
    for heard in ("From nine", "From nine  to five."):
        memory.remember(1, heard)
        outputs.append(memory.items()[2]["output"])  # type: ignore[typeddict-item]
    assert outputs == ["From nine to five.", "ok"]


def test_a_retry_keeps_what_tools_did_and_forgets_the_words() -> None:
    memory = Memory()
    memory.ask(1, "Book it")
    memory.tool_called(1, "c1", "book", "{}")
    memory.tool_finished(1, "c1", "booked")
    memory.say(1, "You are bo")
    memory.ask(1, "Book it")
    assert len([item for item in memory.items() if item.get("role") == "user"]) == 1
    assert not [item for item in memory.items() if item.get("role") == "assistant"]


def test_a_caller_who_goes_on_speaking_is_remembered_once() -> None:
    memory = Memory()
    memory.ask(1, "I would like")
    memory.unsay(1)
    memory.ask(2, "I would like an appointment")
    assert memory.items() == [{"role": "user", "content": "I would like an appointment"}]


def test_unanswered_turns_are_joined() -> None:
    memory = Memory()
    memory.ask(1, "Hello?")
    memory.ask(2, "Anyone there?")
    assert memory.items() == [{"role": "user", "content": "Hello?\nAnyone there?"}]


_steps = st.lists(
    st.tuples(
        st.sampled_from(["ask", "say", "unsay", "tool", "done", "remember"]),
        st.integers(0, 6),
        st.text("ab ", max_size=40),
    ),
    max_size=60,
)


@given(_steps)
def test_every_call_has_its_output_and_the_whole_is_bounded(steps: list[tuple[str, int, str]]) -> None:
    memory = Memory(limit=200)
    calls = 0
    for step, reply, text in steps:
        match step:
            case "ask":
                memory.ask(reply, text)
            case "say":
                memory.say(reply, text)
            case "unsay":
                memory.unsay(reply)
            case "tool":
                calls += 1
                memory.tool_called(reply, f"c{calls}", "t", "{}")
            case "done":
                memory.tool_finished(reply, f"c{calls}", "out")
            case "remember":
                memory.remember(reply, text)
    items = memory.items()
    for at, item in enumerate(items):
        if item.get("type") == "function_call":
            output = items[at + 1]
            assert output["call_id"] == item["call_id"]  # type: ignore[typeddict-item]
            assert output["output"] in (UNFINISHED, "out")  # type: ignore[typeddict-item]
    roles = [item.get("role") for item in items]
    assert not any(a == b == "user" for a, b in pairwise(roles))


def test_the_oldest_turns_go_first_and_many_at_once() -> None:
    memory = Memory(limit=1_000)
    lengths = []
    for reply in range(40):
        memory.ask(reply, f"{reply} " + "x" * 48)
        memory.say(reply, "y" * 50)
        lengths.append(len(memory.items()))
    kept = [item["content"] for item in memory.items() if item.get("role") == "user"]  # type: ignore[typeddict-item]
    assert kept[-1].startswith("39 ")
    assert max(lengths) <= 22
    assert sum(b < a for a, b in pairwise(lengths)) <= 9  # cuts, each of which costs a cached prefix


def test_a_forgotten_turn_is_gone_but_not_what_a_tool_did_in_it() -> None:
    memory = Memory()
    memory.ask(1, "Free on")
    memory.tool_called(1, "a", "find_slots", "{}", changes=False)
    memory.forget(1)
    assert memory.items() == []
    memory.ask(2, "Book it")
    memory.tool_called(2, "b", "book_slot", "{}")
    memory.tool_finished(2, "b", "booked")
    memory.forget(2)
    assert [item.get("output") for item in memory.items()] == [None, None, "booked"]


def test_a_note_stands_behind_the_callers_next_words_alone():
    memory = Memory()
    memory.ask(1, "Hello.")
    memory.note("emotion", "[The caller sounds angry.]")
    memory.ask(2, "Where is it?")
    memory.ask(3, "And now?")
    said = [item["content"] for item in memory.items()]
    assert said == ["Hello.\nWhere is it? [The caller sounds angry.]\nAnd now?"]
    assert memory.dialogue == [("caller", "Hello."), ("caller", "Where is it?"), ("caller", "And now?")]


def test_a_note_of_a_turn_that_was_none_goes_with_the_next():
    memory = Memory()
    memory.note("emotion", "[The caller sounds angry.]")
    memory.ask(1, "Where is")
    memory.forget(1)
    memory.ask(2, "Where is it?")
    assert memory.items()[0]["content"] == "Where is it? [The caller sounds angry.]"
    memory.ask(3, "Where is it? Tell me!")  # he went on speaking
    assert memory.items()[0]["content"] == "Where is it? Tell me! [The caller sounds angry.]"


def test_of_several_facts_each_has_its_note():
    memory = Memory()
    memory.note("known_caller", "[It is Anne.]")
    memory.note("emotion", "[He sounds sad.]")
    memory.note("emotion", "[He sounds angry.]")
    memory.ask(1, "Hello.")
    assert memory.items()[0]["content"] == "Hello. [It is Anne.] [He sounds angry.]"
