"""Requests of a pipeline that looks its columns up, looked up again: what differs has a name."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lockstep.artifacts.ledgers import ledger_of
from lockstep.artifacts.snapshot import Snapshot
from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.check_results import CheckResult
from lockstep.columns.decode import decode
from lockstep.columns.tables import take_rows
from lockstep.project.declaration import PipelineAssets
from lockstep.project.pipelines import pipelines
from lockstep.scoring.request_replay import replay_segment
from lockstep.serving.requestlog.log import Log
from lockstep.serving.requestlog.log_segments import segment_names, segment_path
from lockstep.serving.requestlog.settings import RequestLog
from lockstep.serving.versions.asked import RequestIds
from lockstep.serving.versions.proving import prove
from lockstep.serving.versions.served_tables import ServedTables
from lockstep.store.parquet import Store
from lockstep.store.pinned_tables import PinnedTables
from lockstep.store.table_deliveries import deliver_all
from tests.fixtures.depots import (
    DEPOTS,
    FIRST,
    SCORED,
    articles,
    days,
    deliver_everything,
    needs,
    pieces,
)
from tests.fixtures.homes import use_home
from tests.fixtures.versions import version_without_registry

NIGHT = {"need_id": "night", "depot": "north", "article": 3, "asked_at": "2020-03-07T03:00:00Z"}
"""Asked when the last rows of the tables are some hours old."""
ASKED = [*needs(SCORED), NIGHT]


class Answered:
    """Requests that a server has answered, and the tables that it read."""

    def __init__(self, folder: Path) -> None:
        self.declared: PipelineAssets = pipelines(DEPOTS).get("depots")
        self.store, self.folder = Store(folder / "data"), folder / "requests"
        deliver_all(self.declared, self.store, "run")
        rows = [
            {**need, "pieces": pieces(need)} for day in days(FIRST, SCORED) for need in needs(day)
        ]
        pipeline = self.declared.pipeline
        history = decode(rows, pipeline.joint_schema).columns
        bound = PinnedTables.now(self.store, pipeline).bind(pipeline)
        declared = replace(self.declared, pipeline=bound)
        self.version: LoadedVersion = version_without_registry(declared, history, folder / "files")
        tables = ServedTables(self.store.root).of(self.version.pipeline)
        scorer, ids = prove(self.version, tables=tables), RequestIds()
        with Log(self.folder, RequestLog()) as log:
            for need in ASKED:
                log.record(scorer, [(ids.ask(), scorer.answer([[need]])[0])])

    @property
    def segment(self) -> Path:
        """The segment that holds them."""
        (name,) = segment_names(self.folder)
        return segment_path(self.folder, name)

    def add(self, store: Store, table: str, *rows: Mapping[str, Any]) -> None:
        """Deliver rows of a table."""
        schema = self.declared.pipeline.tables[table]
        columns = decode(list(rows), schema.schema).columns
        ledger_of(store.root, schema).add(columns, datetime.now(UTC))


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answered]:
    folder = tmp_path_factory.mktemp("answered")
    with pytest.MonkeyPatch.context() as patch:
        use_home(folder / "home", patch)
        deliver_everything(DEPOTS.home.path / "upstream")
        yield Answered(folder)


@pytest.fixture
def store(answered: Answered, tmp_path: Path) -> Store:
    """A copy of the tables, to which a test may deliver."""
    shutil.copytree(answered.store.root, tmp_path / "data")
    return Store(tmp_path / "data")


def replayed(
    answered: Answered, store: Store, version: LoadedVersion | None = None
) -> Mapping[str, CheckResult]:
    loaded = version or answered.version
    found = replay_segment(answered.declared, store, answered.segment, "run", lambda _: loaded)
    return found.results


def words(results: Mapping[str, CheckResult]) -> dict[str, str]:
    names = ("request_replay", "lookup_replay", "lookup_hindsight", "table_freshness")
    return {name: results[name].result for name in names}


def causes(results: Mapping[str, CheckResult]) -> set[tuple[Any, ...]]:
    table = results["lookup_hindsight"].table
    return {(row["read by"], row["cause"]) for row in table}


ALL_PASS = {
    "request_replay": "passed",
    "lookup_replay": "passed",
    "lookup_hindsight": "passed",
    "table_freshness": "passed",
}


def test_requests_are_looked_up_again_as_they_were(answered: Answered, store: Store) -> None:
    results = replayed(answered, store)
    assert words(results) == ALL_PASS, results
    assert results["lookup_replay"].numbers["rows"] == len(ASKED)
    assert results["request_replay"].numbers["rows"] == len(ASKED)


def test_a_row_that_comes_late_is_told_and_what_was_answered_stays_right(
    answered: Answered, store: Store
) -> None:
    late = {"depot": "north", "hour": "2020-03-07T00:30:00Z", "degrees": 3.0}
    answered.add(store, "climate", late)
    results = replayed(answered, store)
    assert words(results) == {**ALL_PASS, "lookup_hindsight": "warned"}
    assert causes(results) == {("climate", "late")}
    assert results["lookup_hindsight"].keys[0].startswith("night (request ")


def test_a_row_behind_others_is_backdated(answered: Answered, store: Store) -> None:
    rows = [
        {"depot": depot, "article": 3, "sold_at": f"{SCORED}T00:00:01Z", "sold": 1.5}
        for depot in ("north", "south", "west")
    ]
    answered.add(store, "sale", *rows)
    results = replayed(answered, store)
    assert words(results) == {**ALL_PASS, "lookup_hindsight": "warned"}
    assert causes(results) == {("sales", "backdated")}


def test_a_restated_row_is_told(answered: Answered, store: Store) -> None:
    heavier = [{**row, "weight": 10 * row["weight"]} for row in articles()]
    answered.add(store, "article", *heavier)
    results = replayed(answered, store)
    assert words(results) == {**ALL_PASS, "lookup_hindsight": "warned"}
    assert causes(results) == {("ware", "restated")}
    assert results["lookup_hindsight"].numbers["restated"] == len(ASKED)


def test_rows_of_another_ledger_are_gone_and_nothing_can_be_replayed(
    answered: Answered, store: Store
) -> None:
    schema = answered.declared.pipeline.tables["climate"]
    ledger = ledger_of(store.root, schema)
    rows = ledger.rows()
    shutil.rmtree(ledger.folder)
    ledger.accept_loss("ada", "the disk broke")
    kept = take_rows(rows.columns, rows.columns["depot"] != "north")
    ledger.add(kept, datetime.now(UTC))

    results = replayed(answered, store)

    assert words(results)["lookup_replay"] == words(results)["request_replay"] == "failed"
    assert "The ledger of climate has no version" in results["lookup_replay"].summary
    hindsight = results["lookup_hindsight"]
    asked = sum(need["depot"] == "north" for need in ASKED)
    assert (hindsight.result, hindsight.numbers["gone"]) == ("warned", asked)
    assert set(hindsight.unjudged) == {"sales_count", "sales_sum", "sales_max"}


def test_another_rule_is_told_by_the_replay_alone(answered: Answered, store: Store) -> None:
    here = Snapshot.of(answered.declared.pipeline)
    source = here.modules[here.module]
    assert source.count("within=timedelta(hours=6)") == 1
    shorter = source.replace("within=timedelta(hours=6)", "within=timedelta(minutes=100)")
    edited = replace(here, modules={**here.modules, here.module: shorter}).load()
    pipeline = edited.with_models(answered.version.pipeline.models_)
    results = replayed(answered, store, replace(answered.version, pipeline=pipeline))
    lookups = results["lookup_replay"]
    assert (lookups.result, lookups.column) == ("failed", "climate_degrees")
    assert "Lookup climate (transforms/depots.py:" in lookups.summary
