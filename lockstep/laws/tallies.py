"""Tallies: a number counts what the same thing had on the days before, or sums it up.

Stores of features join to an event how many there were of the same card in the last week, or how
much was paid with it: what such a window holds is told by the batches of its days. It ends on the
day before, or on the day itself. No row has to be there on each of its days: a day on which a thing
has none counts for nothing, where a mean would not be known (see `recalled`).

Which number it is, of which things and how many days, is found in the training days: what agrees
there on all of them. Of a published batch is kept how much each of its things had, and of many
things those of the smallest digests, as in `recalled`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from lockstep.columns.kinds import Array, Floats, Ints, Kind
from lockstep.columns.plain import counted, show
from lockstep.laws.earlier import Held
from lockstep.laws.glance import as_numbers, value_columns
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.recalled import (
    ENOUGH_TOLD,
    FURTHEST,
    GLANCED,
    KEPT,
    MANY,
    MOST_BROKEN,
    MOST_OFF,
    SAMPLE,
    on_training_days,
)
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.series import moments_at
from lockstep.laws.terms import Term

ROWS = "rows"
"""What is counted where that is rows."""
MOST_CELLS = 2_000_000
"""Things of a column that is tried, times days, at most."""
HANDFUL = 8
"""Things of days that are looked at first: half of them may be odd. Of what is as odd as a law may
be, one in ten (`MOST_OFF`), five of eight are so in 0.04 % of cases (binomial)."""
ENOUGH_DIFFERENT = 5
"""Different numbers that a window has to have, so that another one tells."""
MOVES = 0.2
"""Share of the days of a thing on which what a window has is not what it was, at least."""
_WINDOWS = [(end, window) for end in (1, 0) for window in range(1, FURTHEST + 1 - end)]
"""What is tried: how many days before the last day of a window is, and how many days it has."""
_ALIKE = 1e-9
"""By which share of it a sum differs at most that is the same, by the order in which it is made."""
_CENT = 0.005
"""By how much a sum differs at most that is rounded to two decimals."""


class Tallied(Law, frozen=True, kw_only=True, tag="tallied"):
    """A number is how many rows its thing had in a window of days, or the sum of what they held.

    Attributes:
        held: What is summed up; none where rows are counted.
        end: How many days before the last day of the window is.
        window: How many days it has.
        usual: Largest share of a training day's rows that held something else.
    """

    binds: ClassVar[bool] = False
    lacks: ClassVar[str] = "not all batches of the days that it counts are known"

    held: str | None
    end: int
    window: int
    usual: float = 0.0

    @property
    def tallying(self) -> str:
        """The number."""
        return self.columns[0]

    @property
    def thing(self) -> Term:
        """What names the things."""
        return Term(self.columns[1])

    @property
    def what(self) -> str:
        """By what it is kept how much things had."""
        return f"tally of {self.columns[1]}"

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"{self.tallying} is {self._source}."

    @property
    def _source(self) -> str:
        much = "how many rows" if self.held is None else f"the sum of {self.held} that"
        end = "to the day itself" if self.end == 0 else "to the day before"
        return f"{much} the same {self.columns[1]} had in the {counted(self.window, 'day')} {end}"

    def find(self, rows: Rows) -> Broken | None:
        """The rows that hold something else; see `Law.find`.

        Rows that were set aside are none of those that are counted: numbers of rows may differ by
        as many, and no sum is known.
        """
        known, off = self.compared(rows)
        size, count = len(known), len(off)
        if not count or count <= self.usual * size:
            return None
        row = int(off[0])
        thing = show(rows.columns[self.columns[1]][row])
        holds, expected = rows.columns[self.tallying][row], self._expected(rows)[row]
        return Broken(
            law=self,
            columns=self.columns[:2],
            message=f"{self.tallying} of {count:,} of {counted(size, 'row')} is not "
            f"{self._source}, such as that of {thing}: {show(holds)} rather than {expected:.6g}; "
            f"{on_training_days(self.usual)}: it was counted otherwise, or what was counted "
            "has been corrected since",
            rows=off,
            strict=self.is_strict and count > max(1.0, (self.usual + MANY) * size),
            numbers={"rows that tally something else": count},
            cases={"rows": count / size},
        )

    def looks_at(self, rows: Rows) -> int:
        """See `Law.looks_at`."""
        return len(self.compared(rows)[0])

    def compared(self, rows: Rows) -> tuple[Ints, Ints]:
        """Positions of rows of which it is known what they are to hold, and of those that do not.

        Args:
            rows: The rows of a day.
        """
        expected, aside = self._expected(rows), self._aside(rows)
        numbers = as_numbers(rows.columns[self.tallying])
        known = np.flatnonzero(~np.isnan(expected) & ~np.isnan(numbers))
        if aside and self.held is not None:  # nobody knows what these rows held
            known = known[:0]
        off = np.abs(numbers[known] - expected[known])
        return known, known[off > aside + _tolerance(self.held, expected[known])]

    def _aside(self, rows: Rows) -> int:
        """How many rows of the window were set aside."""
        days = self._days(rows)
        own = rows.aside if self.end == 0 else 0
        return own + sum(one.aside for one in rows.earlier if one.partition in days)

    def _days(self, rows: Rows) -> list[str]:
        """The days of the window, but for the day itself."""
        if rows.day is None:
            return []
        back = range(max(self.end, 1), self.end + self.window)
        return [str(np.datetime64(rows.day) - np.timedelta64(one, "D")) for one in back]

    def _expected(self, rows: Rows) -> Floats:
        """What each row is to hold; NaN where that is not known."""
        return rows.once(
            ("tallied", self.columns[1], self.held, self.end, self.window),
            lambda: self._find_expected(rows),
        )

    def _find_expected(self, rows: Rows) -> Floats:
        nothing = np.full(len(rows), np.nan)
        if rows.day is None:
            return nothing
        every = moments_at(rows, (self.thing,))
        kept = {one.partition: one.recalled.get(self.what) for one in rows.earlier}
        total = np.zeros(len(every.first))
        if self.end == 0:
            total += _had(rows, self.thing, self.held)
        for day in self._days(rows):
            held = kept.get(day)
            if held is None:
                return nothing
            total += held.or_nothing(self.held or ROWS, every.digests)
        of_day = every.of_row >= 0 if rows.outside is None else (every.of_row >= 0) & ~rows.outside
        return np.where(of_day, np.append(total, np.nan)[every.of_row], np.nan)


def _tolerance(held: str | None, expected: Floats) -> Floats:
    """By how much numbers may differ: counts do not, sums are rounded."""
    if held is None:
        return np.zeros_like(expected)
    tolerance: Floats = _CENT * 1.01 + _ALIKE * np.abs(expected)
    return tolerance


def _had(rows: Rows, thing: Term, held: str | None) -> Floats:
    """How many rows each thing of each day has, or the sum of what they hold: see `moments_at`."""
    every = moments_at(rows, (thing,))
    known = every.of_row >= 0
    weights = None
    if held is not None:
        weights = np.nan_to_num(as_numbers(rows.columns[held]), nan=0.0)[known]
    found: Floats = np.bincount(every.of_row[known], weights, len(every.first)).astype(np.float64)
    return found


def remembered(laws: Iterable[Law], rows: Rows) -> dict[str, Held]:
    """How much things had in a batch of a day, to be kept for the batches that follow it.

    Args:
        laws: All laws of a version.
        rows: The rows of the batch.
    """
    held: defaultdict[tuple[str, Term], dict[str | None, None]] = defaultdict(dict)
    for law in laws:
        if isinstance(law, Tallied) and rows.day is not None:
            held[law.what, law.thing][law.held] = None
    found = {}
    for (what, thing), of_thing in held.items():
        digests = moments_at(rows, (thing,)).digests
        values = {one or ROWS: _had(rows, thing, one) for one in of_thing}
        found[what] = Held.of(digests, values, KEPT)
    return found


def discover(training: TrainingRows) -> list[Tallied]:
    """Find which numbers tally the days before, for the same things.

    Args:
        training: The training rows.
    """
    rows, days = training.rows, training.rows.days
    if not training.has_days or training.days < ENOUGH_DAYS or days is None:
        return []
    found: dict[str, Tallied] = {}
    numbers = {name: as_numbers(rows.columns[name]) for name in _numbers(rows)}
    for name in value_columns(rows.schema):
        is_named = rows.schema[name].kind is not Kind.FLOAT
        if not is_named or not 1 < len(rows.values(name).found) <= MOST_CELLS / training.days:
            continue
        search = _Search.of(training, name, numbers)
        found |= {law.tallying: law for law in search.laws() if law.tallying not in found}
    return list(found.values())


@dataclass(frozen=True, eq=False)
class _Search:
    """Where windows are looked for: some things of training days, and how much they had before.

    Attributes:
        training: The training rows.
        name: What names the things.
        first: The first row of each thing of a day: see `moments_at`.
        of_row: The thing of a day that each row is of.
        number: Which thing each of them is.
        since: Which day it is of, counted from the first one.
        dates: The days that there are, so counted: a day may stand alone, years before the others.
        numbers: The columns that may tally, or be summed up, by name.
    """

    training: TrainingRows
    name: str
    first: Ints
    of_row: Ints
    number: Ints
    since: Ints
    dates: Ints
    numbers: Mapping[str, Floats]

    @classmethod
    def of(cls, training: TrainingRows, name: str, numbers: Mapping[str, Floats]) -> _Search:
        """The things of a column."""
        rows = training.rows
        every = moments_at(rows, (Term(name),))
        assert rows.days is not None, "the rows have days"
        days = rows.days[every.first].astype(np.int64)
        number = rows.values(name).places[every.first]
        since = days - days.min()
        of_days = (every.first, every.of_row, number, since, np.unique(since))
        return cls(training, name, *of_days, numbers)

    def laws(self) -> Iterator[Tallied]:
        """What tallies the days before."""
        tried: dict[str, Floats | None] = {}
        told: set[str] = set()
        for held, columns in self._seeming():
            sums: Array | None = None
            for column in columns:
                if column not in tried:
                    tried[column] = self._values(column)
                values = tried[column]
                if values is None or column in told:
                    continue
                sums = self._sums(held) if sums is None else sums
                law = self._law(column, values, held, sums)
                if law is not None:
                    told.add(column)
                    yield law

    def _seeming(self) -> Iterator[tuple[str | None, list[str]]]:
        """What may agree with a window of what, as a few things of days tell.

        Of a wide table hardly anything does, and every column is tried with every other one: a
        handful of things tells of nearly all pairs that they do not.

        Yields:
            What may be summed up, none for rows that are counted, and what may tally it.
        """
        told = np.flatnonzero(self.since >= FURTHEST)
        names = [one for one in self.numbers if one != self.name and self._may_tally(one)]
        if not names or not len(told):
            return
        some = _some(told, GLANCED)
        values = np.stack([self.numbers[one][self.first[some]] for one in names])
        most = 2 * MOST_OFF * np.count_nonzero(~np.isnan(values), axis=1)
        few = _some(np.arange(len(some)), HANDFUL)
        had, had_few = self._had_at(some), self._had_at(some[few])
        for held in (None, *self.numbers):
            half = np.full(len(names), len(few) / 2)
            seeming = np.flatnonzero(_agree(values[:, few], had_few(held), held, half))
            if len(seeming):
                seeming = seeming[_agree(values[seeming], had(held), held, most[seeming])]
            found = [names[one] for one in seeming.tolist() if names[one] != held]
            if found:
                yield held, found

    def _had_at(self, some: Ints) -> Callable[[str | None], Floats]:
        """Tells how much some things had in each window; NaN where it began before the training."""
        things, place = np.unique(self.number[some], return_inverse=True)
        of_thing = np.full(int(self.number.max()) + 1, -1, dtype=np.int64)
        of_thing[things] = np.arange(len(things))
        thing_of = np.append(of_thing[self.number], -1)[self.of_row]
        rows = np.flatnonzero(thing_of >= 0)
        dates = np.searchsorted(self.dates, self.since[self.of_row[rows]])
        width = len(self.dates)
        cell = thing_of[rows] * width + dates
        spans = [self._span(some, *one) for one in _WINDOWS]
        to, after, is_known = (np.stack(one) for one in zip(*spans, strict=True))

        def had(held: str | None) -> Floats:
            weights = None if held is None else np.nan_to_num(self.numbers[held][rows], nan=0.0)
            table = np.bincount(cell, weights, len(things) * width).reshape(-1, width)
            sums = _summed(table)
            return np.where(is_known, sums[place, to] - sums[place, after], np.nan)

        return had

    def _may_tally(self, column: str) -> bool:
        """Whether a column may be one of which `_values` tells something, as a few rows tell."""
        values, (others, firsts) = self.numbers[column], self._doubled
        differ = values[others] != values[firsts]
        differ &= ~np.isnan(values[others])
        is_one = np.mean(differ) * self._share_doubled <= 2 * MOST_OFF if len(others) else True
        before, after = self._moved
        moves = values[before] != values[after]
        return is_one and len(moves) > 0 and bool(np.mean(moves) >= MOVES / 2)

    @cached_property
    def _doubled(self) -> tuple[Ints, Ints]:
        """Some rows that are not the first of their thing on their day, and these first ones."""
        rows = np.flatnonzero(self.of_row >= 0)
        others = rows[self.first[self.of_row[rows]] != rows]
        some = _some(others, 4 * GLANCED)
        return some, self.first[self.of_row[some]]

    @cached_property
    def _share_doubled(self) -> float:
        """The share of rows that are not the first of their thing on their day."""
        return 1.0 - len(self.first) / max(1, int(np.count_nonzero(self.of_row >= 0)))

    @cached_property
    def _moved(self) -> tuple[Ints, Ints]:
        """Some first rows of a thing on a day, and those on the next day on which it has any."""
        again = self._again
        places = np.flatnonzero(np.diff(self.number[again]) == 0)
        some = _some(places, 4 * GLANCED)
        return self.first[again[some]], self.first[again[some + 1]]

    def _values(self, column: str) -> Floats | None:
        """What each thing of a day holds; None where rows of one hold several, or all the same."""
        numbers = self.numbers[column]
        values = numbers[self.first]
        known = self.of_row >= 0
        differ = numbers[known] != values[self.of_row[known]]
        differ &= ~np.isnan(numbers[known])
        if np.mean(differ) > MOST_OFF or len(np.unique(values)) < ENOUGH_DIFFERENT:
            return None
        moves = (np.diff(values[self._again]) != 0)[np.diff(self.number[self._again]) == 0]
        return values if len(moves) and np.mean(moves) >= MOVES else None

    @cached_property
    def _again(self) -> Ints:
        """The things of days, each on one day after another."""
        return np.lexsort((self.since, self.number))

    def _sums(self, held: str | None) -> Array:
        """How much each thing had up to each date, with nothing before: things by dates + 1."""
        table = np.zeros((int(self.number.max()) + 1, len(self.dates)))
        table[self.number, np.searchsorted(self.dates, self.since)] = _had(
            self.training.rows, Term(self.name), held
        )
        return _summed(table)

    def _law(self, column: str, values: Floats, held: str | None, sums: Array) -> Tallied | None:
        """The window that a number agrees with on all days; None where that is none."""
        known = np.flatnonzero(~np.isnan(values) & (self.since >= FURTHEST))
        if len(known) < ENOUGH_TOLD:
            return None
        some = _some(known, SAMPLE)
        off = {
            (end, window): self._off(values[some], self._window(sums, some, end, window), held)
            for end, window in _WINDOWS
        }
        best = min(off, key=off.__getitem__)
        return self._held_to_all(column, held, *best, sums) if off[best] <= MOST_OFF else None

    def _window(self, sums: Array, things: Ints, end: int, window: int) -> Floats:
        """How much things had in a window; NaN where it begins before the training does."""
        number = self.number[things]
        to, after, is_known = self._span(things, end, window)
        return np.where(is_known, sums[number, to] - sums[number, after], np.nan)

    def _span(self, things: Ints, end: int, window: int) -> tuple[Ints, Ints, Array]:
        """Up to which dates, after which, and whether the training has begun by then."""
        last = self.since[things] - end
        to, after = (np.searchsorted(self.dates, day, "right") for day in (last, last - window))
        return to, after, last + 1 >= window

    def _off(self, values: Floats, expected: Floats, held: str | None) -> float:
        """The share of things that hold something else; all, where these windows hardly differ."""
        if len(np.unique(expected)) < ENOUGH_DIFFERENT:
            return 1.0
        return float(np.mean(~(np.abs(values - expected) <= _tolerance(held, expected))))

    def _held_to_all(
        self, column: str, held: str | None, end: int, window: int, sums: Array
    ) -> Tallied | None:
        """A window as a law; None where on too many days it does not hold."""
        rows, day_of = self.training.rows, self.training.day_of
        expected = self._window(sums, np.arange(len(self.first)), end, window)
        of_row = np.append(expected, np.nan)[self.of_row]
        numbers = as_numbers(rows.columns[column])
        known = np.flatnonzero(~np.isnan(of_row) & ~np.isnan(numbers))
        differ = np.abs(numbers[known] - of_row[known]) > _tolerance(held, of_row[known])
        size = np.bincount(day_of[known], minlength=self.training.days)
        wrong = np.bincount(day_of[known[differ]], minlength=self.training.days)
        law = Tallied(
            columns=(column, self.name, *(() if held is None else (held,))),
            days=int(np.count_nonzero(size)),
            broken=int(np.count_nonzero(wrong)),
            held=held,
            end=end,
            window=window,
            usual=float((wrong / np.maximum(size, 1)).max()),
        )
        is_kept = law.usual <= MOST_OFF and law.broken <= MOST_BROKEN * law.days
        return law if is_kept and law.days >= ENOUGH_DAYS else None


def _some(of: Ints, most: int) -> Ints:
    """So many of them at most, evenly spread."""
    return of[np.linspace(0, len(of) - 1, min(most, len(of))).astype(np.int64)]


def _summed(table: Array) -> Array:
    """How much each row has up to each column, with nothing before."""
    return np.concatenate([np.zeros((len(table), 1)), np.cumsum(table, axis=1)], axis=1)


def _agree(values: Floats, expected: Floats, held: str | None, most: Floats) -> Array:
    """Whether columns hold what one of the windows had, with as many exceptions at most.

    Args:
        values: What each column holds of some things; NaN agrees with anything.
        expected: What each window had of them.
        held: What is summed up; none where rows are counted.
        most: By column, how many may be otherwise.
    """
    off = np.abs(values[:, None] - expected) > _tolerance(held, expected)
    agree: Array = np.count_nonzero(off, axis=2).min(axis=1) <= most
    return agree


def _numbers(rows: Rows) -> list[str]:
    """The columns that may tally, or be summed up."""
    return [
        one.name
        for one in rows.schema
        if one.role == "value" and one.kind in (Kind.FLOAT, Kind.INT)
    ]
