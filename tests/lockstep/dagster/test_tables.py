"""Tables as assets: taken in before what reads them, in runs of training and of a day."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from lockstep.artifacts.ledgers import ledger_of
from lockstep.dagster.instance import open_instance
from lockstep.dagster.jobs import job_name, promotion
from lockstep.dagster.runs import RunReport, run_job
from lockstep.project.declaration import PipelineAssets
from lockstep.project.pipelines import pipelines
from lockstep.store.parquet import Store
from lockstep.store.streams import CANDIDATE, stream_records, training_records
from tests.fixtures.depots import DEPOTS, SCORED, articles, deliver_everything, write
from tests.fixtures.homes import use_home

DAY = SCORED.isoformat()
NEW = {"article": 7, "weight": 1.0, "ware": "part"}


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
def store() -> Store:
    return Store(DEPOTS.home.data / "depots")


def versions(declared: PipelineAssets, store: Store) -> dict[str, str]:
    return {table.name: ledger_of(store.root, table.schema).version for table in declared.tables}


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


def test_a_day_takes_the_tables_in_before_its_batch(
    trained: RunReport, instance: dg.DagsterInstance, declared: PipelineAssets, store: Store
) -> None:
    promoted = run_job(DEPOTS, job_name("depots", "promote"), instance, ops=promotion("depots", 1))
    assert promoted.ok, (promoted.error, promoted.failed)
    write(DEPOTS.home.path / "upstream" / "articles.jsonl", [*articles(), NEW])
    report = score(instance)
    assert report.ok, (report.error, report.failed)
    assert report.figure("/tables/article", "new") == 1
    of_table = [check for check in report.checks if check.asset == "depots/tables/article"]
    assert {check.partition for check in of_table} == {None}
    steps = stream_records(declared, store, "daily").demand(DAY).record.steps
    assert steps["scored"].facts["tables"] == versions(declared, store)


def test_a_table_that_is_refused_ends_the_run_before_its_batch(
    trained: RunReport, instance: dg.DagsterInstance, declared: PipelineAssets, store: Store
) -> None:
    before = versions(declared, store)
    write(
        DEPOTS.home.path / "upstream" / "articles.jsonl", [*articles(), {**NEW, "weight": 2.0}, NEW]
    )
    report = score(instance)
    assert [check.check for check in report.failed] == ["table"]
    assert not report.wrote("/batch")
    assert versions(declared, store) == before
