"""Deliveries of a pipeline's tables: read, checked, and added to the table's ledger.

Each delivery is an attempt, with what was set aside and what the checks found. Its rows count once
the ledger lists them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from itertools import compress
from operator import not_
from zoneinfo import ZoneInfo

import numpy as np

from lockstep.checks.check_results import carry_out
from lockstep.checks.ingest import Ingested, check_decoding, check_readable
from lockstep.checks.messages import Place
from lockstep.checks.specs import (
    APPEND_ONLY,
    TABLE,
    TABLE_CHECKS,
    Check,
    blocking,
    others_not_judged,
)
from lockstep.checks.streams import stream_records
from lockstep.checks.suite_checks import check_suite
from lockstep.checks.table_checks import (
    check_append_only,
    check_freshness,
    check_keys,
    check_known_after,
    together,
)
from lockstep.columns.aside import Aside, quarantine_table, set_aside
from lockstep.columns.decode import Decoded, joined
from lockstep.columns.from_table import CLOCK_TOLERANCE
from lockstep.columns.kinds import Columns, Times, utc
from lockstep.columns.plain import counted
from lockstep.columns.tables import stacked, take_rows
from lockstep.errors import (
    DamagedError,
    InputError,
    LockedError,
    NotDeliveredError,
    UnavailableError,
    UnreadableError,
)
from lockstep.project.declaration import PipelineAssets
from lockstep.project.sources import decode_source
from lockstep.project.table_assets import TableAssets, reach
from lockstep.refusals import TYPE
from lockstep.rules.delivered_rows import refusals
from lockstep.rules.row_rules import compile_rules
from lockstep.store.attempts import Attempt, StepRecord
from lockstep.store.ledgers import Ledger, ledger_of
from lockstep.store.parquet import Store
from lockstep.store.partition_records import Records
from lockstep.store.results import CheckResult
from lockstep.store.status import RECORD, findings
from lockstep.tables.row_changes import conflicts

STEP = "table"
"""The step of a delivery's attempt."""
_VERSION = "version"
"""The fact of the step that holds the ledger's version after the delivery."""
_NOTHING = CheckResult.not_judged(
    "Nothing was delivered: the rows that were received before count."
)


@dataclass(frozen=True)
class TableDelivery:
    """What came of a delivery."""

    ledger: Ledger
    counts: Mapping[str, int]  # numbers of rows: in, quarantined, new, restated, and repeated
    results: Mapping[str, CheckResult]
    blocked_by: Mapping[str, str]  # blocking checks that are in error, each with its summary


def table_records(declared: PipelineAssets, ledger: Ledger) -> Records:
    """The deliveries of a table, of which the last ones are kept beside its ledger."""
    again = Place(f"{declared.name}/tables/{ledger.schema.name}").again
    return Records(ledger.folder / "tables", lambda _: again, kept=declared.kept_attempts)


def deliver(
    declared: PipelineAssets,
    table: TableAssets,
    store: Store,
    run: str,
    days: Sequence[str] = (),
) -> TableDelivery:
    """Read what a table's source holds, and add to its ledger what is new, if nothing forbids it.

    Args:
        days: Days to read, where the table is delivered by day; by default all that nobody has
            read after their end.

    Raises:
        UnavailableError: The source cannot be read now, or has never delivered anything.
        SuiteError: The suite cannot be made, or names a field that the table does not have.
        LockedError: Another process takes in a delivery of the table.
    """
    ledger = ledger_of(store.root, table.schema)
    records = table_records(declared, ledger)
    reason = records.keeping_reason(table.name, run)
    with reason, records.step(table.name, STEP, run) as attempt:
        taken = _Taken(declared, table, store, ledger, attempt, datetime.now(UTC))
        try:
            ledger.rely()  # before much is read in vain
            done = taken.rows(*_read(declared, table, ledger, days))
        except DamagedError as error:
            done = taken.failed(APPEND_ONLY, CheckResult(False, str(error), todo="Then: AGAIN"))
        except NotDeliveredError:
            if not ledger.parts():
                raise
            done = taken.none()
        except UnavailableError:
            raise
        except UnreadableError as error:
            done = taken.failed(TABLE, check_readable(error))
        except InputError as error:
            done = taken.failed(TABLE, CheckResult(False, str(error), todo="Then: AGAIN"))
        attempt.keep(STEP, done)
        if not done.blocked_by:
            records.commit(attempt)
    return TableDelivery(ledger, done.counts, done.results, done.blocked_by)


def deliver_all(declared: PipelineAssets, store: Store, run: str) -> dict[str, TableDelivery]:
    """Take in a delivery of each table of a pipeline, before a run reads them.

    A run that has taken in a table does not do so again. Where that is refused, or the source is
    away, the rows that were received before count, and `check_deliveries` tells it.

    Returns:
        What came of the deliveries that could be read, by table.

    Raises:
        UnavailableError: The source of a table cannot be read that never delivered anything.
        SuiteError: A suite cannot be made, or names a field that its table does not have.
        LockedError: Another process takes in the first delivery of a table.
    """
    done = {}
    for table in declared.tables:
        ledger = ledger_of(store.root, table.schema)
        if _has_tried(table_records(declared, ledger), table.name, run):
            continue
        try:
            done[table.name] = deliver(declared, table, store, run)
        except (UnavailableError, LockedError):
            if not ledger.is_begun:
                raise
    return done


def _has_tried(records: Records, name: str, run: str) -> bool:
    with suppress(DamagedError):  # the next attempt replaces it
        return any(attempt.record.run == run for attempt in records.newest_first(name))
    return False


def check_deliveries(declared: PipelineAssets, store: Store) -> CheckResult:
    """Check that the last delivery of each table was taken in, and that no ledger lost rows."""
    tried, lacking, lost = 0, list[tuple[str, CheckResult]](), False
    for table in declared.tables:
        records = table_records(declared, ledger_of(store.root, table.schema))
        found = findings(records, table.name, steps=(STEP,))
        tried += bool(found)
        refused = [each for each in found if each.check == RECORD or each.result.is_error]
        lacking += [(table.name, each.result) for each in refused]
        lost = lost or any(each.check == APPEND_ONLY.name for each in refused)
    if not tried:
        return CheckResult.not_judged("No delivery of a table was ever tried.")
    if not lacking:
        return CheckResult(True, f"{counted(tried, 'table')} took in the last delivery.")
    name, first = lacking[0]
    summaries = [f"{name}: {result.summary.removesuffix('.')}" for name, result in lacking]
    return replace(
        first,
        passed=False,
        summary=f"Not taken in: {'; '.join(summaries)}."
        + ("" if lost else " The rows that were received before count."),
        severity="ERROR" if lost else "WARN",
        where=f"table {name}" + (f", {first.where}" if first.where else ""),
        todo="",
        notes={},
    )


def checks_of(declared: PipelineAssets, table: TableAssets) -> tuple[Check, ...]:
    """The checks of a table that can ever be judged: some need times, or an age that matters."""
    if table.schema.static:
        return TABLE_CHECKS[:2]
    return TABLE_CHECKS if _max_age(declared, table) is not None else TABLE_CHECKS[:3]


@dataclass(frozen=True)
class _Taken:
    """A delivery that is taken in."""

    declared: PipelineAssets
    table: TableAssets
    store: Store
    ledger: Ledger
    attempt: Attempt
    received_at: datetime

    def rows(self, rows: Decoded, days: Sequence[str]) -> StepRecord:
        """Part the rows of a delivery, which are of some days, check them, and add them."""
        self.ledger.demand_later(self.received_at)
        schema, suite = self.ledger.schema, self.table.suite_json()
        rules = compile_rules(suite)
        broken = refusals(schema, rows.columns, rules, self.received_at, ahead=True)
        places = np.delete(np.arange(len(rows.rows)), list(broken))
        refused = [any(reason.rule == TYPE for reason in why) for why in broken.values()]
        outside = set_aside(rows.columns, broken, schema.schema, rows.rows)
        ingested = Ingested(
            schema=schema.schema,
            accepted=len(places),
            refused=Aside.of((*rows.rejected, *compress(outside, refused))),
            broken=Aside.of((*compress(outside, map(not_, refused)),)),
            duplicates=Aside(),
            ignored=rows.ignored,
            total=rows.total,
            max_quarantined=self.declared.max_quarantined,
        )
        aside = (*ingested.refused.rows, *ingested.broken.rows)
        self.attempt.write("table_quarantine", quarantine_table(aside))
        kept, limit = take_rows(rows.columns, places), ingested.quarantined
        store = partial(self.attempt.write_json, "table_suite")
        checked = together(
            [
                carry_out(check_decoding, ingested),
                carry_out(check_keys, schema, kept, conflicts(schema, kept), rows.rows[places]),
                carry_out(check_suite, suite, rows.columns, schema.keys[0], limit, store),
            ]
        )
        counts = {"rows_in": rows.total, "quarantined": len(aside)}
        if checked.is_error:
            return self.failed(TABLE, checked, counts)
        is_first, posted = not self.ledger.parts(), self.ledger.posted()
        added = self.ledger.add(kept, self.received_at, days)
        counts |= {"new": len(added.new), "restated": len(added.restated)}
        counts["repeated"] = added.repeated
        results = {
            "table": checked,
            "append_only": carry_out(check_append_only, schema, kept, added.restated),
        }
        if not schema.static:
            new = take_rows(kept, added.new)
            results["known_after"] = self._on_time(posted, new, is_first=is_first)
        return self._done(counts, {**results, **self._freshness()})

    def none(self) -> StepRecord:
        """The record of a delivery that did not come."""
        names = [check.name for check in checks_of(self.declared, self.table)]
        results = {**dict.fromkeys(names, _NOTHING), **self._freshness()}
        posted = self.ledger.posted()
        if not self.ledger.schema.static and len(posted[1]):
            results["known_after"] = self._on_time(posted)
        return self._done({}, results)

    def failed(
        self, check: Check, result: CheckResult, counts: Mapping[str, int] | None = None
    ) -> StepRecord:
        """The record of a delivery of which nothing is added."""
        results = others_not_judged(self.declared, STEP, {check.name: result})
        names = {check.name for check in checks_of(self.declared, self.table)}
        known = {name: result for name, result in results.items() if name in names}
        return StepRecord(counts or {}, known, blocking(TABLE_CHECKS, known))

    def _done(self, counts: Mapping[str, int], results: Mapping[str, CheckResult]) -> StepRecord:
        facts = {_VERSION: self.ledger.version}
        return StepRecord(counts, results, blocking(TABLE_CHECKS, results), facts=facts)

    def _on_time(
        self, posted: tuple[Columns, Times], new: Columns | None = None, *, is_first: bool = False
    ) -> CheckResult:
        """What the check says of rows that were posted, and of the new ones of a delivery."""
        columns, received = posted
        if new is not None:
            columns = stacked([columns, new])
            came = len(columns[self.ledger.schema.keys[0]]) - len(received)
            received = np.append(received, np.full(came, utc(self.received_at)))
        on_time = partial(check_known_after, is_first=is_first)
        return carry_out(on_time, self.ledger.schema, columns, received)

    def _freshness(self) -> dict[str, CheckResult]:
        max_age, schema = _max_age(self.declared, self.table), self.table.schema
        if max_age is None:
            return {}
        at, last = self._asked_at(), self.ledger.newest(self.received_at + CLOCK_TOLERANCE)
        return {"table_freshness": carry_out(check_freshness, schema, last, at, max_age)}

    def _asked_at(self) -> datetime:
        """The time for which rows are asked: now, or the end of the last day that was scored.

        That is where a past stands that is scored again: the calendar has ended by now.
        """
        calendar = self.declared.calendar
        if calendar is None or (end := _last_day(self.declared)) is None:
            return self.received_at
        if _end_of(self.declared, end) > self.received_at:
            return self.received_at
        scored = stream_records(self.declared, self.store, "daily").attempted()
        before = (calendar.start - timedelta(days=1)).isoformat()
        return _end_of(self.declared, date.fromisoformat(scored[-1] if scored else before))


def _max_age(declared: PipelineAssets, table: TableAssets) -> timedelta | None:
    """How old the newest row of a table may be; None where any age will do."""
    if table.schema.static:
        return None
    return table.max_age or reach(declared.pipeline, table.name)


def _read(
    declared: PipelineAssets, table: TableAssets, ledger: Ledger, days: Sequence[str]
) -> tuple[Decoded, Sequence[str]]:
    """The decoded rows of a delivery, and the days that they are of."""
    schema = table.schema.schema
    if table.since is None:
        return decode_source(table.source, schema), ()
    read, parts = [], []
    for day in days or _open_days(declared, table.since, ledger.days()):
        with suppress(NotDeliveredError):
            parts.append(decode_source(table.source, schema, date.fromisoformat(day)))
            read.append(day)
    if not parts:
        raise NotDeliveredError(
            f"{table.source.describe()} has nothing of the table {table.name} that was not "
            f"received before, from {table.since} on; deliver it, or correct the source."
        )
    return joined(parts), read


def _open_days(
    declared: PipelineAssets, since: date, received: Mapping[str, datetime]
) -> list[str]:
    """The days that nobody has read after their end, in order."""
    last, today = _last_day(declared), datetime.now(ZoneInfo(declared.timezone)).date()
    count = (min(today, last or today) - since).days + 1
    days = [since + timedelta(days=number) for number in range(count)]
    return [
        day.isoformat()
        for day in days
        if (at := received.get(day.isoformat())) is None or at < _end_of(declared, day)
    ]


def _last_day(declared: PipelineAssets) -> date | None:
    return None if declared.calendar is None else declared.calendar.end


def _end_of(declared: PipelineAssets, day: date) -> datetime:
    end = datetime.combine(day + timedelta(days=1), time.min, ZoneInfo(declared.timezone))
    return end.astimezone(UTC)
