"""Converters: from a value as it came to the canonical value of a declared type.

The declaration alone decides. A cast that would lose something (3.5 into `int`, a naive time,
text into a number) is refused with a reason, never done in silence.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, time, timedelta
from decimal import Decimal
from math import isfinite, isnan
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from lockstep.columns.plain import listed, show
from lockstep.columns.schema import Field

Convert = Callable[[Any], Any]

EXACT_INTEGERS = 2**53
"""Integers up to this size have a float64 of their own (IEEE 754 binary64: 53 bits)."""
_INT64 = 2**63

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
FIRST_TIME = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) // _MICROSECOND
LAST_TIME = (datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC) - _EPOCH) // _MICROSECOND
"""The times that Python's `datetime` can hold, in microseconds since 1970."""
_FINER_THAN_MICROSECONDS = re.compile(r"[.,]\d{6}\d*[1-9]")
_NAIVE = 'is a naive time; say its zone (Z), or mark the field Zone("UTC")'
_FINER = "is finer than a microsecond"
_OUTSIDE = "lies outside the years 1 to 9999 in UTC"
_TIME_EXAMPLE = "a time such as 2013-04-01T09:30:00Z"

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_LONGEST_INTEGER = 400
"""Digits beyond which no float64 has room for an integer, whatever it is."""
_NUMBERS = (int, float, Decimal, np.integer, np.floating)
_BOOLEANS = {"true": True, "false": False}


class Refusal(NamedTuple):
    """Why a value is not admitted."""

    words: str  # without the value, such as "is text, not a number"
    value: str = ""  # as a sentence shows it; empty where it is not shown

    def __str__(self) -> str:
        return f"{self.value} {self.words}" if self.value else self.words


class RefusedError(ValueError):
    """A value that its declaration does not admit; `refusal` says why."""

    def __init__(self, words: str, value: str = "") -> None:
        self.refusal = Refusal(words, value)
        super().__init__(str(self.refusal))


def converter(field: Field) -> Convert:
    """The function from a value to the canonical value of a field; None for a missing value.

    It raises `RefusedError`, with the reason, for a value that is not admitted. None, NaN, NaT and
    pandas' NA are missing. A time's canonical value is the microseconds since 1970, UTC.
    """
    convert: Convert
    if field.declared == "float":
        convert = _float
    elif field.declared == "int":
        convert = _exact_int if field.optional else _int
    elif field.declared == "bool":
        convert = _bool
    elif field.declared == "datetime":
        convert = _time if field.zone is None else _time_in(field.zone)
    else:
        convert = _text if field.choices is None else _one_of(field.choices)
    if field.missing:
        convert = _without(frozenset(field.missing), convert)
    return convert if field.optional else _required(convert, field)


def cell_parser(field: Field) -> Callable[[str], Any]:
    """The function from a CSV cell to the value that JSON would carry for a field.

    It returns a cell that cannot be parsed unchanged, for `converter` to refuse.
    """
    if field.declared in ("float", "int"):
        return _parse_number
    if field.declared == "bool":
        return _parse_bool
    return str


# The first test in each function is for what comes most often.


def _required(convert: Convert, field: Field) -> Convert:
    reason = f"missing, and declared {field.declared_name} (never missing)"

    def required(value: Any) -> Any:
        converted = convert(value)
        if converted is None:
            raise RefusedError(reason)
        return converted

    return required


def _without(texts: frozenset[str], convert: Convert) -> Convert:
    def converted(value: Any) -> Any:
        return None if isinstance(value, str) and value in texts else convert(value)

    return converted


def _float(value: Any) -> float | None:
    if type(value) is float:
        if isfinite(value):
            return value
        if isnan(value):
            return None
        raise RefusedError("is not a finite number", str(value))
    if type(value) is int:
        try:
            number = float(value)
        except OverflowError:
            raise RefusedError("does not fit a float", show(value)) from None
        if number != value:
            raise RefusedError("has no exact float; it lies beyond 2^53", show(value))
        return number
    if value is None:
        return None
    return _float(_plain_number(value))


def _int(value: Any) -> int | None:
    if type(value) is int:
        if -_INT64 <= value < _INT64:
            return value
        raise RefusedError("does not fit a 64-bit integer", show(value))
    if value is None:
        return None
    if type(value) is float:
        if isnan(value):
            return None
        if value.is_integer():
            return _int(int(value))
        raise RefusedError("is not an integer", str(value))
    return _int(_plain_number(value))


def _exact_int(value: Any) -> int | None:
    number = _int(value)
    if number is None or -EXACT_INTEGERS <= number <= EXACT_INTEGERS:
        return number
    raise RefusedError("lies beyond 2^53, where optional integers are no longer exact", str(number))


def _bool(value: Any) -> bool | None:
    if value is True or value is False:
        return value
    if value is None or _is_missing(value):
        return None
    if isinstance(value, np.bool_):
        return bool(value)
    if _is_number(value) and value in (0, 1):
        return bool(value)
    raise RefusedError(f"is {_noun(value)}, not true or false", show(value))


def _text(value: Any) -> str | None:
    if type(value) is str:
        if value.isascii():
            return value
        try:
            value.encode()
        except UnicodeEncodeError:
            raise RefusedError("is not valid Unicode text", show(value)) from None
        return value
    if value is None or _is_missing(value):
        return None
    if isinstance(value, str):
        return _text(str(value))
    raise RefusedError(f"is {_noun(value)}, not text", show(value))


def _one_of(choices: tuple[str, ...]) -> Convert:
    admitted = frozenset(choices)
    known = listed(map(repr, choices), most=8)

    def convert(value: Any) -> str | None:
        text = _text(value)
        if text is None or text in admitted:
            return text
        raise RefusedError(f"is none of {known}", show(text))

    return convert


def _time(value: Any) -> int | None:
    if type(value) is str:
        value = _parse_time(value)
    elif value is None or _is_missing(value):
        return None
    elif isinstance(value, np.datetime64):
        raise RefusedError(_NAIVE, str(value))
    elif not isinstance(value, datetime):
        raise RefusedError(f"is {_noun(value)}, not {_TIME_EXAMPLE}", show(value))
    elif getattr(value, "nanosecond", 0):
        raise RefusedError(_FINER, value.isoformat())
    if not MINYEAR <= value.year <= MAXYEAR:  # pandas' times go further
        raise RefusedError(_OUTSIDE)
    if value.utcoffset() is None:
        raise RefusedError(_NAIVE, value.isoformat())
    microseconds: int = (value - _EPOCH) // _MICROSECOND
    if FIRST_TIME <= microseconds <= LAST_TIME:
        return microseconds
    raise RefusedError(_OUTSIDE)


def _time_in(zone: str) -> Convert:
    """The conversion of times that are in a zone where they do not say theirs."""
    clock = ZoneInfo(zone)

    def convert(value: Any) -> int | None:
        if type(value) is str:
            value = _parse_time(value)
        elif isinstance(value, np.datetime64):
            value = None if np.isnat(value) else pd.Timestamp(value).to_pydatetime()
        elif isinstance(value, date) and not isinstance(value, datetime):
            value = datetime.combine(value, time.min)
        if isinstance(value, datetime) and not _is_missing(value) and value.tzinfo is None:
            value = _at(value, clock, zone)
        return _time(value)

    return convert


def _at(naive: datetime, clock: ZoneInfo, zone: str) -> datetime:
    """A time without a zone, in one; refused where the zone's clocks show it twice, or never."""
    if isinstance(naive, pd.Timestamp):
        if naive.nanosecond:
            raise RefusedError(_FINER, naive.isoformat())
        naive = naive.to_pydatetime()
    if not MINYEAR < naive.year < MAXYEAR:
        raise RefusedError(_OUTSIDE)
    first, second = (naive.replace(tzinfo=clock, fold=fold) for fold in (0, 1))
    if first.utcoffset() != second.utcoffset():
        back = first.astimezone(UTC).astimezone(clock).replace(tzinfo=None)
        times = "twice" if back == naive else "never"
        raise RefusedError(
            f"is {times} shown by the clocks of {zone}; say its zone, such as +00:00",
            naive.isoformat(),
        )
    return first.astimezone(UTC)


def _parse_time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise RefusedError(f"is not {_TIME_EXAMPLE}", show(text)) from None
    if ("." in text or "," in text) and _FINER_THAN_MICROSECONDS.search(text):
        raise RefusedError(_FINER, text)
    return moment


def _is_missing(value: Any) -> bool:
    if value is None or value is pd.NaT or value is pd.NA:
        return True
    if isinstance(value, float | np.floating):
        return value != value
    if isinstance(value, Decimal):
        return value.is_nan()
    return isinstance(value, np.datetime64) and bool(np.isnat(value))


def _is_number(value: Any) -> bool:
    # NumPy counts spans of time among its integers.
    return isinstance(value, _NUMBERS) and not isinstance(value, np.timedelta64)


def _plain_number(value: Any) -> int | float | None:
    if _is_missing(value):
        return None
    if isinstance(value, bool | np.bool_):
        raise RefusedError("is true or false, not a number", str(bool(value)))
    if not _is_number(value):
        raise RefusedError(f"is {_noun(value)}, not a number", show(value))
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        number = float(value)
        if number != value:  # of more than 64 bits
            raise RefusedError("has no exact float", f"{value}")
        return number
    return _plain_decimal(value)


def _plain_decimal(value: Decimal) -> int | float:
    """The number that the decimal's digits stand for in JSON, if it keeps them all."""
    if not value.is_finite():
        return float(value)
    if abs(value.adjusted()) < _LONGEST_INTEGER and value == value.to_integral_value():
        return int(value)
    number = float(value)
    if Decimal(repr(number)) != value:
        raise RefusedError("has no float that keeps its digits", show(value))
    return number


def _noun(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "true or false"
    if isinstance(value, str):
        return "text"
    if _is_number(value):
        return "a number"
    if isinstance(value, datetime | np.datetime64):
        return "a time"
    return f"of type {type(value).__name__}"


def _parse_number(text: str) -> Any:
    if _INTEGER.fullmatch(text):
        if len(text) > _LONGEST_INTEGER:
            return text
        return int(text) or float(text)  # a float's zero may have a sign
    if _NUMBER.fullmatch(text):
        return float(text)
    return text


def _parse_bool(text: str) -> Any:
    known = _BOOLEANS.get(text.lower())
    return _parse_number(text) if known is None else known
