"""Numbering: keys whose numbers run without gaps, and the rows that lack."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.checks.constraint_checks import Terms
from lockstep.constraints.constraint_set import discover
from lockstep.stats.number_runs import Runs
from tests.lockstep.constraints.tables import (
    FIRST,
    ORDERS,
    Known,
    days_of,
    joined,
    judged_days,
    only,
    orders,
    remembered_days,
    texts,
    weighed_day,
)

DAYS = 40
A_DAY = 60


def numbered(day: int):
    """The orders of a day, whose numbers go on from day to day."""
    rows = only(orders(day), slice(0, A_DAY))
    keys = [f"S-{day * A_DAY + place:05d}" for place in range(A_DAY)]
    return {**rows, "id": texts(keys)}


@pytest.fixture(scope="module")
def counted() -> Known:
    return Known.of(numbered, ORDERS, DAYS)


def without(rows, *places):
    return only(rows, ~np.isin(np.arange(len(rows["id"])), places))


def past_of(known: Known, ahead: int, rows):
    view = known.constraints.view(rows, days_of(rows), ())
    judged = judged_days(known.constraints, view)
    return remembered_days(known.constraints, view, judged, f"day {ahead}")


def test_a_lost_row_is_found_and_named(counted):
    found = counted.first(without(counted.day(), 17))
    assert found.strict
    assert found.what == "id: 1 row is lost, by the gaps in the numbers of id: S-02417"


def test_rows_lost_of_a_series_a_day_are_found_from_its_first_number_on(shops):
    found = shops.first(without(shops.day(), 0, 1, 17))
    day = np.datetime64(FIRST + shops.days, "D")
    lost = f"{day}/0000 to {day}/0001, {day}/0017"
    assert found.what == f"id: 3 rows are lost, by the gaps in the numbers of id: {lost}"


def test_rows_lost_between_two_days_are_found(counted):
    before = past_of(counted, 0, counted.day())
    rows = only(counted.day(1), slice(4, None))
    (found, *_) = counted.findings(rows, before)
    assert found.what == "id: 4 rows are lost, by the gaps in the numbers of id: S-02460 to S-02463"


def test_numbers_that_come_out_of_order_lack_until_they_are_there(counted):
    first, late = past_of(counted, 0, counted.day()), counted.day(1)
    (found, *_) = counted.findings(counted.day(2), first)
    assert found.what.endswith("S-02460 to S-02519")
    third = past_of(counted, 2, counted.day(2))
    assert not any("lost" in one.what for one in counted.findings(late, [*first, *third]))


def test_set_aside_rows_are_not_lost(counted):
    constraints, rows = counted.constraints, without(counted.day(), 17)
    view = constraints.view(rows, days_of(rows), ())
    (day,), shown = constraints.measure(view)
    came = constraints.aggregates.numbering.runs(texts(["S-02417"]))
    assert constraints.judge(day, (), shown, came=came).gaps == []


def test_where_the_last_batch_is_not_known_only_gaps_within_a_batch_count(counted):
    (unknown,) = past_of(counted, 0, counted.day())
    unknown = msgspec.structs.replace(unknown, runs=None)
    later = counted.day(2)
    assert not any("lost" in one.what for one in counted.findings(later, [unknown]))
    found = counted.findings(without(later, 30), [unknown])
    assert found[0].what.endswith("S-02550")


def test_parts_of_a_day_add_up(counted):
    """A day in several parts has no gap where it has none as a whole."""
    constraints, rows = counted.constraints, counted.day()
    parts = []
    for odd in (0, 1):
        of_part = only(rows, np.arange(A_DAY) % 2 == odd)
        view = constraints.view(of_part, days_of(of_part), (), of_day=A_DAY)
        (part,), shown = constraints.measure(view)
        parts.append(part)
    assert constraints.judge(parts[0] + parts[1], (), shown).gaps == []
    assert constraints.judge(parts[0], (), shown).gaps != []


def test_a_gap_only_warns_where_keys_may_have_come(counted):
    rows = without(counted.day(), 17)
    view = counted.constraints.view(rows, days_of(rows), ())
    weights = [
        weighed_day(counted.constraints, view, terms).findings[0].weight
        for terms in (Terms(), Terms(lacks_keys=True), Terms(any_size=True))
    ]
    assert weights == ["an error", "unusual", "unusual"]


def test_keys_with_gaps_in_training_are_no_numbering():
    rows = joined([numbered(day) for day in range(DAYS)])
    kept = np.random.default_rng(1).random(len(rows["id"])) < 0.9
    assert discover(only(rows, kept), ORDERS).aggregates.numbering is None


def test_digits_of_a_date_before_the_number_are_no_part_of_it():
    def keys(day):
        rows = orders(day)
        date = str(np.datetime64(FIRST + day, "D")).replace("-", "")
        return {**rows, "id": texts([f"{date}{place:04d}" for place in range(len(rows["id"]))])}

    known = Known.of(keys, ORDERS, DAYS)
    assert known.first(without(known.day(), 17)).what.endswith(": 202402100017")


def test_where_a_series_goes_on_after_a_long_rest_its_first_numbers_are_not_lost():
    """In 30 days of training none can rest for longer than is looked back."""

    def visits(day: int):
        rows = only(orders(day), slice(0, A_DAY))
        keys = [f"C{place:02d}-{day + 1}" for place in range(A_DAY // 2)]
        keys += [f"N{day:02d}-{place + 1}" for place in range(A_DAY // 2)]
        return {**rows, "id": texts(keys)}

    known = Known.of(visits, ORDERS, 30)
    assert known.constraints.aggregates.numbering is not None
    before = past_of(known, 49, without(known.day(49), 0))
    assert not any("lost" in one.what for one in known.findings(known.day(50), before))


SPANS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40)), max_size=60)


@given(SPANS, SPANS)
def test_runs_of_parts_are_those_of_the_whole(one, other):
    def runs(pairs):
        series, numbers = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        return Runs.of("0/1", 1, series.astype(np.uint64), numbers)

    assert runs(one) + runs(other) == runs(one + other)
    gaps = runs(one).gaps([], 0)
    lost = {(gap.series, number) for gap in gaps for number in range(gap.first, gap.last + 1)}
    highest = {series: max(n for s, n in one if s == series) for series, _ in one}
    every = {(series, n) for series, most in highest.items() for n in range(most)}
    assert lost == every - {*one}
