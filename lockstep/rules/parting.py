"""Parting: rows that the row rules of several suites accept, and those that one of them refuses.

The rules of the input suite part records as they come in; those of the feature and the output
suite part rows that are computed. Columns in, columns out: a batch and a single request are parted
by the same functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lockstep.columns.decode import Reason
from lockstep.columns.kinds import Columns, Kind
from lockstep.columns.tables import take_rows
from lockstep.errors import SuiteError
from lockstep.rules.row_rules import RowRules, compile_rules


@dataclass(frozen=True)
class Parted:
    """Rows, parted by row rules.

    Attributes:
        kept: The columns of the rows that all rules accept, in order.
        refused: All that the rules hold against each other row, by its position, in order.
    """

    kept: Columns
    refused: Mapping[int, tuple[Reason, ...]]


def part(columns: Columns, rules: Iterable[RowRules]) -> Parted:
    """Part rows by the row rules of suites.

    Args:
        columns: Columns in canonical form, of one length.
        rules: The rules, a suite each; a row's reasons come in their order.

    Raises:
        SuiteError: A column that a rule needs is absent, or holds what the rule cannot test.
    """
    refused: dict[int, tuple[Reason, ...]] = {}
    for suite in rules:
        refusals = suite.apply(columns)
        for row in refusals.rows:
            refused[row] = (*refused.get(row, ()), *refusals.reasons(row))
    if not refused:
        return Parted(columns, {})
    keep = np.ones(len(next(iter(columns.values()))), dtype=np.bool_)
    keep[list(refused)] = False
    return Parted(take_rows(columns, keep), dict(sorted(refused.items())))


def applicable_rules(
    suites: Iterable[Mapping[str, Any]], kinds: Mapping[str, Kind]
) -> tuple[RowRules, ...]:
    """The row rules of the suites that can be asked of columns of these kinds.

    One that cannot is left out whole: whoever validates the suite is told why.

    Args:
        suites: The suites as `suite_json` gives them.
        kinds: The columns.
    """
    return tuple(rules for rules in map(compile_rules, suites) if _apply(rules, kinds))


def _apply(rules: RowRules, kinds: Mapping[str, Kind]) -> bool:
    try:
        rules.check(kinds)
    except SuiteError:
        return False
    return True
