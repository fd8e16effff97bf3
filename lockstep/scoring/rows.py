"""Rows: compute them, and set aside with reasons those that fail or break a rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence, Set
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lockstep.artifacts.outside_readings import Reading
from lockstep.checks.check_results import coverage
from lockstep.checks.suite_checks import Quarantined
from lockstep.columns.aside import HELD_BACK, Aside, set_aside
from lockstep.columns.failing import at_row
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.plain import all_of, counted, verb
from lockstep.columns.returned import reason_of
from lockstep.columns.tables import concat, take_rows
from lockstep.errors import DamagedError, FailingFunctionError, FunctionError
from lockstep.refusals import Reason, Rejected
from lockstep.rules.row_rules import RowRules, part
from lockstep.scoring.work import Work
from lockstep.stats.sampling import Sampling
from lockstep.store.attempts import Attempt
from lockstep.store.put_back import PUT_BACK
from lockstep.store.results import CheckResult

if TYPE_CHECKING:
    import pyarrow as pa


_EXAMPLES = 5
"""Keys that a message names."""


@dataclass(frozen=True)
class ComputedRows:
    """Parted rows with all their columns."""

    columns: Columns  # of every computed row, in order
    kept: Columns  # of the rows that no row rule refuses
    failing: tuple[Rejected, ...]  # on which a function raises
    broken: tuple[Rejected, ...]  # computed rows that a row rule refuses
    # Positions of the computed rows that no rule refuses, since a person accepted them.
    accepted: frozenset[int] = frozenset()

    @property
    def aside(self) -> tuple[Rejected, ...]:
        """All rows that do not go on."""
        return (*self.failing, *self.broken)


def compute_rows(
    pipeline: Pipeline,
    columns: Columns,
    most: int,
    rules: Iterable[RowRules] = (),
    accepted: Collection[str] = (),
) -> ComputedRows:
    """Compute all columns of rows, and part the rows by rules about these columns.

    Args:
        most: Number of rows on which functions may fail.
        rules: Row rules of computed rows.
        accepted: Keys of rows that no rule refuses.

    Raises:
        FailingFunctionError: Functions fail on more rows.
        SuiteError: The rules ask something that the columns cannot answer.
    """
    computed, failing = evaluate_rows(pipeline, columns, most)
    origins = np.delete(np.arange(len(columns[pipeline.key])), [row.row for row in failing])
    keys = map(str, computed[pipeline.key]) if accepted else ()
    fine = frozenset(row for row, key in enumerate(keys) if key in accepted)
    parted = part(computed, rules, fine)
    broken = set_aside(computed, parted.refused, pipeline.record_schema, origins)
    return ComputedRows(computed, parted.kept, failing, broken, fine)


def looked_up_rows(pipeline: Pipeline, columns: Columns, most: int) -> Columns:
    """The fields, look-ups and windows of the rows on which no function raises.

    Raises:
        FailingFunctionError: Functions fail on more rows than `most`.
    """
    if not pipeline.reading:
        return columns
    return evaluate_rows(pipeline, columns, most, pipeline.looked_up_schema.names)[0]


def evaluate_rows(
    pipeline: Pipeline, columns: Columns, most: int, wanted: Sequence[str] | None = None
) -> tuple[Columns, tuple[Rejected, ...]]:
    """Compute columns of every row on which no function raises; tell the failing rows.

    Where a function raises, the rows are halved until the failing rows are found, or are too many.
    By default, all columns that need no outcome are computed.

    Raises:
        FailingFunctionError: Functions fail on more rows than `most`.
    """
    failed: dict[int, tuple[Reason, ...]] = {}
    names = tuple(pipeline.graph.served if wanted is None else wanted)
    parts = _parts(pipeline, columns, names, 0, failed, most)
    kinds = {name: pipeline.graph.kind(name) for name in names}
    computed = parts[0] if len(parts) == 1 else concat(parts, kinds)
    return computed, set_aside(columns, failed, pipeline.record_schema)


def refused_by_system(
    pipeline: Pipeline, columns: Columns, failing: Sequence[Rejected] | FailingFunctionError
) -> list[Reading]:
    """What functions were refused in a closed thread: they do not fail on the same rows here.

    The failing rows are those of that thread, or the error that they are too many.
    """
    if isinstance(failing, FailingFunctionError):
        rows = take_rows(columns, slice(failing.tried))
        is_refused = len(evaluate_rows(pipeline, rows, failing.tried)[1]) < failing.failed
        told = [(failing.column, failing.why)] if is_refused else []
    else:
        rows = take_rows(columns, np.array([row.row for row in failing], dtype=np.int64))
        still = {row.row for row in evaluate_rows(pipeline, rows, len(failing))[1]}
        refused = (row for place, row in enumerate(failing) if place not in still)
        told = [(row.reasons[0].column, row.reasons[0].message) for row in refused]
    nodes = ((pipeline.graph.node(column), column, why) for column, why in told)
    return [Reading("closed", why, n.location if n else "", column) for n, column, why in nodes]


def _parts(
    pipeline: Pipeline,
    columns: Columns,
    names: tuple[str, ...],
    offset: int,
    failed: dict[int, tuple[Reason, ...]],
    most: int,
) -> list[Columns]:
    try:
        computed = pipeline.evaluate(columns, names)
        return [{name: computed[name] for name in names}]
    except FunctionError as error:
        count = len(columns[pipeline.key])
        if count == 1:
            located = at_row(pipeline.graph, columns, error, pipeline.bound)
            reason = failed.setdefault(offset, (reason_of(located),))[0]
            if len(failed) > most:
                raise FailingFunctionError(
                    reason.column, len(failed), offset + 1, reason.message, computed=error.column
                ) from error
            return []
        half = count // 2
        first = take_rows(columns, slice(half))
        second = take_rows(columns, slice(half, count))
        return _parts(pipeline, first, names, offset, failed, most) + _parts(
            pipeline, second, names, offset + half, failed, most
        )


def not_computed(error: FailingFunctionError, before: Quarantined) -> CheckResult:
    """The result for a partition where functions fail on too many rows."""
    quarantined = replace(before, rows=before.rows + error.failed)
    told = error if error.column else error.why  # of a unit that ended its process
    return CheckResult(False, f"{told}{quarantined.excess}", column=error.column or None)


def check_computation(
    failing: Aside, computed: int, columns: int, quarantined: Quarantined
) -> CheckResult:
    """Check that every row could be computed; the others are set aside."""
    total = len(failing) + computed
    numbers = {**coverage(total, columns, {}), "failing": len(failing)}
    if not failing:
        return CheckResult(
            True, f"{all_of(total, 'row', 'was', 'were')} computed.", numbers=numbers
        )
    (reason, *_) = failing.rows[0].reasons
    return CheckResult(
        False,
        f"{len(failing):,} of {counted(total, 'row')} cannot be computed, and "
        f"{verb(len(failing), 'is', 'are')} set aside: "
        f"{reason.message}{quarantined.excess}",
        severity="ERROR" if quarantined.too_many else "WARN",
        column=reason.column or None,
        keys=tuple(str(row.key) for row in failing.rows),
        numbers=numbers,
    )


def check_conservation(work: Work, attempt: Attempt, key: str, draw: Sampling) -> CheckResult:
    """Check that no row is lost, by the files; count the published rows that were withdrawn.

    Those of a large batch that are drawn are looked for among the published ones.
    """
    rows_in = attempt.record.steps["batch"].counts["rows_in"]
    scored = attempt.row_count("scored")
    steps = ("batch", "scored")
    fates: Counter[str] = Counter()
    for step in steps:
        for table in attempt.parts(f"{step}_quarantine", ["fate"]):
            fates.update(table.column("fate").to_pylist())
    quarantined, duplicates, held_back = (
        fates[fate] for fate in ("quarantined", "duplicate", HELD_BACK)
    )
    out = scored + quarantined + duplicates + held_back
    gone = _gone(work, attempt, key, draw)
    came = counted(rows_in, "row")
    went = f"{scored} scored + {quarantined} quarantined + {counted(duplicates, 'duplicate')}"
    went += f" + {held_back} held back" if held_back else ""
    summary = f"{came} in = {went}" if rows_in == out else f"{came} came in, but {went} make {out}"
    back = attempt.record.steps["batch"].facts.get(PUT_BACK, {})
    corrected, accepted = len(back.get("corrected", ())), len(back.get("accepted", ()))
    if back:
        summary += f"; put back are {corrected} corrected and {accepted} accepted"
    if back.get("otherwise"):
        summary += f", and {back['otherwise']} not, which do not fit or came otherwise by now"
    if gone:
        summary += (
            f"; {counted(len(gone), 'row')} that {verb(len(gone), 'was', 'were')} published of "
            f"{work.partition} before came no more, such as {gone[0]}"
        )
    return CheckResult(
        passed=rows_in == out and not gone,
        summary=f"{summary}.",
        severity="ERROR" if rows_in != out else "WARN",
        keys=tuple(gone[:_EXAMPLES]),
        numbers={
            "rows_in": rows_in,
            "scored": scored,
            "quarantined": quarantined,
            "duplicates": duplicates,
            **({"held back": held_back} if held_back else {}),
            "came no more": len(gone),
            **({"put back": corrected + accepted} if back else {}),
        },
    )


def _gone(work: Work, attempt: Attempt, key: str, draw: Sampling) -> list[str]:
    """The keys of drawn published rows that did not come again, as texts."""
    try:
        before = work.records.committed(work.partition)
        # the published rows are those of its parts; its version may have named the key otherwise
        names = [] if before is None else before.record.steps["scored"].facts["published"][:1]
        published = [] if before is None else _drawn(before.parts("scored", names), 0, draw)
    except DamagedError:
        return []  # another attempt repairs that
    if not published:
        return []
    gone = set(published).difference(_drawn(attempt.parts("scored", [key]), 0, draw))
    for step in ("batch", "scored"):
        gone -= keys_aside(attempt, step, gone)
    return [value for value in published if value in gone]


def keys_aside(attempt: Attempt, step: str, keys: Set[str]) -> set[str]:
    """Those of some keys, as texts, whose rows a step of an attempt set aside."""
    found: set[str] = set()
    for table in attempt.parts(f"{step}_quarantine", ["key"]) if keys else ():
        found.update(keys & set(table.column("key").to_pylist()))
    return found


def _drawn(tables: Iterable[pa.Table], column: int, draw: Sampling) -> list[str]:
    """The drawn keys of some tables, as texts."""
    keys: list[str] = []
    for table in tables:
        own = table.column(column).to_numpy()
        keys += map(str, own[draw.drawn(own)].tolist())
    return keys


def computable(pipeline: Pipeline, columns: Columns) -> Columns:
    """Compute every column, in graph order, that can be computed of all rows given."""
    computed = dict(columns)
    for name in pipeline.graph.served:
        try:
            computed = pipeline.evaluate(computed, (name,))
        except FunctionError:  # of the column, or of one that it is computed from
            continue
    return {name: computed[name] for name in pipeline.graph.served if name in computed}
