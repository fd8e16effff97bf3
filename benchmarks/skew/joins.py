"""What goes wrong with times and with what is joined: clocks, look-ups, windows, stale values."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from benchmarks.skew.deliveries import (
    Case,
    Change,
    How,
    Where,
    alter,
    column_by_column,
    in_part,
    noon,
    part,
    put,
    segment,
    thing,
)
from benchmarks.skew.names import unknown
from benchmarks.skew.transformation import (
    Transformation,
    by_time,
    drift,
    in_parts,
    lookup_keys,
    wrong,
)
from benchmarks.tables.roles import Joined, Roles

_NONE, _HOUR, _DAY = pd.Timedelta(0), pd.Timedelta(hours=1), pd.Timedelta(days=1)
ISO = "%Y-%m-%d"


def _moved(by: pd.Timedelta) -> How:
    return lambda values, _: values + by


def _local_for_utc(values: pd.Series, case: Case) -> object:
    """The local time is taken for UTC; of a place on UTC, that of New York."""
    zone = case.roles.zone if case.roles.zone != "UTC" else "America/New_York"
    return values.dt.tz_convert(zone).dt.tz_localize(None).dt.tz_localize("UTC")


def _midnight(values: pd.Series, case: Case) -> object:
    """The day at its begin; a day that has no other times, at noon."""
    begun = values.dt.tz_convert(case.roles.zone).dt.normalize().dt.tz_convert("UTC")
    return begun + 12 * _HOUR if (begun == values).all() else begun


def _clock(by: pd.Timedelta, where: Where) -> Change:
    """What is derived of the time is derived of another one."""

    def derived(rows: pd.DataFrame, name: str, case: Case) -> object:
        derive = case.roles.derived[name]
        moved = derive(case.local + by)
        if moved.equals(derive(case.local)):  # a month; a day does not change it
            moved = derive(case.local + 31 * _DAY)
        return rows[name].astype(object).mask(where(case).to_numpy(), moved.astype(object))

    return column_by_column(derived)


def _date(how: Callable[[pd.Series], pd.Series]) -> How:
    def changed(values: pd.Series, case: Case) -> object:
        days = pd.to_datetime(values, format=ISO, errors="coerce")
        return how(days).where(days.notna(), values)

    return changed


def _day_for_month(days: pd.Series) -> pd.Series:
    """Month and day exchanged where that is a day; as it is otherwise."""
    turned = days.dt.strftime("%Y-%d-%m")
    possible = pd.to_datetime(turned, format=ISO, errors="coerce").notna()
    told: pd.Series = turned.where(possible, days.dt.strftime(ISO))
    return told


def _days_off(days: pd.Series) -> pd.Series:
    later: pd.Series = (days + _DAY).dt.strftime(ISO)
    return later


def _key(case: Case) -> str:
    """The column by which the columns are looked up, or of which they are."""
    roles, name = case.roles, case.columns[0]
    return {**roles.sums, **roles.lags}.get(name) or str(roles.key_of(name))


def _by_key(rows: pd.DataFrame, key: str, name: str) -> pd.Series:
    """The last value of a column that is known of each key, in order of the keys."""
    known = rows[rows[key].notna()].drop_duplicates(key, keep="last")
    values: pd.Series = known.set_index(key)[name].sort_index()
    return values


@column_by_column
def _stale(rows: pd.DataFrame, name: str, case: Case) -> object:
    """Yesterday's value of each key; missing where yesterday had none."""
    key = _key(case)
    return rows[key].map(_by_key(case.delivery.yesterday, key, name))


@column_by_column
def _next_key(rows: pd.DataFrame, name: str, case: Case) -> object:
    """The value of the key that follows in the list: it slipped by a line."""
    key = _key(case)
    values = _by_key(rows, key, name)
    slipped = pd.Series(np.roll(values.to_numpy(dtype=object), -1), values.index)
    return rows[key].map(slipped)


def _two_keys(case: Case) -> pd.DataFrame:
    """Two keys have each other's values: the two most frequent ones that differ in them."""
    key, rows = _key(case), case.rows.copy()
    table = {name: _by_key(case.rows, key, name).astype(object) for name in case.columns}
    first, *others = case.common(key)
    others = [
        other for other in others if any(str(t[other]) != str(t[first]) for t in table.values())
    ]
    for name, values in table.items() if others else ():
        turned = {first: values[others[0]], others[0]: values[first]}
        rows[name] = rows[key].map({**values, **turned})
    return rows.infer_objects()


def of_hour(
    source: pd.DataFrame, rows: pd.DataFrame, roles: Roles, joined: Joined, by: pd.Timedelta = _NONE
) -> tuple[pd.DataFrame, pd.Series]:
    """What is joined to rows by place and hour, or one before, and whether there is any of it."""

    def hours(some: pd.DataFrame, back: pd.Timedelta) -> pd.MultiIndex:
        place = some[joined.place] if joined.place else np.zeros(len(some), dtype=int)
        return pd.MultiIndex.from_arrays([some[roles.time].dt.floor("h") - back, place])

    index = hours(source, _NONE)
    is_first, wanted = ~index.duplicated(), hours(rows, by)
    table = source.loc[is_first, list(joined.columns)].set_axis(index[is_first])
    known = pd.Series(wanted.isin(table.index), index=rows.index)
    return table.reindex(wanted).set_axis(rows.index), known


def _joined(by: pd.Timedelta, *, other_day: bool = False) -> Change:
    """Values of another hour of the same place; where rows have no hours, those of another day."""

    def change(case: Case) -> pd.DataFrame:
        joined = case.roles.joined[case.roles.joined_groups.index(case.columns)]
        days = [case.delivery.yesterday, case.rows, case.delivery.tomorrow]
        back = by if other_day or case.local.dt.hour.nunique() > 1 else by * 24
        known = pd.concat([day for day in days if len(day)], ignore_index=True)
        return case.assign(**of_hour(known, case.rows, case.roles, joined, back)[0])

    return change


def _of_one_place(case: Case) -> pd.DataFrame:
    """All places get what is joined to one of them, by the hour."""
    place = case.source
    source = case.rows[case.rows[place] == case.common(place, 1.0)[0]]
    return case.assign(**of_hour(source, case.rows, case.roles, Joined(case.columns))[0])


def _window(share: Callable[[Case], float | np.ndarray]) -> Change:
    """Windows that are a share of what they should be: each that is counted is in it by chance."""

    def shorter(rows: pd.DataFrame, name: str, case: Case) -> object:
        values = rows[name].to_numpy(dtype=float)
        whole = np.nan_to_num(np.floor(np.abs(values))).astype(int)
        fewer = np.sign(values) * case.chance.binomial(whole, share(case))
        return np.where(np.isnan(values), np.nan, fewer)

    return column_by_column(shorter)


def _since_midnight(case: Case) -> np.ndarray:
    hours = case.local.dt.hour + case.local.dt.minute / 60.0
    return np.asarray((hours / 24.0 / 7.0).clip(0.0, 1.0))


_timed = partial(wrong, beside=by_time)
_clocks = partial(in_parts, beside=by_time)
_looked_up = partial(wrong, beside=lookup_keys)
_GROUPS = "attribute_groups"
JOINS: tuple[Transformation, ...] = (
    _timed("time_hour_late", "the time is an hour late", "time", alter(_moved(_HOUR))),
    _timed("time_hour_late_of_thing", "the time of one thing is an hour late", "time",
           alter(_moved(_HOUR), thing)),
    _timed("time_day_off", "the time is a day early", "time", alter(_moved(-_DAY))),
    _timed("time_of_other_zone", "local times are taken for UTC", "time", alter(_local_for_utc)),
    _timed("time_is_midnight", "the time tells the day alone", "time", alter(_midnight)),
    *_clocks("clock_hour_late", "{} is that of an hour later", "clocks", partial(_clock, _HOUR),
             "_from_noon"),
    *_clocks("clock_of_other_zone", "{} is told by a clock five hours ahead", "clocks",
             partial(_clock, 5 * _HOUR)),
    *_clocks("clock_day_off", "{} is that of the day after", "calendar", partial(_clock, _DAY)),
    wrong("other_time_hour_late", "{} is an hour late", "times", alter(_moved(_HOUR))),
    wrong("other_time_of_other_zone", "{} is local and taken for UTC", "times",
          alter(_local_for_utc)),
    wrong("date_day_off", "{} is a day late", "dates", alter(_date(_days_off))),
    wrong("day_for_month", "day and month of {} are swapped", "dates",
          alter(_date(_day_for_month))),
    drift("stale_lookup", "{} is looked up in yesterday's table", _GROUPS, _stale,
          beside=lookup_keys),
    _looked_up("lookup_next_line", "{} is looked up a line off", _GROUPS, _next_key),
    _looked_up("lookup_next_line_of_one", "{} is looked up a line off", "attributes", _next_key),
    _looked_up("lookup_two_exchanged", "{} of two keys are exchanged", _GROUPS, _two_keys),
    _looked_up("lookup_default_of_segment", "{} falls to a default in one segment", _GROUPS,
               alter(unknown, segment)),
    drift("lookup_missing_in_some", "{} is not found for a quarter of the rows", _GROUPS,
          put(None, part(0.25)), beside=lookup_keys),
    *in_parts("joined_hour_late", "{} is that of the hour before", "joined_groups",
              partial(in_part, _joined(_HOUR)), "_of_segment"),
    wrong("joined_hour_early", "{} is that of the hour after", "joined_groups", _joined(-_HOUR)),
    wrong("joined_of_yesterday", "{} is that of the day before", "joined_groups",
          _joined(_DAY, other_day=True)),
    wrong("joined_of_one_place", "{} is that of one place everywhere", "placed_groups",
          _of_one_place),
    drift("joined_missing_from_noon", "{} is missing from noon on", "joined_groups",
          put(None, noon)),
    wrong("window_doubled", "{} is counted twice", "sums", alter(lambda values, _: values * 2)),
    wrong("window_too_short", "{} is of a window a day too short", "sums",
          _window(lambda _: 6.0 / 7.0)),
    wrong("window_of_a_day", "{} is of one day alone", "sums", _window(lambda _: 1.0 / 7.0)),
    wrong("window_from_midnight", "{} counts from midnight alone", "sums",
          _window(_since_midnight)),
    wrong("stale_window", "{} is what yesterday had of it", "sums lags", _stale),
    wrong("window_of_next", "{} is that of the next in the list", "sums lags", _next_key),
)  # fmt: skip
"""What goes wrong with times and with what is joined."""
