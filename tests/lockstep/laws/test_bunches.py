"""Rows that come together tell as much as fewer that come by themselves."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws import segments, volume
from lockstep.laws.bunches import Bunches, bunches_of
from lockstep.laws.glance import Segments, glance
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.terms import Term
from tests.lockstep.laws.tables import broken

SCHEMA = Schema(
    "Line",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("receipt", "int"),
        Field("till", "int"),  # a code, of the receipt
        Field("paid", "str"),  # how, of the receipt
        Field("shelf", "str"),  # of the line
        Field("aisle", "int"),  # of the shelf, the same every day
        Field("price", "float"),  # of the line
    ),
)
DAYS = 30
RECEIPTS = 60
PAID = ("card", "cash", "cheque", "voucher")
TILLS = np.array([301, 305, 307, 31_842])


def lines(first: int, days: int = 1) -> Columns:
    """Lines of the receipts of some days: 60 a day, each of up to twenty lines."""
    parts = [_day(day) for day in range(first, first + days)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _day(day: int) -> Columns:
    generator = np.random.default_rng(day)
    receipt = np.repeat(np.arange(RECEIPTS), generator.integers(1, 21, RECEIPTS))
    shelf = generator.integers(0, 20, len(receipt))
    minutes = np.sort(generator.integers(480, 1200, RECEIPTS))
    tills = TILLS[generator.choice(4, RECEIPTS, p=[0.4, 0.3, 0.28, 0.02])]
    paid = np.array(PAID, dtype=object)[generator.choice(4, RECEIPTS, p=[0.5, 0.35, 0.1, 0.05])]
    at = np.datetime64("2021-01-01", "m") + day * 1440 + minutes[receipt]
    return {
        "id": np.array([f"{day}-{row}" for row in range(len(receipt))], dtype=object),
        "at": at.astype("datetime64[us]"),
        "receipt": day * 1000 + receipt,
        "till": tills[receipt],
        "paid": paid[receipt],
        "shelf": np.array([f"S{one}" for one in shelf], dtype=object),
        "aisle": shelf // 5,
        "price": generator.gamma(2.0, 2.0, len(receipt)).round(2),
    }


@pytest.fixture(scope="module")
def training() -> TrainingRows:
    return TrainingRows.of(Rows(lines(0, DAYS), SCHEMA))


@pytest.mark.parametrize("column", ["till", "paid"])
def test_what_is_one_for_each_receipt_comes_in_receipts(training, column):
    rows = Rows(lines(DAYS), SCHEMA)
    sizes = np.bincount(rows.columns["receipt"])

    assert bunches_of(training)[column].effect(rows) > 0.8 * (sizes @ sizes) / sizes.sum()


@pytest.mark.parametrize("column", ["shelf", "aisle", "price"])
def test_what_is_of_each_line_or_the_same_every_day_comes_by_itself(training, column):
    rows = Rows(lines(DAYS), SCHEMA)

    assert bunches_of(training)[column].effect(rows) < 1.5


def test_what_few_receipts_tell_is_not_told_on_any_later_day(training):
    laws = [*segments.discover(training), *volume.discover(training)]

    assert [broken(laws, Rows(lines(day), SCHEMA)) for day in range(DAYS, DAYS + 30)] == [[]] * 30


def test_prices_of_one_way_to_pay_in_another_unit_are_found(training):
    day = lines(DAYS)
    price = np.where(day["paid"] == "cheque", day["price"] * 100, day["price"])
    found = broken(segments.discover(training), Rows({**day, "price": price}, SCHEMA))

    assert any(one.strict and one.columns[0] == "price" for one in found)


def receipts(sizes: Sequence[int], of_segment: Sequence[bool]) -> Rows:
    """Lines of receipts of some sizes, paid by card or in cash."""
    receipt = np.repeat(np.arange(len(sizes)), sizes)
    columns = {name: array[: len(receipt)] for name, array in lines(0).items()}
    paid = np.where(np.resize(of_segment, len(receipt)), "card", "cash").astype(object)
    return Rows({**columns, "receipt": receipt, "paid": paid}, SCHEMA)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 12), min_size=2, max_size=20), st.lists(st.booleans(), min_size=1))
def test_rows_tell_as_much_in_a_segment_as_they_do_alone(sizes, of_segment):
    rows, bunches = receipts(sizes, of_segment), Bunches((Term("receipt"),), 0.7)
    by_card = rows.columns["paid"] == "card"
    inside, outside = bunches.effects(glance(rows), Segments("paid", ("card",)))[:, 0]

    for found, kept in ((inside, by_card), (outside, ~by_card)):
        assert found == pytest.approx(bunches.effect(rows.take(kept)) if kept.any() else 1.0)
