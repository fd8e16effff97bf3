"""A panel: meters of some houses, a row an hour each, and laws of what one of them does alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws import panels, peers, stills
from lockstep.laws.panels import WholeGrid
from lockstep.laws.peers import Alike
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.stills import Still

HOUSES, HOURS, DAYS = 9, 24, 40
START = np.datetime64("2021-03-01", "us")
SCHEMA = Schema(
    "Reading",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("house", "str"),
        Field("used", "float", optional=True),  # 0 for some hours of the night
        Field("sun", "float", optional=True),  # of all houses nearly alike, 0 at night
    ),
)


def readings(first: int, days: int = 1) -> Columns:
    """What the meters read on some days, hour by hour.

    Args:
        first: The first day.
        days: How many days.
    """
    parts = [_day(one) for one in range(first, first + days)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _day(day: int) -> Columns:
    generator = np.random.default_rng(day)
    hour, house = (one.ravel() for one in np.indices((HOURS, HOUSES)))
    used = np.where(hour < 3, 0.0, generator.lognormal(0, 0.5, len(hour)) * (1 + house / 9))
    clouds = generator.uniform(0.5, 1, HOURS)
    sun = np.maximum(np.sin((hour - 6) * np.pi / 12), 0) * clouds[hour] * (1 + house / 20)
    return {
        "id": np.array([f"{day}/{a}/{b}" for a, b in zip(hour, house, strict=True)], dtype=object),
        "at": START + np.timedelta64(day, "D") + hour.astype("timedelta64[h]"),
        "house": np.array([f"H{one}" for one in house], dtype=object),
        "used": used,
        "sun": 800 * sun * generator.uniform(0.97, 1.03, len(hour)),
    }


def rows(columns: Columns, day: str | None = None, aside: int = 0) -> Rows:
    return Rows(columns, SCHEMA, day=day, aside=aside)


OWN = str((START + np.timedelta64(DAYS, "D")).astype("datetime64[D]"))
"""The day after those of training."""


def without(columns: Columns, kept: np.ndarray) -> Columns:
    return {name: one[kept] for name, one in columns.items()}


@pytest.fixture(scope="module")
def training() -> TrainingRows:
    return TrainingRows.of(rows(readings(0, DAYS)))


@pytest.fixture(scope="module")
def grid(training) -> WholeGrid:
    (law,) = panels.discover(training)
    return law


@pytest.fixture(scope="module")
def still(training) -> dict[str, Still]:
    return {law.columns[0]: law for law in stills.discover(training)}


def test_the_houses_and_hours_of_each_day_are_a_grid(grid) -> None:
    assert grid.columns == ("house", "at")
    assert (len(grid.things), grid.always, grid.empty, grid.double) == (HOUSES, HOUSES, 0, 0)
    assert grid.find(rows(readings(DAYS), OWN)) is None


@given(st.integers(0, HOUSES * HOURS - 1))
def test_a_row_that_is_lost_or_comes_again_is_an_error(grid, row) -> None:
    day = readings(DAYS)
    number = np.arange(len(day["at"]))
    for kept in (number != row, np.append(number, row)):
        found = grid.find(rows(without(day, kept), OWN))
        assert found is not None
        assert found.strict
    assert found.rows.tolist() == [len(number)]


def test_the_house_and_hour_of_an_empty_cell_are_named(grid) -> None:
    day = readings(DAYS)
    is_lost = (day["house"] == "H4") & (day["at"] == day["at"][14 * HOUSES])
    found = grid.find(rows(without(day, ~is_lost), OWN))
    assert found.message.endswith(
        "1 cell of 216 has no row, such as that of house 'H4' at 14:00 UTC; every cell of every "
        "training day had one"
    )


def test_an_hour_that_is_not_there_at_all_leaves_no_cell_empty(grid) -> None:
    day = readings(DAYS)
    assert grid.find(rows(without(day, day["at"] != day["at"][0]), OWN)) is None


@pytest.mark.parametrize(("houses", "is_found"), [(8, True), (5, True), (4, False)])
def test_a_house_that_was_there_on_every_day_is_to_be_there(grid, houses, is_found) -> None:
    day = readings(DAYS)
    found = grid.find(rows(without(day, day["house"] < f"H{houses}"), OWN))
    assert (found is not None) == is_found
    if found is not None:
        assert found.numbers["empty cells"] == HOURS * (HOUSES - houses)


@pytest.mark.parametrize("hours", [HOURS, 1])
def test_a_house_that_was_not_there_on_one_day_need_not_be(hours) -> None:
    columns = readings(0, DAYS)
    columns = without(columns, np.arange(len(columns["at"])) // HOUSES % HOURS < hours)
    is_lost = (columns["house"] == "H4") & (columns["at"] < START + np.timedelta64(1, "D"))
    laws = panels.discover(TrainingRows.of(rows(without(columns, ~is_lost))))
    assert [law.always for law in laws] == ([HOUSES - 1] if hours > 1 else [])
    day = readings(DAYS)
    assert [law.find(rows(without(day, day["house"] != "H4"), OWN)) for law in laws] == [
        None
    ] * len(laws)


def test_a_house_that_training_did_not_know_may_begin_at_any_hour(grid) -> None:
    day = readings(DAYS)
    new = without(day, (day["house"] == "H4") & (day["at"] >= day["at"][14 * HOUSES]))
    new["house"] = np.full(len(new["house"]), "H9", dtype=object)
    both = {name: np.concatenate([day[name], new[name]]) for name in day}
    assert grid.find(rows(both, OWN)) is None


def test_rows_of_another_day_are_no_cells_of_it(grid) -> None:
    day, next_day = readings(DAYS), readings(DAYS + 1)
    some = without(next_day, np.arange(HOUSES * HOURS) < HOUSES + 5)
    both = {name: np.concatenate([day[name], some[name]]) for name in day}
    assert grid.find(rows(both, OWN)) is None


def test_of_a_file_only_cells_that_have_two_rows_are_looked_at(grid) -> None:
    day = readings(DAYS)
    some = np.arange(0, HOUSES * HOURS, 7)
    assert grid.find(rows(without(day, some))) is None
    found = grid.find(rows(without(day, np.append(some, 0))))
    assert found.strict
    assert "1 row of 216 is the second of one cell" in found.message
    assert found.message.endswith("on training days none was")


@pytest.mark.parametrize(("aside", "is_strict"), [(0, True), (1, True), (2, False)])
def test_as_many_empty_cells_as_rows_were_set_aside_only_warn(grid, aside, is_strict) -> None:
    found = grid.find(rows(without(readings(DAYS), np.arange(HOUSES * HOURS) >= 2), OWN, aside))
    assert found.strict == is_strict


def test_a_cell_of_two_rows_is_an_error_whatever_was_set_aside(grid) -> None:
    found = grid.find(rows(without(readings(DAYS), np.r_[1, 1 : HOUSES * HOURS]), OWN, 1))
    assert found.strict
    assert "second of one cell" in found.message


@pytest.mark.parametrize(
    ("gone", "told"),
    [
        (["H2"], "house 'H2' has no row at all: if it is gone for good, accept that and train"),
        (["H2", "H7"], "house 'H2', 'H7' have no row at all: if they are gone for good, accept"),
    ],
)
def test_a_house_that_is_gone_is_told_as_such(grid, gone, told) -> None:
    day = readings(DAYS)
    found = grid.find(rows(without(day, ~np.isin(day["house"], gone)), OWN))
    assert told in found.message
    assert f"; {HOURS * len(gone)} cells of 216 have no row" in found.message


def test_cells_are_counted_and_not_laid_out() -> None:
    count = 300_000  # each at a moment of its own: 90 billion cells
    things = np.arange(count)
    found = panels._Day.of(things, things[::-1], things)
    assert found.empty == count * (count - 1)
    assert found.gap == (0, 0)


@pytest.mark.parametrize(("lost", "is_found"), [(6, False), (7, True)])
def test_where_training_days_lacked_cells_it_takes_many_more(lost, is_found) -> None:
    columns = readings(0, DAYS)
    (law,) = panels.discover(
        TrainingRows.of(rows(without(columns, np.arange(len(columns["at"])) != 50)))
    )
    assert law.empty == 1
    found = law.find(rows(without(readings(DAYS), np.arange(HOUSES * HOURS) >= lost), OWN))
    assert (found is not None) == is_found


def test_rows_at_moments_of_their_own_are_no_panel() -> None:
    columns = readings(0, DAYS)
    minutes = np.random.default_rng(0).integers(0, 60, len(columns["at"]))
    columns["at"] = columns["at"] + minutes.astype("timedelta64[m]")
    assert panels.discover(TrainingRows.of(rows(columns))) == []
    assert stills.discover(TrainingRows.of(rows(columns))) == []


def test_numbers_that_are_fine_do_not_stand_still_but_at_rest(still) -> None:
    assert {*still} == {"used", "sun"}
    assert still["used"].rests == (0.0,)
    assert [law.find(rows(readings(day))) for law in still.values() for day in (50, 90)] == (
        [None] * 4
    )


def stuck(name: str, hours: int, value: float | None = None) -> Columns:
    """A day on which a number of one house stays what it was at eight, or some value."""
    day = readings(DAYS)
    hour = np.arange(HOURS * HOUSES) // HOUSES
    is_still = (day["house"] == "H4") & (hour >= 8) & (hour < 8 + hours)
    first = day[name][is_still][0] if value is None else value
    return {**day, name: np.where(is_still, first, day[name])}


@pytest.mark.parametrize(("hours", "is_found"), [(6, False), (7, True), (14, True)])
@pytest.mark.parametrize("name", ["used", "sun"])
def test_a_house_that_stands_still_far_longer_than_ever_is_named(
    still, name, hours, is_found
) -> None:
    changed = stuck(name, hours)
    found = still[name].find(rows(changed))
    assert (found is not None) == is_found
    if found is not None:
        assert found.strict
        assert found.columns == (name, "house")
        assert len(found.rows) == hours
        assert {*changed["house"][found.rows]} == {"H4"}


@pytest.mark.parametrize("value", [0.0, 1e-7, np.nan])
def test_what_rests_or_is_missing_does_not_stand_still(still, value) -> None:
    assert still["used"].find(rows(stuck("used", 14, value))) is None


def test_days_are_looked_at_one_by_one(still) -> None:
    columns = readings(DAYS, 2)
    is_still = (columns["house"] == "H4") & (
        abs(columns["at"] - (START + np.timedelta64(DAYS + 1, "D"))) < timedelta(hours=6)
    )
    columns["sun"] = np.where(is_still, 5.0, columns["sun"])
    assert still["sun"].find(rows(columns)) is None


def test_a_coarse_number_stands_still_by_chance() -> None:
    columns = readings(0, DAYS)
    columns["used"] = columns["used"].round(0)
    assert {law.columns[0] for law in stills.discover(TrainingRows.of(rows(columns)))} == {"sun"}


def test_two_moments_alike_by_chance_are_no_rest() -> None:
    columns = readings(0, DAYS)
    columns["used"] = columns["used"].round(2)
    of_used = [
        law for law in stills.discover(TrainingRows.of(rows(columns))) if "used" in law.columns
    ]
    assert [law.longest <= 3 and len(law.rests) == 1 for law in of_used] == [True]


@pytest.fixture(scope="module")
def alike(training) -> Alike:
    (law,) = peers.discover(training)
    return law


def changed(house: str, change: Callable[[np.ndarray], np.ndarray], day: int = DAYS) -> Rows:
    """A day on which what the sun gave at one house is changed, hour by hour."""
    columns = readings(day)
    is_it = columns["house"] == house
    columns["sun"][is_it] = change(columns["sun"][is_it])
    return rows(columns)


def test_the_houses_are_alike_in_what_the_sun_gives_and_not_in_what_they_use(alike) -> None:
    assert alike.columns == ("sun", "house", "at")
    assert {*alike.bands} == {f"H{one}" for one in range(HOUSES)}
    assert [[len(one.peers) for one in sums] for sums in alike.sums] == [[2, 2, 2]] * HOUSES
    assert [alike.find(rows(readings(day))) for day in (DAYS, 90, 200)] == [None] * 3


@pytest.mark.parametrize(
    "change",
    [
        lambda sun: np.roll(sun, 1),
        lambda sun: np.roll(sun, -1),
        lambda sun: sun / 1000,
        lambda sun: sun.mean().repeat(HOURS),
    ],
    ids=["an hour late", "an hour early", "another unit", "alike in all hours"],
)
def test_a_house_that_is_unlike_its_peers_is_named_and_blocks_nothing(alike, change) -> None:
    batch = changed("H4", change)
    found = alike.find(batch)
    assert found is not None
    assert not found.strict
    assert found.columns == ("sun", "house", "at")
    assert {*batch.columns["house"][found.rows]} == {"H4"}
    assert found.message.startswith("sun of house 'H4' differs from what house 'H")
    assert "% of how much it moves in a day; on training days by" in found.message


def test_one_peer_that_is_wrong_moves_no_other_house(alike) -> None:
    readings_of = alike.measure(changed("H4", lambda sun: 1000 * sun))
    assert {
        name
        for name, one in readings_of.items()
        if alike.bands[name].share(one, only_above=True) > 1
    } == {"H4"}


def test_all_houses_are_made_late_at_once_on_each_day(
    training: TrainingRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared, misfits = [], Alike.misfits
    monkeypatch.setattr(Alike, "misfits", lambda *own: compared.append(0) or misfits(*own))
    assert len(peers.discover(training)) == 1
    columns = 2
    assert len(compared) == columns * (DAYS + DAYS)  # as they are, and late


def test_what_is_missing_is_not_compared(alike) -> None:
    assert (
        alike.find(changed("H4", lambda sun: np.where(np.arange(HOURS) < 12, np.nan, sun))) is None
    )
    most = alike.measure(changed("H4", lambda sun: np.where(np.arange(HOURS) < 18, np.nan, sun)))
    assert {*alike.bands} - {*most} == {"H4"}


@pytest.mark.parametrize("what", ["three houses", "the same for all"])
def test_without_peers_of_its_own_no_house_is_told_by_others(what) -> None:
    columns = readings(0, DAYS)
    if what == "three houses":
        columns = without(columns, columns["house"] < "H3")
    else:
        columns["sun"] = columns["sun"].reshape(-1, HOUSES)[:, 0].repeat(HOUSES)
    assert peers.discover(TrainingRows.of(rows(columns))) == []


@pytest.mark.parametrize("step", [1.0, 0.1])
def test_a_number_that_no_house_moves_within_a_day_is_told_by_no_others(step) -> None:
    columns = readings(0, DAYS)
    tariffs = np.random.default_rng(0).integers(1, 60, (DAYS, 1, HOUSES))
    columns["used"] = (step * tariffs).repeat(HOURS, axis=1).ravel()  # one a day and house
    found = peers.discover(TrainingRows.of(rows(columns)))
    assert [law.columns[0] for law in found] == ["sun"]


@given(
    st.floats(0.5, 2) | st.floats(-2, -0.5),
    st.floats(0.5, 2) | st.floats(-2, -0.5),
    st.floats(-100, 100),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 0.1, 0.3]),
)
def test_a_thing_that_is_a_sum_of_two_is_told_by_these(first, second, start, seed, gone) -> None:
    numbers = np.random.default_rng(seed).normal(0, 1, (9, 2000))
    numbers[0] = first * numbers[3] + second * numbers[7] + start
    numbers[np.random.default_rng((seed, 1)).random(numbers.shape) < gone] = np.nan
    best, *others = peers.sums_of(numbers)[0]
    assert best.peers == (3, 7)
    if not gone:
        assert np.allclose(best.slopes, [first, second], rtol=0.01)
        assert np.std(best.of(numbers) - numbers[0]) < 0.01 * np.std(numbers[0])
    assert len({*best.peers, *others[0].peers, *others[1].peers}) == 6


def test_few_things_are_told_by_one_peer_each_time() -> None:
    columns = readings(0, DAYS)
    (law,) = peers.discover(TrainingRows.of(rows(without(columns, columns["house"] < "H5"))))
    assert {len(one.peers) for sums in law.sums for one in sums} == {1}
