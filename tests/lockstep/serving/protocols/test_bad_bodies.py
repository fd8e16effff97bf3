"""Bad input: a 4xx with the reason, in bounded time and memory; the server stays up."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lockstep.serving.versions.request_limits import RequestLimits
from lockstep.serving.versions.request_scorer import Scorer
from tests.fixtures.asgi import Client, Told
from tests.lockstep.serving.conftest import client_of

Records = list[dict[str, Any]]

PATHS = ["/invocations", "/v2/models/orders/infer"]
CONTENT_TYPES = ["application/json", "text/csv", "application/vnd.apache.parquet"]
SECRET = "Zyzzyva"
"""A value that a client sends, and no message repeats; names of fields are told."""

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.sampled_from([SECRET, f"{SECRET}T00:00:00Z", "2020-01-01T00:00:00Z", "NaN", ""])
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["elsewhere", "order_id", "price", "columns", "data", "name", "shape", "index"]
            )
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    ["order_id", "sent_at", "price", "items", "weight", "coupons", "country", "gift", "elsewhere"]
)
SPECIAL = st.sampled_from(
    ["dataframe_split", "dataframe_records", "instances", "inputs", "params", "id", "outputs"]
)

many = settings(
    max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


def is_answered_or_refused(told: Told) -> None:
    assert told.status < 500, told.content
    if told.status != 200:
        found = told.json()
        assert found.get("message") or found.get("error")
        assert SECRET.encode() not in told.content


@many
@given(
    path=st.sampled_from(PATHS),
    content_type=st.sampled_from(CONTENT_TYPES),
    body=st.binary(max_size=300),
)
def test_whatever_bytes_come_are_refused(
    client: Client, path: str, content_type: str, body: bytes
) -> None:
    is_answered_or_refused(client.post(path, body, content_type))


@many
@given(
    path=st.sampled_from(PATHS),
    is_strict=st.booleans(),
    body=st.dictionaries(SPECIAL, VALUES, max_size=2) | VALUES,
)
def test_whatever_json_comes_is_answered_or_refused(
    client: Client, compat: Client, path: str, is_strict: bool, body: Any
) -> None:
    is_answered_or_refused((client if is_strict else compat).post(path, body))


@many
@given(changes=st.dictionaries(FIELDS, VALUES, max_size=4), query=st.booleans())
def test_whatever_a_record_holds_it_is_answered_or_refused(
    client: Client, orders: Records, changes: dict[str, Any], query: bool
) -> None:
    rows = [orders[0], {**orders[1], **changes}]
    told = client.score(rows, "?on_invalid=quarantine" if query else "")

    assert told.status < 500
    if told.status != 200:
        assert SECRET.encode() not in told.content
    else:
        assert SECRET not in json.dumps(told.json().get("rejected", []))


@many
@given(
    name=FIELDS | st.just(SECRET),
    changes=st.fixed_dictionaries(
        {},
        optional={
            "shape": VALUES,
            "datatype": st.sampled_from(["FP64", "INT8", "BYTES", "BOOL", SECRET]) | VALUES,
            "data": st.lists(VALUES, max_size=2) | VALUES,
            "parameters": VALUES,
        },
    ),
)
def test_whatever_a_tensor_holds_it_is_answered_or_refused(
    client: Client, name: str, changes: dict[str, Any]
) -> None:
    tensor = {"name": name, "shape": [1], "datatype": "FP64", "data": [1.0], **changes}

    is_answered_or_refused(client.post(PATHS[1], {"inputs": [tensor]}))


@many
@given(cut=st.integers(0, 5000), place=st.integers(0, 5000), byte=st.integers(0, 255))
def test_a_body_that_is_cut_off_or_damaged_is_answered_or_refused(
    client: Client, orders: Records, cut: int, place: int, byte: int
) -> None:
    text = bytearray(json.dumps({"dataframe_records": orders[:3]}).encode())
    text[place % len(text)] = byte

    is_answered_or_refused(client.post("/invocations", bytes(text[: cut % len(text) + 1])))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("depth", [200, 480, 900, 100_000])
@pytest.mark.parametrize(("opens", "closes"), [("[", "]"), ('{"a":', "}"), ('{"a" :', "}")])
def test_what_is_nested_deeply_is_refused(
    client: Client, compat: Client, path: str, depth: int, opens: str, closes: str
) -> None:
    nested = opens * depth + "1" + closes * depth
    for body in (nested, f'{{"inputs": {nested}}}', f'{{"dataframe_records": [{nested}]}}'):
        for server in (client, compat):
            told = server.post(path, body)
            assert 400 <= told.status < 500, told.content


@pytest.fixture
def small(scorer: Scorer) -> Iterator[Client]:
    """A server that takes little."""
    limits = RequestLimits(body_bytes=2000, request_rows=3, read_seconds=0.1)
    with client_of(scorer, limits) as found:
        yield found


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("parts", "headers"),
    [
        ([b"{"], {"content-length": "2001"}),
        *(
            (parts, headers)
            for parts in ([b" " * 600] * 4, [b" " * 2001])
            for headers in ({}, {"content-length": "9" * 5000}, {"content-length": "x"})
        ),
    ],
)
def test_a_body_that_says_that_it_is_too_large_or_grows_so_is_not_read_to_its_end(
    small: Client, path: str, parts: list[bytes], headers: dict[str, str]
) -> None:
    told = small.runner.run(small.exchange("POST", path, parts, headers, hangs=True))
    assert (told.status, told.headers["connection"]) == (413, "close")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ({"dataframe_records": [{}] * 4}, "application/json"),
        ({"dataframe_split": {"columns": [], "data": [[]] * 4}}, "application/json"),
        ({"inputs": {"price": [1] * 4}}, "application/json"),
        ("order_id\na\nb\nc\nd\n", "text/csv"),
    ],
)
def test_more_rows_than_a_request_may_have_are_refused(
    small: Client, body: Any, content_type: str
) -> None:
    assert small.post(PATHS[0], body, content_type).status == 413


@pytest.mark.parametrize("path", PATHS)
def test_more_lists_than_so_many_rows_could_be_are_not_made(
    scorer: Scorer, orders: Records, path: str
) -> None:
    with client_of(scorer, RequestLimits(request_rows=3)) as client:
        told = client.post(path, f'{{"inputs": [{"[]," * 1100}[]]}}')
        texts = client.post("/invocations", {"inputs": {**orders[0], "country": "[{" * 1100}})

    assert told.status == 413
    assert "lists" in told.content.decode()
    assert texts.status == 200


def test_a_record_of_thousands_of_fields_is_not_looked_at(client: Client) -> None:
    record = dict.fromkeys(map(str, range(2000)), 1)

    for body in ({"dataframe_records": [record]}, {"inputs": record}):
        assert client.post(PATHS[0], body).status == 413


def test_bodies_that_arrive_in_part_have_so_many_bytes_together(
    scorer: Scorer, orders: Records
) -> None:
    limits = RequestLimits(body_bytes=1000, all_bodies_bytes=2000, read_seconds=0.1)
    parts = [b" " * 450] * 2

    async def ask(client: Client) -> list[Told]:
        slow = [client.exchange("POST", PATHS[0], parts, hangs=True) for _ in range(3)]
        return await asyncio.gather(*slow)

    with client_of(scorer, limits) as client:
        told = client.runner.run(ask(client))
        whole = client.score(orders[:1])

    assert sorted(one.status for one in told) == [408, 408, 429]
    (refused,) = (one for one in told if one.status == 429)
    assert refused.headers["connection"] == "close"
    assert whole.status == 200


def test_a_body_that_does_not_arrive_is_given_up(small: Client) -> None:
    async def both() -> tuple[Told, Told]:
        slow = asyncio.create_task(small.exchange("POST", PATHS[0], [b"{"], hangs=True))
        await asyncio.sleep(0)
        quick = await small.exchange("GET", "/v2")
        return await slow, quick

    slow, quick = small.runner.run(both())

    assert quick.status == 200
    assert (slow.status, slow.headers["connection"]) == (408, "close")


def test_a_client_that_leaves_is_not_answered(small: Client) -> None:
    sent = []

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    async def leave() -> None:
        scope = {"type": "http", "method": "POST", "path": PATHS[0], "headers": []}
        await small.application({**scope, "query_string": b"", "root_path": ""}, receive, send)

    small.runner.run(leave())

    assert sent == []
