"""Bands: what published batches of late had is usual, and what is sudden is not."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.checks.laws import check_laws
from lockstep.laws import segments
from lockstep.laws.bands import LATE, LATE_TIMES, WIDER, Band
from lockstep.laws.book import Book
from lockstep.laws.earlier import Earlier
from lockstep.laws.margins import calibrated
from lockstep.laws.rows import Rows
from tests.lockstep.laws.tables import DAYS, SCHEMA, reports, training

WEEKS = 6 * 7
FAR = 25.0
"""How much more `load` is in the north in the end, where a day's mean moves by about one."""


def band_of(reach: float = 0.5) -> Band:
    return Band(-1.0, 0.0, 1.0, reach, unusual=2.0, impossible=4.0)


@pytest.fixture(scope="module")
def book() -> Book:
    found, margins = calibrated(segments.discover(training()))
    return Book(timezone="UTC", days=DAYS, laws=found, unjudged={}, margins=margins)


def day_with(more: float, day: int = DAYS, earlier: tuple[Earlier, ...] = ()) -> Rows:
    columns = reports(day)
    load = columns["load"] + np.where(columns["site"] == "north", more, 0.0)
    return Rows({**columns, "load": load}, SCHEMA, earlier=earlier)


def kept(book: Book, *more: float) -> tuple[Earlier, ...]:
    first = DAYS - len(more)
    return tuple(
        book.remembered(day_with(one, first + number), str(number))
        for number, one in enumerate(more)
    )


def season(book: Book) -> Iterator[tuple[Rows, tuple[Earlier, ...]]]:
    """Days on which the level in the north moves a little each, with those before them."""
    earlier: tuple[Earlier, ...] = ()
    for number in range(1, WEEKS + 1):
        rows = day_with(FAR * number / WEEKS, DAYS + number, earlier[-28:])
        yield rows, earlier
        earlier = (*earlier, book.remembered(rows, str(number)))


def test_a_level_that_moves_a_little_each_day_breaks_nothing(book: Book) -> None:
    assert [found for rows, _ in season(book) for found in book.find(rows)] == []


def test_a_level_that_moves_as_far_at_once_cannot_be(book: Book) -> None:
    found = book.find(day_with(FAR))
    assert any(one.strict and one.columns[0] == "load" for one in found)


def test_what_one_batch_of_the_last_had_is_not_usual(book: Book) -> None:
    assert book.find(day_with(FAR, earlier=kept(book, *[0.0] * (LATE - 1), FAR)))


def test_what_some_of_the_last_batches_had_is_usual(book: Book) -> None:
    of_late = [0.0] * (LATE - LATE_TIMES) + [FAR] * LATE_TIMES
    assert book.find(day_with(FAR, earlier=kept(book, *of_late))) == []


def test_a_check_tells_what_is_usual_for_batches_of_late_alone(book: Book) -> None:
    rows = day_with(FAR, earlier=kept(book, *[FAR] * LATE_TIMES))
    said = check_laws(book, rows)
    assert said.passed
    assert said.numbers["beyond training, as of late"] > 0
    assert "beyond the limits of training, as of late" in said.summary


def test_what_batches_had_before_the_last_is_not_usual(book: Book) -> None:
    assert book.find(day_with(FAR, earlier=kept(book, *[FAR] * LATE, *[0.0] * LATE)))


def test_what_laws_of_another_fit_told_says_nothing(book: Book) -> None:
    found, margins = calibrated(
        segments.discover(training(load=reports(days=DAYS, seed=1)["load"]))
    )
    other = Book(timezone="UTC", days=DAYS, laws=found, unjudged={}, margins=margins)
    assert book.find(day_with(FAR, earlier=kept(other, *[FAR] * LATE)))


def test_late_batches_do_not_make_room_for_ever_larger_steps() -> None:
    band = band_of()
    first = band.limits(band.warns_beyond, 0.0)[1] - band.highest
    for _ in range(10):
        farthest = band.limits(band.warns_beyond, 0.0)[1]
        assert farthest - band.highest <= WIDER * first
        band = band_of().with_late([farthest] * LATE_TIMES)


@given(st.lists(st.floats(-9, 9), max_size=LATE))
def test_late_batches_never_make_a_band_narrower(late: list[float]) -> None:
    band, of_late = band_of(), band_of().with_late(late)
    assert of_late.lowest <= band.lowest
    assert of_late.highest >= band.highest


@given(st.floats(-9, 9), st.floats(-9, 9))
def test_no_single_late_batch_decides_how_far_a_band_reaches(usual: float, odd: float) -> None:
    late = [usual] * LATE_TIMES
    assert band_of().with_late([*late, odd]).highest <= max(
        band_of().highest, usual, min(odd, usual)
    )
