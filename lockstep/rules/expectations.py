"""Row tests by the type of expectation: for a column, and for two columns.

Each agrees with Great Expectations on pandas, row for row.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from lockstep.columns.converters import EXACT_INTEGERS
from lockstep.columns.kinds import Array, Kind
from lockstep.columns.tables import is_missing
from lockstep.rules.rowtests import NUMBERS, Interval, Mask, NoRowTestError, PairTest, ValueTest
from lockstep.rules.wording import Kwargs

ByKind = Callable[[Kind], ValueTest]
"""From the kind of a column to its test; raises `NoRowTestError` where there is none."""
ByKinds = Callable[[Kind, Kind], PairTest]
"""From the kinds of two columns to their test; raises `NoRowTestError` where there is none."""
Accepts = Callable[[Any], object]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FEW_MEMBERS = 16


def _present(kwargs: Kwargs) -> ByKind:
    return lambda kind: ValueTest(None, is_missing, refuses_missing=True)


def _absent(kwargs: Kwargs) -> ByKind:
    return lambda kind: ValueTest(lambda value: False, lambda array: ~is_missing(array))


def _between(kwargs: Kwargs) -> ByKind:
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    types = {isinstance(bound, str) for bound in (low, high) if bound is not None}
    if len(types) != 1:
        raise NoRowTestError("it needs a bound, or two that are both times or both numbers")
    times = types == {True}
    if times:
        low, high = _microseconds(low), _microseconds(high)
    accepts = _within(kwargs, low, high)

    def test(kind: Kind) -> ValueTest:
        if times != (kind is Kind.TIME) or kind is Kind.TEXT:
            bounds = "times" if times else "numbers"
            raise NoRowTestError(f"its bounds are {bounds}, and the column holds {kind.value}s")
        if kind is Kind.TIME:
            return ValueTest(accepts, _outside(kwargs, _moment(low), _moment(high)))
        if kind is Kind.INT:  # NumPy compares an integer with a float as floats, Python exactly
            return ValueTest(lambda value: accepts(float(value)), _outside(kwargs, low, high))
        interval = _interval(kwargs, low, high) if kind is Kind.FLOAT else None
        return ValueTest(accepts, _outside(kwargs, low, high), interval=interval)

    return test


def _within(kwargs: Kwargs, low: Any, high: Any) -> Accepts:
    """The test whether a number lies within bounds, which may be left out or exclusive."""
    if low is not None and high is not None and low > high:
        raise NoRowTestError("its minimum is above its maximum")
    first = -math.inf if low is None else low
    last = math.inf if high is None else high
    above = low is not None and kwargs.get("strict_min")
    below = high is not None and kwargs.get("strict_max")
    if above and below:
        return lambda value: first < value < last
    if above:
        return lambda value: first < value <= last
    if below:
        return lambda value: first <= value < last
    return lambda value: first <= value <= last


def _outside(kwargs: Kwargs, low: Any, high: Any) -> Callable[[Array], Mask]:
    """The mask of values outside the bounds; a comparison with NaN or NaT is always false."""
    below = np.less_equal if kwargs.get("strict_min") else np.less
    above = np.greater_equal if kwargs.get("strict_max") else np.greater

    def refused(array: Array) -> Mask:
        if low is None:
            outside: Mask = above(array, high)
        elif high is None:
            outside = below(array, low)
        else:
            outside = below(array, low) | above(array, high)
        return outside

    return refused


def _interval(kwargs: Kwargs, low: Any, high: Any) -> Interval:
    first = -math.inf if low is None else float(low)
    last = math.inf if high is None else float(high)
    return (
        math.nextafter(first, math.inf) if kwargs.get("strict_min") and low is not None else first,
        math.nextafter(last, -math.inf) if kwargs.get("strict_max") and high is not None else last,
    )


def _microseconds(written: str | None) -> int | None:
    if written is None:
        return None
    return (datetime.fromisoformat(written) - _EPOCH) // timedelta(microseconds=1)


def _moment(microseconds: int | None) -> np.datetime64 | None:
    return None if microseconds is None else np.datetime64(microseconds, "us")


def _in_set(kwargs: Kwargs) -> ByKind:
    members = _members(kwargs)

    def test(kind: Kind) -> ValueTest:
        own = members(kind)
        if kind is Kind.TEXT:
            return ValueTest(own.__contains__, _texts_outside(own))
        contains = _numbers_in(own)
        return ValueTest(own.__contains__, lambda array: ~(contains(array) | is_missing(array)))

    return test


def _not_in_set(kwargs: Kwargs) -> ByKind:
    members = _members(kwargs)

    def test(kind: Kind) -> ValueTest:
        own = members(kind)
        contains = _texts_in(own) if kind is Kind.TEXT else _numbers_in(own)
        return ValueTest(lambda value: value not in own, contains)

    return test


def _members(kwargs: Kwargs) -> Callable[[Kind], frozenset[Any]]:
    """The members of the expectation's set that a column of a kind can hold."""
    values = kwargs["value_set"]
    texts = frozenset(value for value in values if isinstance(value, str))
    numbers = [value for value in values if isinstance(value, int | float)]
    if any(abs(number) > EXACT_INTEGERS for number in numbers):
        raise NoRowTestError("it has numbers beyond 2^53, where floats are not exact")
    floats = frozenset(map(float, numbers))
    # As integers: NumPy would compare floats with an array of integers that it rounds.
    integers = frozenset(int(number) for number in floats if number.is_integer())

    def members(kind: Kind) -> frozenset[Any]:
        if kind is Kind.TIME:
            raise NoRowTestError("it is a set, and the column holds times; give bounds instead")
        if kind is Kind.TEXT:
            return texts
        return integers if kind is Kind.INT else floats

    return members


def _texts_in(members: frozenset[Any]) -> Callable[[Array], Mask]:
    def contains(array: Array) -> Mask:
        return np.fromiter(map(members.__contains__, array.tolist()), np.bool_, len(array))

    return contains


def _texts_outside(members: frozenset[Any]) -> Callable[[Array], Mask]:
    allowed = members | {None}
    contains = _texts_in(allowed)

    def refused(array: Array) -> Mask:
        # A column with a set of allowed values holds few distinct ones: three times as fast.
        if allowed.issuperset(array.tolist()):
            return np.zeros(len(array), dtype=np.bool_)
        return ~contains(array)

    return refused


def _numbers_in(members: frozenset[Any]) -> Callable[[Array], Mask]:
    ordered = sorted(members)

    def contains(array: Array) -> Mask:
        if len(ordered) > _FEW_MEMBERS:
            return np.isin(array, ordered)
        is_member = np.zeros(len(array), dtype=np.bool_)
        for member in ordered:
            is_member |= array == member
        return is_member

    return contains


def _match(kwargs: Kwargs) -> ByKind:
    return _as_text(_pattern(kwargs["regex"]).search)


def _not_match(kwargs: Kwargs) -> ByKind:
    search = _pattern(kwargs["regex"]).search
    return _as_text(lambda text: search(text) is None)


def _match_list(kwargs: Kwargs) -> ByKind:
    searches = _searches(kwargs["regex_list"])
    combine = all if kwargs.get("match_on") == "all" else any
    return _as_text(lambda text: combine(search(text) for search in searches))


def _not_match_list(kwargs: Kwargs) -> ByKind:
    searches = _searches(kwargs["regex_list"])
    return _as_text(lambda text: not any(search(text) for search in searches))


def _searches(patterns: Iterable[str]) -> list[Accepts]:
    return [_pattern(pattern).search for pattern in patterns]


def _pattern(regex: str) -> re.Pattern[str]:
    if "[:" in regex:
        raise NoRowTestError(f"Python has no character classes such as [:alpha:], as in {regex!r}")
    try:
        return re.compile(regex)
    except re.error as error:
        raise NoRowTestError(f"{regex!r} is no regular expression in Python: {error}") from error


def _length_between(kwargs: Kwargs) -> ByKind:
    accepts = _within(kwargs, kwargs.get("min_value"), kwargs.get("max_value"))
    return _as_text(lambda text: accepts(len(text)))


def _length_equal(kwargs: Kwargs) -> ByKind:
    length = kwargs["value"]
    return _as_text(lambda text: len(text) == length)


def _as_text(accepts: Accepts) -> ByKind:
    """A test of texts, and of numbers as they are written."""

    def test(kind: Kind) -> ValueTest:
        if kind is Kind.TIME:
            raise NoRowTestError("it looks at texts, and the column holds times")
        if kind is Kind.TEXT:
            return ValueTest(accepts, _each_text(accepts))
        return ValueTest(
            lambda value: accepts(str(value)), _each(lambda value: accepts(str(value)))
        )

    return test


def _each_text(accepts: Accepts) -> Callable[[Array], Mask]:
    def refused(array: Array) -> Mask:
        texts = array.tolist()
        failing = {text for text in set(texts) if text is not None and not accepts(text)}
        if not failing:
            return np.zeros(len(array), dtype=np.bool_)
        return np.fromiter(map(failing.__contains__, texts), np.bool_, len(array))

    return refused


def _each(accepts: Accepts) -> Callable[[Array], Mask]:
    """Test the values one after the other; missing ones (None, NaN) pass."""

    def refused(array: Array) -> Mask:
        values = array.tolist()
        failing = [value is not None and value == value and not accepts(value) for value in values]
        return np.array(failing, dtype=np.bool_)

    return refused


VALUE_TESTS: dict[str, Callable[[Kwargs], ByKind]] = {
    "expect_column_values_to_not_be_null": _present,
    "expect_column_values_to_be_null": _absent,
    "expect_column_values_to_be_between": _between,
    "expect_column_values_to_be_in_set": _in_set,
    "expect_column_values_to_not_be_in_set": _not_in_set,
    "expect_column_values_to_match_regex": _match,
    "expect_column_values_to_not_match_regex": _not_match,
    "expect_column_values_to_match_regex_list": _match_list,
    "expect_column_values_to_not_match_regex_list": _not_match_list,
    "expect_column_value_lengths_to_be_between": _length_between,
    "expect_column_value_lengths_to_equal": _length_equal,
}
"""By type of expectation about a column, its test."""


_IGNORED: dict[str, Callable[[Any, Any], Any]] = {
    "both_values_are_missing": operator.and_,
    "either_value_is_missing": operator.or_,
    "neither": lambda first, second: first & False,
}
"""Whether a row is left out, given whether each of the two values is missing."""


def _greater(kwargs: Kwargs) -> ByKinds:
    return _comparison(kwargs, operator.ge if kwargs.get("or_equal") else operator.gt)


def _equal(kwargs: Kwargs) -> ByKinds:
    return _comparison(kwargs, operator.eq)


def _comparison(kwargs: Kwargs, compare: Callable[[Any, Any], Any]) -> ByKinds:
    """A test of a comparison: it fails where a value is missing, unless the row is left out."""
    ignored = _IGNORED[kwargs.get("ignore_row_if", "both_values_are_missing")]

    def left_out(first: Array, second: Array) -> Mask:
        mask: Mask = ignored(is_missing(first), is_missing(second))
        return mask

    def test(kind: Kind, other: Kind) -> PairTest:
        if kind is not other and not NUMBERS.issuperset({kind, other}):
            raise NoRowTestError(f"it compares {kind.value}s with {other.value}s")
        rounded = {kind, other} == {Kind.INT, Kind.FLOAT}
        comparison = _text_comparison(compare) if kind is Kind.TEXT else compare

        def accepts(first: Any, second: Any) -> object:
            if first is None or second is None:
                return ignored(first is None, second is None)
            if rounded:  # NumPy compares an integer with a float as floats, Python exactly
                return compare(float(first), float(second))
            return compare(first, second)

        def refused(first: Array, second: Array) -> Mask:
            passed: Mask = comparison(first, second) | left_out(first, second)
            return ~passed

        return PairTest(accepts, refused, left_out)

    return test


def _text_comparison(compare: Callable[[Any, Any], Any]) -> Callable[[Array, Array], Mask]:
    def compared(first: Array, second: Array) -> Mask:
        pairs = zip(first.tolist(), second.tolist(), strict=True)
        return np.array(
            [a is not None and b is not None and compare(a, b) for a, b in pairs], dtype=np.bool_
        )

    return compared


PAIR_TESTS: dict[str, Callable[[Kwargs], ByKinds]] = {
    "expect_column_pair_values_a_to_be_greater_than_b": _greater,
    "expect_column_pair_values_to_be_equal": _equal,
}
"""By type of expectation about two columns, its test."""
