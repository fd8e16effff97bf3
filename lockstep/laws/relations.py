"""Relations: a number that others of its row tell, such as humidity from temperature and dew point.

Conformance constraints (Fariha et al., SIGMOD 2021): linear projections of low variance. Each is
found as a regression of one quantity on up to three others, chosen by forward selection
(Efroymson, 1960). What is judged is how much of its variance within a day the relation leaves
unexplained, of the whole day and of each segment of small categories: a season that moves all
levels leaves that as it is, while values that were permuted, swapped or frozen break it. And how
far the means of what is left over by segment, beside that of all rows, are from where they usually
are: a segment whose numbers are off by a hundredth breaks that. These means are Winsorised.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import msgspec
import numpy as np

from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.laws.bands import Band, Banded, Reading, fitted, training_days
from lockstep.laws.glance import Segments, categories, glance
from lockstep.laws.quantities import (
    Quantity,
    clock_quantities,
    middle,
    plain_quantities,
    wrapped,
)
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.segments import sums_of, winsorised

MOST_TERMS = 3
"""Quantities by which another one is told."""
MOST_SEGMENTS = 8
"""Segments of a category in each of which relations are judged."""
MOST_ROWS = 20_000
"""Training rows on which relations are looked for."""
LEAST_GAIN = 0.25
"""Share of what is unexplained that a further term has to explain."""
MOST_UNEXPLAINED = 0.7
"""Share of the standard deviation within a usual day that a relation leaves at most."""
MOST_EVER = 0.8
"""The same on the day on which it leaves most."""
LEAST = 0.01
"""Share of the spread that tells nothing, however little is usually left."""
ENOUGH_ROWS = 30
WIDER = 0.25
"""How far beyond the training days' means, in their range, a relation is held to go on."""
_ALL = "unexplained"
_OFF = "off"
_APART = "apart"
_ROUNDING = 1e-6
"""What may be explained more or less by the order of sums."""


class Relation(Banded, frozen=True, kw_only=True, tag="relation"):
    """A linear relation between quantities of a row.

    Attributes:
        target: What is told.
        terms: What tells it.
        weights: By how much the target grows with each term.
        around: Middle of the target, where it is minutes of the clock.
        category: The column in whose segments the relation is judged too, if there is one.
        labels: Its segments.
        narrowest: The smallest standard deviation of the target on a training day: where it
            varies less, its relation to others cannot be told.
        known: The smallest and the largest mean of each term on a training day. Where one lies
            beyond, the relation may go on another way: how far off the target, or a segment, is
            is not judged.
        usual: By how much the mean of what is left over in each segment usually exceeds that of
            all rows; none of a version that an older Lockstep fitted.
    """

    titles: ClassVar[Mapping[str, str]] = {
        _OFF: "mean of what it leaves",
        _APART: "means of what it leaves by segment",
    }
    target: Quantity
    terms: tuple[Quantity, ...]
    weights: tuple[float, ...]
    around: float
    category: str | None
    labels: tuple[str, ...]
    narrowest: float = 0.0
    known: tuple[tuple[float, float], ...] = ()
    usual: tuple[float, ...] = ()

    @property
    def says(self) -> str:
        """See `Law.says`."""
        parts = [
            f"{weight:+.4g} * {term.says}"
            for weight, term in zip(self.weights, self.terms, strict=True)
        ]
        return f"{self.target.says} moves as {' '.join(parts)}"

    def measure(self, rows: Rows) -> dict[str, Reading]:
        """See `Banded.measure`."""
        target, left = self._left(rows)
        known = ~np.isnan(left)
        told = {_ALL: self._unexplained(target[known], left[known])}
        is_on = np.count_nonzero(known) >= ENOUGH_ROWS and self._is_known(rows, known)
        if self.category is not None:
            codes = Segments(self.category, self.labels).codes(glance(rows))[known]
            for place, label in enumerate(self.labels):
                is_in = codes == place
                told[f"{_ALL} in {label}"] = self._unexplained(
                    target[known][is_in], left[known][is_in]
                )
            if is_on:
                told[_APART] = self._apart(left[known], codes)
        if is_on:
            spread = float(np.std(left[known]))
            chance = LEAST * float(np.std(target[known])) + spread / np.sqrt(known.sum())
            told[_OFF] = Reading(float(np.mean(left[known])), float(chance))
        return {name: reading for name, reading in told.items() if reading is not None}

    def _is_known(self, rows: Rows, known: Array) -> bool:
        """Whether the terms lie where training knew them."""
        means = (float(np.mean(term.of(rows)[known])) for term in self.terms)
        return not self.known or all(
            lowest - WIDER * (highest - lowest) <= mean <= highest + WIDER * (highest - lowest)
            for mean, (lowest, highest) in zip(means, self.known, strict=True)
        )

    def _unexplained(self, target: Floats, left: Floats) -> Reading | None:
        """The spread that is left over that of the target."""
        if len(target) < ENOUGH_ROWS:
            return None
        spread = float(np.std(target))
        if spread <= max(1e-9 * max(1.0, float(np.abs(target).max())), self.narrowest / 2):
            return None
        ratio = float(np.std(left)) / spread
        return Reading(ratio, LEAST + ratio / float(np.sqrt(len(target))))

    def _apart(self, left: Floats, codes: Ints) -> Reading | None:
        """How far the means of segments are from where they usually are, beside that of all."""
        left, codes = winsorised(left)[codes >= 0], codes[codes >= 0]
        if len(left) < ENOUGH_ROWS or not self.usual:
            return None
        count, away = self._away(left, codes)
        # Of a root of a sum of squares the standard deviation is as large for many as for few.
        by_chance = float(np.std(left)) / np.sqrt(2 * len(left))
        return Reading(float(np.sqrt(away**2 @ count / count.sum())), float(by_chance))

    def _away(self, left: Floats, codes: Ints) -> tuple[Ints, Floats]:
        """The rows of each segment, and how far its mean is from where it usually is."""
        count, total = sums_of(left, codes, len(self.labels))
        away = total / np.maximum(count, 1) - np.array(self.usual)
        return count, away - away @ count / count.sum()

    def sort_of(self, name: str) -> str:
        """See `Banded.sort_of`; how much is unexplained, and how far off it is, or segments are."""
        return name.partition(" in ")[0]

    def tell(self, name: str, reading: Reading, usual: Band, rows: Rows) -> str:
        """See `Banded.tell`."""
        if name == _OFF:
            return (
                f"{self.says}: beyond that it is {reading.value:.5g}, on training days from "
                f"{usual.lowest:.5g} to {usual.highest:.5g}"
            )
        if name == _APART:
            _, left = self._left(rows)
            known = ~np.isnan(left)
            codes = Segments(self.category, self.labels).codes(glance(rows))
            known &= codes >= 0
            count, away = self._away(winsorised(left[known]), codes[known])
            place = int(np.argmax(count * away**2))
            return (
                f"{self.says}: where {self.category} is {self.labels[place]}, it is "
                f"{away[place]:+.4g} from where it usually is beside other rows, on average; "
                f"segments are {reading.value:.4g} off, on training days {usual.highest:.4g} "
                "at most"
            )
        label = name.partition(" in ")[2]
        where = f" where {self.category} is {label}" if label else ""
        return (
            f"{self.says}: that leaves {reading.value:.0%} of its spread unexplained{where}, on "
            f"training days {usual.highest:.0%} at most"
        )

    def rows_of(self, rows: Rows, name: str) -> Ints:
        """See `Banded.rows_of`; those that are farther off than usual."""
        if name in (_OFF, _APART):
            return np.empty(0, dtype=np.int64)
        target, left = self._left(rows)
        usual = self.bands[name].highest * np.nanstd(target)
        is_off = np.abs(left - np.nanmedian(left)) > 3 * usual
        label = name.partition(" in ")[2]
        if label:
            codes = Segments(self.category, self.labels).codes(glance(rows))
            is_off &= codes == self.labels.index(label)
        return glance(rows).all_positions(is_off)

    def _left(self, rows: Rows) -> tuple[Floats, Floats]:
        """The target, and what the terms leave of it."""
        target = self.target.of(rows)
        if self.target.form == "minutes":
            target = wrapped(target, self.around)
        left = target.copy()
        for weight, term in zip(self.weights, self.terms, strict=True):
            left -= weight * term.of(rows)
        return target, left


def discover(training: TrainingRows) -> list[Relation]:
    """Find which numbers are told by others.

    Args:
        training: The training rows.
    """
    return list(found(training))


def found(training: TrainingRows) -> tuple[Relation, ...]:
    """The relations of training rows; looked for once.

    Args:
        training: The training rows.
    """
    return training.rows.once("relations", lambda: tuple(_found(training)))


def _found(training: TrainingRows) -> list[Relation]:
    days = training_days(training)
    if not days:
        return []
    rows = training.rows
    chosen = np.sort(np.random.default_rng(0).permutation(len(rows))[:MOST_ROWS])
    sample = rows.take(chosen)
    day_of = training.day_of[chosen]
    plain = plain_quantities(sample)
    within = _Within.of([term.of(sample) for term in plain], day_of)
    candidates: list[Relation] = []
    parts = sorted(categories(rows), key=lambda one: len(one.labels))
    parts = [one for one in parts if len(one.labels) <= MOST_SEGMENTS]
    for target in [*plain, *clock_quantities(sample)]:
        around = 0.0
        values = target.of(sample)
        if target.form == "minutes":
            around = middle(values)
            values = wrapped(values, around)
        others = [
            place for place, term in enumerate(plain) if not {*term.columns} & {*target.columns}
        ]
        selected = _selected(values, within, others, day_of)
        if selected is None:
            continue
        places, weights = selected
        terms = tuple(plain[place] for place in places)
        columns = dict.fromkeys(name for one in (target, *terms) for name in one.columns)
        own = next((one for one in parts if one.column not in columns), None)
        candidates.append(
            Relation(
                columns=tuple(columns),
                days=0,
                target=target,
                terms=terms,
                weights=tuple(float(f"{weight:.8g}") for weight in weights),
                around=around,
                category=None if own is None else own.column,
                labels=() if own is None else own.labels,
            )
        )
    laws = _clearest(fitted([_with_usual(law, days) for law in candidates], days))
    return [
        msgspec.structs.replace(law, narrowest=_narrowest(law, days), known=_known(law, days))
        for law in laws
    ]


def _with_usual(law: Relation, days: list[Rows]) -> Relation:
    """A relation with by how much the means of its segments usually exceed that of all rows."""
    if law.category is None:
        return law
    size = len(law.labels)
    count, total = np.zeros(size, dtype=np.int64), np.zeros(size)
    for day in days:
        _, left = law._left(day)
        codes = Segments(law.category, law.labels).codes(glance(day))
        known = (codes >= 0) & ~np.isnan(left)
        if known.any():
            kept = winsorised(left[known])
            rows, sums = sums_of(kept - kept.mean(), codes[known], size)
            count, total = count + rows, total + sums
    means = (total / np.maximum(count, 1)).tolist()
    return msgspec.structs.replace(law, usual=tuple(float(f"{one:.6g}") for one in means))


def _known(law: Relation, days: list[Rows]) -> tuple[tuple[float, float], ...]:
    """The smallest and the largest mean of each term on a day."""
    means = []
    for day in days:
        known = ~np.isnan(law._left(day)[1])  # as on a day that is judged
        if known.any():
            means.append([float(np.mean(term.of(day)[known])) for term in law.terms])
    return tuple((min(one), max(one)) for one in zip(*means, strict=True))


def _narrowest(law: Relation, days: list[Rows]) -> float:
    targets = [law.target.of(day) for day in days]
    known = [one[~np.isnan(one)] for one in targets]
    return float(min(np.std(one) for one in known if len(one) >= ENOUGH_ROWS))


def _clearest(laws: list[Relation]) -> list[Relation]:
    """Of each target the relation that leaves least, where it always leaves little."""
    found: dict[tuple[str, ...], Relation] = {}
    for law in sorted(laws, key=lambda law: law.bands[_ALL].highest if _ALL in law.bands else 9):
        clear = {
            name: one
            for name, one in law.bands.items()
            if name in (_OFF, _APART) or one.highest <= MOST_EVER
        }
        if _ALL in clear:
            found.setdefault(law.target.columns, msgspec.structs.replace(law, bands=clear))
    return list(found.values())


@dataclass(frozen=True, eq=False)
class _Within:
    """Quantities, and how they differ from their means within days.

    Attributes:
        numbers: The numbers of each.
        complete: Of which all rows are known.
        units: The differences of each of these, of length 1: quantities by rows.
        whole: These by day, to be held against a target of which some rows are not known.
        partly: The others by day.
    """

    numbers: list[Floats]
    complete: Array
    units: Floats
    whole: _ByDay
    partly: _ByDay

    @classmethod
    def of(cls, numbers: list[Floats], day_of: Ints) -> _Within:
        """Quantities within days.

        Args:
            numbers: The numbers of each.
            day_of: The day of each row, -1 where that is not known.
        """
        told = bool((day_of >= 0).all())
        complete = np.array([told and not np.isnan(one).any() for one in numbers], dtype=bool)
        whole = [one for one, is_it in zip(numbers, complete, strict=True) if is_it]
        partly = [one for one, is_it in zip(numbers, complete, strict=True) if not is_it]
        units = np.array([_unit(one, day_of) for one in whole]).reshape(len(whole), len(day_of))
        of_days = _ByDay.of(whole if partly else [], day_of), _ByDay.of(partly, day_of)
        return cls(numbers, complete, units, *of_days)

    def promising(self, target: Floats, day_of: Ints) -> Array:
        """Which may explain enough of a target alone."""
        explained = np.ones(len(self.numbers))
        explained[~self.complete] = self.partly.explained(target)
        if not np.isnan(target).any():
            explained[self.complete] = (self.units @ _unit(target, day_of)) ** 2
        elif self.whole.of_days:
            explained[self.complete] = self.whole.explained(target)
        found: Array = explained >= LEAST_GAIN - _ROUNDING
        return found


@dataclass(frozen=True, eq=False)
class _ByDay:
    """Quantities by day, of which some rows are not known.

    Attributes:
        of_days: Of each day its rows; and how each quantity differs there from its mean, 0 where
            it is not known, and whether it is known, 1 or 0: quantities by rows.
    """

    of_days: list[tuple[Ints, Floats, Floats]]

    @classmethod
    def of(cls, numbers: list[Floats], day_of: Ints) -> _ByDay:
        """Quantities by day.

        Args:
            numbers: The numbers of each.
            day_of: The day of each row, -1 where that is not known.
        """
        if not numbers:
            return cls([])
        order = np.argsort(day_of, kind="stable")
        edges = np.flatnonzero(np.diff(day_of[order], prepend=-1))
        days = [one for one in np.split(order, edges) if len(one) and day_of[one[0]] >= 0]
        return cls([(one, *_about_mean(np.array([it[one] for it in numbers]))) for one in days])

    def explained(self, target: Floats) -> Floats:
        """The share of a target's variance within days that each explains, where both are known."""
        size = len(self.of_days[0][1]) if self.of_days else 0
        both, own, others = np.zeros(size), np.zeros(size), np.zeros(size)
        for rows, numbers, known in self.of_days:
            moved, is_known = (one[0] for one in _about_mean(target[None, rows]))
            count = np.maximum(known @ is_known, 1)
            total, of_target = numbers @ is_known, known @ moved
            both += numbers @ moved - total * of_target / count
            others += numbers**2 @ is_known - total**2 / count
            own += known @ moved**2 - of_target**2 / count
        variance = np.maximum(own, 0) * np.maximum(others, 0)
        return np.where(variance > 0, both**2 / np.where(variance > 0, variance, 1), 0.0)


def _about_mean(numbers: Floats) -> tuple[Floats, Floats]:
    """How numbers differ from the mean of each row, 0 where not known, and whether they are."""
    known = ~np.isnan(numbers)
    filled = np.where(known, numbers, 0.0)
    means = filled.sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return np.where(known, numbers - means[:, None], 0.0), known.astype(np.float64)


def _unit(numbers: Floats, day_of: Ints) -> Floats:
    """How numbers differ from their means within days, of length 1; 0 where they do not."""
    means = np.bincount(day_of, weights=numbers) / np.maximum(np.bincount(day_of), 1)
    within = numbers - means[day_of]
    unit: Floats = within / (float(np.linalg.norm(within)) or 1.0)
    return unit


def _selected(
    target: Floats, within: _Within, others: list[int], day_of: Ints
) -> tuple[list[int], list[float]] | None:
    """The terms that tell a target within days best, and their weights; None if none do.

    Args:
        target: What is told.
        within: Quantities.
        others: Which of them may tell it, by their places.
        day_of: The day of each row.
    """
    places: list[int] = []
    weights: list[float] = []
    unexplained = 1.0
    first = within.promising(target, day_of)
    while len(places) < MOST_TERMS:
        best: tuple[float, int, list[float]] | None = None
        for place in others:
            if place in places or not (places or first[place]):
                continue
            terms = [within.numbers[one] for one in (*places, place)]
            fit = _fit(target, terms, day_of)
            if fit is not None and (best is None or fit[0] < best[0]):
                best = (fit[0], place, fit[1])
        if best is None or best[0] > (1 - LEAST_GAIN) * unexplained:
            break
        unexplained, _, weights = best
        places.append(best[1])
    return (places, weights) if places and unexplained <= MOST_UNEXPLAINED**2 else None


def _fit(target: Floats, terms: list[Floats], day_of: Ints) -> tuple[float, list[float]] | None:
    """The share of variance within days that a regression leaves, and its weights."""
    known = (day_of >= 0) & ~np.isnan(target)
    for one in terms:
        known &= ~np.isnan(one)
    if np.count_nonzero(known) < max(len(target) / 10, ENOUGH_ROWS):
        return None
    days = day_of[known]
    size = np.maximum(np.bincount(days), 1)
    within = [
        one[known] - (np.bincount(days, weights=one[known]) / size)[days]
        for one in (target, *terms)
    ]
    gram = np.empty((len(within), len(within)))
    for place, one in enumerate(within):
        gram[place, place:] = gram[place:, place] = [float(one @ other) for other in within[place:]]
    if gram[0, 0] <= 0 or np.any(np.diag(gram) <= 1e-12 * np.abs(gram).max()):
        return None
    weights = np.linalg.lstsq(gram[1:, 1:], gram[1:, 0], rcond=1e-10)[0]
    left = gram[0, 0] - weights @ gram[1:, 0]
    return float(left / gram[0, 0]), weights.tolist()
