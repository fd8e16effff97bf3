"""Stills: a thing of a panel whose number stands still, as that of a meter that hangs.

A number that is measured finely hardly ever comes twice in a row, but for a few values at which
things rest, such as 0 at night. So a thing that has another one for half a day hangs, or somebody
has filled in what was not measured, whatever the others do (a "stuck value"; see Sharma, Golubchik
and Govindan, "Sensor faults: detection methods and prevalence in real-world datasets", 2010).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.columns.plain import show
from lockstep.laws.copies import still_chance
from lockstep.laws.glance import as_numbers, grain_of, number_columns
from lockstep.laws.law import Broken, Law
from lockstep.laws.panels import panel_of
from lockstep.laws.rows import Rows, TrainingRows

AGAIN = 2
"""Training days on which a value stood still, from which on things rest at it."""
RESTING = 3
"""Moments for which it stands still then, at least: two next to each other are the same by chance,
where a number has a thousand values, on some days of a hundred."""
MOST_RESTS = 100
"""Values at which things rest, at most: where there are more, the number is coarse."""
MOVING = 0.25
"""Share of rows with a value at which things do not rest, at least: one that begins to stand still
at any moment would be told at so many."""
LONGEST = 0.5
"""Of the moments of a day, those that it takes to tell, at most."""


class Still(Law, frozen=True, kw_only=True, tag="still"):
    """A number of a thing does not stay the same for many moments, but where things rest.

    Attributes:
        grain: What numbers differ by at least that are not the same.
        rests: The values at which things rest, in grains.
        longest: For how many moments of a training day any other one stood still.
    """

    binds: ClassVar[bool] = False

    grain: float
    rests: tuple[float, ...]
    longest: int

    @property
    def says(self) -> str:
        """See `Law.says`."""
        column, thing, _ = self.columns
        return f"{column} does not stand still for one {thing}."

    def find(self, rows: Rows) -> Broken | None:
        """The things whose number stands still for far longer than any did."""
        column, thing, _ = self.columns
        runs = _Runs.of(rows, column, thing, self.grain)
        size = np.where(np.isin(runs.values, self.rests), 0, runs.sizes)
        still = np.flatnonzero(size > still_chance(self.longest))
        if not len(still):
            return None
        positions = np.concatenate([runs.rows(one) for one in still.tolist()])
        worst = int(size.argmax())
        return Broken(
            law=self,
            columns=(column, thing),
            message=f"{column} of {thing} {show(rows.columns[thing][runs.rows(worst)[0]])} is "
            f"{runs.values[worst] * self.grain:.6g} for {size[worst]} moments; on training days no "
            f"number but what things rest at was for more than {self.longest}",
            rows=np.sort(positions),
            strict=self.is_strict,
            numbers={"moments in one place": int(size[worst])},
        )


@dataclass(frozen=True, eq=False)
class _Runs:
    """The runs of rows of one thing and one day that follow each other with one value.

    Attributes:
        order: Positions of the rows by thing, then by time.
        starts: Where in it each run begins.
        sizes: How many rows each has.
        values: The value of each, in grains.
    """

    order: Ints
    starts: Ints
    sizes: Ints
    values: Floats

    @classmethod
    def of(cls, rows: Rows, column: str, thing: str, grain: float) -> _Runs:
        """The runs of a number.

        Args:
            rows: Some rows.
            column: The number.
            thing: What names the things.
            grain: What numbers differ by at least that are not the same.
        """
        order, begins = rows.once(("by thing", thing), lambda: _by_thing(rows, thing))
        numbers = np.round(as_numbers(rows.columns[column])[order] / grain)
        moves = begins.copy()
        moves[1:] |= numbers[1:] != numbers[:-1]  # what is missing is not the same as anything
        starts = np.flatnonzero(moves)
        return cls(order, starts, np.diff(np.r_[starts, len(order)]), numbers[starts])

    def rows(self, run: int) -> Ints:
        """Positions of the rows of a run."""
        start = self.starts[run]
        return self.order[start : start + self.sizes[run]]


def _by_thing(rows: Rows, thing: str) -> tuple[Ints, Array]:
    """Positions of rows by thing and time, and where another thing or day begins: bool."""
    days, time = rows.days, rows.schema.event_time
    assert days is not None, "a panel has moments"
    assert time is not None, "a panel has moments"
    places = rows.values(thing).places
    order = np.lexsort((rows.columns[time], places))
    begins = np.ones(len(order), dtype=bool)
    begins[1:] = np.diff(places[order]) != 0
    begins[1:] |= days[order][1:] != days[order][:-1]
    return order, begins


def discover(training: TrainingRows) -> list[Still]:
    """Find the numbers that hardly ever stand still for a thing of a panel.

    Args:
        training: The training rows.
    """
    panel = panel_of(training)
    if panel is None:
        return []
    found = (
        _still(training, name, panel.column, LONGEST * panel.moments)
        for name in number_columns(training.rows.schema)
        if name != panel.column
    )
    return [law for law in found if law is not None]


def _still(training: TrainingRows, column: str, thing: str, most: float) -> Still | None:
    """The law of a number; None where it would not tell a thing that stands still.

    Args:
        training: The training rows.
        column: The number.
        thing: What names the things.
        most: Moments that it takes to tell, at most.
    """
    time = training.rows.schema.event_time
    assert time is not None, "a panel has moments"
    grain = grain_of(as_numbers(training.rows.columns[column]))
    if not grain:
        return None
    runs = _Runs.of(training.rows, column, thing, grain)
    day_of = training.day_of[runs.order[runs.starts]]
    known = (day_of >= 0) & ~np.isnan(runs.values)
    repeated = known & (runs.sizes >= RESTING)
    seen = np.unique(np.stack([runs.values[repeated], day_of[repeated]]), axis=1)[0]
    values, days = np.unique(seen, return_counts=True)
    rests = values[days >= AGAIN]
    moving = known & ~np.isin(runs.values, rests)
    longest = int(runs.sizes[moving].max(initial=1))
    is_telling = runs.sizes[moving].sum() >= MOVING * runs.sizes[known].sum()
    if len(rests) > MOST_RESTS or not is_telling or still_chance(longest) > most:
        return None
    return Still(
        columns=(column, thing, time),
        days=training.days,
        grain=grain,
        rests=tuple(rests.tolist()),
        longest=longest,
    )
