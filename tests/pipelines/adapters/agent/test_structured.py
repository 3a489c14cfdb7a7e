"""Questions whose answer is JSON: in pieces and under a grammar on this machine. What endpoints are asked is in `tests/server/analysis/test_findings`."""

import itertools
import json

import pytest
from openai import AsyncOpenAI

from pipelines.adapters.agent.engine import EmbeddedEngine
from pipelines.adapters.agent.grammar import json_grammar
from pipelines.adapters.agent.structured import _ask_embedded, ask_json
from pipelines.errors import ModelError
from tests.helpers.agent import QWEN, FakeEndpoint, serving
from tests.server.analysis.test_findings import answered

SCHEMA = {
    "type": "object",
    "properties": {
        "summary": {"type": "string", "maxLength": 80},
        "day": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
        "why": {"type": "string", "enum": ["booking", "question"]},
    },
    "required": ["summary", "day", "why"],
    "additionalProperties": False,
}


def test_the_grammar_is_one_value_on_one_line() -> None:
    first, start = json_grammar(SCHEMA).splitlines()
    assert first == "%llguidance {}"
    schema = json.loads(start.removeprefix("start: %json "))
    assert schema["properties"]["summary"]["maxLength"] == 80
    assert schema["x-guidance"]["whitespace_flexible"] is False


async def test_a_long_question_is_read_in_pieces_that_grow() -> None:
    fake = FakeEndpoint(answered(""), answered(""), answered('{"summary": "x"}'))
    question = "word " * 400
    async with serving(fake) as url, AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
        assert await _ask_embedded(client, "Be short.", question, SCHEMA, 50) == '{"summary": "x"}'
    read = [request["messages"][1]["content"] for request in fake.requests]
    assert [len(text) for text in read] == [800, 1600, 2000]
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(read))
    assert [request["max_tokens"] for request in fake.requests] == [0, 0, 50]
    assert all(request["cache_prompt"] for request in fake.requests)


@pytest.mark.skipif(not QWEN.is_file(), reason=f"no weights at {QWEN}: run `allo models pull`")
@pytest.mark.timeout(600)
async def test_the_embedded_model_keeps_to_the_schema() -> None:
    engine = await EmbeddedEngine.start(QWEN, context=2048, slots=1, ready_s=300)
    try:
        said = "caller: I would like an appointment on 2026-11-24, please.\nagent: You are booked."
        answer = await ask_json(engine, "Fill in the form about this call.", said, SCHEMA, tokens=120, limit_s=200)
        assert list(answer) == ["summary", "day", "why"]
        assert answer["why"] in ("booking", "question")
        with pytest.raises(ModelError, match="cut short"):
            await ask_json(engine, "Fill in the form about this call.", said, SCHEMA, tokens=3, limit_s=200)
    finally:
        await engine.close()
