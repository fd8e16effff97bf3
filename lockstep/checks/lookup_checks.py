"""Checks of look-ups and windows: what they read, and what they may not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lockstep.checks.check_results import CheckResult
from lockstep.checks.comparisons import check_comparison
from lockstep.columns.asof.lookup_nodes import FromTable, Lookup
from lockstep.columns.digests import digests_of
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.plain import counted, percentage
from lockstep.columns.tables import is_missing, take_rows

if TYPE_CHECKING:
    from lockstep.parity.profiles import Profile

_SAMPLED = 50
"""Rows that are looked up by a plain loop, or in a table made for each of them."""
_TIMES, _MORE = 2.0, 0.05
"""How many times the training's share of rows without a finding may grow, if by so much more."""


def check_lookup_reference(pipeline: Pipeline, columns: Columns) -> CheckResult:
    """Check that look-ups and windows read what a plain loop finds.

    Args:
        pipeline: The pipeline, with its tables.
        columns: Rows, with all columns of look-ups and windows; of many, a sample is looked up.
    """
    from lockstep.parity.lookup_reference import compare_with_reference

    if not len(columns[pipeline.key]):
        return CheckResult.not_judged("There are no rows to look up.")
    report = compare_with_reference(pipeline, _sample(pipeline, columns))
    how = "looked up by a plain loop over the rows of the tables, in a sample"
    return check_comparison(report, pipeline.graph, how, failing="")


def check_no_future(
    pipeline: Pipeline, columns: Columns, *, by_removal: bool = False
) -> CheckResult:
    """Check that look-ups and windows read nothing that was not known at the event time.

    Args:
        pipeline: The pipeline, with its tables.
        columns: Rows, with all columns of look-ups and windows.
        by_removal: Whether to take the rows that were not known out of the tables, for each of a
            sample of the rows, instead of leaving them out of the search.
    """
    from lockstep.parity.no_future import without_future

    rows = _sample(pipeline, columns) if by_removal else columns
    comparison, early = without_future(pipeline, rows, by_removal=by_removal)
    if not comparison.rows or not comparison.compared:
        return CheckResult.not_judged(
            "There is no row with an event time, or no table with times.", comparison.skipped
        )
    how = "without the rows of tables that were not known yet"
    result = check_comparison(comparison, pipeline.graph, how)
    if early is None or comparison.first is None:
        return result
    count = f"{comparison.first.rows:,} of {counted(comparison.rows, 'row')}"
    return replace(
        result,
        summary=f"{early}. `{comparison.first.column}` is another one in {count} without what was "
        "not known yet.",
        table=[
            {
                "record": early.key,
                "event time": early.at,
                "row of the table": early.row,
                "valid": early.valid,
                "known": early.known,
            },
        ],
    )


def check_hits(pipeline: Pipeline, columns: Columns, training: Profile) -> CheckResult:
    """Check that look-ups find a row about as often as in training.

    Args:
        pipeline: The pipeline.
        columns: Rows, with all columns of look-ups.
        training: The profile of the training.
    """
    rows = len(columns[pipeline.key])
    if not rows:
        return CheckResult.not_judged("There are no rows to look up.")
    found = list(_misses(pipeline.reading, columns, training))
    if not found:
        return CheckResult.not_judged("There are windows alone, which find any number of rows.")
    rare = [
        (node, now, before)
        for node, now, before in found
        if now > _TIMES * before and now > before + _MORE
    ]
    worst = max(rare or found, key=lambda shares: shares[1] - shares[2])
    node, now, before = worst
    shares = f"{percentage(100 * now)} of {counted(rows, 'row')} ({percentage(100 * before)} in "
    return CheckResult(
        passed=not rare,
        summary=f"{node.title} finds nothing for {shares}training).",
        severity="WARN",
        column=next(iter(node.gives)) if rare else None,
        numbers={f"{node.name}: share without a row": now for node, now, _ in found},
        table=[
            {"look-up": node.name, "table": node.table.name, "without a row": now, "training": then}
            for node, now, then in found
        ],
    )


def _misses(
    nodes: list[FromTable], columns: Columns, training: Profile
) -> Iterator[tuple[FromTable, float, float]]:
    """Look-ups, with the share of rows for which nothing is found now, and in training.

    That of a static table is taken from the value that is missing least often.
    """
    for node in nodes:
        if isinstance(node, Lookup):
            names = [name for name in node.gives if name in training.columns]
            if not node.table.static:
                names = [f"{node.name}_age"]
            if names:
                now = min(float(is_missing(columns[name]).mean()) for name in names)
                yield node, now, min(training.columns[name].missing for name in names)


def _sample(pipeline: Pipeline, columns: Columns) -> Columns:
    """The rows whose keys have the smallest digests."""
    ranks = np.argsort(digests_of(columns[pipeline.key]), kind="stable")
    return take_rows(columns, np.sort(ranks[:_SAMPLED]))
