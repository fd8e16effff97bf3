"""Wording: row rules in words, and the words for a value that they refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from lockstep.columns.plain import cut, listed

Kwargs = Mapping[str, Any]
"""The arguments of an expectation, as plain JSON."""

_LISTED = 8
_LONGEST = 60


@dataclass(frozen=True)
class Wording:
    """A rule in words."""

    met: str  # such as "between -60 and 130"
    refusal: str  # such as "is not between -60 and 130"


def row_wording(expectation: str, kwargs: Kwargs) -> Wording:
    """The wording of an expectation of a type that has row rules."""
    return _WORDINGS[expectation](kwargs)


def shown(value: Any) -> str:
    """A value as a person would write it, in a short line at most."""
    match value:
        case None:
            written = "missing"
        case float():
            written = _number(value)
        case np.datetime64():
            written = str(np.datetime_as_string(value, unit="auto", timezone="UTC"))
        case Mapping():
            written = "; ".join(f"{name}: {shown(held)}" for name, held in value.items())
        case list() | tuple():
            written = _some(value)
        case _:
            written = str(value)
    return cut(written, _LONGEST)


def quoted(value: Any) -> str:
    """Like `shown`, with texts in quotation marks."""
    return repr(shown(value)) if isinstance(value, str) else shown(value)


def _number(value: float) -> str:
    """A number in seven digits, but whole only if it is."""
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    rounded = f"{value:.7g}"
    return repr(value) if float(rounded).is_integer() else rounded


def _some(values: Iterable[Any]) -> str:
    return listed(map(shown, values), _LISTED)


def _is(met: str) -> Wording:
    return Wording(met, f"is not {met}")


def _range(kwargs: Kwargs) -> Wording:
    low, high = _bound(kwargs.get("min_value")), _bound(kwargs.get("max_value"))
    above, below = ("above", "at most") if kwargs.get("strict_min") else ("at least", "below")
    under, over = ("below", "at least") if kwargs.get("strict_max") else ("at most", "above")
    if low is None:
        return Wording(f"{under} {high}", f"is {over} {high}")
    if high is None:
        return Wording(f"{above} {low}", f"is {below} {low}")
    if low == high:
        return _is(f"exactly {low}")
    if kwargs.get("strict_min") or kwargs.get("strict_max"):
        return _is(f"{above} {low} and {under} {high}")
    return _is(f"between {low} and {high}")


def _bound(bound: Any) -> str | None:
    if isinstance(bound, str):
        moment = datetime.fromisoformat(bound).astimezone(UTC).replace(tzinfo=None)
        return shown(np.datetime64(moment))
    return None if bound is None else shown(bound)


def _not_in_set(kwargs: Kwargs) -> Wording:
    excluded = f"one of {_some(kwargs['value_set'])}"
    return Wording(f"not {excluded}", f"is {excluded}")


def _matching(patterns: str) -> Wording:
    return Wording(f"matching {patterns}", f"does not match {patterns}")


def _not_matching(patterns: str) -> Wording:
    return Wording(f"not matching {patterns}", f"matches {patterns}")


def _match_list(kwargs: Kwargs) -> Wording:
    which = "all" if kwargs.get("match_on") == "all" else "any"
    return _matching(f"{which} of {_some(kwargs['regex_list'])}")


def _greater(kwargs: Kwargs) -> Wording:
    least = "at least" if kwargs.get("or_equal") else "greater than"
    return _is(f"{least} {kwargs['column_B']}")


_WORDINGS: dict[str, Callable[[Kwargs], Wording]] = {
    "expect_column_values_to_not_be_null": lambda _: Wording("present", "is missing"),
    "expect_column_values_to_be_null": lambda _: _is("missing"),
    "expect_column_values_to_be_between": _range,
    "expect_column_values_to_be_in_set": lambda kwargs: _is(f"one of {_some(kwargs['value_set'])}"),
    "expect_column_values_to_not_be_in_set": _not_in_set,
    "expect_column_values_to_match_regex": lambda kwargs: _matching(shown(kwargs["regex"])),
    "expect_column_values_to_not_match_regex": lambda kwargs: _not_matching(shown(kwargs["regex"])),
    "expect_column_values_to_match_regex_list": _match_list,
    "expect_column_values_to_not_match_regex_list": lambda kwargs: _not_matching(
        f"any of {_some(kwargs['regex_list'])}"
    ),
    "expect_column_value_lengths_to_be_between": lambda kwargs: _is(
        f"{_range(kwargs).met} characters long"
    ),
    "expect_column_value_lengths_to_equal": lambda kwargs: _is(
        f"{shown(kwargs['value'])} characters long"
    ),
    "expect_column_pair_values_a_to_be_greater_than_b": _greater,
    "expect_column_pair_values_to_be_equal": lambda kwargs: _is(f"equal to {kwargs['column_B']}"),
}
