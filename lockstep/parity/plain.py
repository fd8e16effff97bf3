"""Single values of columns, for people and for JSON."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np

_LONGEST = 200
"""Characters of a text that are kept in a result."""


def python_value(value: Any) -> Any:
    """A cell of an array as Python's own type; times as `datetime` in UTC, NaT as None."""
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, np.datetime64) and isinstance(plain, datetime):
        return plain.replace(tzinfo=UTC)
    return plain


def json_value(value: Any) -> bool | int | float | str | None:
    """A Python value as strict JSON can hold it: no NaN or infinity, no long text."""
    if isinstance(value, float) and not math.isfinite(value):
        return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    if isinstance(value, datetime):
        return iso(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    return short(str(value))


def short(text: str) -> str:
    """A text, cut if it is longer than 200 characters."""
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def example_value(value: Any) -> Any:
    """A cell of an array as Python's own type, to show: long texts are cut."""
    plain = python_value(value)
    return short(plain) if isinstance(plain, str) else plain


def iso(time: datetime) -> str:
    """An aware time in UTC, such as `2013-04-01T09:30:00Z`; exact."""
    return time.isoformat().replace("+00:00", "Z")


def show(value: Any) -> str:
    """A Python value in a sentence: texts in quotes, floats with all their digits."""
    plain = json_value(value)
    return repr(plain) if isinstance(value, str) else str(plain)
