"""Tables as assets: taken in before what reads them, in runs of training and of a day."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from lockstep.checks.streams import CANDIDATE, stream_records, training_records
from lockstep.checks.table_deliveries import table_records
from lockstep.dagster.backfill import PartitionWatch
from lockstep.dagster.definitions import built
from lockstep.dagster.instance import open_instance
from lockstep.dagster.jobs import BACKFILL_TAG, backfill_op, job_name, promotion
from lockstep.dagster.run_reports import RunReport
from lockstep.dagster.runs import run_job
from lockstep.errors import UnavailableError
from lockstep.project.declaration import PipelineAssets
from lockstep.project.pipelines import pipelines
from lockstep.store.inbox import claim_copy
from lockstep.store.ledgers import ledger_of
from lockstep.store.parquet import Store
from tests.fixtures.depots import DEPOTS, SCORED, articles, deliver_everything, needs, write
from tests.fixtures.homes import use_home

DAY = SCORED.isoformat()
NEW = {"article": 7, "weight": 1.0, "ware": "part"}
NEXT = {"article": 8, "weight": 1.0, "ware": "part"}
ARTICLE = "depots/tables/article"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("depots") / "home"
    with pytest.MonkeyPatch.context() as patch:
        use_home(path, patch)
        deliver_everything(path / "upstream")
        yield path


@pytest.fixture(scope="module")
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with open_instance(DEPOTS.home) as opened:
        yield opened


@pytest.fixture(scope="module")
def trained(instance: dg.DagsterInstance) -> RunReport:
    return run_job(DEPOTS, job_name("depots", "train"), instance)


@pytest.fixture(scope="module")
def declared(home: Path) -> PipelineAssets:
    return pipelines(DEPOTS).get("depots")


@pytest.fixture(scope="module")
def store(home: Path) -> Store:
    return Store(DEPOTS.home.data / "depots")


def versions(declared: PipelineAssets, store: Store) -> dict[str, str]:
    return {table.name: ledger_of(store.root, table.schema).version for table in declared.tables}


def result(report: RunReport, name: str) -> str:
    (found,) = (check.result for check in report.checks if check.check == name)
    return found


def score(instance: dg.DagsterInstance) -> RunReport:
    return run_job(DEPOTS, job_name("depots", "score_daily"), instance, partition=DAY)


def test_a_training_takes_the_tables_in_and_its_version_holds_theirs(
    trained: RunReport, declared: PipelineAssets, store: Store
) -> None:
    assert trained.ok, (trained.error, trained.failed)
    checked = {(check.asset, check.check) for check in trained.checks}
    assert {("depots/tables/climate", "table"), ("depots/tables/sale", "append_only")} <= checked
    pinned = versions(declared, store)
    history = training_records(declared, store).demand(CANDIDATE).record.steps["history"]
    assert history.facts["tables"] == pinned
    assert DEPOTS.home.registry().load("depots", 1).fitted_to == pinned


@dataclass(frozen=True)
class ScoredDay:
    """The first run of a day, the versions of tables that it noted, and those that there were."""

    report: RunReport
    noted: Any
    versions: dict[str, str]


@pytest.fixture(scope="module")
def scored(
    trained: RunReport, instance: dg.DagsterInstance, declared: PipelineAssets, store: Store
) -> ScoredDay:
    """A day is scored, before which an article came."""
    promoted = run_job(DEPOTS, job_name("depots", "promote"), instance, ops=promotion("depots", 1))
    assert promoted.ok, (promoted.error, promoted.failed)
    write(DEPOTS.home.path / "upstream" / "articles.jsonl", [*articles(), NEW])
    report = score(instance)
    return ScoredDay(report, noted(declared, store), versions(declared, store))


def noted(declared: PipelineAssets, store: Store) -> Any:
    """The versions of tables by which the day was scored."""
    steps = stream_records(declared, store, "daily").demand(DAY).record.steps
    return steps["scored"].facts["tables"]


def test_a_day_takes_the_tables_in_before_its_batch(scored: ScoredDay) -> None:
    report = scored.report
    assert report.ok, (report.error, report.failed)
    assert report.figure("/tables/article", "new") == 1
    of_table = [check for check in report.checks if check.asset == "depots/tables/article"]
    assert {check.partition for check in of_table} == {None}
    assert scored.noted == scored.versions


def test_a_table_that_is_refused_or_away_is_pinned_as_it_was_with_a_warning(
    scored: ScoredDay, instance: dg.DagsterInstance, declared: PipelineAssets, store: Store
) -> None:
    before = versions(declared, store)
    upstream = DEPOTS.home.path / "upstream"
    write(upstream / "articles.jsonl", [*articles(), {**NEW, "weight": 2.0}, NEW])
    report = score(instance)
    assert report.ok, (report.error, report.failed)
    (found,) = (check for check in report.checks if check.check == "table_delivery")
    assert (found.result, found.column) == ("warned", "article")
    assert "Not taken in: article: 2 rows have the key and time" in found.summary
    (refused,) = (c for c in report.checks if (c.asset, c.check) == (ARTICLE, "table"))
    assert refused.result == "warned"
    assert noted(declared, store) == versions(declared, store) == before
    write(upstream / "articles.jsonl", [*articles(), NEW])
    assert result(score(instance), "table_delivery") == "passed"


def test_a_source_that_is_away_is_named_in_a_warning(
    scored: ScoredDay,
    instance: dg.DagsterInstance,
    declared: PipelineAssets,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(*_: object) -> None:
        raise UnavailableError("sales.jsonl is on a drive that is away")

    monkeypatch.setattr("lockstep.checks.table_deliveries.decode_source", away)
    report = score(instance)
    assert report.ok, (report.error, report.failed)
    (found,) = (check for check in report.checks if check.check == "table_delivery")
    assert found.result == "warned"
    assert "sale: Attempt" in found.summary
    assert "is on a drive that is away" in found.summary


@pytest.fixture
def deliveries(declared: PipelineAssets, store: Store) -> Callable[[], int]:
    """Counts the deliveries of articles that were ever tried."""
    (table,) = (table for table in declared.tables if table.name == "article")
    records = table_records(declared, ledger_of(store.root, table.schema))
    return lambda: max(records.numbers("article"))


def test_a_file_takes_the_tables_in_before_its_batch(
    scored: ScoredDay,
    instance: dg.DagsterInstance,
    declared: PipelineAssets,
    store: Store,
    deliveries: Callable[[], int],
    tmp_path: Path,
) -> None:
    before = deliveries()
    write(DEPOTS.home.path / "upstream" / "articles.jsonl", [*articles(), NEW, NEXT])
    write(tmp_path / "needs.jsonl", needs(SCORED))
    name = claim_copy(DEPOTS.home.inbox("depots"), tmp_path / "needs.jsonl")
    instance.add_dynamic_partitions("depots_inbox", [name])
    report = run_job(DEPOTS, job_name("depots", "score_inbox"), instance, partition=name)
    assert report.ok, (report.error, report.failed)
    assert report.figure("/tables/article", "new") == 1
    assert deliveries() == before + 1


def test_days_that_are_selected_together_take_the_tables_in_once(
    scored: ScoredDay, instance: dg.DagsterInstance, deliveries: Callable[[], int]
) -> None:
    before = deliveries()
    last = (SCORED + timedelta(days=1)).isoformat()
    ops = {backfill_op("depots"): {"config": {"first": DAY, "last": last}}}
    watch = PartitionWatch()
    report = run_job(
        DEPOTS, job_name("depots", "backfill"), instance, ops=ops, resources={"watch": watch}
    )
    assert report.ok, (report.error, report.failed)
    assert deliveries() == before + 1


def test_runs_of_a_backfill_take_the_tables_in_once(
    scored: ScoredDay, instance: dg.DagsterInstance, deliveries: Callable[[], int]
) -> None:
    before = deliveries()
    job = job_name("depots", "score_daily")
    for _ in range(2):
        run_job(DEPOTS, job, instance, partition=DAY, tags={BACKFILL_TAG: "every-day"})
    assert deliveries() == before + 1


def test_a_day_that_is_selected_without_tables_takes_them_in(
    scored: ScoredDay, instance: dg.DagsterInstance, deliveries: Callable[[], int]
) -> None:
    before = deliveries()
    keys = [dg.AssetKey(["depots", "daily", step]) for step in ("batch", "scored", "published")]
    definitions = built(DEPOTS).definitions
    job = definitions.resolve_implicit_global_asset_job_def()
    done = job.execute_in_process(
        instance=instance, asset_selection=keys, partition_key=DAY, raise_on_error=False
    )
    assert done.success
    assert deliveries() == before + 1
