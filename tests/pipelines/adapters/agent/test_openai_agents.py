import asyncio
import traceback

import pytest
from agents import RunContextWrapper

from pipelines.adapters.agent import watched
from pipelines.adapters.agent.context import CallContext, Spoken
from pipelines.adapters.agent.factory import AgentFactory, Endpoint
from pipelines.adapters.agent.openai_agents import AgentLimits, OpenAIAgent
from pipelines.adapters.agent.watched import reading
from pipelines.errors import ModelError
from pipelines.events import HangUpRequested, ReplyDelta, ToolExpected, ToolFinished, ToolStarted, TransferRequested
from server.tools.call import call_tools
from server.tools.functions import function_as_tool
from tests.helpers.agent import NOW, FakeEndpoint, answer, serving, words

QUICK = AgentLimits(first_token_s=0.3, model_s=0.6, tool_s=0.2)


def opened(url: str, tools=(), fallback: str = "", **options) -> OpenAIAgent:
    factory = AgentFactory(
        Endpoint(url, "m", "secret-key"),
        instructions={"en": "Be brief.", "fr": "Sois bref."},
        tools=tools,
        fallback=Endpoint(fallback, "m2") if fallback else None,
        limits=options.pop("limits", QUICK),
        fallback_limits=options.pop("fallback_limits", QUICK),
        notes=options.pop("notes", None),
    )
    return factory.open("c", "+15550100", "+15550101", "en", NOW)


async def test_text_streams_and_is_remembered_as_heard() -> None:
    endpoint = FakeEndpoint(["We are ", "open."], ["Bye."])
    async with serving(endpoint) as url:
        agent = opened(url)
        agent.remember(0, "Hello, Riverside.")
        assert await answer(agent, 1, "Open?") == [ReplyDelta(1, "We are "), ReplyDelta(1, "open.")]
        agent.remember(1, "We are")
        await answer(agent, 2, "Merci", "fr")
    first, second = (request["messages"] for request in endpoint.requests)
    assert first[0] == {"role": "system", "content": "Be brief. Today is Tuesday, 2026-11-24."}
    assert first[1:] == [
        {"role": "assistant", "content": "Hello, Riverside."},
        {"role": "user", "content": "Open?"},
    ]
    assert second[0]["content"].startswith("Sois bref. Nous sommes mardi")
    assert second[-2:] == [{"role": "assistant", "content": "We are"}, {"role": "user", "content": "Merci"}]


async def test_a_tool_runs_and_its_output_goes_back_to_the_model() -> None:
    async def weather(city: str) -> str:
        """weather"""
        return f"sunny in {city}"

    endpoint = FakeEndpoint([("call", "weather", '{"city": "Lyon"}')], ["It is sunny."])
    async with serving(endpoint) as url:
        events = await answer(opened(url, [function_as_tool(weather)]), 1, "Weather?")
    assert events == [
        ToolExpected(1, "weather"),
        ToolStarted(1, "weather", '{"city": "Lyon"}'),
        ToolFinished(1, "weather", "sunny in Lyon"),
        ReplyDelta(1, "It is sunny."),
    ]
    assert endpoint.requests[1]["messages"][-1]["content"] == "sunny in Lyon"


async def test_a_spoken_result_is_said_without_asking_the_model_again() -> None:
    async def hours() -> str:
        """opening hours"""
        return Spoken("From nine to five.")

    endpoint = FakeEndpoint([("call", "hours", "{}")], ["You're welcome."])
    async with serving(endpoint) as url:
        agent = opened(url, [function_as_tool(hours)])
        assert words(await answer(agent, 1, "Hours?")) == "From nine to five."
        assert words(await answer(agent, 2, "Thanks")) == "You're welcome."
    said = [(m["role"], m.get("content")) for m in endpoint.requests[1]["messages"][1:]]
    assert [role for role, _ in said] == ["user", "assistant", "tool", "assistant", "user"]
    assert said[3] == ("assistant", "From nine to five.")


@pytest.mark.parametrize(("language", "goodbye"), [("en", "Goodbye"), ("fr", "Au revoir")])
async def test_hanging_up_says_goodbye_once(language: str, goodbye: str) -> None:
    endpoint = FakeEndpoint([("call", "hang_up", "{}")], ["Bye now.", ("call", "hang_up", "{}")])
    async with serving(endpoint) as url:
        agent = opened(url, call_tools())
        events = await answer(agent, 1, "Bye", language)
        assert HangUpRequested(1) in events
        assert goodbye in words(events)
        assert words(await answer(agent, 2, "Bye", language)) == "Bye now."


async def test_a_transfer_names_the_configured_number_only() -> None:
    endpoint = FakeEndpoint([("call", "transfer_to_person", '{"number": "+19005550000"}')])
    async with serving(endpoint) as url:
        events = await answer(opened(url, call_tools("+15550199")), 1, "A person please")
    assert [e for e in events if isinstance(e, TransferRequested)] == [TransferRequested(1, "+15550199")]


async def test_a_tool_that_raises_or_hangs_fails_alone() -> None:
    async def broken() -> str:
        """broken"""
        raise RuntimeError("the caller's words")

    async def slow() -> str:
        """slow"""
        await asyncio.sleep(30)
        return ""

    endpoint = FakeEndpoint([("call", "broken", "{}")], [("call", "slow", "{}")], ["Sorry."])
    async with serving(endpoint) as url:
        events = await answer(opened(url, [function_as_tool(broken), function_as_tool(slow)]), 1, "Go")
    finished = [e for e in events if isinstance(e, ToolFinished)]
    assert [e.failed for e in finished] == [True, True]
    assert "words" not in finished[0].output
    assert finished[1].output == watched.TIMED_OUT
    assert words(events) == "Sorry."


@pytest.mark.parametrize("arguments", ["[1]", "{", '{"city": ' + '"' + "x" * 3_000 + '"}', '{"town": "Lyon"}'])
async def test_bad_arguments_never_reach_the_tool(arguments: str) -> None:
    reached = []

    async def weather(city: str) -> str:
        """weather"""
        reached.append(city)
        return ""

    endpoint = FakeEndpoint([("call", "weather", arguments)], ["Sorry."])
    async with serving(endpoint) as url:
        events = await answer(opened(url, [function_as_tool(weather)]), 1, "Go")
    assert not reached
    assert words(events) == "Sorry."


async def test_cancelling_stops_the_model() -> None:
    endpoint = FakeEndpoint(["One ", 30])
    async with serving(endpoint) as url:
        agent = opened(url, limits=AgentLimits())
        async for _ in agent.reply(1, "Count", "en"):
            break
        async with asyncio.timeout(2):
            await endpoint.dropped.wait()
        agent.remember(1, "One")
        assert len([t for t in asyncio.all_tasks() if t.get_name().startswith("agent-reply")]) <= 1


async def test_a_tool_that_has_begun_finishes_and_is_remembered() -> None:
    began, release, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def book() -> str:
        """book"""
        began.set()
        await release.wait()
        done.set()
        return "booked"

    endpoint = FakeEndpoint([("call", "book", "{}")], ["Yes."], ["Indeed."])
    async with serving(endpoint) as url:
        agent = opened(url, [function_as_tool(book)], limits=AgentLimits())
        task = asyncio.create_task(answer(agent, 1, "Book"))
        await began.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        agent.remember(1, "")
        await answer(agent, 2, "Did it work?")
        assert "not finished" in str(endpoint.requests[1]["messages"])
        release.set()
        await done.wait()
        await asyncio.sleep(0)
        await answer(agent, 3, "And now?")
    assert "booked" in str(endpoint.requests[2]["messages"])


@pytest.mark.parametrize(
    "script",
    [
        [{"status": 401, "body": {"error": {"message": "Incorrect API key provided: secret-key"}}}],
        [{"status": 500, "body": {"error": {"message": "secret-key"}}}],
        [30],
        ["So ", 30],
        ["So ", "<drop>"],
        [("call", "no_such_tool", "{}")],
    ],
)
async def test_a_failing_model_is_a_model_error_without_the_key(script: list) -> None:
    async with serving(FakeEndpoint(script)) as url:
        agent = opened(url)
        with pytest.raises(ModelError) as caught:
            await answer(agent, 1, "Hello")
    assert "secret-key" not in "".join(traceback.format_exception(caught.value))


async def test_the_fallback_answers_the_third_attempt() -> None:
    broken = FakeEndpoint(*[[{"status": 500, "body": {}}]] * 2)
    other = FakeEndpoint([0.4, "Here I am."])
    slow = AgentLimits(first_token_s=2.0, model_s=2.0, temperature=0.7)
    async with serving(broken) as url, serving(other) as url2:
        agent = opened(url, fallback=url2, fallback_limits=slow)
        for attempt in (0, 1):
            with pytest.raises(ModelError):
                await answer(agent, 1, "Hello", attempt=attempt)
        assert words(await answer(agent, 1, "Hello", attempt=2)) == "Here I am."
    assert [m["role"] for m in other.requests[0]["messages"]] == ["system", "user"]
    assert [r["temperature"] for r in (*broken.requests, *other.requests)] == [0.0, 0.0, 0.7]


async def test_a_speculative_reply_reads_but_does_nothing_before_it_is_committed() -> None:
    done: list[str] = []

    async def look() -> str:
        """look"""
        done.append("looked")
        return "free"

    async def book() -> str:
        """book"""
        done.append("booked")
        return "booked"

    script = ([("call", "look", "{}")], [("call", "book", "{}")], ["Booked."])
    async with serving(FakeEndpoint(*script)) as url:
        agent = opened(url, [reading(function_as_tool(look)), function_as_tool(book)], limits=AgentLimits())
        reply = asyncio.create_task(answer(agent, 1, "Book it", speculative=True))
        await asyncio.wait_for(agent.held(1), 5)
        assert done == ["looked"]
        agent.commit(1)
        assert words(await asyncio.wait_for(reply, 5)) == "Booked."
        assert done == ["looked", "booked"]


async def test_a_commit_may_come_before_the_reply_has_begun() -> None:
    async def book() -> str:
        """book"""
        return "booked"

    async with serving(FakeEndpoint([("call", "book", "{}")], ["Booked."])) as url:
        agent = opened(url, [function_as_tool(book)], limits=AgentLimits())
        agent.commit(1)
        assert words(await asyncio.wait_for(answer(agent, 1, "Book it", speculative=True), 5)) == "Booked."


async def test_a_draft_that_was_dropped_leaves_nothing_behind() -> None:
    done: list[str] = []

    async def book() -> str:
        """book"""
        done.append("booked")
        return "booked"

    endpoint = FakeEndpoint([("call", "book", "{}")], ["For when?"])
    async with serving(endpoint) as url:
        agent = opened(url, [function_as_tool(book)], limits=AgentLimits())
        reply = asyncio.create_task(answer(agent, 1, "Book", speculative=True))
        await asyncio.wait_for(agent.held(1), 5)
        reply.cancel()
        agent.forget(1)
        await asyncio.gather(reply, return_exceptions=True)
        assert words(await answer(agent, 2, "Book a table, please.")) == "For when?"
    assert done == []
    assert [m["content"] for m in endpoint.requests[1]["messages"][1:]] == ["Book a table, please."]


async def test_endless_tool_calls_end() -> None:
    async def again() -> str:
        """again"""
        return "again"

    async with serving(FakeEndpoint(*[[("call", "again", "{}")]] * 6)) as url:
        with pytest.raises(ModelError):
            await answer(opened(url, [function_as_tool(again)]), 1, "Go")


async def test_tools_know_the_call() -> None:
    seen: list[CallContext] = []

    async def look(context: RunContextWrapper[CallContext]) -> str:
        """look"""
        seen.append(context.context)
        return "ok"

    async with serving(FakeEndpoint([("call", "look", "{}")], ["Ok."])) as url:
        agent = opened(url, [function_as_tool(look)])
        agent.remember(0, "Hello.")
        await answer(agent, 1, "Look", "fr")
    [context] = seen
    assert (context.caller, context.language, context.now) == ("+15550100", "fr", NOW)
    assert context.dialogue == [("agent", "Hello."), ("caller", "Look")]


@pytest.mark.parametrize(("language", "whispered"), [("en", "A colleague tells you"), ("fr", "Un collègue te dit")])
async def test_a_note_of_an_operator_is_read_behind_the_callers_next_words(language: str, whispered: str) -> None:
    endpoint = FakeEndpoint(["Hello."], ["Good."])
    async with serving(endpoint) as url:
        agent = opened(url)
        async for _ in agent.reply(1, "Allô ?", language):
            pass
        agent.notice("note", "She is a regular.", 1.0)
        async for _ in agent.reply(2, "Oui.", language):
            pass
    asked = endpoint.requests[1]["messages"][-1]["content"]
    assert asked.endswith(f"Oui. [{whispered}: She is a regular.]")


@pytest.mark.parametrize(("language", "told"), [("en", "[Probably Anne. No proof.]"), ("fr", "[Sans doute Anne.]")])
async def test_a_known_caller_is_noted_once_and_known_to_tools_in_each_reply(language, told) -> None:
    seen = []

    async def who(context: RunContextWrapper[CallContext]) -> str:
        """who calls"""
        seen.append(context.context.known_caller)
        return "ok"

    script = (["Hello."], [("call", "who", "{}")], ["You."], [("call", "who", "{}")], ["You again."])
    endpoint = FakeEndpoint(*script)
    notes = {"known_caller": {"en": "Probably {name}. No proof.", "fr": "Sans doute {name}."}}
    async with serving(endpoint) as url:
        agent = opened(url, [function_as_tool(who)], notes=notes)
        await answer(agent, 1, "Hm.", language)
        agent.notice("known_caller", "Anne", 0.91, 0.82)
        await answer(agent, 2, "Hm?", language)
        await answer(agent, 3, "Hm!", language)
    asked = [message["content"] for message in endpoint.requests[-1]["messages"] if message["role"] == "user"]
    assert [words for words in asked if "Anne" in words] == [f"Hm? {told}"]
    assert [(known.name, known.score, known.threshold) for known in seen] == [("Anne", 0.91, 0.82)] * 2
