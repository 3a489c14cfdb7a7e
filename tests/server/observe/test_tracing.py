import asyncio
import gzip
from collections.abc import Iterator

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from pipelines import actions as do
from pipelines import events as ev
from server.observe.tracing import Tracing
from tests.golden.behaviours import BEHAVIOURS
from tests.helpers.bench import Bench
from tests.helpers.houses import open_house

QUESTION = (3.0, 4.0)


def traced(bench: Bench, seconds: float = 20.0, *, words: bool = False) -> list[ReadableSpan]:
    """The spans of the call on the bench, as a collector gets them."""
    exporter = InMemorySpanExporter()
    tracing = Tracing(exporter, "1.2.3", model="qwen", words=words)
    observe = tracing.call("CA1", "twilio", "front-desk")
    bench.post(seconds, ev.CallEnded("caller"))
    bench.run(seconds + 1)
    for at, event, actions in bench.log:
        observe(at, event, actions)
    tracing.close()
    return list(exporter.get_finished_spans())


def named(spans: list[ReadableSpan], name: str) -> list[ReadableSpan]:
    return [span for span in spans if span.name.startswith(name)]


def below(spans: list[ReadableSpan], parent: ReadableSpan) -> Iterator[ReadableSpan]:
    return (span for span in spans if span.parent is not None and span.parent.span_id == parent.context.span_id)


def test_a_call_is_one_trace_and_each_turn_a_tree_of_what_it_took():
    spans = traced(Bench(speech=(QUESTION,)))
    (call,) = named(spans, "call")
    assert {span.context.trace_id for span in spans} == {call.context.trace_id}
    assert call.attributes["allo.end_reason"] == "caller"
    greeting, turn = sorted(named(spans, "turn"), key=lambda span: span.start_time)[:2]
    assert {span.name for span in below(spans, greeting)} == {"synthesize"}
    names = [span.name for span in sorted(below(spans, turn), key=lambda span: span.start_time)]
    assert names[0] == "endpointing"
    assert {"transcribe", "chat qwen", "synthesize", "first_token", "playout"} <= set(names)
    parts = [s for s in below(spans, turn) if s.name in ("endpointing", "stt", "first_token", "first_audio", "playout")]
    total = sum(span.end_time - span.start_time for span in parts) / 1e9
    assert total == pytest.approx(turn.attributes["allo.response_gap"], abs=1e-4)
    assert (turn.start_time - call.start_time) / 1e9 == pytest.approx(4.0, abs=0.1)  # his last word


def test_the_words_stay_out_unless_they_are_asked_for():
    assert "hours" not in repr([(s.name, dict(s.attributes)) for s in traced(Bench(speech=(QUESTION,)))])
    spoken = [
        span.attributes.get("gen_ai.input.messages", "") for span in traced(Bench(speech=(QUESTION,)), words=True)
    ]
    assert any("What are your hours?" in text for text in spoken)


def test_tools_are_below_the_model_that_called_them():
    def reply(text: str) -> list[ev.Event | str]:
        tool = ev.ToolStarted(1, "find_slots", '{"day": "secret"}')
        return [tool, *[""] * 10, ev.ToolFinished(1, "find_slots", failed=True), "Friday is free."]

    spans = traced(Bench(speech=(QUESTION,), reply=reply))
    (tool,) = named(spans, "execute_tool")
    (chat,) = named(spans, "chat")
    assert tool.parent.span_id == chat.context.span_id
    assert tool.status.status_code is StatusCode.ERROR
    assert dict(tool.attributes) == {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "find_slots"}
    assert (tool.end_time - tool.start_time) / 1e9 == pytest.approx(0.2, abs=0.05)


def test_a_draft_that_was_dropped_leaves_no_span():
    seconds, make = BEHAVIOURS["draft_dropped"]
    bench = make()
    spans = traced(bench, seconds)
    drafts = [action for _, _, actions in bench.log for action in actions if isinstance(action, do.StartReply)]
    assert len(drafts) == 2
    assert len(named(spans, "chat")) == 1


def test_a_failed_model_is_an_error_and_its_second_try_is_not():
    bench = Bench(speech=(QUESTION,))
    bench.fail = {"agent": 1}
    first, second = sorted(named(traced(bench), "chat"), key=lambda span: span.start_time)
    assert first.status.status_code is StatusCode.ERROR
    assert second.status.status_code is StatusCode.UNSET
    assert (first.attributes["allo.attempt"], second.attributes["allo.attempt"]) == (0, 1)


@pytest.mark.parametrize("name", sorted(BEHAVIOURS))
def test_every_behaviour_gives_whole_trees(name):
    seconds, make = BEHAVIOURS[name]
    spans = traced(make(), seconds)
    known = {span.context.span_id: span for span in spans}
    (call,) = [span for span in spans if span.parent is None]
    assert call.name == "call"
    for span in spans:
        assert span.end_time >= span.start_time
        assert span is call or span.parent.span_id in known


async def test_a_server_sends_its_calls_to_the_collector_by_otlp():
    received: list[tuple[str, ExportTraceServiceRequest]] = []

    async def collect(request: web.Request) -> web.Response:
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        received.append((request.headers["X-Key"], ExportTraceServiceRequest.FromString(body)))
        return web.Response(body=b"", content_type="application/x-protobuf")

    app = web.Application()
    app.router.add_post("/v1/traces", collect)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        tracing = {"endpoint": f"http://127.0.0.1:{runner.addresses[0][1]}/v1/traces", "headers": {"X-Key": "env:KEY"}}
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KEY", "s3cret")
            await one_call({"tracing": tracing, "agents": [{"name": "line", "kind": "echo"}]})
    finally:
        await runner.cleanup()
    ((key, request),) = received
    assert key == "s3cret"
    (span,) = request.resource_spans[0].scope_spans[0].spans
    assert span.name == "call"


async def test_a_collector_that_is_not_there_costs_no_call():
    tracing = {"endpoint": "http://127.0.0.1:9/v1/traces"}
    async with asyncio.timeout(30):
        await one_call({"tracing": tracing, "agents": [{"name": "line", "kind": "echo"}]})


async def one_call(config: dict) -> None:
    async with open_house(config) as (house, http), http.ws_connect("/ws") as socket:
        await socket.send_json({"event": "start", "conversation_id": "c1"})
        async with asyncio.timeout(5):
            while not house.sessions:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            await socket.close()
            while house.sessions:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
