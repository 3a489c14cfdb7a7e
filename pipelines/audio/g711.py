"""ITU-T G.711 mu-law and A-law, and linear PCM, to and from int16: one table lookup a sample.

Bit-exact with g711.c of Sun Microsystems and with `audioop`, which the standard library no longer has.
"""

import numpy as np
from numpy.typing import NDArray

from pipelines.frames import Encoding

_CODES = np.arange(256)
# At index i, the int16 that has the bits of i.
_SAMPLES = np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int32)


def _bit_length(values: NDArray[np.int32]) -> NDArray[np.int32]:
    return np.frexp(values)[1]


def _decode_mulaw() -> NDArray[np.int16]:
    code = _CODES ^ 0xFF
    magnitude = ((((code & 0x0F) << 3) + 0x84) << (code >> 4 & 7)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _encode_mulaw() -> NDArray[np.uint8]:
    value = _SAMPLES >> 2  # mu-law codes 14 bits
    magnitude = np.minimum(np.abs(value), 8_158) + 33
    segment = _bit_length(magnitude) - 6
    code = segment << 4 | magnitude >> segment + 1 & 0x0F
    return (code ^ np.where(value < 0, 0x7F, 0xFF)).astype(np.uint8)


def _decode_alaw() -> NDArray[np.int16]:
    code = _CODES ^ 0x55
    segment = code >> 4 & 7
    mantissa = (code & 0x0F) << 4
    magnitude = np.where(segment == 0, mantissa + 8, (mantissa + 0x108) << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _encode_alaw() -> NDArray[np.uint8]:
    value = _SAMPLES >> 3  # A-law codes 13 bits
    magnitude = np.where(value < 0, ~value, value)
    segment = np.maximum(_bit_length(magnitude) - 5, 0)
    code = segment << 4 | magnitude >> np.maximum(segment, 1) & 0x0F
    return (code ^ np.where(value < 0, 0x55, 0xD5)).astype(np.uint8)


_DECODE = {Encoding.MULAW: _decode_mulaw(), Encoding.ALAW: _decode_alaw()}
_ENCODE = {Encoding.MULAW: _encode_mulaw(), Encoding.ALAW: _encode_alaw()}


def decode(payload: bytes, encoding: Encoding) -> NDArray[np.int16]:
    """Samples in `payload`, shape (n,), possibly read-only. L16 is little-endian; half a sample at its end is
    ignored."""
    if encoding is Encoding.L16:
        return np.frombuffer(payload, "<i2", len(payload) // 2)
    return _DECODE[encoding].take(np.frombuffer(payload, np.uint8))


def encode(samples: NDArray[np.int16], encoding: Encoding) -> bytes:
    """`samples`, int16 of shape (n,), as the wire carries them. L16 is little-endian."""
    if encoding is Encoding.L16:
        return samples.astype("<i2", copy=False).tobytes()
    return _ENCODE[encoding].take(samples.view(np.uint16)).tobytes()
