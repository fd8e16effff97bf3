"""Volume: how many rows a day has, and how many of them each hour and each category has."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, timedelta
from math import exp, log, log1p, sqrt
from statistics import median
from typing import ClassVar

import msgspec
import numpy as np

from lockstep.columns.kinds import Floats, Ints, Kind
from lockstep.columns.plain import counted, listed
from lockstep.columns.schema import Field
from lockstep.laws.bands import SELDOM
from lockstep.laws.bunches import ALONE, Bunches, bunches_of
from lockstep.laws.glance import QUARTERS, quarters
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.terms import Term

Value = str | int | float | bool
_WINDOW = 28
"""Days before a day that tell how many rows it is to have: each day of the week four times."""
_LEAST_BEFORE = 3
"""Days that it takes to tell."""
_HOLIDAY = 0.75
"""Share of the usual rows that a day may have for reasons of its own, as a holiday."""
_RUSH = 1.5
"""Times the usual rows that a day may have."""
_UPPER = 0.75
"""Training days beyond this quantile tell how far days are from what is usual."""
_SELDOM = 0.001
"""Share of days without any change that have unusually few rows, and of those that have many."""
_HALF = 0.55
"""Share of the usual rows below which some of them are lost, whatever day it is: public holidays
had 60 % of a usual day's flights and more."""
_TWICE = 1.8
"""Times the usual rows above which a day has the rows of several."""
_SEGMENTS = 60
"""Values of a column by which rows are parted into segments: as many as an hour has minutes."""
_LEAST_EXPECTED = 10.0
"""Rows that a segment has by its smallest share on a training day, so that fewer say anything: of
a batch, and of the largest training day, or its share is known of too few rows."""
_LEAST_OF_A_QUARTER = 30.0
"""The same of a quarter of the day: there are four times as many segments then."""
_ALWAYS = 3.0
"""Rows that a segment has on every training day, of which none on a day says something, where it
usually has twice as many as otherwise say that."""
_CHANCE = 2.5
"""Standard deviations of a number of rows, by chance alone, by which they are fewer at least. Where
rows come in bunches, as many bunches are counted."""
_GONE = 0.1
"""Share of the fewest rows that a segment ever had below which it is gone."""
_FEW = 0.5
"""Share of them below which they are unusually few."""
_MOVED = 0.5
"""Share of the rows that minutes lack, that others have more than ever: these are not lost then."""


class RowsADay(Law, frozen=True, kw_only=True):
    """A day has about as many rows as the days before it.

    Until enough days are published it is compared with the training days. A history may be a
    sample, so that only fewer rows than it had say anything then, and not for certain.

    Attributes:
        by_weekday: Whether it is compared with the same day of other weeks.
        least: Fewest rows that a training day had, by those usual of it.
        most: Most rows that one had.
        few: Below how many rows, by those usual, a day is unusual.
        many: Above how many it is.
        last: Rows of the last training days, by day in ISO form.
    """

    binds: ClassVar[bool] = False

    by_weekday: bool
    least: float
    most: float
    few: float = 0.0
    many: float = 1e9
    last: dict[str, int]

    @property
    def says(self) -> str:
        """It in a sentence."""
        days = "the same day of the weeks before" if self.by_weekday else "the days before"
        return f"a day has about as many rows as {days}"

    def find(self, rows: Rows) -> Broken | None:
        """Whether there are far fewer rows than on the days before, or far more."""
        if rows.day is None:
            return None
        published = {batch.partition: batch.rows for batch in rows.earlier}
        before = _before(rows.day, published, by_weekday=self.by_weekday)
        enough = len(before) >= _LEAST_BEFORE
        if not enough:
            before = _before(rows.day, {**self.last, **published}, by_weekday=self.by_weekday)
        if len(before) < _LEAST_BEFORE:
            return None
        usual = median(before)
        share = len(rows) / usual if usual else 1.0
        few, many = self.few, self.many
        if few <= share and (share <= many or not enough):
            return None
        return Broken(
            law=self,
            columns=self.columns,
            message=f"there are {counted(len(rows), 'row')}, {100 * share:.3g} % of the "
            f"{usual:,.6g} that are usual ({self.says}; training days had "
            f"{100 * self.least:.3g} to {100 * self.most:.3g} %)",
            strict=self.is_strict
            and enough
            and not _HALF * self.least < share < _TWICE * self.most,
            numbers={"rows": len(rows), "usual rows": usual},
        )


class RowsASegment(Law, frozen=True, kw_only=True):
    """Each value or form of a column, or hour of the day, or minute, has its share of a day's rows.

    Attributes:
        term: What parts the rows.
        values: The values that have many rows on every training day.
        least: The smallest share of a training day's rows that each of them had.
        usual: The usual share; none of a version that an older Lockstep fitted.
        bunches: In which bunches the rows come, as far as the column tells.
        quarter: The quarter of the day whose rows are looked at; None for all rows.
        most: Of a minute of the hour, the largest share of a training day's rows that it had.
        spread: By which share of its square the variance of each value's number of rows is more
            than by chance; none of a version that an older Lockstep fitted.
    """

    binds: ClassVar[bool] = False

    term: Term
    values: tuple[Value, ...]
    least: tuple[float, ...]
    usual: tuple[float, ...] = ()
    bunches: Bunches = ALONE
    quarter: int | None = None
    most: dict[int, float] = msgspec.field(default_factory=dict)
    spread: tuple[float, ...] = ()

    @property
    def says(self) -> str:
        """It in a sentence."""
        return f"each {self.term.says} has its share of the rows{self._when}"

    @property
    def _when(self) -> str:
        return "" if self.quarter is None else f" {QUARTERS[self.quarter]}"

    def find(self, rows: Rows) -> Broken | None:
        """Values that have hardly any rows, though they had many on every training day.

        A file may be of some minutes only, and a timetable may move to others: both are a warning.
        """
        chosen = _chosen(_table(self.term, rows), self.quarter)
        size = int(chosen.sum())
        found = self.term.values(rows).found.tolist()
        counts = dict(zip(found, chosen.tolist(), strict=False))  # the last one is of no value
        few = []
        unused = [0.0] * len(self.values)
        entries = zip(
            *(self.values, self.least, self.usual or self.least, self.spread or unused), strict=True
        )
        for value, share, usual, spread in entries:
            count, expected = counts.get(value, 0), share * size
            if expected < _expected(self.quarter) and not count:
                expected = usual * size / 2
            if self._are_few(count, expected, rows) or (
                not count and self.spread and self._is_no_chance(usual, spread, size)
            ):
                few.append((count / max(expected, 1.0), value, share))
        if not few:
            return None
        few.sort(key=lambda one: one[0])
        _, value, least = few[0]
        lost = [one for left, one, _ in few if left < _GONE]
        is_clock = self.term.is_clock
        others = [one for _, one, _ in few[1:]]
        others = [self.term.show(one) for one in (sorted(others) if is_clock else others)]
        is_lost = bool(lost) and not (
            is_clock and (rows.day is None or self._is_moved(counts, {one[1] for one in few}))
        )
        return Broken(
            law=self,
            columns=self.columns,
            message=f"{counted(counts.get(value, 0), 'row')} of {size:,}{self._when} have "
            f"{self.term.show(value)} as {self.term.says}, where on every training day "
            f"{100 * least:.3g} % or more had{f'; likewise {listed(others, 3)}' if others else ''}",
            strict=self.is_strict and is_lost,
            numbers={f"rows of {self.term.show(value)}{self._when}": counts.get(value, 0)},
            cases=dict.fromkeys(map(self.term.show, lost or [one[1] for one in few]), 1.0),
        )

    def _are_few(self, count: int, expected: float, rows: Rows) -> bool:
        """Whether there are fewer than half of the rows that are expected, and than by chance."""
        if expected < _expected(self.quarter) or count >= _FEW * expected:
            return False
        return count / expected < 1 - _CHANCE / sqrt(expected / self.bunches.effect(rows))

    def _is_no_chance(self, usual: float, spread: float, size: int) -> bool:
        """Whether a value that has no row has some on all days but for one in 50,000.

        Among as many rows of others there is none by chance as often as each of them is not of that
        value; how far its rows vary beyond that makes it likelier (a negative binomial: Anscombe,
        "The statistical analysis of insect counts", 1949).

        Args:
            usual: Its usual share of the rows.
            spread: How far it varies beyond chance: see `spread`.
            size: Rows that have other values.
        """
        expected = -size * log1p(-min(usual, 1 - 1 / max(size, 2)))
        far = log1p(spread * expected) / spread if spread else expected
        return far > log(len(self.values) / SELDOM)

    def _is_moved(self, counts: Mapping[Value, int], lacking: Collection[Value]) -> bool:
        """Whether other minutes have the rows that some lack.

        Where these are lost, the others have no larger shares than ever of the rows that there
        would be with them, but for chance.
        """
        size = sum(counts.values())
        if not self.most or not size:
            return False
        usual = dict(zip(self.values, self.usual, strict=True))
        lost = sum(usual[one] for one in lacking)
        would_be = size / max(1 - lost, 1 / size)
        mosts = ((count, self.most.get(int(one), 0.0) * would_be) for one, count in counts.items())
        more = (count - most for count, most in mosts if count > most + _CHANCE * sqrt(most))
        return sum(more) >= _MOVED * lost * size


def discover(training: TrainingRows) -> list[RowsADay | RowsASegment]:
    """How many rows the training days have, as a whole and by segment.

    Args:
        training: The training rows.
    """
    if training.days < ENOUGH_DAYS:
        return []
    return [*_rows_a_day(training), *_rows_a_segment(training)]


def _rows_a_day(training: TrainingRows) -> list[RowsADay]:
    rows, event_time = training.rows, training.rows.schema.event_time
    if not training.has_days or rows.days is None or event_time is None:
        return []
    known = training.day_of >= 0
    days, counts = np.unique(rows.days[known], return_counts=True)
    found = dict(zip(days.astype(str).tolist(), counts.tolist(), strict=True))
    tried = {by: _shares(found, by_weekday=by) for by in (False, True)}
    shares = {by: one for by, one in tried.items() if len(one) >= ENOUGH_DAYS}
    if not shares:
        return []
    by_weekday = min(shares, key=lambda by: float(np.abs(np.log(shares[by])).mean()))
    return [
        RowsADay(
            columns=(event_time,),
            days=training.days,
            by_weekday=by_weekday,
            least=min(1.0, *shares[by_weekday]),
            most=max(1.0, *shares[by_weekday]),
            few=_limit(np.array(shares[by_weekday]), _HOLIDAY),
            many=1 / _limit(1 / np.array(shares[by_weekday]), 1 / _RUSH),
            last=dict(list(found.items())[-_WINDOW:]),
        )
    ]


def _limit(shares: Floats, unusual: float) -> float:
    """Below which share of the usual rows a day seldom is without any change.

    Logarithms have an exponential tail, which their lower quarter tells (excesses over a threshold:
    Coles, "An Introduction to Statistical Modeling of Extreme Values", 2001). It is farther than
    any training day by what such excesses are on average.

    Args:
        shares: The rows of each training day, by those usual of it.
        unusual: The share that a day may have for reasons of its own.
    """
    less = -np.log(shares)
    from_ = float(np.quantile(less, _UPPER))
    beyond = less[less > from_]
    mean = float(beyond.mean()) - from_ if len(beyond) else 0.0
    tail = from_ + mean * log((1 - _UPPER) / _SELDOM)
    return min(exp(-max(tail, float(less.max()) + mean)), unusual)


def _shares(counts: dict[str, int], *, by_weekday: bool) -> list[float]:
    """The rows of each day by those usual of it, as the days before it tell."""
    shares = []
    for day, count in counts.items():
        before = _before(day, counts, by_weekday=by_weekday)
        if len(before) >= _LEAST_BEFORE:
            shares.append(count / median(before))
    return shares


def _before(day: str, counts: dict[str, int], *, by_weekday: bool) -> list[int]:
    """The rows of the days before a day with which it is compared."""
    step = 7 if by_weekday else 1
    last = date.fromisoformat(day)
    days = [str(last - timedelta(days=apart)) for apart in range(step, _WINDOW + 1, step)]
    return [counts[one] for one in days if one in counts]


def _rows_a_segment(training: TrainingRows) -> list[RowsASegment]:
    rows, schema = training.rows, training.rows.schema
    terms = [
        Term(field.name)
        for field in schema
        if field.kind in (Kind.TEXT, Kind.BOOL, Kind.INT, Kind.FLOAT) and field.role == "value"
    ]
    if training.has_days and schema.event_time is not None:
        terms.append(Term(schema.event_time, "hour of the day"))
        terms.append(Term(schema.event_time, "minute of the hour"))
    terms += [Term(field.name, "form") for field in schema if _has_forms(field, rows)]
    few = [term for term in terms if 1 < len(term.values(rows).found) <= _SEGMENTS]
    bunches = bunches_of(training)
    has_quarters = training.has_days and schema.event_time is not None
    found = (
        _segments(training, term, bunches[term.column], quarter)
        for term in few
        for quarter in (None, *(range(len(QUARTERS)) if has_quarters else ()))
        if quarter is None or term.part == "value"
    )
    return [law for law in found if law is not None]


def _has_forms(field: Field, rows: Rows) -> bool:
    """Whether a column holds texts that are too many to be judged one by one."""
    is_text = field.kind is Kind.TEXT and field.role == "value"
    return is_text and len(rows.values(field.name).found) > _SEGMENTS


def _segments(
    training: TrainingRows, term: Term, bunches: Bunches, quarter: int | None
) -> RowsASegment | None:
    """The values of which every training day has many rows, with their smallest shares."""
    values, day_of = term.values(training.rows), training.day_of
    counts = np.zeros((training.days, len(values.found)))
    chosen = day_of >= 0
    if quarter is not None:
        elsewhere = chosen & (quarters(training.rows) != quarter)
        if not elsewhere.any():  # all of the day is in that quarter
            return None
        chosen &= ~elsewhere
    known = chosen & (values.places >= 0)
    np.add.at(counts, (day_of[known], values.places[known]), 1)
    rows = np.bincount(day_of[chosen], minlength=training.days)
    shares = counts / np.maximum(rows, 1)[:, None]
    least, usual = shares.min(axis=0), np.median(shares, axis=0)
    effect = bunches.effect(training.rows)
    has_many = least * rows.max() >= _expected(quarter) * effect
    is_always_there = counts.min(axis=0) >= _ALWAYS * effect
    has_many |= is_always_there & (usual * rows.max() >= 2 * _expected(quarter) * effect)
    kept = np.flatnonzero(has_many)
    if not len(kept):
        return None
    return RowsASegment(
        columns=(term.column,),
        days=training.days,
        term=term,
        values=tuple(values.found[kept].tolist()),
        least=tuple(least[kept].tolist()),
        usual=tuple(usual[kept].tolist()),
        bunches=bunches,
        quarter=quarter,
        most=dict(zip(map(int, values.found), shares.max(axis=0).tolist(), strict=True))
        if term.part == "minute of the hour"
        else {},
        spread=tuple(_spread(counts[:, kept], rows).tolist()),
    )


def _spread(counts: Floats, rows: Ints) -> Floats:
    """By which share of its square the variance of each number of rows is more than by chance.

    Args:
        counts: How many rows each value has: days by values.
        rows: How many each day has.
    """
    expected = np.outer(rows, counts.sum(axis=0) / rows.sum())
    beyond = ((counts - expected) ** 2 - expected).sum(axis=0)
    spread: Floats = np.maximum(beyond, 0.0) / (expected**2).sum(axis=0)
    return spread


def _expected(quarter: int | None) -> float:
    """Rows that a segment has at least, so that fewer say anything."""
    return _LEAST_EXPECTED if quarter is None else _LEAST_OF_A_QUARTER


def _table(term: Term, rows: Rows) -> Ints:
    """How many rows each value has in each quarter of the day: quarters by values.

    The last quarter is that of rows of which the time is not known, the last value that of none.
    """
    return rows.once(("by quarter", term), lambda: _counted(term, rows))


def _counted(term: Term, rows: Rows) -> Ints:
    values, quarter = term.values(rows), quarters(rows)
    known, unknown = len(values.found), len(QUARTERS)
    starts = np.arange(unknown + 1) * (known + 1) + 1  # the last one is that of -1
    start = starts[-1] if quarter is None else starts[quarter]
    counts = np.bincount(values.places + start, minlength=(unknown + 1) * (known + 1))
    return np.roll(counts.reshape(unknown + 1, known + 1), -1, axis=1)  # those of none come last


def _chosen(table: Ints, quarter: int | None) -> Ints:
    """How many rows each value has in a quarter of the day, or in all of it."""
    found: Ints = table.sum(axis=0) if quarter is None else table[quarter]
    return found
