"""Rows that were set aside are listed, shown, and put back by commands."""

import json
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from assets.orders import orders
from tests.fixtures.commands import Lockstep
from tests.fixtures.orders import Workplace

DAY, KEY, OTHER = "2020-03-01", "2020-03-01-0003", "2020-03-01-0007"


@pytest.fixture
def with_rows_aside(live: Workplace, lockstep: Lockstep) -> Workplace:
    """A home in which two rows of a day are set aside: the price of both is nothing."""
    frame = orders(date.fromisoformat(DAY))
    frame.loc[frame["order_id"].isin([KEY, OTHER]), "price"] = 0.0
    live.deliver(DAY, frame)
    assert lockstep("score", "orders", "--day", DAY).status == 0
    return live


def published(place: Workplace) -> dict[str, float]:
    table = pd.read_parquet(place.records().export_path(DAY))
    return dict(zip(table["order_id"], table["risk"], strict=True))


def test_rows_are_listed_put_back_and_stay_so(
    with_rows_aside: Workplace, lockstep: Lockstep, tmp_path: Path
) -> None:
    listed = json.loads(lockstep("quarantine", "list", "orders", "--day", DAY, "--json").out)
    assert {row["key"]: row["fate"] for row in listed} == dict.fromkeys([KEY, OTHER], "quarantined")
    assert all(row["acceptable"] for row in listed)
    (shown,) = json.loads(lockstep("quarantine", "show", "orders", "--key", KEY).out)
    assert "price" in shown["reasons"]
    assert {KEY, OTHER}.isdisjoint(published(with_rows_aside))

    corrected = tmp_path / "corrected.jsonl"
    corrected.write_text(json.dumps({**shown["record"], "price": 20.5}) + "\n")
    put = lockstep("quarantine", "retry", "orders", "--day", DAY, "--rows", str(corrected))
    assert put.status == 0, put
    assert KEY in published(with_rows_aside)
    assert OTHER not in published(with_rows_aside)

    put = lockstep("quarantine", "retry", "orders", "--day", DAY, "--key", OTHER)
    assert put.status == 0, put
    attempt = with_rows_aside.records().demand(DAY)
    assert attempt.number == 3
    conservation = attempt.record.steps["scored"].results["row_conservation"]
    assert conservation.passed
    assert "120 rows in = 120 scored + 0 quarantined" in conservation.summary
    assert "put back are 1 corrected and 1 accepted" in conservation.summary
    assert conservation.numbers["put back"] == 2

    assert lockstep("score", "orders", "--day", DAY).status == 0
    assert {KEY, OTHER} <= set(published(with_rows_aside))
    assert json.loads(lockstep("quarantine", "list", "orders", "--json").out) == []


def test_a_row_that_is_set_aside_again_is_told(
    with_rows_aside: Workplace, lockstep: Lockstep, tmp_path: Path
) -> None:
    (shown,) = json.loads(lockstep("quarantine", "show", "orders", "--key", KEY).out)
    corrected = tmp_path / "corrected.jsonl"
    corrected.write_text(json.dumps({**shown["record"], "price": -2.0}) + "\n")
    put = lockstep("quarantine", "retry", "orders", "--day", DAY, "--rows", str(corrected))
    assert put.status == 1
    assert f"{KEY} is set aside again: price: -2 is at most 0" in put.err


def test_a_row_that_would_be_set_aside_again_is_not_accepted(
    live: Workplace, lockstep: Lockstep
) -> None:
    frame = orders(date.fromisoformat(DAY))
    frame["items"] = frame["items"].astype("object")
    frame.loc[frame["order_id"] == KEY, "items"] = None
    live.deliver(DAY, frame)
    assert lockstep("score", "orders", "--day", DAY).status == 0
    (row,) = json.loads(lockstep("quarantine", "list", "orders", "--json").out)
    assert row["acceptable"] is False
    error = lockstep("quarantine", "retry", "orders", "--day", DAY, "--key", KEY).error
    assert f"{KEY} cannot be accepted as it is (items: missing" in error
    assert f"--rows FILE --row {row['row']}" in error
    assert live.attempt(DAY).number == 1, "nothing was scored anew"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--key", KEY], "Say of which partition: either --day DAY, or --file NAME."),
        (["--day", DAY], "Say which rows: --key KEY for one to accept as it is, or --rows FILE"),
        (["--day", DAY, "--key", "x"], "orders has made no attempt at 2020-03-01 yet."),
    ],
)
def test_what_cannot_be_put_back_is_one_line(
    live: Workplace, lockstep: Lockstep, options: list[str], error: str
) -> None:
    assert error in lockstep("quarantine", "retry", "orders", *options).error
