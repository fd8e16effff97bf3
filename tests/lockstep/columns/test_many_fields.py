"""Two thousand fields: declared in five lines, decoded, fitted and traced."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Annotated, Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from lockstep.columns.decorators import label, output
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.records import Key, Outcome, Record, fields
from lockstep.errors import DeclarationError

from .conftest import build, named, named_model


class Reading(Record):
    reading_id: Key[str]
    sensors = fields(float, [f"sensor_{number}" for number in range(1500)])  # millivolts
    spares = fields(float | None, [f"spare_{number}" for number in range(500)])


class Yield(Outcome):
    grams: float


warmth = named("warmth", lambda sensor_0, spare_7: sensor_0 + np.nan_to_num(spare_7))
weight = named("weight", lambda grams: grams, label)
expected_weight = named_model(
    "expected_weight", Ridge, learns=weight, uses=[*Reading.sensors, warmth]
)
kilograms = named("kilograms", lambda expected_weight: expected_weight / 1000, output)


@pytest.fixture
def pipeline() -> Pipeline:
    columns = (warmth, weight, expected_weight, kilograms)
    return build(*columns, record=Reading, outcome=Yield)


def readings(rows: int) -> pd.DataFrame:
    random = np.random.default_rng(3)
    names = [*Reading.sensors, *Reading.spares]
    table = pd.DataFrame(random.normal(size=(rows, 2000)), columns=names)
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


def test_a_model_uses_them_all_in_order(pipeline: Pipeline) -> None:
    assert pipeline.graph.nodes["expected_weight"].inputs == (*Reading.sensors, "warmth")
    assert len(pipeline.lineage("kilograms")) == 1501


def test_records_and_tables_give_the_same(pipeline: Pipeline) -> None:
    table = readings(40)
    fitted = pipeline.fit(table)
    record = table.drop(columns="grams").iloc[7].to_dict()
    alone = fitted.predict(record)["kilograms"].iloc[0]
    assert alone == pytest.approx(fitted.predict(table)["kilograms"].iloc[7], rel=1e-12)


def test_the_time_that_a_graph_takes_grows_with_its_fields_and_not_with_their_square() -> None:
    def seconds(count: int) -> float:
        class Wide(Record):
            row_id: Key[str]
            values = fields(float, [f"value_{number}" for number in range(count)])

        guess = named_model("guess", Ridge, learns=weight, uses=[*Wide.values])

        def once() -> float:
            began = perf_counter()
            graph = build(weight, guess, record=Wide, outcome=Yield).graph
            for name in graph.order:
                graph.ulps(name), graph.kind(name), graph.models_behind(name), graph.lineage(name)
            return perf_counter() - began

        return min(once() for _ in range(3))

    assert seconds(4000) < 40 * seconds(400)  # some 10 times; the square would be 100


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda: fields(float, ["a", "b c"]), "'b c' cannot name a column"),
        (lambda: fields(float, ["a", 3]), "3 cannot name a column"),
        (lambda: fields(float, ["a", "b", "a"]), "names a more than once"),
        (lambda: with_value_1(fields(float, ["value_0", "value_1"])), "value_1 more than once"),
        (
            lambda: with_value_1(fields(Annotated[complex, "odd"], ["value"])),
            r"Odd.value is declared <class 'complex'>",
        ),
    ],
)
def test_what_no_columns_can_be_is_told(declare: Callable[[], Any], message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        declare()


def with_value_1(values: Any) -> Any:
    """The schema of a record with a field of its own beside many."""
    types = {"row_id": Key[str], "value_1": int}
    return type("Odd", (Record,), {"__annotations__": types, "values": values}).schema()
