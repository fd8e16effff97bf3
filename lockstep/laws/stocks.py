"""Stocks: a number of what is there goes up by no more than what has come.

How many cars stand in a garage, or patients lie in a ward, is joined to each one that comes: from
one of them to the next it is at most one more, and less where others have left meanwhile. What is
left in a store goes the other way. A stock is what it was, with what came and without what went
(the balance of a queue: Little, "A proof for the queuing formula L = λW", 1961); what went is often
told by no row, but what came is the rows themselves. A number that is counted of another place, of
several, or twice, rises by more between two rows, and so it does where rows are lost.

Which number it is, of all rows or of those of one place, is found in the training days: what hardly
ever went up by more, and often by as much, where the number of another row would have.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product
from math import ceil
from typing import ClassVar

import numpy as np

from lockstep.columns.kinds import Bools, Floats, Ints, Kind
from lockstep.columns.plain import counted, show
from lockstep.laws.elapsed import things_of
from lockstep.laws.glance import as_numbers, number_columns
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.recalled import MOST_OFF
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.trials import tried

ENOUGH_STEPS = 20
"""Times that a row came after another one, that it takes to try, on each day that is tried."""
ENOUGH_TOLD = 200
"""The same on all training days."""
AS_MUCH = 0.3
"""Share of them in which the number goes up by all that came, at least: else it counts no rows."""
LEAST_OF_OTHERS = 0.2
"""Share of them in which the number of another row would be more than it can be, at least."""
MOST_CELLS = 2_000_000
"""Numbers of a day that are looked at together, at most: 16 MB, and some times that on the way."""
MOST_TRIED = 4
"""Training days, the largest of all, on which it is first seen what may hold."""


@dataclass(frozen=True, eq=False)
class Steps:
    """From one moment of a day at which rows of a thing came to the next one.

    Attributes:
        order: Positions of the rows, by thing, day and time.
        starts: Where in that order each moment begins.
        sizes: How many rows came at each moment.
        here: The moments that follow another one of the same thing and day.
    """

    order: Ints
    starts: Ints
    sizes: Ints
    here: Ints

    @classmethod
    def of(cls, rows: Rows, thing: str | None) -> Steps:
        """Those of some rows; found once, whichever laws ask for them.

        Args:
            rows: The rows.
            thing: The column that names the things; None where all rows are of one.
        """
        return rows.once(("steps", thing), lambda: cls._of(rows, thing))

    @classmethod
    def _of(cls, rows: Rows, thing: str | None) -> Steps:
        name, days = rows.schema.event_time, rows.days
        assert name is not None, "there are steps of an event time"
        assert days is not None, "rows with an event time have days"
        times = rows.columns[name]
        things = np.zeros(len(rows), np.int64) if thing is None else rows.values(thing).places
        known = np.flatnonzero(~np.isnat(times) & (things >= 0))
        order = known[np.lexsort((times[known], things[known]))]
        of_thing, day, time = things[order], days[order].astype(np.int64), times[order]
        is_new = np.append(True, np.diff(of_thing) != 0) if len(order) else np.zeros(0, bool)
        is_new[1:] |= np.diff(time.astype(np.int64)) != 0
        starts = np.flatnonzero(is_new)
        sizes = np.diff(np.append(starts, len(order)))
        follows = (np.diff(of_thing[starts]) == 0) & (np.diff(day[starts]) == 0)
        return cls(order, starts, sizes, np.flatnonzero(follows) + 1)

    @property
    def rows(self) -> Ints:
        """The first row of each step's later moment."""
        return self.order[self.starts[self.here]]

    def least(self, numbers: Floats) -> Floats:
        """The smallest number of each moment, of a column or of several; NaN where one is missing.

        Args:
            numbers: The numbers of all rows, those of a column in a row.
        """
        ordered = numbers[..., self.order]
        if not len(self.order):
            return ordered
        found: Floats = np.minimum.reduceat(ordered, self.starts, axis=-1)
        return found

    def came(self, *, counts_itself: bool) -> Ints:
        """How many rows came from each step's earlier moment on, until it is counted anew."""
        return self.sizes[self.here] if counts_itself else self.sizes[self.here - 1]

    def rises(self, numbers: Floats, *, counts_itself: bool) -> Floats:
        """By how much numbers, as `least` takes them, go up at each step; NaN if one is missing."""
        least = self.least(numbers)
        before = -self.least(-numbers) if counts_itself else least
        rises: Floats = least[..., self.here] - before[..., self.here - 1]
        return rises


class Stock(Law, frozen=True, kw_only=True, tag="stock"):
    """A number goes up, or down, by no more from row to row than by how many rows came.

    Attributes:
        thing: The column that names what has a stock; None where all rows are of one.
        is_rising: Whether rows add to it, rather than take from it.
        counts_itself: Whether a row is in its own number.
        usual: Largest share of a training day's steps that were larger.
    """

    binds: ClassVar[bool] = False
    lacks: ClassVar[str] = "it is of no day, or no row of it has another one before it"

    thing: str | None
    is_rising: bool
    counts_itself: bool
    usual: float = 0.0

    @property
    def says(self) -> str:
        """See `Law.says`."""
        way = "up" if self.is_rising else "down"
        return f"{self.columns[0]} goes {way} by no more than one for each row{self._of_same}."

    @property
    def _of_same(self) -> str:
        return "" if self.thing is None else f" of the same {self.thing}"

    def find(self, rows: Rows) -> Broken | None:
        """The rows at which it goes further; see `Law.find`.

        Each row that was set aside may have come between. One row may come late, or have another
        number than those before and after it: where rows are lost, these differ, too.
        """
        if rows.day is None:
            return None
        known, beyond = self.compared(rows)
        further = beyond > 0
        size, count, excess = len(known), int(np.count_nonzero(further)), float(beyond.sum())
        if count <= self.usual * size or excess <= rows.aside:
            return None
        off = known[further]
        way = "up" if self.is_rising else "down"
        return Broken(
            law=self,
            columns=self.columns,
            message=f"{self.columns[0]} goes {way} by {excess:,.0f} more than rows{self._of_same} "
            f"came, at {count:,} of {counted(size, 'row')} that follow another one, such as to "
            f"{show(rows.columns[self.columns[0]][off[0]])}{self._where(rows, int(off[0]))}; "
            f"{self._usually}: something else is counted, or rows are lost",
            rows=off,
            strict=self.is_strict
            and excess - rows.aside > 1
            and (count > 1 or self._least_beyond(rows, int(off[0])) - rows.aside > 1),
            numbers={"more than came": excess},
            cases={"rows": count / size},
        )

    @property
    def _usually(self) -> str:
        if not self.usual:
            return "on training days it never did"
        return f"on a training day it did at {100 * self.usual:.3g} % of them at most"

    def _where(self, rows: Rows, row: int) -> str:
        of_thing = "" if self.thing is None else f" of {show(rows.columns[self.thing][row])}"
        time = rows.schema.event_time
        assert time is not None, "there are steps of an event time"
        return f"{of_thing} at {show(rows.columns[time][row])}"

    def _least_beyond(self, rows: Rows, row: int) -> float:
        """By how much more it goes up than it can without a moment, or without that before it.

        Args:
            rows: The rows of a batch.
            row: The first one of the moment.
        """
        steps = Steps.of(rows, self.thing)
        moment = int(steps.here[np.flatnonzero(steps.rows == row)[0]])
        found = []
        for one in (moment - 1, moment):
            left_out = steps.order[steps.starts[one] :][: steps.sizes[one]]
            others = rows.take(np.delete(np.arange(len(rows)), left_out), rows.day)
            found.append(float(self.compared(others)[1].sum()) - len(left_out))
        return min(found)

    def looks_at(self, rows: Rows) -> int:
        """See `Law.looks_at`."""
        return len(self.compared(rows)[0]) if rows.day is not None else 0

    def compared(self, rows: Rows) -> tuple[Ints, Floats]:
        """Rows that follow another one, and by how much more the number rises than it can.

        Args:
            rows: The rows.

        Returns:
            Positions, and numbers that are 0 or more, one of each.
        """
        steps = Steps.of(rows, self.thing)
        beyond = self.rises(rows, steps) - steps.came(counts_itself=self.counts_itself)
        known = ~np.isnan(beyond)
        return steps.rows[known], np.maximum(beyond[known], 0.0)

    def rises(self, rows: Rows, steps: Steps) -> Floats:
        """By how much it goes its way at each step; NaN where a number is missing."""
        numbers = as_numbers(rows.columns[self.columns[0]])
        return steps.rises(
            numbers if self.is_rising else -numbers, counts_itself=self.counts_itself
        )

    def shares(self, rows: Rows) -> tuple[float, float, float]:
        """How often it goes too far, as far as it can, and the number of another row would.

        Args:
            rows: The rows of a day.

        Returns:
            Shares of the steps; 0 where these are too few.
        """
        steps = Steps.of(rows, self.thing)
        came, rises = steps.came(counts_itself=self.counts_itself), self.rises(rows, steps)
        known = np.flatnonzero(~np.isnan(rises))
        came, rises = came[known], rises[known]
        if len(known) < ENOUGH_STEPS:
            return 0.0, 0.0, 0.0
        numbers = as_numbers(rows.columns[self.columns[0]]) * (1.0 if self.is_rising else -1.0)
        least = steps.least(numbers)
        others = np.roll(least[steps.here][known], len(known) // 2)
        of_others = others - least[steps.here - 1][known]
        told: tuple[Bools, ...] = (rises > came, rises == came, of_others > came)
        too_far, as_far, by_chance = (float(np.mean(one)) for one in told)
        return too_far, as_far, by_chance


def discover(training: TrainingRows) -> list[Stock]:
    """Find which numbers go up, or down, by no more than rows come.

    Args:
        training: The training rows.
    """
    return [*known(training)]


def known(training: TrainingRows) -> tuple[Stock, ...]:
    """The numbers that go up, or down, by no more than rows come; looked for once.

    Args:
        training: The training rows.
    """
    return training.rows.once("stocks", lambda: tuple(_found(training)))


def _found(training: TrainingRows) -> list[Stock]:
    if not training.has_days or training.days < ENOUGH_DAYS:
        return []
    sizes = np.bincount(training.day_of[training.day_of >= 0])
    tried = [
        training.rows.take(np.flatnonzero(training.day_of == day))
        for day in np.argsort(-sizes, kind="stable")[:MOST_TRIED]
    ]
    names = [name for name in number_columns(training.rows.schema) if _counts(tried, name)]
    seeming: defaultdict[str, list[tuple[float, Stock]]] = defaultdict(list)
    for law in _glanced(tried[0], names, tuple(things_of(training))):
        tightness = _tightness(tried, law)
        if tightness > 0:
            seeming[law.columns[0]].append((tightness, law))
    found = []
    for laws in seeming.values():
        by_tightness = sorted(laws, key=lambda one: -one[0])
        held = (_law(training, law) for _, law in by_tightness)
        found += [*islice((law for law in held if law is not None), 1)]
    return found


def _counts(days: list[Rows], name: str) -> bool:
    """Whether a column holds whole numbers, and different ones."""
    if days[0].schema[name].kind is Kind.BOOL:
        return False
    numbers = np.concatenate([as_numbers(day.columns[name]) for day in days])
    known = numbers[~np.isnan(numbers)]
    return len(np.unique(known)) > 2 and np.array_equal(known, np.round(known))


def _glanced(day: Rows, names: list[str], things: Sequence[str | None]) -> Iterator[Stock]:
    """What may hold as one day tells it, many columns together: of a wide table hardly any is."""
    parts = ceil(len(names) * len(day) / MOST_CELLS)
    for some in np.array_split(np.array(names, dtype=object), max(parts, 1)):
        yield from _glanced_together(day, some.tolist(), things)


def _glanced_together(day: Rows, names: list[str], things: Sequence[str | None]) -> Iterator[Stock]:
    """The same of as many columns as are looked at together."""
    if not names:
        return
    numbers = np.stack([as_numbers(day.columns[name]) for name in names])
    for thing, is_rising, counts_itself in product(things, (True, False), (False, True)):
        steps = Steps.of(day, thing)
        if len(steps.here) < ENOUGH_STEPS:
            continue
        came = steps.came(counts_itself=counts_itself)
        rises = steps.rises(numbers if is_rising else -numbers, counts_itself=counts_itself)
        known = np.maximum(np.count_nonzero(~np.isnan(rises), axis=1), 1)
        as_far, too_far = (np.count_nonzero(one, axis=1) for one in (rises == came, rises > came))
        may_be = (as_far >= AS_MUCH * known) & (too_far <= MOST_OFF * known)
        for name in np.array(names)[may_be].tolist():
            if name != thing:
                yield Stock(
                    columns=(name, str(day.schema.event_time), *([] if thing is None else [thing])),
                    days=0,
                    thing=thing,
                    is_rising=is_rising,
                    counts_itself=counts_itself,
                )


def _tightness(days: list[Rows], law: Stock) -> float:
    """How often a number goes as far as it can on a few days; 0 where the law says nothing."""
    shares = [law.shares(day) for day in days]
    if any(
        too_far > MOST_OFF or as_far < AS_MUCH or of_others < LEAST_OF_OTHERS
        for too_far, as_far, of_others in shares
    ):
        return 0.0
    return float(np.mean([as_far - too_far for too_far, as_far, _ in shares]))


def _law(training: TrainingRows, law: Stock) -> Stock | None:
    """It as a law, held to all training days; None where on too many of them it does not hold."""
    known, beyond = law.compared(training.rows)
    return tried(training, law, known, known[beyond > 0]) if len(known) >= ENOUGH_TOLD else None
