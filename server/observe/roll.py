"""What every live call is doing at this moment, for `kill -USR1`: states and numbers, no word or number of a caller."""

from collections.abc import Iterable

import structlog

from server.session import Session

log = structlog.get_logger()


def call_the_roll(sessions: Iterable[Session]) -> None:
    """Log a line for each call and one with their count."""
    count = 0
    for session in sessions:
        log.info("live_call", **session.state())
        count += 1
    log.info("live_calls", calls=count)
