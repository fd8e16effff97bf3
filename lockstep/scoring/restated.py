"""Restated data: a published partition that comes again.

Changed raw values and withdrawn rows are upstream's doing. Changed columns of rows with the same
raw values are the platform's: another version may change them, the same one must not.

A key that came in several files is read several times: each file is published by itself, under its
own name, and the row with the latest `came_at` came last, also where an earlier file is scored
again later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.check_results import coverage, impact_figures, untold
from lockstep.checks.comparisons import check_comparison
from lockstep.columns.kinds import Array, Columns
from lockstep.columns.pipeline import Trace
from lockstep.columns.plain import counted, listed, show
from lockstep.columns.schema import Schema
from lockstep.columns.tables import from_arrow, kinds_of, stacked, take_rows
from lockstep.errors import DamagedError
from lockstep.parity.comparison import compare
from lockstep.parity.exactness import difference
from lockstep.scoring.work import Batch
from lockstep.stats.sampling import Sampling
from lockstep.store.attempts import Attempt
from lockstep.store.partition_records import Records
from lockstep.store.results import CheckResult

if TYPE_CHECKING:
    import pyarrow as pa

_EXAMPLES = 5
"""Keys and files that a message names."""
FILES = 28
"""Earlier files whose keys are compared: about a month of a file a day."""
SIDE_BY_SIDE = "side_by_side"
"""Name of the table of two versions, beside the attempt's others."""
_BEFORE = "_before"
_ELSEWHERE = (
    "Whoever reads several files takes of a key the row with the latest came_at; tell them that "
    "there are some. If these rows should not have come again, have the file delivered without "
    "them, then: AGAIN"
)
_WITHDRAWN = (
    "Ask upstream whether these rows were withdrawn, and tell whoever uses what was published. If "
    "not, have all rows delivered again, then: AGAIN"
)


@dataclass(frozen=True, eq=False)
class Again:
    """The published rows of a partition that came again."""

    before: Columns
    now: Columns  # the same rows now, in the same order
    places: Array  # their positions among all rows now
    new: int  # number of other rows now
    gone: Array  # keys of published rows that did not come again

    @classmethod
    def of(cls, before: Columns, now: Columns, key: str) -> Again:
        """Match rows by key; each key occurs once on either side."""
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
        """By column, positions of the rows whose value changed."""
        differences = {
            name: difference(self.before[name], self.now[name]).rows
            for name in names
            if name in self.now
        }
        return {name: np.flatnonzero(rows) for name, rows in differences.items()}


def check_restated(
    batch: Batch,
    partition: str,
    schema: Schema,
    aside: Callable[[Set[str]], Set[str]],
) -> CheckResult:
    """Check that the rows of a published partition came again unchanged.

    `aside` returns those of some keys whose rows were set aside, which other checks report.
    """
    key, raw, records = schema.key, batch.columns, batch.records
    assert key is not None, "rows that are scored have a key"
    try:
        before = _published(records, partition, "batch", batch.draw, key)
    except DamagedError as error:
        return CheckResult.not_judged(f"What is published cannot be compared with: {error}")
    elsewhere = published_elsewhere(records, partition, raw, schema)
    if before is None:
        return elsewhere or _first(partition)
    again = Again.of(before, raw, key)
    gone = [*map(str, again.gone)]
    set_aside = aside(frozenset(gone))
    delivered = np.array([key in set_aside for key in gone], dtype=bool)
    again = replace(again, gone=again.gone[~delivered])
    if delivered.any() and not len(again.places) and not len(again.gone):
        return CheckResult.not_judged(
            f"All rows that are published of {partition} came, and are set aside."
        )
    changed = {name: rows for name, rows in again.changed(schema.names).items() if len(rows)}
    if elsewhere is not None and not changed and not len(again.gone):
        return elsewhere  # its own rows came again unchanged
    columns = sorted(changed, key=lambda name: -len(changed[name]))
    rows = np.unique(np.concatenate([*changed.values(), np.empty(0, dtype=np.int64)]))
    named = (*([key] if len(again.gone) else []), *columns)
    count = len(again.now[key])
    changed = {name: changed[name] for name in columns}
    summary = _summary(again, partition, changed, len(rows), key, int(delivered.sum()))
    impact = None
    if columns:
        were = {name: again.before[name][rows] for name in columns}
        impact = batch.counterfactuals.as_they_were(were, again.places[rows])
    return CheckResult(
        passed=not named,
        summary=summary if impact is None else f"{summary} {impact}.",
        severity="WARN",
        column=named[0] if named else None,
        also=named[1:],
        keys=tuple(map(str, (*again.gone, *again.now[key][rows])[:_EXAMPLES])),
        numbers={
            **coverage(count, len(schema.names), {}),
            "restated rows": len(rows),
            "rows as before": count - len(rows),
            "new": again.new,
            "withdrawn": len(again.gone),
            **impact_figures(impact.effects if impact is not None else ()),
        },
        table=untold(
            (_example(again, name, rows, key) for name, rows in changed.items()), schema.personal
        ),
        todo=_WITHDRAWN if len(again.gone) and not columns else "",
    )


def _summary(
    again: Again,
    partition: str,
    changed: dict[str, Array],
    restated: int,
    key: str,
    aside: int,
) -> str:
    """A sentence about the published rows: withdrawn, changed, unchanged and set aside."""
    count, gone = len(again.now[key]), len(again.gone)
    published = count + gone + aside
    parts = []
    if gone:
        parts.append(
            f"{counted(gone, 'row')} of the {published:,} that are published of {partition} "
            f"came no more, such as {key} {show(again.gone[0])}"
        )
    if changed:
        fields = ", ".join(
            f"{name} ({len(rows):,})" for name, rows in [*changed.items()][:_EXAMPLES]
        )
        parts.append(
            f"{counted(restated, 'row')} of the {count:,} that are published of {partition} came "
            f"with other values this time: {fields}"
        )
    if not parts:
        parts.append(
            f"All {counted(count, 'row')} that are published of {partition} came again as they were"
        )
    if aside:
        parts.append(f"{counted(aside, 'row')} of the {published:,} came and are set aside")
    return f"{'; '.join(parts)}."


def check_rescored(
    records: Records, partition: str, columns: Columns, live: LoadedVersion, draw: Sampling
) -> CheckResult:
    """Check that rows with unchanged raw values have unchanged columns.

    Where another version scored them before, the result says how many changed. Of a large batch, a
    sample is compared.
    """
    pipeline = live.pipeline
    try:
        before = _published(records, partition, "scored", draw, pipeline.key)
        published = records.committed(partition)
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
        comparison = compare(*traces, graph, scales=scales, version=live.version)
        return check_comparison(comparison, graph, f"scored again by version {live.version}")
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
        table=untold(
            (_example(alike, name, rows, pipeline.key) for name, rows in other.items()),
            graph.personal,
        ),
    )


def _first(partition: str) -> CheckResult:
    return CheckResult(True, f"{partition} is not published yet: nothing of it can have changed.")


def _published(
    records: Records, partition: str, name: str, draw: Sampling, key: str
) -> Columns | None:
    """The drawn rows of a step of the published attempt; None without one."""
    attempt: Attempt | None = records.committed(partition)
    if attempt is None:
        return None
    parts = (from_arrow(table, kinds_of(table)) for table in attempt.parts(name))
    # the version that scored it may have named the key otherwise
    return stacked([draw.of(part, key) if key in part else part for part in parts])


def _example(again: Again, name: str, rows: Array, key: str) -> dict[str, Any]:
    """The number of rows in which a column changed, with the first as an example."""
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
    """Rows, by position, whose keys another file published; changed values by field, counted."""

    partition: str
    rows: Array
    changed: dict[str, int]


def published_elsewhere(
    records: Records, partition: str, raw: Columns, schema: Schema
) -> CheckResult | None:
    """The result for a file's rows whose keys the last files before published; None without any.

    Days are skipped: whether their keys are new is a constraint. Damaged files are skipped too:
    reading them fails elsewhere.
    """
    key = schema.key
    assert key is not None, "rows that are scored have a key"
    if records.holds_days:
        return None
    shared = list(_shared(records, partition, raw, schema, key))
    if not shared:
        return None
    rows = np.unique(np.concatenate([other.rows for other in shared]))
    changed: dict[str, int] = {}
    for other in shared:
        for name, count in other.changed.items():
            changed[name] = changed.get(name, 0) + count
    files = listed((f"{other.partition} ({len(other.rows):,})" for other in shared), _EXAMPLES)
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
        keys=tuple(map(str, raw[key][rows[:_EXAMPLES]])),
        numbers={**coverage(count, len(schema.names), {}), "published of other files": len(rows)},
        table=[
            {
                "file": other.partition,
                "rows": len(other.rows),
                "fields with other values": ", ".join(other.changed),
                "key": str(raw[key][other.rows[0]]),
            }
            for other in shared
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
    """The published rows of an attempt that have any of these keys; None without any.

    Of its rows, a unit is in memory at a time.
    """
    # what is published is what was scored; its version may have named the key otherwise
    named = attempt.record.steps["scored"].facts["published"][:1]
    parts = []
    for unit, scored in enumerate(attempt.parts("scored", named)):
        published = pd.Index(scored.column(0).to_pandas())
        shared = published[keys.get_indexer(published) >= 0]
        if shared.empty:
            continue
        table = attempt.read_part("batch", unit)
        if key not in table.column_names:
            return None
        rows = from_arrow(table, kinds_of(table))
        parts.append(take_rows(rows, pd.Index(rows[key]).isin(shared)))
    return stacked(parts) if parts else None


def side_by_side(records: Records, attempt: Attempt, live: LoadedVersion) -> pa.Table | None:
    """The outputs of a version beside those that the last other version published.

    Each key that either has is a row, in order: the outputs and `version`, and the same of before
    with the suffix `_before`; null where a version has no such row. None where no other version
    published the partition and is kept, or keys cannot be matched.
    """
    key = live.pipeline.key
    before = _of_another_version(records, attempt.record.partition, live.digest)
    if before is None:
        return None
    now = attempt.read("scored", [key, *live.pipeline.graph.outputs, "version"])
    if (
        key not in before.column_names
        or before.schema.field(key).type != now.schema.field(key).type
    ):
        return None  # the other version named or declared the key otherwise
    others = [name for name in before.column_names if name != key]
    before = before.rename_columns({name: f"{name}{_BEFORE}" for name in others})
    return now.join(before, key, join_type="full outer").sort_by(key)


def _of_another_version(records: Records, partition: str, manifest: str) -> pa.Table | None:
    """The key and outputs that the last other version published, with its version."""
    import pyarrow as pa

    with suppress(DamagedError):  # `rescored` and the audit tell
        for attempt in records.newest_first(partition):
            published = attempt.record.steps.get("published")
            if published is not None and published.manifest != manifest:
                table = attempt.read("published")
                times = [field.name for field in table.schema if pa.types.is_timestamp(field.type)]
                return table.drop_columns(times)
    return None
