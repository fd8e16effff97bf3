"""Checks of look-ups and windows: what they read, and what they may not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lockstep.checks.check_results import coverage, with_unjudged
from lockstep.checks.comparisons import check_comparison
from lockstep.columns.digests import digests_of
from lockstep.columns.from_table import FromTable
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.plain import counted, listed, percentage, plain
from lockstep.columns.tables import is_missing, take_rows
from lockstep.store.results import CheckResult
from lockstep.tables.lookups import Lookup

if TYPE_CHECKING:
    from lockstep.parity.lookup_hindsight import (
        Layered,
        LookedUpAgain,
        ServedLookups,
        Tables,
    )
    from lockstep.parity.profiles import Profile
    from lockstep.tables.found import NamedRow

_SAMPLED = 50
"""Rows that a sample has at most."""
_NAMED, _LISTED = 3, 50
"""Rows that a summary and a table name."""
_TIMES, _MORE = 2.0, 0.05
"""How many times the training's share of rows without a finding may grow, if by so much more."""


def check_no_future(pipeline: Pipeline, columns: Columns, *, sampled: bool = False) -> CheckResult:
    """Check that look-ups and windows read nothing that was not known at the event time."""
    from lockstep.parity.no_future import without_future

    rows = _sample(pipeline, columns) if sampled else columns
    comparison, early = without_future(pipeline, rows)
    if not comparison.rows or not comparison.compared:
        return CheckResult.not_judged(
            "There is no row with an event time, or no table with times.", comparison.skipped
        )
    how = "without the rows of tables that were not known yet"
    result = check_comparison(comparison, pipeline.graph, how)
    if early is None or comparison.first is None:
        return result
    count = f"{comparison.first.differing:,} of {counted(comparison.rows, 'row')}"
    row = early.row
    assert row is not None, "it is there"
    return replace(
        result,
        summary=f"{early.node.title} reads the row of {early.node.table.name} for {row.key} that "
        f"is valid from {row.valid} and known from {row.known}, for {early.record} of {early.at}. "
        f"`{comparison.first.column}` is another one in {count} without what was not known yet.",
        table=[
            {
                "record": early.record,
                "event time": early.at,
                "row of the table": row.key,
                "valid": row.valid,
                "known": row.known,
            },
        ],
    )


def check_hits(pipeline: Pipeline, columns: Columns, training: Profile) -> CheckResult:
    """Check that look-ups find a row about as often as in training."""
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


def check_lookup_replay(
    again: LookedUpAgain, pipeline: Pipeline, served: ServedLookups
) -> CheckResult:
    """Check that the tables, as they were, give answered rows what the server read for them."""
    from lockstep.parity.lookup_hindsight import replay_lookups

    if not again.origins:
        return CheckResult.not_judged("No look-up can be made again.", again.unjudged)
    comparison = replay_lookups(pipeline, served, again)
    first, rows = comparison.first, counted(comparison.rows, "row")
    summary, examples, node = comparison.summary, first.examples if first is not None else (), None
    if first is not None:
        node = next(node for node in pipeline.reading if first.column in node.origins)
        summary = (
            f"{node.title} reads other rows for {first.differing:,} of {rows} than the server did, "
            f"by the same version of the table {node.table.name}: {first.column} of "
            f"{examples[0].key} was {plain(examples[0].expected)}, and is "
            f"{plain(examples[0].actual)}."
        )
    elif comparison.ok:
        names = listed([node.name for node in pipeline.reading if node.column in again.columns])
        summary = f"{names} read the same rows of tables for {rows}, as these were then."
    return CheckResult(
        passed=comparison.ok,
        summary=with_unjudged(summary, again.unjudged),
        column=None if node is None else node.column,
        where="" if node is None else node.location,
        keys=tuple(str(example.key) for example in examples),
        numbers=coverage(comparison.rows, len(again.columns), again.unjudged),
        table=[
            {
                "record": str(example.key),
                "was": plain(example.expected),
                "is": plain(example.actual),
            }
            for example in examples
        ],
        unjudged=again.unjudged,
    )


def check_lookup_hindsight(
    pipeline: Pipeline,
    served: ServedLookups,
    rows_at: Callable[[Mapping[str, str]], Layered],
    today: Tables,
) -> CheckResult:
    """Check that what is known today gives answered rows what the server read for them."""
    from lockstep.parity.lookup_hindsight import CAUSES, in_hindsight

    found, unjudged = in_hindsight(pipeline, served, rows_at, today)
    if {*unjudged} >= {name for node in pipeline.reading for name in node.gives}:
        return CheckResult.not_judged("No look-up can be made again.", unjudged)
    by_cause = {cause: [each for each in found if each.cause == cause] for cause in CAUSES}
    records = dict.fromkeys(each.record for each in found)
    parts = [
        f"{len(same):,} {cause} ({listed(map(_named, same), _NAMED)})"
        for cause, same in by_cause.items()
        if same
    ]
    total = counted(len(served.keys), "row")
    summary = (
        f"{len(records):,} of {total} would be looked up otherwise by what is known today, for "
        f"rows of tables that were {', '.join(parts)}."
        if found
        else f"By what is known today, {total} would be looked up as they were."
    )
    return CheckResult(
        passed=not found,
        summary=with_unjudged(summary, unjudged),
        severity="WARN",
        column=next(iter(found[0].node.gives)) if found else None,
        keys=tuple(records)[:_NAMED],
        numbers={
            "rows": len(served.keys),
            **{name: len(same) for name, same in by_cause.items()},
        },
        table=[
            {
                "record": each.record,
                "read by": each.node.name,
                "table": each.node.table.name,
                "cause": each.cause,
                "row": None if each.row is None else each.row.key,
                "valid": None if each.row is None else each.row.valid,
                "known": None if each.row is None else each.row.known,
            }
            for each in found[:_LISTED]
        ],
        unjudged=unjudged,
    )


def _named(found: NamedRow) -> str:
    table, row = found.node.table.name, found.row
    return f"{table} of {found.record}" if row is None else f"{table} {row.name}"


def _misses(
    nodes: list[FromTable], columns: Columns, training: Profile
) -> Iterator[tuple[FromTable, float, float]]:
    """Look-ups, with the share of rows for which nothing is found now, and in training.

    That of a static table is taken from the value that is missing least often.
    """
    for node in nodes:
        if isinstance(node, Lookup) and node.column in columns:
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
