"""Batches of a pipeline that looks values up: the same tables from the first step to the last."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from lockstep.columns.from_table import Asked
from lockstep.columns.graph import Graph
from lockstep.columns.kinds import Texts, Times
from lockstep.columns.units import read_files
from lockstep.errors import BlockedError, DamagedError, FailingFunctionError, InputError
from lockstep.scoring.executors import IN_PROCESS, Executor, Pool
from lockstep.scoring.partition import ingest_batch, score_batch
from lockstep.scoring.rows import looked_up_rows
from lockstep.scoring.work import Work
from lockstep.store.ledgers import ledger_of
from lockstep.store.parquet import Store
from lockstep.store.pinned_tables import PinnedTables
from lockstep.store.results import CheckResult
from tests.fixtures.depots import (
    FIRST,
    LAST,
    SCORED,
    articles,
    climate,
    days,
    needs,
    sales,
    write,
)
from tests.fixtures.recorded import Recorded, results_of
from tests.fixtures.scored import score
from tests.lockstep.scoring.conftest import DepotStore

FILE = "needs.jsonl"
WEIGHTS = {row["article"]: row["weight"] for row in articles()}


def time_of(text: str) -> datetime:
    return datetime.fromisoformat(text)


# What is computed


def test_a_day_has_the_values_that_a_loop_over_the_tables_finds(depots: DepotStore) -> None:
    found = depots.score()
    assert found.published is not None, found.results
    names = ["need_id", "climate_degrees", "climate_age", "ware_weight", "sales_count", "sales_max"]
    scored = {row[0]: row[1:] for row in depots.read(*names)}
    hours = [row for day in days(FIRST, LAST) for row in climate(day)]
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
            WEIGHTS[need["article"]],
            len(window),
            max(window, default=None),
        )


def everything(
    depots: DepotStore, path: Path, size: int, executor: Executor = IN_PROCESS
) -> tuple[Recorded, Mapping[str, CheckResult]]:
    """Score a file as one that never came before; all that was recorded but for times."""
    rows = read_files([path], depots.version.pipeline.record_schema, rows=size)
    work = Work(depots.declared, depots.store, "inbox", FILE, executor=executor)
    found = score(work, depots.version, rows)
    assert found.published is not None, found.results
    recorded, results = Recorded.of(work.records, FILE), results_of(work.records, FILE)
    work.records.forget(FILE)
    work.records.export_path(FILE).unlink()
    return recorded, results


def test_a_file_in_units_and_in_a_pool_is_as_one_that_is_read_at_once(
    depots: DepotStore, tmp_path: Path
) -> None:
    path = tmp_path / FILE
    write(path, [need for day in days(SCORED, SCORED + timedelta(3)) for need in needs(day)])
    whole = everything(depots, path, 1_000)
    assert len(whole[0].published["need_id"]) == 120
    assert everything(depots, path, 35) == whole
    with closing(Pool(2)) as pool:
        assert everything(depots, path, 35, pool) == whole


def test_compiled_models_read_the_same_tables(delivered: DepotStore) -> None:
    bound, columns = delivered.bound, delivered.rows.columns
    compiled = bound.compiled.pipeline.evaluate(columns)
    for name, values in bound.pipeline.evaluate(columns).items():
        np.testing.assert_array_equal(values, compiled[name])


# What is pinned


def test_both_steps_of_a_batch_hold_the_versions_of_the_tables(depots: DepotStore) -> None:
    depots.score()
    tables = {
        name: ledger_of(depots.store.root, schema).version
        for name, schema in depots.declared.pipeline.tables.items()
    }
    assert depots.pins("batch") == depots.pins("scored") == tables


def test_what_is_delivered_between_two_steps_counts_for_the_next_batch(depots: DepotStore) -> None:
    for times in (1, 10):
        work = depots.work()
        ingest_batch(work, depots.version, depots.rows, accept=["ware_weight"])
        if times == 1:
            depots.add("article", *({**row, "weight": 10 * row["weight"]} for row in articles()))
        scored = score_batch(work, depots.version)
        assert not scored.blocked_by, scored.results
        for article, weight in depots.read("article", "ware_weight"):
            assert weight == times * WEIGHTS[article]


def test_a_restated_row_leaves_the_days_before_it_was_received_as_they_were(
    depots: DepotStore,
) -> None:
    depots.score()
    names = ["need_id", "climate_degrees", "forecast"]
    before, rows = depots.pins("scored"), depots.read(*names)
    added = depots.add("climate", *({**row, "degrees": 35.0} for row in climate(SCORED)))
    assert len(added.restated) == 72
    assert depots.score().results["rescored"].passed
    assert (depots.pins("scored") == before, depots.read(*names)) == (False, rows)


# What constraints see


def test_values_of_a_table_in_another_unit_break_a_constraint(depots: DepotStore) -> None:
    depots.add("article", *({**row, "weight": 2.2046 * row["weight"]} for row in articles()))
    result = depots.score().results["constraints"]
    assert (result.passed, result.column) == (False, "ware_weight")
    assert "article tells ware_weight" in result.summary


def test_what_is_looked_up_drifts_by_its_own_name(depots: DepotStore) -> None:
    found = depots.score().results["input_drift"]
    assert {row["column"] for row in found.table} >= {"climate_degrees", "sales_sum"}


def test_rows_for_which_a_look_up_fails_are_left_out(delivered: DepotStore) -> None:
    def picky(depot: Texts, asked_at: Times) -> Asked:
        if "west" in depot.tolist():
            raise ValueError("west")
        return Asked(depot, as_of=asked_at)

    pipeline = delivered.version.pipeline.bind({})
    nodes = pipeline.graph.columns.values()
    changed = [replace(node, function=picky) if node.name == "climate" else node for node in nodes]
    pipeline.graph = Graph(changed, pipeline.record_schema, pipeline.outcome_schema)
    pipeline = PinnedTables.now(delivered.store, pipeline).bind(pipeline)
    columns = delivered.rows.columns
    seen = looked_up_rows(pipeline, columns, 40)
    assert seen["need_id"].tolist() == columns["need_id"][columns["depot"] != "west"].tolist()
    with pytest.raises(FailingFunctionError, match="climate"):
        looked_up_rows(pipeline, columns, 1)


# What is refused


def test_a_version_without_its_tables_computes_nothing(delivered: DepotStore) -> None:
    with pytest.raises(InputError, match="no rows of the table 'climate'"):
        delivered.version.pipeline.predict(needs(SCORED))


def test_a_table_that_was_never_delivered_is_told_with_the_command(
    delivered: DepotStore, tmp_path: Path
) -> None:
    with pytest.raises(BlockedError, match="lockstep tables depots --deliver"):
        replace(delivered, store=Store(tmp_path)).score()


def test_a_ledger_that_is_damaged_after_a_batch_was_ingested_scores_nothing(
    depots: DepotStore,
) -> None:
    work, root = depots.work(), depots.store.root
    ingest_batch(work, depots.version, depots.rows)
    ledger = ledger_of(root, depots.declared.pipeline.tables["sale"])
    file = ledger.folder / ledger.parts()[0].file
    file.write_bytes(file.read_bytes()[:-9])
    moved = replace(work, store=Store(root / ".." / root.name))  # read by nobody yet
    with pytest.raises(DamagedError, match="the rows of sale that were received"):
        score_batch(moved, depots.version)
