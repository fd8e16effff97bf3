"""Faults of data, tried: each on several days, by the functions that a batch's assets call."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from itertools import islice
from pathlib import Path

import pandas as pd

from benchmarks.skew.deliveries import DataFault, Delivery
from benchmarks.skew.faults import Outcome, Trial
from benchmarks.skew.judged import Judged, compare, judged
from benchmarks.skew.platform import Platform
from benchmarks.skew.tables import TABLES
from benchmarks.skew.workers import carry_out


@dataclass(frozen=True)
class Task:
    """A day, and the faults to try on it.

    Attributes:
        table: Name of the table.
        home: The home of the platform.
        work: Where to work.
        day: The day.
        faults: Names of the faults.
    """

    table: str
    home: Path
    work: Path
    day: date
    faults: tuple[str, ...]


def try_faults(
    table: str,
    home: Path,
    work: Path,
    faults: Sequence[DataFault],
    days: Sequence[date],
    spare: Sequence[date] = (),
) -> list[Outcome]:
    """Try faults of a table on some days.

    Args:
        table: Its name.
        home: The home of a platform that has scored the days before each.
        work: Where to work.
        faults: The faults.
        days: The days.
        spare: Days for the faults that change nothing on some of the days, in their place.
    """
    found = _on_days(table, home, work, faults, days)
    short = [one for one in faults if len(_trials(one, found)) < len(days)]
    if short:
        found |= _on_days(table, home, work, short, spare)
    outcomes = (
        Outcome(one.fault, dict(islice(_trials(one, found).items(), len(days)))) for one in faults
    )
    return [one for one in outcomes if one.trials]


def _on_days(
    table: str, home: Path, work: Path, faults: Sequence[DataFault], days: Sequence[date]
) -> dict[date, dict[str, Trial]]:
    names = tuple(one.fault.name for one in faults)
    tasks = [Task(table, home, work / f"{table}-{day}", day, names) for day in days]
    return dict(zip(days, carry_out(try_day, tasks, "days with faults of data"), strict=True))


def _trials(one: DataFault, found: Mapping[date, Mapping[str, Trial]]) -> dict[str, Trial]:
    """What came of a fault by day, the days left out on which it changes nothing."""
    name = one.fault.name
    return {day.isoformat(): trials[name] for day, trials in found.items() if name in trials}


def try_day(task: Task) -> dict[str, Trial]:
    """Try faults on a day, each of them beside the same day without it.

    A fault that changes nothing on the day is left out.
    """
    table = TABLES[task.table]
    whole = Platform.at(task.home, table.declared)
    first, again = (whole.before(task.day, task.work / name) for name in ("first", "again"))
    delivery = delivery_of(whole, task.day)
    clean = first.judge(task.day, delivery.rows)
    wanted = [one for one in table.faults if one.fault.name in task.faults]
    clean_again: Judged | None = None
    if any(one.again for one in wanted):
        again.judge(task.day, delivery.rows, to_publish=True)
        clean_again = again.judge(task.day, delivery.rows)
    trials = {}
    for one in wanted:
        rows = one.change(delivery)
        if same_rows(rows, delivery.rows):
            continue
        place, without = (again, clean_again) if one.again and clean_again else (first, clean)
        faulted = judged(partial(place.judge, task.day, rows))
        trials[one.fault.name] = compare(one.fault, without, faulted)
    shutil.rmtree(task.work)
    return trials


def delivery_of(platform: Platform, day: date) -> Delivery:
    """What upstream has for a day and its neighbours."""
    before, rows, after = (platform.rows(day + timedelta(number)) for number in (-1, 0, 1))
    return Delivery(rows, before, after)


def same_rows(rows: pd.DataFrame, others: pd.DataFrame) -> bool:
    """Whether two deliveries hold the same."""
    return len(rows) == len(others) and bool(
        rows.reset_index(drop=True).astype(object).equals(others.astype(object))
    )
