"""Rests: the values at which a number stands still now and then, though it moves otherwise.

Blades of a wind turbine stand at one angle where there is no wind, the sun gives nothing at night,
air is saturated, a counter waits. How long things rest is the season's, of which training saw one:
that they do not move there says nothing of their sensor. A number that is merely coarse stands
still at any of its values; where it rests it does far longer than at all others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lockstep.columns.kinds import Floats, Ints

AGAIN = 2
"""Training days on which a value stood still for long, from which on things rest at it."""
LONG = 1.0
"""Hours beyond which a value stands still for long: three standard deviations of chance."""
LONGER = 10.0
"""How many times as long it stands still at a value at which it rests as at one of its values on
average. Of whole degrees, of which there are sixty, the commonest has four times as much."""
MUCH = 0.02
"""Share of all the time for which a number stands still that a rest has at least: of many values
some have more than others by chance."""
SETTLED = 0.75
"""Share of the time in which a number stands still for long from which on it moves now and then
only, such as a tariff or a thermostat: how long it stays then is nothing that training knows."""


@dataclass(frozen=True, eq=False)
class Stays:
    """For how long values stay the same, in rows by segment and time.

    Attributes:
        order: Positions of the rows; stays are those of several of them.
        starts: Where in it each stay begins.
        ends: Where in it each ends: its last row.
        hours: How long each is.
        told: How many hours all rows are.
    """

    order: Ints
    starts: Ints
    ends: Ints
    hours: Floats
    told: float

    def rows(self, stay: int) -> Ints:
        """Positions of the rows of a stay."""
        return self.order[self.starts[stay] : self.ends[stay] + 1]


def is_settled(days: Sequence[Stays | None]) -> bool:
    """Whether a number stands still for long most of the time.

    Args:
        days: For how long it stays the same on each training day, if that can be told.
    """
    told = [day for day in days if day is not None]
    still = sum(float(day.hours[day.hours > LONG].sum()) for day in told)
    return still > SETTLED * sum(day.told for day in told)


def rests_of(
    days: Sequence[Stays | None], numbers: Sequence[Floats], values: int
) -> tuple[float, ...]:
    """The values at which a number rests.

    Args:
        days: For how long it stays the same on each training day, if that can be told.
        numbers: Its values on each of them.
        values: How many different ones it has.
    """
    parts = [
        (of_day[day.order[day.starts]], day.hours, np.full(len(day.hours), number))
        for number, (day, of_day) in enumerate(zip(days, numbers, strict=True))
        if day is not None
    ]
    if not parts:
        return ()
    stood, hours, of_days = (np.concatenate(one) for one in zip(*parts, strict=True))
    long = hours > LONG
    return tuple(resting_at(stood[long], hours[long], of_days[long], values).tolist())


def resting_at(stood: Floats, spent: Floats | Ints, days: Ints, values: int) -> Floats:
    """The values at which a number stands still for far longer than at others, on several days.

    Args:
        stood: The value of each time that it stood still.
        spent: How long each was.
        days: The day of each.
        values: How many different values it has.
    """
    found, place = np.unique(stood, return_inverse=True)
    of_values = np.bincount(place, weights=spent, minlength=len(found))
    times = np.bincount(np.unique(np.stack([place, days]), axis=1)[0], minlength=len(found))
    least = spent.sum() * max(LONGER / max(values, 1), MUCH)
    rests: Floats = found[(of_values >= least) & (times >= AGAIN)]
    return rests
