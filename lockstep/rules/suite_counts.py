"""Suite counts: what a suite's expectations need of all rows of a batch, taken unit by unit."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from lockstep.columns.kinds import Columns
from lockstep.errors import SuiteError
from lockstep.rules.column_states import ColumnState, Key, column_states, state_key
from lockstep.rules.row_rules import RuleCounts, compile_reported, compile_rules


@dataclass(frozen=True, eq=False)
class SuiteCounts:
    """What a suite's expectations need of all rows; that of units adds up."""

    rules: RuleCounts
    reported: Mapping[int, RuleCounts]  # of other expectations about single rows, by place
    states: Mapping[Key, ColumnState]  # for expectations about the whole batch

    @classmethod
    def of(
        cls, suite: Mapping[str, Any], columns: Columns, accepted: Collection[int], *, alone: bool
    ) -> SuiteCounts:
        """Count rows; those at `accepted` positions count as breaking no row rule.

        With `alone`, row rules are enough, since Great Expectations is asked of all rows. Raises
        `SuiteError` where a column that a row rule needs is absent, or holds what it cannot test.
        """
        rules = compile_rules(suite).count(columns, accepted)
        if alone:
            return cls(rules, {}, {})
        reported = {}
        for place, tests in compile_reported(suite).items():
            with suppress(SuiteError):  # Great Expectations says so of a sample
                reported[place] = tests.count(columns)
        return cls(rules, reported, column_states(suite, columns))

    def __add__(self, other: SuiteCounts) -> SuiteCounts:
        """The counts of both parts."""
        return SuiteCounts(
            self.rules + other.rules,
            {place: counts + other.reported[place] for place, counts in self.reported.items()},
            {key: state + other.states[key] for key, state in self.states.items()},
        )

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.rules.rows

    def reported_at(self, place: int) -> tuple[int, int] | None:
        """How many rows a reported expectation refuses, and how many it leaves out.

        None where there is no test of the expectation.
        """
        if (counts := self.reported.get(place)) is None:
            return None
        (refused,), (left_out,) = counts.refused, counts.missing
        return refused, left_out

    def state_of(self, expectation: Mapping[str, Any]) -> ColumnState | None:
        """The state that an expectation in the suite's JSON is judged by; None if there is none."""
        key = state_key(expectation)
        return None if key is None else self.states.get(key)

    def with_examples(self, columns: Columns, key: str) -> Columns:
        """Rows, with those examples of failing rows that are not among them."""
        examples = reduce(
            lambda rows, counts: counts.with_examples(rows, key),
            self.reported.values(),
            self.rules.examples,
        )
        return replace(self.rules, examples=examples).with_examples(columns, key)
