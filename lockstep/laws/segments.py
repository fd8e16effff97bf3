"""Segments: one category or part of the day whose level or missing share leaves the others'.

A segment is held against the other rows of the same day (a difference in differences; see Card and
Krueger, "Minimum wages and employment", 1994): what moves all of them, such as a season, cancels
out, and what is left is far steadier than any level. So one origin in another unit is found in
summer as in winter, and so is a column that is gone for one carrier or from noon on.

Levels are Winsorised means (Tukey, "The future of data analysis", 1962): one number of a heavy
tail, or of a code, moves none. They take enough rows that come by themselves: see `bunches`.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from math import log
from typing import ClassVar

import msgspec
import numpy as np

from lockstep.columns.growth import grows
from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.columns.schema import MADE
from lockstep.laws.bands import (
    Band,
    Banded,
    Part,
    Reading,
    Standing,
    days_like,
    fitted,
    training_days,
)
from lockstep.laws.bunches import ALONE, Bunches, bunches_of
from lockstep.laws.glance import (
    QUARTERS,
    Glance,
    Segments,
    categories,
    glance,
    number_columns,
    value_columns,
)
from lockstep.laws.law import ENOUGH_DAYS, Broken
from lockstep.laws.rows import Rows, TrainingRows

ENOUGH_ROWS = 10
"""Rows of a segment, and of the others, that a difference between them takes: as many as come by
themselves, or bunches."""
ENOUGH_HOURS = 3
"""Hours in which a segment, and the others, have a value that a difference between levels takes,
where they have rows in as many: all rows of an hour may share one measurement."""
LOST = 0.1
"""Difference between missing shares, beyond all that there were, that a column makes by itself."""
GONE = 0.1
"""Share of the fewest values that a segment ever had below which its column is gone there."""
NONE_BY_CHANCE = 0.01
"""How probable it is at most that no row of a segment has a value, where as few as ever have, so
that it is gone where hardly any has one."""
BY_CHANCE = 0.001
"""How probable it is at most that so many rows of a segment lack a value, or so few, at the
farthest share that training had, so that it is told of."""
LEAST_USUAL = 0.003
"""Share of a segment's rows that is expected to lack a value, or to have one, though none did."""
TAIL = 0.02
"""Share of a day's numbers on either side that count as the nearest of the others: a few rows far
out, of which other laws tell, are no level."""
_LEVEL = "level of "
_MISSING = "missing of "


class Segmented(Banded, frozen=True, kw_only=True, tag="segments"):
    """How a column's segments differ from each other, in level and in their missing share.

    Attributes:
        category: The column that parts the rows; None for the quarters of the day.
        labels: The segments.
        always: Those that had enough rows on every training day. A batch without one of them has
            other rows to compare with.
        known: The smallest share of a day's rows of each segment that had a value; none of a
            version that an older Lockstep fitted.
        bunches: In which bunches the rows come, as far as the column tells.
        is_lost: Whether a segment lost the column on a training day, and had it on most: another
            one may, that happened not to.
    """

    binds: ClassVar[bool] = False

    category: str | None
    labels: tuple[str, ...]
    always: tuple[str, ...] = ()
    known: tuple[float, ...] = ()
    bunches: Bunches = ALONE
    is_lost: bool = False

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return (
            f"The segments by {self.category or 'time of day'} differ in {self.columns[0]} as "
            "they always did."
        )

    def measure(self, rows: Rows) -> dict[str, Reading]:
        """See `Banded.measure`."""
        seen, column = glance(rows), self.columns[0]
        parted = Segments(self.category, self.labels)
        if self.category is None and seen.quarter is None:
            return {}
        enough = _sizes(seen, parted)
        if not all(enough[self.labels.index(one)] for one in self.always):
            return {}
        found = seen.rows.once(("segments", parted), lambda: _measured(seen, parted))[column]
        effects = self.bunches.effects(seen, parted)
        return dict(
            one
            for what, means in found.items()
            for one in means.readings(what, self.labels, effects, of_hours=self.category is None)
        )

    def is_told(self, one: Standing, rows: Rows) -> bool:
        """See `Banded.is_told`; a level by values of enough hours, within and without."""
        seen = glance(rows)
        if one.name.startswith(_MISSING):
            return self._is_no_chance(one.name, seen)
        if seen.rows.hours is None:
            return True
        label = one.name.removeprefix(_LEVEL)
        is_in = Segments(self.category, self.labels).codes(seen) == self.labels.index(label)
        is_known = ~seen.missing(self.columns[0])
        return all(
            _hours(seen, side & is_known) >= min(_hours(seen, side), ENOUGH_HOURS)
            for side in (is_in, ~is_in)
        )

    def _is_no_chance(self, name: str, seen: Glance) -> bool:
        """Whether so many rows of a segment would hardly be missing by chance, or so few.

        At the rate of the other rows of the day, and the farthest from it that a training day
        was: four of eleven are what one segment of many has some day (the bound of Chernoff, "A
        measure of asymptotic efficiency for tests of a hypothesis based on the sum of
        observations", 1952).
        """
        is_in = Segments(self.category, self.labels).codes(seen) == self.labels.index(
            name.removeprefix(_MISSING)
        )
        gone, band = seen.missing(self.columns[0]), self.bands[name]
        share, of_others = float(gone[is_in].mean()), float(gone[~is_in].mean())
        ever = band.highest if share > of_others + band.highest else band.lowest
        usual = min(max(of_others + ever, LEAST_USUAL), 1 - LEAST_USUAL)
        far = sum(
            one * log(one / other) for one, other in ((share, usual), (1 - share, 1 - usual)) if one
        )
        return int(np.count_nonzero(is_in)) * far > log(1 / BY_CHANCE)

    def find_besides(self, rows: Rows) -> Broken | None:
        """See `Banded.find_besides`; the first segment in which the column is gone."""
        told = [
            (part, *found) for part in days_like(rows, self.size) if (found := self._gone(part))
        ]
        if not told:
            return None
        part, gone, shares = told[0]
        label, share = self.labels[gone[0]], shares[gone[0]]
        positions = self.rows_of(part.rows, f"{_MISSING}{label}")
        return Broken(
            law=self,
            columns=self.columns[:1],
            message=f"Where {self._where(label)}, {share:.1%} of the rows have "
            f"{self.columns[0]}, where on every training day {self.known[gone[0]]:.1%} or more had",
            rows=part.in_batch(positions),
            strict=self.days >= ENOUGH_DAYS and not self.is_lost,
            numbers={f"{_MISSING}{label}": 1 - share},
            cases={
                f"gone of {self.labels[one]}": 1.0 for _, all_gone, _ in told for one in all_gone
            },
        )

    def _gone(self, part: Part) -> tuple[list[int], Floats] | None:
        """Where the column is gone on a day, and of each segment the share of rows with a value."""
        seen, parted = glance(part.rows), Segments(self.category, self.labels)
        if not self.known or (self.category is None and seen.quarter is None):
            return None
        size, known_of = _known_rows(seen, parted)
        known = known_of[self.columns[0]]
        usual = np.array(self.known)
        few = known < GONE * usual * size
        if not few.any():
            return None
        apart = size / self.bunches.effects(seen, parted)[0]
        by_chance = (1 - usual) ** apart
        gone = np.flatnonzero(few & (apart >= ENOUGH_ROWS) & (by_chance <= NONE_BY_CHANCE))
        return (gone.tolist(), known / np.maximum(size, 1)) if len(gone) else None

    def sort_of(self, name: str) -> str:
        """See `Banded.sort_of`; levels, and missing shares."""
        return name.partition(" of ")[0]

    def tell(self, name: str, reading: Reading, usual: Band, rows: Rows) -> str:
        """See `Banded.tell`."""
        what, _, label = name.partition(" of ")
        if what == "missing":
            return (
                f"Where {self._where(label)}, {self.columns[0]} is missing "
                f"{abs(100 * reading.value):.1f} percentage points "
                f"{'more' if reading.value > 0 else 'less'} often than in the other rows of the "
                f"day; on training days {100 * usual.lowest:+.1f} to {100 * usual.highest:+.1f}"
            )
        return (
            f"Where {self._where(label)}, {self.columns[0]} lies {reading.value:+.5g} from the "
            f"other rows of the day, on average; on training days {usual.lowest:+.5g} to "
            f"{usual.highest:+.5g}"
        )

    def _where(self, label: str) -> str:
        return f"it is {label}" if self.category is None else f"{self.category} is {label}"

    def suspects(self, name: str, reading: Reading, usual: Band) -> tuple[str, ...]:
        """See `Banded.suspects`; what is gone is not gone for being in another segment."""
        ever = max(abs(usual.lowest), abs(usual.highest))
        is_gone = name.startswith(_MISSING) and reading.value > ever + LOST
        return self.columns[:1] if is_gone else self.columns

    def rows_of(self, rows: Rows, name: str) -> Array:
        """See `Banded.rows_of`."""
        seen = glance(rows)
        place = self.labels.index(name.partition(" of ")[2])
        return seen.all_positions(Segments(self.category, self.labels).codes(seen) == place)


def _hours(seen: Glance, kept: Array) -> int:
    """In how many hours some rows are."""
    hours = seen.rows.hours
    assert hours is not None
    return len(np.unique(hours[kept]))


def _sizes(seen: Glance, parted: Segments) -> list[bool]:
    """Which segments have enough rows."""
    return seen.rows.once(("enough of", parted), lambda: _count(seen, parted))


def _count(seen: Glance, parted: Segments) -> list[bool]:
    return [bool(one) for one in _rows(seen, parted) >= ENOUGH_ROWS]


def _rows(seen: Glance, parted: Segments) -> Ints:
    """How many rows each segment has."""
    codes = parted.codes(seen)
    return np.bincount(codes[codes >= 0], minlength=len(parted.labels))


def _known_rows(seen: Glance, parted: Segments) -> tuple[Ints, dict[str, Floats]]:
    """How many rows each segment has, and how many of them have a value, by column."""
    return seen.rows.once(("known of", parted), lambda: _count_known(seen, parted))


def _count_known(seen: Glance, parted: Segments) -> tuple[Ints, dict[str, Floats]]:
    columns = value_columns(seen.rows.schema)
    is_in = np.equal.outer(np.arange(len(parted.labels)), parted.codes(seen)).astype(np.float64)
    is_known = np.array([~seen.missing(name) for name in columns], dtype=np.float64)
    return _rows(seen, parted), dict(zip(columns, is_known @ is_in.T, strict=True))


@dataclass(frozen=True)
class _Means:
    """Means of each segment of a day beside those of all other rows.

    Attributes:
        difference: The mean of each segment less that of the others.
        sizes: Rows of each segment and of the others: 2 by segments.
        noise: The standard deviation of each difference by chance.
    """

    difference: Floats
    sizes: Floats
    noise: Floats

    def readings(
        self, what: str, labels: tuple[str, ...], effects: Floats, *, of_hours: bool
    ) -> Iterator[tuple[str, Reading]]:
        """The differences with their standard errors, where there are rows enough.

        Args:
            what: What a statistic is named.
            labels: The segments.
            effects: How many rows of each segment, and of the others, tell as much as one.
            of_hours: Whether segments have hours of their own. Otherwise what an hour has, such
                as rain, all of them have, and it is in no difference.
        """
        enough = (self.sizes - ENOUGH_ROWS * effects).min(axis=0) >= 0
        noise = self._of_hours(effects) if of_hours and what == _LEVEL else self.noise
        for label, is_told, value, chance in zip(
            labels, enough.tolist(), self.difference.tolist(), noise.tolist(), strict=True
        ):
            if is_told:
                yield what + label, Reading(value, chance)

    def _of_hours(self, effects: Floats) -> Floats:
        """What chance does to a level by as many rows as bunches amount to.

        How far a segment is from the others is no chance: what varies is what does within both.
        """
        of_rows = 1 / np.maximum(self.sizes, 1)
        shares = self.sizes / np.maximum(self.sizes.sum(axis=0), 1)
        difference = np.where(np.isfinite(self.difference), self.difference, 0.0)
        between = shares.prod(axis=0) * difference**2
        variance = np.maximum(self.noise**2 / of_rows.sum(axis=0) - between, 0.0)
        noise: Floats = np.sqrt(variance * (effects * of_rows).sum(axis=0))
        return noise


def _measured(seen: Glance, parted: Segments) -> dict[str, dict[str, _Means]]:
    """The means of what is missing, and of numbers, of each column, all of them at once."""
    schema = seen.rows.schema
    columns, numbers = value_columns(schema), number_columns(schema)
    is_in = np.equal.outer(np.arange(len(parted.labels)), parted.codes(seen)).astype(np.float64)
    gone = np.array([seen.missing(name) for name in columns], dtype=np.float64)
    told: list[dict[str, _Means]] = [
        {} if schema[name].role == MADE else {_MISSING: one}
        for name, one in zip(columns, _shares(is_in, gone), strict=True)
    ]
    if numbers:
        values = seen.rows.once("winsorised", lambda: _all_winsorised(seen, numbers))
        is_known = np.array([~seen.missing(name) for name in numbers], dtype=np.float64)
        for name, one in zip(numbers, _means(is_in, values, is_known), strict=True):
            told[columns.index(name)][_LEVEL] = one
    return dict(zip(columns, told, strict=True))


def _all_winsorised(seen: Glance, columns: Sequence[str]) -> Floats:
    """Numbers as they count in means, whichever segments they are of: columns by rows."""
    return np.array([winsorised(seen.numbers(name)) for name in columns])


def winsorised(numbers: Floats) -> Floats:
    """Numbers of which those in the tails are drawn to where these begin; 0 where there is none."""
    known = np.sort(numbers)  # what is missing comes last
    known = known[: len(known) - np.count_nonzero(np.isnan(known))]
    if not len(known):
        return np.zeros_like(numbers)
    few = int(TAIL * len(known))
    clipped: Floats = np.nan_to_num(np.clip(numbers, known[few], known[-1 - few]), nan=0.0)
    return clipped


def sums_of(numbers: Floats, codes: Ints, size: int) -> tuple[Ints, Floats]:
    """How many rows each segment has, and the sum of their numbers.

    Args:
        numbers: One a row.
        codes: The segment of each row.
        size: How many segments there are.
    """
    count: Ints = np.bincount(codes, minlength=size).astype(np.int64)
    total: Floats = np.bincount(codes, weights=numbers, minlength=size).astype(np.float64)
    return count, total


def _means(is_in: Floats, values: Floats, is_known: Floats) -> list[_Means]:
    """The means of some columns.

    Args:
        is_in: 1 where a row is in a segment, else 0: segments by rows.
        values: Values, 0 where there is none: columns by rows.
        is_known: 1 where there is a value, else 0: columns by rows.
    """
    difference, sizes, mean = _compared(is_in, values, is_known)
    size = sizes.sum(axis=1)[:, :1]
    with np.errstate(divide="ignore", invalid="ignore"):
        square = (values * values).sum(axis=1, keepdims=True) / size
        spread = np.maximum(square - mean * mean, 0)
    of_rows = (1 / np.maximum(sizes, 1)).sum(axis=1)
    noise = np.sqrt(spread * of_rows) + 1e-9 * abs(mean)  # the digits of a mean
    return list(map(_Means, difference, sizes, noise))


def _shares(is_in: Floats, gone: Floats) -> list[_Means]:
    """The shares of some columns that are missing.

    What chance does to a difference of two shares follows from the share in all of the rows, with
    one more row that has it and one that has not on either side (Agresti and Caffo, "Simple and
    effective confidence intervals for proportions and differences of proportions", 2000): of
    fifteen rows, where hardly any ever is, one that is missing is no finding.

    Args:
        is_in: 1 where a row is in a segment, else 0: segments by rows.
        gone: 1 where a column is missing, else 0: columns by rows.
    """
    difference, sizes, share = _compared(is_in, gone, np.ones_like(gone))
    expected = (share[:, :, None] * sizes + 1) / (sizes + 2)
    noise = np.sqrt((expected * (1 - expected) / (sizes + 2)).sum(axis=1))
    return list(map(_Means, difference, sizes, noise))


def _compared(is_in: Floats, values: Floats, is_known: Floats) -> tuple[Floats, Floats, Floats]:
    """By how much the means of segments differ from those of the other rows.

    Args:
        is_in: 1 where a row is in a segment, else 0: segments by rows.
        values: Values, 0 where there is none: columns by rows.
        is_known: 1 where there is a value, else 0: columns by rows.

    Returns:
        The differences: columns by segments; the rows of each segment, and of the others, that
        have a value: columns by 2 by segments; and the mean of all rows of each column: columns
        by 1.
    """
    own, own_size = values @ is_in.T, is_known @ is_in.T
    total, size = values.sum(axis=1, keepdims=True), is_known.sum(axis=1, keepdims=True)
    others_size = size - own_size
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = own / own_size - (total - own) / others_size
        mean = total / size
    return difference, np.stack([own_size, others_size], axis=1), mean


def discover(training: TrainingRows) -> list[Segmented]:
    """Find how the segments of each column differ on training days.

    Args:
        training: The training rows.
    """
    days = training_days(training)
    if not days:
        return []
    parts = [*categories(training.rows)]
    if training.rows.schema.event_time is not None:
        parts.append(Segments(None, QUARTERS))
    bunches = bunches_of(training)
    candidates = [
        Segmented(
            columns=(column, *([] if one.column is None else [one.column])),
            days=0,
            category=one.column,
            labels=one.labels,
            always=_always(one, days),
            bunches=bunches[column],
        )
        for one in parts
        for column in value_columns(training.rows.schema)
        if column != one.column
    ]
    growing = {
        name
        for name in number_columns(training.rows.schema)
        if grows(training.rows.columns[name], training.day_of)
    }
    found = (_without_levels(law, growing) for law in fitted(candidates, days))
    schema = training.rows.schema
    return [law if schema[law.columns[0]].role == MADE else _with_known(law, days) for law in found]


def _without_levels(law: Segmented, growing: Container[str]) -> Segmented:
    """A law that compares no levels, where its column has none: it grows from row to row."""
    if law.columns[0] not in growing:
        return law
    bands = {name: band for name, band in law.bands.items() if not name.startswith(_LEVEL)}
    return msgspec.structs.replace(law, bands=bands)


def _with_known(law: Segmented, days: list[Rows]) -> Segmented:
    """A law with the smallest share of rows with a value, by segment; 0 where too few days tell."""
    parted = Segments(law.category, law.labels)
    seen = [glance(day) for day in days]
    counts = [_known_rows(day, parted) for day in seen]
    size = np.array([one for one, _ in counts])
    effects = np.array([law.bunches.effects(day, parted)[0] for day in seen])
    shares = np.array([known[law.columns[0]] for _, known in counts]) / np.maximum(size, 1)
    is_told = size >= ENOUGH_ROWS * effects
    is_enough = is_told.sum(axis=0) >= ENOUGH_DAYS
    smallest = np.where(is_enough, np.where(is_told, shares, 1.0).min(axis=0), 0.0)
    ordered = np.sort(np.where(is_told, shares, np.inf), axis=0)
    usual = np.where(is_enough, ordered[is_told.sum(axis=0) // 2 - 1, np.arange(len(smallest))], 0)
    return msgspec.structs.replace(
        law,
        known=tuple(float(f"{one:.4g}") for one in smallest),
        is_lost=bool((smallest < GONE * usual).any()),
    )


def _always(parted: Segments, days: list[Rows]) -> tuple[str, ...]:
    enough = np.all([_sizes(glance(day), parted) for day in days], axis=0)
    return tuple(label for label, is_it in zip(parted.labels, enough, strict=True) if is_it)
