"""ITU-T G.711 and linear PCM to and from int16, by table."""

import numpy as np
from numpy.typing import NDArray

from pipelines.frames import Encoding


def _mulaw_to_linear() -> NDArray[np.int16]:
    code = ~np.arange(256, dtype=np.uint8)
    magnitude = (((code & 0x0F).astype(np.int32) << 3) + 0x84 << ((code >> 4) & 7)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _alaw_to_linear() -> NDArray[np.int16]:
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    mantissa = (code & 0x0F).astype(np.int32) << 4
    exponent = ((code >> 4) & 7).astype(np.int32)
    magnitude = np.where(exponent == 0, mantissa + 8, mantissa + 0x108 << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _nearest(table: NDArray[np.int16]) -> NDArray[np.uint8]:
    order = np.argsort(table, kind="stable")
    levels = table[order].astype(np.int32)
    edges = (levels[1:] + levels[:-1] + 1) // 2
    samples = np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int32)
    return order[np.searchsorted(edges, samples, side="right")].astype(np.uint8)


_DECODE = {Encoding.MULAW: _mulaw_to_linear(), Encoding.ALAW: _alaw_to_linear()}
_ENCODE = {name: _nearest(table) for name, table in _DECODE.items()}


def decode(payload: bytes, encoding: Encoding) -> NDArray[np.int16]:
    if encoding is Encoding.L16:
        return np.frombuffer(payload, "<i2", len(payload) // 2)
    return _DECODE[encoding][np.frombuffer(payload, np.uint8)]


def encode(samples: NDArray[np.int16], encoding: Encoding) -> bytes:
    if encoding is Encoding.L16:
        return samples.astype("<i2").tobytes()
    return _ENCODE[encoding][samples.view(np.uint16)].tobytes()
