"""What goes wrong with times and with what is joined: clocks, look-ups, windows, stale values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from benchmarks.skew.deliveries import (
    Case,
    Change,
    How,
    Where,
    alter,
    everywhere,
    in_part,
    noon,
    part,
    put,
    segment,
    thing,
)
from benchmarks.skew.roles import Joined, Roles
from benchmarks.skew.transformation import (
    Transformation,
    attribute_groups,
    each,
    joined_groups,
    key_of_lookup,
    placed_groups,
    time_and_clocks,
)

_NONE, _HOUR, _DAY = pd.Timedelta(0), pd.Timedelta(hours=1), pd.Timedelta(days=1)


def _moved(by: pd.Timedelta) -> How:
    return lambda values, _: values + by


def _local_for_utc(values: pd.Series, case: Case) -> object:
    """The local time is taken for UTC; of a place on UTC, that of New York."""
    zone = case.roles.zone if case.roles.zone != "UTC" else "America/New_York"
    return values.dt.tz_convert(zone).dt.tz_localize(None).dt.tz_localize("UTC")


def _midnight(values: pd.Series, case: Case) -> object:
    """The day at its begin; a day that has no other times, at noon."""
    begun = values.dt.tz_convert(case.roles.zone).dt.normalize().dt.tz_convert("UTC")
    return begun + pd.Timedelta(hours=12) if (begun == values).all() else begun


def _clock(by: pd.Timedelta, where: Where = everywhere) -> Change:
    """What is derived of the time is derived of another one."""

    def change(case: Case) -> pd.DataFrame:
        name = case.columns[0]
        derive = {**case.roles.clocks, **case.roles.calendar}[name]
        moved = derive(case.local + by)
        if moved.equals(derive(case.local)):  # a month; a day does not change it
            moved = derive(case.local + 31 * _DAY)
        wrong = case.rows[name].astype(object).mask(where(case).to_numpy(), moved.astype(object))
        return case.assign(**{name: wrong.infer_objects()})

    return change


def _date(how: Callable[[pd.Series], pd.Series]) -> How:
    def changed(values: pd.Series, case: Case) -> object:
        days = pd.to_datetime(values, format="%Y-%m-%d", errors="coerce")
        return how(days).where(days.notna(), values)

    return changed


def _day_for_month(days: pd.Series) -> pd.Series:
    """Month and day exchanged where that is a day; as it is otherwise."""
    turned = days.dt.strftime("%Y-%d-%m")
    possible = pd.to_datetime(turned, format="%Y-%m-%d", errors="coerce").notna()
    told: pd.Series = turned.where(possible, days.dt.strftime("%Y-%m-%d"))
    return told


def _days_off(days: pd.Series) -> pd.Series:
    later: pd.Series = (days + _DAY).dt.strftime("%Y-%m-%d")
    return later


def _key(case: Case) -> str:
    """The column by which the columns are looked up, or of which they are."""
    keys = {name: key for key, names in case.roles.lookups.items() for name in names}
    return {**keys, **case.roles.sums, **case.roles.lags}[case.columns[0]]


def _by_key(rows: pd.DataFrame, key: str, name: str) -> pd.Series:
    """The last value of a column that is known of each key, in order of the keys."""
    known = rows[rows[key].notna()].drop_duplicates(key, keep="last")
    values: pd.Series = known.set_index(key)[name].sort_index()
    return values


def _stale(case: Case) -> pd.DataFrame:
    """Yesterday's value of each key; missing where yesterday had none."""
    key, rows = _key(case), case.rows.copy()
    for name in case.columns:
        rows[name] = rows[key].map(_by_key(case.delivery.yesterday, key, name))
    return rows


def _next_key(case: Case) -> pd.DataFrame:
    """The value of the key that follows in the list: it slipped by a line."""
    key, rows = _key(case), case.rows.copy()
    for name in case.columns:
        values = _by_key(rows, key, name)
        slipped = pd.Series(np.roll(values.to_numpy(dtype=object), -1), values.index)
        rows[name] = rows[key].map(slipped)
    return rows.infer_objects()


def _two_keys(case: Case) -> pd.DataFrame:
    """Two keys have each other's values: the two most frequent ones that differ in them."""
    key, rows = _key(case), case.rows.copy()
    table = {name: _by_key(rows, key, name) for name in case.columns}
    order = case.common(key)
    first = order[0]
    others = [one for one in order[1:] if any(str(t[one]) != str(t[first]) for t in table.values())]
    for name, values in table.items() if others else ():
        changed = values.astype(object).copy()
        changed[first], changed[others[0]] = values[others[0]], values[first]
        rows[name] = rows[key].map(changed)
    return rows.infer_objects()


def _default(values: pd.Series, case: Case) -> object:
    """What a look-up gives where it finds nothing: 0, or a text for it."""
    return [0 if pd.api.types.is_numeric_dtype(values) else "unknown"] * len(values)


def of_hour(
    source: pd.DataFrame, rows: pd.DataFrame, roles: Roles, joined: Joined, by: pd.Timedelta = _NONE
) -> tuple[pd.DataFrame, pd.Series]:
    """What is joined by hour and place, and whether there is anything of them.

    Args:
        source: The rows whose values are joined.
        rows: The rows to which they are.
        roles: What their columns are.
        joined: What is joined.
        by: How far the hours lie before the right ones.
    """

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
        joined = next(one for one in case.roles.joined if one.columns == case.columns)
        days = [case.delivery.yesterday, case.rows, case.delivery.tomorrow]
        back = by if other_day or case.local.dt.hour.nunique() > 1 else by * 24
        known = pd.concat([one for one in days if len(one)], ignore_index=True)
        return case.assign(**of_hour(known, case.rows, case.roles, joined, back)[0])

    return change


def _of_one_place(case: Case) -> pd.DataFrame:
    """All places get what is joined to one of them, by the hour."""
    joined = next(one for one in case.roles.joined if one.columns == case.columns)
    source = case.rows[case.rows[joined.place].isin(case.common(str(joined.place), 1.0)[:1])]
    everywhere_alike = Joined(joined.columns)
    return case.assign(**of_hour(source, case.rows, case.roles, everywhere_alike)[0])


def _window(share: Callable[[Case], float | np.ndarray]) -> Change:
    """Windows that are a share of what they should be: each that is counted is in it by chance."""

    def change(case: Case) -> pd.DataFrame:
        rows, chance = case.rows.copy(), case.chance
        for name in case.columns:
            values = rows[name].to_numpy(dtype=float)
            whole = np.nan_to_num(np.floor(np.abs(values))).astype(int)
            fewer = np.sign(values) * chance.binomial(whole, share(case))
            rows[name] = pd.Series(np.where(np.isnan(values), np.nan, fewer), rows.index)
        return rows

    return change


def _since_midnight(case: Case) -> np.ndarray:
    hours = case.local.dt.hour + case.local.dt.minute / 60.0
    return np.asarray((hours / 24.0 / 7.0).clip(0.0, 1.0))


def _twice(values: pd.Series, case: Case) -> object:
    return values * 2


JOINS: tuple[Transformation, ...] = (
    Transformation("time_hour_late", "the time is an hour late", each("time"), alter(_moved(_HOUR)),
                   beside=time_and_clocks),
    Transformation("time_hour_late_of_thing", "the time of one thing is an hour late", each("time"),
                   alter(_moved(_HOUR), thing), beside=time_and_clocks),
    Transformation("time_day_off", "the time is a day early", each("time"), alter(_moved(-_DAY)),
                   beside=time_and_clocks),
    Transformation("time_of_other_zone", "local times are taken for UTC", each("time"),
                   alter(_local_for_utc), beside=time_and_clocks),
    Transformation("time_is_midnight", "the time tells the day alone", each("time"),
                   alter(_midnight), beside=time_and_clocks),
    Transformation("clock_hour_late", "{} is that of an hour later", each("clocks"),
                   _clock(_HOUR), beside=time_and_clocks),
    Transformation("clock_hour_late_from_noon", "{} is that of an hour later from noon on",
                   each("clocks"), _clock(_HOUR, noon), beside=time_and_clocks),
    Transformation("clock_of_other_zone", "{} is told by a clock five hours ahead",
                   each("clocks"), _clock(5 * _HOUR), beside=time_and_clocks),
    Transformation("clock_day_off", "{} is that of the day after", each("calendar"), _clock(_DAY),
                   beside=time_and_clocks),
    Transformation("other_time_hour_late", "{} is an hour late", each("times"),
                   alter(_moved(_HOUR))),
    Transformation("other_time_of_other_zone", "{} is local and taken for UTC", each("times"),
                   alter(_local_for_utc)),
    Transformation("date_day_off", "{} is a day late", each("dates"), alter(_date(_days_off))),
    Transformation("day_for_month", "day and month of {} are swapped", each("dates"),
                   alter(_date(_day_for_month))),
    Transformation("stale_lookup", "{} is looked up in yesterday's table", attribute_groups,
                   _stale, blocks=False, population=True, beside=key_of_lookup),
    Transformation("lookup_next_line", "{} is looked up a line off", attribute_groups,
                   _next_key, beside=key_of_lookup),
    Transformation("lookup_next_line_of_one", "{} is looked up a line off",
                   lambda roles: [(one,) for names in roles.lookups.values() for one in names],
                   _next_key, beside=key_of_lookup),
    Transformation("lookup_two_exchanged", "{} of two keys are exchanged", attribute_groups,
                   _two_keys, beside=key_of_lookup),
    Transformation("lookup_default_of_segment", "{} falls to a default in one segment",
                   attribute_groups, alter(_default, segment), beside=key_of_lookup),
    Transformation("lookup_missing_in_some", "{} is not found for a quarter of the rows",
                   attribute_groups, put(None, part(0.25)), blocks=False, population=True,
                   beside=key_of_lookup),
    Transformation("joined_hour_late", "{} is that of the hour before", joined_groups,
                   _joined(_HOUR)),
    Transformation("joined_hour_early", "{} is that of the hour after", joined_groups,
                   _joined(-_HOUR)),
    Transformation("joined_hour_late_of_segment", "{} is that of the hour before in one segment",
                   joined_groups, in_part(_joined(_HOUR), segment)),
    Transformation("joined_of_yesterday", "{} is that of the day before", joined_groups,
                   _joined(_DAY, other_day=True)),
    Transformation("joined_of_one_place", "{} is that of one place everywhere", placed_groups,
                   _of_one_place),
    Transformation("joined_missing_from_noon", "{} is missing from noon on", joined_groups,
                   put(None, noon), blocks=False, population=True),
    Transformation("window_doubled", "{} is counted twice", each("sums"), alter(_twice)),
    Transformation("window_too_short", "{} is of a window a day too short", each("sums"),
                   _window(lambda _: 6.0 / 7.0)),
    Transformation("window_of_a_day", "{} is of one day alone", each("sums"),
                   _window(lambda _: 1.0 / 7.0)),
    Transformation("window_from_midnight", "{} counts from midnight alone", each("sums"),
                   _window(_since_midnight)),
    Transformation("stale_window", "{} is what yesterday had of it", each("sums", "lags"),
                   _stale),
    Transformation("window_of_next", "{} is that of the next in the list", each("sums", "lags"),
                   _next_key),
)  # fmt: skip
"""What goes wrong with times and with what is joined."""
