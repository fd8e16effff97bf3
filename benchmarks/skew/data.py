"""Faults of data, tried: each on several days, by the functions that a batch's assets call."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from itertools import islice
from pathlib import Path

import pandas as pd

from benchmarks.skew.faults import Judged, Outcome, Trial, compare, judged
from benchmarks.skew.platform import Platform, build, score_days
from benchmarks.skew.tables import TABLES
from benchmarks.skew.transformation import DataFault
from benchmarks.skew.workers import carry_out, say


def make_ready(homes: Mapping[str, Path]) -> dict[str, dict[date, Judged]]:
    """Train tables and score their clean days: what the checks found of each, by table.

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
    """Try faults of a table on some days, at a home that has scored those before.

    Days to spare are for the faults that change nothing on some of the days, in their place.
    """

    def found_on(some: Sequence[DataFault], chosen: Sequence[date]) -> dict[date, dict[str, Trial]]:
        names = tuple(one.fault.name for one in some)
        tried = carry_out(partial(try_day, table, home, work, names), chosen, "days with faults")
        return dict(zip(chosen, tried, strict=True))

    found = found_on(faults, days)
    short = [
        fault
        for fault in faults
        if sum(fault.fault.name in day for day in found.values()) < len(days)
    ]
    if short:
        found |= found_on(short, spare)
    outcomes = []
    for fault in faults:
        name = fault.fault.name
        trials = {day.isoformat(): told[name] for day, told in found.items() if name in told}
        outcomes.append(Outcome(fault.fault, dict(islice(trials.items(), len(days)))))
    return [outcome for outcome in outcomes if outcome.trials]


def try_day(name: str, home: Path, work: Path, names: Sequence[str], day: date) -> dict[str, Trial]:
    """Try faults on a day, each beside the day without it; not those that change nothing."""
    table, folder = TABLES[name], work / f"{name}-{day}"
    whole = Platform.at(home, table.declared)
    delivery = whole.delivery(day)
    first, again = (whole.before(day, folder / place) for place in ("first", "again"))
    wanted = [fault for fault in table.faults if fault.fault.name in names]
    places = {False: (first, first.judge(day, delivery.rows))}
    if any(one.again for one in wanted):
        again.judge(day, delivery.rows, to_publish=True)
        places[True] = again, again.judge(day, delivery.rows)
    trials = {}
    for one in wanted:
        rows = one.change(delivery)
        if not same_rows(rows, delivery.rows):
            place, clean = places[one.again]
            faulted = judged(partial(place.judge, day, rows))
            trials[one.fault.name] = compare(one.fault, clean, faulted)
    shutil.rmtree(folder)
    return trials


def same_rows(rows: pd.DataFrame, others: pd.DataFrame) -> bool:
    """Whether two deliveries hold the same."""
    return len(rows) == len(others) and bool(
        rows.reset_index(drop=True).astype(object).equals(others.astype(object))
    )
