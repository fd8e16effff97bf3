"""Deliveries of tables: what each check finds, and what the ledger holds afterwards."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lockstep.artifacts.ledgers import RECORD
from lockstep.columns.asof.layered_rows import LayeredRows
from lockstep.columns.decode import decode
from lockstep.errors import DeclarationError, NotDeliveredError
from lockstep.project.declaration import PipelineAssets
from lockstep.project.pipelines import pipelines
from lockstep.project.sources import CsvSource, FunctionSource
from lockstep.project.table_assets import TableAssets
from lockstep.store import table_deliveries
from lockstep.store.parquet import Store
from lockstep.store.streams import stream_records
from lockstep.store.table_deliveries import (
    TableDelivery,
    check_deliveries,
    checks_of,
    deliver,
    table_records,
)
from tests.fixtures.depots import DEPOTS, articles, climate, sales, write

DAY, NEXT = date(2020, 1, 1), date(2020, 1, 2)


@pytest.fixture(scope="module")
def declared() -> PipelineAssets:
    return pipelines(DEPOTS).get("depots")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "data")


@pytest.fixture
def upstream(home_path: Path) -> Path:
    return home_path / "upstream"


Take = Callable[..., TableDelivery]


@pytest.fixture
def take(declared: PipelineAssets, store: Store) -> Take:
    """Take in a delivery of a table."""

    def delivered(name: str, *days: str, **changes: Any) -> TableDelivery:
        (table,) = (table for table in declared.tables if table.name == name)
        return deliver(declared, replace(table, **changes), store, "run", days)

    return delivered


def results(delivery: TableDelivery) -> dict[str, str]:
    return {name: result.result for name, result in delivery.results.items()}


def figures(delivery: TableDelivery) -> tuple[int, ...]:
    return tuple(delivery.counts[name] for name in ("new", "restated", "repeated"))


# What is added


def test_a_first_delivery_is_added_as_a_whole(take: Take, upstream: Path) -> None:
    write(upstream / "sales.jsonl", sales())
    delivery = take("sale")
    assert figures(delivery) == (2040, 0, 0)
    assert results(delivery) == {
        "table": "passed",
        "append_only": "passed",
        "known_after": "not_judged",
        "table_freshness": "passed",
    }


def test_a_whole_table_that_comes_again_adds_what_is_new_or_restated(
    take: Take, upstream: Path
) -> None:
    write(upstream / "articles.jsonl", articles())
    take("article")
    heavier = [{**row, "weight": 99.0} if row["article"] == 3 else row for row in articles()]
    write(upstream / "articles.jsonl", [*heavier, {"article": 7, "weight": 1.0, "ware": "part"}])
    delivery = take("article")
    assert figures(delivery) == (1, 1, 5)
    found = delivery.results["append_only"]
    assert (found.result, found.keys) == ("warned", ("3",))
    assert set(delivery.results) == {"table", "append_only"}


def test_days_are_read_until_a_delivery_came_after_their_end(take: Take, upstream: Path) -> None:
    for day in (DAY, NEXT):
        write(upstream / f"climate-{day}.jsonl", climate(day))
    assert figures(take("climate")) == (144, 0, 0)
    restated = [{**row, "degrees": 30.0} for row in climate(DAY)]
    write(upstream / f"climate-{DAY}.jsonl", restated)
    later = NEXT + timedelta(days=1)
    write(upstream / f"climate-{later}.jsonl", climate(later))
    assert figures(take("climate")) == (72, 0, 0)
    assert figures(take("climate", DAY.isoformat())) == (0, 72, 0)


def test_where_nothing_came_the_rows_before_count(take: Take, upstream: Path) -> None:
    write(upstream / "articles.jsonl", articles())
    version = take("article").ledger.version
    (upstream / "articles.jsonl").unlink()
    delivery = take("article")
    assert results(delivery) == {"table": "not_judged", "append_only": "not_judged"}
    assert delivery.ledger.version == version
    assert not delivery.blocked_by


def test_a_table_that_never_came_is_told_by_its_source(take: Take) -> None:
    with pytest.raises(NotDeliveredError, match=r"upstream/sales\.jsonl: there is no file"):
        take("sale")


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
    take: Take, upstream: Path, rows: list[dict[str, Any]], said: str
) -> None:
    write(upstream / f"climate-{DAY}.jsonl", climate(DAY))
    good = take("climate").ledger
    version = good.version
    write(upstream / f"climate-{NEXT}.jsonl", rows)
    delivery = take("climate")
    assert said in delivery.results["table"].summary
    assert list(delivery.blocked_by) == ["table"]
    assert good.version == version


def test_a_row_that_does_not_fit_is_set_aside_with_its_reason(take: Take, upstream: Path) -> None:
    write(upstream / f"climate-{DAY}.jsonl", changed(climate(DAY), 5, degrees="warm"))
    delivery = take("climate")
    assert (results(delivery)["table"], figures(delivery)) == ("warned", (71, 0, 0))
    assert delivery.counts["quarantined"] == 1
    assert "degrees" in delivery.results["table"].summary


def test_a_file_that_is_no_table_is_a_failed_check(take: Take, upstream: Path) -> None:
    write(upstream / "articles.jsonl", [])
    (upstream / "articles.jsonl").write_text('[1, 2]\n"three"\n')
    delivery = take("article")
    assert list(delivery.blocked_by) == ["table"]


def test_a_clock_that_was_set_back_adds_nothing(
    take: Take, upstream: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(upstream / "articles.jsonl", articles())
    take("article")

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime(2020, 1, 1, tzinfo=tz)

    monkeypatch.setattr(table_deliveries, "datetime", Clock)
    delivery = take("article")
    assert "Set the clock right" in delivery.results["table"].summary


@pytest.fixture
def lost(take: Take, upstream: Path, declared: PipelineAssets, store: Store) -> TableDelivery:
    """A delivery to a ledger that no longer has the one before."""
    write(upstream / f"climate-{DAY}.jsonl", climate(DAY))
    ledger = take("climate").ledger
    copy = (ledger.folder / RECORD).read_bytes()
    write(upstream / f"climate-{NEXT}.jsonl", climate(NEXT))
    take("climate")
    assert check_deliveries(declared, store).passed
    (ledger.folder / RECORD).write_bytes(copy)
    return take("climate")


def test_a_ledger_that_lost_a_delivery_is_told_before_anything_is_added(
    lost: TableDelivery,
) -> None:
    assert list(lost.blocked_by) == ["append_only"]
    assert "The ledger of climate has lost rows" in lost.results["append_only"].summary


def test_what_a_ledger_has_lost_blocks_whatever_reads_it(
    lost: TableDelivery, declared: PipelineAssets, store: Store
) -> None:
    found = check_deliveries(declared, store)
    assert (found.is_error, found.where) == (True, "table climate")


# Warnings


def test_rows_that_came_later_than_declared_are_counted_with_the_delay_that_would_hold(
    take: Take, upstream: Path
) -> None:
    write(upstream / "sales.jsonl", sales())
    take("sale")
    now = datetime.now(UTC)
    late = [
        {"depot": "north", "article": 1, "sold_at": (now - ago).isoformat(), "sold": 1.0}
        for ago in (timedelta(minutes=5), timedelta(minutes=10), timedelta(hours=3))
    ]
    write(upstream / "sales.jsonl", [*sales(), *late])
    found = take("sale").results["known_after"]
    assert (found.result, found.numbers["late"], found.numbers["rows"]) == ("warned", 1, 3)
    assert "99.9 % came within 3:00:0" in found.summary
    assert "known_after=0:30:00 is declared" in found.summary


def test_a_table_whose_newest_row_no_lookup_finds_any_more_is_stale(
    take: Take, upstream: Path
) -> None:
    write(upstream / f"climate-{DAY}.jsonl", climate(DAY))
    found = take("climate").results["table_freshness"]
    assert found.result == "warned"
    assert found.column == "hour"
    assert "The newest hour of climate is 2020-01-01 23:00 UTC" in found.summary
    assert "(at most 6:00:00)" in found.summary
    assert take("climate", max_age=timedelta(days=99)).results["table_freshness"].passed


def test_where_a_calendar_has_ended_its_clock_stands_at_the_end_of_the_last_scored_day(
    take: Take, upstream: Path, declared: PipelineAssets, store: Store
) -> None:
    write(upstream / "sales.jsonl", sales())
    assert take("sale").results["table_freshness"].numbers["age in hours"] == 0
    stream_records(declared, store, "daily").begin("2020-03-20", "run")
    found = take("sale").results["table_freshness"]
    assert found.result == "warned"
    assert "before 2020-03-21 00:00" in found.summary


# Records and declarations


def test_a_delivery_keeps_what_was_set_aside_and_what_great_expectations_said(
    take: Take, declared: PipelineAssets, upstream: Path
) -> None:
    write(upstream / f"climate-{DAY}.jsonl", changed(climate(DAY), 5, degrees=77.0))
    ledger = take("climate").ledger
    attempt = table_records(declared, ledger).demand("climate")
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


def test_rows_of_times_that_cannot_be_are_set_aside_and_keep_no_table_fresh(
    take: Take, upstream: Path
) -> None:
    strange = [
        {"depot": "north", "article": 1, "sold_at": f"{year}-01-01T00:00:00Z", "sold": 1.0}
        for year in ("0001", "9999")
    ]
    write(upstream / "sales.jsonl", [*sales(), *strange])
    delivery = take("sale")
    assert (delivery.counts["quarantined"], delivery.counts["new"]) == (2, 2040)
    assert "(sold_at) and are set aside" in delivery.results["table"].summary
    assert "no time of a row, which is between 1700 and 2200" in delivery.results["table"].summary

    columns = decode(strange[1:], delivery.ledger.schema.schema).columns  # as was once allowed
    delivery.ledger.add(columns, datetime.now(UTC))
    fresh = take("sale").results["table_freshness"]
    assert "The newest sold_at of sale is 2020-" in fresh.summary


def test_a_delivered_row_of_a_table_may_be_valid_from_a_time_to_come(
    take: Take, upstream: Path
) -> None:
    ahead = (datetime.now(UTC) + timedelta(days=90)).replace(microsecond=0)
    row = {"depot": "north", "hour": ahead.isoformat(), "degrees": 7.0}
    write(upstream / f"climate-{DAY}.jsonl", [*climate(DAY), row])
    assert take("climate").counts["quarantined"] == 0


def test_rows_that_were_posted_are_held_to_known_after(take: Take, upstream: Path) -> None:
    write(upstream / "sales.jsonl", sales())
    ledger = take("sale").ledger
    now = datetime.now(UTC)
    row = {"depot": "north", "article": 1, "sold_at": (now - timedelta(hours=3)).isoformat()}
    posted = decode([{**row, "sold": 1.0}], ledger.schema.schema).columns
    ledger.post(posted, lambda _: LayeredRows(ledger.rows()).of_keys(posted))

    found = take("sale").results["known_after"]

    assert (found.result, found.numbers["late"], found.numbers["rows"]) == ("warned", 1, 1)
