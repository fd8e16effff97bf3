"""What holds of every pipeline in `transforms`, on rows made up from its declarations."""

import importlib

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone

from lockstep.columns.decode import decode
from lockstep.columns.from_table import FromTable
from lockstep.columns.kinds import Array, Columns, Kind
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.schema import Schema
from lockstep.columns.tables import is_missing, take_rows, to_frame
from lockstep.errors import FitError
from lockstep.parity.comparison import compare
from lockstep.parity.exactness import difference
from lockstep.parity.locality import locality
from lockstep.parity.scales import Scales
from lockstep.tables.rows import TableRows

MODULES = ["flight_delay", "orders"]
ROWS = 400

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning",  # made-up labels follow from nothing
    "ignore:Found unknown categories",
)


@pytest.fixture(scope="module", params=MODULES)
def declared(request: pytest.FixtureRequest) -> Pipeline:
    module = importlib.import_module(f"transforms.{request.param}")
    found = [value for value in vars(module).values() if isinstance(value, Pipeline)]
    assert len(found) == 1, f"transforms.{request.param} defines {len(found)} pipelines"
    return found[0]


@pytest.fixture(scope="module")
def rows(declared: Pipeline) -> Columns:
    """Made-up rows, with outcomes."""
    return made_up(declared.joint_schema, ROWS)


@pytest.fixture(scope="module")
def pipeline(declared: Pipeline, rows: Columns) -> Pipeline:
    """The pipeline with tables in which each look-up finds a row for each row that has a key."""
    tables = {}
    for node in declared.graph.columns.values():
        if isinstance(node, FromTable):
            keys, as_of = node.asked(declared.graph.evaluate(rows, node.inputs))
            columns = made_up(node.table.schema, ROWS)
            columns |= dict(zip(node.table.keys, keys, strict=True))
            if node.table.valid is not None and as_of is not None:
                columns[node.table.valid] = as_of - np.timedelta64(90, "m")
            is_there = ~np.any([is_missing(array) for array in keys], axis=0)
            table = TableRows.of(node.table, take_rows(columns, is_there))
            tables[node.table.name] = table
    return declared.with_tables(tables)


@pytest.fixture(scope="module")
def features(pipeline: Pipeline, rows: Columns) -> Columns:
    """The rows with the features that no model is behind, and the labels."""
    graph = pipeline.graph
    return pipeline.evaluate(rows, (*graph.model_free, *graph.labels))


@pytest.fixture(scope="module")
def fitted(pipeline: Pipeline, rows: Columns) -> Pipeline:
    try:
        return pipeline.unfitted().fit(rows)
    except FitError as error:
        pytest.skip(f"cannot be fitted to made-up labels: {error}")


def made_up(schema: Schema, count: int) -> Columns:
    """Rows that a schema admits, a tenth of what may be missing missing."""
    random = np.random.default_rng(0)
    draws: dict[Kind, Array] = {
        Kind.FLOAT: random.uniform(-200, 200, (len(schema.fields), count)),
        Kind.INT: random.integers(1, 2400, (len(schema.fields), count)),
        Kind.BOOL: random.random((len(schema.fields), count)) < 0.5,
        Kind.TIME: np.datetime64("2010-01-01", "us")
        + random.integers(0, 4 * 10**14, (len(schema.fields), count)).astype("m8[us]"),
    }
    columns: Columns = {}
    for position, field in enumerate(schema):
        if field.kind is Kind.TEXT:
            texts = field.choices or ("a", "b", "AA", "UA", "north of somewhere", "")
            array = np.array(texts, dtype=object)[random.integers(0, len(texts), count)]
        else:
            array = draws[field.kind][position]
            if field.declared == "int" and field.optional:
                array = np.trunc(array)
            elif field.declared == "bool" and field.optional:
                array = (array > 0).astype(float)
        if field.role == "key":
            numbers = np.arange(count)
            array = numbers if field.kind is Kind.INT else np.array(numbers.astype(str), object)
        elif field.optional:
            missing = {Kind.TEXT: None, Kind.TIME: np.datetime64("NaT")}.get(field.kind, np.nan)
            array[random.random(count) < 0.1] = missing
        columns[field.name] = array
    return columns


# Declarations


def test_it_is_named_like_its_file_documented_and_predicts_something(pipeline: Pipeline) -> None:
    assert pipeline.module == f"transforms.{pipeline.name}"
    assert [name for name, column in pipeline.graph.columns.items() if not column.doc] == []
    assert pipeline.graph.outputs
    schema = pipeline.joint_schema
    assert Schema.from_json(schema.to_json()) == schema


def test_every_model_makes_a_new_estimator_each_time(pipeline: Pipeline) -> None:
    for name in pipeline.graph.models:
        model = pipeline.graph.nodes[name]
        made = model.make()
        assert isinstance(made, BaseEstimator)
        assert made is not model.make()
        clone(made)


# Features


def test_columns_hold_what_their_kinds_say_and_are_read_only(
    pipeline: Pipeline, rows: Columns, features: Columns
) -> None:
    dtypes = {name: pipeline.graph.kind(name).dtype for name in features}
    assert {name: array.dtype for name, array in features.items()} == dtypes
    assert [name for name, array in features.items() if array.flags.writeable] == []
    empty = pipeline.evaluate(take_rows(rows, slice(0)), tuple(features))
    assert {name: (len(empty[name]), empty[name].dtype) for name in features} == {
        name: (0, dtype) for name, dtype in dtypes.items()
    }


def test_a_frame_and_records_decode_to_the_same_columns(pipeline: Pipeline, rows: Columns) -> None:
    schema = pipeline.record_schema
    frame = to_frame({name: rows[name] for name in schema.names})
    for data in (frame, frame.to_dict("records")):
        found = decode(data, schema)
        assert found.rejected == ()
        assert not any(
            difference(rows[name], found.columns[name]).rows.any() for name in schema.names
        )


# Predictions


def test_rows_in_any_order_and_alone_have_the_same_columns(fitted: Pipeline, rows: Columns) -> None:
    report = locality(fitted, rows, rows=ROWS)
    assert report.ok, report.summary
    assert {column.column for column in report.compared} == {*fitted.graph.order}


def test_a_second_fit_has_the_same_trace(fitted: Pipeline, rows: Columns) -> None:
    again = fitted.unfitted().fit(rows)
    assert tuple(again.models_) == fitted.graph.models
    first, second = fitted.trace(rows), again.trace(rows)
    found = compare(first, second, fitted.graph, scales=Scales())
    assert found.ok, found.summary


def test_predictions_have_the_columns_that_they_should_with_or_without_rows(
    fitted: Pipeline, rows: Columns
) -> None:
    predicted, empty = (fitted.predict(take_rows(rows, slice(count))) for count in (ROWS, 0))
    time = fitted.record_schema.event_time
    head = [fitted.key] if time is None else [fitted.key, time]
    assert list(predicted.columns) == [*head, *fitted.graph.outputs]
    assert (len(empty), empty.dtypes.equals(predicted.dtypes)) == (0, True)
