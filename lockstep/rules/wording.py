"""Wording: expectations and what became of them, for someone who has never seen the suite."""

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
_BOUNDS = ("min_value", "max_value")
_DOMAIN = frozenset(
    {"column", "column_A", "column_B", "column_list", "mostly", "row_condition", "condition_parser"}
)


@dataclass(frozen=True)
class Wording:
    """How to say that rows do or do not meet an expectation.

    Attributes:
        met: Of rows that do, such as "between -60 and 130".
        unmet: Of rows that do not, such as "not between -60 and 130".
        refusal: Of a value that does not, such as "is not between -60 and 130".
    """

    met: str
    unmet: str
    refusal: str


def row_wording(expectation: str, kwargs: Kwargs) -> Wording:
    """How to say that rows do or do not meet an expectation."""
    write = _ROW_WORDINGS.get(expectation)
    if write is not None:
        return write(kwargs)
    return _adjective(f"meeting '{_plain_name(expectation)}'{_arguments(kwargs)}")


def batch_wording(expectation: str, kwargs: Kwargs, observed: Any, *, met: bool) -> str:
    """What became of an expectation about the batch, such as "mean is 12, below 40"."""
    found = "nothing" if observed is None else shown(observed)
    name = _plain_name(expectation)
    if (
        observed is not None
        and name.endswith(" to be between")
        and not kwargs.keys().isdisjoint(_BOUNDS)
    ):
        allowed = _range(kwargs)
        subject = name.removesuffix(" to be between")
        return f"{subject} is {found}, {allowed.met if met else allowed.unmet}"
    return f"{name}{_arguments(kwargs)}: {'met' if met else 'not met'}, observed {found}"


def shown(value: Any) -> str:
    """A value as a person would write it, in no more than a short line."""
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


def _number(value: float) -> str:
    """A number in seven digits, but whole only if it is."""
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    rounded = f"{value:.7g}"
    return repr(value) if float(rounded).is_integer() else rounded


def quoted(value: Any) -> str:
    """Like `shown`, with texts in quotation marks."""
    return repr(shown(value)) if isinstance(value, str) else shown(value)


def _some(values: Iterable[Any]) -> str:
    return listed(map(shown, values), _LISTED)


def percentage(percent: float) -> str:
    """A share such as "1.5 %"; what is not nothing never reads "0.0 %"."""
    return "less than 0.1 %" if 0 < percent < 0.05 else f"{percent:.1f} %"


def _plain_name(expectation: str) -> str:
    words = expectation.removeprefix("expect_")
    for prefix in ("column_pair_values_", "column_values_", "multicolumn_", "column_", "table_"):
        if words.startswith(prefix):
            return words.removeprefix(prefix).replace("_", " ")
    return words.replace("_", " ")


def _arguments(kwargs: Kwargs) -> str:
    given = [
        f"{name} {shown(value)}"
        for name, value in kwargs.items()
        if name not in _DOMAIN and value is not None
    ]
    return f" ({', '.join(given)})" if given else ""


def _range(kwargs: Kwargs) -> Wording:
    low, high = _bound(kwargs.get("min_value")), _bound(kwargs.get("max_value"))
    above, below = ("above", "at most") if kwargs.get("strict_min") else ("at least", "below")
    under, over = ("below", "at least") if kwargs.get("strict_max") else ("at most", "above")
    if low is None:
        return _opposites(f"{under} {high}", f"{over} {high}")
    if high is None:
        return _opposites(f"{above} {low}", f"{below} {low}")
    if low == high:
        return _adjective(f"exactly {low}")
    if kwargs.get("strict_min") or kwargs.get("strict_max"):
        return _adjective(f"{above} {low} and {under} {high}")
    return _adjective(f"between {low} and {high}")


def _bound(bound: Any) -> str | None:
    if isinstance(bound, str):
        return shown(
            np.datetime64(datetime.fromisoformat(bound).astimezone(UTC).replace(tzinfo=None))
        )
    return None if bound is None else shown(bound)


def _opposites(met: str, unmet: str) -> Wording:
    return Wording(met, unmet, f"is {unmet}")


def _adjective(met: str) -> Wording:
    return _opposites(met, f"not {met}")


def _in_set(kwargs: Kwargs) -> Wording:
    return _adjective(f"one of {_some(kwargs['value_set'])}")


def _not_in_set(kwargs: Kwargs) -> Wording:
    excluded = f"one of {_some(kwargs['value_set'])}"
    return _opposites(f"not {excluded}", excluded)


def _matching(patterns: str) -> Wording:
    return Wording(f"matching {patterns}", f"not matching {patterns}", f"does not match {patterns}")


def _not_matching(patterns: str) -> Wording:
    return Wording(f"not matching {patterns}", f"matching {patterns}", f"matches {patterns}")


def _match_list(kwargs: Kwargs) -> Wording:
    which = "all" if kwargs.get("match_on") == "all" else "any"
    return _matching(f"{which} of {_some(kwargs['regex_list'])}")


def _greater(kwargs: Kwargs) -> Wording:
    least = "at least" if kwargs.get("or_equal") else "greater than"
    return _adjective(f"{least} {kwargs['column_B']}")


_ROW_WORDINGS: dict[str, Callable[[Kwargs], Wording]] = {
    "expect_column_values_to_not_be_null": lambda _: _opposites("present", "missing"),
    "expect_column_values_to_be_null": lambda _: _adjective("missing"),
    "expect_column_values_to_be_between": _range,
    "expect_column_values_to_be_in_set": _in_set,
    "expect_column_values_to_not_be_in_set": _not_in_set,
    "expect_column_values_to_match_regex": lambda kwargs: _matching(shown(kwargs["regex"])),
    "expect_column_values_to_not_match_regex": lambda kwargs: _not_matching(shown(kwargs["regex"])),
    "expect_column_values_to_match_regex_list": _match_list,
    "expect_column_values_to_not_match_regex_list": lambda kwargs: _not_matching(
        f"any of {_some(kwargs['regex_list'])}"
    ),
    "expect_column_value_lengths_to_be_between": lambda kwargs: _adjective(
        f"{_range(kwargs).met} characters long"
    ),
    "expect_column_value_lengths_to_equal": lambda kwargs: _adjective(
        f"{shown(kwargs['value'])} characters long"
    ),
    "expect_column_values_to_be_unique": lambda _: _adjective("unique"),
    "expect_compound_columns_to_be_unique": lambda _: _adjective("unique together"),
    "expect_column_pair_values_a_to_be_greater_than_b": _greater,
    "expect_column_pair_values_to_be_equal": lambda kwargs: _adjective(
        f"equal to {kwargs['column_B']}"
    ),
}
