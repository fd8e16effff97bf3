"""Exchanges: which of two like numbers is which, by all that tells them from each other in a day.

Forecasts of the next hour and of the third one lie in the same range, and on some days either goes
better with what is measured. Exchanged for each other, nothing is out of range, and no statistic of
theirs is where it never was. But each of many tells a little of which is which: with what else each
goes, what it is near to, how it moves, which of them is ahead of the other. Exchanging the two
turns the sign of all such differences. So they are added up as a linear discriminant does it
(Fisher, "The use of multiple measurements in taxonomic problems", 1936), drawn to 0 where they vary
together (ridge regression: Hoerl and Kennard, 1970), to a number that is 1 on a usual day, and -1
on a usual one on which the two are exchanged.

How far days lie from 1, the farther the fewer rows they have, is found by training days that had no
part in the weights. The law is kept where most of these days, exchanged, would be told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, islice
from typing import Any, ClassVar

import msgspec
import numpy as np

from lockstep.columns.kinds import Array, Bools, Floats, Ints, Kind
from lockstep.laws.bands import training_days
from lockstep.laws.glance import glance, number_columns
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.rows import Rows, TrainingRows

ENOUGH_ROWS = 8
"""Rows of a day that it takes to tell what goes together."""
MOST_ROWS = 5_000
"""Rows of a day that are looked at, at most, spread evenly over it."""
ENOUGH_DIFFERENT = 20
"""Different values that a number has in training, at least: others are codes."""
KNOWN = 0.5
"""Share of the rows in which it is known, at least: of others a day may have none."""
NEAR = 0.5
"""Interquartile ranges by which the medians of like numbers differ, at most."""
TIMES = 2.0
"""By which factor these ranges differ, at most."""
MOST_NUMBERS = 24
"""Numbers that are looked at, at most: like ones, and then those that most days have."""
MOST_PAIRS = 12
"""Pairs of like numbers, the nearest first."""
HOURS = (1.0, 2.0, 3.0)
"""How far ahead of each other numbers are tried to be."""
RIDGE = 1.0
"""What is added to the variance of each difference, of which the mean square is 1."""
PARTS = 5
"""Parts of the training, each of which is left out in turn."""
BY_CHANCE = 4.1
"""Standard deviations below 1 to which chance leads on one day in 50,000 (normal distribution)."""
BEYOND = 1.0
"""Standard deviations by which such a day lies farther below 1 than all of training, at least."""
EXCHANGED = -0.5
"""From where on a day is rather as exchanged than as nothing: half of the way from there to -1. A
new season leads some way towards 0."""
TOLD = 0.75
"""Share of the training days that would be told, exchanged, at least."""
_TINY = 1e-9
_ROUGH = 0.01


class Spread(msgspec.Struct, frozen=True, array_like=True):
    """How far from 1 sums lie, as variances.

    Attributes:
        of_days: What days of any size have.
        of_rows: What one row has beside that, to be parted among the rows of a day.
    """

    of_days: float
    of_rows: float

    @classmethod
    def of(cls, sums: Floats, rows: Ints) -> Spread:
        """That of training days, by least squares; neither is below 0.

        Args:
            sums: Of each day.
            rows: How many it has.
        """
        squares, shares = (sums - 1) ** 2, 1 / rows
        away = shares - shares.mean()
        of_rows = max(float(squares @ away / (away @ away + _TINY)), 0.0)
        of_days = float(squares.mean() - of_rows * shares.mean())
        if of_days < 0:
            of_rows = float(squares @ shares / (shares @ shares))
        return cls(max(of_days, _TINY), of_rows)

    def at(self, rows: Array | int) -> Any:
        """The standard deviation at some numbers of rows."""
        return np.sqrt(self.of_days + self.of_rows / rows)

    def limit(self, rows: Array | int, farthest: float) -> Any:
        """Below which sums the two are exchanged.

        Args:
            rows: How many rows a day has.
            farthest: How many standard deviations below 1 a training day was at most.
        """
        by = max(BY_CHANCE, farthest + BEYOND)
        return np.minimum(1 - by * self.at(rows), EXCHANGED)


class Exchanged(Law, frozen=True, kw_only=True, tag="exchanged"):
    """Two like numbers are not exchanged.

    Attributes:
        others: With what else they are compared.
        near: Those of them that they may be near to.
        weights: What each difference between the two counts: see `differences`.
        most: How large each of them was on any training day.
        spread: How far from 1 they add up.
        farthest: How far below 1 a training day was at most, in standard deviations.
    """

    binds: ClassVar[bool] = False
    lacks: ClassVar[str] = "it has too few rows to tell what goes together"

    others: tuple[str, ...]
    near: tuple[str, ...]
    weights: tuple[float, ...]
    most: tuple[float, ...]
    spread: Spread
    farthest: float

    @property
    def says(self) -> str:
        """See `Law.says`."""
        first, second = self.columns
        return f"{first} and {second}, which are alike, are not exchanged."

    def find(self, rows: Rows) -> Broken | None:
        """The sum of what tells them apart, where it is that of exchanged ones; see `Law.find`."""
        portrait = self._portrait(rows)
        if portrait is None:
            return None
        told = self._sum(portrait)
        if not told < self.spread.limit(portrait.rows, self.farthest):  # NaN of what is infinite
            return None
        first, second = self.columns
        return Broken(
            law=self,
            columns=self.columns,
            message=f"{first} is as {second} usually is, and the other way round: what tells them "
            f"apart adds up to {told:.3g}, usually to 1, and to -1 where they are exchanged",
            strict=self.is_strict and rows.day is not None,
            numbers={"1 as ever, -1 exchanged": told},
            cases={"exchanged": 1.0},
        )

    def looks_at(self, rows: Rows) -> int:
        """See `Law.looks_at`."""
        portrait = self._portrait(rows)
        return 0 if portrait is None else portrait.rows

    def _portrait(self, rows: Rows) -> Portrait | None:
        return Portrait.of(rows, (*self.columns, *self.others))

    def _sum(self, portrait: Portrait) -> float:
        is_near = np.isin(self.others, self.near)
        told = np.clip(differences(portrait, 0, 1, is_near), *_limits(np.array(self.most)))
        return float(told @ np.array(self.weights))


def _limits(most: Floats) -> tuple[Floats, Floats]:
    return -most, most


@dataclass(frozen=True, eq=False)
class Portrait:
    """What numbers of a day are like, each and beside each other.

    Attributes:
        rows: How many rows there are.
        alone: What each of them is like: level, logarithm of the spread, roughness, trend, and the
            level in each quarter of the day; a row each.
        together: Their correlations.
        apart: The logarithm of the mean distance from each other.
        ahead: How one correlates with what another is some hours later: a table for each of
            `HOURS`.
    """

    rows: int
    alone: Floats
    together: Floats
    apart: Floats
    ahead: Floats

    @classmethod
    def of(cls, rows: Rows, names: tuple[str, ...]) -> Portrait | None:
        """The portrait of some numbers of a day; None if it has too few rows.

        Args:
            rows: The rows.
            names: The numbers.
        """
        return rows.once(("portrait", names), lambda: cls._of(rows, names))

    @classmethod
    def _of(cls, rows: Rows, names: tuple[str, ...]) -> Portrait | None:
        seen = glance(rows)
        time, order, quarter = seen.rows.schema.event_time, seen.order, seen.quarter
        if time is None or order is None or quarter is None or len(seen) < ENOUGH_ROWS:
            return None
        order = order[np.linspace(0, len(order) - 1, min(len(order), MOST_ROWS)).astype(np.int64)]
        numbers = np.stack([seen.numbers(name)[order] for name in names])
        if (np.count_nonzero(~np.isnan(numbers), axis=1) < ENOUGH_ROWS).any():
            return None
        hours = seen.rows.columns[time][order].astype("datetime64[us]").astype(np.int64) / 3.6e9
        level = np.nanmean(numbers, axis=1)
        away = np.nan_to_num(numbers - level[:, None])  # what is missing is as usual
        spread = np.sqrt(np.mean(away**2, axis=1)) + _TINY
        unit = away / spread[:, None]
        rough = np.mean(np.diff(unit, axis=1) ** 2, axis=1)
        since = hours - hours.mean()
        trend = unit @ since / len(since) / (since.std() + _TINY)
        filled = away + level[:, None]
        alone = [level, np.log(spread), np.log(rough + _ROUGH), trend]
        for one in range(4):
            there = quarter[order] == one
            is_known = np.count_nonzero(there) >= 3
            alone.append(filled[:, there].mean(axis=1) if is_known else np.zeros(len(names)))
        apart = np.abs(filled[:, None, :] - filled[None, :, :]).mean(axis=2)
        ahead = np.stack([_ahead(unit, hours, by) for by in HOURS])
        together = unit @ unit.T / len(since)
        return cls(len(order), np.stack(alone), together, np.log(apart + _TINY), ahead)


def _ahead(unit: Floats, hours: Floats, by: float) -> Floats:
    """How each number correlates with what each is some hours later; 0 of too short a day."""
    some = np.flatnonzero(hours + by <= hours[-1])
    if len(some) < ENOUGH_ROWS:
        return np.zeros((len(unit), len(unit)))
    later = np.stack([np.interp(hours[some] + by, hours, one) for one in unit])
    here = unit[:, some]
    here, later = (one - one.mean(axis=1, keepdims=True) for one in (here, later))
    sizes = np.outer(np.linalg.norm(here, axis=1), np.linalg.norm(later, axis=1))
    found: Floats = here @ later.T / (sizes + _TINY)
    return found


def differences(portrait: Portrait, first: int, second: int, is_near: Bools) -> Floats:
    """What tells two numbers of a portrait apart: each turns its sign when they are exchanged.

    Args:
        portrait: Of these two numbers and of others.
        first: The place of one.
        second: That of the other.
        is_near: Which of the others they may be near to.
    """
    others = np.delete(np.arange(portrait.together.shape[0]), [first, second])
    alone = portrait.alone[:, first] - portrait.alone[:, second]
    ahead = portrait.ahead[:, first, second] - portrait.ahead[:, second, first]
    together = portrait.together[first, others] - portrait.together[second, others]
    apart = portrait.apart[first, others] - portrait.apart[second, others]
    return np.concatenate([alone, ahead, together, apart[is_near]])


def discover(training: TrainingRows) -> list[Exchanged]:
    """Find the like numbers of which it is told each day which is which.

    Args:
        training: The training rows.
    """
    days = training_days(training)
    if not training.has_days or not days or training.rows.schema.event_time is None:
        return []
    like = _Like.of(training.rows)
    if not like.pairs:
        return []
    portraits = [one for day in days if (one := Portrait.of(day, like.names)) is not None]
    if len(portraits) < ENOUGH_DAYS:
        return []
    found = (_law(like, *pair, portraits) for pair in like.pairs)
    return [law for law in found if law is not None]


@dataclass(frozen=True, eq=False)
class _Like:
    """The numbers of training rows, and which of them are alike.

    Attributes:
        names: The numbers that are looked at.
        are_like: Which of them are alike: numbers by numbers.
        pairs: The places of those that may be exchanged, the nearest first.
    """

    names: tuple[str, ...]
    are_like: Array
    pairs: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, rows: Rows) -> _Like:
        """Those of training rows; of two of which one is never above the other, bounds tell."""
        seen = glance(rows)
        names = [
            name
            for name in number_columns(rows.schema)
            if rows.schema[name].kind is not Kind.BOOL
            and len(rows.values(name).found) >= ENOUGH_DIFFERENT
            and np.mean(~seen.missing(name)) >= KNOWN
        ]
        if len(names) < 3:
            return cls((), np.zeros((0, 0), bool), ())
        numbers = [seen.numbers(name) for name in names]
        lower, middle, upper = np.stack(
            [np.nanquantile(one, (0.25, 0.5, 0.75)) for one in numbers]
        ).T
        widths = upper - lower
        smaller = np.minimum.outer(widths, widths)
        off = np.abs(np.subtract.outer(middle, middle)) / np.maximum(smaller, _TINY)
        are_like = (off <= NEAR) & (np.maximum.outer(widths, widths) <= TIMES * smaller)
        are_like &= (smaller > 0) & ~np.eye(len(names), dtype=bool)
        like = [pair for pair in combinations(range(len(names)), 2) if are_like[pair]]
        like.sort(key=lambda pair: off[pair])
        crossing = (pair for pair in like if _cross(numbers[pair[0]] - numbers[pair[1]]))
        pairs = [*islice(crossing, MOST_PAIRS)]
        first = dict.fromkeys(place for pair in pairs for place in pair)
        kept = [*dict.fromkeys([*first, *range(len(names))])][: max(MOST_NUMBERS, len(first))]
        return cls(
            tuple(names[one] for one in kept),
            are_like[np.ix_(kept, kept)],
            tuple((kept.index(one), kept.index(other)) for one, other in pairs),
        )


def _cross(apart: Floats) -> bool:
    """Whether each of two numbers is above the other one in some rows."""
    known = apart[~np.isnan(apart)]
    return len(known) > 0 and known.min() < 0 < known.max()


def _law(like: _Like, first: int, second: int, portraits: Sequence[Portrait]) -> Exchanged | None:
    """The law of two numbers; None where too few days tell which is which."""
    is_other = ~np.isin(np.arange(len(like.names)), (first, second))
    near = (like.are_like[first] & like.are_like[second])[is_other]
    told = np.stack([differences(one, first, second, near) for one in portraits])
    sums = np.concatenate(
        [
            np.clip(told[left], *_limits(np.abs(rest).max(axis=0))) @ _weights(rest)
            for left in np.array_split(np.arange(len(told)), PARTS)
            for rest in (np.delete(told, left, axis=0),)
        ]
    )
    rows = np.array([one.rows for one in portraits])
    spread = Spread.of(sums, rows)
    farthest = float(((1 - sums) / spread.at(rows)).max())
    if np.mean(-sums < spread.limit(rows, farthest)) < TOLD:
        return None
    names = np.array(like.names)
    others = names[is_other]
    return Exchanged(
        columns=(like.names[first], like.names[second]),
        days=len(told),
        others=tuple(others.tolist()),
        near=tuple(others[near].tolist()),
        weights=tuple(_weights(told).tolist()),
        most=tuple(np.abs(told).max(axis=0).tolist()),
        spread=spread,
        farthest=farthest,
    )


def _weights(told: Floats) -> Floats:
    """By what differences are multiplied so that their sum is 1 on a usual day.

    Args:
        told: Differences: days by differences.
    """
    scale = np.sqrt(np.mean(told**2, axis=0)) + _TINY
    unit = told / scale
    middle = unit.mean(axis=0)
    varying = np.cov(unit.T) + RIDGE * np.eye(len(scale))
    weights = np.linalg.solve(varying, middle)
    found: Floats = weights / max(float(weights @ middle), _TINY) / scale
    return found
