"""Runs: a number that has one value at each moment does not keep it for longer than chance lets it.

A gauge that is read as a sum since the morning, a largest value that is never set back, a sensor
that froze: each gives a value that was there before, over and over. How long a number keeps a value
is taken to have an exponential tail (Coles, "An Introduction to Statistical Modeling of Extreme
Values", 2001): of runs that are long already, a share goes on at each moment. Training tells that
share, and how long its longest run was. A value that two training days had for half of the day or
more, such as no rain, or that stayed far longer than others, such as no sun, is one at which the
number rests, and says nothing: how long it does is the season's. So is how long a number stays that
never rests but is coarse, such as one in whole degrees in still weather: that warns.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import ClassVar

import numpy as np

from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.columns.plain import show
from lockstep.laws.bands import ERROR_RATE, SELDOM
from lockstep.laws.glance import as_numbers, grain_of
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.panels import panel_of
from lockstep.laws.rests import AGAIN, resting_at
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.series import in_order, moments_at, terms_of_columns
from lockstep.laws.terms import Term, told

RESTING = 0.5
"""Share of the moments of a day for which a number keeps a value at which it rests."""
SELDOM_STAYS = 0.2
"""Share of the steps from moment to moment in which a number that comes and goes stays where it
does not rest, up to which one that stays is an error: rain of an hour does in 15 %."""
CALMER = 5
"""How many times as often any other number may stay the same in a season that training did not see:
in overcast weeks of autumn, noon is hardly warmer than the night."""
ENOUGH_RUNS = 100
"""Runs of training days, of values at which it does not rest, that it takes."""
ENOUGH = 20
"""Runs that are the longest, or more that are as long, of which it is told what share goes on."""


class ShortRuns(Law, frozen=True, kw_only=True, tag="short runs"):
    """A number keeps no value for more moments than some, but one at which it rests.

    Attributes:
        moments: What tells the moments apart, and the places if there are some.
        grain: What numbers differ by at least that are not the same.
        rests: The values at which the number rests, in grains.
        longest: For how many moments a training day kept any other one.
        most: For how many any is kept at most, but for chance.
        stays: The share of steps from one moment to the next in which any other one is kept.
        comes: Whether it comes and goes: it rests, or most moments have none.
    """

    binds: ClassVar[bool] = False

    moments: tuple[Term, ...]
    grain: float
    rests: tuple[float, ...]
    longest: int
    most: float
    stays: float = 0.0
    comes: bool = True

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"{self.columns[0]} does not stay the same from {told(self.moments)} to the next."

    def find(self, rows: Rows) -> Broken | None:
        """See `Law.find`."""
        runs = _Runs.of(rows, self.moments, self.columns[0], self.grain)
        still = np.flatnonzero(runs.sizes > self.most)
        still = still[~np.isin(runs.values[still], self.rests)]
        if not len(still):
            return None
        worst = still[runs.sizes[still].argmax()]
        numbers = rows.columns[self.columns[0]]
        value = show(numbers[runs.rows(np.array([worst]))[0]])
        return Broken(
            law=self,
            columns=tuple(one for one in self.columns if one != rows.schema.event_time),
            message=f"{self.columns[0]} is {value} for "
            f"{runs.sizes[worst]} moments in a row (by {told(self.moments)}); on training days for "
            f"{self.longest} at most, but where it rests: it stands still, or is the sum or the "
            "largest one so far",
            rows=runs.rows(still),
            strict=self.is_strict and self._cannot_be(int(runs.sizes[worst])),
            numbers={"moments in one place": int(runs.sizes[worst])},
            cases=_cases(numbers[runs.moment[runs.starts[still]]], runs.sizes[still]),
        )

    def _cannot_be(self, moments: int) -> bool:
        """Whether not even a calm season keeps a value for so many moments."""
        if self.comes:
            return self.stays <= SELDOM_STAYS
        return bool(min(CALMER * self.stays, 1.0) ** (moments - 1) <= ERROR_RATE)


def _cases(values: Array, moments: Ints) -> dict[str, float]:
    """At which values a number stands still, and for how many moments at most."""
    cases: dict[str, float] = {}
    for value, many in zip(values.tolist(), moments.tolist(), strict=True):
        cases[show(value)] = max(float(many), cases.get(show(value), 0.0))
    return cases


@dataclass(frozen=True, eq=False)
class _Runs:
    """The runs of moments of one day and place that follow each other with one value.

    Attributes:
        moment: The moments in order: of a place by time.
        of_row: Which moment each row is of.
        starts: Where in the order each run begins.
        sizes: How many moments each has.
        values: The value of each, in grains.
    """

    moment: Ints
    of_row: Ints
    starts: Ints
    sizes: Ints
    values: Floats

    @classmethod
    def of(cls, rows: Rows, terms: tuple[Term, ...], column: str, grain: float) -> _Runs:
        """The runs of a number.

        Args:
            rows: Some rows.
            terms: What tells the moments apart.
            column: The number.
            grain: What numbers differ by at least that are not the same.
        """
        first, begins = rows.once(("begins", terms), lambda: _begins(rows, terms))
        of_row = moments_at(rows, terms).of_row
        numbers = np.round(as_numbers(rows.columns[column][first]) / grain)
        moves = begins.copy()
        moves[1:] |= numbers[1:] != numbers[:-1]  # what is missing is not the same as anything
        starts = np.flatnonzero(moves)
        sizes = np.diff(np.r_[starts, len(first)])
        return cls(of_row[first], of_row, starts, sizes, numbers[starts])

    def rows(self, runs: Ints) -> Ints:
        """Positions of the rows of some runs."""
        ends = self.starts[runs] + self.sizes[runs]
        pairs = zip(self.starts[runs].tolist(), ends.tolist(), strict=True)
        moments = np.concatenate([self.moment[start:end] for start, end in pairs])
        return np.flatnonzero(np.isin(self.of_row, moments))


def _begins(rows: Rows, terms: tuple[Term, ...]) -> tuple[Ints, Array]:
    """The first row of each moment, in order, and where another place or day begins: bool."""
    first, ends = in_order(rows, terms)
    days = rows.days
    assert days is not None, "there are moments of an event time"
    begins = np.ones(len(first), dtype=bool)
    begins[1:] = days[first][1:] != days[first][:-1]
    begins[ends + 1] = True
    return first, begins


def discover(training: TrainingRows) -> list[ShortRuns]:
    """Find the numbers that keep no value for long; those of things of a panel: see `stills`.

    Args:
        training: The training rows.
    """
    time = training.rows.schema.event_time
    if time is None or not training.has_days or training.days < ENOUGH_DAYS:
        return []
    panel = panel_of(training)
    things = set() if panel is None else {panel.column}
    found = (
        _law(training, column, terms)
        for column, terms in terms_of_columns(training, time).items()
        if any(term.ticks for term in terms) and things.isdisjoint(one.column for one in terms)
    )
    return [law for law in found if law is not None]


def _law(training: TrainingRows, column: str, terms: tuple[Term, ...]) -> ShortRuns | None:
    """The law of a number; None where not even one that stands still all day would break it."""
    rows = training.rows
    grain = grain_of(as_numbers(rows.columns[column]))
    if not grain:
        return None
    first, begins = rows.once(("begins", terms), lambda: _begins(rows, terms))
    day = float(np.median(np.diff(np.r_[np.flatnonzero(begins), len(begins)])))
    runs = _Runs.of(rows, terms, column, grain)
    known = ~np.isnan(runs.values)
    rests = _rests(runs, known, training.day_of[first[runs.starts]], day)
    sizes = runs.sizes[known & ~np.isin(runs.values, rests)]
    if len(sizes) < ENOUGH_RUNS:
        return None
    longest = int(sizes.max())
    a_day = float((sizes == longest).sum()) / training.days
    most = longest + log(max(a_day / SELDOM, 1)) / log(1 / _going_on(sizes))
    if most >= day:
        return None
    return ShortRuns(
        columns=(column, *dict.fromkeys(term.column for term in terms)),
        days=training.days,
        moments=terms,
        grain=grain,
        rests=tuple(rests.tolist()),
        longest=longest,
        most=float(f"{most:.4g}"),
        stays=float(f"{1 - len(sizes) / sizes.sum():.4g}"),
        comes=len(rests) > 0 or 2 * int(runs.sizes[known].sum()) < len(first),
    )


def _rests(runs: _Runs, known: Array, days: Ints, day: float) -> Floats:
    """The values at which a number rests, in grains.

    Args:
        runs: Its runs.
        known: Those of a value.
        days: The day of each.
        day: How many moments a usual day has.
    """
    again = np.r_[False, runs.values[1:] == runs.values[:-1]]  # a night goes on after midnight
    begun = np.maximum.accumulate(np.where(again, 0, np.arange(len(again))))
    days = days[begun]
    still = known & (runs.sizes > 1)
    values = len(np.unique(runs.values[known]))
    often = resting_at(runs.values[still], runs.sizes[still], days[still], values)
    half = known & (runs.sizes > RESTING * day)
    pairs = np.unique(np.stack([runs.values[half], days[half]]), axis=1)
    long, times = np.unique(pairs[0], return_counts=True)
    return np.union1d(often, long[times >= AGAIN])


def _going_on(sizes: Ints) -> float:
    """The share of runs that are long already that goes on: of excesses over a threshold.

    With one more on either side (Agresti and Coull, 1998): none of twenty may be one.
    """
    from_ = int(np.sort(sizes)[-ENOUGH])
    further = sizes[sizes >= from_] - from_
    return float((further.sum() + 1) / (further.sum() + len(further) + 2))
