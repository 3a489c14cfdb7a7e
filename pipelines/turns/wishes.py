"""What the agent asks of the call, through its tools. A reply that is over asks for nothing any more."""

from pipelines.actions import Action, SendDigits
from pipelines.events import DigitsExpected, DigitsRequested, HangUpRequested, TransferRequested
from pipelines.turns.keypad import Keypad
from pipelines.turns.speaking import Speaking

Wish = HangUpRequested | TransferRequested | DigitsRequested | DigitsExpected


def grant(wish: Wish, speaking: Speaking, keypad: Keypad) -> list[Action]:
    """Do it, or note it for when the reply was heard. A draft may have no effect yet but on itself."""
    reply = speaking.live(wish.reply)
    if reply is None:
        return []
    match wish:
        case HangUpRequested():
            reply.after, reply.after_value = "hang_up", "agent"
        case TransferRequested(number=number):
            reply.after, reply.after_value = "transfer", number
        case DigitsRequested(digits=digits) if not speaking.is_draft(wish.reply):
            return [SendDigits(digits)]
        case DigitsExpected(length=length) if not speaking.is_draft(wish.reply):
            keypad.expect(length)
    return []
