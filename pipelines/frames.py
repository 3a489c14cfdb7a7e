"""What audio looks like on a wire."""

from enum import StrEnum

import msgspec


class Encoding(StrEnum):
    """How a sample is written: ITU-T G.711 mu-law or A-law (8 bit), or signed 16-bit little-endian linear PCM."""

    MULAW = "mulaw"
    ALAW = "alaw"
    L16 = "l16"


_BYTES_PER_SAMPLE = {Encoding.MULAW: 1, Encoding.ALAW: 1, Encoding.L16: 2}
# One byte that repeated is digital silence (G.711: 0xFF is +0 in mu-law, 0xD5 the smallest step in A-law).
_SILENCE = {Encoding.MULAW: b"\xff", Encoding.ALAW: b"\xd5", Encoding.L16: b"\x00"}


class AudioFormat(msgspec.Struct, frozen=True):
    """Encoding and sample rate (Hz) of one direction of a wire; always one channel."""

    encoding: Encoding = Encoding.MULAW
    sample_rate: int = 8_000

    @property
    def bytes_per_sample(self) -> int:
        return _BYTES_PER_SAMPLE[self.encoding]

    def bytes_in(self, ms: int) -> int:
        """Bytes in `ms` milliseconds."""
        return self.sample_rate * ms // 1_000 * self.bytes_per_sample

    def duration_us(self, n_bytes: int) -> int:
        """Microseconds in `n_bytes` bytes."""
        return n_bytes // self.bytes_per_sample * 1_000_000 // self.sample_rate

    def silence(self, n_bytes: int) -> bytes:
        """`n_bytes` bytes of digital silence."""
        return _SILENCE[self.encoding] * n_bytes


TELEPHONE = AudioFormat(Encoding.MULAW, 8_000)
"""What most carriers send: G.711 mu-law at 8 kHz."""
