"""A row rule: what one expectation asks of each row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lockstep.rules.pairs import PAIR_TESTS
from lockstep.rules.rowtests import NoRowTestError, PairTest, ValueTest
from lockstep.rules.values import VALUE_TESTS
from lockstep.rules.wording import Kwargs, Wording, row_wording

Test = ValueTest | PairTest

_TESTS: Mapping[str, Callable[[Kwargs], Callable[..., Test]]] = {**VALUE_TESTS, **PAIR_TESTS}


@dataclass(frozen=True)
class Rule:
    """What an expectation asks of each row.

    Attributes:
        expectation: The type of the expectation.
        columns: The column that it is about, or the two that it compares.
        wording: What it asks, in words.
        test: Gives the test for columns of these kinds; raises `NoRowTestError` if there is none.
    """

    expectation: str
    columns: tuple[str, ...]
    wording: Wording
    test: Callable[..., Test]


def compile_rule(expectation: Mapping[str, Any]) -> Rule:
    """The row rule of one expectation, as it stands in a suite's JSON.

    Raises:
        NoRowTestError: It is not critical, is not about single rows, or cannot be tested on them.
    """
    kwargs = expectation["kwargs"]
    severity = expectation.get("severity", "critical")
    if severity != "critical":
        raise NoRowTestError(f"it is of severity {severity}: it is reported, and refuses no row")
    if any(isinstance(value, Mapping) and "$PARAMETER" in value for value in kwargs.values()):
        raise NoRowTestError("it has a parameter that only a validation of a batch is given")
    if kwargs.get("row_condition") is not None:
        raise NoRowTestError("it has a row condition")
    if kwargs.get("mostly", 1) != 1:
        raise NoRowTestError(f"it lets some rows fail (mostly {kwargs['mostly']})")
    name = expectation["type"]
    if name not in _TESTS:
        raise NoRowTestError("there is no row rule for its type")
    return Rule(name, columns_of(kwargs), row_wording(name, kwargs), _TESTS[name](kwargs))


def columns_of(kwargs: Kwargs) -> tuple[str, ...]:
    """The columns that an expectation is about; none if it is about the table."""
    named = [kwargs[key] for key in ("column", "column_A", "column_B") if key in kwargs]
    return (*named, *kwargs.get("column_list", ()))
