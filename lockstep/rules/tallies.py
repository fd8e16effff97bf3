"""Tallies: how many rows of a batch meet an expectation about rows, counted by its row test.

What is counted is what Great Expectations counts of the same rows, in a hundredth of the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lockstep.columns.kinds import Columns, Kind
from lockstep.rules.rowtests import NoRowTestError
from lockstep.rules.rules import rule_of

_KINDS = {kind.dtype: kind for kind in Kind}


@dataclass(frozen=True)
class Tally:
    """How many rows meet an expectation.

    Attributes:
        rows: Number of rows.
        missing: How many were not looked at, since they have no value; None where all are.
        unexpected: How many of the others do not meet it.
    """

    rows: int
    missing: int | None
    unexpected: int

    @property
    def checked(self) -> int:
        """How many rows were looked at."""
        return self.rows - (self.missing or 0)

    @property
    def unexpected_percent(self) -> float | None:
        """How many of these do not meet it, in per cent; None where there are none."""
        return self.unexpected / self.checked * 100 if self.checked else None

    def meets(self, mostly: float) -> bool:
        """Whether as large a share meets it as has to."""
        return not self.checked or (self.checked - self.unexpected) / self.checked >= mostly


def tally(expectation: Mapping[str, Any], columns: Columns) -> Tally | None:
    """Count the rows that do not meet an expectation; None where it has no row test for them.

    Args:
        expectation: The expectation, as it stands in a suite's JSON.
        columns: The rows, in canonical form.
    """
    try:
        rule = rule_of(expectation)
        arrays = [columns[name] for name in rule.columns]
        test = rule.test(*(_KINDS[array.dtype] for array in arrays))
    except (NoRowTestError, KeyError):
        return None
    left_out = None if test.left_out is None else int(test.left_out(*arrays).sum())
    return Tally(len(arrays[0]), left_out, int(test.refused(*arrays).sum()))
