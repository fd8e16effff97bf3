"""Pipelines with look-ups and windows: from declaration to prediction, and through the checks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from lockstep import (
    Asked,
    EventTime,
    Floats,
    Ints,
    Key,
    Outcome,
    Pipeline,
    Record,
    Texts,
    Times,
    label,
    lookup,
    model,
    output,
    window,
)
from lockstep.checks.pictures import divergence_picture
from lockstep.columns.compiled.predictor import Compiled
from lockstep.columns.decode import decode
from lockstep.columns.from_table import FromTable
from lockstep.columns.nodes import Model
from lockstep.errors import InputError
from lockstep.parity.company import in_other_company
from lockstep.parity.comparison import compare
from lockstep.parity.locality import locality
from lockstep.parity.profiles import Profile
from lockstep.parity.scales import Scales
from lockstep.tables.rows import TableRows

from ..columns.conftest import build, named
from .drawn import HOUR, STATIONS, Gauge, Passage


class Reading(Record):
    reading: Key[str]
    at: EventTime
    station: str | None
    sensor: int


class Level(Outcome):
    truth: float


@lookup(Gauge, within=timedelta(hours=30))
def gauge(station: Texts, sensor: Ints, at: Times) -> Asked:
    return Asked(station, sensor, as_of=at)


@window(Passage, over=timedelta(hours=20), of="level", how=("count", "mean", "sum", "last"))
def passed(station: Texts, sensor: Ints, at: Times) -> Asked:
    return Asked(station, sensor, as_of=at)


above = named("above", lambda gauge_level, passed_mean: gauge_level - passed_mean)
level = named("level", lambda truth: truth, label)


@model(learns=level, uses=[gauge, "passed_count", above])
def expected() -> Any:
    return make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["gauge_note"]),
            remainder="passthrough",
        ),
        HistGradientBoostingRegressor(max_iter=5, random_state=0),
    )


rounded = named("rounded", lambda expected: np.round(expected, 0), output)


@lookup(Gauge)  # a table may be asked by what a model predicts
def gauge_of_model(station: Texts, sensor: Ints, at: Times, expected: Floats) -> Asked:
    return Asked(station, np.where(expected > 0, sensor, 3 - sensor), as_of=at)


def rows_of(table: Any, count: int, seed: int, *, late: bool) -> TableRows:
    random = np.random.default_rng(seed)
    made = {
        "station": random.choice(np.array(STATIONS, dtype=object), count),
        "sensor": random.integers(1, 3, count),
        "at": random.integers(0, 200 * HOUR, count).astype("datetime64[us]"),
        "level": np.where(random.random(count) < 0.1, np.nan, random.normal(size=count)),
        "count": random.integers(0, 9, count),
        "is_sound": random.integers(0, 2, count).astype(float),
        "note": random.choice(np.array(["a", None], dtype=object), count),
    }
    schema = table.declaration()
    kinds = schema.schema.kinds
    columns = {name: made[name].astype(kind.dtype) for name, kind in kinds.items()}
    delays = random.integers(0, 20 * HOUR, count).astype("timedelta64[us]")
    return TableRows.of(schema, columns, columns["at"] + delays if late else None)


def tables_of(*, late: bool) -> dict[str, TableRows]:
    return {
        "gauge": rows_of(Gauge, 500, 0, late=late),
        "passage": rows_of(Passage, 2_000, 1, late=late),
    }


RECORDS = [
    {
        "reading": f"{number}",
        "at": datetime(1970, 1, 1, tzinfo=UTC) + timedelta(minutes=30 * number),
        "station": [*STATIONS, None, "nowhere"][number % 5],
        "sensor": number % 3 + 1,
        "truth": float(number % 7),
    }
    for number in range(400)
]


@pytest.fixture(params=[False, True], ids=["as declared", "late"])
def pipeline(request: pytest.FixtureRequest) -> Pipeline:
    nodes = (gauge, passed, above, level, expected, gauge_of_model, rounded)
    made = build(*nodes, record=Reading, outcome=Level)
    return made.with_tables(tables_of(late=request.param))


@pytest.fixture
def fitted(pipeline: Pipeline) -> Pipeline:
    return pipeline.fit(RECORDS)


def test_columns_of_tables_are_features_with_lineage_kinds_and_budget(pipeline: Pipeline) -> None:
    graph = pipeline.graph
    own = {**gauge.gives, **passed.gives}
    assert set(graph.features) == {*own, *gauge_of_model.gives, "above"}
    assert set(graph.model_free) == {*own, "above"}
    assert graph.nodes["expected"].inputs == (*gauge.gives, "passed_count", "above")
    assert graph.lineage("above") == {"station", "sensor", "at"}
    assert all(graph.ulps(name) == 0 for name in own)
    assert list(pipeline.tables) == ["gauge", "passage"]
    assert {name: graph.kind(name) for name in own} == own
    reading = {node.name for node in graph.columns.values() if isinstance(node, FromTable)}
    assert reading == {"gauge", "passed", "gauge_of_model"}


def test_one_record_is_computed_as_among_others(fitted: Pipeline) -> None:
    whole = fitted.trace(RECORDS).columns
    assert np.isfinite(whole["gauge_level"]).mean() > 0.3
    assert whole["passed_count"].max() > 5
    for place in range(0, len(RECORDS), 20):
        for name, values in fitted.trace([RECORDS[place]]).columns.items():
            np.testing.assert_array_equal(values, whole[name][place : place + 1])


def test_a_refit_and_compiled_models_keep_the_tables(fitted: Pipeline) -> None:
    again, compiled = fitted.unfitted().fit(RECORDS), Compiled.of(fitted)
    assert compiled.models == ("expected",)
    for pipeline in (again, compiled.pipeline):
        assert pipeline.predict(RECORDS).equals(fitted.predict(RECORDS))


def test_no_function_is_given_no_rows(fitted: Pipeline) -> None:
    def strict(function: Any) -> Any:
        @wraps(function)
        def called(*arrays: Any) -> Any:
            assert all(map(len, arrays)), "it is given no rows"
            return function(*arrays)

        return called

    nodes = [
        node if isinstance(node, Model) else replace(node, function=strict(node.function))
        for node in fitted.graph.columns.values()
    ]
    tables = {node.table.name: fitted.bound[node.name].rows for node in (gauge, passed)}
    made = build(*nodes, record=Reading, outcome=Level).with_tables(tables).fit(RECORDS)
    columns = made.trace(RECORDS, labels=True).columns
    given = {name: columns[name][:0] for name in made.joint_schema.names}
    for pipeline in (made, Compiled.of(made).pipeline):
        found = pipeline.trace(given, labels=True, matrices=True).columns
        assert {name: (len(array), array.dtype) for name, array in found.items()} == {
            name: (0, array.dtype) for name, array in columns.items()
        }
    assert len(made.predict([])) == 0


def test_without_its_rows_a_pipeline_says_what_to_do() -> None:
    unbound = build(gauge, level, record=Reading, outcome=Level)
    with pytest.raises(InputError, match=r"Lookup gauge .* with_tables.*lockstep tables"):
        unbound.trace(RECORDS)


def test_columns_that_are_given_are_taken_as_they_are(fitted: Pipeline) -> None:
    columns = decode(RECORDS, fitted.record_schema).columns
    given = columns | {"gauge_level": np.full(len(RECORDS), 7.0)}
    found = fitted.evaluate(given, ("gauge_level", "gauge_age"))
    assert set(found["gauge_level"].tolist()) == {7.0}
    age = fitted.evaluate(columns, ("gauge_age",))["gauge_age"]
    assert np.array_equal(found["gauge_age"], age, equal_nan=True)


def test_they_are_row_local_and_the_same_in_other_company(fitted: Pipeline) -> None:
    columns = decode(RECORDS, fitted.joint_schema).columns
    report = locality(fitted, columns)
    assert report.ok, report.summary
    company = in_other_company(fitted, fitted.evaluate(columns))
    assert company.ok, company.summary
    own = {*gauge.gives, *passed.gives, *gauge_of_model.gives}
    assert own <= {column.column for column in report.compared}
    assert own <= {column.column for column in company.compared}


def test_what_asks_otherwise_among_other_rows_is_found_there() -> None:
    made = build(upside_down, record=Reading).with_tables(tables_of(late=False))
    computed = made.evaluate(decode(RECORDS, made.record_schema).columns)
    found = in_other_company(made, computed)
    assert (found.ok, found.first.column) == (False, "upside_down_level"), found.summary


@lookup(Gauge)
def upside_down(station: Texts, sensor: Ints, at: Times) -> Asked:
    return Asked(station, sensor, as_of=at[::-1])


@lookup(Gauge)
def as_of_now(station: Texts, sensor: Ints, at: Times) -> Asked:
    now = np.datetime64("now").astype("datetime64[us]")
    return Asked(station, sensor, as_of=np.full(len(at), now))


@window(Passage, over=timedelta(hours=20))
def by_chance(station: Texts, sensor: Ints, at: Times) -> Asked:
    drawn = np.random.randint(0, 9, len(at))  # noqa: NPY002
    return Asked(station, sensor, as_of=at - drawn * np.timedelta64(20, "h"))


@pytest.mark.parametrize(
    ("node", "what"),
    [(upside_down, "differ"), (as_of_now, "reads the clock"), (by_chance, "differ")],
)
def test_a_function_that_asks_for_other_rows_or_times_is_found(node: FromTable, what: str) -> None:
    made = build(node, record=Reading).with_tables(tables_of(late=False))
    report = locality(made, decode(RECORDS, made.record_schema).columns)
    assert not report.ok
    assert what in report.summary
    assert report.first.column in node.gives
    assert report.first.role == node.role


def test_another_version_of_a_table_is_found_where_it_is_read(fitted: Pipeline) -> None:
    other = tables_of(late=False) | {"gauge": rows_of(Gauge, 500, 5, late=False)}
    grown = fitted.with_tables(other).bind({"passed": fitted.bound["passed"]})
    before, after = fitted.trace(RECORDS), grown.trace(RECORDS)
    first = compare(before, after, fitted.graph, scales=Scales()).first
    assert (first.column, first.role) == ("gauge_level", "lookup")
    assert first.origin.function.endswith("gauge")
    values = {name: (before.columns[name][0], after.columns[name][0]) for name in before.columns}
    drawn = divergence_picture(fitted.graph, first.column, values, ("before", "after"), "0")
    assert ">gauge_level<" in drawn
    assert ">above<" in drawn


def test_profiles_have_their_columns(fitted: Pipeline) -> None:
    columns = fitted.trace(RECORDS).columns
    profile = Profile.of(columns, {name: fitted.graph.kind(name) for name in fitted.graph.features})
    assert profile.columns["passed_count"].holds == "numbers"
    assert profile.columns["gauge_note"].holds == "categories"
