"""Legitimate changes: days that are as they should be, on which whatever alarms is in the way."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

import pandas as pd

from benchmarks.skew.deliveries import Case, Change, is_number, local_times, part
from benchmarks.skew.faults import is_found
from benchmarks.skew.joins import ISO, of_hour
from benchmarks.skew.platform import Platform
from benchmarks.skew.tables import TABLES
from benchmarks.skew.workers import carry_out
from benchmarks.tables.roles import Roles
from tests.fixtures.messages import names_in

DAYS = 5
"""Days for which a change stays."""
_ROUNDS = 4
"""Times that a person accepts what blocks a day before giving up."""


@dataclass(frozen=True, eq=False)
class Legitimate:
    """A change that is meant."""

    name: str
    story: str  # what happens
    change: Change
    applies: Callable[[Roles], bool] = lambda roles: True  # whether a table has the columns for it
    days: int = DAYS  # for which it stays


def _price_rise(case: Case) -> pd.DataFrame:
    """What costs something costs more; what was before cost what it did."""
    roles = case.roles
    money = [name for name in roles.money if name not in roles.lags]
    return case.assign(**{name: (case.rows[name] * 1.05).round(5) for name in money})


def _closed(case: Case) -> pd.DataFrame:
    """One thing is gone: the first of its names, so that it is the same one every day."""
    reporter = case.roles.reporter
    return case.rows[case.rows[reporter].astype(str) != case.columns[0]].reset_index(drop=True)


def _new_category(case: Case) -> pd.DataFrame:
    """A tenth of the rows are of a new category; a tenth of the keys, where it is looked up."""
    name = case.roles.categories[0]
    new: object = 999 if is_number(case.rows[name]) else "NEWCOMER"
    key, is_new = case.roles.key_of(name), part(0.1)(case)
    if key is not None:
        hashes = case.rows[key].map(lambda one: crc32(str(one).encode()))
        is_new = (hashes % 10 == 0) | (hashes == hashes.min())
    return case.assign(**{name: case.rows[name].astype(object).mask(is_new, new)})


def _growth(case: Case) -> pd.DataFrame:
    """Rows like yesterday's come besides: at times of today, with what is joined of today."""
    roles, day = case.roles, pd.Timedelta(days=1)
    more = case.delivery.yesterday.reset_index(drop=True)
    was = local_times(more, roles).dt.strftime(ISO)
    for name in (roles.time, *roles.times):
        more[name] = more[name] + day
    for name in roles.dates:
        later = (pd.to_datetime(more[name], format=ISO) + day).dt.strftime(ISO)
        more[name] = later.where(more[name].notna(), more[name])
    local = local_times(more, roles)
    more = more.assign(**{name: derive(local) for name, derive in roles.derived.items()})
    is_known = pd.Series(True, index=more.index)
    for one in roles.joined:
        found, known = of_hour(case.rows, more, roles, one)
        more[list(one.columns)], is_known = found.to_numpy(), is_known & known
    more[roles.key] = _new_keys(case, more[roles.key], was, local.dt.strftime(ISO))
    more = more[is_known & more[roles.key].notna() & ~_has_come(more, case)]
    chosen = case.chance.permutation(len(more))[: int(0.3 * len(case.rows))]
    rows = pd.concat([case.rows, more.iloc[chosen]])
    return rows.astype(case.rows.dtypes.to_dict()).sort_values(
        roles.time, kind="stable", ignore_index=True
    )


def _has_come(more: pd.DataFrame, case: Case) -> pd.Series:
    """Which rows are of a thing and a time that a row is of: that would be a row that repeats."""
    roles = case.roles
    named = pd.MultiIndex.from_frame(more[[roles.time, *roles.codes, *roles.categories]])
    return pd.Series(named.isin(pd.MultiIndex.from_frame(case.rows[named.names])), index=more.index)


def _new_keys(case: Case, keys: pd.Series, was: pd.Series, now: pd.Series) -> list[str | None]:
    """Keys of the same form that are not in use: of today, or with other digits at their end."""
    used = {*case.rows[case.roles.key], *case.delivery.yesterday[case.roles.key]}
    chance, found = case.chance, []
    for key, old, new in zip(keys.astype(str), was, now, strict=True):
        fresh = key.replace(old, new)
        for _ in range(0 if old in key else 50):
            if fresh not in used:
                break
            letters = [*key]
            for place in [place for place, one in enumerate(key) if one.isdigit()][-4:]:
                letters[place] = str(chance.integers(0, 10))
            fresh = "".join(letters)
        found.append(None if fresh in used else fresh)
        used.add(fresh)
    return found


def _has_categories(roles: Roles) -> bool:
    """Whether there can be a new category; what always reports has none but by a new thing."""
    return bool(roles.categories) and not (roles.regular and roles.categories[0] in roles.codes)


def _varies(roles: Roles) -> bool:
    """Whether any rows may be lacking: no other row tells of them as of those before it."""
    return not roles.regular and not roles.lags


def _grows(roles: Roles) -> bool:
    """Whether there may be more rows: none counts those of the days before."""
    return _varies(roles) and not roles.sums


LEGITIMATE: tuple[Legitimate, ...] = (
    Legitimate("as_it_is", "nothing changes", lambda case: case.rows),
    Legitimate("price_rise", "all prices rise by 5 %", _price_rise, lambda one: bool(one.money)),
    Legitimate("closed", "one thing that reports is closed", _closed,
               lambda roles: roles.reporter in roles.codes),
    Legitimate("new_category", "a tenth of the rows are of a new category", _new_category,
               _has_categories),
    Legitimate("holiday", "40 % of the rows come on one day",
               lambda case: case.rows[part(0.4)(case)].reset_index(drop=True), _varies, days=1),
    Legitimate("growth", "30 % more rows come", _growth, _grows),
)  # fmt: skip
"""Changes that are meant; the first one tells what the same days take anyway."""


def live_through(table: str, home: Path, work: Path) -> list[dict[str, Any]]:
    """What the checks make of each legitimate change of a table, by its home and where to work."""
    applying = [place for place, one in enumerate(LEGITIMATE) if one.applies(TABLES[table].roles)]
    return carry_out(partial(_lived_through, table, home, work), applying, "legitimate changes")


def _lived_through(name: str, home: Path, work: Path, place: int) -> dict[str, Any]:
    table, one = TABLES[name], LEGITIMATE[place]
    whole = Platform.at(home, table.declared)
    days, folder = table.week(one.days), work / f"{name}-{one.name}"
    platform = whole.before(days[0], folder)
    gone = _gone(whole, table.roles, days)
    told = [_day(platform, table.roles, one, day, gone, whole) for day in days]
    shutil.rmtree(folder)
    return {
        "name": one.name,
        "story": one.story,
        "days": len(told),
        "accepts": sum(len(day["accepted"]) for day in told),
        "days_with_accepts": sum(bool(day["accepted"]) for day in told),
        "blocked_days": sum(not day["published"] for day in told),
        "warned_days": sum(bool(day["warned"]) for day in told),
        "by_day": told,
    }


def _gone(whole: Platform, roles: Roles, days: Sequence[date]) -> str:
    """What is closed: of what reports on the first day, the second most frequent."""
    counts = whole.rows(days[0])[roles.reporter].astype(str).value_counts()
    names = sorted(counts.index, key=lambda one: (-counts[one], one))
    return str(names[min(1, len(names) - 1)])


def _day(
    platform: Platform, roles: Roles, one: Legitimate, day: date, gone: str, whole: Platform
) -> dict[str, Any]:
    """A day, published; what blocks it is accepted for as long as that helps."""
    rows = one.change(Case(whole.delivery(day), roles, (gone,), one.name))
    accepted: set[str] = set()
    for number in range(1 + _ROUNDS):
        found = platform.judge(day, rows, to_publish=True, accept=sorted(accepted))
        errors = [check for check in found.results.values() if check.is_error]
        named = {name for error in errors for name in names_in(error.todo)} - accepted
        if found.out or not named or number == _ROUNDS:
            break
        accepted |= named
    warned = [name for name, check in found.results.items() if is_found(check)]
    return {
        "day": day.isoformat(),
        "accepted": sorted(accepted),
        "published": bool(found.out) or not len(rows),
        "warned": {name: found.results[name].summary[:300] for name in warned},
    }
