"""Bounds: one number of a row that never exceeds another, and clock times that belong together.

Conformance constraints (Fariha et al., "Conformance constraint discovery: measuring trust in
data-driven systems", SIGMOD 2021) of the simplest projection, a difference. One is kept where it
tells of both columns together (the columns by themselves would often break it), and where days
after days come right up to the bound: where they do not, the next season may pass it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np

from lockstep.columns.growth import grows
from lockstep.columns.kinds import Array, Floats
from lockstep.laws.glance import Glancing, as_numbers, glance, number_columns
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.quantities import Quantity, clock_quantities
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.turns import begins_at, turn_of

TELLING = 0.02
"""Share of rows that would break a bound if its two columns had nothing to do with each other."""
TOUCHING = 0.1
"""Share of days that come right up to a bound."""
MANY = 0.01
"""Share of rows beyond a bound from which on they cannot be what they were."""
FAR = 2.0
"""Ranges of the training rows beyond which nothing was ever near."""
FILLED = 1 / 3
"""Share of the range of all training rows that a usual day fills, where no day is to reach far
beyond: numbers of heavy tails fill a small one, and may."""
NEXT_TO_NONE = 1e-6
"""Of the largest number, what is as good as 0: what sums in single precision leave of it."""
ENOUGH_NUMBERS = 20
"""Numbers of a day that it takes to tell whether they gather above 0."""
NEXT_TO = 0.2
"""Of the middle number of a day, how large the smallest one is at most that is next to 0."""
FAR_UP = 3.0
"""How many times as far above the middle number of a day the largest one is at least, as the
smallest one is below it."""
MOST_DAYS = 0.9
"""Share of the days on which numbers gather above 0."""
MOST_ROWS = 20_000
"""Training rows on which it is tried what would break a bound."""


class AtMost(Glancing, frozen=True, kw_only=True, tag="at most"):
    """A number that is never above another, or always below it by something.

    Attributes:
        least: The smallest difference of training, 0 or more.
    """

    least: float = 0.0

    @property
    def says(self) -> str:
        """See `Law.says`."""
        smaller, larger = self.columns
        if self.least:
            return f"{smaller} is below {larger} by {self.least:.5g} or more."
        return f"{smaller} is never above {larger}."

    def find(self, rows: Rows) -> Broken | None:
        """See `Law.find`."""
        smaller, larger = (glance(rows).numbers(name) for name in self.columns)
        difference = larger - smaller
        known = int(np.count_nonzero(~np.isnan(difference)))
        is_beyond = difference < self.least - _slack(larger)
        return _broken(self, rows, is_beyond, known, self.says)


class NotNegative(Glancing, frozen=True, kw_only=True, tag="not negative"):
    """A number that is often 0, or next to it as amounts are, and never below.

    Attributes:
        least: What is as good as 0, on either side; 0 of a number that comes no nearer than that.
    """

    binds: ClassVar[bool] = False

    least: float = 0.0

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"{self.columns[0]} is never below 0."

    def find(self, rows: Rows) -> Broken | None:
        """See `Law.find`."""
        numbers = glance(rows).numbers(self.columns[0])
        known = int(np.count_nonzero(~np.isnan(numbers)))
        return _broken(self, rows, numbers < -self.least, known, self.says)


class Within(Glancing, frozen=True, kw_only=True, tag="within"):
    """A number that never lies far outside of what training had.

    Attributes:
        lowest: The smallest number of training, less twice the range; of a number that goes round
            the one at which a turn begins.
        highest: The largest number of training, and twice the range more; or that at which it ends.
        is_filled: Whether a usual day fills much of the range, so that one row so far outside
            cannot be what it was; false of a version that an older Lockstep fitted.
    """

    binds: ClassVar[bool] = False
    lowest: float
    highest: float
    is_filled: bool = False

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return (
            f"{self.columns[0]} is never far outside of what it was: below {self.lowest:.5g} or "
            f"above {self.highest:.5g}."
        )

    def find(self, rows: Rows) -> Broken | None:
        """See `Law.find`."""
        numbers = glance(rows).numbers(self.columns[0])
        known = int(np.count_nonzero(~np.isnan(numbers)))
        is_beyond = (numbers < self.lowest) | (numbers > self.highest)
        found = _broken(self, rows, is_beyond, known, self.says, fewest=1 if self.is_filled else 0)
        return found and replace(found, cases=self._cases(numbers[is_beyond], known))

    def _cases(self, beyond: Floats, known: int) -> dict[str, float]:
        """On which side many numbers lie, and how far; none where only a few rows stray."""
        cases: dict[str, float] = {}
        for side, end, far in (
            ("below", self.lowest, self.lowest - beyond),
            ("above", self.highest, beyond - self.highest),
        ):
            if np.count_nonzero(far > 0) >= max(MANY * known, 3):
                cases[f"far {side}"] = abs(end) + float(np.median(far[far > 0]))
                cases[f"rows {side}"] = float(np.count_nonzero(far > 0)) / known
            elif np.any(far > 0):
                return {}
        return cases


class Clocks(Glancing, frozen=True, kw_only=True, tag="clocks"):
    """Two clock times that are the same on every row.

    Attributes:
        minutes: What passes from one to the other.
    """

    pins: ClassVar[bool] = True
    minutes: Quantity

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"{self.columns[0]} is the clock time of {self.columns[1]}."

    def find(self, rows: Rows) -> Broken | None:
        """See `Law.find`."""
        minutes = self.minutes.of(rows)
        known = int(np.count_nonzero(~np.isnan(minutes)))
        return _broken(self, rows, np.abs(minutes) >= 1, known, self.says)


def _slack(numbers: Floats | float) -> Floats:
    """What a difference leaves of numbers so large: far less than one, of whole numbers too."""
    return 1e-9 + 1e-15 * np.abs(numbers)


def _broken(
    law: Law, rows: Rows, is_beyond: Array, known: int, says: str, fewest: int = 0
) -> Broken | None:
    """What breaks a bound: an error from `fewest` rows on; where that is 0, from many."""
    beyond = int(np.count_nonzero(is_beyond))
    if not beyond:
        return None
    return Broken(
        law=law,
        columns=law.columns,
        message=f"{says} {beyond / known:.1%} of the rows break that, no training row did",
        rows=glance(rows).all_positions(is_beyond),
        strict=law.is_strict and beyond >= (fewest or max(MANY * known, 3)),
        numbers={"share beyond": beyond / known},
    )


def discover(training: TrainingRows) -> list[AtMost | Clocks | NotNegative | Within]:
    """Find bounds between numbers, and clock times that are the same.

    Args:
        training: The training rows.
    """
    if training.days < ENOUGH_DAYS:
        return []
    rows = training.rows
    generator = np.random.default_rng(0)
    chosen = generator.permutation(len(rows))[:MOST_ROWS]
    names = number_columns(rows.schema)
    numbers = {name: as_numbers(rows.columns[name]) for name in names}
    found: list[AtMost | Clocks | NotNegative | Within] = []
    for smaller in names:
        for larger in names:
            if smaller != larger:
                pair = (smaller, larger)
                law = _at_most(pair, numbers[smaller], numbers[larger], chosen, training)
                found += [] if law is None else [law]
    for name in names:
        known = numbers[name][np.isfinite(numbers[name])]
        if len(known) and np.ptp(known) > 0 and not grows(numbers[name], training.day_of):
            found.append(_within(name, numbers[name], training))
        not_negative = _not_negative(name, numbers[name], training)
        found += [] if not_negative is None else [not_negative]
    for one in clock_quantities(rows):
        minutes = one.of(rows)
        if np.all(np.abs(minutes[~np.isnan(minutes)]) < 1) and not np.isnan(minutes).all():
            found.append(Clocks(columns=one.columns, days=training.days, minutes=one))
    return found


def _not_negative(column: str, numbers: Floats, training: TrainingRows) -> NotNegative | None:
    known = numbers[np.isfinite(numbers)]
    least = NEXT_TO_NONE * float(known.max(initial=0.0))
    zeros = np.unique(training.day_of[numbers <= least])
    touching = np.count_nonzero(zeros >= 0)
    if np.any(numbers < 0):
        return None
    if touching < TOUCHING * training.days and not _begins_at_0(numbers, training):
        return None
    near = known[(known > 0) & (known <= least)]
    leaves = bool(np.any(near != np.round(near)))  # what is whole is no remainder of a sum
    return NotNegative(columns=(column,), days=training.days, least=least if leaves else 0.0)


def _begins_at_0(numbers: Floats, training: TrainingRows) -> bool:
    """Whether the numbers of nearly each day gather above 0, and reach far away from it.

    Amounts and durations differ by factors (a log-normal distribution: Limpert, Stahel and Abbt,
    "Log-normal distributions across the sciences", 2001): the smallest one of a day is next to 0,
    by what is usual of the day, and the largest one many times as far above that as that is above
    0. Temperatures that happen to be above 0 reach as far down as up.
    """
    is_known = np.isfinite(numbers) & (training.day_of >= 0)
    order = np.argsort(training.day_of[is_known], kind="stable")
    known, day_of = numbers[is_known][order], training.day_of[is_known][order]
    days = np.split(known, np.flatnonzero(np.diff(day_of)) + 1)
    ends = np.array([np.quantile(one, (0, 0.5, 1)) for one in days if len(one) >= ENOUGH_NUMBERS])
    if len(ends) < ENOUGH_DAYS:
        return False
    lowest, middle, highest = ends.T
    is_so = (lowest <= NEXT_TO * middle) & (highest - middle >= FAR_UP * (middle - lowest))
    return bool(np.mean(is_so) >= MOST_DAYS)


def _within(column: str, numbers: Floats, training: TrainingRows) -> Within:
    known = numbers[np.isfinite(numbers)]
    lowest, highest = float(known.min()), float(known.max())
    turn = turn_of(column, training)
    if turn:
        begin = begins_at(turn, lowest)
        days = training.days
        return Within(columns=(column,), days=days, lowest=begin, highest=begin + turn)
    far = FAR * (highest - lowest)
    filled = np.median(_ranges(numbers, training)) >= FILLED * (highest - lowest)
    return Within(
        columns=(column,),
        days=training.days,
        lowest=lowest - far,
        highest=highest + far,
        is_filled=bool(filled),
    )


def _ranges(numbers: Floats, training: TrainingRows) -> Floats:
    """By day, how far its largest number is from its smallest; 0 where it has none."""
    is_it = np.isfinite(numbers) & (training.day_of >= 0)
    lowest, highest = np.full(training.days, np.inf), np.full(training.days, -np.inf)
    np.minimum.at(lowest, training.day_of[is_it], numbers[is_it])
    np.maximum.at(highest, training.day_of[is_it], numbers[is_it])
    ranges: Floats = np.maximum(highest - lowest, 0.0)
    return ranges


def _at_most(
    pair: tuple[str, str], smaller: Floats, larger: Floats, chosen: Array, training: TrainingRows
) -> AtMost | None:
    apart = larger[chosen] - smaller[chosen][::-1]  # of rows that have nothing to do with it
    apart = apart[~np.isnan(apart)]
    together = larger[chosen] - smaller[chosen]
    together = together[~np.isnan(together)]
    if len(together) < len(chosen) / 10 or together.min() < 0 or np.mean(apart < 0) < TELLING:
        return None
    difference = larger - smaller
    known = ~np.isnan(difference) & (training.day_of >= 0)
    lowest = np.full(training.days, np.inf)
    np.minimum.at(lowest, training.day_of[known], difference[known])
    closest = float(lowest.min())
    touching = int(np.count_nonzero(lowest <= closest + _slack(closest)))
    if closest < 0 or touching < TOUCHING * training.days:
        return None
    least = closest if closest > 1e-9 else 0.0
    return AtMost(columns=pair, days=training.days, least=least)
