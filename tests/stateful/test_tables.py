"""Tables over everything that reads and adds rows, beside plain lists of rows and plain loops."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from lockstep import FunctionSource, TableAssets
from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.table_deliveries import deliver_all
from lockstep.columns.decode import decode
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.errors import DamagedError, UnavailableError
from lockstep.project.declaration import PipelineAssets
from lockstep.project.pipelines import pipelines
from lockstep.scoring.request_replay import replay_segment
from lockstep.scoring.work import Work
from lockstep.serving.requestlog.log import Log
from lockstep.serving.requestlog.log_segments import read_segment, segment_names, segment_path
from lockstep.serving.requestlog.settings import RequestLog
from lockstep.serving.versions.asked import RequestIds
from lockstep.serving.versions.proving import prove
from lockstep.serving.versions.served_tables import ServedTables
from lockstep.store.ledgers import Ledger, ledger_of
from lockstep.store.parquet import Store
from lockstep.store.pinned_tables import PinnedTables
from lockstep.store.results import CheckResult
from lockstep.training.candidate import train
from tests.fixtures.depots import DEPOTS, SCORED, articles, climate, days, needs, pieces, write
from tests.fixtures.homes import use_home
from tests.fixtures.plain_ledger import Held, Plain, Row, columns_of, rows_of
from tests.fixtures.scored import score
from tests.fixtures.writes import carried_out, demanded

BEGIN = SCORED - timedelta(days=12)
NAMES = ("climate", "article", "sale")
PLACES = ("north", "west")
HOUR = timedelta(hours=1)
Rows = list[dict[str, Any]]
Need = dict[str, Any]
Found = set[tuple[str, str, str]]
"""Findings: the record, what reads it, and the cause."""


class Upstream:
    """What the sources of the tables hold, and whether they can be read."""

    def __init__(self) -> None:
        self.rows: dict[str, Rows] = {}
        self.is_away = False

    def source(self, name: str) -> FunctionSource:
        def read() -> Rows:
            if self.is_away:
                raise UnavailableError(f"The source of {name} is away.")
            return self.rows[name]

        return FunctionSource(read)


@dataclass(frozen=True)
class Trained:
    """A version that was trained once, the tables that it was fitted to, and their declarations."""

    folder: Path
    declared: PipelineAssets
    upstream: Upstream
    version: LoadedVersion


@cache
def trained() -> Trained:
    """Train a version into a registry of its own, in some seconds."""
    folder, upstream = Path(mkdtemp()), Upstream()
    with pytest.MonkeyPatch.context() as patch:
        use_home(folder / "home", patch)
        history = [need for day in days(BEGIN, SCORED) for need in needs(day)]
        labelled = [{**need, "pieces": pieces(need)} for need in history]
        write(folder / "home" / "upstream" / "history.jsonl", labelled)
        declared = pipelines(DEPOTS).get("depots")
        tables = [
            TableAssets(table.table, upstream.source(table.name)) for table in declared.tables
        ]
        declared = replace(declared, tables=tables, daily=None, calendar=None)
        upstream.rows = {
            "climate": [row for day in days(BEGIN, SCORED) for row in climate(day)],
            "article": articles(),
            "sale": [],
        }
        registry = DEPOTS.home.registry()
        done = train(declared, Store(folder / "data"), registry)
        assert done.candidate is not None, done.results
        assert done.candidate.version is not None, done.results
        version = registry.load("depots", done.candidate.version.version)
    return Trained(folder, declared, upstream, version)


class PlainTable:
    """The rows of a table, by the versions of its ledger: plain lists."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.plain = ledger, Plain(ledger.schema)
        self.lost: dict[str, list[Held]] = {}
        self.plain.versions = [self._read()]
        self.numbers = {ledger.version: 0}

    def _read(self) -> list[Held]:
        rows = self.ledger.rows()
        times = rows.known.view("datetime64[us]").astype(object)
        cells = rows_of(rows.schema, rows.columns)
        each = zip(cells, times, rows.withdrawn.tolist(), strict=True)
        return [Held(row, at.replace(tzinfo=UTC), withdraws) for row, at, withdraws in each]

    @property
    def now(self) -> list[Held]:
        return self.plain.now

    def at(self, version: str) -> list[Held]:
        """The rows of a version, which the ledger may have lost."""
        if version in self.numbers:
            return self.plain.versions[self.numbers[version]]
        return self.lost[version]

    def follow(self, rows: list[Row], *, withdraws: bool = False) -> None:
        """Add rows that are in the ledger by now."""
        if rows:
            self.plain.add(rows, self.ledger.parts()[-1].received_at, withdraws=withdraws)
        self.numbers[self.ledger.version] = len(self.plain.versions) - 1

    def snapshot(self) -> tuple[list[list[Held]], dict[str, int]]:
        return [*self.plain.versions], {**self.numbers}

    def restore(self, snapshot: tuple[list[list[Held]], dict[str, int]]) -> None:
        self.lost |= {version: self.at(version) for version in self.numbers}
        self.plain.versions, self.numbers = [*snapshot[0]], {**snapshot[1]}

    # A loop for each look-up, and one for the window

    def seen(self, held: list[Held], need: Need) -> list[Held]:
        """The rows that are read for a need: of a look-up the last one, of a window all."""
        at = datetime.fromisoformat(need["asked_at"])
        name = self.ledger.schema.name
        found: list[Held] = []
        for each in self.plain.standing(held, None if name == "article" else at):
            if not self.is_of(each, need):
                continue
            if name == "article":
                found = [each] if not found or found[0].known <= each.known else found
            elif each.known > at:
                continue
            elif name == "sale":
                if at - timedelta(days=2) < each.row[2] <= at and each.row[3] is not None:
                    found.append(each)
            elif each.row[1] <= at:
                place = (each.row[1], each.known)
                found = [each] if not found or (found[0].row[1], found[0].known) <= place else found
        if name == "climate" and found and at - found[0].row[1] > 6 * HOUR:
            return []
        return found

    def is_of(self, held: Held, need: Need) -> bool:
        name, key = self.ledger.schema.name, held.row[:2]
        if name == "article":
            return bool(held.row[0] == need["article"])
        return bool(key[0] == need["depot"] and (name == "climate" or key[1] == need["article"]))

    def causes(self, version: str, need: Need, *, is_lost: bool) -> set[str]:
        """Why today's rows give a need another answer than those of the version that it got.

        Args:
            version: The version.
            need: The need.
            is_lost: Whether a ledger no longer has a version that answered it.
        """
        before = self.at(version)
        if is_lost and self.ledger.schema.name == "sale":
            return set()
        was, now = self.seen(before, need), self.seen(self.now, need)
        if self.told(was) == self.told(now):
            return set()
        gone = any(held not in self.now for held in was)
        withdrawn = any(self.is_withdrawn(held, need) for held in was if held not in now)
        left = {cause for cause, is_so in (("gone", gone), ("withdrawn", withdrawn)) if is_so}
        if left and self.ledger.schema.name != "sale":
            return {"gone"} if gone else left
        came = [held for held in now if held.row not in [each.row for each in was]]
        if is_lost:  # without the rows of then, nobody knows which came behind others
            return {self.cause(held, was, need) for held in came}
        return {self.cause(held, before, need) for held in came} | left

    def is_withdrawn(self, held: Held, need: Need) -> bool:
        """Whether the row after it of its identity is a withdrawal, known when it was needed."""
        at = datetime.fromisoformat(need["asked_at"])
        same = [o for o in self.now if self.plain.identity(o.row) == self.plain.identity(held.row)]
        after = same[same.index(held) + 1 :] if held in same else []
        is_static = self.ledger.schema.name == "article"
        return bool(after and after[0].is_withdrawal and (is_static or after[0].known <= at))

    def told(self, found: list[Held]) -> object:
        if self.ledger.schema.name != "sale":
            return [held.row for held in found]
        return len(found), max((held.row[3] for held in found), default=None)

    def cause(self, held: Held, before: list[Held], need: Need) -> str:
        name = self.ledger.schema.name
        of_key = [each for each in before if self.is_of(each, need)]  # withdrawn ones, too
        if name == "article":
            return "restated" if of_key else "late"
        valid = [each.row[1 if name == "climate" else 2] for each in of_key]
        since = held.row[1 if name == "climate" else 2]
        if name == "climate" and since in valid:
            return "restated"
        return "backdated" if any(time > since for time in valid) else "late"


READ_BY = {"climate": "climate", "article": "ware", "sale": "sales"}


class TablesMachine(RuleBasedStateMachine):
    """A trained version with its tables: delivered, posted, scored, served, killed, restored."""

    @initialize()
    def begin(self) -> None:
        made = trained()
        self.folder = Path(mkdtemp())
        shutil.copytree(made.folder / "data" / "ledgers", self.folder / "data" / "ledgers")
        self.store, self.upstream = Store(self.folder / "data"), made.upstream
        self.declared, self.version = made.declared, made.version
        self.upstream.is_away, self.upstream.rows = False, {name: [] for name in NAMES}
        schemas = made.version.pipeline.tables
        ledgers = {name: ledger_of(self.store.root, schemas[name]) for name in NAMES}
        self.tables = {name: PlainTable(ledger) for name, ledger in ledgers.items()}
        self.hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        self.numbers, self.runs = iter(range(10_000)), iter(range(10_000))
        self.asked: dict[str, Need] = {}
        self.copies: list[tuple[Path, dict[str, Any]]] = []
        self.serve()

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.check_requests()
            shutil.rmtree(self.folder, ignore_errors=True)

    def serve(self) -> None:
        """Start a server."""
        self.served = ServedTables(self.store.root).of(self.version.pipeline)
        self.scorer, self.ids = prove(self.version, tables=self.served), RequestIds()
        self.answered: list[tuple[Any, Any]] = []

    # What is drawn

    def drawn(self, data: st.DataObject, name: str) -> Rows:
        """Rows of a table of which one may be valid some hours ago, of few keys and values."""
        place, article = st.sampled_from(PLACES), st.integers(1, 2)
        hours = st.integers(0, 4).map(lambda hours: (self.hour - hours * HOUR).isoformat())
        values = st.sampled_from([1.0, 10.0])
        weights = st.sampled_from([1.5, 10.0])  # that of an article at the beginning, or another
        fields: dict[str, dict[str, st.SearchStrategy[Any]]] = {
            "climate": {"depot": place, "hour": hours, "degrees": values},
            "article": {"article": article, "weight": weights, "ware": st.just("tool")},
            "sale": {"depot": place, "article": article, "sold_at": hours, "sold": values},
        }
        rows = data.draw(st.lists(st.fixed_dictionaries(fields[name]), min_size=1, max_size=3))
        plain = self.tables[name].plain
        return rows[:1] if plain.contradict(self.plain_rows(name, rows)) else rows

    def plain_rows(self, name: str, rows: Rows) -> list[Row]:
        schema = self.tables[name].ledger.schema
        return rows_of(schema, decode(rows, schema.schema).columns)

    def need(self, data: st.DataObject) -> Need:
        back = data.draw(st.sampled_from([0, 30, 90, 150]))
        asked = datetime.now(UTC) if not back else self.hour - timedelta(minutes=back)
        return {
            "need_id": f"need {next(self.numbers)}",
            "depot": data.draw(st.sampled_from(PLACES)),
            "article": data.draw(st.integers(1, 2)),
            "asked_at": asked.isoformat(),
        }

    # What adds rows

    @rule(data=st.data(), name=st.sampled_from(NAMES))
    def send(self, data: st.DataObject, name: str) -> None:
        """Rows lie upstream, and count once a run has taken them in."""
        self.upstream.rows[name] = self.drawn(data, name)

    @rule(data=st.data(), name=st.sampled_from(NAMES))
    def deliver(self, data: st.DataObject, name: str) -> None:
        self.send(data, name)
        self.take_in(f"run {next(self.runs)}")

    @rule()
    def source_is_away_or_back(self) -> None:
        self.upstream.is_away = not self.upstream.is_away

    @rule(data=st.data(), name=st.sampled_from(NAMES))
    def post(self, data: st.DataObject, name: str) -> None:
        rows = self.drawn(data, name)
        columns = decode(rows, self.tables[name].ledger.schema.schema).columns
        self.served.tables[name].post(columns, 10.0)
        self.tables[name].follow(self.plain_rows(name, rows))

    @rule(data=st.data(), name=st.sampled_from(NAMES))
    def withdraw(self, data: st.DataObject, name: str) -> None:
        """A row counts no longer; the server is asked before it looks."""
        table = self.tables[name]
        standing = table.plain.standing(table.now, None)
        if standing:
            row = data.draw(st.sampled_from(standing[-3:])).row
            columns = columns_of(table.ledger.schema, [row])
            self.served.tables[name].post(columns, 10.0, withdrawn="it is wrong")
            table.follow([row], withdraws=True)
            self.ask(data)

    @rule(data=st.data())
    def correct_and_take_back(self, data: st.DataObject) -> None:
        """An article is restated, the server is asked, and what was said before comes again."""
        article, table = data.draw(st.integers(1, 2)), self.tables["article"]
        before = [held.row for held in table.now if held.row[0] == article][-1]
        for row in ((article, before[1] + 1.0, before[2]), before):
            columns = columns_of(table.ledger.schema, [row])
            self.served.tables["article"].post(columns, 10.0)
            table.follow([row])
            self.ask(data)

    @rule(data=st.data(), name=st.sampled_from(NAMES), write=st.integers(1, 14))
    def kill_a_delivery(self, data: st.DataObject, name: str, write: int) -> None:
        """All rows of each table were added, or none; what is left is taken in by the next run."""
        self.send(data, name)
        run = f"run {next(self.runs)}"
        before = {name: table.ledger.version for name, table in self.tables.items()}
        ended = carried_out(lambda: deliver_all(self.declared, self.store, run), self.folder, write)
        if not ended.was_killed:
            demanded(ended)
        for table_name, table in self.tables.items():
            if table.ledger.version != before[table_name]:
                table.follow(self.plain_rows(table_name, self.upstream.rows[table_name]))
        self.take_in(f"run {next(self.runs)}")

    def take_in(self, run: str) -> None:
        deliver_all(self.declared, self.store, run)
        if not self.upstream.is_away:
            for name, table in self.tables.items():
                table.follow(self.plain_rows(name, self.upstream.rows[name]))
        for table in self.tables.values():
            assert len(table.ledger.rows()) == len(table.now)

    @rule()
    def copy_the_ledgers(self) -> None:
        folder = self.folder / f"copy {len(self.copies)}"
        shutil.copytree(self.store.root / "ledgers", folder)
        kept = {name: table.snapshot() for name, table in self.tables.items()}
        self.copies.append((folder, kept))

    @precondition(lambda self: getattr(self, "copies", ()))
    @rule(data=st.data())
    def restore_a_copy(self, data: st.DataObject) -> None:
        """What was added since is gone, and nothing reads the rest before a person accepts that."""
        self.check_requests()
        folder, kept = data.draw(st.sampled_from(self.copies))
        shutil.rmtree(self.store.root / "ledgers")
        shutil.copytree(folder, self.store.root / "ledgers")
        pipeline = self.version.pipeline
        lossy = [
            table
            for name, table in self.tables.items()
            if len(kept[name][0]) < len(table.plain.versions)
        ]
        if lossy:
            with pytest.raises(DamagedError, match="has lost rows"):
                PinnedTables.now(self.store, pipeline)
            with pytest.raises(DamagedError, match="has lost rows"):
                ServedTables(self.store.root).of(pipeline)
        for table in lossy:
            table.ledger.accept_loss("ada", "an older copy")
        for name, table in self.tables.items():
            table.restore(kept[name])
        root = self.store.root
        self.store = Store(root / ".." / root.name)  # as in a process that has read nothing yet
        self.serve()

    # What reads them

    @rule(data=st.data())
    def ask(self, data: st.DataObject) -> None:
        """Ask the server, which may not have looked at what was delivered since."""
        need = self.need(data)
        self.asked[need["need_id"]] = need
        self.answered.append((self.ids.ask(), self.scorer.answer([[need]])[0]))

    @rule()
    def look(self) -> None:
        for name, table in self.served.tables.items():
            table.follow()
            assert table.rows.version == self.tables[name].ledger.version

    @rule(data=st.data())
    def score_a_file(self, data: st.DataObject) -> None:
        """A run takes the tables in, and publishes what they give as they are then."""
        rows = [self.need(data) for _ in range(3)]
        self.score(rows)

    @rule(data=st.data(), write=st.integers(1, 40))
    def kill_a_scoring(self, data: st.DataObject, write: int) -> None:
        rows = [self.need(data) for _ in range(3)]
        work, decoded = self.work(), decode(rows, self.version.pipeline.record_schema)
        ended = carried_out(lambda: score(work, self.version, decoded), self.folder, write)
        if not ended.was_killed:
            demanded(ended)
        self.score(rows, partition=work.partition)

    def work(self, partition: str | None = None) -> Work:
        run = f"run {next(self.runs)}"
        return Work(self.declared, self.store, "inbox", partition or f"{run}.jsonl", run)

    def score(self, rows: Rows, partition: str | None = None) -> None:
        work = self.work(partition)
        self.take_in(work.run)
        found = score(work, self.version, decode(rows, self.version.pipeline.record_schema))
        assert found.published is not None, found.results
        expected = "warned" if self.upstream.is_away else "passed"
        assert found.results["table_delivery"].result == expected
        steps = work.records.demand(work.partition).record.steps
        pinned = steps["scored"].facts["tables"]
        assert pinned == {name: table.ledger.version for name, table in self.tables.items()}
        self.compare_published(work, rows, pinned)

    def compare_published(self, work: Work, rows: Rows, pinned: Mapping[str, str]) -> None:
        """What is published is what the pinned versions give offline, to the bit, and the loops."""
        attempt = work.records.demand(work.partition)
        names = ("forecast", "climate_degrees", "ware_weight", "sales_count", "sales_max")
        kinds = {name: self.version.pipeline.graph.kind(name) for name in names}
        stored = attempt.read("scored", [*names]).to_pydict()
        again = self.offline(rows, pinned, names)
        for name in names:
            values = np.array(stored[name], dtype=kinds[name].dtype)
            assert values.tobytes() == again[name].tobytes(), name
        for place, need in enumerate(rows):
            found = {n: t.seen(t.at(pinned[n]), need) for n, t in self.tables.items()}
            degrees = found["climate"][0].row[2] if found["climate"] else None
            sold = [held.row[3] for held in found["sale"]]
            read = (
                degrees,
                found["article"][0].row[1] if found["article"] else None,
                len(sold),
                max(sold, default=None),
            )
            assert tuple(stored[name][place] for name in names[1:]) == read

    def offline(self, rows: Rows, versions: Mapping[str, str], names: tuple[str, ...]) -> Columns:
        read = {name: table.ledger.rows(versions[name]) for name, table in self.tables.items()}
        pipeline: Pipeline = self.version.pipeline.with_tables(read)
        return pipeline.evaluate(decode(rows, pipeline.record_schema).columns, names)

    # What checks say

    @rule()
    def check_requests(self) -> None:
        """Each answer is what its logged versions give; today's rows differ for known reasons."""
        folder = self.folder / "requests"
        with Log(folder, RequestLog()) as log:
            for answer in self.answered:
                log.record(self.scorer, [answer])
        self.answered = []
        for name in segment_names(folder):
            self.check_segment(segment_path(folder, name))

    def check_segment(self, path: Path) -> None:
        segment = read_segment(path)
        ids, versions = segment.columns["need_id"].tolist(), segment.requests.tables
        lost = [
            any(version not in self.tables[name].numbers for name, version in tables.items())
            for tables in versions
        ]
        is_lost = any(lost)
        found = replay_segment(
            self.declared, self.store, path, f"run {next(self.runs)}", lambda _: self.version
        ).results
        for place, (name, tables) in enumerate(zip(ids, versions, strict=True)):
            if is_lost:
                break
            again = self.offline([self.asked[name]], tables, ("forecast",))["forecast"]
            assert segment.columns["forecast"][place : place + 1].tobytes() == again.tobytes()
        for name in ("lookup_replay", "request_replay"):
            assert found[name].result == ("failed" if is_lost else "passed"), found[name]
        assert findings(found["lookup_hindsight"]) == {
            (need, READ_BY[table], cause)
            for need, tables, of_lost in zip(ids, versions, lost, strict=True)
            for table, plain in self.tables.items()
            for cause in plain.causes(tables[table], self.asked[need], is_lost=of_lost)
        }


def findings(result: CheckResult) -> Found:
    assert result.judged, result
    return {
        (row["record"].partition(" (request")[0], row["read by"], row["cause"])
        for row in result.table
    }


@pytest.mark.long
def test_answers_and_what_is_published_are_those_of_plain_lists() -> None:
    profile = settings(max_examples=15, stateful_step_count=14, deadline=None)
    run_state_machine_as_test(TablesMachine, settings=profile)
