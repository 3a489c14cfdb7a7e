"""What a 20 ms frame costs in each carrier's codec, each way.

    python -m tests.load.wire_cost

The least of many rounds is printed: what else runs on the machine only adds.
"""

import json
import timeit
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from server.wire.jambonz import JambonzAudioWire
from server.wire.twilio import TwilioWire

_FRAMES, _ROUNDS = 5_000, 30
_AIM_US = 4.0
_SID, _CALL = "MZ" + "0" * 32, "CA" + "0" * 32


def _cost_us(work: Callable[[], object]) -> float:
    return min(timeit.repeat(work, number=_FRAMES, repeat=_ROUNDS)) / _FRAMES * 1e6


def measure() -> dict[str, float]:
    """Microseconds per frame, by codec and direction."""
    twilio, jambonz = TwilioWire(), JambonzAudioWire(16_000)
    twilio.receive(json.dumps({"event": "start", "streamSid": _SID, "start": {"callSid": _CALL}}))
    jambonz.receive(json.dumps({"callSid": _CALL, "sampleRate": 16_000}))
    mulaw, l16 = bytes(range(160)), bytes(range(256)) * 2 + bytes(128)
    payload = json.loads(twilio.media(mulaw)[0])["media"]["payload"]
    media = {"track": "inbound", "chunk": "2", "timestamp": "123456", "payload": payload}
    inbound = json.dumps({"event": "media", "sequenceNumber": "3", "media": media, "streamSid": _SID})
    return {
        "Twilio, inbound": _cost_us(lambda: twilio.receive(inbound)),
        "Twilio, outbound": _cost_us(lambda: twilio.media(mulaw)),
        "jambonz, inbound": _cost_us(lambda: jambonz.receive(l16)),
        "jambonz, outbound": _cost_us(lambda: jambonz.media(l16)),
    }


def main() -> None:
    table = Table("codec", f"µs a frame (aim: at most {_AIM_US:g})")
    for name, cost in measure().items():
        table.add_row(name, f"{cost:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
