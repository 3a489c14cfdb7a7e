"""What a packet costs on its way from the wire into the ring, on one core: `python -m tests.load.inbound_cost`.

Prints the median and the 99th percentile of `Inbound.receive` over a minute of noise in 20 ms packets, for the
formats that carriers send, and what one minute of call costs."""

from time import perf_counter_ns

import numpy as np

from pipelines.audio.g711 import encode
from pipelines.audio.inbound import Inbound
from pipelines.events import MediaReceived
from pipelines.frames import AudioFormat, Encoding
from pipelines.units import PTIME_MS, PTIME_US

_PACKETS = 3_000
_FORMATS = (
    AudioFormat(Encoding.MULAW, 8_000),
    AudioFormat(Encoding.ALAW, 8_000),
    AudioFormat(Encoding.L16, 8_000),
    AudioFormat(Encoding.L16, 16_000),
    AudioFormat(Encoding.L16, 24_000),
)


def cost(wire: AudioFormat) -> np.ndarray:
    """Microseconds of each packet."""
    n = wire.sample_rate * PTIME_MS // 1_000
    noise = np.random.default_rng(1).integers(-8_000, 8_000, (16, n)).astype(np.int16)
    payloads = [encode(row, wire.encoding) for row in noise]
    events = [MediaReceived(payloads[i % 16], i * PTIME_MS) for i in range(_PACKETS)]
    inbound = Inbound(wire)
    took = []
    for i, event in enumerate(events):
        since = perf_counter_ns()
        inbound.receive((i + 1) * PTIME_US, event)
        took.append(perf_counter_ns() - since)
    return np.array(took) / 1_000


if __name__ == "__main__":
    for wire in _FORMATS:
        took = cost(wire)
        median, rare = np.percentile(took, (50, 99))
        name = f"{wire.encoding} {wire.sample_rate} Hz"
        print(
            f"{name:15} {median:5.1f} us a packet, 99th percentile {rare:5.1f}, {took.sum() / 1_000:5.1f} ms a minute"
        )
