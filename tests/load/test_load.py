"""The load tests at a size that fits among the others: what they count must be right; how fast the machine is, is not
asked."""

import argparse
import asyncio
import os

from rich.console import Console

from tests.load import density, hostile

_ANYWHERE = min(os.sched_getaffinity(0))


def test_ten_calls_lose_nothing() -> None:
    options = argparse.Namespace(steps=[10], seconds=2.0, vad=False, url=None, pid=None, server_cpu=_ANYWHERE)
    (row,) = asyncio.run(density.run(options, Console(quiet=True)))
    assert row["calls"] == 10
    assert 900 <= row["frames"] <= 1_100  # ten times fifty a second
    assert row["lost"] == 0
    assert 0 < row["kib_per_call"] < 2_048


def test_bad_input_is_counted_and_harms_nobody() -> None:
    failures = asyncio.run(hostile.run(Console(quiet=True), quick=True, lag_limit=1.0))
    assert failures == []
