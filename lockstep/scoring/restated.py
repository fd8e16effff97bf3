"""Restated data: a partition that is published already, and comes again.

What changed of it is told apart: rows whose raw values are others than they were, and rows that
come no more, which is upstream's doing; and rows whose raw values are the same and whose columns
are not, which is the platform's: by another version that is meant, by the same one it cannot be.

A key that came in several files is read several times: each file is published by itself, under its
own name, and of such rows the one with the latest `scored_at` came last.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lockstep.checks.check_results import CheckResult, coverage, impact_figures
from lockstep.checks.comparisons import check_comparison
from lockstep.columns.kinds import Array, Columns
from lockstep.columns.pipeline import Trace
from lockstep.columns.plain import counted, listed, show
from lockstep.columns.schema import Schema
from lockstep.columns.tables import from_arrow, kinds_of, take_rows
from lockstep.errors import DamagedError
from lockstep.parity.exactness import difference
from lockstep.scoring.work import Batch
from lockstep.store.attempts import Attempt
from lockstep.store.partition_records import Records

if TYPE_CHECKING:
    from lockstep.artifacts.version import LoadedVersion


_EXAMPLES = 5
"""Keys and files that are named."""
FILES = 28
"""Files before one whose keys are looked at: about a month of a file a day."""
_ELSEWHERE = (
    "Whoever reads several files takes of a key the row with the latest scored_at; tell them that "
    "there are some. If these rows should not have come again, have the file delivered without "
    "them, then: AGAIN"
)
_WITHDRAWN = (
    "Ask upstream whether these rows were withdrawn, and tell whoever uses what was published. If "
    "not, have all rows delivered again, then: AGAIN"
)


@dataclass(frozen=True, eq=False)
class Again:
    """The rows of a partition that were published before and came again.

    Attributes:
        before: What they were, a row each.
        now: What they are, in the same order.
        places: Where they are among all rows now.
        new: How many other rows there are now.
        gone: Keys of the rows that were published and are not among those of now.
    """

    before: Columns
    now: Columns
    places: Array
    new: int
    gone: Array

    @classmethod
    def of(cls, before: Columns, now: Columns, key: str) -> Again:
        """Match rows by key; each key is there once on either side."""
        keys = pd.Index(before[key])
        places = keys.get_indexer(pd.Index(now[key]))
        known = np.flatnonzero(places >= 0)
        shared = {name: now[name] for name in now if name in before}
        return cls(
            take_rows({name: before[name] for name in shared}, places[known]),
            take_rows(shared, known),
            known,
            len(places) - len(known),
            keys.delete(places[known]).to_numpy(),
        )

    def changed(self, names: tuple[str, ...]) -> dict[str, Array]:
        """The rows in which columns hold another value than before, by column."""
        found = {
            name: difference(self.before[name], self.now[name]).rows
            for name in names
            if name in self.now
        }
        return {name: np.flatnonzero(rows) for name, rows in found.items()}


def check_restated(
    batch: Batch, partition: str, schema: Schema, *, aside: Collection[str] = ()
) -> CheckResult:
    """Whether the rows of a partition that is published came again as they were.

    Args:
        batch: Its accepted rows, as they came now.
        partition: The day or file.
        schema: What they are declared to hold.
        aside: Keys of the rows that came and were set aside, of which other checks tell.
    """
    key, raw, records = schema.key, batch.columns, batch.records
    assert key is not None, "rows that are scored have a key"
    try:
        before = _published(records, partition, "batch")
    except DamagedError as error:
        return CheckResult.not_judged(f"What is published cannot be compared with: {error}")
    elsewhere = published_elsewhere(records, partition, raw, schema)
    if before is None:
        return elsewhere or _first(partition)
    again = Again.of(before, raw, key)
    delivered = np.array([str(one) in aside for one in again.gone], dtype=bool)
    again = replace(again, gone=again.gone[~delivered])
    if delivered.any() and not len(again.places) and not len(again.gone):
        return CheckResult.not_judged(
            f"All rows that are published of {partition} came, and are set aside."
        )
    changed = {name: rows for name, rows in again.changed(schema.names).items() if len(rows)}
    if elsewhere is not None and not changed and not len(again.gone):
        return elsewhere  # it came again as it was, beside others
    columns = sorted(changed, key=lambda name: -len(changed[name]))
    rows = np.unique(np.concatenate([*changed.values(), np.empty(0, dtype=np.int64)]))
    named = (*([key] if len(again.gone) else []), *columns)
    count = len(again.now[key])
    told = {name: changed[name] for name in columns}
    said = _told(again, partition, told, len(rows), key, int(delivered.sum()))
    impact = None
    if columns:
        were = {name: again.before[name][rows] for name in columns}
        impact = batch.counterfactuals.otherwise(
            were, again.places[rows], "the values as they were"
        )
    return CheckResult(
        passed=not named,
        summary=said if impact is None else f"{said} {impact}.",
        severity="WARN",
        column=named[0] if named else None,
        also=named[1:],
        keys=tuple(str(one) for one in (*again.gone, *again.now[key][rows])[:_EXAMPLES]),
        numbers={
            **coverage(count, len(schema.names), {}),
            "restated rows": len(rows),
            "rows as before": count - len(rows),
            "new": again.new,
            "withdrawn": len(again.gone),
            **impact_figures(impact.effects if impact is not None else ()),
        },
        table=[_example(again, name, changed[name], key) for name in columns],
        todo=_WITHDRAWN if len(again.gone) and not columns else "",
    )


def _told(
    again: Again,
    partition: str,
    changed: dict[str, Array],
    restated: int,
    key: str,
    aside: int,
) -> str:
    """What came of the published rows in a sentence."""
    count, gone = len(again.now[key]), len(again.gone)
    published = count + gone + aside
    said = []
    if gone:
        said.append(
            f"{counted(gone, 'row')} of the {published:,} that are published of {partition} "
            f"came no more, such as {key} {show(again.gone[0])}"
        )
    if changed:
        told = ", ".join(f"{name} ({len(rows):,})" for name, rows in [*changed.items()][:_EXAMPLES])
        said.append(
            f"{counted(restated, 'row')} of the {count:,} that are published of {partition} came "
            f"with other values this time: {told}"
        )
    if not said:
        said.append(
            f"All {counted(count, 'row')} that are published of {partition} came again as they were"
        )
    if aside:
        said.append(f"{counted(aside, 'row')} of the {published:,} came and are set aside")
    return f"{'; '.join(said)}."


def check_rescored(
    records: Records, partition: str, columns: Columns, live: LoadedVersion
) -> CheckResult:
    """Whether rows whose raw values are as they were have the columns that they had.

    Where another version scored them before, it is told how many have others.

    Args:
        records: The stream's.
        partition: The day or file.
        columns: All columns of its rows, as they were computed now.
        live: The version that computed them.
    """
    from lockstep.parity.comparison import compare

    pipeline = live.pipeline
    try:
        before, published = _published(records, partition, "scored"), records.committed(partition)
    except DamagedError as error:
        return CheckResult.not_judged(f"What is published cannot be compared with: {error}")
    if before is None or published is None:
        return _first(partition)
    again = Again.of(before, columns, pipeline.key)
    same = np.ones(len(again.now[pipeline.key]), dtype=bool)
    for rows in again.changed(pipeline.record_schema.names).values():
        same[rows] = False
    if not same.any():
        return CheckResult.not_judged("No row came again as it was.")
    was, now = take_rows(again.before, same), take_rows(again.now, same)
    scored = published.record.steps["scored"]
    graph, scales = pipeline.graph, live.golden.scales
    traces = Trace(was[pipeline.key], was, {}), Trace(now[pipeline.key], now, {})
    if scored.manifest == live.digest:
        found = compare(*traces, graph, scales=scales, version=live.version)
        return check_comparison(found, graph, f"scored again by version {live.version}")
    computed = tuple(name for name in graph.served if name not in pipeline.record_schema)
    alike = Again.of(was, now, pipeline.key)
    other = {name: rows for name, rows in alike.changed(computed).items() if len(rows)}
    rows = np.unique(np.concatenate([*other.values(), np.empty(0, dtype=np.int64)]))
    return CheckResult(
        True,
        f"{counted(len(rows), 'row')} of the {int(same.sum()):,} that came again as they were have "
        f"other columns than by version {scored.version}"
        f"{f', the first of them {next(iter(other))}' if other else ''}.",
        numbers={"rows": int(same.sum()), "rows with other columns": len(rows)},
        table=[_example(alike, name, rows, pipeline.key) for name, rows in other.items()],
    )


def _first(partition: str) -> CheckResult:
    """Of a partition that is not published yet the records tell so: nothing can have changed."""
    return CheckResult(True, f"{partition} is not published yet: nothing of it can have changed.")


def _published(records: Records, partition: str, name: str) -> Columns | None:
    """The columns of a step of the attempt that is published; None if none is."""
    attempt: Attempt | None = records.committed(partition)
    if attempt is None:
        return None
    table = attempt.read(name)
    return from_arrow(table, kinds_of(table))


def _example(again: Again, name: str, rows: Array, key: str) -> dict[str, Any]:
    """How many rows of a column changed, and the first of them."""
    row = int(rows[0])
    return {
        "column": name,
        "rows": len(rows),
        "of": len(again.now[key]),
        "key": str(again.now[key][row]),
        "before": show(again.before[name][row]),
        "now": show(again.now[name][row]),
    }


@dataclass(frozen=True)
class _Shared:
    """The rows whose keys another file published.

    Attributes:
        partition: The other file.
        rows: Where they are among the rows now.
        changed: By field, how many of them have another value now.
    """

    partition: str
    rows: Array
    changed: dict[str, int]


def published_elsewhere(
    records: Records, partition: str, raw: Columns, schema: Schema
) -> CheckResult | None:
    """Which rows of a file have keys that the last files before it published; None if none do.

    Days are left alone: whether their keys are new is a constraint. What is damaged is left out:
    whoever reads it is told.

    Args:
        records: The stream's.
        partition: The file.
        raw: Its accepted rows.
        schema: What they are declared to hold.
    """
    key = schema.key
    assert key is not None, "rows that are scored have a key"
    if records.holds_days:
        return None
    shared = list(_shared(records, partition, raw, schema, key))
    if not shared:
        return None
    rows = np.unique(np.concatenate([one.rows for one in shared]))
    keys = tuple(str(one) for one in raw[key][rows[:_EXAMPLES]])
    changed: dict[str, int] = {}
    for one in shared:
        for name, count in one.changed.items():
            changed[name] = changed.get(name, 0) + count
    files = listed((f"{one.partition} ({len(one.rows):,})" for one in shared), _EXAMPLES)
    others = ", ".join(f"{name} ({count:,})" for name, count in changed.items())
    values = f"with other values in {others}" if changed else "with the same values"
    count = len(raw[key])
    return CheckResult(
        False,
        f"The {key} of {counted(len(rows), 'row')} of {count:,} was published of other files "
        f"before, {values}, such as {show(raw[key][rows[0]])}: {files}. Each file is published by "
        "itself, so that whoever reads all finds such a row more than once.",
        severity="WARN",
        column=key,
        also=tuple(changed),
        keys=keys,
        numbers={**coverage(count, len(schema.names), {}), "published of other files": len(rows)},
        table=[
            {
                "file": one.partition,
                "rows": len(one.rows),
                "fields with other values": ", ".join(one.changed),
                "key": str(raw[key][one.rows[0]]),
            }
            for one in shared
        ],
        todo=_ELSEWHERE,
    )


def _shared(
    records: Records, partition: str, raw: Columns, schema: Schema, key: str
) -> Iterator[_Shared]:
    now = pd.Index(raw[key])
    for other in reversed(records.before(partition, FILES)):
        with suppress(DamagedError):
            before = _batch(records.demand(other), now, key)
            if before is not None:
                at = now.get_indexer(pd.Index(before[key]))
                held = take_rows(raw, at)
                changed = {
                    name: int(np.sum(difference(before[name], held[name]).rows))
                    for name in schema.names
                    if name in before and before[name].dtype == held[name].dtype
                }
                yield _Shared(other, np.sort(at), {name: n for name, n in changed.items() if n})


def _batch(attempt: Attempt, keys: pd.Index, key: str) -> Columns | None:
    """The published rows of an attempt that have one of these keys; None if none has."""
    published = pd.Index(attempt.read("published").column(0).to_pandas())
    shared = published[keys.get_indexer(published) >= 0]
    if shared.empty:
        return None
    table = attempt.read("batch")
    rows = from_arrow(table, kinds_of(table))
    if key not in rows:  # the version that scored it named the key otherwise
        return None
    return take_rows(rows, pd.Index(rows[key]).isin(shared))
