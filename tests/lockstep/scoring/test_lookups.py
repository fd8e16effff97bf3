"""A pipeline that looks its columns up, from training to a trace, with registry and MLflow."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from lockstep.artifacts.losses import losses
from lockstep.artifacts.snapshot import Snapshot
from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.comparisons import check_replay
from lockstep.checks.lookup_checks import check_hits
from lockstep.checks.specs import SCORED_CHECKS, TRAINING_SET_CHECKS
from lockstep.columns.decode import decode
from lockstep.columns.kinds import Columns
from lockstep.columns.tables import to_frame
from lockstep.errors import UnprovenError
from lockstep.parity.replay import replay
from lockstep.parity.selection import LEAST_GOLDEN, choose_golden
from lockstep.project.declaration import PipelineAssets
from lockstep.project.pipelines import pipelines
from lockstep.registry.registry import Registry
from lockstep.scoring.rows import compute_rows
from lockstep.scoring.sides import CHECKOUT, two_sides
from lockstep.scoring.trace import trace_row
from lockstep.scoring.work import Work
from lockstep.serving.versions.proving import prove
from lockstep.serving.versions.served_tables import ServedTables
from lockstep.store.parquet import Store
from lockstep.store.pinned_tables import PinnedTables
from lockstep.tables.layered import LayeredReader
from lockstep.tables.readers import readers_of
from lockstep.training.candidate import Trained, train
from lockstep.training.examination import examine
from lockstep.training.gate import pass_gate
from lockstep.training.training_set import compute_training_set, ingest_history
from tests.fixtures.depots import DEPOTS, SCORED, deliver_everything, known_needs, needs
from tests.fixtures.homes import use_home
from tests.fixtures.scored import score

DAY = SCORED.isoformat()


class Depots:
    """A home in which the pipeline is trained."""

    def __init__(self) -> None:
        self.home = DEPOTS.home
        self.declared: PipelineAssets = pipelines(DEPOTS).get("depots")
        self.store = Store(self.home.data / "depots")
        self.registry: Registry = self.home.registry()
        self.trained: Trained = train(self.declared, self.store, self.registry, DEPOTS.packages)
        self.version: LoadedVersion = self.registry.load("depots", 1)

    def rows(self) -> Any:
        return decode(needs(SCORED), self.version.pipeline.record_schema)


@pytest.fixture(scope="module")
def depots(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Depots]:
    with pytest.MonkeyPatch.context() as patch:
        use_home(tmp_path_factory.mktemp("depots") / "home", patch)
        deliver_everything(DEPOTS.home.path / "upstream")
        yield Depots()


@pytest.fixture(scope="module")
def scored(depots: Depots) -> Any:
    return score(Work(depots.declared, depots.store, "daily", DAY), depots.version, depots.rows())


# Training and the gate


def test_a_training_set_is_checked_for_the_future(depots: Depots) -> None:
    found = depots.trained.results
    assert {check.name for check in TRAINING_SET_CHECKS} - {"feature_suite"} <= found.keys()
    assert found["no_future"].passed
    assert found["no_future"].numbers["rows"] == 2400
    assert set(found["no_future"].unjudged) == {"ware_weight", "ware_ware"}


@pytest.mark.parametrize(
    ("before", "after", "column"),
    [
        ("Asked(depot, as_of=asked_at)", "Asked(depot, as_of=asked_at + HOUR)", "climate_degrees"),
        ("article, as_of=asked_at)", "article, as_of=asked_at + HOUR)", "sales_count"),
    ],
)
def test_a_look_up_that_asks_an_hour_later_is_not_trained(
    depots: Depots, before: str, after: str, column: str
) -> None:
    here = Snapshot.of(depots.declared.pipeline)
    source = here.modules[here.module]
    assert source.count(before) == 1
    later = source.replace(before, after.replace("HOUR", 'np.timedelta64(1, "h")'))
    edited = replace(here, modules={**here.modules, here.module: later}).load()
    declared = replace(depots.declared, pipeline=edited)
    ingest_history(declared, depots.store, column)

    found = compute_training_set(declared, depots.store, column)

    assert set(found.blocked_by) == {"no_future"}
    assert found.results["no_future"].column == column


def test_golden_records_carry_what_they_read_and_replay_without_the_tables(depots: Depots) -> None:
    golden = depots.version.golden
    ledgers = PinnedTables.now(depots.store, depots.version.pipeline).rows(depots.version.pipeline)
    for name, rows in golden.tables.items():
        assert set(rows.digests.tolist()) <= set(ledgers[name].digests.tolist())
        assert rows.version == depots.version.fitted_to[name]
    assert len(golden.tables["sale"]) < len(ledgers["sale"])
    asked = golden.records["asked_at"].max()
    assert (golden.tables["climate"].columns["hour"] > asked - np.timedelta64(1, "h")).any()
    assert set(golden.cases) == {"climate", "ware", "sales"}
    assert not readers_of(depots.version.pipeline)
    assert check_replay(depots.version).passed


def test_a_server_proves_a_version_without_what_is_delivered(
    depots: Depots, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = ServedTables(depots.store.root).of(depots.version.pipeline)
    assert prove(depots.version, tables=tables).pipeline.tables.keys() == tables.tables.keys()

    def base_alone(self: LayeredReader, keys: Any, as_of: Any) -> Columns:
        return self._base.read(keys, as_of)

    monkeypatch.setattr(LayeredReader, "read", base_alone)
    with pytest.raises(UnprovenError, match="does not look up what it has to"):
        prove(depots.version, tables=tables)


def test_a_table_of_golden_records_that_was_changed_is_told(depots: Depots) -> None:
    golden = depots.version.golden
    rows = golden.tables["climate"]
    fewer = rows.taken(np.arange(0, len(rows), 2))
    changed = replace(golden, tables={**golden.tables, "climate": fewer})
    report = replay(depots.version.pipeline, changed)
    assert report.first is not None
    assert report.first.column == "climate_degrees"


@pytest.mark.parametrize(
    ("lacking", "told"),
    [
        ({"tables": {}}, "its golden records lack the rows of the table climate"),
        ({"cases": {}}, "it lacks the made-up rows and questions of climate"),
    ],
)
def test_a_version_that_has_lost_its_rows_of_tables_does_not_serve(
    depots: Depots, lacking: dict[str, Any], told: str
) -> None:
    lost = replace(depots.version, golden=replace(depots.version.golden, **lacking))
    assert any(clause.startswith(told) for clause in losses(lost))
    assert told in check_replay(lost).summary


def test_fewer_records_are_chosen_rather_than_fewer_rows_of_their_windows(
    depots: Depots, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lockstep.parity.selection._TABLE_ROWS", 1_000)
    bound = depots.version.with_tables(PinnedTables.now(depots.store, depots.version.pipeline))
    history: Columns = decode(known_needs(), bound.pipeline.joint_schema).columns

    golden = choose_golden(bound.pipeline, history)

    assert LEAST_GOLDEN <= len(golden) < 300
    assert sum(map(len, golden.tables.values())) <= 1_000
    assert replay(depots.version.pipeline, golden).ok


# MLflow


def test_mlflow_takes_the_looked_up_columns_from_the_input_or_says_which_are_lacking(
    depots: Depots,
) -> None:
    import mlflow.pyfunc
    from mlflow.exceptions import MlflowException

    model = mlflow.pyfunc.load_model(str(depots.version.directory.parent))
    golden = depots.version.golden
    record = to_frame({name: golden.records[name] for name in ("need_id", "depot", "article")})
    record["asked_at"] = [f"{time}Z" for time in golden.records["asked_at"]]
    read = [name for node in depots.version.pipeline.reading for name in node.gives]
    given = record.assign(**{name: golden.trace.columns[name] for name in read})

    predicted = model.predict(given)

    np.testing.assert_array_equal(predicted["forecast"], golden.trace.columns["forecast"])
    with pytest.raises(
        MlflowException, match=r"Lookup climate .* or give climate_degrees, climate_age with"
    ):
        model.predict(record)
    with pytest.raises(MlflowException, match="Window sales"):
        model.predict(given.drop(columns="sales_sum"))


# Batches


def test_a_batch_is_checked_for_the_future_and_for_hits(scored: Any) -> None:
    assert scored.published is not None
    found = scored.scored.results
    names = {"no_future", "table_freshness"}
    assert names <= {check.name for check in SCORED_CHECKS}
    assert {name: found[name].result for name in names} == dict.fromkeys(names, "passed")
    assert found["no_future"].numbers["rows"] == 40


def test_a_batch_whose_table_stays_behind_is_told(depots: Depots) -> None:
    bound = depots.version.with_tables(PinnedTables.now(depots.store, depots.version.pipeline))
    climate = readers_of(bound.pipeline)["climate"].rows
    before = climate.columns["hour"] < np.datetime64(DAY, "us")
    rows = {read.node.table.name: read.rows for read in readers_of(bound.pipeline).values()}
    old = bound.pipeline.with_tables({**rows, "climate": climate.taken(np.flatnonzero(before))})
    result = check_hits(old, old.evaluate(depots.rows().columns), depots.version.profile)
    assert (result.passed, result.severity) == (False, "WARN")
    assert "Lookup climate" in result.summary


@pytest.mark.parametrize(
    ("ahead", "scored"), [(timedelta(hours=20), 39), (timedelta(seconds=3), 40)]
)
def test_a_row_of_a_batch_waits_until_its_time_has_come_beyond_a_tolerance_of_clocks(
    depots: Depots, ahead: timedelta, scored: int
) -> None:
    columns = dict(depots.rows().columns)
    columns["asked_at"] = columns["asked_at"].copy()
    columns["asked_at"][7] = np.datetime64(datetime.now(UTC).replace(tzinfo=None) + ahead, "us")
    bound = depots.version.with_tables(PinnedTables.now(depots.store, depots.version.pipeline))

    rows = compute_rows(bound.pipeline, columns, 5)

    assert len(rows.columns["need_id"]) == scored
    assert [(row.key, row.reasons[0].rule) for row in rows.failing] == [
        (columns["need_id"][7], "as_of")
    ] * (40 - scored)


def test_a_row_that_asks_as_of_a_year_that_python_lacks_gets_the_same_reason(
    depots: Depots,
) -> None:
    columns = {name: array[:2] for name, array in depots.rows().columns.items()}
    columns["asked_at"] = np.array(["2020-03-01", "12020-03-01"], "datetime64[us]")
    bound = depots.version.with_tables(PinnedTables.now(depots.store, depots.version.pipeline))

    (refused,) = compute_rows(bound.pipeline, columns, 5).failing

    assert "climate asks as of 12020-03-01T00:00:00.000000Z" in refused.reasons[0].message


def test_a_trace_shows_the_rows_that_values_come_from(depots: Depots, scored: Any) -> None:
    attempt = next(Work(depots.declared, depots.store, "daily", DAY).records.newest_first(DAY))
    rows = attempt.read("scored", ["need_id", "sales_count"]).to_pylist()
    key = next(row["need_id"] for row in rows if row["sales_count"] > 1)
    traced = trace_row(depots.declared, depots.home, depots.registry, DAY, key)

    assert traced.agrees
    climate, ware, sales = (asdict(read) for read in traced.looked_up)
    asked = traced.stored["asked_at"]
    assert climate["rows"] == 1
    assert climate["age"] == traced.stored["climate_age"]
    assert climate["last"]["key"] == traced.stored["depot"]
    assert climate["last"]["valid"] < climate["last"]["known"] <= asked
    assert ware["last"]["key"] == str(traced.stored["article"])
    assert (ware["last"]["valid"], ware["age"]) == (None, None)
    assert sales["rows"] == traced.stored["sales_count"] > 1
    assert sales["first"]["valid"] < sales["last"]["valid"]
    assert all(len(read["version"]) == 64 for read in (climate, ware, sales))
    tables = PinnedTables.now(depots.store, depots.version.pipeline).rows(depots.version.pipeline)
    digests = {f"{digest:016x}" for digest in tables["climate"].digests.tolist()}
    assert climate["last"]["digest"] in digests


def test_a_record_is_looked_up_in_the_tables_as_they_are_now(depots: Depots) -> None:
    record = {name: array[:1] for name, array in depots.rows().columns.items()}
    for against in ("server", CHECKOUT):
        sides = two_sides(depots.declared, depots.registry, record, 1, against, depots.store)
        assert sides.agrees
        assert [read.node for read in sides.looked_up] == ["climate", "ware", "sales"]


def test_a_version_with_tables_goes_live(depots: Depots) -> None:
    gate = pass_gate(
        depots.declared, depots.registry, depots.store, depots.home.live("depots"), wanted=1
    )
    wrong = {name: result for name, result in gate.results.items() if result.is_error}
    assert gate.is_open, [(name, result.summary, result.notes) for name, result in wrong.items()]
    assert gate.live == 1


def test_a_version_with_tables_is_compared_with_the_champion_and_examined(depots: Depots) -> None:
    declared, store, registry = depots.declared, depots.store, depots.registry
    registry.set_alias("depots", "champion", 1)
    trained = train(declared, store, registry, DEPOTS.packages)
    assert trained.results["champion_comparison"].passed, trained.results["champion_comparison"]
    found = examine(declared, store, registry)
    assert [name for name, result in found.items() if result.is_error or not result.judged] == []
    assert {row["feature"] for row in found["feature_value"].table} == {"cold", "heavy", "lately"}
    assert {"climate", "sales"} <= {row["column"] for row in found["feature_cost"].table}
