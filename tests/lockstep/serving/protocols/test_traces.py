"""`?explain=trace`: every column of a record, as it was computed for its answer."""

import json
from dataclasses import replace
from typing import Any

import jsonschema
import numpy as np
import pytest
from msgspec import structs

from assets.orders import ASSETS
from lockstep.artifacts.pointers import open_live
from lockstep.artifacts.version import LoadedVersion
from lockstep.columns.graph import Graph
from lockstep.columns.kinds import Array, Kind
from lockstep.columns.pipeline import Trace
from lockstep.parity.comparison import compare
from lockstep.scoring.trace import trace_row
from lockstep.serving.protocols.traces import trace_of
from lockstep.serving.versions.proving import prove
from lockstep.serving.versions.request_scorer import Answer, Scored, Scorer
from tests.fixtures.asgi import Client
from tests.fixtures.order_store import orders_of
from tests.fixtures.orders import Workplace
from tests.lockstep.serving.conftest import client_of

Records = list[dict[str, Any]]
TRACE = "?explain=trace"


def traced(client: Client, records: Records) -> dict[str, dict[str, Any]]:
    """The columns of a trace, by name."""
    told = client.score(records, TRACE)
    assert told.status == 200, told.content
    return {one["column"]: one for one in told.json()["trace"]["columns"]}


def array(values: list[Any], kind: Kind) -> Array:
    if kind is Kind.TIME:
        return np.array([value.removesuffix("Z") for value in values], dtype=kind.dtype)
    return np.array(values, dtype=kind.dtype)


def as_trace(columns: dict[str, dict[str, Any]], graph: Graph, key: str) -> Trace:
    """What a client was told, as the trace that the batch path makes."""
    found = {name: array(one["values"], graph.kind(name)) for name, one in columns.items()}
    matrices = {
        name: np.array(one["matrix"]["rows"]) for name, one in columns.items() if "matrix" in one
    }
    return Trace(found[key], found, matrices)


def test_it_is_the_trace_that_the_batch_path_makes_of_the_records(
    client: Client, loaded: LoadedVersion, orders: Records
) -> None:
    pipeline = loaded.pipeline
    told = as_trace(traced(client, orders[:10]), pipeline.graph, pipeline.key)

    expected = pipeline.trace(orders[:10], matrices=True)
    numbers = {name: matrix.astype(float) for name, matrix in expected.matrices.items()}
    found = compare(
        replace(expected, matrices=numbers),
        told,
        pipeline.graph,
        scales=loaded.golden.scales,
        columns=pipeline.graph.served,
    )

    assert found.ok, found.summary
    assert {one.column for one in found.compared if one.is_matrix} == set(pipeline.graph.models)


def test_it_shows_of_a_scored_row_what_the_command_shows(scored: Workplace) -> None:
    day, key = "2020-03-01", "2020-03-01-0007"
    row = trace_row(ASSETS, scored.home, scored.registry, day, key)
    frame = records_of(day)
    with client_of(prove(open_live(scored.home.live("orders")))) as client:
        columns = traced(client, [record for record in frame if record["order_id"] == key])

    roles = {name: row.graph.roles[name] for name in row.stored}
    assert {name: one["role"] for name, one in columns.items()} == roles
    for name, one in columns.items():
        if one["ulps"] == 0:
            assert one["values"] == [row.computed[name]], name
        else:
            assert one["values"] == pytest.approx([row.computed[name]], rel=1e-13), name


def records_of(day: str) -> Records:
    frame = orders_of(day)
    return json.loads(frame.to_json(orient="records", date_format="iso", double_precision=15))


def test_its_outputs_are_those_of_the_answer_to_the_last_digit(
    client: Client, scorer: Scorer, orders: Records
) -> None:
    told = client.score(orders[:5], TRACE)
    columns = {one["column"]: one for one in told.json()["trace"]["columns"]}
    for name in scorer.names:
        assert columns[name]["values"] == [one[name] for one in told.predictions]


def test_rows_that_were_computed_with_those_of_others_show_that_very_computation(
    scorer: Scorer, orders: Records
) -> None:
    _, answer = scorer.answer([orders[:3], orders[3:5]])
    assert isinstance(answer, Answer)

    columns = {one["column"]: one for one in trace_of(scorer, answer)["columns"]}

    assert columns["order_id"]["values"] == [one["order_id"] for one in orders[3:5]]
    for name, computed in answer.scored.computed.items():
        assert np.shares_memory(answer.own[name], computed)
        if name != "sent_at":
            expected = [None if one != one else one for one in computed[3:5].tolist()]
            assert columns[name]["values"] == expected, name


def test_a_column_tells_what_it_is_and_where_it_comes_from(client: Client, orders: Records) -> None:
    columns = traced(client, orders[:1])

    loss, probability = columns["loss"], columns["return_probability"]
    assert loss["inputs"] == ["return_probability", "expected_cost"]
    assert (loss["role"], loss["depth"]) == ("output", 4)
    assert loss["doc"] == "Euros that are lost on average."
    assert loss["source"].startswith("transforms/orders.py:")
    assert (columns["price"]["source"], columns["price"]["depth"]) == (None, 0)
    assert probability["predictor"] == "compiled"
    assert probability["steps"] == ["ColumnTransformer", "LogisticRegression"]
    assert "region__region_home" in probability["matrix"]["columns"]


def test_a_request_for_more_rows_than_are_traced_is_refused(
    client: Client, orders: Records
) -> None:
    assert client.score(orders[:11], TRACE).status == 413


def test_a_refused_row_has_its_reasons_and_no_trace(client: Client, orders: Records) -> None:
    rows = [{**orders[0], "price": "dear"}, orders[1]]

    refused, rest = client.score(rows, TRACE), client.score(rows, f"{TRACE}&on_invalid=quarantine")
    none = client.score(rows[:1], f"{TRACE}&on_invalid=quarantine").json()

    assert (refused.status, "trace" in refused.json()) == (422, False)
    assert rest.json()["trace"]["columns"][0]["values"] == [orders[1]["order_id"]]
    assert [one["row"] for one in rest.json()["rejected"]] == [0]
    assert all(one["values"] == [] for one in none["trace"]["columns"])


def test_a_column_that_fails_is_told_with_its_place_and_so_is_what_depends_on_it(
    scorer: Scorer, orders: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    (answer,) = scorer.answer([orders[:1]])
    assert isinstance(answer, Answer)
    fields = {name: answer.scored.computed[name] for name in scorer.pipeline.record_schema.names}
    node = scorer.pipeline.graph.nodes["price_per_item"]
    monkeypatch.setitem(vars(node), "function", lambda price, items: 1 / 0)

    scored = Scored(answer.scored.names, fields)
    found = trace_of(scorer, structs.replace(answer, scored=scored))
    columns = {one["column"]: one for one in found["columns"]}

    assert columns["price_per_item"]["failed"].startswith("Feature price_per_item (")
    assert columns["loss"]["failed"] == "return_probability cannot be computed"
    assert columns["is_heavy"]["values"] == [bool(fields["weight"][0] > 5)]


def test_it_is_what_the_document_says(client: Client, orders: Records) -> None:
    described = client.get("/openapi.json").json()
    told = client.score(orders[:2], TRACE).json()

    root = {"$ref": "#/components/schemas/Trace", "components": described["components"]}
    jsonschema.Draft202012Validator(root).validate(told["trace"])


@pytest.mark.parametrize("query", ["explain=all", "explain=", "explain=trace&explain=trace"])
def test_another_explanation_is_refused(client: Client, orders: Records, query: str) -> None:
    assert client.score(orders[:1], f"?{query}").status == 400


def test_the_other_protocol_refers_to_this_one(client: Client) -> None:
    body = {"inputs": [{"name": "price", "datatype": "FP64", "shape": [1], "data": [1.0]}]}
    told = client.post("/v2/models/orders/infer?explain=trace", body)

    assert told.status == 400
    assert "/invocations?explain=trace" in told.json()["error"]
