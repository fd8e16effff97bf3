"""Answers of versions that look values up: as in a batch, at the versions that they name."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lockstep.columns.decode import decode
from lockstep.serving.requestlog.erasure import LoggedKey, erase_key
from lockstep.serving.requestlog.log import Log
from lockstep.serving.requestlog.log_segments import (
    LogSegment,
    read_segment,
    segment_names,
    segment_path,
)
from lockstep.serving.requestlog.settings import RequestLog
from tests.fixtures.depots import SCORED, needs

from .conftest import Depots, DepotsClient

NOON = datetime(2020, 3, 1, 12, tzinfo=UTC)
ORIGINS = {
    "climate.digest",
    "climate.valid",
    "climate.known",
    "ware.digest",
    "ware.valid",
    "ware.known",
    "sales.rows",
}


def need(number: int = 1, at: datetime = NOON) -> dict[str, Any]:
    return {
        "need_id": f"n{number}",
        "depot": "north",
        "article": 3,
        "asked_at": at.isoformat(),
    }


def versions(depots: Depots) -> dict[str, str]:
    return {name: depots.ledger(name).version for name in depots.loaded.pipeline.tables}


# What is answered


def test_a_day_has_the_answers_of_the_batch_path_alone_and_together(
    depots: Depots, client: DepotsClient
) -> None:
    records = needs(SCORED)
    expected = depots.batch(records, versions(depots))

    assert client.forecasts(records) == expected
    assert [client.forecasts([record])[0] for record in records] == expected


def test_an_answer_names_the_version_of_each_table(depots: Depots, client: DepotsClient) -> None:
    assert client.ask([need()]).json()["tables"] == versions(depots)


def test_an_answer_of_the_inference_protocol_names_them_in_a_header(
    depots: Depots, client: DepotsClient
) -> None:
    inputs = [
        {
            "name": name,
            "shape": [1],
            "datatype": "INT64" if name == "article" else "BYTES",
            "data": [value],
        }
        for name, value in need().items()
    ]
    told = client.post("/v2/models/depots/infer", {"inputs": inputs})
    named = dict(pair.split("=") for pair in told.headers["x-lockstep-tables"].split(", "))
    assert (told.status, named) == (200, versions(depots))


def test_a_version_that_reads_no_table_names_none(client: DepotsClient) -> None:
    answered = client.ask([need()]).json()
    assert set(answered) == {"predictions", "tables"}


def test_delivered_rows_count_once_the_server_has_looked(
    depots: Depots, client: DepotsClient
) -> None:
    before = client.ask([need()]).json()
    sold = [
        {"depot": "north", "article": 3, "sold_at": f"2020-03-01T09:0{n}:00Z", "sold": 99.0}
        for n in range(9)
    ]
    version = depots.add("sale", sold)
    client.look()

    after = client.ask([need()]).json()

    assert after["tables"] == {**before["tables"], "sale": version}
    assert [row["forecast"] for row in after["predictions"]] == depots.batch(
        [need()], after["tables"]
    )


def test_rows_are_held_back_until_they_are_known(depots: Depots, client: DepotsClient) -> None:
    hour = {"depot": "north", "hour": "2020-04-01T12:00:00Z", "degrees": -20.0}
    depots.add("climate", [hour])
    client.look()
    known = datetime(2020, 4, 1, 13, tzinfo=UTC)

    def degrees(at: datetime) -> float | None:
        traced = client.ask([need(at=at)], "?explain=trace").json()["trace"]["columns"]
        (found,) = [column for column in traced if column["column"] == "climate_degrees"]
        return found["values"][0]

    assert degrees(known - timedelta(microseconds=1)) is None
    assert degrees(known) == -20.0


def test_a_trace_shows_what_the_answer_was_computed_of(
    depots: Depots, client: DepotsClient
) -> None:
    answered = client.ask([need()], "?explain=trace").json()
    columns = {column["column"]: column for column in answered["trace"]["columns"]}
    rows = {name: depots.ledger(name).rows() for name in answered["tables"]}
    pipeline = depots.loaded.pipeline.with_tables(rows)
    computed = pipeline.evaluate(
        decode([need()], pipeline.record_schema).columns, ("sales_sum", "ware_ware")
    )
    assert columns["sales_sum"]["values"] == computed["sales_sum"].tolist()
    assert columns["ware_ware"]["values"] == computed["ware_ware"].tolist()


# Times to come


def test_a_row_that_asks_as_of_a_time_to_come_is_refused_alone(client: DepotsClient) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)

    told = client.ask([need(1), need(2, later), need(3)], "?on_invalid=quarantine").json()

    assert [row["need_id"] for row in told["predictions"]] == ["n1", "n3"]
    (refused,) = told["rejected"]
    (reason,) = refused["reasons"]
    assert (refused["row"], reason["rule"], reason["column"]) == (1, "as_of", "climate")
    asked = later.astimezone(UTC).replace(tzinfo=None).isoformat()
    assert f"climate asks as of {asked}Z, and the clock says 20" in reason["message"]


def test_a_request_of_such_rows_alone_gets_the_status_of_refused_rows(
    client: DepotsClient,
) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    assert client.ask([need(at=later)]).status == 422


# Tables that are not there


def test_a_server_is_not_ready_while_a_table_was_never_delivered(depots: Depots) -> None:
    ledger = depots.ledger("sale")
    folder, away = ledger.folder, ledger.folder.with_name("away")
    shutil.move(folder, away)
    ledger.high_water.path.unlink()
    with DepotsClient(depots.service()) as client:
        client.look()
        told = client.get("/ready")
        reason = told.json()["refused"]["reason"]
        assert (told.status, "\n" in reason) == (503, False)
        assert "The table sale of depots has not been delivered" in reason
        assert reason.endswith("lockstep tables depots --deliver")
        assert client.ask([need()]).status == 503

        shutil.move(away, folder)
        client.look()

        sales = client.get("/ready").json()["tables"]["sale"]
        assert (sales["rows"] > 100, sales["trouble"]) == (True, None)
        assert client.forecasts([need()]) == depots.batch([need()], versions(depots))


def test_a_ledger_that_is_damaged_leaves_the_rows_as_they_were(
    depots: Depots, client: DepotsClient
) -> None:
    before = client.ask([need()]).json()
    depots.add("sale", [{"depot": "west", "article": 1, "sold_at": "2020-03-01T09:00Z", "sold": 1}])
    ledger = depots.ledger("sale")
    (ledger.folder / ledger.parts()[-1].file).write_bytes(b"nothing")
    client.look()

    assert client.ask([need()]).json() == before
    assert "changed or damaged" in client.get("/ready").json()["tables"]["sale"]["trouble"]


def test_a_server_that_is_not_told_of_tables_refuses_the_version(depots: Depots) -> None:
    from lockstep.serving.protocols.service import Service

    with DepotsClient(Service("depots", depots.pointer)) as client:
        client.look()
        assert "does not know where they are" in client.get("/ready").json()["refused"]["reason"]


# The log


def logged(depots: Depots, folder: Path, records: list[Any], **settings: Any) -> LogSegment:
    log = Log(folder, RequestLog(**settings))
    with log, DepotsClient(depots.service(log)) as client:
        client.look()
        assert client.ask(records[:1]).status == 200
        assert client.ask(records[1:]).status == 200
    (name,) = segment_names(folder)
    return read_segment(segment_path(folder, name))


def test_a_segment_holds_the_versions_and_where_each_value_comes_from(
    depots: Depots, tmp_path: Path
) -> None:
    records = needs(SCORED)
    segment = logged(depots, tmp_path / "log", records)

    assert segment.requests.tables == [versions(depots)] * 2
    assert set(segment.origins) == ORIGINS
    rows = {name: depots.ledger(name).rows() for name in versions(depots)}
    pipeline = depots.loaded.pipeline.with_tables(rows)
    fields = decode(records, pipeline.record_schema).columns
    found = pipeline.bound["climate"].found(fields).last  # type: ignore[attr-defined]
    climate, valid = rows["climate"], segment.origins["climate.valid"]
    expected = [int(climate.digests[row]) if row >= 0 else 0 for row in found]
    assert segment.origins["climate.digest"].view(np.uint64).tolist() == expected
    assert valid[found >= 0].tolist() == climate.columns["hour"][found[found >= 0]].tolist()
    counts = pipeline.evaluate(fields, ("sales_count",))["sales_count"]
    assert (segment.origins["sales.rows"] >= counts).all()
    assert segment.origins["sales.rows"].sum() > 0


def test_a_segment_can_be_replayed_against_its_very_versions(
    depots: Depots, tmp_path: Path
) -> None:
    records = needs(SCORED)
    segment = logged(depots, tmp_path / "log", records)
    depots.add(
        "sale",
        [
            {"depot": record["depot"], "article": record["article"], "sold": 500.0}
            | {
                "sold_at": (
                    datetime.fromisoformat(record["asked_at"]) - timedelta(hours=2)
                ).isoformat()
            }
            for record in records
        ],
    )
    (read,) = {tuple(tables.items()) for tables in segment.requests.tables}
    assert depots.batch(records, dict(read)) == segment.columns["forecast"].tolist()
    assert depots.batch(records, versions(depots)) != segment.columns["forecast"].tolist()


def test_nothing_is_logged_of_the_rows_of_a_key_that_is_redacted(
    depots: Depots, tmp_path: Path
) -> None:
    segment = logged(depots, tmp_path / "log", needs(SCORED), drop=["depot"])
    assert set(segment.origins) == {"ware.digest", "ware.valid", "ware.known"}


def test_a_segment_without_some_rows_keeps_the_facts_of_the_others(
    depots: Depots, tmp_path: Path
) -> None:
    records = needs(SCORED)
    before = logged(depots, tmp_path / "log", records)
    key = LoggedKey("need_id", records[3]["need_id"], lambda: pytest.fail("it is not hashed"))

    erase_key(tmp_path / "log", key)

    (name,) = segment_names(tmp_path / "log")
    after = read_segment(segment_path(tmp_path / "log", name))
    kept = np.delete(np.arange(len(records)), 3)
    for origin, values in before.origins.items():
        np.testing.assert_array_equal(after.origins[origin], values[kept])
    assert after.requests.tables == before.requests.tables


def test_a_share_of_the_requests_is_logged_with_the_facts_of_their_own_rows(
    depots: Depots, tmp_path: Path
) -> None:
    log = Log(tmp_path / "log", RequestLog(share=0.5))
    records = needs(SCORED)
    with log, DepotsClient(depots.service(log)) as client:
        client.look()
        for record in records:
            assert client.ask([record]).status == 200
    (name,) = segment_names(tmp_path / "log")
    segment = read_segment(segment_path(tmp_path / "log", name))
    assert 0 < segment.rows < len(records)
    assert {len(values) for values in segment.origins.values()} == {segment.rows}
