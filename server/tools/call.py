"""The call's own tools: hang up, transfer to a person, press keys, ask the caller for keys. They ask; the call acts once
the last words were heard."""

from collections.abc import Mapping
from typing import Annotated

from agents import FunctionTool, RunContextWrapper
from pydantic import Field

from pipelines.adapters.agent.context import CallContext, Spoken
from pipelines.events import DigitsExpected, DigitsRequested, HangUpRequested, TransferRequested
from server.tools.functions import function_as_tool, reads_only

GOODBYE = {"en": "Thank you for calling. Goodbye!", "fr": "Merci de votre appel. Au revoir !"}
HANDING_OVER = {
    "en": "One moment please, I'll put you through.",
    "fr": "Un instant s'il vous plaît, je vous mets en relation.",
}


def call_tools(
    transfer_number: str = "",
    *,
    keypad: bool = False,
    goodbye: Mapping[str, str] = GOODBYE,
    handing_over: Mapping[str, str] = HANDING_OVER,
) -> list[FunctionTool]:
    """`hang_up`; `transfer_to_person` when there is a number to transfer to; with `keypad`,
    `collect_digits` (what the caller keys comes as his next turn, "[keypad] 1234") and `send_digits` (to dial through
    menus, on carriers that can). `goodbye`, `handing_over`: by language, said when the agent has not said anything itself
    in that reply."""

    def last_words(call: CallContext, words: Mapping[str, str]) -> Spoken:
        return Spoken("" if call.said else words.get(call.language) or words["en"])

    @reads_only  # the call acts on it when the reply was heard
    async def hang_up(context: RunContextWrapper[CallContext]) -> str:
        """the caller says goodbye or needs nothing more"""
        call = context.context
        call.emit(HangUpRequested(call.reply))
        return last_words(call, goodbye)

    @reads_only
    async def transfer_to_person(context: RunContextWrapper[CallContext]) -> str:
        """the caller asks for a person"""
        call = context.context
        call.emit(TransferRequested(call.reply, transfer_number))
        return last_words(call, handing_over)

    async def send_digits(
        context: RunContextWrapper[CallContext],
        digits: Annotated[str, Field(pattern=r"^[0-9*#]{1,32}$", max_length=32)],
    ) -> str:
        """press telephone keys"""
        call = context.context
        call.emit(DigitsRequested(call.reply, digits))
        return "sent"

    async def collect_digits(
        context: RunContextWrapper[CallContext],
        length: Annotated[int, Field(ge=0, le=32)],
    ) -> str:
        """the caller is to press telephone keys, length 0 if unknown: ask him for them"""
        call = context.context
        call.emit(DigitsExpected(call.reply, length))
        return "ready: ask for the digits, they come as [keypad]"

    tools: list[FunctionTool] = [function_as_tool(hang_up)]
    if transfer_number:
        tools.append(function_as_tool(transfer_to_person))
    if keypad:
        tools += [function_as_tool(collect_digits), function_as_tool(send_digits)]
    return tools
