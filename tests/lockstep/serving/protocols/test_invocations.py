"""MLflow's protocol, as its own scoring server speaks it.

Its clients find here what they find there; each test is about one case that a server of MLflow's
answers in the same way, or says where this one is stricter.
"""

import json
import math
from collections.abc import Callable
from importlib import metadata
from typing import Any

import pandas as pd
import pytest

from lockstep.artifacts.version import LoadedVersion
from tests.fixtures.asgi import Client

from .forms import CSV, FORMS, JSON, PARQUET, Records, csv, frame, parquet_of

PATH = "/invocations"
Values = list[list[Any]]


@pytest.fixture(params=["client", "compat"])
def either(request: pytest.FixtureRequest) -> Client:
    """A server in each of the modes."""
    found: Client = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def values(orders: Records, loaded: LoadedVersion) -> Values:
    """The values of a few records, in the order of the fields."""
    return [[order[name] for name in loaded.pipeline.record_schema.names] for order in orders[:5]]


# What is taken


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_same_rows_gets_what_the_version_predicts(
    either: Client, orders: Records, loaded: LoadedVersion, form: str
) -> None:
    told = either.post(PATH, *FORMS[form](orders))

    assert told.headers["content-type"] == "application/json"
    expected, found = loaded.golden.trace.columns, told.predictions
    assert [row["order_id"] for row in found] == expected["order_id"].tolist()
    assert [row["will_return"] for row in found] == expected["will_return"].tolist()
    assert [row["loss"] for row in found] == pytest.approx(expected["loss"].tolist(), rel=1e-12)
    assert found[0]["sent_at"].endswith("Z")


NAMELESS: dict[str, Callable[[Values], Any]] = {
    "split by numbers": lambda rows: {
        "dataframe_split": {"columns": list(range(len(rows[0]))), "data": rows}
    },
    "instances of lists": lambda rows: {"instances": rows},
    "inputs of lists": lambda rows: {"inputs": rows},
}
OTHERWISE: dict[str, Callable[[Records], Any]] = {
    "the fields of one record": lambda orders: {"inputs": orders[0]},
    "columns in another order": lambda orders: {
        "dataframe_split": frame(orders)[[*orders[0]][::-1]].to_dict(orient="split")
    },
    "no params": lambda orders: {"dataframe_records": orders, "params": None},
    "empty params": lambda orders: {"dataframe_records": orders, "params": {}},
    "a byte order mark": lambda orders: (
        b"\xef\xbb\xbf" + json.dumps({"dataframe_records": orders}).encode()
    ),
}


@pytest.mark.parametrize("form", NAMELESS)
def test_values_without_names_are_the_fields_in_their_order(
    either: Client, orders: Records, values: Values, form: str
) -> None:
    told = either.post(PATH, NAMELESS[form](values))
    assert told.predictions == either.score(orders[:5]).predictions


@pytest.mark.parametrize("way", OTHERWISE)
def test_rows_that_are_written_in_another_way_are_the_same_rows(
    either: Client, orders: Records, way: str
) -> None:
    told = either.post(PATH, OTHERWISE[way](orders[:1]))
    assert told.predictions == either.score(orders[:1]).predictions


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json; charset=UTF-8", 200),
        ("application/json;charset=utf-8", 200),
        ("Application/JSON", 200),
        ("not_a_content_type", 415),
        ("application/json; something=something", 415),
        ("application/json; charset=latin-1", 415),
        ("text/plain", 415),
        ("", 415),
        (None, 415),
    ],
)
def test_json_may_say_that_it_is_utf_8_and_another_content_type_is_unsupported(
    either: Client, orders: Records, content_type: str | None, status: int
) -> None:
    told = either.post(PATH, {"dataframe_records": orders[:1]}, content_type)
    assert (told.status, told.json().get("error_code")) == (
        status,
        None if status == 200 else "BAD_REQUEST",
    )


def test_a_compressed_body_is_unsupported(either: Client) -> None:
    assert either.post(PATH, b"\x1f\x8b", headers={"content-encoding": "gzip"}).status == 415


def test_no_rows_get_no_predictions(either: Client, orders: Records) -> None:
    header = csv(orders[:1]).splitlines()[0] + b"\n"
    assert either.score([]).predictions == either.post(PATH, header, CSV).predictions == []


def test_spaces_and_colons_in_texts_are_no_keys(client: Client, orders: Records) -> None:
    body = {"dataframe_records": [{**orders[0], "country": 'x":y" :z'}]}
    assert client.post(PATH, json.dumps(body, indent=2, separators=(" , ", " : "))).status == 200


# Rows that do not fit


def test_all_that_is_wrong_with_a_record_is_told_at_once(client: Client, orders: Records) -> None:
    wrong = {"price": -1.0, "items": 2.5, "gift": None, "weight": "high", "wieght": 2.0}

    told = client.score([orders[1], {**orders[0], **wrong}])

    assert (told.status, told.json()["error_code"]) == (422, "INVALID_PARAMETER_VALUE")
    (row,) = told.json()["rows"]
    assert row["row"] == 1
    *before, undeclared = row["reasons"]
    assert [(reason["column"], reason["rule"]) for reason in before] == [
        ("items", "type"),
        ("weight", "type"),
        ("gift", "type"),
        ("price", "expect_column_values_to_be_between"),
    ]
    assert [one["message"] for one in before[:2]] == ["is not an integer", "is text, not a number"]
    message = (
        "field 'wieght' (number 9 of the record) is not declared by Order; did you mean weight?"
    )
    assert undeclared == {"column": None, "rule": "undeclared", "message": message}


def test_a_response_gives_a_hundred_reasons_and_names_all_rows_that_are_set_aside(
    client: Client, orders: Records
) -> None:
    records = [{**orders[0], "price": -1.0, "items": "many"}] * 400

    told, aside = client.score(records), client.score(records, "?on_invalid=quarantine")

    assert told.status == 422
    assert "`rows` lists the first 100 of at least 500 reasons" in told.json()["message"]
    assert [len(row["reasons"]) for row in told.json()["rows"]] == [2] * 50
    assert "`rows` lists every reason" in client.score(records[:50]).json()["message"]
    assert [row["row"] for row in aside.json()["rejected"]] == list(range(400))
    assert sum(len(row["reasons"]) for row in aside.json()["rejected"]) == 100


def test_reasons_are_counted_where_all_are_known(client: Client, orders: Records) -> None:
    wrong = {**orders[0], "price": -1.0, "items": "many"}

    messages = {rows: client.score([wrong] * rows).json()["message"] for rows in (100, 101)}

    assert "`rows` lists the first 100 of 200 reasons by" in messages[100]
    assert "`rows` lists the first 100 of at least 201 reasons by" in messages[101]


def test_what_is_valid_is_scored_in_quarantine(either: Client, orders: Records) -> None:
    rows = [orders[0], {**orders[1], "items": 2.5}, orders[2]]

    told = either.score(rows, "?on_invalid=quarantine")

    valid = [orders[place]["order_id"] for place in (0, 2)]
    assert [one["order_id"] for one in told.predictions] == valid
    assert [one["row"] for one in told.json()["rejected"]] == [1]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("items", value) for value in (3.5, 2**63, "3", True)),
        *(("gift", value) for value in (None, "some text", 2)),
        *(("price", value) for value in ("1.5", {})),
    ],
)
def test_silent_casts_of_mlflows_server_are_refused(
    client: Client, orders: Records, field: str, value: Any
) -> None:
    """3.5 became 3, a null became false, 2^40 became 0, some text became true."""
    told = client.score([{**orders[0], field: value}])
    assert told.status == 422
    assert [one["column"] for one in told.json()["rows"][0]["reasons"]] == [field]


@pytest.mark.parametrize("form", NAMELESS)
def test_a_wrong_value_without_a_name_is_told_by_its_place_and_field(
    client: Client, values: Values, form: str
) -> None:
    values[1][3] = "many"

    told = client.post(PATH, NAMELESS[form](values))

    (row,) = told.json()["rows"]
    (reason,) = row["reasons"]
    assert (row["row"], reason["column"], reason["rule"]) == (1, "items", "type")
    assert reason["message"].endswith("(value 4 of the row)")


@pytest.mark.parametrize("form", NAMELESS)
def test_as_many_values_as_fields_are_needed_without_names(client: Client, form: str) -> None:
    told = client.post(PATH, NAMELESS[form]([[1, 2, 3]]))
    assert told.status == 422
    assert "has 3 values, and Order 8 fields" in told.json()["message"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: row[:3], "Row 1 of instances has 3 values, and Order 8 fields: value 4, of "),
        (lambda row: [*row, 1], "Row 1 of instances has 9 values, and Order 8 fields: value 9 "),
        (lambda row: {"price": 1}, "Row 1 of instances is no list of values, as row 0."),
    ],
)
def test_a_list_of_another_length_is_told_by_its_row_place_and_field(
    client: Client, values: Values, change: Any, message: str
) -> None:
    told = client.post(PATH, {"instances": [values[0], change(values[1])]})
    assert told.status == 400
    assert told.json()["message"].startswith(message)


def test_the_name_of_a_field_that_is_not_declared_is_told_in_short_whatever_it_holds(
    client: Client, orders: Records
) -> None:
    told = client.score([{**orders[0], "\x00\u2028\\" * 1000: 1.0}])
    assert told.status == 422
    (reason,) = told.json()["rows"][0]["reasons"]
    assert reason["message"].startswith(r"field '\x00\u2028\\\x00")
    assert len(reason["message"]) < 600


@pytest.mark.parametrize("content_type", [JSON, CSV, PARQUET])
def test_a_text_that_is_too_long_is_refused(
    client: Client, orders: Records, content_type: str
) -> None:
    def sent(length: int) -> Any:
        order = {**orders[0], "order_id": "x" * length}
        forms = {CSV: csv([order]), PARQUET: parquet_of([order])}
        return forms.get(content_type, {"dataframe_records": [order]})

    assert client.post(PATH, sent(2**16), content_type).status == 200
    told = client.post(PATH, sent(2**16 + 1), content_type)
    assert told.status == 413
    assert "at most 65,536 characters" in told.json()["message"]


# What is stricter than MLflow's server


def without_a_column(orders: Records) -> tuple[Any, str]:
    return pd.DataFrame(orders).drop(columns="coupons").to_csv(index=False), CSV


def with_another_column(orders: Records) -> tuple[Any, str]:
    return pd.DataFrame(orders).assign(secret=1).to_csv(index=False), CSV


@pytest.mark.parametrize(
    ("make", "strict", "said", "compat_status"),
    [
        (lambda rows: ({"inputs": [{**rows[0], "items": 2.5}]}, JSON), 422, "1 row", 400),
        (lambda rows: ({"inputs": [{**rows[0], "wieght": 1.0}]}, JSON), 422, "1 row", 200),
        (without_a_column, 422, "The table lacks coupons: see Order.", 400),
        (with_another_column, 422, "number 9", 200),
        (lambda rows: ({"inputs": rows, "params": {"a": "b"}}, JSON), 400, "params", 200),
        (lambda rows: ({"inputs": rows, "params": 7}, JSON), 400, "params", 400),
        (lambda rows: ({"inputs": rows, "signature_name": "x"}, JSON), 400, "has 1 more", 200),
    ],
    ids=[
        "a row that does not fit",
        "an undeclared field",
        "a column less",
        "a column more",
        "params",
        "params that are no object",
        "more beside the rows",
    ],
)
def test_what_is_refused_is_left_alone_or_a_bad_request_in_compat(
    client: Client,
    compat: Client,
    orders: Records,
    make: Callable[[Records], tuple[Any, str]],
    strict: int,
    said: str,
    compat_status: int,
) -> None:
    told, there = client.post(PATH, *make(orders[:2])), compat.post(PATH, *make(orders[:2]))
    assert (told.status, there.status) == (strict, compat_status)
    assert said in told.json()["message"]
    if compat_status == 200:
        assert there.predictions == compat.score(orders[: len(there.predictions)]).predictions


def test_in_compat_a_row_that_does_not_fit_is_told_with_its_reasons(
    compat: Client, orders: Records
) -> None:
    told = compat.score([{**orders[0], "items": 2.5}])
    assert told.json()["error_code"] == "INVALID_PARAMETER_VALUE"
    assert len(told.json()["rows"]) == 1


def test_nan_is_no_json_and_in_compat_a_missing_value(
    client: Client, compat: Client, orders: Records
) -> None:
    told = client.score([{**orders[0], "weight": math.nan}])

    assert told.status == 400
    assert "NaN" in told.json()["message"]
    missing, nan = ([{**orders[0], "weight": one}] for one in (None, math.nan))
    assert compat.score(nan).predictions == compat.score(missing).predictions


# What is no table


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
    told = either.post(PATH, body)
    assert (told.status, told.json()["error_code"]) == (400, "BAD_REQUEST")
    assert told.json()["message"].endswith(".")


@pytest.mark.parametrize("number", ["Infinity", "-Infinity", "1e999", "9" * 5000])
def test_numbers_beyond_all_floats_are_refused(
    either: Client, orders: Records, number: str
) -> None:
    body = json.dumps({"dataframe_records": [{**orders[0], "weight": "@"}]})
    assert either.post(PATH, body.replace('"@"', number)).status == 400


def cut_off(orders: Records) -> bytes:
    return csv(orders[:1]).rstrip().rpartition(b",")[0] + b',"x'


def damaged(orders: Records) -> bytes:
    whole = parquet_of(orders)
    return whole[:200] + b"\xff" * 100 + whole[300:]


@pytest.mark.parametrize(
    ("content_type", "make", "message"),
    [
        (CSV, lambda _: b"", "is empty"),
        (CSV, lambda _: b"\n\n", "is empty"),
        (CSV, lambda _: b"order_id,price\na,1,2\n", "row 2 has 3 cells, and the header 2"),
        (CSV, lambda _: b"order_id\n\xff\n", "not in UTF-8"),
        (CSV, lambda _: b"order_id\xff\na\n", "not in UTF-8"),
        (CSV, lambda _: b'order_id\n"a', "cut off"),
        (CSV, cut_off, "The body is cut off: it ends within a quoted text."),
        (CSV, lambda _: b"," * 20_000 + b"\n", "10,000 columns"),
        (PARQUET, lambda _: b"", "no Parquet"),
        (PARQUET, lambda _: b"PAR1 and no more PAR1", "no Parquet"),
        (PARQUET, lambda orders: parquet_of(orders)[:-20], "no Parquet"),
        (PARQUET, lambda orders: parquet_of(orders)[20:], "damaged or cut off"),
        (PARQUET, damaged, "damaged or cut off"),
        *(
            (PARQUET, lambda orders, codec=codec: parquet_of(orders, compression=codec), "Snappy")
            for codec in ("gzip", "zstd", "brotli")
        ),
        (PARQUET, lambda orders: parquet_of([{**orders[0], "price": [1.0]}]), "nested"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_bad_request(
    either: Client, orders: Records, content_type: str, make: Any, message: str
) -> None:
    told = either.post(PATH, make(orders), content_type)
    assert (told.status, told.json()["error_code"]) == (400, "BAD_REQUEST")
    assert message in told.json()["message"]


def test_parquet_whose_one_long_text_is_in_every_row_is_refused(
    client: Client, orders: Records
) -> None:
    body = parquet_of([{**order, "country": "x" * 600_000} for order in orders[:100]])
    assert len(body) < 1_000_000
    assert client.post(PATH, body, PARQUET).status == 413


@pytest.mark.parametrize("query", ["on_invalid=maybe", "on_invalid", "more=1", "%ff=1", "\xff"])
def test_an_option_that_there_is_not_is_refused(
    either: Client, orders: Records, query: str
) -> None:
    assert either.score(orders[:1], f"?{query}").status == 400


@pytest.mark.parametrize(
    "twice",
    ['"price": 1.0,', '"price" : 1.0,', '"price"\n:1.0,', '"\\u0070rice": 1.0,'],
)
@pytest.mark.parametrize("other", ["", '"x" :1,', '"x":"a\\":b",'])
def test_a_key_that_is_there_twice_is_refused(
    either: Client, orders: Records, twice: str, other: str
) -> None:
    record = json.dumps(orders[0]).replace("{", "{" + twice + other, 1)
    told = either.post(PATH, f'{{"dataframe_records": [{record}]}}')
    assert told.status == 400
    assert "twice" in told.json()["message"]


# Other paths


@pytest.mark.parametrize("path", ["/ping", "/health"])
def test_a_probe_answers_with_an_empty_line(client: Client, path: str) -> None:
    told = client.get(path)
    assert (told.status, told.content) == (200, b"\n")


def test_the_version_is_that_of_mlflow(client: Client) -> None:
    told = client.get("/version").content.decode()
    assert told == metadata.version("mlflow"), "see test_mlflow_agreement, then set MLFLOW_VERSION"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/invocations", 405), ("POST", "/ping", 405), ("GET", "/nothing", 404)],
)
def test_another_path_or_method_is_told_as_json(
    client: Client, method: str, path: str, status: int
) -> None:
    told = client.request(method, path)
    assert (told.status, told.json()["error_code"]) == (status, "ENDPOINT_NOT_FOUND")
