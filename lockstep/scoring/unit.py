"""A unit of a batch: two plain functions, which every executor runs alike.

    ingest_unit    read, part the rows, and write those that go on
    score_unit     compute every column of these, and write them

Each writes the unit's parts of the attempt's tables, and returns their digests with what the checks
of the batch need: counts, the first rows that were set aside, sums, and the unit's share of the
sample. All of it adds up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial, reduce
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from lockstep.artifacts.closed_files import closed
from lockstep.artifacts.fingerprint import computing_fingerprint
from lockstep.artifacts.outside_readings import Reading
from lockstep.artifacts.questions import watching
from lockstep.artifacts.snapshot import folders_of
from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.check_results import Attempted, attempted, summed
from lockstep.checks.comparisons import outside_readings
from lockstep.checks.ingest import Ingested, duplicate, ingest
from lockstep.checks.suite_checks import Quarantined
from lockstep.columns.aside import HELD_BACK, Aside, quarantine_table, set_aside
from lockstep.columns.decode import Decoded
from lockstep.columns.kinds import Array, Columns, Ints
from lockstep.columns.schema import Schema
from lockstep.columns.tables import from_arrow, take_rows, to_arrow, with_time
from lockstep.columns.units import Unit
from lockstep.constraints.past import UNDATED, Lacking
from lockstep.constraints.view import by_clock
from lockstep.errors import FailingFunctionError, OutsideReadingError
from lockstep.parity.company import in_other_company
from lockstep.parity.comparison import Comparison
from lockstep.refusals import Reason, Rejected
from lockstep.rules.record_rules import RecordRules
from lockstep.rules.row_rules import RowRules, applicable_rules, compile_rules
from lockstep.rules.suite_counts import SuiteCounts
from lockstep.scoring.day_rows import write_days
from lockstep.scoring.executors import TRIES, UnitTask
from lockstep.scoring.repeated import read_keys, write_keys
from lockstep.scoring.rows import compute_rows, not_computed, refused_by_system
from lockstep.stats.number_runs import NO_RUNS, Runs
from lockstep.stats.sampling import Sample, Sampling
from lockstep.stats.states import Summed
from lockstep.stats.sums import ExactSum
from lockstep.store.attempts import Attempt, part_file, write_part
from lockstep.store.put_back import PutBack, RowBack, with_rows_back
from lockstep.store.results import CheckResult

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, repr=False)
class IngestTask(UnitTask):
    """A unit to ingest."""

    unit: Unit
    number: int  # from 0
    of: int  # number of units of the batch
    folder: Path
    draw: Sampling  # which rows of the batch are drawn
    max_quarantined: float  # share of rows
    day: int | None  # of all rows, counted from 1970; None where each has that of its event
    back: Sequence[RowBack]  # the rows of the batch that a person puts back
    is_computed: bool = True  # False leaves out what rules ask of the columns of refused rows

    @property
    def place(self) -> str:
        """See `UnitTask.place`."""
        return self.unit.place

    def spared(self) -> Self | None:
        """See `UnitTask.spared`."""
        return replace(self, is_computed=False) if self.is_computed else None


@dataclass(frozen=True)
class SetAsideRows(Summed):
    """What is known of rows that were set aside: they came, so that they are not lost."""

    runs: Runs = NO_RUNS  # of the numbers of their keys; none where training has no numbering
    unknown: int = 0  # number of rows whose key cannot be read
    lacking: Lacking = field(default_factory=Lacking)  # the things that lack them

    @classmethod
    def of(
        cls, live: LoadedVersion, rows: Sequence[Rejected], columns: Columns, day: int | None
    ) -> SetAsideRows:
        """Of some rows of a batch of a version, each with the reasons why it was set aside.

        The columns hold any value where one does not fit, and nothing of malformed lines.
        """
        if not rows:
            return cls()
        unread = [{reason.column for reason in row.reasons} for row in rows]
        time = live.pipeline.record_schema.event_time
        if columns:
            days = days_of(live, columns, day)
            days[[day is None and time in own for own in unread]] = UNDATED
        else:
            days = np.full(len(rows), UNDATED if day is None else day)
        lacking = live.constraints.lacking(columns, days, unread)
        numbering = live.constraints.aggregates.numbering
        if numbering is None:
            return cls(lacking=lacking)
        keys = np.array([row.key for row in rows if row.key is not None], dtype=object)
        return cls(numbering.runs(keys), len(rows) - len(keys), lacking)


@dataclass(frozen=True, eq=False)
class IngestedUnit:
    """An ingested unit."""

    number: int
    files: Mapping[str, str]  # SHA-256 of what it wrote, by name
    ingested: Ingested
    sample: Sample  # the drawn ones of all rows that fit their declaration
    counts: Attempted[SuiteCounts]  # what the input suite needs of all its rows
    days: Mapping[int, int]  # how many of its accepted rows are of each day, counted from 1970
    fingerprint: str  # of the environment that it was read in
    back: PutBack
    set_aside: SetAsideRows


@dataclass(frozen=True, repr=False)
class LoseTask(UnitTask):
    """A unit that loses rows whose keys earlier units have."""

    number: int
    folder: Path
    repeated: Mapping[int, int]  # by number of a row in the input, that of the first of its key
    day: int | None  # see `IngestTask.day`

    @property
    def place(self) -> str:
        """See `UnitTask.place`."""
        return str(self.folder / part_file("batch", self.number))


@dataclass(frozen=True, repr=False)
class HoldTask(UnitTask):
    """A unit some days of which are held back."""

    number: int
    folder: Path
    first: int  # number of accepted rows before it
    held_back: Mapping[int, str]  # reasons by day, counted from 1970
    day: int | None  # see `IngestTask.day`

    @property
    def place(self) -> str:
        """See `UnitTask.place`."""
        return f"{self.folder / part_file('batch', self.number)}, from row {self.first} on"


@dataclass(frozen=True, eq=False)
class LostRows:
    """What a unit lost."""

    number: int
    files: Mapping[str, str]  # SHA-256 of what it wrote anew; see `Attempt.put_instead`
    aside: Aside
    days: Mapping[int, int]  # how many of the rows that are left are of each day
    # Of rows that are each set aside for itself.
    set_aside: SetAsideRows = field(default_factory=SetAsideRows)


@dataclass(frozen=True, repr=False)
class ScoreTask(UnitTask):
    """A unit to score."""

    attempt: Attempt  # as far as it has its rows; see `Attempt.only`
    number: int
    first: int  # number of accepted rows before it
    rows: int  # number of accepted rows of the batch
    before: Quarantined  # the rows set aside before, and how many more may be
    draw: Sampling  # which rows of the batch are drawn
    at: datetime  # time of scoring, in UTC: the same for all units
    accepted: Collection[str]  # keys of the rows that no rule refuses
    size: int  # number of its rows
    is_computed: bool = True  # False sets all of its rows aside

    @property
    def place(self) -> str:
        """See `UnitTask.place`; rows are counted among the accepted ones."""
        return f"{self.attempt.path(part_file('batch', self.number))}, {self.span}"

    @property
    def span(self) -> str:
        """Its rows, in words."""
        return f"rows {self.first} to {self.first + self.size - 1}"

    def spared(self) -> Self | None:
        """See `UnitTask.spared`."""
        return replace(self, is_computed=False) if self.is_computed else None


@dataclass(frozen=True, eq=False)
class ScoredUnit:
    """A scored unit, or several added up."""

    files: Mapping[str, str]  # SHA-256 of what it wrote, by name
    scored: int
    failing: Aside  # rows on which a function raises
    broken: Aside  # computed rows that a row rule refuses
    sample: Sample  # the drawn ones of the computed rows
    counts: Mapping[str, Attempted[SuiteCounts]]  # what a suite needs of all its rows, by its role
    company: Attempted[Comparison]  # with the same rows computed among others
    sums: Mapping[str, ExactSum]  # of each output that is a number or a flag
    environments: frozenset[str]  # fingerprints of where it was scored

    def __add__(self, other: ScoredUnit) -> ScoredUnit:
        """This unit and the one after it."""
        return ScoredUnit(
            files={**self.files, **other.files},
            scored=self.scored + other.scored,
            failing=self.failing + other.failing,
            broken=self.broken + other.broken,
            sample=Sample.joined([self.sample, other.sample]),
            counts={role: summed([own, other.counts[role]]) for role, own in self.counts.items()},
            company=summed([self.company, other.company]),
            sums={name: own + other.sums[name] for name, own in self.sums.items()},
            environments=self.environments | other.environments,
        )

    @property
    def aside(self) -> int:
        """Number of rows that were set aside."""
        return len(self.failing) + len(self.broken)

    @property
    def computed(self) -> int:
        """Number of rows that were to be computed."""
        return self.scored + self.aside


def ingest_unit(live: LoadedVersion, task: IngestTask) -> IngestedUnit:
    """Read a unit, part its rows, and write them: those that go on, and those set aside."""
    schema, suite = live.pipeline.record_schema, live.suites["input"]
    key = live.pipeline.key
    back = with_rows_back(task.unit.read(schema), schema, task.back)
    rows = back.rows
    computed = row_rules(live) if task.is_computed else ()
    rules = RecordRules(live.pipeline, compile_rules(suite), computed)
    with watching():
        ingested, keep = ingest(rows, schema, rules, task.max_quarantined, back.accepted)
    accepted = rows.columns if keep.all() else take_rows(rows.columns, keep)
    wrong = (*ingested.refused.rows, *ingested.broken.rows)
    aside = quarantine_table(wrong, ingested.duplicates.rows)
    parts = _aside_with_columns((*wrong, *ingested.duplicates.rows), rows, keep)
    if task.of > 1:
        write_keys(task.folder, task.number, accepted[key], rows.rows[keep])
    days = days_of(live, accepted, task.day)
    write_days(task.folder, task.number, accepted, days)
    return IngestedUnit(
        number=task.number,
        files=dict(
            (
                write_part(task.folder, "batch", task.number, to_arrow(accepted)),
                write_part(task.folder, "batch_quarantine", task.number, aside),
            )
        ),
        ingested=ingested.bounded(),
        sample=Sample.of(rows.columns, key, rows.rows, keep, task.draw),
        counts=attempted(SuiteCounts.of, suite, rows.columns, key, back.accepted),
        days=_counted(days),
        fingerprint=computing_fingerprint(live),
        back=back.put_back,
        set_aside=reduce(add, (SetAsideRows.of(live, *part, task.day) for part in parts)),
    )


def _aside_with_columns(
    aside: Sequence[Rejected], rows: Decoded, keep: Array
) -> Iterator[tuple[Sequence[Rejected], Columns]]:
    """The rows that are set aside, with their fields; malformed lines have none."""
    by_place = {row.row: row for row in aside}
    out = np.flatnonzero(~keep)
    yield [by_place[place] for place in rows.rows[out].tolist()], take_rows(rows.columns, out)
    yield [by_place[row.row] for row in rows.misfits], rows.unfit
    yield [row for row in rows.rejected if not row.is_misfit], {}


def lose_rows(live: LoadedVersion, task: LoseTask) -> LostRows:
    """Set rows of a unit aside whose keys earlier units have."""
    columns = _ingested(live, task.folder, task.number)
    numbers = np.sort(read_keys(task.folder, task.number)["row"])
    places = np.searchsorted(numbers, sorted(task.repeated))
    reasons = {
        place: (duplicate(live.pipeline.key, task.repeated[int(numbers[place])]),)
        for place in places.tolist()
    }
    lost = set_aside(columns, reasons, live.pipeline.record_schema, numbers)
    found, left = _without(live, task, columns, places, lost, quarantine_table((), lost))
    write_days(task.folder, task.number, left, days_of(live, left, task.day))
    rows = take_rows(columns, places)
    return replace(found, set_aside=SetAsideRows.of(live, lost, rows, task.day))


def hold_rows(live: LoadedVersion, task: HoldTask) -> LostRows:
    """Set the rows of some days of a unit aside."""
    columns = _ingested(live, task.folder, task.number)
    days = days_of(live, columns, task.day)
    places = np.flatnonzero(np.isin(days, list(task.held_back)))
    reasons = {
        place: (_held_back(day, task.held_back[day]),)
        for place, day in zip(places.tolist(), days[places].tolist(), strict=True)
    }
    numbers = task.first + np.arange(len(days))
    lost = set_aside(columns, reasons, live.pipeline.record_schema, numbers)
    return _without(live, task, columns, places, lost, quarantine_table((), held_back=lost))[0]


def _held_back(day: int, why: str) -> Reason:
    name = np.datetime64(day, "D")
    return Reason("", HELD_BACK, f"{name} is held back: {why}", f"{name} is held back")


def _ingested(live: LoadedVersion, folder: Path, number: int) -> Columns:
    from pyarrow import parquet

    table = parquet.read_table(folder / part_file("batch", number))
    return from_arrow(table, live.pipeline.record_schema.kinds)


def _without(
    live: LoadedVersion,
    task: LoseTask | HoldTask,
    columns: Columns,
    places: Ints,
    lost: Sequence[Rejected],
    table: pa.Table,
) -> tuple[LostRows, Columns]:
    """Write a unit anew without the rows at some places, and these beside what was set aside.

    What it reads stays as it is, so that it can be tried again.
    """
    import pyarrow as pa
    from pyarrow import parquet

    folder, number = task.folder, task.number
    left = take_rows(columns, np.delete(np.arange(len(columns[live.pipeline.key])), places))
    before = parquet.read_table(folder / part_file("batch_quarantine", number))
    files = (
        write_part(folder, "batch", number, to_arrow(left), instead=True),
        write_part(
            folder, "batch_quarantine", number, pa.concat_tables([before, table]), instead=True
        ),
    )
    days = _counted(days_of(live, left, task.day))
    return LostRows(number, dict(files), Aside.of(lost).bounded(), days), left


def score_unit(live: LoadedVersion, task: ScoreTask) -> ScoredUnit | CheckResult:
    """Compute every column of an ingested unit, and write the rows.

    Returns the result of `computation` where code is refused what it reads, or fails on too many
    rows.
    """
    pipeline = live.pipeline
    key, folder, number = pipeline.key, task.attempt.folder, task.number
    came = from_arrow(task.attempt.read_part("batch", number), pipeline.record_schema.kinds)
    raw = came if task.is_computed else take_rows(came, slice(0))
    serving = live.compiled.pipeline
    failed: CheckResult | None = None
    readings: list[Reading] = []
    compute = partial(compute_rows, serving, raw, task.before.room, row_rules(live), task.accepted)
    with suppress(OutsideReadingError), watching() as guard:
        try:
            rows = closed(compute, _folders(live))
            readings += refused_by_system(serving, raw, rows.failing)
        except FailingFunctionError as error:
            failed = not_computed(error, task.before)
            readings += refused_by_system(serving, raw, error)
    if readings := [*guard.readings, *readings]:
        return outside_readings(readings)
    if failed is not None:
        return failed
    computed = np.delete(np.arange(len(raw[key])), [row.row for row in rows.failing])
    is_kept = ~np.isin(computed, [row.row for row in rows.broken])
    lost = () if task.is_computed else _all_of(came, task, pipeline.record_schema)
    failing, broken = (
        [replace(row, row=row.row + task.first) for row in aside]
        for aside in ((*rows.failing, *lost), rows.broken)
    )
    scored = _with_origin(to_arrow(rows.kept), live.version, task.at)
    suites = {role: live.suites[role] for role in ("features", "outputs")}
    return ScoredUnit(
        files=dict(
            (
                write_part(folder, "scored", number, scored),
                write_part(
                    folder, "scored_quarantine", number, quarantine_table((*failing, *broken))
                ),
            )
        ),
        scored=len(scored),
        failing=Aside.of(failing).bounded(),
        broken=Aside.of(broken).bounded(),
        sample=Sample.of(rows.columns, key, computed + task.first, is_kept, task.draw),
        counts={
            role: attempted(SuiteCounts.of, suite, rows.columns, key, rows.accepted)
            for role, suite in suites.items()
        },
        company=attempted(in_other_company, serving, rows.columns, task.rows),
        sums={
            name: ExactSum.of(rows.kept[name])
            for name in pipeline.graph.outputs
            if rows.kept[name].dtype.kind in "fib"
        },
        environments=frozenset({computing_fingerprint(live)}),
    )


def _all_of(columns: Columns, task: ScoreTask, schema: Schema) -> tuple[Rejected, ...]:
    """All rows of a unit, to set aside since it ended its process each time."""
    why = (
        f"the process that computes {task.span} ended {TRIES} times without a result. Memory may "
        "not suffice, or a library crashes: look at these rows, or have fewer processes or more "
        "memory, and score the batch again"
    )
    reason = Reason("", "process", why, "it cannot be computed")
    return set_aside(columns, dict.fromkeys(range(task.size), (reason,)), schema)


def _folders(live: LoadedVersion) -> list[str]:
    """The folders that the code of a version may read."""
    return [str(live.directory), *folders_of(live.pipeline)]


def row_rules(live: LoadedVersion) -> tuple[RowRules, ...]:
    """The rules of computed rows; a suite that does not fit the columns fails in its own check."""
    graph = live.pipeline.graph
    kinds = {name: graph.kind(name) for name in graph.served}
    return applicable_rules((live.suites["features"], live.suites["outputs"]), kinds)


def days_of(live: LoadedVersion, columns: Columns, day: int | None) -> Ints:
    """The day of each row, counted from 1970; by the local clock where it is that of its event."""
    time = live.pipeline.record_schema.event_time
    if day is not None or time is None:
        return np.full(len(columns[live.pipeline.key]), day or 0)
    local = by_clock(columns[time], live.constraints.layout.timezone)
    return local.astype("datetime64[D]").astype(np.int64)


def _counted(days: Ints) -> Mapping[int, int]:
    found, counts = np.unique(days, return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def _with_origin(table: pa.Table, version: int, at: datetime) -> pa.Table:
    import pyarrow as pa

    table = table.append_column("version", pa.array([version] * len(table), pa.int64()))
    return with_time(table, "scored_at", at)
