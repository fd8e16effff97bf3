"""Fields are called in reasons as the client calls them."""

from collections.abc import Iterator
from typing import Annotated, Any

import pytest

from lockstep import Floats, Key, Named, Pipeline, Record, output
from lockstep.artifacts.version import LoadedVersion
from tests.fixtures.asgi import Client
from tests.lockstep.serving.conftest import client_of, scorer_of


class Reading(Record):
    """A reading whose data calls its fields otherwise."""

    reading: Key[str]
    kelvin: Annotated[float, Named("Temp. (K)")]
    hours: Annotated[float, Named("h")]


@output
def celsius(kelvin: Floats) -> Floats:
    """Degrees Celsius."""
    return kelvin - 273.15


PIPELINE = Pipeline(__name__, record=Reading)


def least(column: str) -> dict[str, Any]:
    kwargs = {"column": column, "min_value": 0}
    return {"type": "expect_column_values_to_be_between", "kwargs": kwargs}


@pytest.fixture
def readings(loaded: LoadedVersion) -> Iterator[Client]:
    with client_of(scorer_of(loaded, PIPELINE, least("kelvin"), least("hours"))) as client:
        yield client


@pytest.mark.parametrize(
    ("record", "columns"),
    [
        ({"reading": "a", "Temp. (K)": "hot", "h": -1.0}, ["Temp. (K)", "h"]),
        ({"reading": "a", "kelvin": "hot", "hours": -1.0}, ["kelvin", "hours"]),
        ({"reading": "a", "h": -1.0}, ["Temp. (K)", "h"]),
    ],
)
def test_a_reason_names_a_field_as_the_client_does(
    readings: Client, record: dict[str, Any], columns: list[str]
) -> None:
    told = readings.score([record])

    (row,) = told.json()["rows"]
    assert [reason["column"] for reason in row["reasons"]] == columns
    aside = readings.post("/invocations?on_invalid=quarantine", {"inputs": record})
    assert aside.json()["rejected"] == told.json()["rows"]


def test_so_it_is_in_the_open_inference_protocol(readings: Client) -> None:
    inputs = [
        {"name": "reading", "shape": [1], "datatype": "BYTES", "data": ["a"]},
        {"name": "Temp. (K)", "shape": [1], "datatype": "FP64", "data": [-1.0]},
        {"name": "hours", "shape": [1], "datatype": "FP64", "data": [-1.0]},
    ]
    told = readings.post("/v2/models/orders/infer", {"inputs": inputs})

    (row,) = told.json()["rows"]
    assert [reason["column"] for reason in row["reasons"]] == ["Temp. (K)", "hours"]
