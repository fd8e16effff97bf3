"""MLflow's protocol, as its own scoring server speaks it.

Its clients find here what they find there; each test is about one case that a server of MLflow's
answers in the same way, or says where this one is stricter.
"""

import io
import json
import math
from collections.abc import Callable
from importlib import metadata
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from lockstep.artifacts.version import LoadedVersion
from tests.fixtures.asgi import Client, Told

Records = list[dict[str, Any]]

CSV = "text/csv"
PARQUET = "application/vnd.apache.parquet"


def frame(orders: Records) -> pd.DataFrame:
    return pd.DataFrame(orders).astype(object).where(lambda it: it.notna(), None)


def split(orders: Records) -> dict[str, Any]:
    return frame(orders).to_dict(orient="split")


def csv(orders: Records) -> bytes:
    return pd.DataFrame(orders).to_csv(index=False).encode()


def parquet_of(orders: Records, **options: Any) -> bytes:
    written = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(orders), written, **options)
    return written.getvalue()


@pytest.fixture(params=["client", "compat"])
def either(request: pytest.FixtureRequest) -> Client:
    """A server in each of the modes."""
    found: Client = request.getfixturevalue(request.param)
    return found


def predictions(told: Told) -> Any:
    assert told.status == 200, told.content
    assert told.headers["content-type"] == "application/json"
    return told.json()["predictions"]


FORMS: dict[str, Callable[[Records], tuple[Any, str]]] = {
    "records": lambda orders: ({"dataframe_records": orders}, "application/json"),
    "split": lambda orders: ({"dataframe_split": split(orders)}, "application/json"),
    "instances": lambda orders: ({"instances": orders}, "application/json"),
    "inputs of columns": lambda orders: (
        {"inputs": frame(orders).to_dict(orient="list")},
        "application/json",
    ),
    "inputs of records": lambda orders: ({"inputs": orders}, "application/json"),
    "CSV": lambda orders: (csv(orders), CSV),
    "Parquet": lambda orders: (parquet_of(orders), PARQUET),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_same_rows_gets_what_the_version_predicts(
    either: Client, orders: Records, loaded: LoadedVersion, form: str
) -> None:
    told = predictions(either.post("/invocations", *FORMS[form](orders)))

    expected = loaded.golden.trace.columns
    assert [row["order_id"] for row in told] == expected["order_id"].tolist()
    assert [row["will_return"] for row in told] == expected["will_return"].tolist()
    assert [row["loss"] for row in told] == pytest.approx(expected["loss"].tolist(), rel=1e-12)
    assert told[0]["sent_at"].endswith("Z")


NAMELESS: dict[str, Callable[[list[Any]], Any]] = {
    "split by numbers": lambda rows: {
        "dataframe_split": {"columns": list(range(len(rows[0]))), "data": rows}
    },
    "instances of lists": lambda rows: {"instances": rows},
    "inputs of lists": lambda rows: {"inputs": rows},
}


@pytest.mark.parametrize("form", NAMELESS)
def test_values_without_names_are_the_fields_in_their_order(
    either: Client, orders: Records, loaded: LoadedVersion, form: str
) -> None:
    names = loaded.pipeline.record_schema.names
    rows = [[order[name] for name in names] for order in orders[:5]]

    told = predictions(either.post("/invocations", NAMELESS[form](rows)))

    assert told == predictions(either.post("/invocations", {"dataframe_records": orders[:5]}))


@pytest.mark.parametrize("form", NAMELESS)
def test_a_wrong_value_without_a_name_is_told_by_its_place_and_field(
    client: Client, orders: Records, loaded: LoadedVersion, form: str
) -> None:
    names = loaded.pipeline.record_schema.names
    rows = [[order[name] for name in names] for order in orders[:2]]
    rows[1][names.index("items")] = "many"

    told = client.post("/invocations", NAMELESS[form](rows))

    (reason,) = told.json()["rows"][0]["reasons"]
    assert told.json()["rows"][0]["row"] == 1
    assert (reason["column"], reason["rule"]) == ("items", "type")
    assert reason["message"].endswith(f"(value {names.index('items') + 1} of the row)")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: row[:3], "Row 1 of instances has 3 values, and Order 8 fields: value 4, of "),
        (lambda row: [*row, 1], "Row 1 of instances has 9 values, and Order 8 fields: value 9 "),
        (lambda row: {"price": 1}, "Row 1 of instances is no list of values, as row 0."),
    ],
)
def test_a_list_of_another_length_is_told_by_its_row_place_and_field(
    client: Client, orders: Records, loaded: LoadedVersion, change: Any, message: str
) -> None:
    names = loaded.pipeline.record_schema.names
    rows = [[order[name] for name in names] for order in orders[:2]]
    told = client.post("/invocations", {"instances": [rows[0], change(rows[1])]})
    assert told.status == 400
    assert told.json()["message"].startswith(message)


@pytest.mark.parametrize("form", NAMELESS)
def test_as_many_values_as_fields_are_needed_without_names(client: Client, form: str) -> None:
    told = client.post("/invocations", NAMELESS[form]([[1, 2, 3]]))

    assert told.status == 422
    assert "has 3 values, and Order 8 fields" in told.json()["message"]


@pytest.mark.parametrize("content_type", ["application/json", CSV, PARQUET])
def test_a_text_that_is_too_long_is_refused(
    client: Client, orders: Records, content_type: str
) -> None:
    def sent(length: int) -> Any:
        order = {**orders[0], "order_id": "x" * length}
        forms = {CSV: csv([order]), PARQUET: parquet_of([order])}
        return forms.get(content_type, {"dataframe_records": [order]})

    assert client.post("/invocations", sent(2**16), content_type).status == 200
    told = client.post("/invocations", sent(2**16 + 1), content_type)
    assert told.status == 413
    assert "at most 65,536 characters" in told.json()["message"]


def test_all_that_is_wrong_with_a_record_is_told_at_once(client: Client, orders: Records) -> None:
    broken = {**orders[0], "price": -1.0, "items": "many", "gift": None, "wieght": 2.0}

    told = client.post("/invocations", {"dataframe_records": [orders[1], broken]})

    (row,) = told.json()["rows"]
    assert row["row"] == 1
    assert [(reason["column"], reason["rule"]) for reason in row["reasons"]] == [
        ("items", "type"),
        ("gift", "type"),
        ("price", "expect_column_values_to_be_between"),
        (None, "undeclared"),
    ]


def test_a_response_gives_a_hundred_reasons_and_names_all_rows_that_are_set_aside(
    client: Client, orders: Records
) -> None:
    body = {"dataframe_records": [{**orders[0], "price": -1.0, "items": "many"}] * 400}

    told = client.post("/invocations", body)
    aside = client.post("/invocations?on_invalid=quarantine", body)

    assert told.status == 422
    assert "`rows` lists the first 100 of 500 reasons" in told.json()["message"]
    rows = told.json()["rows"]
    assert [len(row["reasons"]) for row in rows] == [2] * 50
    assert [row["row"] for row in aside.json()["rejected"]] == list(range(400))
    assert sum(len(row["reasons"]) for row in aside.json()["rejected"]) == 100


def test_inputs_may_be_the_fields_of_one_record(either: Client, orders: Records) -> None:
    (told,) = predictions(either.post("/invocations", {"inputs": orders[0]}))

    assert told["order_id"] == orders[0]["order_id"]


def test_the_columns_of_a_table_come_in_any_order(either: Client, orders: Records) -> None:
    table = frame(orders[:5])
    shuffled = table[list(reversed(table.columns))].to_dict(orient="split")

    told = predictions(either.post("/invocations", {"dataframe_split": shuffled}))

    assert told == predictions(either.post("/invocations", {"dataframe_records": orders[:5]}))


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=UTF-8", "application/json;charset=utf-8", "Application/JSON"],
)
def test_a_content_type_may_say_that_it_is_utf_8(
    either: Client, orders: Records, content_type: str
) -> None:
    body = {"dataframe_records": orders[:1]}

    assert either.post("/invocations", body, content_type).status == 200


@pytest.mark.parametrize(
    "content_type",
    [
        "not_a_content_type",
        "application/json; something=something",
        "application/json; charset=latin-1",
        "text/plain",
        "",
        None,
    ],
)
def test_another_content_type_is_unsupported(
    either: Client, orders: Records, content_type: str | None
) -> None:
    told = either.post("/invocations", {"dataframe_records": orders[:1]}, content_type)

    assert told.status == 415
    assert told.json()["error_code"] == "BAD_REQUEST"


def test_a_compressed_body_is_unsupported(either: Client) -> None:
    headers = {"content-encoding": "gzip"}

    assert either.post("/invocations", b"\x1f\x8b", headers=headers).status == 415


@pytest.mark.parametrize(
    "body",
    [
        "this is,,,, not valid json",
        "",
        "1",
        '"1"',
        "[1]",
        "null",
        "{}",
        '{"not": "a serialized dataframe"}',
        '{"dataframe_records": [], "dataframe_split": {"data": []}}',
        '{"dataframe_records": {"columns": ["a"], "data": [[1]]}}',
        '{"dataframe_records": 7}',
        '{"dataframe_records": [7]}',
        '{"dataframe_split": [{"a": 1}]}',
        '{"dataframe_split": {"index": [1, 2], "data": [[1], [2], [3]]}}',
        '{"dataframe_split": {"columns": ["a"], "data": [[1]], "more": 1}}',
        '{"dataframe_split": {"columns": [1], "data": [[1]]}}',
        '{"dataframe_split": {"columns": [0, "price"], "data": [[1, 2]]}}',
        '{"dataframe_split": {"columns": "a", "data": [[1]]}}',
        '{"instances": [[1, 2, 3], [1]]}',
        '{"instances": [[1], {}]}',
        '{"dataframe_records": [[1, 2, 3]]}',
        '{"inputs": {"price": [1], "items": [1, 2]}}',
        '{"inputs": {"price": [1], "items": 2}}',
        '{"inputs": {}}',
        '{"inputs": null}',
        '{"inputs": [1, 2]}',
        b'{"dataframe_records": ["\xff"]}',
    ],
)
def test_a_body_that_is_no_table_is_a_bad_request(either: Client, body: str | bytes) -> None:
    told = either.post("/invocations", body)

    assert told.status == 400
    assert told.json()["error_code"] == "BAD_REQUEST"
    assert told.json()["message"].endswith(".")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", CSV),
        (b"\n\n", CSV),
        (b"order_id,price\na,1,2\n", CSV),
        (b"order_id\n\xff\n", CSV),
        (b"order_id\xff\na\n", CSV),
        (b'order_id\n"a', CSV),
        (b"," * 20_000 + b"\n", CSV),
        (b"", PARQUET),
        (b"PAR1 and no more PAR1", PARQUET),
    ],
)
def test_a_file_that_cannot_be_read_is_a_bad_request(
    either: Client, body: bytes, content_type: str
) -> None:
    told = either.post("/invocations", body, content_type)

    assert told.status in (400, 422)
    assert "error_code" in told.json()


def test_a_parquet_file_that_is_cut_off_or_damaged_is_a_bad_request(
    client: Client, orders: Records
) -> None:
    whole = parquet_of(orders)
    damaged = whole[:200] + b"\xff" * 100 + whole[300:]

    for body in (whole[:-20], whole[20:], damaged):
        assert client.post("/invocations", body, PARQUET).status in (400, 422)


@pytest.mark.parametrize("codec", ["gzip", "zstd", "brotli"])
def test_parquet_that_may_grow_beyond_all_bounds_is_refused(
    client: Client, orders: Records, codec: str
) -> None:
    told = client.post("/invocations", parquet_of(orders, compression=codec), PARQUET)

    assert told.status == 400
    assert "Snappy" in told.json()["message"]


def test_parquet_whose_one_long_text_is_in_every_row_is_refused(
    client: Client, orders: Records
) -> None:
    rows = [{**order, "country": "x" * 600_000} for order in orders[:100]]

    body = parquet_of(rows)

    assert len(body) < 1_000_000
    assert client.post("/invocations", body, PARQUET).status == 413


def test_nested_parquet_is_refused(client: Client, orders: Records) -> None:
    nested = [{**order, "price": [order["price"]]} for order in orders[:2]]

    told = client.post("/invocations", parquet_of(nested), PARQUET)

    assert told.status == 400
    assert "nested" in told.json()["message"]


def test_rows_that_do_not_fit_get_every_reason_by_row_and_column(
    client: Client, orders: Records
) -> None:
    bad = {**orders[1], "price": "high", "items": 2.5}

    told = client.post("/invocations", {"dataframe_records": [orders[0], bad]})

    assert told.status == 422
    assert told.json()["error_code"] == "INVALID_PARAMETER_VALUE"
    assert told.json()["rows"] == [
        {
            "row": 1,
            "reasons": [
                {"column": "price", "rule": "type", "message": "is text, not a number"},
                {"column": "items", "rule": "type", "message": "is not an integer"},
            ],
        }
    ]


def test_a_row_rule_refuses_with_its_name(client: Client, orders: Records) -> None:
    told = client.post("/invocations", {"dataframe_records": [{**orders[0], "price": -1.0}]})

    assert told.status == 422
    (row,) = told.json()["rows"]
    (reason,) = row["reasons"]
    assert reason["column"] == "price"
    assert reason["rule"].startswith("expect_column_values_to_be_")


def test_in_compat_rows_that_do_not_fit_are_a_bad_request(compat: Client, orders: Records) -> None:
    told = compat.post("/invocations", {"dataframe_records": [{**orders[0], "items": 2.5}]})

    assert told.status == 400
    assert told.json()["error_code"] == "INVALID_PARAMETER_VALUE"
    assert len(told.json()["rows"]) == 1


def test_what_is_valid_is_scored_in_quarantine(either: Client, orders: Records) -> None:
    rows = [orders[0], {**orders[1], "items": 2.5}, orders[2]]

    told = either.post("/invocations?on_invalid=quarantine", {"dataframe_records": rows})

    assert [one["order_id"] for one in predictions(told)] == [
        orders[0]["order_id"],
        orders[2]["order_id"],
    ]
    assert [one["row"] for one in told.json()["rejected"]] == [1]


@pytest.mark.parametrize("query", ["on_invalid=maybe", "on_invalid", "more=1", "%ff=1", "\xff"])
def test_an_option_that_there_is_not_is_refused(
    either: Client, orders: Records, query: str
) -> None:
    told = either.post(f"/invocations?{query}", {"dataframe_records": orders[:1]})

    assert told.status == 400


def test_silent_casts_of_mlflows_server_are_refused(client: Client, orders: Records) -> None:
    """3.5 became 3, a null became false, 2^40 became 0, some text became true."""
    casts = {"items": [3.5, 2**63, "3", True], "gift": [None, "some text", 2], "price": ["1.5", {}]}

    for field, values in casts.items():
        for value in values:
            told = client.post("/invocations", {"dataframe_records": [{**orders[0], field: value}]})
            assert told.status == 422, (field, value)
            assert [one["column"] for one in told.json()["rows"][0]["reasons"]] == [field]


def test_a_field_that_is_not_declared_is_refused_and_in_compat_left_alone(
    client: Client, compat: Client, orders: Records
) -> None:
    body = {"dataframe_records": [orders[0], {**orders[1], "wieght": 1.0}]}

    told = client.post("/invocations", body)

    assert told.status == 422
    (row,) = told.json()["rows"]
    assert row["row"] == 1
    (reason,) = row["reasons"]
    assert reason["column"] is None
    assert reason["message"] == (
        "field 'wieght' (number 9 of the record) is not declared by Order; did you mean weight?"
    )
    assert len(predictions(compat.post("/invocations", body))) == 2


def test_the_name_of_a_field_that_is_not_declared_is_told_in_short_whatever_it_holds(
    client: Client, orders: Records
) -> None:
    record = {**orders[0], "\x00\u2028\\" * 1000: 1.0}
    told = client.post("/invocations", {"dataframe_records": [record]})
    assert told.status == 422
    (reason,) = told.json()["rows"][0]["reasons"]
    assert reason["message"].startswith(r"field '\x00\u2028\\\x00")
    assert len(reason["message"]) < 600


def test_a_table_without_a_column_or_with_one_more_is_refused(
    client: Client, compat: Client, orders: Records
) -> None:
    table = pd.DataFrame(orders[:2])
    less, more = table.drop(columns="coupons"), table.assign(secret=1)

    told = client.post("/invocations", less.to_csv(index=False), CSV)
    assert told.status == 422
    assert told.json()["message"] == "The table lacks coupons: see Order."
    assert compat.post("/invocations", less.to_csv(index=False), CSV).status == 400
    told = client.post("/invocations", more.to_csv(index=False), CSV)
    assert told.status == 422
    assert "number 9" in told.json()["message"]
    assert compat.post("/invocations", more.to_csv(index=False), CSV).status == 200


def test_params_are_refused_and_in_compat_left_alone(
    client: Client, compat: Client, orders: Records
) -> None:
    body = {"dataframe_records": orders[:1], "params": {"anything": "value"}}

    assert client.post("/invocations", body).status == 400
    assert compat.post("/invocations", body).status == 200
    assert compat.post("/invocations", {**body, "params": 7}).status == 400
    assert client.post("/invocations", {**body, "params": None}).status == 200
    assert client.post("/invocations", {**body, "params": {}}).status == 200


def test_more_beside_the_rows_is_refused_and_in_compat_left_alone(
    client: Client, compat: Client, orders: Records
) -> None:
    body = {"dataframe_records": orders[:1], "signature_name": "x"}

    assert client.post("/invocations", body).status == 400
    assert compat.post("/invocations", body).status == 200


def test_nan_is_no_json_and_in_compat_a_missing_value(
    client: Client, compat: Client, orders: Records
) -> None:
    body = json.dumps({"dataframe_records": [{**orders[0], "weight": math.nan}]})
    missing = {"dataframe_records": [{**orders[0], "weight": None}]}

    told = client.post("/invocations", body)

    assert told.status == 400
    assert "NaN" in told.json()["message"]
    assert predictions(compat.post("/invocations", body)) == predictions(
        compat.post("/invocations", missing)
    )


@pytest.mark.parametrize("number", ["Infinity", "-Infinity", "1e999", "9" * 5000])
def test_numbers_beyond_all_floats_are_refused(
    either: Client, orders: Records, number: str
) -> None:
    body = json.dumps({"dataframe_records": [{**orders[0], "weight": "@"}]})

    told = either.post("/invocations", body.replace('"@"', number))

    assert told.status in (400, 422)


@pytest.mark.parametrize(
    "twice",
    ['"price": 1.0,', '"price" : 1.0,', '"price"\n:1.0,', '"\\u0070rice": 1.0,'],
)
@pytest.mark.parametrize("other", ["", '"x" :1,', '"x":"a\\":b",'])
def test_a_key_that_is_there_twice_is_refused(
    either: Client, orders: Records, twice: str, other: str
) -> None:
    record = json.dumps(orders[0]).replace("{", "{" + twice + other, 1)

    told = either.post("/invocations", f'{{"dataframe_records": [{record}]}}')

    assert told.status == 400
    assert "twice" in told.json()["message"]


def test_spaces_and_colons_in_texts_are_no_keys(client: Client, orders: Records) -> None:
    record = {**orders[0], "country": 'x":y" :z'}
    body = json.dumps({"dataframe_records": [record]}, indent=2, separators=(" , ", " : "))

    assert client.post("/invocations", body).status == 200


def test_a_byte_order_mark_is_left_alone(either: Client, orders: Records) -> None:
    body = b"\xef\xbb\xbf" + json.dumps({"dataframe_records": orders[:1]}).encode()

    assert either.post("/invocations", body).status == 200


def test_no_rows_get_no_predictions(either: Client, orders: Records) -> None:
    header = csv(orders[:1]).splitlines()[0] + b"\n"

    assert predictions(either.post("/invocations", {"dataframe_records": []})) == []
    assert predictions(either.post("/invocations", header, CSV)) == []


def test_a_csv_body_that_is_cut_off_within_quotes_is_refused(
    either: Client, orders: Records
) -> None:
    told = either.post("/invocations", csv(orders[:1]).rstrip().rpartition(b",")[0] + b',"x', CSV)

    assert told.status == 400
    assert told.json()["message"] == "The body is cut off: it ends within a quoted text."


@pytest.mark.parametrize("path", ["/ping", "/health"])
def test_a_probe_answers_with_an_empty_line(client: Client, path: str) -> None:
    told = client.get(path)

    assert (told.status, told.content) == (200, b"\n")


def test_the_version_is_that_of_mlflow(client: Client) -> None:
    told = client.get("/version").content.decode()

    assert told == metadata.version("mlflow"), "see test_mlflow_agreement, then set MLFLOW_VERSION"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/invocations", 405),
        ("POST", "/ping", 405),
        ("GET", "/nothing", 404),
    ],
)
def test_another_path_or_method_is_told_as_json(
    client: Client, method: str, path: str, status: int
) -> None:
    told = client.request(method, path)

    assert told.status == status
    assert told.json()["error_code"] == "ENDPOINT_NOT_FOUND"
