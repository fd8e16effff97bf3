"""The OpenAPI document against the server: whatever is made of it is answered as it says."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Literal

import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from lockstep import (
    Bools,
    EventTime,
    Floats,
    Ints,
    Key,
    Missing,
    Named,
    Pipeline,
    Record,
    Texts,
    Times,
    output,
)
from lockstep.artifacts.version import LoadedVersion
from tests.fixtures.asgi import Client
from tests.lockstep.serving.conftest import client_of, scorer_of


class Everything(Record):
    """A field of every kind."""

    number: Key[int]
    at: EventTime
    real: float  # any
    real_or_none: float | None
    whole: int
    whole_or_none: int | None
    sure: bool
    sure_or_none: bool | None
    text: str
    text_or_none: str | None
    choice: Literal["a", "b"]
    choice_or_none: Literal["a", "b"] | None
    time: datetime
    time_or_none: datetime | None
    named: Annotated[float, Named("another name")]
    marked: Annotated[str | None, Missing("n/a")]


@output
def ratio(real: Floats, whole: Ints) -> Floats:
    """One by the other, which may be infinite or no number."""
    with np.errstate(all="ignore"):
        return real / whole


@output
def sign(real_or_none: Floats) -> Bools:
    """Whether it is positive."""
    return real_or_none > 0


@output
def answer(text_or_none: Texts) -> Texts:
    """The same, or none."""
    return text_or_none


@output
def later(time_or_none: Times) -> Times:
    """The same, or none."""
    return time_or_none


PIPELINE = Pipeline(__name__, record=Everything)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module", params=[True, False], ids=["strict", "compat"])
def server(request: pytest.FixtureRequest, loaded: LoadedVersion) -> Iterator[Client]:
    with client_of(scorer_of(loaded, PIPELINE, strict=request.param)) as client:
        yield client


@pytest.fixture(scope="module")
def schema(server: Client) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_asgi("/openapi.json", server.application)


def every(examples: int) -> settings:
    """So many examples, the same every time."""
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def operations(schema: schemathesis.BaseSchema, method: str) -> list[schemathesis.APIOperation]:
    found = [one.ok() for one in schema.get_all_operations()]
    return [one for one in found if one.method == method]


@pytest.mark.parametrize(
    ("method", "mode", "examples"),
    [
        ("get", GenerationMode.POSITIVE, 2),
        ("post", GenerationMode.POSITIVE, 8),
        ("post", GenerationMode.NEGATIVE, 8),
        pytest.param("post", GenerationMode.POSITIVE, 25, marks=pytest.mark.long),
        pytest.param("post", GenerationMode.NEGATIVE, 25, marks=pytest.mark.long),
    ],
)
def test_whatever_is_made_of_the_document_is_answered_as_it_says(
    schema: schemathesis.BaseSchema, method: str, mode: GenerationMode, examples: int
) -> None:
    for operation in operations(schema, method):

        @every(examples)
        @given(case=operation.as_strategy(generation_mode=mode))
        def answered(case: schemathesis.Case) -> None:
            case.call_and_validate(checks=CHECKS)

        answered()


@pytest.mark.parametrize("examples", [8, pytest.param(25, marks=pytest.mark.long)])
def test_records_that_fit_the_document_are_scored(
    schema: schemathesis.BaseSchema, server: Client, examples: int
) -> None:
    operation = schema["/invocations"]["POST"]

    @every(examples)
    @given(case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
    def scored(case: schemathesis.Case) -> None:
        assume(isinstance(case.body, dict) and case.body.get("dataframe_records"))
        # The first hours of year 1, and the last of 9999, are of no such year in UTC.
        values = [str(one) for record in case.body["dataframe_records"] for one in record.values()]
        assume(not any(one.startswith(("0001-01-01", "9999-12-31")) for one in values))

        told = server.post("/invocations", case.body)

        assert told.status == 200, told.content

    scored()
