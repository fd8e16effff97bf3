"""Sudden shifts of a day from the window before it."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.columns.kinds import Kind
from lockstep.parity.profiles import Profile
from lockstep.parity.shift import (
    MINIMUM_WINDOW,
    Jumps,
    measured,
    reach_of,
    sudden_shift,
    unjudged_columns,
)

KINDS = {
    "temp": Kind.FLOAT,  # moves from day to day, measured in tenths of a degree Celsius
    "departure": Kind.INT,  # the same timetable every day
    "carrier": Kind.TEXT,
    "is_wet": Kind.BOOL,
    "precip": Kind.FLOAT,  # mostly 0
}


def day_of(seed, **changes):
    """900 rows of a day; the weather of 60 hours, shared by 15 rows each."""
    random = np.random.default_rng(seed)
    celsius = np.round(random.normal(12 + random.normal(0, 4), 2, 60), 1)
    carriers = np.array(["UA", "B6", "EV", "DL"], dtype=object)
    return {
        "temp": np.repeat(celsius * 1.8 + 32, 15),
        "departure": random.integers(5, 24, 900) * 100 + random.integers(0, 60, 900),
        "carrier": carriers[random.choice(4, 900, p=(0.4, 0.3, 0.2, 0.1))],
        "is_wet": random.random(900) < 0.2,
        "precip": np.where(random.random(900) < 0.1, random.random(900), 0.0),
    } | changes


def profile(columns):
    return Profile.of(columns, KINDS)


WINDOW = [profile(day_of(seed)) for seed in range(14)]
TODAY = day_of(100)


def shifts(**changes):
    return sudden_shift(WINDOW, profile(TODAY | changes))


@pytest.mark.parametrize("seed", range(50, 80))
def test_a_day_like_the_others_does_not_shift(seed):
    assert sudden_shift(WINDOW, profile(day_of(seed))) == ()


@pytest.mark.parametrize("column", list(KINDS))
def test_a_column_lost_is_missing(column):
    kind = Kind.TEXT if KINDS[column] is Kind.TEXT else Kind.FLOAT
    gone = {column: np.full(900, None if kind is Kind.TEXT else np.nan, dtype=kind.dtype)}
    kinds = KINDS | {column: kind}
    window = [
        Profile.of(
            columns | ({column: columns[column].astype(float)} if kind is Kind.FLOAT else {}), kinds
        )
        for columns in map(day_of, range(14))
    ]
    found = sudden_shift(window, Profile.of(TODAY | gone, kinds))
    assert [(shift.column, shift.measure) for shift in found] == [(column, "missing")]


def test_a_constant_is_told_where_values_used_to_differ():
    found = shifts(departure=np.full(900, 1200))
    assert ("departure", "constant") in {(shift.column, shift.measure) for shift in found}


def test_zeros_all_day_are_no_shift_where_most_values_are_zero():
    assert shifts(precip=np.zeros(900)) == ()


def test_renamed_categories_shift():
    lower = np.array([carrier.lower() for carrier in TODAY["carrier"]], dtype=object)
    assert [(one.column, one.measure) for one in shifts(carrier=lower)] == [
        ("carrier", "categories")
    ]


def test_a_flipped_flag_shifts():
    assert [one.column for one in shifts(is_wet=~TODAY["is_wet"])] == ["is_wet"]


def test_minutes_for_hhmm_change_the_shape():
    minutes = TODAY["departure"] // 100 * 60 + TODAY["departure"] % 100
    assert ("departure", "shape") in {
        (shift.column, shift.measure) for shift in shifts(departure=minutes)
    }


def test_another_unit_shows_in_level_and_digits():
    celsius = (TODAY["temp"] - 32) / 1.8
    assert {shift.measure for shift in shifts(temp=celsius)} == {"level", "digits"}


@pytest.mark.parametrize(("rows", "can_tell"), [(24, False), (900, True)])
def test_digits_of_a_few_rows_tell_no_unit(rows, can_tell):
    def hundredths(day):
        temp = np.random.default_rng(day).normal(50, 9, rows).round(2)
        return profile({name: values[:rows] for name, values in day_of(day, temp=temp).items()})

    found = measured([hundredths(day) for day in range(14)], hundredths(14))
    assert (("temp", "digits") in {(one.column, one.measure) for one in found}) == can_tell


def test_the_message_tells_column_values_and_what_is_usual():
    (shift,) = (one for one in shifts(temp=TODAY["temp"] + 300) if one.measure == "level")
    assert "temp has values in another place: 345.68 (" in shift.message
    assert "of 14 batches" in shift.message


def test_the_farthest_shift_comes_first():
    celsius = (TODAY["temp"] - 32) / 1.8
    found = shifts(temp=celsius - 5_000, is_wet=~TODAY["is_wet"])
    assert found[0].column == "temp"
    excess = [shift.distance / shift.limit for shift in found]
    assert excess == sorted(excess, reverse=True)


def test_a_window_of_too_few_days_tells_nothing():
    gone = profile(TODAY | {"temp": np.full(900, np.nan)})
    assert sudden_shift(WINDOW[: MINIMUM_WINDOW - 1], gone) == ()
    assert sudden_shift(WINDOW[:MINIMUM_WINDOW], gone) != ()


def test_days_without_rows_do_not_count():
    empty = profile({name: array[:0] for name, array in TODAY.items()})
    gone = profile(TODAY | {"temp": np.full(900, np.nan)})
    assert sudden_shift([*WINDOW[: MINIMUM_WINDOW - 1], empty], gone) == ()


def test_a_day_without_rows_does_not_shift():
    assert sudden_shift(WINDOW, profile({name: array[:0] for name, array in TODAY.items()})) == ()


def test_the_order_of_the_window_does_not_matter():
    celsius = (TODAY["temp"] - 32) / 1.8
    day = profile(TODAY | {"temp": celsius})
    found = {(one.column, one.measure): one.distance for one in sudden_shift(WINDOW, day)}
    backwards = {(one.column, one.measure): one.distance for one in sudden_shift(WINDOW[::-1], day)}
    assert backwards == pytest.approx(found)


def test_a_column_new_today_is_not_judged():
    others = {name: kind for name, kind in KINDS.items() if name != "temp"}
    window = [Profile.of(day_of(seed), others) for seed in range(14)]
    celsius = (TODAY["temp"] - 32) / 1.8
    assert sudden_shift(window, profile(TODAY | {"temp": celsius})) == ()
    lacking = unjudged_columns(window, profile(TODAY | {"temp": celsius}))
    assert lacking["temp"] == "there are 0 batches before it, and it takes 12"


def test_columns_whose_values_tell_nothing_are_named_with_the_reason():
    gone = profile(TODAY | {"temp": np.full(900, np.nan)})
    assert unjudged_columns(WINDOW, gone) == {
        "temp": "100% of its values are missing",
        "precip": "half of the values before are one and the same",
    }


def test_of_one_row_a_day_no_values_are_judged():
    days = [
        profile({name: array[:1] for name, array in day_of(seed).items()}) for seed in range(15)
    ]
    assert set(unjudged_columns(days[:-1], days[-1])) == set(KINDS)


@given(low=st.floats(0, 0.8), spread=st.floats(0, 0.2), rows=st.integers(200, 2000))
def test_some_share_of_missing_values_shifts_unless_days_differ_widely(low, spread, rows):
    def with_missing(share):
        return Profile.of(
            {"temp": np.where(np.arange(rows) < round(share * rows), np.nan, 1.0)},
            {"temp": Kind.FLOAT},
        )

    window = [with_missing(share) for share in np.linspace(low, low + spread, MINIMUM_WINDOW)]
    farthest = [sudden_shift(window, with_missing(share)) for share in (0, 1)]
    assert any(shift.measure == "missing" for shifts in farthest for shift in shifts)


def test_a_shift_that_lasts_becomes_usual():
    celsius = [
        profile(columns | {"temp": (columns["temp"] - 32) / 1.8})
        for columns in map(day_of, range(20, 35))
    ]
    assert sudden_shift([*WINDOW[1:], celsius[0]], celsius[1]) == ()


# Margins that are calibrated on training days

JUMPS = Jumps.of([profile(day_of(seed)) for seed in range(200, 270)])


def calibrated(**changes):
    return sudden_shift(WINDOW, profile(TODAY | changes), JUMPS)


def test_of_clean_days_hardly_any_is_unusual_and_none_jumped():
    days = [profile(day_of(seed)) for seed in range(300, 400)]
    found = [sudden_shift(days[at - 14 : at], days[at], JUMPS) for at in range(14, 100)]
    assert sum(map(bool, found)) <= 1
    assert not any(shift.jumped for shifts in found for shift in shifts)


def test_a_column_whose_days_are_alike_jumps_by_less_than_without_calibration():
    carriers = np.where(np.arange(900) % 4 == 0, "DL", TODAY["carrier"])
    assert shifts(carrier=carriers) == ()
    assert [(one.column, one.jumped) for one in calibrated(carrier=carriers)] == [("carrier", True)]


def test_a_column_that_moves_from_day_to_day_may_go_on_moving():
    assert calibrated(temp=TODAY["temp"] + 4) == ()


def test_a_little_beyond_what_is_usual_is_unusual_and_no_jump():
    found = {}
    for rows in range(0, 300, 10):
        carriers = TODAY["carrier"].copy()
        carriers[:rows] = "DL"
        for one in calibrated(carrier=carriers):
            found.setdefault(one.jumped, rows)
    assert found[False] < found[True]


def test_whatever_jumped_without_calibration_jumps_with_it():
    lower = np.array([carrier.lower() for carrier in TODAY["carrier"]], dtype=object)
    changes = {"carrier": lower, "temp": (TODAY["temp"] - 32) / 1.8, "is_wet": ~TODAY["is_wet"]}
    for name, values in changes.items():
        before = {(one.column, one.measure) for one in shifts(**{name: values})}
        now = {(one.column, one.measure) for one in calibrated(**{name: values}) if one.jumped}
        assert before
        assert before <= now


TEXT = {"carrier": Kind.TEXT}


def months(jumps_in_training: int) -> tuple[list[Profile], Profile]:
    """Days of which each has one text, which was another one so many times; and a day of a new one.

    The day is the first of its month.
    """
    length = 120 // (jumps_in_training + 1)
    texts = [f"month {day // length}" for day in range(120)]
    days = [Profile.of({"carrier": np.array([text] * 50, dtype=object)}, TEXT) for text in texts]
    return days, Profile.of({"carrier": np.array(["new month"] * 50, dtype=object)}, TEXT)


@pytest.mark.parametrize(("jumps", "is_shift"), [(0, True), (1, True), (2, False), (4, False)])
def test_what_training_days_did_more_than_once_is_no_shift(jumps: int, *, is_shift: bool) -> None:
    days, day = months(jumps)
    assert bool(sudden_shift(days[-14:], day, Jumps.of(days))) is is_shift


# Days on which a column has one value in all rows

NAMES = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


def shop(day, *, is_closed=False, weekday=None, is_holiday=False):
    """A day's 90 rows of a shop that sells something of each product unless it is closed."""
    sold = np.random.default_rng(day).integers(0, 200, 90)
    return Profile.of(
        {
            "weekday": np.full(90, weekday or NAMES[day % 7], dtype=object),
            "is_holiday": np.full(90, is_holiday),
            "sold": np.zeros(90) if is_closed else sold.astype(float),
        },
        {"weekday": Kind.TEXT, "is_holiday": Kind.BOOL, "sold": Kind.FLOAT},
    )


OPEN = [shop(day) for day in range(100)]
ONCE_CLOSED = [*OPEN[:50], shop(50, is_closed=True), *OPEN[51:]]
WITHOUT_MONDAYS = [shop(day) for day in range(86, 103) if day % 7]


def told(window, day, training):
    found = sudden_shift(window, day, Jumps.of(training))
    return [(one.column, one.measure, one.jumped) for one in found]


def test_a_day_of_the_week_that_training_knows_is_no_shift_where_the_window_lacks_it():
    assert told(WITHOUT_MONDAYS, shop(105), OPEN) == []


def test_all_rows_of_one_value_jump_where_they_differed_on_each_day_before():
    assert told(OPEN[-14:], shop(100, is_closed=True), OPEN) == [("sold", "constant", True)]


def test_a_closed_day_is_no_shift_where_training_had_one():
    assert told(OPEN[-14:], shop(100, is_closed=True), ONCE_CLOSED) == []


def test_a_value_that_stands_still_all_day_is_unusual_where_another_one_did_once():
    frozen = shop(100)
    still = Profile.of({"sold": np.full(90, 77.0)}, {"sold": Kind.FLOAT})
    day = Profile(90, frozen.columns | still.columns)
    assert told(OPEN[-14:], day, ONCE_CLOSED) == [("sold", "constant", False)]


@pytest.mark.parametrize("change", [{"weekday": "Mon"}, {"is_holiday": True}])
def test_a_new_value_of_a_fact_about_the_day_is_unusual_and_no_jump(change):
    ((column, measure, jumped),) = told(OPEN[-14:], shop(100, **change), OPEN)
    assert (column, measure, jumped) == (*change, "constant", False)


def test_what_would_be_by_chance_in_few_rows_is_no_shift():
    def wet(*flags):
        return Profile.of({"is_wet": np.array(flags)}, {"is_wet": Kind.BOOL})

    window = [wet(*[True] * 4, *[False] * 6)] * 14
    assert sudden_shift(window, wet(*[True] * 5)) == ()


def test_facts_of_days_that_are_new_again_and_again_are_not_judged():
    days, day = months(4)
    assert unjudged_columns(days[-14:], day, Jumps.of(days)) == {
        "carrier": "its rows have one value, and new ones come again and again"
    }


def test_the_message_of_a_value_in_all_rows_tells_how_much_it_was_before():
    (shift,) = sudden_shift(OPEN[-14:], shop(100, is_closed=True), Jumps.of(OPEN))
    assert shift.message.startswith("sold is 0 in all rows, before ")
    assert shift.message.endswith("in none of 14 batches was that more than 2% of the values")


def test_days_of_few_rows_are_given_what_chance_does_with_them():
    days = [
        profile({name: array[seed::45][:20] for name, array in day_of(seed).items()})
        for seed in range(20)
    ]
    assert sudden_shift(days[:14], days[15], JUMPS) == ()


def test_too_few_training_days_calibrate_nothing():
    assert Jumps.of([profile(day_of(seed)) for seed in range(20)]).count == 0


@pytest.mark.parametrize("jumps", [JUMPS, Jumps.of(ONCE_CLOSED)])
def test_margins_are_read_as_they_were_written(jumps):
    assert Jumps.from_json(json.loads(json.dumps(jumps.to_json()))) == jumps


def test_limits_of_a_version_that_knew_of_no_uniform_days_are_what_they_were():
    stored = {name: one for name, one in JUMPS.to_json().items() if name != "uniform"}
    reach = reach_of(JUMPS.rate, JUMPS.count)
    limits = [one for found in JUMPS.spreads.values() for one in found.values()]
    total = sum(one.limit(reach, 1 / JUMPS.rows).limit for one in limits)
    assert Jumps.from_json(stored).total == total


@pytest.mark.parametrize(
    ("later", "is_shift"), [(1, False), (10, False), (100, False), (-40, True), (10_000, True)]
)
def test_a_number_that_rises_with_time_may_leave_days_and_numbers_out(later, is_shift):
    def orders(day):
        numbers = 5.1e9 + (day + np.arange(900) / 900) * 40_000
        return Profile.of({"order": numbers}, {"order": Kind.FLOAT})

    days = [orders(day) for day in range(70)]

    found = sudden_shift(days[-14:], orders(69 + later), Jumps.of(days, ["order"]))
    assert bool(found) is is_shift
