"""Suite counts: what a suite's expectations need of all rows of a batch, taken unit by unit."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lockstep.columns.kinds import Columns
from lockstep.columns.tables import stacked, take_rows
from lockstep.errors import SuiteError
from lockstep.rules.column_states import ColumnState, Key, column_states
from lockstep.rules.row_rules import compile_tests

EXAMPLES = 5
"""Failing rows that are kept of an expectation."""


@dataclass(frozen=True, eq=False)
class RowCounts:
    """What an expectation about single rows finds in them; that of units adds up."""

    refused: int
    left_out: int  # as they have no value in its columns
    examples: Columns  # of the first rows that it refuses, its columns and the key

    def __add__(self, other: RowCounts) -> RowCounts:
        """What it finds in both parts."""
        examples = self.examples
        if other.refused:
            both = stacked([self.examples, other.examples])
            examples = take_rows(both, slice(EXAMPLES))
        return RowCounts(self.refused + other.refused, self.left_out + other.left_out, examples)


@dataclass(frozen=True, eq=False)
class SuiteCounts:
    """What a suite's expectations need of all rows; that of units adds up."""

    rows: int
    broken: int  # rows that break a row rule
    tests: Mapping[int, RowCounts]  # of expectations about single rows, by place in the suite
    states: Mapping[Key, ColumnState]  # for expectations about the whole batch

    @classmethod
    def of(
        cls,
        suite: Mapping[str, Any],
        columns: Columns,
        key: str,
        accepted: Collection[int] = (),
        *,
        strict: bool = True,
    ) -> SuiteCounts:
        """Count rows; those at `accepted` positions count as breaking no row rule.

        If `strict`, raises SuiteError where a column that a row rule needs is absent, or holds what
        it cannot test. What else cannot be tested is left out: Great Expectations says why.
        """
        broken = np.zeros(len(columns[key]), dtype=np.bool_)
        tests: dict[int, RowCounts] = {}
        for place, (rules, is_rule) in compile_tests(suite).items():
            try:
                refused, left_out = rules.masks(columns)
            except SuiteError:
                if strict and is_rule:
                    raise
                continue
            if is_rule:
                broken |= refused
            first = np.flatnonzero(refused)[:EXAMPLES]
            examples = {name: columns[name][first] for name in (*rules.columns, key)}
            tests[place] = RowCounts(int(refused.sum()), int(left_out.sum()), examples)
        broken[list(accepted)] = False
        return cls(len(broken), int(broken.sum()), tests, column_states(suite, columns))

    def __add__(self, other: SuiteCounts) -> SuiteCounts:
        """The counts of both parts."""
        return SuiteCounts(
            self.rows + other.rows,
            self.broken + other.broken,
            {place: counts + other.tests[place] for place, counts in self.tests.items()},
            {key: state + other.states[key] for key, state in self.states.items()},
        )
