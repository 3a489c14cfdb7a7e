"""One question to a language model whose answer is JSON of a given schema: no agent, no memory, no tools."""

import asyncio
import json
from typing import Any

import openai
from openai import AsyncOpenAI

from pipelines.adapters.agent.engine import EmbeddedEngine
from pipelines.adapters.agent.factory import Endpoint
from pipelines.adapters.agent.grammar import json_grammar
from pipelines.errors import ModelError

_PIECE = 800
"""Characters of the question that the embedded model reads at once, about 200 tokens, three seconds on two cores. Between pieces it can be
called away; within one it cannot."""


async def ask_json(
    llm: EmbeddedEngine | Endpoint,
    system: str,
    question: str,
    schema: dict[str, Any],
    *,
    tokens: int,
    limit_s: float,
    temperature: float = 0.0,
    seed: int = 1,
) -> Any:
    """What the model answers, decoded. `tokens`: longest answer; `limit_s`: seconds until it must be there; `temperature`: how much is left to
    chance, and `seed`: to which. Asked once; when cancelled, the model stops. The embedded model cannot but keep to the schema, an endpoint is asked to. Raises ModelError."""
    client = None
    try:
        async with asyncio.timeout(limit_s):
            if isinstance(llm, EmbeddedEngine):
                text = await _ask_embedded(await llm.client(), system, question, schema, tokens, temperature, seed)
            else:
                client = AsyncOpenAI(base_url=llm.base_url, api_key=llm.api_key or "none", max_retries=0)
                text = await _ask_endpoint(client, llm.model, system, question, schema, tokens, temperature, seed)
    except TimeoutError:
        raise ModelError(f"no answer within {limit_s:g} s") from None
    except openai.OpenAIError as error:
        raise ModelError(f"the language model failed: {type(error).__name__}") from None
    finally:
        if client is not None:
            await client.close()
    try:
        return json.loads(text)
    except ValueError:
        raise ModelError("the language model's answer is no JSON, or was cut short") from None


async def _ask_embedded(
    client: AsyncOpenAI,
    system: str,
    question: str,
    schema: dict[str, Any],
    tokens: int,
    temperature: float = 0.0,
    seed: int = 1,
) -> str:
    body = {"grammar": json_grammar(schema), "cache_prompt": True}
    for end in range(_PIECE, len(question), _PIECE):
        await client.chat.completions.create(
            model="embedded", messages=_messages(system, question[:end]), max_tokens=0, temperature=0.0, extra_body=body
        )
    answer = await client.chat.completions.create(
        model="embedded",
        messages=_messages(system, question),
        max_tokens=tokens,
        temperature=temperature,
        seed=seed,
        extra_body=body,
    )
    return answer.choices[0].message.content or ""


async def _ask_endpoint(
    client: AsyncOpenAI,
    model: str,
    system: str,
    question: str,
    schema: dict[str, Any],
    tokens: int,
    temperature: float = 0.0,
    seed: int = 1,
) -> str:
    answer = await client.chat.completions.create(
        model=model,
        messages=_messages(system, question),
        max_tokens=tokens,
        temperature=temperature,
        **({"seed": seed} if temperature else {}),
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": _without_lengths(schema), "strict": True},
        },
    )
    return (answer.choices[0].message.content if answer.choices else None) or ""


def _messages(system: str, question: str) -> list[Any]:
    return [{"role": "system", "content": system}, {"role": "user", "content": question}]


def _without_lengths(schema: Any) -> Any:
    """Strict services refuse lengths."""
    if isinstance(schema, dict):
        return {key: _without_lengths(value) for key, value in schema.items() if key != "maxLength"}
    return [_without_lengths(item) for item in schema] if isinstance(schema, list) else schema
