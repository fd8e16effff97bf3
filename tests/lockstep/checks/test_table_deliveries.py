"""Deliveries of tables: what each check finds, and what the ledger holds afterwards."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from lockstep.checks import table_deliveries
from lockstep.checks.streams import stream_records
from lockstep.checks.table_deliveries import (
    TableDelivery,
    check_deliveries,
    checks_of,
    deliver,
    table_records,
)
from lockstep.columns.decode import decode
from lockstep.errors import DeclarationError, NotDeliveredError
from lockstep.project.declaration import PipelineAssets
from lockstep.project.pipelines import pipelines
from lockstep.project.sources import CsvSource, FunctionSource
from lockstep.project.table_assets import TableAssets
from lockstep.store.ledgers import RECORD
from lockstep.store.parquet import Store
from lockstep.tables.layered import LayeredRows
from tests.fixtures.depots import DEPOTS, articles, climate, sales, write

DAY, NEXT = date(2020, 1, 1), date(2020, 1, 2)


def file_of(name: str, day: date) -> str:
    return f"climate-{day}.jsonl" if name == "climate" else f"{name}s.jsonl"


@dataclass(frozen=True)
class Depots:
    """A project whose tables are delivered in files."""

    declared: PipelineAssets
    store: Store
    upstream: Path

    def write(self, name: str, rows: list[dict[str, Any]], day: date = DAY) -> Path:
        write(self.upstream / file_of(name, day), rows)
        return self.upstream / file_of(name, day)

    def take(self, name: str, *days: str, **changes: Any) -> TableDelivery:
        """Take in a delivery of a table."""
        (table,) = (table for table in self.declared.tables if table.name == name)
        return deliver(self.declared, replace(table, **changes), self.store, "run", days)

    def deliver(self, name: str, rows: list[dict[str, Any]], day: date = DAY) -> TableDelivery:
        """Write a file and take it in."""
        self.write(name, rows, day)
        return self.take(name)


@pytest.fixture(scope="module")
def declared() -> PipelineAssets:
    return pipelines(DEPOTS).get("depots")


@pytest.fixture
def depots(declared: PipelineAssets, tmp_path: Path, home_path: Path) -> Depots:
    return Depots(declared, Store(tmp_path / "data"), home_path / "upstream")


def results(delivery: TableDelivery) -> dict[str, str]:
    return {name: result.result for name, result in delivery.results.items()}


def figures(delivery: TableDelivery) -> tuple[int, ...]:
    return tuple(delivery.counts[name] for name in ("new", "restated", "repeated"))


# What is added


def test_a_first_delivery_is_added_as_a_whole(depots: Depots) -> None:
    delivery = depots.deliver("sale", sales())
    assert figures(delivery) == (2040, 0, 0)
    assert results(delivery) == {
        "table": "passed",
        "append_only": "passed",
        "known_after": "not_judged",
        "table_freshness": "passed",
    }


def test_a_whole_table_that_comes_again_adds_what_is_new_or_restated(depots: Depots) -> None:
    depots.deliver("article", articles())
    heavier = [{**row, "weight": 99.0} if row["article"] == 3 else row for row in articles()]
    delivery = depots.deliver("article", [*heavier, {"article": 7, "weight": 1.0, "ware": "part"}])
    assert figures(delivery) == (1, 1, 5)
    found = delivery.results["append_only"]
    assert (found.result, found.keys) == ("warned", ("3",))
    assert set(delivery.results) == {"table", "append_only"}


def test_days_are_read_until_a_delivery_came_after_their_end(depots: Depots) -> None:
    depots.write("climate", climate(DAY))
    assert figures(depots.deliver("climate", climate(NEXT), NEXT)) == (144, 0, 0)
    depots.write("climate", [{**row, "degrees": 30.0} for row in climate(DAY)])
    later = NEXT + timedelta(days=1)
    assert figures(depots.deliver("climate", climate(later), later)) == (72, 0, 0)
    assert figures(depots.take("climate", DAY.isoformat())) == (0, 72, 0)


def test_where_nothing_came_the_rows_before_count(depots: Depots) -> None:
    version = depots.deliver("article", articles()).ledger.version
    (depots.upstream / "articles.jsonl").unlink()
    delivery = depots.take("article")
    assert results(delivery) == {"table": "not_judged", "append_only": "not_judged"}
    assert delivery.ledger.version == version
    assert not delivery.blocked_by


def test_a_table_that_never_came_is_told_by_its_source(depots: Depots) -> None:
    with pytest.raises(NotDeliveredError, match=r"upstream/sales\.jsonl: there is no file"):
        depots.take("sale")


# What is refused


def changed(rows: list[dict[str, Any]], number: int, **values: Any) -> list[dict[str, Any]]:
    return [{**row, **values} if place == number else row for place, row in enumerate(rows)]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([*climate(DAY), {**climate(DAY)[0], "degrees": 7.7}], "2 rows have the key and time"),
        ([{**row, "degrees": "warm"} for row in climate(DAY)], "72 of 72 rows do not fit Climate"),
        ([{**row, "degrees": 99.0} for row in climate(DAY)], "at most 5 % of the rows may be"),
    ],
)
def test_after_an_error_nothing_is_added_and_the_last_good_version_stays(
    depots: Depots, rows: list[dict[str, Any]], said: str
) -> None:
    good = depots.deliver("climate", climate(DAY)).ledger
    version = good.version
    delivery = depots.deliver("climate", rows, NEXT)
    assert said in delivery.results["table"].summary
    assert list(delivery.blocked_by) == ["table"]
    assert good.version == version


def test_a_row_that_does_not_fit_is_set_aside_with_its_reason(depots: Depots) -> None:
    delivery = depots.deliver("climate", changed(climate(DAY), 5, degrees="warm"))
    assert (results(delivery)["table"], figures(delivery)) == ("warned", (71, 0, 0))
    assert delivery.counts["quarantined"] == 1
    assert "degrees" in delivery.results["table"].summary


def test_a_file_that_is_no_table_is_a_failed_check(depots: Depots) -> None:
    depots.write("article", []).write_text('[1, 2]\n"three"\n')
    assert list(depots.take("article").blocked_by) == ["table"]


def test_a_clock_that_was_set_back_adds_nothing(
    depots: Depots, monkeypatch: pytest.MonkeyPatch
) -> None:
    depots.deliver("article", articles())
    clock = Mock(wraps=datetime, now=lambda zone: datetime(2020, 1, 1, tzinfo=zone))
    monkeypatch.setattr(table_deliveries, "datetime", clock)
    assert "Set the clock right" in depots.take("article").results["table"].summary


def test_a_ledger_that_lost_a_delivery_is_told_and_blocks_whatever_reads_it(depots: Depots) -> None:
    ledger = depots.deliver("climate", climate(DAY)).ledger
    copy = (ledger.folder / RECORD).read_bytes()
    depots.deliver("climate", climate(NEXT), NEXT)
    assert check_deliveries(depots.declared, depots.store).passed
    (ledger.folder / RECORD).write_bytes(copy)
    lost = depots.take("climate")
    assert list(lost.blocked_by) == ["append_only"]
    assert "The ledger of climate has lost rows" in lost.results["append_only"].summary
    found = check_deliveries(depots.declared, depots.store)
    assert (found.is_error, found.where) == (True, "table climate")


# Warnings


def test_rows_that_came_late_are_counted_with_the_delay_that_would_hold(depots: Depots) -> None:
    depots.deliver("sale", sales())
    now = datetime.now(UTC)
    late = [
        {"depot": "north", "article": 1, "sold_at": (now - ago).isoformat(), "sold": 1.0}
        for ago in (timedelta(minutes=5), timedelta(minutes=10), timedelta(hours=3))
    ]
    found = depots.deliver("sale", [*sales(), *late]).results["known_after"]
    assert (found.result, found.numbers["late"], found.numbers["rows"]) == ("warned", 1, 3)
    assert "99.9 % came within 3:00:0" in found.summary
    assert "known_after=0:30:00 is declared" in found.summary


def test_a_table_whose_newest_row_no_lookup_finds_any_more_is_stale(depots: Depots) -> None:
    found = depots.deliver("climate", climate(DAY)).results["table_freshness"]
    assert found.result == "warned"
    assert found.column == "hour"
    assert "The newest hour of climate is 2020-01-01 23:00 UTC" in found.summary
    assert "(at most 6:00:00)" in found.summary
    assert depots.take("climate", max_age=timedelta(days=99)).results["table_freshness"].passed


def test_where_a_calendar_has_ended_its_clock_stands_after_the_last_scored_day(
    depots: Depots,
) -> None:
    assert depots.deliver("sale", sales()).results["table_freshness"].numbers["age in hours"] == 0
    stream_records(depots.declared, depots.store, "daily").begin("2020-03-20", "run")
    found = depots.take("sale").results["table_freshness"]
    assert found.result == "warned"
    assert "before 2020-03-21 00:00" in found.summary


# Records and declarations


def test_a_delivery_keeps_what_was_set_aside_and_what_its_suite_said(depots: Depots) -> None:
    ledger = depots.deliver("climate", changed(climate(DAY), 5, degrees=77.0)).ledger
    attempt = table_records(depots.declared, ledger).demand("climate")
    assert {"table_quarantine.parquet", "table_suite.json"} <= set(attempt.files)
    reasons = attempt.read("table_quarantine").column("reasons").to_pylist()
    assert len(reasons) == 1
    assert "degrees" in reasons[0]


def test_every_table_that_is_read_needs_a_source(declared: PipelineAssets) -> None:
    with pytest.raises(DeclarationError, match="depots reads the table climate, and nothing says"):
        replace(declared, tables=declared.tables[1:])


def test_a_table_that_nobody_reads_is_refused(declared: PipelineAssets) -> None:
    from lockstep import Key, Table

    class Unread(Table, static=True):
        """Nobody reads it."""

        name: Key[str]

    table = TableAssets(Unread, FunctionSource(list))
    with pytest.raises(DeclarationError, match="tables has Unread, and no look-up or window"):
        replace(declared, tables=[*declared.tables, table])


def test_a_source_by_day_says_from_when_on(declared: PipelineAssets) -> None:
    table = declared.tables[0]
    with pytest.raises(DeclarationError, match="Or give since=DAY"):
        replace(table, source=CsvSource("climate/{day}.csv"), since=None)


def test_checks_that_can_never_be_judged_are_not_declared(declared: PipelineAssets) -> None:
    names = [[check.name for check in checks_of(declared, table)] for table in declared.tables]
    assert [len(of_table) for of_table in names] == [4, 2, 4]


def test_rows_of_times_that_cannot_be_are_set_aside_and_keep_no_table_fresh(depots: Depots) -> None:
    strange = [
        {"depot": "north", "article": 1, "sold_at": f"{year}-01-01T00:00:00Z", "sold": 1.0}
        for year in ("0001", "9999")
    ]
    delivery = depots.deliver("sale", [*sales(), *strange])
    assert (delivery.counts["quarantined"], delivery.counts["new"]) == (2, 2040)
    assert "(sold_at) and are set aside" in delivery.results["table"].summary
    assert "no time of a row, which is between 1700 and 2200" in delivery.results["table"].summary

    columns = decode(strange[1:], delivery.ledger.schema.schema).columns  # as was once allowed
    delivery.ledger.add(columns, datetime.now(UTC))
    fresh = depots.take("sale").results["table_freshness"]
    assert "The newest sold_at of sale is 2020-" in fresh.summary


def test_a_delivered_row_of_a_table_may_be_valid_from_a_time_to_come(depots: Depots) -> None:
    ahead = (datetime.now(UTC) + timedelta(days=90)).replace(microsecond=0)
    row = {"depot": "north", "hour": ahead.isoformat(), "degrees": 7.0}
    assert depots.deliver("climate", [*climate(DAY), row]).counts["quarantined"] == 0


def test_rows_that_were_posted_are_held_to_known_after(depots: Depots) -> None:
    ledger = depots.deliver("sale", sales()).ledger
    now = datetime.now(UTC)
    row = {"depot": "north", "article": 1, "sold_at": (now - timedelta(hours=3)).isoformat()}
    posted = decode([{**row, "sold": 1.0}], ledger.schema.schema).columns
    ledger.post(posted, lambda _: LayeredRows(ledger.rows()).of_keys(posted))

    found = depots.take("sale").results["known_after"]

    assert (found.result, found.numbers["late"], found.numbers["rows"]) == ("warned", 1, 1)
