"""Checks of a table's deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from lockstep.columns.kinds import Array, Columns, Ints, Times
from lockstep.columns.plain import PERSONAL, counted, listed, percentage, plain, verb
from lockstep.columns.table_schema import TableSchema
from lockstep.store.results import CheckResult

_EXAMPLES = 5
_LISTED = 20
_SHARE = 0.999
"""Share of the rows for which the delay holds that a finding proposes."""


def together(results: Sequence[CheckResult]) -> CheckResult:
    """The result of a check that looks at several things: the worst of them, and what all say."""
    judged = [result for result in results if result.judged]
    worst = max(judged, key=lambda result: (result.is_error, not result.passed))
    said = [result.summary for result in judged if result.passed is worst.passed]
    others = [result.summary for result in judged if not result.passed and result is not worst]
    summary = " ".join(said) if worst.passed else "; ".join([worst.summary, *others])
    numbers = {name: value for result in judged for name, value in result.numbers.items()}
    return replace(worst, summary=summary, numbers=numbers)


def check_keys(
    schema: TableSchema, columns: Columns, conflicts: Ints, origins: Array
) -> CheckResult:
    """Check that rows of a delivery do not contradict each other, nor what can be known.

    Args:
        conflicts: Positions of rows of one key and time that have different values.
        origins: The position of each row in the delivery.
    """
    early = np.empty(0, dtype=np.int64)
    if schema.known is not None and schema.valid is not None:
        early = np.flatnonzero(columns[schema.known] < columns[schema.valid])
    problems, wrong = [], conflicts if len(conflicts) else early
    for places, one, many, what in (
        (conflicts, "has", "have", "the key and time of another row and other values"),
        (early, "is", "are", "known before it is valid, as a forecast, which no look-up may find"),
    ):
        if len(places):
            named = listed(row_names(schema, columns, places), _EXAMPLES)
            are = verb(len(places), one, many)
            problems.append(f"{counted(len(places), 'row')} {are} {what}, such as {named}")
    if not problems:
        return CheckResult(True, f"{_each(schema)} once.")
    return CheckResult(
        False,
        "; ".join(problems),
        column=schema.known if not len(conflicts) else schema.keys[0],
        where=f"rows {listed(origins[wrong].tolist(), _EXAMPLES)} (counted from 0)",
        keys=tuple(row_names(schema, columns, wrong[:_EXAMPLES])),
        numbers={"contradictions": len(conflicts), "known too early": len(early)},
        table=_rows(schema, columns, wrong),
    )


def _each(schema: TableSchema) -> str:
    if schema.is_event:
        return "Each event is there"
    return "Each key is there" if schema.static else "Each key and time is there"


def check_append_only(schema: TableSchema, columns: Columns, restated: Ints) -> CheckResult:
    """Tell the rows of a delivery that take the place of earlier ones, which stay."""
    figures = {"restated": len(restated)}
    if not len(restated):
        return CheckResult(True, "All earlier rows are there as they were.", numbers=figures)
    names = row_names(schema, columns, restated)
    take = verb(len(restated), "takes", "take")
    return CheckResult(
        False,
        f"{counted(len(restated), 'row')} {take} the place of earlier ones from now on, such as "
        f"{listed(names, _EXAMPLES)}; the earlier ones stay, for what was computed with them.",
        severity="WARN",
        column=schema.valid or schema.keys[0],
        keys=tuple(names[:_EXAMPLES]),
        numbers=figures,
        table=_rows(schema, columns, restated),
    )


def check_known_after(
    schema: TableSchema, columns: Columns, received: Times, *, is_first: bool
) -> CheckResult:
    """Check that new rows were received by the time from which they are declared known.

    Args:
        columns: The new rows of the delivery, and those that were posted before it.
    """
    if is_first or not len(received):
        return CheckResult.not_judged(
            "It is the first delivery: its rows were there before."
            if is_first
            else "The delivery has no new rows."
        )
    assert schema.valid is not None, "a table without times has no such check"
    since = schema.known or schema.valid
    promised = np.timedelta64(schema.known_after or timedelta())
    delays = received - columns[since]
    late = np.flatnonzero(delays > promised)
    delay = np.sort(delays)[int(np.ceil(_SHARE * len(delays))) - 1].item()
    hours = {"delay of 99.9 % in hours": delay / timedelta(hours=1)}
    rows, new = len(received), counted(len(received), "new row")
    figures = {"rows": rows, "late": len(late), **hours}
    if not len(late):
        return CheckResult(
            True,
            f"All {new} came by the time from which "
            f"{verb(rows, 'it is', 'they are')} declared known.",
            numbers=figures,
        )
    share = percentage(100 * len(late) / rows)
    return CheckResult(
        False,
        f"{len(late):,} of {new} ({share}) came later than declared, "
        f"such as {listed(row_names(schema, columns, late), _EXAMPLES)}; 99.9 % came within "
        f"{_shown(delay)} of {since}, and {_promise(schema)} is declared.",
        severity="WARN",
        column=since,
        keys=tuple(row_names(schema, columns, late[:_EXAMPLES])),
        numbers=figures,
        table=_rows(schema, columns, late),
    )


def check_freshness(
    schema: TableSchema, newest: datetime | None, at: datetime, max_age: timedelta
) -> CheckResult:
    """Check that the newest row of a table is not too old at a time."""
    if newest is None:
        return CheckResult(
            False, f"{schema.name} has no row yet.", severity="WARN", column=schema.valid
        )
    age = max(at - newest, timedelta())
    return CheckResult(
        passed=age <= max_age,
        summary=f"The newest {schema.valid} of {schema.name} is {newest:%Y-%m-%d %H:%M} UTC, "
        f"{_shown(age)} before {at.astimezone(UTC):%Y-%m-%d %H:%M} (at most {_shown(max_age)}).",
        severity="WARN",
        column=schema.valid,
        numbers={"age in hours": age / timedelta(hours=1)},
    )


def row_names(schema: TableSchema, columns: Columns, places: Ints) -> list[str]:
    """Keys and time of some rows, a text each, such as `EWR 2013-04-01T09:00:00Z`."""
    names = [*schema.keys, *([schema.valid] if schema.valid is not None else [])]
    some = places[:_LISTED]
    cells = zip(*(columns[name][some] for name in names), strict=True)
    return [" ".join(str(plain(cell)) for cell in row) for row in cells]


def _rows(schema: TableSchema, columns: Columns, places: Ints) -> list[dict[str, object]]:
    return [
        {
            field.name: PERSONAL if field.personal else plain(columns[field.name][place])
            for field in schema.schema
        }
        for place in places[:_LISTED].tolist()
    ]


def _promise(schema: TableSchema) -> str:
    if schema.known is not None:
        return f"{schema.known} as the time from which a row is known"
    return f"known_after={_shown(schema.known_after or timedelta())}"


def _shown(span: timedelta) -> str:
    """A span in a sentence, such as `3 days, 2:00:00`."""
    return str(timedelta(seconds=int(span.total_seconds())))
