"""Structured logs: one JSON object a line on stderr (or coloured lines on a terminal). Callers' words and numbers never go in."""

import logging
import sys

import structlog


def configure(level: str = "info", as_json: bool | None = None) -> None:
    """`as_json`: None decides by whether stderr is a terminal."""
    as_json = not sys.stderr.isatty() if as_json is None else as_json
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *(
                [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
                if as_json
                else [structlog.dev.ConsoleRenderer()]
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
