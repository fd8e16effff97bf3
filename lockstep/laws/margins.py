"""Margins: how far outside of its band each statistic may be, at one stated rate for all of them.

All statistics of all laws are calibrated together, on the training days alone. These are held
against bands of others in two ways. A third of the training is left out in turn, as later months
are: that tells how far outside statistics of a sort then are, and how often. And a week is left out
in turn, as a day to be judged is: that tells how far the farthest of all statistics of a day is.

- How far outside a statistic is, beyond what any day of the others was, has an exponential tail
  (excesses over a threshold; Coles, "An Introduction to Statistical Modeling of Extreme Values",
  2001, chapter 4), of which the farthest day of each third is one observation, since neighbours are
  far for one reason. Its mean is estimated for each sort of statistics, and drawn to that of all
  sorts by how much these differ (see `shrinkage`): a sort that training knows to jump has wide
  margins, one that hardly moves has narrow ones, and one of few statistics leaves those of others
  as they are. No single column decides on those of the others: it is left out where that makes
  them narrower.
- So each reading has a chance, and the least likely one of a day is what the day is judged by. From
  its excesses over the upper quartile, exponential again, follow the chances that no more than a
  share of days passes, one of `RATE` and one of `ERROR_RATE`. Where most days have nothing outside
  of any band, it is from those of the days that have. They are never above what they were if
  statistics were independent (Bonferroni).

A margin is the reach of the farthest training day, and what the chance takes beyond it.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import msgspec
import numpy as np

from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.laws.bands import (
    ERROR_RATE,
    RATE,
    Banded,
    Spans,
    how_far_outside,
    readings_of,
    short,
)
from lockstep.laws.law import ENOUGH_DAYS, Law
from lockstep.laws.shrinkage import Group, prior_weight

_THIRDS = 3
_WEEK = 7
_MOST_WEEKS = 16
"""Parts that are left out in turn: of more weeks than that, several together."""
_UPPER = 0.75
"""Days above this quantile tell of the tail."""
_PRIOR = 1.0
"""Half widths of the one excess that is taken to be there before any is seen."""
_INDEPENDENT = 1.0
"""Mean excess of the surprise of statistics that are independent: logarithms of their chances."""
_TINY = 1e-9

AnyLaw = TypeVar("AnyLaw", bound=Law)


class Margins(msgspec.Struct, frozen=True, kw_only=True):
    """What the margins of a book's laws are calibrated to.

    Attributes:
        rate: Share of days without any change on which any statistic is unusual.
        error_rate: Share of them on which any cannot be.
        days: Training days that they were calibrated on.
        statistics: How many statistics there are.
    """

    rate: float
    error_rate: float
    days: int
    statistics: int


@dataclass(frozen=True)
class Observed:
    """What training days told of all statistics.

    Attributes:
        values: Days by statistics, NaN where a day does not tell one.
        noise: The standard deviations by chance.
        only_above: Of which only what lies above a band is outside of it.
        sorts: Which of them vary alike: a small number each.
        columns: The first column of each, as a small number.
    """

    values: Floats
    noise: Floats
    only_above: Array
    sorts: Ints
    columns: Ints

    @property
    def days(self) -> int:
        """How many days there are."""
        return len(self.values)

    @property
    def count(self) -> int:
        """How many statistics there are."""
        return len(self.sorts)

    def left_out(self, parts: int) -> list[Floats]:
        """How far outside of bands of the other days each day was, beyond what any of these was.

        Args:
            parts: Into how many parts of neighbouring days they are parted.

        Returns:
            Of each part its days by the statistics, in half widths; 0 within.
        """
        edges = np.linspace(0, self.days, parts + 1).round().astype(int).tolist()
        return [self._excess(slice(start, end)) for start, end in pairwise(edges)]

    def _excess(self, part: slice) -> Floats:
        values, noise = (np.delete(one, part, axis=0) for one in (self.values, self.noise))
        others = Spans.of(values, noise, self.only_above)
        band = (others.lowest, others.middle, others.highest)
        outside = how_far_outside(self.values[part], self.noise[part], band, self.only_above)
        excess = np.maximum(outside - others.outside.max(axis=0), 0.0)
        return np.where(others.days >= ENOUGH_DAYS / 2, excess, 0.0)


@dataclass(frozen=True)
class Tails:
    """How often statistics are outside of their bands, and how far then, each as its sort is.

    Attributes:
        chance: How often it is at all, a day.
        scale: By how much on average: half widths.
    """

    chance: Floats
    scale: Floats

    @classmethod
    def of(cls, observed: Observed) -> Tails:
        """The tails of statistics.

        Args:
            observed: What training days told of them.
        """
        farthest = np.array([part.max(axis=0) for part in observed.left_out(_THIRDS)])
        of_sort = [observed.sorts == one for one in range(int(observed.sorts.max()) + 1)]
        found = [_Excesses.of(farthest[:, one], observed.columns[one]) for one in of_sort]
        pooled = _Excesses.of(farthest, observed.columns).mean(_PRIOR, 1.0)
        groups = [group for one in found if (group := one.without_largest()) is not None]
        weight = prior_weight(groups, pooled)
        chance, scale = np.empty(observed.count), np.empty(observed.count)
        for is_it, one in zip(of_sort, found, strict=True):
            chance[is_it] = (one.number + 1) / (observed.days * np.count_nonzero(is_it))
            scale[is_it] = one.mean(pooled, weight)
        return cls(np.minimum(chance, 1.0), scale)

    def surprise(self, excess: Floats) -> Floats:
        """The negative logarithm of the chance of an excess; 0 where there is none."""
        return np.where(excess > _TINY, excess / self.scale - np.log(self.chance), 0.0)

    def margin(self, surprise: float) -> Floats:
        """The excess of each statistic that is so surprising; at least its usual one."""
        return self.scale * np.maximum(surprise + np.log(self.chance), 1.0)


@dataclass(frozen=True)
class _Excesses:
    """Excesses of some statistics: their sum and number, and what each column has of these."""

    sum: float
    number: int
    sums: Floats
    numbers: Floats

    @classmethod
    def of(cls, farthest: Floats, columns: Ints) -> _Excesses:
        """Those that there are.

        Args:
            farthest: Excesses: parts by statistics, 0 for none.
            columns: The column of each statistic.
        """
        numbers = np.count_nonzero(farthest > _TINY, axis=0)
        sums = np.where(farthest > _TINY, farthest, 0.0).sum(axis=0)
        by_column = np.unique(columns, return_inverse=True)[1]
        of_columns = np.zeros((2, int(by_column.max(initial=0)) + 1))
        np.add.at(of_columns[0], by_column, sums)
        np.add.at(of_columns[1], by_column, numbers)
        return cls(float(sums.sum()), int(numbers.sum()), *of_columns)

    def mean(self, prior: float, weight: float) -> float:
        """Their mean, drawn to a prior one, without the column that makes it largest.

        Args:
            prior: The mean to be had without any.
            weight: For how many excesses that stands.
        """
        sums, numbers = self.sum - self.sums, self.number - self.numbers
        return float(((sums + prior * weight) / (numbers + weight)).min())

    def without_largest(self) -> Group | None:
        """Those of each column, without the one that makes their mean largest.

        None where no other column has any.
        """
        has = self.numbers > 0
        sums, numbers = self.sums[has], self.numbers[has]
        if len(numbers) < 2:
            return None
        largest = int(((self.sum - sums) / (self.number - numbers)).argmin())
        return Group(np.delete(numbers, largest), np.delete(sums, largest))


def limits_of(surprise: Floats, columns: Ints, rates: Iterable[float]) -> list[float]:
    """From which surprise on any statistic of a day is, on shares of days without any change.

    Args:
        surprise: Days by statistics.
        columns: The column of each statistic.
        rates: The shares.
    """
    deciding = np.unique(columns[surprise.argmax(axis=1)])
    days = [surprise[:, columns != one].max(axis=1, initial=0.0) for one in deciding]
    return [
        max(math.log(surprise.shape[1] / rate), min(_limit(most, rate) for most in days))
        for rate in rates
    ]


def _limit(most: Floats, rate: float) -> float:
    """From which surprise on the least likely statistic of a day is, on a share of days.

    Where fewer than a quarter of days have any statistic outside of its band, their tail begins at
    the least surprising one: below that no day is surprising at all. So few days tell its scale but
    roughly, and the limit is a prediction limit (Lawless, "Prediction intervals for the two
    parameter exponential distribution", 1977), with one more excess of what independent statistics
    have.

    Args:
        most: The surprise of the least likely statistic of each day; 0 where none is outside.
        rate: The share of days.
    """
    outside = most[most > 0]
    if not len(outside):
        return 0.0
    from_, least = float(np.quantile(most, _UPPER)), float(outside.min())
    if from_ < least:
        number, excess = len(outside), float((outside - least).sum()) + _INDEPENDENT
        return least + excess * math.expm1(math.log(number / len(most) / rate) / number)
    above = most[most > from_]
    if not len(above):
        return from_
    return from_ + (float(above.mean()) - from_) * math.log(len(above) / len(most) / rate)


def calibrated(laws: Sequence[AnyLaw]) -> tuple[tuple[AnyLaw, ...], Margins | None]:
    """Laws with the margins of their statistics, and what these are calibrated to.

    Args:
        laws: All laws of a version, with what training days told of their statistics.

    Returns:
        The laws, and their margins; None where no law has any statistic.
    """
    banded = [law for law in laws if isinstance(law, Banded)]
    if not banded:
        return tuple(laws), None
    observed = _observed(banded)
    tails = Tails.of(observed)
    weeks = min(-(-observed.days // _WEEK), _MOST_WEEKS)
    excess = np.concatenate(observed.left_out(weeks))
    rates = (RATE, ERROR_RATE)
    limits = limits_of(tails.surprise(excess), observed.columns, rates)
    unusual, impossible = (tails.margin(one) for one in limits)
    ends = np.cumsum([len(law.bands) for law in banded])[:-1]
    found = {
        id(law): _with_margins(law, *margins)
        for law, *margins in zip(
            banded,
            np.split(unusual, ends),
            np.split(impossible, ends),
            np.split((excess > impossible).astype(int), ends, axis=1),
            strict=True,
        )
    }
    margins = Margins(
        rate=RATE, error_rate=ERROR_RATE, days=observed.days, statistics=observed.count
    )
    return tuple(found.get(id(law), law) for law in laws), margins


def _observed(laws: Sequence[Banded]) -> Observed:
    statistics = [(law, name) for law in laws for name in law.bands]
    values, noise = readings_of(law.told[name] for law, name in statistics)
    return Observed(
        values,
        noise,
        np.array([law.only_above for law, _ in statistics]),
        _numbered((type(law).__name__, law.sort_of(name)) for law, name in statistics),
        _numbered(law.columns[0] for law, _ in statistics),
    )


def _numbered(names: Iterable[Hashable]) -> Ints:
    known: dict[Hashable, int] = {}
    return np.array([known.setdefault(name, len(known)) for name in names], dtype=np.int64)


def _with_margins(law: AnyLaw, unusual: Floats, impossible: Floats, broken: Ints) -> AnyLaw:
    assert isinstance(law, Banded)
    bands = {
        name: msgspec.structs.replace(
            band, unusual=short(band.reach + one), impossible=short(band.reach + other)
        )
        for (name, band), one, other in zip(
            law.bands.items(), unusual.tolist(), impossible.tolist(), strict=True
        )
    }
    days = int(np.count_nonzero(broken.any(axis=1)))
    found = msgspec.structs.replace(law, bands=bands, broken=days, told={})
    return msgspec.structs.replace(found, known_as=found.digest)
