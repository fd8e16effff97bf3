"""Two thousand fields: declared in five lines, decoded, fitted and traced."""

from __future__ import annotations

from time import perf_counter
from typing import Annotated, Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from lockstep.columns.decode import decode
from lockstep.columns.decorators import feature, label, model, output
from lockstep.columns.kinds import Floats
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.records import Key, Outcome, Record, fields
from lockstep.errors import DeclarationError

from .conftest import Build


class Reading(Record):
    reading_id: Key[str]
    sensors = fields(float, [f"sensor_{number}" for number in range(1500)])  # millivolts
    spares = fields(float | None, [f"spare_{number}" for number in range(500)])


class Yield(Outcome):
    grams: float


@feature
def warmth(sensor_0: Floats, spare_7: Floats) -> Floats:
    return sensor_0 + np.nan_to_num(spare_7)


@label
def weight(grams: Floats) -> Floats:
    return grams


@model(learns=weight, uses=[*Reading.sensors, warmth])
def expected_weight() -> Any:
    return Ridge()


@output
def kilograms(expected_weight: Floats) -> Floats:
    return expected_weight / 1000


@pytest.fixture
def pipeline(build: Build) -> Pipeline:
    columns = (warmth, weight, expected_weight, kilograms)
    return build(*columns, record=Reading, outcome=Yield)


def readings(rows: int) -> pd.DataFrame:
    random = np.random.default_rng(3)
    table = pd.DataFrame(
        random.normal(size=(rows, 2000)), columns=[*Reading.sensors, *Reading.spares]
    )
    table.loc[0, "spare_7"] = np.nan
    table["reading_id"] = [f"r{row}" for row in range(rows)]
    table["grams"] = table["sensor_0"] * 3
    return table


def test_many_fields_are_declared_alike_and_taken_over_by_another_record() -> None:
    class Precise(Reading):
        error: float

    schema = Reading.schema()
    assert (len(schema.names), len(Precise.schema().names)) == (2001, 2002)
    assert schema["sensor_12"].declared_name == "float"
    assert schema["spare_12"].declared_name == "float | None"
    assert schema["sensor_12"].doc == "millivolts"


def test_a_missing_value_is_admitted_where_it_is_declared() -> None:
    table = readings(3)
    table.loc[1, "sensor_3"] = np.nan
    decoded = decode(table, Reading.schema())
    (refused,) = decoded.rejected
    assert str(refused) == "row 1 (r1): sensor_3: missing, and declared float (never missing)"
    assert np.isnan(decoded.columns["spare_7"][0])


def test_a_model_uses_them_all_in_order(pipeline: Pipeline) -> None:
    assert pipeline.graph.nodes["expected_weight"].inputs == (*Reading.sensors, "warmth")
    assert len(pipeline.lineage("kilograms")) == 1501


def test_records_and_tables_give_the_same(pipeline: Pipeline) -> None:
    table = readings(40)
    fitted = pipeline.fit(table)
    record = table.drop(columns="grams").iloc[7].to_dict()
    alone = fitted.predict(record)["kilograms"].iloc[0]
    assert alone == pytest.approx(fitted.predict(table)["kilograms"].iloc[7], rel=1e-12)


def test_the_time_that_a_graph_takes_grows_with_its_fields_and_not_with_their_square(
    build: Build,
) -> None:
    def seconds(count: int) -> float:
        class Wide(Record):
            row_id: Key[str]
            values = fields(float, [f"value_{number}" for number in range(count)])

        @label
        def truth(grams: Floats) -> Floats:
            return grams

        @model(learns=truth, uses=[*Wide.values])
        def guess() -> Any:
            return Ridge()

        def once() -> float:
            began = perf_counter()
            graph = build(truth, guess, record=Wide, outcome=Yield).graph
            for name in graph.order:
                graph.ulps(name), graph.kind(name), graph.models_behind(name), graph.lineage(name)
            return perf_counter() - began

        return min(once() for _ in range(3))

    assert seconds(4000) < 40 * seconds(400)  # some 10 times; the square would be 100


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a", "b c"], r"'b c' cannot name a column"),
        (["a", 3], r"3 cannot name a column"),
        (["a", "b", "a"], r"names a more than once"),
    ],
)
def test_names_that_no_column_can_have_are_told(names: Any, message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        fields(float, names)


def test_a_field_that_is_declared_twice_is_told() -> None:
    class Twice(Record):
        row_id: Key[str]
        value_1: int
        values = fields(float, ["value_0", "value_1"])

    with pytest.raises(DeclarationError, match="Twice declares value_1 more than once"):
        Twice.schema()


def test_a_type_that_no_column_can_hold_is_told() -> None:
    class Odd(Record):
        row_id: Key[str]
        values = fields(Annotated[complex, "odd"], ["value"])

    with pytest.raises(DeclarationError, match=r"Odd.value is declared <class 'complex'>"):
        Odd.schema()
