"""Of rows that belong together some are lost, or come twice: no value is another one."""

import numpy as np
import pytest

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.columns.tables import take_rows
from lockstep.laws import sizes
from lockstep.laws.law import Law
from lockstep.laws.rows import Rows, TrainingRows
from tests.lockstep.laws.tables import columns

SCHEMA = Schema(
    "Line",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("receipt", "int"),  # new every day
        Field("shelf", "str"),  # the same thirty every day
    ),
)
DAYS = 30


def lines(first: int, days: int = 1, receipts: int = 80) -> Columns:
    """Lines of the receipts of some days, each of up to eleven lines."""
    parts = [_day(day, receipts) for day in range(first, first + days)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _day(day: int, receipts: int) -> Columns:
    generator = np.random.default_rng(day)
    some = receipts + int(generator.integers(-10, 11))
    receipt = np.repeat(np.arange(some), generator.integers(1, 12, some))
    at = np.datetime64("2021-01-01", "m") + day * 1440 + 480 + receipt
    shelf = generator.integers(0, 30, len(receipt))
    return {
        "id": np.array([f"{day}-{row}" for row in range(len(receipt))], dtype=object),
        "at": at.astype("datetime64[us]"),
        "receipt": day * 1000 + receipt,
        "shelf": np.array([f"S{one}" for one in shelf], dtype=object),
    }


@pytest.fixture(scope="module")
def laws() -> list[Law]:
    return list(sizes.discover(TrainingRows.of(Rows(lines(0, DAYS), SCHEMA))))


@pytest.mark.parametrize("day", range(DAYS, DAYS + 10))
def test_a_later_day_has_values_of_as_many_rows(laws, day):
    assert columns(laws, Rows(lines(day), SCHEMA), strict=False) == set()


def test_a_day_of_more_rows_has_more_receipts_or_more_rows_of_each_shelf(laws):
    assert columns(laws, Rows(lines(DAYS, receipts=98), SCHEMA), strict=False) == set()


def test_receipts_of_few_lines_that_are_lost_are_found(laws):
    day = lines(DAYS)
    of_receipt = np.bincount(day["receipt"] - DAYS * 1000)[day["receipt"] - DAYS * 1000]
    kept = take_rows(day, of_receipt >= 5)

    assert columns(laws, Rows(kept, SCHEMA), strict=False) == {"receipt", "at"}


def test_one_line_of_each_receipt_is_found(laws):
    day = lines(DAYS, receipts=400)
    first = np.unique(day["receipt"], return_index=True)[1]

    assert columns(laws, Rows(take_rows(day, first), SCHEMA)) == {"receipt", "at"}
