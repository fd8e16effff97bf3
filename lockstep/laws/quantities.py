"""Quantities: numbers of a row that relations between numbers are looked for in.

A field's value, its logarithm, or the minutes from one clock time to another, modulo a day. That a
whole number is a clock time (hhmm) is told from its values.
"""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np

from lockstep.columns.kinds import Floats, Kind
from lockstep.columns.schema import MADE
from lockstep.laws.glance import Glance, as_numbers, glance, number_columns
from lockstep.laws.rows import Rows

Form = Literal["value", "logarithm", "minutes"]

MINUTES_A_DAY = 1440
_ENOUGH_TIMES = 40
"""Different clock times from which on whole numbers that could be some are held to be."""
_WIDE = 3.0
"""Largest over smallest value from which on a logarithm is another thing than the value."""


class Quantity(msgspec.Struct, frozen=True):
    """A number of a row.

    Attributes:
        column: The field.
        form: Its value or logarithm; or the minutes that pass until it.
        since: The field from which these pass; the event time by the local clock, or one that
            holds a clock time.
    """

    column: str
    form: Form = "value"
    since: str | None = None

    @property
    def says(self) -> str:
        """The quantity in a sentence."""
        if self.form == "minutes":
            return f"the minutes from {self.since} to {self.column}"
        return self.column if self.form == "value" else f"the logarithm of {self.column}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The fields that it is made of."""
        return (self.column,) if self.since is None else (self.column, self.since)

    def of(self, rows: Rows) -> Floats:
        """The quantity of each row, NaN where there is none; minutes from -720 to 720."""
        seen = glance(rows)
        return seen.rows.once(("quantity", self), lambda: self._find(seen))

    def of_all(self, rows: Rows) -> Floats:
        """The same of every row, however many there are: `of` has those of a glance."""
        return self._find(Glance(rows, None))

    def _find(self, seen: Glance) -> Floats:
        if self.form == "value":
            return seen.numbers(self.column)
        if self.form == "logarithm":
            numbers = seen.numbers(self.column)
            return np.log(np.where(numbers > 0, numbers, np.nan))
        assert self.since is not None
        return wrapped(_clock(seen, self.column) - _clock(seen, self.since))


def wrapped(minutes: Floats, around: float = 0.0) -> Floats:
    """Minutes modulo a day, within half a day of a middle."""
    half = MINUTES_A_DAY / 2
    return (minutes - around + half) % MINUTES_A_DAY - half + around


def middle(minutes: Floats) -> float:
    """The mean of minutes modulo a day, on the circle, without those that are missing."""
    angle = np.exp(2j * np.pi * minutes[~np.isnan(minutes)] / MINUTES_A_DAY).mean()
    return float(round(float(np.angle(angle)) / (2 * np.pi) * MINUTES_A_DAY))


def _clock(seen: Glance, column: str) -> Floats:
    """Minutes after midnight."""
    if column == seen.rows.schema.event_time:
        times = seen.rows.local_times
        assert times is not None
        minutes = (times - times.astype("datetime64[D]")) / np.timedelta64(1, "m")
        return np.where(np.isnat(times), np.nan, minutes)
    numbers = seen.numbers(column)
    return numbers // 100 * 60 + numbers % 100


def clocks(rows: Rows) -> list[str]:
    """The fields that hold clock times, the event time the first of them.

    Args:
        rows: The training rows.
    """
    schema = rows.schema
    found = [] if schema.event_time is None else [schema.event_time]
    for one in schema:
        if one.declared != "int" or one.role not in ("value", MADE):
            continue
        values = as_numbers(rows.values(one.name).found)
        values = values[~np.isnan(values)]
        if len(values) >= _ENOUGH_TIMES and np.all(
            (values >= 0) & (values <= 2400) & (values % 100 < 60)
        ):
            found.append(one.name)
    return found


def plain_quantities(rows: Rows) -> list[Quantity]:
    """The numbers of rows and their logarithms, where none is negative and they differ in size.

    Nothing has no logarithm: where a shop is closed, or it does not rain, nothing is told.

    Args:
        rows: The training rows.
    """
    found = []
    for name in number_columns(rows.schema):
        values = as_numbers(rows.values(name).found)
        values = values[np.isfinite(values)]
        if rows.schema[name].kind is Kind.BOOL or len(values) < 3:
            continue
        found.append(Quantity(name))
        if values.min() >= 0 and values.max() > _WIDE * values[values > 0].min(initial=np.inf):
            found.append(Quantity(name, "logarithm"))
    return found


def clock_quantities(rows: Rows) -> list[Quantity]:
    """The minutes between the clock times of rows.

    Args:
        rows: The training rows.
    """
    names = clocks(rows)
    return [
        Quantity(later, "minutes", earlier)
        for place, earlier in enumerate(names)
        for later in names[place + 1 :]
    ]
