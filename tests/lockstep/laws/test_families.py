"""What each family of laws finds in a changed day, and that it says nothing of any other day."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws import (
    bounds,
    differences,
    doubles,
    forms,
    gaps,
    joint,
    known,
    mass,
    order,
    ranges,
    relations,
    segments,
    sizes,
    sorting,
    twins,
)
from lockstep.laws.bands import Banded, Part, share
from lockstep.laws.book import Book, discover
from lockstep.laws.bunches import ALONE, Bunches
from lockstep.laws.glance import QUARTERS
from lockstep.laws.law import Law
from lockstep.laws.margins import calibrated
from lockstep.laws.patterns import pattern
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.terms import Term
from tests.lockstep.laws.tables import (
    DAYS,
    SCHEMA,
    SITES,
    batch,
    broken,
    columns,
    reports,
    training,
)

FAMILIES = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        bounds,
        differences,
        doubles,
        forms,
        gaps,
        joint,
        known,
        mass,
        order,
        ranges,
        relations,
        segments,
        sizes,
        sorting,
        twins,
    )
}
LATER_DAYS = (DAYS, 60, 91, 182, 274, 350)


@pytest.fixture(scope="module")
def laws() -> dict[str, list[Law]]:
    rows = training()
    return {name: list(module.discover(rows)) for name, module in FAMILIES.items()}


def text(array: np.ndarray, change: Callable[[str], str]) -> np.ndarray:
    return np.array([change(one) for one in array], dtype=object)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("day", LATER_DAYS)
def test_a_later_day_breaks_nothing_in_any_season(laws, family, day):
    assert broken(laws[family], batch(day)) == []


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_is_held_to_be_a_law_on_too_few_days(family):
    few = TrainingRows.of(Rows(reports(days=10), SCHEMA))

    assert list(FAMILIES[family].discover(few)) == []


def shuffled(array: np.ndarray) -> np.ndarray:
    return array[np.random.default_rng(1).permutation(len(array))]


def filled_on(array: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Values with those of the row before of the same segment where there are none."""
    return pd.Series(array).groupby(by).ffill().to_numpy()


def sorted_in(array: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Values of which those in some rows are in order."""
    moved = array.copy()
    moved[chosen] = np.sort(array[chosen])
    return moved


def again(columns: Columns, chosen: np.ndarray, **changes: object) -> Columns:
    """Columns with some of their rows once more at their end, under another key and changed."""
    more = {name: array[chosen] for name, array in columns.items()}
    changes["id"] = text(more["id"], lambda one: one[:-1] + "x")
    more |= {name: np.full(chosen.sum(), one, dtype=object) for name, one in changes.items()}
    return {name: np.concatenate([columns[name], more[name]]) for name in columns}


def every(number: int) -> np.ndarray:
    """A mask of each so manyth row of a day."""
    return np.arange(len(batch())) % number == 0


def changed(name: str) -> Columns:
    """The columns of a later day that a fault changes."""
    day = reports(DAYS)
    north = day["site"] == "north"
    late = np.arange(len(north)) >= len(north) // 2
    known = ~np.isnan(day["load"])
    return {
        "swapped": {"heat": day["chill"], "chill": day["heat"]},
        "another clock": {"starts": day["starts"] // 100 * 60 + day["starts"] % 100},
        "whole numbers": {"heat": np.round(day["heat"])},
        "another unit": {"heat": (day["heat"] - 32) / 1.8},
        "lower case": {"unit": text(day["unit"], str.lower)},
        "trailing blank": {"unit": text(day["unit"], lambda one: one + " ")},
        "cut": {"id": text(day["id"], lambda one: one[:-1])},
        "broken encoding": {"site": text(day["site"], lambda one: one.replace("o", "Ã³"))},
        "unit at other rows": {"unit": shuffled(day["unit"])},
        "filled with 0": {"load": np.where(known, day["load"], 0)},
        "filled with the mean": {"load": np.where(known, day["load"], 140.0)},
        "clipped": {"load": np.minimum(day["load"], 130.0)},
        "gone for half": {"load": np.where(shuffled(late), np.nan, day["load"])},
        "frozen": {"heat": np.where(late, day["heat"][-1], day["heat"])},
        "heat at other rows": {"heat": shuffled(day["heat"])},
        "flow at other rows": {"flow": shuffled(day["flow"])},
        "frozen flow": {"flow": np.where(late & north, day["flow"][0], day["flow"])},
        "a site off by a hundredth": {"flow": np.where(north, day["flow"] * 1.01, day["flow"])},
        "a site in another unit": {"flow": np.where(north, day["flow"] / 2, day["flow"])},
        "from noon on in another unit": {"load": np.where(late, day["load"] * 2, day["load"])},
        "all frozen": {
            name: np.where(late & north, day[name][-3], day[name]) for name in ("heat", "chill")
        },
        "below 0": {"flow": np.where(late, -999.0, day["flow"])},
        "later by an hour": {"starts": (day["starts"] + 100) % 2400},
        "one row far out": {"heat": np.where(np.arange(len(north)) == 7, -999.0, day["heat"])},
        "counted from 100": {"load": day["load"] + 100},
        "some as at another site": {"load": np.where(known & every(10), 109.0, day["load"])},
        "filled with the row before": {"load": filled_on(day["load"], day["site"])},
        "filled with the row after": {
            "load": filled_on(day["load"][::-1], day["site"][::-1])[::-1]
        },
        "sorted at a site": {"load": sorted_in(day["load"], north & known)},
        "twice under another unit": again(day, np.arange(len(north)) < 20, unit="Ex"),
        "gone for a site": {"heat": np.where(north, np.nan, day["heat"])},
    }[name]


@pytest.mark.parametrize(
    ("family", "fault", "column"),
    [
        ("bounds", "swapped", "chill"),
        ("bounds", "another clock", "starts"),
        ("bounds", "below 0", "flow"),
        ("bounds", "later by an hour", "starts"),
        ("bounds", "one row far out", "heat"),
        ("doubles", "twice under another unit", "unit"),
        ("forms", "whole numbers", "heat"),
        ("forms", "another unit", "heat"),
        ("forms", "lower case", "unit"),
        ("forms", "trailing blank", "unit"),
        ("forms", "cut", "id"),
        ("forms", "broken encoding", "site"),
        ("gaps", "filled with the row before", "load"),
        ("gaps", "filled with the row after", "load"),
        ("joint", "unit at other rows", "unit"),
        ("known", "counted from 100", "load"),
        ("mass", "filled with 0", "load"),
        ("mass", "filled with the mean", "load"),
        ("mass", "clipped", "load"),
        ("mass", "gone for half", "load"),
        ("order", "frozen", "heat"),
        ("order", "heat at other rows", "heat"),
        ("order", "all frozen", "heat"),
        ("ranges", "some as at another site", "load"),
        ("relations", "flow at other rows", "flow"),
        ("relations", "frozen flow", "flow"),
        ("relations", "a site off by a hundredth", "flow"),
        ("segments", "a site in another unit", "flow"),
        ("segments", "from noon on in another unit", "load"),
        ("segments", "gone for a site", "heat"),
        ("sorting", "sorted at a site", "load"),
    ],
)
def test_a_fault_is_an_error_that_names_its_column(laws, family, fault, column):
    found = [one for one in broken(laws[family], batch(**changed(fault))) if one.strict]

    assert column in {name for one in found for name in one.columns}


def test_numbers_that_are_alike_within_a_moment_only_are_no_sensors():
    moments = np.random.default_rng(0).normal(size=DAYS * 96).repeat(3)

    assert not any("flow" in law.columns for law in order.discover(training(flow=moments)))


def test_a_value_does_not_stay_in_hours_without_rows(laws):
    day = reports(DAYS)
    day["heat"][:] = np.arange(len(day["heat"])) % 2
    day["heat"][90:222] = 50.0
    has_rows = np.r_[0:96, 216:288]  # until eight, and from six in the evening on
    stuck = next(
        law
        for law in laws["order"]
        if isinstance(law, order.Stuck) and law.measured == ("heat",) and law.category is None
    )
    (hours,) = stuck.measure(batch(**day).take(has_rows)).values()

    assert hours.value == 0.25 + 1 + 0.25


@pytest.mark.parametrize(("stands", "is_found"), [(["north"], False), (SITES, True)])
def test_what_stands_still_everywhere_is_found_though_it_did_at_one_site_for_long(stands, is_found):
    rows = reports(days=DAYS)
    of_day = np.arange(len(rows["at"])) - 5 * 288
    calm = (rows["site"] == "north") & (of_day > 0) & (of_day < 220)
    found = order.discover(training(heat=np.where(calm, 45.0, rows["heat"])))
    (law,) = (
        one
        for one in found
        if isinstance(one, order.Stuck) and one.measured == ("heat",) and one.category == "site"
    )
    (stuck,), _ = calibrated([law])
    day = reports(DAYS)
    frozen = np.where(np.isin(day["site"], stands), 45.0, day["heat"])
    stands_still = stuck.find_besides(batch(heat=frozen))

    assert (stuck.find(batch(heat=frozen)) is not None) == is_found
    assert ([] if stands_still is None else [*stands_still.cases]) == ["stands still"] * is_found


def rain(day: int, days: int = 1) -> np.ndarray:
    """Rain by the hour, the same at all sites: for some hours of two days in three, or none."""
    hours, amounts = np.arange(24), []
    for one in range(day, day + days):
        generator = np.random.default_rng(one)
        begins, lasts = generator.integers(0, 18), generator.integers(3, 7)
        amount = generator.uniform(0.05, 0.5) if one % 3 else 0.0
        falls = (hours >= begins) & (hours < begins + lasts)
        amounts.append(amount * falls * np.sin(np.pi * (hours - begins + 0.5) / lasts))
    return np.repeat(np.concatenate(amounts).round(2), 12)


def test_of_rain_in_one_hour_its_order_in_time_tells_nothing():
    smooth = [
        one
        for one in order.discover(training(flow=rain(0, DAYS)))
        if isinstance(one, order.Smooth) and one.measured == ("flow",)
    ]
    assert all(law.measure(batch(flow=rain(DAYS + 1))) for law in smooth)
    drop = np.where(np.arange(288) == 100, 0.01, 0.0)
    assert not any(law.measure(batch(flow=drop)) for law in smooth)


def test_a_few_rows_of_another_range_are_no_finding(laws):
    load = reports(DAYS)["load"]

    assert broken(laws["ranges"], batch(load=np.where(every(60), 109.0, load))) == []


def test_another_range_in_one_category_alone_is_no_finding_however_many_rows(laws):
    day = reports(DAYS)
    load = np.where(day["site"] == "north", day["load"] * 3, day["load"])

    assert broken(laws["ranges"], batch(load=load)) == []


def test_numbers_farther_apart_in_a_segment_than_in_the_others_are_found_within_their_ranges():
    schema = Schema(
        "Flight",
        (
            Field("id", "str", role="key"),
            Field("at", "datetime", role="event_time"),
            Field("route", "str"),
            Field("airline", "str"),
            Field("minutes", "float"),
        ),
    )

    def flights(first: int, days: int, far_apart: float = 1.0) -> Rows:
        numbers = np.arange(200 * days)
        generator = np.random.default_rng(first)
        route, airline = (generator.integers(0, size, len(numbers)) for size in (30, 6))
        noise = generator.normal(0, np.where(airline == 3, 5 * far_apart, 5))
        at = np.datetime64("2021-01-01", "m") + (first + numbers // 200) * 1440 + numbers % 200
        columns = {
            "id": numbers.astype(str).astype(object),
            "at": at.astype("datetime64[us]"),
            "route": route.astype(str).astype(object),
            "airline": airline.astype(str).astype(object),
            "minutes": 100.0 * route + noise,
        }
        return Rows(columns, schema)

    (law,) = ranges.discover(TrainingRows.of(flights(0, 30)))

    assert law.find(flights(30, 1)) is None
    found = law.find(flights(30, 1, 8.0))
    assert "where airline is 3" in found.message
    assert len(found.rows) == np.count_nonzero(flights(30, 1).columns["airline"] == "3")


def test_a_few_hours_of_what_is_measured_by_the_hour_are_in_order_by_chance():
    day = reports(days=DAYS)
    hours = pd.Series(day["at"].astype("datetime64[h]").astype(str) + day["site"])
    flow = np.random.default_rng(1).normal(size=hours.nunique())[hours.factorize()[0]]

    names = {law.columns[0] for law in sorting.discover(training(flow=flow))}

    assert "flow" not in names
    assert "load" in names


def test_a_column_has_no_gaps_after_rows_whose_kind_is_not_known(laws):
    nothing = np.full(len(batch()), None, dtype=object)

    assert broken(laws["gaps"], batch(site=nothing, unit=nothing)) == []


def test_a_row_far_out_warns_where_days_reach_further_than_others_did():
    heavy = np.random.default_rng(0).pareto(1.0, len(reports(days=DAYS)["flow"]))
    (within,) = (
        law
        for law in bounds.discover(training(flow=heavy))
        if isinstance(law, bounds.Within) and law.columns == ("flow",)
    )
    found = within.find(batch(flow=np.r_[1e9, heavy[: len(batch()) - 1]]))

    assert found is not None
    assert not found.strict


def test_a_day_of_few_numbers_without_one_between_multiples_is_rounded(laws):
    (digits,) = (
        law for law in laws["forms"] if isinstance(law, forms.Digits) and law.columns == ("heat",)
    )
    held = msgspec.structs.replace(digits, bands={})
    few = 50.1 + np.arange(len(batch())) % 6 * 1.4

    assert held.find(batch(heat=few)) is None
    found = held.find(batch(heat=few.round()))
    assert found is not None
    assert found.strict
    assert "All 6 different values of heat are multiples of 1;" in found.message
    fewer = held.find(batch(heat=50.0 + np.arange(len(batch())) % 2))
    assert fewer is not None
    assert "All 288 values of heat are multiples of 1;" in fewer.message
    assert held.find(batch(heat=np.full(len(batch()), 50.0))) is None  # that is stuck, not rounded


@pytest.mark.parametrize(("few", "is_kept"), [(24, False), (60, True)])
def test_where_a_training_day_had_few_numbers_between_multiples_another_may_have_none(few, is_kept):
    day_of = np.repeat(np.arange(DAYS), len(batch()))
    place = np.tile(np.arange(len(batch())), DAYS)
    heat = 50.0 + place % 120 + np.where((day_of != 7) | (place % 120 < few), 0.5, 0.0)
    (digits,) = (
        one
        for one in forms.discover(training(heat=heat))
        if isinstance(one, forms.Digits) and one.columns == ("heat",)
    )

    assert digits.between.get(1.0) == (few if is_kept else None)


def test_of_large_whole_numbers_no_more_are_round_than_are():
    numbers = 5_100_000_000 + np.arange(len(reports(days=DAYS)["starts"])) * 7
    (digits,) = (
        one
        for one in forms.discover(training(starts=numbers))
        if isinstance(one, forms.Digits) and one.columns == ("starts",)
    )

    assert {name for name in digits.bands if "each" not in name} == {
        f"multiples of {step}" for step in (100, 10, 5)
    }
    assert digits.bands["multiples of 10"].highest < 0.12


def test_a_round_number_that_many_rows_share_is_one_number():
    hourly = 50.06 + np.arange(len(reports(days=DAYS)["heat"])) // 12 % 24 * 1.8
    (digits,) = (
        one
        for one in forms.discover(training(heat=hourly))
        if isinstance(one, forms.Digits) and one.columns == ("heat",)
    )
    today = hourly[: len(batch())]

    assert digits.find(batch(heat=np.where(today > 88.0, 95.0, today))) is None
    assert digits.find(batch(heat=np.where(today > 60.0, today.round(), today))) is not None


def test_a_value_where_classes_of_ranks_meet_is_of_both():
    def places(first: int) -> np.ndarray:
        return np.repeat(np.arange(20), [first, 36, *[11] * 17, 65 - first])

    ever = np.tile(places(46), DAYS)
    (law,) = (
        one
        for one in joint.discover(training(unit=_named(ever), heat=ever * 1.5))
        if one.sides == ("unit", "heat")
    )
    days = [batch(unit=_named(at), heat=at * 1.5) for at in map(places, range(46, 64, 2))]
    lost = [law.measure(day)["lost"].value for day in days]

    assert np.abs(np.diff(lost)).max() < 0.06  # as one more of 144 rows is of another value


def _named(places: np.ndarray) -> np.ndarray:
    return np.array([f"P{one:02}" for one in places], dtype=object)


def test_how_far_values_go_together_is_told_between_not_at_all_and_as_usual(laws):
    found = broken(laws["joint"], batch(**changed("unit at other rows")))
    told = [
        re.search(r": (\d+%|not at all).* every training day (\d+)%", one.message) for one in found
    ]

    assert all(told)
    assert {int(one[2]) <= 100 for one in told} == {True}


def test_a_number_that_comes_nearer_to_another_than_it_ever_did_breaks_their_bound():
    warmer = reports(days=DAYS)["heat"] + 3
    (law,) = (
        one for one in bounds.discover(training(heat=warmer)) if one.columns == ("chill", "heat")
    )
    day = reports(DAYS)

    assert law.find(batch(heat=day["heat"] + 3)) is None
    assert broken([law], batch(heat=day["chill"] + 1))[0].strict


def test_a_column_is_gone_for_a_segment_that_once_lacked_much_of_it():
    rows = reports(days=DAYS)
    north, sixth_day = rows["site"] == "north", np.arange(len(rows["site"])) // 288 == 5
    lacking = np.where(north & sixth_day & (np.arange(len(north)) % 9 > 0), np.nan, rows["load"])
    laws = segments.discover(training(load=lacking))
    day = reports(DAYS)
    gone = np.where(day["site"] == "north", np.nan, day["load"])
    found = broken(laws, batch(load=gone))

    assert any(one.strict and one.columns == ("load",) and "north" in one.message for one in found)


def test_many_numbers_of_four_decimals_have_no_more_in_another_unit():
    laws = forms.discover(training(flow=(reports(days=DAYS)["flow"] * 100).round(4)))
    flow = (reports(DAYS)["flow"] * 100).round(4)

    assert broken(laws, batch(flow=flow)) == []
    assert "flow" in columns(laws, batch(flow=np.where(every(10), flow * 1.609344, flow)))


@pytest.mark.parametrize(("lost", "is_found"), [(1, False), (12, True)])
def test_one_missing_value_in_a_small_segment_is_chance(lost, is_found):
    rows = reports(days=DAYS)
    place = np.arange(len(rows["site"]))
    site = np.where(place % 24 == 0, "hut", rows["site"]).astype(object)  # 12 rows a day
    laws = segments.discover(
        training(site=site, heat=np.where(place % 2000 == 1, np.nan, rows["heat"]))
    )
    day = reports(DAYS)
    gone = np.where(np.arange(288) < 24 * lost, site[:288] == "hut", False)

    found = broken(laws, batch(site=site[:288], heat=np.where(gone, np.nan, day["heat"])))
    told = [one.message for one in found if one.columns[0] == "heat"]
    assert bool(told) == is_found
    assert all("heat is missing 100.0 percentage points more often than" in one for one in told)


@pytest.mark.parametrize(("lost", "is_found"), [(4, False), (12, True)])
def test_some_missing_values_in_a_small_segment_of_what_is_missing_everywhere_are_chance(
    lost, is_found
):
    rows = reports(days=DAYS)
    place = np.arange(len(rows["site"]))
    site = np.where(place % 24 == 0, "hut", rows["site"]).astype(object)  # 12 rows a day
    is_missing = np.random.default_rng(0).random(len(site)) < 0.05
    laws = segments.discover(training(site=site, heat=np.where(is_missing, np.nan, rows["heat"])))
    gone = np.where(np.arange(288) % 24 == 0, np.arange(288) < 24 * lost, is_missing[:288])

    found = broken(laws, batch(site=site[:288], heat=np.where(gone, np.nan, reports(DAYS)["heat"])))
    assert ("heat" in {one.columns[0] for one in found}) == is_found


@pytest.mark.parametrize(("ever", "is_gone"), [(0.04, False), (0.08, True)])
def test_a_column_is_gone_where_that_none_has_it_is_no_chance(ever, is_gone):
    known = (ever, 0.5, 0.5)
    law = segments.Segmented(
        columns=("load",), days=DAYS, category="site", labels=SITES, known=known, size=(288, 288)
    )
    day = reports(DAYS)
    found = law.find(batch(load=np.where(day["site"] == "north", np.nan, day["load"])))

    assert (found is not None) == is_gone


@pytest.mark.parametrize(("hours", "is_told"), [(2, False), (3, True)])
def test_a_level_of_a_segment_takes_values_of_some_hours(laws, hours, is_told):
    day = reports(DAYS)
    early = (day["site"] != "north") | (day["starts"] < 100 * hours)
    (law,) = (one for one in laws["segments"] if one.columns == ("heat", "site"))

    rows = batch(heat=np.where(early, day["heat"], np.nan))
    levels = (one for one in law.stand(Part(rows)) if one.name == "level of north")
    assert any(law.is_told(one, rows) for one in levels) == is_told


def test_a_quarter_of_the_day_tells_a_level_as_its_hours_do_however_far_off_it_is():
    hourly = Bunches((Term("site"), Term("at", "hour of the day")), 1.0)
    laws = [
        segments.Segmented(columns=("heat",), days=0, category=None, labels=QUARTERS, bunches=one)
        for one in (ALONE, hourly)
    ]
    heat = reports(DAYS)["heat"]
    noon = reports(DAYS)["starts"] // 600 == 2
    alone, usual, off = (
        law.measure(batch(heat=one))["level of from 12 to 18 h"].noise
        for law, one in zip((*laws, laws[1]), (heat, heat, heat - 1000 * noon), strict=True)
    )
    assert usual > 1.5 * alone
    assert off < 2 * usual


def test_a_number_that_grows_has_no_level_in_a_segment():
    counted = segments.discover(training(flow=np.arange(288.0 * DAYS)))
    told = {name for law in counted if law.columns[0] == "flow" for name in law.bands}

    assert {name.partition(" of ")[0] for name in told} == {"missing"}


def test_a_level_that_moves_for_all_rows_is_none_of_segments(laws):
    moved = reports(DAYS)["flow"] + 1_000

    assert columns(laws["segments"], batch(flow=moved), strict=False) == set()


def test_rows_of_the_segment_are_named(laws):
    rows = batch(**changed("gone for a site"))

    (found,) = [
        one
        for one in broken(laws["segments"], rows)
        if one.law.columns == ("heat", "site") and one.strict
    ]

    assert set(rows.columns["site"][found.rows]) == {"north"}


def test_rows_between_the_steps_are_named(laws):
    heat = reports(DAYS)["heat"]
    heat[:20] += 0.05

    grids = [law for law in laws["forms"] if isinstance(law, forms.Grid)]
    (found,) = broken(grids, batch(heat=heat))

    assert found.rows.tolist() == list(range(20))


def test_one_odd_row_warns_and_does_not_block(laws):
    chill = reports(DAYS)["chill"]
    chill[0] = reports(DAYS)["heat"][0] + 1

    (found,) = broken(laws["bounds"], batch(chill=chill))

    assert not found.strict


def test_what_is_no_whole_day_is_not_compared_with_days(laws):
    few = batch(**changed("filled with 0")).take(slice(0, 60))

    assert broken(laws["mass"] + laws["segments"] + laws["order"] + laws["joint"], few) == []


def test_each_day_of_a_batch_of_several_is_judged_by_itself(laws):
    healthy, faulty = reports(DAYS, days=2), {**reports(DAYS + 2), **changed("clipped")}
    rows = Rows({name: np.concatenate([healthy[name], faulty[name]]) for name in healthy}, SCHEMA)

    assert broken(laws["mass"] + laws["order"], Rows(healthy, SCHEMA)) == []
    (found,) = [one for one in broken(laws["mass"], rows) if one.columns == ("load",)]
    assert found.strict
    assert found.rows.min() >= 2 * 288


def by_hour(columns: Columns) -> Columns:
    """The same days with one heat and one chill an hour and site."""
    first = np.arange(len(columns["at"])) // 12 * 12 + np.arange(len(columns["at"])) % 3
    return {**columns, "heat": columns["heat"][first], "chill": columns["chill"][first]}


def test_a_site_that_is_given_the_values_of_another_one_is_found():
    rows = Rows(by_hour(reports(days=DAYS)), SCHEMA)
    laws = twins.discover(TrainingRows.of(rows))
    day = by_hour(reports(DAYS))
    of_another = {
        name: np.where(day["site"] == "south", np.roll(day[name], 1), day[name])
        for name in ("heat", "chill")
    }

    assert broken(laws, Rows(day, SCHEMA)) == []
    found = broken(laws, Rows({**day, **of_another}, SCHEMA))
    assert {("heat", "chill"), ("heat",)} <= {one.columns for one in found}
    assert all(one.strict for one in found)
    assert set(day["site"][found[0].rows]) == {"north", "south"}


def test_a_site_that_is_called_one_and_another_has_its_rows():
    law = twins.Twins(columns=("heat", "site"), days=0, category="site", labels=("n and e", "s"))
    day = reports(DAYS)
    day["site"] = np.where(day["site"] == "south", "s", "n and e").astype(object)

    assert list(law.rows_of(Rows(day, SCHEMA), "n and e and s")) == list(range(len(day["site"])))


@pytest.mark.parametrize(("hours", "is_found"), [(1, False), (4, True)])
def test_a_site_that_is_given_the_values_of_another_one_for_some_hours_is_found(hours, is_found):
    laws = twins.discover(TrainingRows.of(Rows(by_hour(reports(days=DAYS)), SCHEMA)))
    both = [one for one in laws if one.columns == ("heat", "chill", "site")]
    day = by_hour(reports(DAYS))
    given = (day["site"] == "south") & (day["starts"] // 100 < hours)
    of_another = {
        name: np.where(given, np.roll(day[name], 1), day[name]) for name in ("heat", "chill")
    }

    found = broken(both, Rows({**day, **of_another}, SCHEMA))
    assert [len(one.rows) for one in found] == [2 * 4 * hours] * is_found
    pair = "north and south are the same"
    assert [one.cases for one in found] == [{pair: float(hours)}] * is_found


def test_numbers_that_are_often_0_are_never_below():
    usage = np.maximum(reports(days=DAYS)["heat"] - 50, 0)
    (law,) = [
        law
        for law in bounds.discover(training(flow=usage))
        if isinstance(law, bounds.NotNegative) and law.columns == ("flow",)
    ]

    assert law.find(batch(flow=reports(DAYS)["heat"] + 1)) is None
    assert law.find(batch(flow=-reports(DAYS)["heat"])).strict


@pytest.mark.parametrize(
    ("numbers_of", "is_law"),
    [
        (lambda chance: np.exp(4 + 1.2 * chance), True),  # amounts, of a few to thousands
        (lambda chance: 20 + 4 * chance, False),  # warm days, of which none was below 0
        (lambda chance: np.exp(4 + 0.1 * chance), False),  # nowhere near 0
    ],
)
def test_amounts_are_never_below_0_and_temperatures_may_be(numbers_of, is_law):
    flow = numbers_of(np.random.default_rng(0).normal(size=288 * DAYS))
    found = [one for one in bounds.discover(training(flow=flow)) if "below 0" in one.says]
    laws = [one for one in found if one.columns == ("flow",)]
    assert bool(laws) == is_law
    refunded = np.where(np.arange(288) < 20, -flow[:288], flow[:288])
    assert bool(broken(laws, batch(flow=refunded))) == is_law


@pytest.mark.parametrize(("least", "is_law"), [(1e-7, True), (0.01, False)])
def test_a_number_that_comes_as_near_to_0_as_digits_go_is_never_below(least, is_law):
    usage = np.maximum(reports(days=DAYS)["heat"] - 60, least)  # up to about 20
    laws = [one.columns for one in bounds.discover(training(flow=usage)) if "below 0" in one.says]
    assert (("flow",) in laws) == is_law


@pytest.mark.parametrize(
    ("least", "number", "is_broken"),
    [(1e-7, -3e-8, False), (1e-7, -1e-3, True), (0.0, -3e-8, True)],
)
def test_what_single_precision_leaves_below_0_is_not_negative(least, number, is_broken):
    usage = np.maximum(reports(days=DAYS)["heat"] - 60, least)  # up to about 20
    laws = [
        one
        for one in bounds.discover(training(flow=usage))
        if isinstance(one, bounds.NotNegative) and one.columns == ("flow",)
    ]
    flow = np.where(np.arange(288) < 3, number, reports(DAYS)["heat"])
    assert bool(broken(laws, batch(flow=flow))) == is_broken


def test_a_count_is_below_0_from_one_less_on_however_large_it_is():
    counts = np.maximum(reports(days=DAYS)["heat"] - 60, 0).round() * 1_000_000 + 1
    (law,) = [
        one
        for one in bounds.discover(training(flow=counts))
        if isinstance(one, bounds.NotNegative) and one.columns == ("flow",)
    ]
    assert law.find(batch(flow=np.where(np.arange(288) < 3, -1.0, 5.0))) is not None


@pytest.mark.parametrize(("zeros", "is_found"), [(6, False), (7, True)])
def test_far_more_rows_that_are_0_than_ever_are_an_error_where_none_is_below(zeros, is_found):
    flow = 1 + np.random.default_rng(0).random(288 * DAYS)
    is_law = {}
    for lowest in (0.0, -1.0):
        flow[0] = lowest  # one row of one day
        (law,) = [one for one in mass.discover(training(flow=flow)) if one.columns == ("flow",)]
        is_law[lowest] = law.zeros >= 0
        day = 1 + np.random.default_rng(1).random(288)
        found = law.find_besides(batch(flow=np.where(np.arange(288) < zeros, 0.0, day)))
        assert (found is not None) == (is_found and is_law[lowest])
        if found is not None:
            assert found.strict
            assert found.message == "7 rows of flow are 0; on training days 1 at most"
            assert len(found.rows) == zeros
    assert is_law == {0.0: True, -1.0: False}


@pytest.mark.parametrize(("rare", "is_strict"), [(2, True), (3, False)])  # 1 % of 288 rows: 2.88
def test_more_zeros_are_an_error_where_a_training_day_hardly_had_any(rare, is_strict):
    flow = 1 + np.random.default_rng(0).random(288 * DAYS)
    flow[:rare] = 0.0  # of one day, such as the only one without snow
    (law,) = [one for one in mass.discover(training(flow=flow)) if one.columns == ("flow",)]
    day = 1 + np.random.default_rng(1).random(288)
    found = law.find_besides(batch(flow=np.where(np.arange(288) < 40, 0.0, day)))
    assert found.strict == is_strict


@pytest.mark.parametrize(("first", "second"), [("heat", "flow"), ("flow", "heat")])
def test_nearly_equal_numbers_are_told_from_each_other_by_segment_whatever_a_row_is(first, second):
    rows = reports(days=DAYS + 1)
    by_chance = np.random.default_rng(0).normal(0, 0.2, len(rows["heat"]))
    flow = rows["heat"] + by_chance + 0.2 * (rows["site"] == "north") - 0.1
    laws = differences.discover(training(flow=flow[:-288]))
    numbers = {"heat": rows["heat"][-288:].copy(), "flow": flow[-288:]}
    numbers["heat"][7] = -999.0

    found = broken(laws, batch(heat=numbers[first], flow=numbers[second]))

    assert [one.strict for one in found] == [True] * (first == "flow")


def test_rows_of_one_segment_alone_are_not_blamed_for_having_no_others(laws):
    rows = batch()
    alone = rows.take(rows.columns["site"] == "north")

    assert broken(laws["joint"] + laws["relations"], alone) == []


def test_a_stored_book_finds_what_the_book_found():
    book = discover(reports(days=DAYS), SCHEMA)
    rows = batch(**changed("clipped"))

    again = Book.from_json(book.to_json())

    assert [one.message for one in again.find(rows)] == [one.message for one in book.find(rows)]
    assert again.find(rows)


def test_chance_does_to_a_larger_share_what_it_does_to_the_largest_of_training(laws):
    (law,) = (one for one in laws["mass"] if one.columns == ("load",))
    rows = batch(**changed("filled with 0"))
    found, most = law.measure(rows)["zero"], law.bands["zero"].highest

    assert found.value > most
    assert found.noise == share(most * len(rows), len(rows)).noise


def test_a_column_clipped_below_where_it_is_often_clipped_is_found():
    often = np.minimum(reports(days=DAYS)["heat"], 62.0)
    (law,) = (one for one in mass.discover(training(heat=often)) if one.columns == ("heat",))
    day = np.minimum(reports(DAYS)["heat"], 62.0)

    assert law.find(batch(heat=day)) is None
    found = law.find(batch(heat=np.minimum(day, 58.0)))
    assert found is not None
    assert found.strict
    assert set(found.rows) == set(np.flatnonzero(day >= 58.0))
    assert "58.0, the largest value of heat, stands in" in found.message


def test_what_is_at_the_end_of_all_that_training_had_is_not_clipped_there():
    often = np.minimum(reports(days=DAYS)["heat"], 62.0)
    (law,) = (one for one in mass.discover(training(heat=often)) if one.columns == ("heat",))
    more = np.minimum(reports(DAYS)["heat"] + 8, 62.0)

    assert law.measure(batch(heat=more))["largest"].value == 0
    assert law.measure(batch(heat=more - 1))["largest"].value > 0.2


def test_training_days_with_an_incident_make_it_no_error(laws):
    rows = reports(days=DAYS)
    is_lost = (rows["at"].astype("datetime64[D]") == np.datetime64("2021-01-10")) & (
        rows["site"] == "north"
    )
    tolerant = segments.discover(training(heat=np.where(is_lost, np.nan, rows["heat"])))
    day = batch(**changed("gone for a site"))

    assert "heat" in columns(laws["segments"], day)
    assert "heat" not in columns(tolerant, day)


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(288)))
def test_the_order_in_which_rows_are_delivered_tells_nothing(laws, places):
    rows = batch(**changed("filled with the mean"))
    again = rows.take(np.array(places))

    for family in FAMILIES:
        assert columns(laws[family], again) == columns(laws[family], rows)


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=30))
def test_a_pattern_holds_no_letter_or_digit_of_the_text(text):
    found = pattern(text, exact=True)

    assert len(found) == len(text)
    assert all(one in "Aa9" for one in found if one.isascii() and one.isalnum())


def test_a_text_that_is_another_one_every_week_may_be_a_new_one():
    def of_weeks(first: int, days: int = 1) -> Rows:
        rows = reports(first, days)
        weeks = (np.arange(len(rows["id"])) // 288 + first) // 7
        week = np.array([f"{chr(ord('a') + one) * 3}" for one in weeks], dtype=object)
        return Rows({**rows, "unit": week}, SCHEMA)

    learnt = of_weeks(0, DAYS)
    book = discover(learnt.columns, SCHEMA)

    assert book.find(of_weeks(35)) == []


def test_numbers_that_are_there_on_few_days_are_not_always_below_others():
    columns = reports(days=DAYS)
    is_there = np.arange(len(columns["heat"])) < 4 * 288
    apart = np.random.default_rng(0).exponential(4, len(is_there)) + 5
    below = np.where(is_there, columns["heat"] - apart, np.nan)

    found = bounds.discover(training(chill=below))

    assert "chill" not in {one.columns[0] for one in found if isinstance(one, bounds.AtMost)}


def test_the_largest_number_that_there_is_stands_for_none():
    flow, later = reports(days=DAYS)["flow"], reports(DAYS)["flow"]
    flow[::50] = later[::50] = np.finfo(np.float64).max

    book = discover({**reports(days=DAYS), "flow": flow}, SCHEMA)

    assert book.find(batch(flow=later)) == []


def test_some_thousand_rows_without_times_are_parted_into_blocks_that_small_batches_are_like():
    schema = Schema("Report", tuple(one for one in SCHEMA if one.name != "at"))
    columns = {name: one for name, one in reports(days=DAYS).items() if name != "at"}
    book = discover(columns, schema)
    few = {name: one[:200] for name, one in reports(DAYS).items() if name != "at"}
    mixed = {**few, "heat": few["heat"][::-1].copy()}

    assert book.days == 40
    assert [law for law in book.laws if not law.looks_at(Rows(few, schema))] == []
    assert any(one.strict for one in book.find(Rows(mixed, schema)))


@pytest.mark.parametrize(
    ("step", "moved", "is_new"),
    [
        pytest.param(1.0, 40.0, False, id="on the next steps"),
        pytest.param(1.0, 40.5, True, id="between the steps"),
        pytest.param(1.0, 400.0, True, id="far beyond"),
        pytest.param(7.0, 40.0, True, id="after gaps"),
    ],
)
def test_numbers_without_gaps_go_on_in_another_season(step, moved, is_new):
    knots = np.arange(len(reports(days=DAYS)["flow"])) % 40 * 1.0
    knots[knots > 20] += 7 * (step - 1)
    days = training(flow=knots)
    (law,) = (one for one in known.discover(days) if one.columns == ("flow",))

    later = batch(flow=moved + np.arange(len(batch())) % 5)

    assert (law.find(later) is not None) == is_new


def test_more_new_numbers_than_come_into_the_world_cannot_be():
    sizes = np.arange(len(reports(days=DAYS)["flow"])) % 40 * 1.0 + 400
    (law,) = (one for one in known.discover(training(flow=sizes)) if one.columns == ("flow",))
    law = msgspec.structs.replace(
        law,
        bands={
            name: msgspec.structs.replace(one, unusual=1, impossible=9)
            for name, one in law.bands.items()
        },
    )

    found = [
        law.find(batch(flow=np.where(every(number), 1040.0, sizes[: len(batch())])))
        for number in (12, 60)
    ]

    assert found[0].strict
    assert found[1] is None


def test_numbers_smaller_than_any_digit_that_is_looked_at_lie_on_no_grid():
    small = reports(days=DAYS)["flow"] * 1e-12

    found = forms.discover(training(flow=small))

    assert "flow" not in {one.columns[0] for one in found if isinstance(one, forms.Grid)}


@pytest.mark.parametrize(("begin", "is_new"), [("", False), ("0", True)])
def test_a_number_in_texts_may_have_a_digit_more_unless_it_is_padded(begin, is_new):
    rows = len(reports(days=DAYS)["id"])
    orders = np.array([f"A-{begin}{1000 + one}" for one in range(rows)], dtype=object)
    (law,) = (one for one in forms.discover(training(id=orders)) if one.columns == ("id",))

    later = batch(id=text(batch().columns["id"], lambda one: f"A-{begin}1{one[-4:]}"))

    assert (law.find(later) is not None) == is_new


@pytest.mark.parametrize(("column", "missing"), [("load", np.nan), ("site", None)])
def test_a_day_without_any_value_of_a_column_tells_nothing_of_its_form(column, missing):
    laws = [law for law in forms.discover(training()) if law.columns == (column,)]
    nothing = batch(**{column: np.full(288, missing, dtype=None if missing else object)})
    assert [law.measure(nothing) for law in laws if isinstance(law, Banded)] == [{}]


def test_codes_of_a_few_rows_are_not_clipped_where_the_smallest_is_not_there():
    random = np.random.default_rng(1)
    codes = random.choice([11.0, 12.0, 31.0], DAYS * 288, p=[0.6, 0.3, 0.1])
    rare = np.where(random.random(DAYS * 288) < 0.1, codes, np.nan)
    laws = mass.discover(training(load=rare))
    assert broken(laws, batch(load=np.r_[12.0, 12.0, 12.0, 31.0, np.full(284, np.nan)])) == []


def test_a_column_that_a_segment_once_lost_may_be_gone_in_another_one():
    columns = reports(days=DAYS)
    of_a_day = np.arange(DAYS * 288) // 288 == 7
    lost = np.where(of_a_day & (columns["site"] == "south"), np.nan, columns["heat"])
    north = batch().columns["site"] == "north"
    gone = batch(heat=np.where(north, np.nan, batch().columns["heat"]))
    found = [
        [one.find_besides(gone).strict for one in laws if one.columns == ("heat", "site")]
        for laws in (segments.discover(training(heat=one)) for one in (columns["heat"], lost))
    ]
    assert found == [[True], [False]]
