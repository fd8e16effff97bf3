"""Formulas: a number that others of its row tell exactly, such as humidity.

A relation that is linear leaves what bends away from it. Where a curve of the second degree in one
or two numbers leaves next to nothing, on every day, the number is calculated from them, or all are
measured by one instrument: a row that is off is wrong in one of them, however little.

The curve is fitted to the day that is judged, so no season moves it: what is told is that the rows
of a day lie on one. It is fitted to the larger part of them, by reweighted least squares with the
weights of Cauchy (Holland and Welsch, "Robust regression using iteratively reweighted
least-squares", 1977), so those of one segment in another unit do not draw it to them. What makes a
row another one may be known from another column: hours in which no pressure is told have the rest
from other messages, too. So a formula may hold where a column is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, combinations_with_replacement
from math import inf, sqrt
from typing import ClassVar

import msgspec
import numpy as np

from lockstep.columns.kinds import Array, Floats
from lockstep.columns.schema import MADE
from lockstep.laws import relations
from lockstep.laws.bands import Band, Banded, Reading, fitted, training_days
from lockstep.laws.glance import glance, value_columns
from lockstep.laws.law import Broken
from lockstep.laws.quantities import Quantity
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.segments import winsorised

MOST_TERMS = 2
"""Numbers that a curve is in."""
LEAST = 0.01
"""Share of the spread by which a row may be off, at least."""
MOST = 0.05
"""Share of the spread by which a row may be off in a formula, at most."""
WIDER = 3.0
"""How many times as far as 99 % of a usual day's rows a row may be off."""
MOST_OFF = 0.05
"""Share of the rows of any training day that are off, at most."""
DEALT_OFF = 0.5
"""Share of numbers dealt to other rows that are off, at least."""
FILLED = 0.5
"""Share of the rows that are off, of several numbers, of which one value of a column is no chance:
it was filled with that."""
FEWEST_KNOWN = 0.1
"""Share of the rows that a formula holds in, at least."""
ENOUGH_ROWS = 30
ENOUGH_VALUES = 3
"""Different numbers of a day, for each weight of the curve."""
_MOST_FITTED = 5_000
"""Rows of a day that the curve is fitted to, spread evenly."""
_STEPS = 12
"""How often rows are weighed anew."""
_TRIED = 6
"""Training days, spread evenly, that a formula has to hold on before it is tried on all."""
_MAD = 1.4826
"""Standard deviation of a normal distribution over its median distance from the middle."""
_TINY = 1e-9
_OFF = "rows off"


class Formula(Banded, frozen=True, kw_only=True, tag="formula"):
    """A number lies on a curve in one or two others, another one each day.

    Attributes:
        target: The number.
        terms: The others.
        known: The column in whose rows, where it is known, it does; None for all rows.
        usual: Share of the rows of training days that are off.
        tolerance: Share of the target's spread by which a row may be off.
        narrowest: The smallest spread of the target on a training day, which is that of a day on
            which it varies less, too.
    """

    only_above: ClassVar[bool] = True

    target: Quantity
    terms: tuple[Quantity, ...]
    known: str | None = None
    usual: float = 0.0
    tolerance: float = LEAST
    narrowest: float = 0.0

    @property
    def says(self) -> str:
        """See `Law.says`."""
        where = "" if self.known is None else f", where {self.known} is known,"
        return (
            f"{self.target.says} follows exactly{where} from "
            f"{' and '.join(one.says for one in self.terms)}"
        )

    def measure(self, rows: Rows) -> dict[str, Reading]:
        """See `Banded.measure`."""
        left = self.left(rows)
        if left is None:
            return {}
        is_off = self.is_off(left)
        # By chance it is as many rows as usual (Poisson), or one.
        chance = sqrt(max(self.usual * len(is_off), 1.0)) / len(is_off)
        return {_OFF: Reading(float(is_off.mean()), chance)}

    def find(self, rows: Rows) -> Broken | None:
        """See `Banded.find`; where it is known may be at fault, too, for having been filled."""
        found = super().find(rows)
        if found is None or self.known is None or not self._is_filled(rows.take(found.rows)):
            return found
        return replace(found, columns=(*found.columns, self.known))

    def _is_filled(self, off: Rows) -> bool:
        """Whether most rows that are off, of several numbers, have one value where it is known."""
        assert self.known is not None
        _, counts = off.counted(self.known)
        several = len(off.values(self.target.column).found) > 1
        return several and int(counts.max(initial=0)) >= FILLED * len(off)

    def tell(self, name: str, reading: Reading, usual: Band, rows: Rows) -> str:
        """See `Banded.tell`."""
        left = self.left(rows)
        assert left is not None
        off = float(np.median(np.abs(left.numbers[self.is_off(left)])))
        return (
            f"{self.says}: {reading.value:.1%} of the rows are off, by {off:.3g} "
            f"({off / self._spread(left):.0%} of its spread) or more in half of these; on "
            f"training days {usual.highest:.1%} at most"
        )

    def rows_of(self, rows: Rows, name: str) -> Array:
        """See `Banded.rows_of`."""
        left, seen = self.left(rows), glance(rows)
        assert left is not None
        found = np.zeros(len(seen), dtype=bool)
        found[left.places[self.is_off(left)]] = True
        return seen.all_positions(found)

    def is_off(self, left: Left) -> Array:
        """Which rows are off: bool, one for each that something is left of."""
        is_off: Array = np.abs(left.numbers) > self.tolerance * self._spread(left)
        return is_off

    def _spread(self, left: Left) -> float:
        return max(left.spread, self.narrowest)

    def left(self, rows: Rows, *, is_dealt: bool = False) -> Left | None:
        """What the curve leaves of a day; None where that has too few different numbers for one.

        Args:
            rows: The day.
            is_dealt: Whether the target's numbers are dealt to other rows.
        """
        seen = glance(rows).rows
        if is_dealt:
            return self._left_of(seen, is_dealt=True)
        what = ("off the curve", self.target, self.terms, self.known)
        return seen.once(what, lambda: self._left_of(seen, is_dealt=False))

    def _left_of(self, rows: Rows, *, is_dealt: bool) -> Left | None:
        numbers, terms = self.target.of(rows), [one.of(rows) for one in self.terms]
        there = np.logical_and.reduce([np.isfinite(one) for one in (numbers, *terms)])
        if self.known is not None:
            there &= ~glance(rows).missing(self.known)
        places = np.flatnonzero(there)
        if len(places) < ENOUGH_ROWS:
            return None
        numbers, curve = numbers[places], _monomials([one[places] for one in terms])
        if len(np.unique(numbers)) < ENOUGH_VALUES * curve.shape[1]:
            return None
        if is_dealt:
            numbers = np.random.default_rng(0).permutation(numbers)
        return Left(places, beside(numbers, curve), float(np.std(winsorised(numbers))))


@dataclass(frozen=True, eq=False)
class Left:
    """What a curve leaves of a day.

    Attributes:
        places: The rows.
        numbers: What it leaves of each.
        spread: How far the target spreads.
    """

    places: Array
    numbers: Floats
    spread: float


def _monomials(terms: Sequence[Floats]) -> Floats:
    """The powers and products of terms, of mean 0 and variance 1, up to the second degree."""
    units = [(one - one.mean()) / (one.std() or 1.0) for one in terms]
    products = [one * other for one, other in combinations_with_replacement(units, 2)]
    return np.column_stack([np.ones(len(units[0])), *units, *products])


def beside(numbers: Floats, curve: Floats) -> Floats:
    """How far numbers are from the curve that the larger part of them lies on.

    Args:
        numbers: One a row.
        curve: What they are weighed sums of: rows by weights.
    """
    chosen = np.linspace(0, len(numbers) - 1, min(len(numbers), _MOST_FITTED)).astype(np.int64)
    own, of = numbers[chosen], curve[chosen]
    ridge = _TINY * len(chosen) * np.eye(of.shape[1])
    counts = np.ones(len(chosen))
    for _ in range(_STEPS):
        weighed = of * counts[:, None]
        weights = np.linalg.solve(weighed.T @ of + counts.mean() * ridge, weighed.T @ own)
        left = own - of @ weights
        scale = max(_MAD * float(np.median(np.abs(left))), _TINY * float(np.ptp(own)), _TINY)
        counts = 1 / (1 + (left / scale) ** 2)
    found: Floats = numbers - curve @ weights
    return found


def discover(training: TrainingRows) -> list[Formula]:
    """Find which numbers others of their rows tell exactly.

    Args:
        training: The training rows.
    """
    days = training_days(training)
    if not days:
        return []
    schema = training.rows.schema
    tried = [days[place] for place in np.linspace(0, len(days) - 1, _TRIED).astype(np.int64)]
    found: dict[frozenset[str], Formula] = {}
    for law in relations.found(training):
        if law.target.form == "minutes" or any(schema[name].role == MADE for name in law.columns):
            continue
        for terms in _some(law.terms):
            among = frozenset(name for one in (law.target, *terms) for name in one.columns)
            best = _best(law.target, terms, training, days, tried)
            if best is not None and (among not in found or best.tolerance < found[among].tolerance):
                found[among] = best
    return list(found.values())


def _some(terms: Sequence[Quantity]) -> Iterator[tuple[Quantity, ...]]:
    """One or two of some terms."""
    for number in range(1, MOST_TERMS + 1):
        yield from combinations(terms, number)


def _best(
    target: Quantity,
    terms: tuple[Quantity, ...],
    training: TrainingRows,
    days: Sequence[Rows],
    tried: Sequence[Rows],
) -> Formula | None:
    """The formula that holds in most of the rows, if any does."""
    columns = tuple(dict.fromkeys(name for one in (target, *terms) for name in one.columns))
    law = Formula(columns=columns, days=0, target=target, terms=terms)
    if _usually_off(law, tried, 0.5) > MOST:
        return None
    for known in (None, *_sometimes_known(training, columns)):
        found = _held(msgspec.structs.replace(law, known=known), tried)
        if found is not None and _tells(found, tried):
            found = _held(found, days)
            if found is not None:
                return next(iter(fitted([found], days)), None)
    return None


def _held(law: Formula, days: Sequence[Rows]) -> Formula | None:
    """A formula with how far rows may be off; None if it does not hold on all days."""
    tolerance = max(LEAST, WIDER * _usually_off(law, days, 0.99))
    if tolerance > MOST:
        return None
    left = [one for day in days if (one := law.left(day)) is not None]
    law = msgspec.structs.replace(
        law,
        tolerance=float(f"{tolerance:.4g}"),
        narrowest=float(f"{min(one.spread for one in left):.6g}"),
    )
    off = [law.is_off(one) for one in left]
    if max(float(one.mean()) for one in off) > MOST_OFF:
        return None
    return msgspec.structs.replace(law, usual=float(f"{np.concatenate(off).mean():.4g}"))


def _usually_off(law: Formula, days: Sequence[Rows], share: float) -> float:
    """How far off a share of the rows is at most, by the spread, on the middle one of some days."""
    left = [one for day in days if (one := law.left(day)) is not None and one.spread > 0]
    if len(left) < max(len(days) / 2, 1):
        return inf
    return float(np.median([np.quantile(np.abs(one.numbers), share) / one.spread for one in left]))


def _sometimes_known(training: TrainingRows, columns: Sequence[str]) -> list[str]:
    """Other columns that are missing in some rows, those that are in the fewest first."""
    rows = training.rows
    missing = {
        name: float(np.mean(rows.values(name).places < 0))
        for name in value_columns(rows.schema)
        if name not in columns and rows.schema[name].role != MADE
    }
    some = [name for name, share_of in missing.items() if 0 < share_of <= 1 - FEWEST_KNOWN]
    return sorted(some, key=missing.__getitem__)


def _tells(law: Formula, days: Sequence[Rows]) -> bool:
    """Whether most rows are off, on each of some days, whose numbers are dealt to other rows."""
    return all(
        float(np.mean(law.is_off(one))) >= DEALT_OFF
        for day in days
        if (one := law.left(day, is_dealt=True)) is not None
    )
