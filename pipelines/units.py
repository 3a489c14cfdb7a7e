"""The units every other module speaks in.

Media time is a sample index at 16 kHz since the call's first frame (an 8 kHz wire sample is exactly two).
Call time is an integer number of microseconds since the call started, stamped on each event by the driver.
"""

SAMPLE_RATE = 16_000
"""Samples per second of media time, whatever the wire's rate."""

PTIME_MS = 20
"""Length of one outbound frame, in milliseconds."""

PTIME_US = PTIME_MS * 1_000

MS = 1_000
"""Microseconds in a millisecond."""

SECOND = 1_000_000
"""Microseconds in a second."""


def samples_to_us(samples: int) -> int:
    """Length of `samples` at 16 kHz, in microseconds (exact to the half microsecond)."""
    return samples * SECOND // SAMPLE_RATE


def us_to_samples(us: int) -> int:
    """Number of 16 kHz samples in `us` microseconds, rounded down."""
    return us * SAMPLE_RATE // SECOND


def ms_to_samples(ms: int) -> int:
    """Number of 16 kHz samples in `ms` milliseconds."""
    return ms * SAMPLE_RATE // 1_000


def to_seconds(us: int) -> float:
    """Call time as people read it: seconds, to the millisecond."""
    return round(us / SECOND, 3)
