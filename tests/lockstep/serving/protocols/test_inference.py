"""The Open Inference Protocol: what its published description demands, and Triton's client."""

import json
import math
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from tritonclient import http

from lockstep.artifacts.version import LoadedVersion
from lockstep.serving.http.app import application
from lockstep.serving.protocols.service import Service
from lockstep.serving.versions.request_scorer import Scorer
from tests.fixtures.asgi import Client, Told
from tests.fixtures.servers import serving
from tests.lockstep.serving.conftest import client_of

Records = list[dict[str, Any]]

DATATYPES = {
    "order_id": "BYTES",
    "sent_at": "BYTES",
    "price": "FP64",
    "items": "INT64",
    "weight": "FP64",
    "coupons": "INT64",
    "country": "BYTES",
    "gift": "BOOL",
}
MODEL = "/v2/models/orders"


def an_object(required: str, **properties: Any) -> dict[str, Any]:
    """What the protocol's OpenAPI document says of an object, and which members it must have."""
    return {"type": "object", "properties": properties, "required": required.split()}


TEXT, STRINGS = {"type": "string"}, {"type": "array", "items": {"type": "string"}}
SHAPE = {"type": "array", "items": {"type": "integer"}}
DATA = {"type": "array", "items": {"type": ["number", "string", "boolean"]}}
TENSOR = an_object("name datatype shape", name=TEXT, datatype=TEXT, shape=SHAPE)
TENSORS = {"type": "array", "items": TENSOR}
ANSWERED = {"type": "array", "items": {"allOf": [TENSOR, an_object("data", data=DATA)]}}
SERVER = an_object("name version extensions", name=TEXT, version=TEXT, extensions=STRINGS)
METADATA = an_object(
    "name platform", name=TEXT, versions=STRINGS, platform=TEXT, inputs=TENSORS, outputs=TENSORS
)
INFERENCE = an_object(
    "model_name outputs",
    model_name=TEXT,
    model_version=TEXT,
    id=TEXT,
    parameters={"type": "object"},
    outputs=ANSWERED,
)
ERROR = an_object("error", error=TEXT)


def tensor(orders: Records, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "shape": [len(orders)],
        "datatype": DATATYPES[name],
        "data": [order[name] for order in orders],
    }


def request(orders: Records, **more: Any) -> dict[str, Any]:
    return {"inputs": [tensor(orders, name) for name in DATATYPES], **more}


def changed(orders: Records, name: str, /, **fields: Any) -> dict[str, Any]:
    """A request of which one input is another one."""
    body = request(orders)
    (found,) = [one for one in body["inputs"] if one["name"] == name]
    found.update(fields)
    return body


def infer(client: Client, body: Any, query: str = "") -> Told:
    return client.post(f"{MODEL}/infer{query}", body)


def outputs(told: Told) -> dict[str, Any]:
    assert told.status == 200, told.content
    jsonschema.validate(told.json(), INFERENCE)
    return {one["name"]: one for one in told.json()["outputs"]}


def refused(told: Told, status: int = 400) -> str:
    assert told.status == status, told.content
    jsonschema.validate(told.json(), ERROR)
    return str(told.json()["error"])


def test_the_server_tells_what_it_is(client: Client) -> None:
    for path in ("/v2", "/v2/"):
        told = client.get(path)
        assert told.status == 200
        jsonschema.validate(told.json(), SERVER)


def test_the_server_and_the_model_are_ready(client: Client) -> None:
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"live": True, "ready": True}
    for path in (MODEL, f"{MODEL}/versions/1"):
        assert client.get(f"{path}/ready").json() == {"name": "orders", "ready": True}


def test_without_a_version_the_server_is_live_and_not_ready() -> None:
    with Client(application(Service("orders", Path("nowhere")))) as empty:
        assert empty.get("/v2/health/live").status == 200
        assert empty.get("/v2/health/ready").status == 503
        refused(empty.get(f"{MODEL}/ready"), 503)
        refused(empty.post(f"{MODEL}/infer", {}), 503)


def test_the_model_tells_its_inputs_and_outputs(client: Client) -> None:
    for path in (MODEL, f"{MODEL}/versions/1"):
        told = client.get(path).json()
        jsonschema.validate(told, METADATA)
        assert {one["name"]: one["datatype"] for one in told["inputs"]} == DATATYPES
        assert {one["name"]: one["datatype"] for one in told["outputs"]} == {
            "order_id": "BYTES",
            "sent_at": "BYTES",
            "risk": "FP64",
            "will_return": "BOOL",
            "loss": "FP64",
        }
        assert told["versions"] == ["1"]


@pytest.mark.parametrize("path", ["/v2/models/others", f"{MODEL}/versions/2"])
def test_another_model_or_version_is_not_found(client: Client, path: str) -> None:
    refused(client.get(path), 404)
    refused(client.get(f"{path}/ready"), 404)
    refused(client.post(f"{path}/infer", {}), 404)


def test_another_path_has_an_error_of_the_protocol(client: Client) -> None:
    refused(client.get("/v2/repository/index"), 404)
    refused(client.get(f"{MODEL}/infer"), 405)


@pytest.mark.parametrize("path", [MODEL, f"{MODEL}/versions/1"])
def test_an_inference_gives_what_the_version_predicts(
    client: Client, orders: Records, loaded: LoadedVersion, path: str
) -> None:
    told = client.post(f"{path}/infer", request(orders, id="42"))

    found, expected = outputs(told), loaded.golden.trace.columns
    assert told.json()["id"] == "42"
    assert (told.json()["model_name"], told.json()["model_version"]) == ("orders", "1")
    assert found["will_return"]["data"] == expected["will_return"].tolist()
    assert found["risk"]["data"] == pytest.approx(expected["risk"].tolist(), rel=1e-12)
    assert found["risk"]["shape"] == [len(orders)]


def nested(orders: Records) -> dict[str, Any]:
    body = request(orders)
    for one in body["inputs"]:
        one["shape"] = [len(orders), 1]
        one["data"] = [[value] for value in one["data"]]
    return body


def with_parameters(orders: Records) -> dict[str, Any]:
    asked = {"content_type": "pd", "sequence_id": 7, "headers": {"a": "b"}}
    body = request(orders, parameters=asked)
    body["inputs"][0]["parameters"] = {"content_type": "str"}
    body["inputs"][1]["parameters"] = None
    return body


@pytest.mark.parametrize(
    "make",
    [
        lambda orders: request(orders, outputs=[]),
        nested,
        with_parameters,
        lambda orders: request(orders, model_name="orders", model_version="1"),
    ],
    ids=[
        "an empty list of outputs asks for all",
        "data has the dimensions of its shape",
        "parameters that mean nothing here are left alone",
        "the body names the model of its path",
    ],
)
def test_a_request_that_is_written_in_another_way_gets_the_same(
    client: Client, orders: Records, make: Callable[[Records], Any]
) -> None:
    told, plain = (infer(client, body) for body in (make(orders[:3]), request(orders[:3])))
    assert outputs(told) == outputs(plain)


def test_the_outputs_that_are_asked_for_come_in_that_order(client: Client, orders: Records) -> None:
    asked = [{"name": "loss", "parameters": {"classification": 3}}, {"name": "order_id"}]
    assert list(outputs(infer(client, request(orders[:3], outputs=asked)))) == ["loss", "order_id"]


def test_null_is_a_missing_value_and_so_is_an_input_that_is_left_out(
    client: Client, orders: Records
) -> None:
    absent = request(orders[:2])
    absent["inputs"] = [one for one in absent["inputs"] if one["name"] != "country"]

    found = infer(client, changed(orders[:2], "country", data=[None, None]))

    assert outputs(found) == outputs(infer(client, absent))


@pytest.mark.parametrize(("datatype", "value"), [("FP32", 0.5), ("INT8", 12)])
def test_elements_may_be_of_a_datatype_that_holds_them(
    client: Client, orders: Records, datatype: str, value: float
) -> None:
    outputs(infer(client, changed(orders[:1], "weight", datatype=datatype, data=[value])))


@pytest.mark.parametrize(
    "fields",
    [
        {"datatype": "FP32", "data": [0.1]},
        {"datatype": "FP16", "data": [70000.0]},
        {"datatype": "INT8", "data": [128]},
        {"datatype": "UINT8", "data": [-1]},
        {"datatype": "INT32", "data": [1.5]},
        {"datatype": "INT32", "data": [True]},
        {"datatype": "BOOL", "data": [1]},
        {"datatype": "BYTES", "data": [1]},
        {"datatype": "FP64", "data": ["1"]},
        {"datatype": "TENSOR", "data": [1]},
        {"datatype": "FP64", "data": [10**400]},
        {"shape": [2]},
        {"shape": [1, 2]},
        {"shape": []},
        {"shape": [-1]},
        {"shape": [1, 1], "data": [[1.0, 2.0]]},
        {"shape": "1"},
        {"data": [[1.0]]},
        {"data": None},
        {"data": {}},
        {"data": [1.0], "parameters": {"binary_data_size": 8}},
        {"parameters": {"binary_data_size": "8"}, "data": None},
        {"parameters": 1},
        {"more": 1},
        {"name": "weight2"},
        {"name": "price"},
    ],
)
def test_an_input_that_is_not_what_it_says_is_refused(
    client: Client, orders: Records, fields: dict[str, Any]
) -> None:
    refused(infer(client, changed(orders[:1], "weight", **fields)))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{}",
        '{"inputs": []}',
        '{"inputs": {}}',
        '{"inputs": [{"name": "price"}]}',
        '{"inputs": [], "id": 7}',
        '{"inputs": [], "more": 1}',
        '{"inputs": [], "outputs": [{"name": 1}]}',
    ],
)
def test_what_is_no_inference_request_is_refused(client: Client, body: str) -> None:
    refused(infer(client, body))


@pytest.mark.parametrize(
    "more",
    [
        {"outputs": [{"name": "nothing"}]},
        {"outputs": [{"name": "loss"}] * 2},
        {"outputs": [{"name": "loss", "parameters": 1}]},
        {"model_name": "others"},
        {"model_version": "7"},
        {"model_name": 7},
    ],
)
def test_outputs_that_there_are_not_and_another_model_than_the_paths_are_refused(
    client: Client, orders: Records, more: dict[str, Any]
) -> None:
    refused(infer(client, request(orders[:1], **more)))


def test_a_row_that_does_not_fit_is_refused_with_its_reasons_or_set_aside(
    client: Client, orders: Records
) -> None:
    body = changed(orders[:2], "items", data=[1, None])

    told, rest = infer(client, body), infer(client, body, "?on_invalid=quarantine")

    assert "1 of 2 rows" in refused(told)
    (row,) = told.json()["rows"]
    assert (row["row"], row["reasons"][0]["column"]) == (1, "items")
    assert outputs(rest)["order_id"]["data"] == [orders[0]["order_id"]]
    assert [row["row"] for row in rest.json()["rejected"]] == [1]


def of_kserve(orders: Records, *, binary: bool = False) -> tuple[bytes, dict[str, str]]:
    """What KServe's `InferenceRESTClient` sends, byte for byte: body and headers (kserve 0.21)."""
    inputs: list[dict[str, Any]] = []
    behind: list[bytes] = []
    for name, datatype in DATATYPES.items():
        one: dict[str, Any] = {"name": name, "shape": [len(orders)], "datatype": datatype}
        values = [order[name] for order in orders]
        if binary and datatype == "FP64":
            numbers = [math.nan if value is None else value for value in values]
            behind.append(struct.pack(f"<{len(values)}d", *numbers))
            one["parameters"] = {"binary_data_size": len(behind[-1])}
        else:
            one["data"] = values
        inputs.append(one)
    body = {"id": "78c358dc", "model_name": "orders", "inputs": inputs}
    if not binary:
        body["parameters"] = {"content_type": "pd"}
    text = json.dumps(body, separators=(",", ":")).encode()
    headers = {"content-type": "application/json", "accept": "*/*"}
    if binary:
        headers = {"content-type": "application/octet-stream"}
        headers["inference-header-content-length"] = str(len(text))
    return b"".join([text, *behind]), headers


@pytest.mark.parametrize("binary", [False, True])
def test_kserves_client_is_answered(client: Client, dense: Records, *, binary: bool) -> None:
    body, headers = of_kserve(dense[:3], binary=binary)
    told = client.request("POST", f"{MODEL}/infer", [body], headers)
    expected = outputs(infer(client, request(dense[:3])))
    assert outputs(told) == expected
    assert told.json()["id"] == "78c358dc"


def binary(orders: Records, **more: Any) -> tuple[bytes, int]:
    """A request with binary tensors, and the length of its JSON text."""
    body, behind = request(orders, **more), []
    for one in body["inputs"]:
        values = one.pop("data")
        if one["datatype"] == "BYTES":
            texts = ["" if value is None else value for value in values]
            data = b"".join(struct.pack("<I", len(text)) + text.encode() for text in texts)
        else:
            if one["name"] == "coupons":
                one["datatype"] = "FP32"
            dtype = {"FP64": "<f8", "FP32": "<f4", "INT64": "<i8", "BOOL": "?"}[one["datatype"]]
            data = np.array(values, dtype).tobytes()
        one["parameters"] = {"binary_data_size": len(data)}
        behind.append(data)
    text = json.dumps(body).encode()
    return text + b"".join(behind), len(text)


def send_binary(client: Client, body: bytes, length: int | str) -> Told:
    headers = {"inference-header-content-length": str(length)}
    return client.post(f"{MODEL}/infer", body, "application/octet-stream", headers)


@pytest.fixture
def dense(orders: Records) -> Records:
    """Records whose texts are all there: a binary tensor cannot say that one is missing."""
    found = [order for order in orders if order["country"] is not None]
    return sorted(found, key=lambda order: order["weight"] is not None)[:5]


def test_binary_tensors_are_the_same_as_those_in_json(client: Client, dense: Records) -> None:
    assert any(order["weight"] is None for order in dense)

    told = send_binary(client, *binary(dense))

    assert outputs(told) == outputs(infer(client, request(dense)))


def test_outputs_are_binary_where_they_are_asked_to_be(client: Client, dense: Records) -> None:
    told = infer(client, request(dense, parameters={"binary_data_output": True}))

    length = int(told.headers["inference-header-content-length"])
    found = json.loads(told.content[:length])["outputs"]
    assert sum(one["parameters"]["binary_data_size"] for one in found) == len(told.content[length:])
    expected = outputs(infer(client, request(dense)))["loss"]["data"]
    assert np.frombuffer(told.content[-8 * len(dense) :], "<f8").tolist() == expected


@pytest.mark.parametrize("length", ["-1", "x", "99999999", "9" * 5000, "0", "1"])
def test_a_wrong_length_of_the_text_is_refused(client: Client, dense: Records, length: str) -> None:
    refused(send_binary(client, binary(dense)[0], length))


def test_binary_tensors_that_are_cut_off_or_too_long_are_refused(
    client: Client, dense: Records
) -> None:
    body, length = binary(dense)

    for spoilt in (body[:-1], body + b"x", body[:length], body[: length + 3]):
        refused(send_binary(client, spoilt, length))


def test_tritons_client_works_against_it(scorer: Scorer, dense: Records) -> None:
    with (
        serving(client_of(scorer).application) as port,
        closing(http.InferenceServerClient(f"127.0.0.1:{port}")) as triton,
    ):
        assert triton.is_server_live()
        assert triton.is_server_ready()
        assert triton.is_model_ready("orders")
        assert triton.is_model_ready("orders", "1")
        assert triton.get_server_metadata()["name"] == "lockstep"
        assert len(triton.get_model_metadata("orders")["inputs"]) == 8
        for is_binary in (True, False):
            found = triton.infer("orders", _inputs(http, dense, is_binary), request_id="7")
            assert found.get_response()["id"] == "7"
            assert found.as_numpy("order_id").tolist() == [
                order["order_id"].encode() for order in dense
            ]
            assert found.as_numpy("loss").dtype == np.float64
        asked = [http.InferRequestedOutput("risk", binary_data=False)]
        found = triton.infer("orders", _inputs(http, dense, True), outputs=asked)
        assert found.as_numpy("risk").shape == (len(dense),)
        with pytest.raises(Exception, match="no such model"):
            triton.infer("others", _inputs(http, dense, True))


TYPES = {"BYTES": object, "FP64": np.float64, "INT64": np.int64, "BOOL": np.bool_}


def _inputs(http: Any, orders: Records, is_binary: bool) -> list[Any]:
    """The columns of records; NaN is a missing integer too, and JSON has none."""
    found = []
    for name, datatype in {**DATATYPES, "coupons": "FP64"}.items():
        values = [order[name] for order in orders]
        if is_binary or None not in values:
            one = http.InferInput(name, [len(values)], datatype)
            one.set_data_from_numpy(np.array(values, TYPES[datatype]), binary_data=is_binary)
            found.append(one)
    return found
