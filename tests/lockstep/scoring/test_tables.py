"""Batches of a pipeline that looks values up: the same tables from the first step to the last."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lockstep.artifacts.ledgers import ledger_of
from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.check_results import CheckResult
from lockstep.columns.asof.asked_keys import Asked
from lockstep.columns.decode import decode
from lockstep.columns.graph import Graph
from lockstep.columns.kinds import Texts, Times
from lockstep.columns.units import read_files
from lockstep.errors import BlockedError, DamagedError, FailingFunctionError, InputError
from lockstep.project.declaration import PipelineAssets
from lockstep.project.pipelines import pipelines
from lockstep.scoring.executors import IN_PROCESS, Executor, Pool
from lockstep.scoring.partition import ingest_batch, score_batch
from lockstep.scoring.rows import looked_up_rows
from lockstep.scoring.work import Work
from lockstep.store.parquet import Store
from lockstep.store.pinned_tables import PinnedTables
from lockstep.store.streams import stream_records
from lockstep.store.table_deliveries import deliver_all
from tests.fixtures.depots import (
    DEPOTS,
    FIRST,
    LAST,
    SCORED,
    articles,
    climate,
    days,
    deliver_everything,
    needs,
    pieces,
    sales,
    write,
)
from tests.fixtures.homes import use_home
from tests.fixtures.recorded import Recorded, results_of
from tests.fixtures.scored import score
from tests.fixtures.versions import version_without_registry

DAY = SCORED.isoformat()
FILE = "needs.jsonl"


@pytest.fixture(scope="module")
def declared() -> PipelineAssets:
    return pipelines(DEPOTS).get("depots")


@pytest.fixture(scope="module")
def delivered(
    tmp_path_factory: pytest.TempPathFactory, declared: PipelineAssets
) -> Iterator[Store]:
    """The tables, delivered once."""
    folder = tmp_path_factory.mktemp("depots")
    with pytest.MonkeyPatch.context() as patch:
        use_home(folder / "home", patch)
        deliver_everything(folder / "home" / "upstream")
        store = Store(folder / "data")
        deliveries = deliver_all(declared, store, "run")
        assert [delivery.blocked_by for delivery in deliveries.values()] == [{}] * 3
        yield store


@pytest.fixture(scope="module")
def version(
    tmp_path_factory: pytest.TempPathFactory, declared: PipelineAssets, delivered: Store
) -> LoadedVersion:
    rows = [{**need, "pieces": pieces(need)} for day in days(FIRST, SCORED) for need in needs(day)]
    history = decode(rows, declared.pipeline.joint_schema).columns
    bound = PinnedTables.now(delivered, declared.pipeline).bind(declared.pipeline)
    folder = tmp_path_factory.mktemp("version") / "files"
    return version_without_registry(replace(declared, pipeline=bound), history, folder)


@pytest.fixture
def store(delivered: Store, tmp_path: Path) -> Store:
    """A copy of the tables, to which a test may deliver."""
    import shutil

    shutil.copytree(delivered.root, tmp_path / "data")
    return Store(tmp_path / "data")


def work_on(declared: PipelineAssets, store: Store, executor: Executor = IN_PROCESS) -> Work:
    return Work(declared, store, "daily", DAY, executor=executor)


def decoded(version: LoadedVersion) -> Any:
    return decode(needs(SCORED), version.pipeline.record_schema)


def read(work: Work, columns: list[str]) -> list[tuple[Any, ...]]:
    table = next(work.records.newest_first(work.partition)).read("scored", columns)
    cells = (table.column(name).to_pylist() for name in columns)
    return list(zip(*cells, strict=True))


def pins(work: Work, step: str) -> Mapping[str, str]:
    return next(work.records.newest_first(work.partition)).record.steps[step].facts["tables"]


def time_of(text: str) -> datetime:
    return datetime.fromisoformat(text)


# What is computed


def test_a_day_has_the_values_that_a_loop_over_the_tables_finds(
    declared: PipelineAssets, store: Store, version: LoadedVersion
) -> None:
    work = work_on(declared, store)
    found = score(work, version, decoded(version))
    assert found.published is not None, found.results
    names = ["need_id", "climate_degrees", "climate_age", "ware_weight", "sales_count", "sales_max"]
    scored = {row[0]: row[1:] for row in read(work, names)}
    hours = [row for day in days(FIRST, LAST) for row in climate(day)]
    weights = {row["article"]: row["weight"] for row in articles()}
    sold = sales()
    for need in needs(SCORED):
        asked = time_of(need["asked_at"])
        known = [
            row
            for row in hours
            if row["depot"] == need["depot"] and time_of(row["hour"]) <= asked - timedelta(hours=1)
        ]
        last = max(known, key=lambda row: time_of(row["hour"]))
        window = [
            row["sold"]
            for row in sold
            if (row["depot"], row["article"]) == (need["depot"], need["article"])
            and asked - timedelta(days=2) < time_of(row["sold_at"]) <= asked - timedelta(minutes=30)
        ]
        assert scored[need["need_id"]] == (
            last["degrees"],
            (asked - time_of(last["hour"])).total_seconds(),
            weights[need["article"]],
            len(window),
            max(window, default=None),
        )


def everything(
    declared: PipelineAssets,
    store: Store,
    version: LoadedVersion,
    path: Path,
    size: int,
    executor: Executor = IN_PROCESS,
) -> tuple[Recorded, Mapping[str, CheckResult]]:
    """Score a file as one that never came before; all that was recorded but for times."""
    rows = read_files([path], version.pipeline.record_schema, rows=size)
    work = Work(declared, store, "inbox", FILE, executor=executor)
    found = score(work, version, rows)
    assert found.published is not None, found.results
    records = stream_records(declared, store, "inbox")
    recorded, results = Recorded.of(records, FILE), results_of(records, FILE)
    records.forget(FILE)
    records.export_path(FILE).unlink()
    return recorded, results


def test_a_file_in_units_and_in_a_pool_is_as_one_that_is_read_at_once(
    declared: PipelineAssets, store: Store, version: LoadedVersion, tmp_path: Path
) -> None:
    path = tmp_path / FILE
    write(path, [need for day in days(SCORED, SCORED + timedelta(3)) for need in needs(day)])
    whole = everything(declared, store, version, path, 1_000)
    assert len(whole[0].published["need_id"]) == 120
    assert everything(declared, store, version, path, 35) == whole
    with closing(Pool(2)) as pool:
        assert everything(declared, store, version, path, 35, pool) == whole


# What is pinned


def test_both_steps_of_a_batch_hold_the_versions_of_the_tables(
    declared: PipelineAssets, store: Store, version: LoadedVersion
) -> None:
    work = work_on(declared, store)
    score(work, version, decoded(version))
    tables = {table.name: ledger_of(store.root, table.schema).version for table in declared.tables}
    assert pins(work, "batch") == pins(work, "scored") == tables


def heavier(store: Store, declared: PipelineAssets) -> None:
    """Deliver articles that weigh more than they did."""
    (table,) = (table for table in declared.tables if table.name == "article")
    rows = [{**row, "weight": 10 * row["weight"]} for row in articles()]
    columns = decode(rows, table.schema.schema).columns
    ledger_of(store.root, table.schema).add(columns, datetime.now(UTC))


def test_what_is_delivered_between_two_steps_counts_for_the_next_batch(
    declared: PipelineAssets, store: Store, version: LoadedVersion
) -> None:
    weights = {row["article"]: row["weight"] for row in articles()}
    for times in (1, 10):
        work = work_on(declared, store)
        ingest_batch(work, version, decoded(version), accept=["ware_weight"])
        if times == 1:
            heavier(store, declared)
        scored = score_batch(work, version)
        assert not scored.blocked_by, scored.results
        for article, weight in read(work, ["article", "ware_weight"]):
            assert weight == times * weights[article]


def test_a_restated_row_leaves_the_days_before_it_was_received_as_they_were(
    declared: PipelineAssets, store: Store, version: LoadedVersion
) -> None:
    work = work_on(declared, store)
    score(work, version, decoded(version))
    before, names = pins(work, "scored"), ["need_id", "climate_degrees", "forecast"]
    rows = read(work, names)
    (table,) = (table for table in declared.tables if table.name == "climate")
    warmer = [{**row, "degrees": 35.0} for row in climate(SCORED)]
    columns = decode(warmer, table.schema.schema).columns
    added = ledger_of(store.root, table.schema).add(columns, datetime.now(UTC))
    assert len(added.restated) == 72
    again = work_on(declared, store)
    found = score(again, version, decoded(version))
    assert found.results["rescored"].passed
    assert (pins(again, "scored") == before, read(again, names)) == (False, rows)


# What constraints see


def test_values_of_a_table_in_another_unit_break_a_constraint(
    declared: PipelineAssets, store: Store, version: LoadedVersion
) -> None:
    (table,) = (table for table in declared.tables if table.name == "article")
    pounds = [{**row, "weight": 2.2046 * row["weight"]} for row in articles()]
    columns = decode(pounds, table.schema.schema).columns
    ledger_of(store.root, table.schema).add(columns, datetime.now(UTC))
    found = score(work_on(declared, store), version, decoded(version))
    result = found.results["constraints"]
    assert (result.passed, result.column) == (False, "ware_weight")
    assert "article tells ware_weight" in result.summary


def test_what_is_looked_up_drifts_by_its_own_name(
    declared: PipelineAssets, store: Store, version: LoadedVersion
) -> None:
    work = work_on(declared, store)
    found = score(work, version, decoded(version)).results["input_drift"]
    assert {row["column"] for row in found.table} >= {"climate_degrees", "sales_sum"}


def test_rows_for_which_a_look_up_fails_are_left_out(
    declared: PipelineAssets, delivered: Store, version: LoadedVersion
) -> None:
    def picky(depot: Texts, asked_at: Times) -> Asked:
        if "west" in depot.tolist():
            raise ValueError("west")
        return Asked(depot, as_of=asked_at)

    pipeline = version.pipeline.bind({})
    nodes = pipeline.graph.columns.values()
    changed = [replace(node, function=picky) if node.name == "climate" else node for node in nodes]
    pipeline.graph = Graph(changed, pipeline.record_schema, pipeline.outcome_schema)
    pipeline = PinnedTables.now(delivered, pipeline).bind(pipeline)
    columns = decoded(version).columns
    others = np.flatnonzero(columns["depot"] != "west")
    seen = looked_up_rows(pipeline, columns, 40)
    assert seen["need_id"].tolist() == columns["need_id"][others].tolist()
    with pytest.raises(FailingFunctionError, match="climate"):
        looked_up_rows(pipeline, columns, 1)


# What is refused


def test_a_version_without_its_tables_computes_nothing(version: LoadedVersion) -> None:
    with pytest.raises(InputError, match="no rows of the table 'climate'"):
        version.pipeline.predict(needs(SCORED))


def test_a_table_that_was_never_delivered_is_told_with_the_command(
    declared: PipelineAssets, version: LoadedVersion, tmp_path: Path
) -> None:
    with pytest.raises(BlockedError, match="lockstep tables depots --deliver"):
        ingest_batch(work_on(declared, Store(tmp_path)), version, decoded(version))


def test_a_ledger_that_is_damaged_after_a_batch_was_ingested_scores_nothing(
    declared: PipelineAssets, store: Store, version: LoadedVersion
) -> None:
    work = work_on(declared, store)
    ingest_batch(work, version, decoded(version))
    (table,) = (table for table in declared.tables if table.name == "sale")
    ledger = ledger_of(store.root, table.schema)
    file = ledger.folder / ledger.parts()[0].file
    file.write_bytes(file.read_bytes()[:-9])
    moved = replace(work, store=Store(store.root / ".." / store.root.name))  # read by nobody yet
    with pytest.raises(DamagedError, match="the rows of sale that were received"):
        score_batch(moved, version)


def test_compiled_models_read_the_same_tables(
    declared: PipelineAssets, store: Store, version: LoadedVersion
) -> None:
    bound = version.with_tables(PinnedTables.now(store, version.pipeline))
    columns = decoded(version).columns
    reference = bound.pipeline.evaluate(columns)
    compiled = bound.compiled.pipeline.evaluate(columns)
    for name, values in reference.items():
        np.testing.assert_array_equal(values, compiled[name])
