"""Faults of data, tried: each on several days, by the functions that a batch's assets call."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from itertools import islice
from pathlib import Path

import pandas as pd

from benchmarks.skew.deliveries import Delivery
from benchmarks.skew.faults import Outcome, Trial
from benchmarks.skew.judged import Judged, compare, judged
from benchmarks.skew.platform import Platform, build, score_days
from benchmarks.skew.tables import TABLES
from benchmarks.skew.transformation import DataFault
from benchmarks.skew.workers import carry_out, say


def make_ready(homes: Mapping[str, Path]) -> dict[str, dict[date, Judged]]:
    """Train tables and score their clean days, as many at a time as there are workers.

    Args:
        homes: The home of each table's platform, by the table's name.

    Returns:
        What the checks found of each day, by table.

    Raises:
        BenchmarkError: A table's package cannot be installed, or no version went live.
    """
    return dict(zip(homes, carry_out(_made_ready, [*homes.items()], "tables"), strict=True))


def _made_ready(named: tuple[str, Path]) -> dict[date, Judged]:
    table = TABLES[named[0]]
    return score_days(build(named[1], table.declared, say), table.calendar, say)


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

    def found_on(some: Sequence[DataFault], chosen: Sequence[date]) -> dict[date, dict[str, Trial]]:
        names = tuple(one.fault.name for one in some)
        tried = carry_out(partial(try_day, table, home, work, names), chosen, "days with faults")
        return dict(zip(chosen, tried, strict=True))

    found = found_on(faults, days)
    short = [one for one in faults if len(_trials(one, found)) < len(days)]
    if short:
        found |= found_on(short, spare)
    outcomes = (
        Outcome(one.fault, dict(islice(_trials(one, found).items(), len(days)))) for one in faults
    )
    return [one for one in outcomes if one.trials]


def _trials(one: DataFault, found: Mapping[date, Mapping[str, Trial]]) -> dict[str, Trial]:
    """What came of a fault by day, the days left out on which it changes nothing."""
    name = one.fault.name
    return {day.isoformat(): trials[name] for day, trials in found.items() if name in trials}


def try_day(name: str, home: Path, work: Path, names: Sequence[str], day: date) -> dict[str, Trial]:
    """Try faults on a day, each of them beside the same day without it.

    A fault that changes nothing on the day is left out.

    Args:
        name: The table.
        home: The home of its platform.
        work: Where to work.
        names: Names of the faults.
        day: The day.
    """
    table, folder = TABLES[name], work / f"{name}-{day}"
    whole = Platform.at(home, table.declared)
    first, again = (whole.before(day, folder / place) for place in ("first", "again"))
    delivery = delivery_of(whole, day)
    clean = first.judge(day, delivery.rows)
    wanted = [one for one in table.faults if one.fault.name in names]
    clean_again: Judged | None = None
    if any(one.again for one in wanted):
        again.judge(day, delivery.rows, to_publish=True)
        clean_again = again.judge(day, delivery.rows)
    trials = {}
    for one in wanted:
        rows = one.change(delivery)
        if same_rows(rows, delivery.rows):
            continue
        place, without = (again, clean_again) if one.again and clean_again else (first, clean)
        faulted = judged(partial(place.judge, day, rows))
        trials[one.fault.name] = compare(one.fault, without, faulted)
    shutil.rmtree(folder)
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
