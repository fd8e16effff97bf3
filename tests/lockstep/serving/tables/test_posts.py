"""Rows that are posted to a table: whole or not at all, and counted at once."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lockstep.columns.decode import decode
from lockstep.serving.http.access import Guarded, Local
from lockstep.serving.http.app import application
from lockstep.serving.versions.request_limits import RequestLimits
from lockstep.store.lock import locked
from tests.fixtures.asgi import Client, Told

from .conftest import Depots, DepotsClient
from .test_answers import NOON, need, versions

LINES = "application/x-ndjson"


def sale(minute: int = 0, sold: float | None = 50.0, **changed: Any) -> dict[str, Any]:
    at = datetime(2020, 3, 1, 11, minute, tzinfo=UTC).isoformat()
    return {"depot": "north", "article": 3, "sold_at": at, "sold": sold, **changed}


def computed(client: DepotsClient, name: str, record: dict[str, Any]) -> Any:
    told = client.ask([record], "?explain=trace").json()
    (column,) = [column for column in told["trace"]["columns"] if column["column"] == name]
    return column["values"][0]


def reasons(told: Told) -> list[tuple[int, str, str, str]]:
    return [
        (row["row"], reason["column"], reason["rule"], reason["message"])
        for row in told.json()["rows"]
        for reason in row["reasons"]
    ]


# What counts


def test_posted_rows_count_with_the_next_request(depots: Depots, client: DepotsClient) -> None:
    before = computed(client, "sales_count", need())

    told = client.post("/tables/sale", [sale(0), sale(1)])

    assert (told.status, told.json()["new"]) == (200, 2)
    assert computed(client, "sales_count", need()) == before + 2
    answered = client.ask([need()]).json()
    assert answered["tables"]["sale"] == told.json()["version"] == versions(depots)["sale"]
    assert [row["forecast"] for row in answered["predictions"]] == depots.batch(
        [need()], answered["tables"]
    )


@pytest.mark.parametrize(
    ("body", "kind", "rows"),
    [
        (json.dumps(sale()), "application/json", 1),
        (json.dumps([sale(0), sale(1)]), "application/json; charset=utf-8", 2),
        ("\n".join(json.dumps(sale(n)) for n in range(3)) + "\n\n", LINES, 3),
        ("", LINES, 0),
        ("[]", "application/json", 0),
    ],
)
def test_rows_are_an_object_or_an_array_or_lines(
    client: DepotsClient, body: str, kind: str, rows: int
) -> None:
    told = client.post("/tables/sale", body, kind)
    assert (told.status, told.json()["new"]) == (200, rows)


def test_a_server_begins_with_a_tail_whose_last_line_was_cut_off(depots: Depots) -> None:
    with DepotsClient(depots.service()) as before:
        before.look()
        version = before.post("/tables/sale", sale()).json()["version"]
    with depots.ledger("sale").tail.path.open("ab") as file:
        file.write(b'{"received_at":"2026-')

    with DepotsClient(depots.service()) as client:
        client.look()
        assert client.ask([need()]).json()["tables"]["sale"] == version
        later = client.post("/tables/sale", sale(1)).json()
        read = client.ask([need()]).json()["tables"]["sale"]

    assert later["new"] == 1
    assert read == later["version"] == versions(depots)["sale"]


def test_an_event_that_is_posted_again_is_there_once(client: DepotsClient) -> None:
    first = client.post("/tables/sale", [sale(), sale()]).json()
    second = client.post("/tables/sale", sale()).json()
    assert (first["new"], first["repeated"]) == (1, 1)
    assert (second["new"], second["repeated"], second["version"]) == (0, 1, first["version"])


def test_posted_rows_are_held_back_until_they_are_known(client: DepotsClient) -> None:
    known = NOON + timedelta(minutes=30)
    before = computed(client, "sales_count", need(at=known))
    assert client.post("/tables/sale", sale(sold_at=NOON.isoformat())).status == 200
    microsecond = timedelta(microseconds=1)
    assert computed(client, "sales_count", need(at=known - microsecond)) <= before
    assert computed(client, "sales_count", need(at=known)) == before + 1


def test_a_row_that_is_restated_is_not_known_before_it_was_received(
    depots: Depots, client: DepotsClient
) -> None:
    hour = {"depot": "north", "hour": "2020-03-01T10:00:00Z", "degrees": 55.0}
    before = computed(client, "climate_degrees", need())

    told = client.post("/tables/climate", hour).json()

    assert (told["new"], told["restated"]) == (0, 1)
    assert computed(client, "climate_degrees", need()) == before
    rows = depots.ledger("climate").rows()
    assert rows.known.max() > datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1e6


def test_a_static_row_counts_as_soon_as_it_is_posted(client: DepotsClient) -> None:
    assert (
        client.post("/tables/article", {"article": 3, "weight": 9.25, "ware": "new"}).status == 200
    )
    assert computed(client, "ware_weight", need()) == 9.25
    article = {"article": 77, "weight": 1.0, "ware": "first"}
    assert client.post("/tables/article", article).json()["new"] == 1
    assert computed(client, "ware_ware", {**need(), "article": 77}) == "first"


def test_a_delivery_and_postings_after_it_count_in_their_order(
    depots: Depots, client: DepotsClient
) -> None:
    """The server has not looked yet when rows are posted upon a delivery."""
    depots.add("sale", [sale(minute) for minute in range(20)])
    told = client.post("/tables/sale", sale(30)).json()
    assert client.ask([need()]).json()["tables"]["sale"] == told["version"]
    assert told["version"] == versions(depots)["sale"]


def test_many_postings_become_rows_of_the_base_and_change_no_answer(
    depots: Depots, client: DepotsClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lockstep.tables.layered._LEAST_TOP", 5)
    for minute in range(40):
        assert client.post("/tables/sale", sale(minute)).status == 200
    before = client.ask([need()]).json()
    assert client.service.versions.scorer is not None
    read = client.service.versions.scorer.tables
    assert read is not None
    assert read.tables["sale"].rows.top is not None

    client.look()

    assert read.tables["sale"].rows.top is None
    assert client.ask([need()]).json() == before


def test_a_posted_row_is_withdrawn_and_counts_no_longer(
    depots: Depots, client: DepotsClient
) -> None:
    before = computed(client, "sales_count", need())
    depots.add("sale", [sale(sold_at="9999-12-31T00:00:00Z")])  # as was once allowed
    client.post("/tables/sale", sale(3))
    assert computed(client, "sales_count", need()) == before + 1

    told = client.post("/tables/sale?withdraw=never%20sold", sale(3))
    again = client.post("/tables/sale?withdraw=never%20sold", sale(3))
    strange = client.post("/tables/sale?withdraw=no", sale(sold_at="9999-12-31T00:00:00Z"))

    assert (told.status, told.json()["restated"], again.json()["repeated"]) == (200, 1, 1)
    assert (strange.status, strange.json()["restated"]) == (200, 1)
    now = {**need(), "asked_at": datetime.now(UTC).isoformat()}
    assert computed(client, "sales_count", now) == 0
    assert len(depots.ledger("sale").rows().taken_back) == 2
    missing = client.post("/tables/sale?withdraw=no", sale(4))
    assert missing.status == 404
    assert "no such row to withdraw" in missing.json()["message"]
    assert client.post("/tables/sale?withdraw=", sale(3)).status == 400


# What is refused


@pytest.mark.parametrize(
    ("wrong", "column", "rule"),
    [
        (sale(sold="many"), "sold", "type"),
        (sale(sold_at="yesterday"), "sold_at", "type"),
        (sale(sold_at="2020-03-01T09:00:00"), "sold_at", "type"),
        (sale(article=3.5), "article", "type"),
        (sale(depot=None), "depot", "type"),
        (sale(price=3), None, "undeclared"),
        (sale(sold_at="0001-01-01T00:00:00Z"), "sold_at", "type"),
        (sale(sold_at="9999-12-31T00:00:00Z"), "sold_at", "type"),
        (sale(sold_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat()), "sold_at", "type"),
    ],
)
def test_a_wrong_row_is_named_and_none_is_added(
    depots: Depots, client: DepotsClient, wrong: Any, column: str, rule: str
) -> None:
    before = versions(depots)
    told = client.post("/tables/sale", [sale(), wrong])
    assert told.status == 422
    assert [reason[:3] for reason in reasons(told)] == [(1, column, rule)]
    assert told.json()["message"].endswith("correct them, and post all of them again.")
    assert versions(depots) == before


def test_a_row_that_breaks_a_rule_of_the_suite_is_named_and_none_is_added(
    depots: Depots, client: DepotsClient
) -> None:
    before = versions(depots)
    rows = [
        {"depot": "north", "hour": "2020-03-01T09:00:00Z", "degrees": degrees}
        for degrees in (3.0, 61.0)
    ]
    rows[1]["hour"] = "2020-03-01T10:00:00Z"
    told = client.post("/tables/climate", rows)
    assert told.status == 422
    assert [reason[:2] for reason in reasons(told)] == [(1, "degrees")]
    assert "60" in reasons(told)[0][3]
    assert versions(depots) == before
    assert client.post("/tables/climate", rows[:1]).json()["restated"] == 1


def test_rows_that_contradict_each_other_are_refused(depots: Depots, client: DepotsClient) -> None:
    rows = [{"article": 3, "weight": weight, "ware": "w"} for weight in (1.0, 2.0)]
    told = client.post("/tables/article", rows)
    assert told.status == 422
    assert [reason[:3] for reason in reasons(told)] == [
        (0, "article", "table"),
        (1, "article", "table"),
    ]


@pytest.mark.parametrize(
    ("path", "body", "kind", "status", "message"),
    [
        ("/tables/sales", "[]", "application/json", 404, "there is climate, ware, sale"),
        ("/tables/sale?on_invalid=quarantine", "[]", "application/json", 400, "without options"),
        ("/tables/sale", "[]", "text/plain", 415, "application/x-ndjson"),
        ("/tables/sale", "[]", None, 415, "Name the content type"),
        ("/tables/sale", "{", "application/json", 400, "not JSON"),
        ("/tables/sale", "3", "application/json", 400, "list of records"),
        ("/tables/sale", "[[1]]", "application/json", 400, "no record"),
        ("/tables/sale", '{"sold": 1, "sold": 2}', "application/json", 400, "key twice"),
        ("/tables/sale", '{"sold": 1}\n{"sold": 1, "sold": 2}', LINES, 400, "key twice"),
        ("/tables/sale", '{"sold": NaN}', "application/json", 400, "JSON has no NaN"),
        ("/tables/sale", "[" + "{}," * 10 + "{}]", "application/json", 413, "at most 10 rows"),
        ("/tables/sale", "{}\n" * 11, LINES, 413, "at most 10 rows"),
    ],
)
def test_a_body_that_is_no_rows_is_refused(
    depots: Depots, path: str, body: str, kind: str | None, status: int, message: str
) -> None:
    before = versions(depots)
    message = message.replace("climate, ware, sale", ", ".join(before))
    with DepotsClient(depots.service(limits=RequestLimits(request_rows=10))) as client:
        client.look()
        told = client.post(path, body, kind)
    assert (told.status, message in told.json()["message"]) == (status, True), told.content
    assert versions(depots) == before


def test_a_get_of_a_table_is_no_path(client: DepotsClient) -> None:
    assert client.get("/tables/sale").status == 405


def test_rows_wait_for_another_process_and_are_refused_in_time(depots: Depots) -> None:
    with DepotsClient(depots.service(limits=RequestLimits(seconds=0.2))) as client:
        client.look()
        with locked(depots.ledger("sale").folder / "ledger.lock", "a test"):
            told = client.post("/tables/sale", sale())
        assert (told.status, "is being worked on" in told.json()["message"]) == (503, True)
        assert client.post("/tables/sale", sale()).status == 200


def test_rows_are_not_added_while_the_clock_is_behind(depots: Depots, client: DepotsClient) -> None:
    ledger, later = depots.ledger("article"), datetime.now(UTC) + timedelta(hours=1)
    article = {"article": 8, "weight": 1.0, "ware": "w"}
    columns = decode([article], ledger.schema.schema).columns
    ledger.post(columns, lambda version: dict(ledger.rows(version).columns), clock=lambda: later)
    told = client.post("/tables/article", {**article, "article": 9})
    assert (told.status, "Set the clock right" in told.json()["message"]) == (503, True)


# Who may


def test_rows_are_posted_with_the_token_alone(depots: Depots, client: DepotsClient) -> None:
    guarded = Client(Guarded(application(client.service), "secret"))
    body, before = json.dumps(sale()).encode(), versions(depots)
    headers = {"content-type": "application/json"}
    with guarded:
        assert guarded.post("/tables/sale", body).status == 401
        assert versions(depots) == before
        with_token = {**headers, "authorization": "Bearer secret"}
        assert guarded.request("POST", "/tables/sale", [body], with_token).status == 200


@pytest.mark.parametrize("headers", [{"host": "evil.example"}, {"x-forwarded-for": "10.0.0.7"}])
def test_without_a_token_rows_come_from_this_machine_alone(
    depots: Depots, client: DepotsClient, headers: dict[str, str]
) -> None:
    before = versions(depots)
    with Client(Local(application(client.service))) as local:
        given = {"host": "127.0.0.1", "content-type": "application/json", **headers}
        told = local.request("POST", "/tables/sale", [json.dumps(sale()).encode()], given)
    assert told.status == 403
    assert versions(depots) == before


# What is documented


def test_the_document_of_a_version_has_a_path_for_each_table(client: DepotsClient) -> None:
    document = client.get("/openapi.json").json()
    posts = {path: of["post"] for path, of in document["paths"].items() if "/tables/" in path}
    assert set(posts) == {"/tables/climate", "/tables/article", "/tables/sale"}
    content = posts["/tables/sale"]["requestBody"]["content"]
    row = content["application/json"]["schema"]["oneOf"][0]
    assert set(row["required"]) == {"depot", "article", "sold_at"}
    assert row["properties"]["sold"]["type"] == ["number", "null"]


# Disks that fail


def test_rows_that_a_full_disk_does_not_take_are_refused_and_answers_go_on(
    depots: Depots, client: DepotsClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = versions(depots)
    with monkeypatch.context() as patch:
        patch.setattr("lockstep.store.ledger_tails.os.fsync", _full)
        told = client.post("/tables/sale", sale())
    assert (told.status, "No space left" in told.json()["message"]) == (503, True)
    assert versions(depots) == before
    assert client.ask([need()]).json()["tables"] == before
    assert client.post("/tables/sale", sale()).json()["new"] == 1


def test_a_ledger_that_is_gone_leaves_the_rows_and_is_told(
    depots: Depots, client: DepotsClient
) -> None:
    before = client.ask([need()]).json()
    folder = depots.ledger("sale").folder
    folder.rename(folder.with_name("away"))

    client.look()

    assert client.ask([need()]).json() == before
    assert (
        "The ledger of sale has lost rows"
        in client.get("/ready").json()["tables"]["sale"]["trouble"]
    )
    assert client.post("/tables/sale", sale()).status == 503


def _full(_: int) -> None:
    raise OSError(28, "No space left on device")
