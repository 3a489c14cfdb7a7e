"""What a 20 ms frame costs in a carrier's codec, each way: `python -m tests.load.wire_cost`. Prints microseconds, the
best of fifteen rounds over 2 000 different frames (one frame over and over would find its text decoded already)."""

import base64
import json
import os
import timeit
from collections.abc import Callable, Sequence

from server.wire.jambonz import JambonzAudioWire
from server.wire.twilio import TwilioWire

_FRAMES = 2_000
_ROUNDS = 15
_STREAM = "MZ" + "0" * 32


def cost_us(work: Callable[[object], object], frames: Sequence[object]) -> float:
    """Microseconds a frame."""
    return min(timeit.repeat(lambda: [work(frame) for frame in frames], number=1, repeat=_ROUNDS)) / len(frames) * 1e6


def main() -> None:
    audio = [os.urandom(160) for _ in range(_FRAMES)]
    twilio = TwilioWire()
    media_format = {"encoding": "audio/x-mulaw", "sampleRate": 8_000, "channels": 1}
    start = {"callSid": "CA" + "0" * 32, "mediaFormat": media_format, "customParameters": {}}
    twilio.receive(json.dumps({"event": "start", "sequenceNumber": "1", "streamSid": _STREAM, "start": start}))
    messages = [
        json.dumps(
            {
                "event": "media",
                "sequenceNumber": str(i + 2),
                "streamSid": _STREAM,
                "media": {
                    "track": "inbound",
                    "chunk": str(i + 1),
                    "timestamp": str(20 * i),
                    "payload": base64.b64encode(payload).decode(),
                },
            }
        )
        for i, payload in enumerate(audio)
    ]
    print(f"twilio   in {cost_us(twilio.receive, messages):5.2f}  out {cost_us(twilio.media, audio):5.2f}")

    jambonz = JambonzAudioWire(16_000)
    jambonz.receive(json.dumps({"callSid": "1", "sampleRate": 16_000, "mixType": "mono"}))
    packets = [os.urandom(640) for _ in range(_FRAMES)]
    print(f"jambonz  in {cost_us(jambonz.receive, packets):5.2f}  out {cost_us(jambonz.media, packets):5.2f}")


if __name__ == "__main__":
    main()
