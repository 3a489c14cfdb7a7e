"""The embedded model as the openai-agents SDK sees any other: an implementation of its `Model` interface."""

import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

from agents import FunctionTool, ModelBehaviorError, ModelResponse, ModelSettings, Tool, TResponseInputItem, Usage
from agents.items import TResponseStreamEvent
from agents.models.interface import Model
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseCreatedEvent,
    ResponseFunctionToolCall,
    ResponseOutputItem,
    ResponseOutputItemAddedEvent,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseTextDeltaEvent,
)

from pipelines.adapters.agent.engine import EmbeddedEngine
from pipelines.adapters.agent.grammar import (
    call_text,
    called,
    is_call,
    read_call,
    reply_grammar,
    settled_call,
    tool_prompt,
)


class ConstrainedModel(Model):
    """Decodes under `reply_grammar`: text goes out as it comes; a tool call is known by its first character and always
    valid."""

    def __init__(self, engine: EmbeddedEngine) -> None:
        self._engine = engine

    async def stream_response(
        self,
        system_instructions: str | None,
        input: str | list[TResponseInputItem],
        model_settings: ModelSettings,
        tools: list[Tool],
        *_: Any,
        **__: Any,
    ) -> AsyncIterator[TResponseStreamEvent]:
        """See `Model.stream_response`; output schemas, hand-offs and server-side conversations do not apply here."""
        client = await self._engine.client()
        functions = _functions(tools)
        stream = await client.chat.completions.create(
            model="embedded",
            messages=messages(system_instructions or "", input, functions),
            stream=True,
            temperature=model_settings.temperature or 0.0,
            max_tokens=model_settings.max_tokens,
            seed=1,
            extra_body={"grammar": reply_grammar(functions), "cache_prompt": True},
        )
        item_id = f"msg_{uuid.uuid4().hex}"
        text, number, named = "", 0, False
        try:
            async for chunk in stream:
                if not chunk.choices:
                    continue
                delta = chunk.choices[0].delta.content
                if not delta:
                    continue
                if not text:
                    yield ResponseCreatedEvent(type="response.created", sequence_number=number, response=_response([]))
                text += delta
                if is_call(text):
                    tool = called(text, functions)
                    if tool is not None and not named:
                        named = True
                        number += 1
                        yield ResponseOutputItemAddedEvent(
                            type="response.output_item.added",
                            item=ResponseFunctionToolCall(
                                type="function_call", call_id=item_id, name=tool.name, arguments=""
                            ),
                            output_index=0,
                            sequence_number=number,
                        )
                    if (whole := settled_call(text, functions)) is not None:
                        text = whole
                        break  # what is left to be written is known: each token of it would cost the caller 60 ms
                else:
                    number += 1
                    yield ResponseTextDeltaEvent(
                        type="response.output_text.delta",
                        content_index=0,
                        delta=delta,
                        item_id=item_id,
                        logprobs=[],
                        output_index=0,
                        sequence_number=number,
                    )
        finally:
            await stream.close()  # a cancelled reply must stop computing
        completed = _response([_output(text, item_id, functions)])
        yield ResponseCompletedEvent(type="response.completed", sequence_number=number + 1, response=completed)

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        """See `Model.get_response`."""
        output: list[ResponseOutputItem] = []
        async for event in self.stream_response(*args, **kwargs):
            if isinstance(event, ResponseCompletedEvent):
                output = event.response.output
        return ModelResponse(output=output, usage=Usage(requests=1), response_id=None)

    async def prefill(self, system_instructions: str, input: list[TResponseInputItem], tools: list[Tool]) -> None:
        """Compute the prompt without answering, so that the next one that starts the same way is quick."""
        client = await self._engine.client()
        functions = _functions(tools)
        await client.chat.completions.create(
            model="embedded",
            messages=messages(system_instructions, input, functions),
            max_tokens=0,
            temperature=0.0,
            extra_body={"grammar": reply_grammar(functions), "cache_prompt": True},
        )


def messages(
    system_instructions: str, input: str | list[TResponseInputItem], tools: list[FunctionTool]
) -> list[dict[str, Any]]:
    """Chat messages for the endpoint: tools told in the system prompt, their calls as `call_text` in the assistant's
    turns.

    The tools come first: they are the same for all calls, so the cached prefix is long even where instructions end with
    a date.
    """
    system = "\n\n".join(part for part in (tool_prompt(tools), system_instructions) if part)
    out: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    for item in [{"role": "user", "content": input}] if isinstance(input, str) else input:
        match item:
            case {"type": "function_call", "name": str(name), "arguments": str(arguments)}:
                tool = next((tool for tool in tools if tool.name == name), None)
                content = call_text(tool, arguments) if tool else f"{name}()"  # of a toolbox that has changed meanwhile
                out.append({"role": "assistant", "content": content})
            case {"type": "function_call_output", "output": output}:
                out.append({"role": "tool", "content": str(output)})
            case {"role": str(role), "content": str(content)}:
                out.append({"role": role, "content": content})
            case {"role": str(role), "content": list(parts)}:
                out.append({"role": role, "content": "".join(part.get("text", "") for part in parts)})
            case _:
                raise ModelBehaviorError(f"the embedded model cannot take an item of type {item.get('type')!r}")
    return out


def _functions(tools: list[Tool]) -> list[FunctionTool]:
    return [tool for tool in tools if isinstance(tool, FunctionTool)]


def _output(text: str, item_id: str, tools: list[FunctionTool]) -> ResponseOutputItem:
    if not text or not is_call(text):
        content = ResponseOutputText(type="output_text", text=text, annotations=[])
        return ResponseOutputMessage(
            id=item_id, type="message", role="assistant", status="completed", content=[content]
        )
    try:
        name, arguments = read_call(text, tools)
    except ValueError:
        raise ModelBehaviorError("the embedded model's tool call was cut short by the token limit") from None
    return ResponseFunctionToolCall(
        id=item_id, type="function_call", call_id=f"call_{uuid.uuid4().hex}", name=name, arguments=arguments
    )


def _response(output: list[ResponseOutputItem]) -> Response:
    return Response(
        id=f"resp_{uuid.uuid4().hex}",
        created_at=time.time(),
        model="embedded",
        object="response",
        output=output,
        parallel_tool_calls=False,
        tool_choice="auto",
        tools=[],
    )
