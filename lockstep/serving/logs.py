"""Logs: one JSON object a line, for whoever collects them."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime

import msgspec


class JsonLines(logging.Formatter):
    """A record as a JSON object: time, level, logger, message, and what it carries as `facts`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record in one line."""
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            told["trace"] = self.formatException(record.exc_info)
        return msgspec.json.encode(told).decode()


def log_to_stderr(*names: str) -> None:
    """Have what serving logs, and what uvicorn warns of, written to stderr.

    Args:
        names: Loggers of which the same is done.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    levels = dict.fromkeys(("lockstep.serving", *names), logging.INFO)
    for name, least in {**levels, "uvicorn": logging.WARNING}.items():
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(least)
        logger.propagate = False
