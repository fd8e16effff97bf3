"""Bands: between which limits a statistic lay on every training day, and how far outside it is.

A band is a distribution-free tolerance interval (Wilks, "Determination of sample sizes for setting
tolerance limits", 1941): the smallest and the largest value of the training days. How far outside
of it a day has to be to count follows from the days themselves, each held against the band of the
others (the jackknife+ of Barber et al., "Predictive inference with the jackknife+", 2021).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import hypot
from typing import ClassVar, TypeVar

import msgspec
import numpy as np

from lockstep.columns.kinds import Array, Floats
from lockstep.laws.glance import MOST_ROWS
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.rows import Rows, TrainingRows

UNUSUAL = 1.5
"""Half widths outside of its band from which on a statistic is unusual."""
IMPOSSIBLE = 2.2
"""Half widths outside of its band, and beyond what any training day was, that cannot be."""
LIKE = 1.3
"""How many times as many rows as the largest training day a day may have, or as the smallest as
few, to be compared with them."""
MOST_DAYS = 16
"""Days of a batch that are judged, spread evenly over it."""
_NARROWEST = 1e-12


@dataclass(frozen=True)
class Reading:
    """A statistic of some rows.

    Attributes:
        value: Its value.
        noise: Its standard deviation by chance alone, at this number of rows.
    """

    value: float
    noise: float


class Band(msgspec.Struct, frozen=True, array_like=True):
    """Where a statistic lay on the training days.

    Attributes:
        lowest: Its smallest value.
        middle: Its median.
        highest: Its largest value.
        reach: How far outside of the band of the others the farthest training day was, in half
            widths.
    """

    lowest: float
    middle: float
    highest: float
    reach: float

    def beyond(self, reading: Reading) -> float:
        """How far outside a reading is, in half widths of its side; 0 within."""
        value, chance = reading.value, 3 * reading.noise
        if value > self.highest:
            return (value - self.highest) / max(
                hypot(self.highest - self.middle, chance), _NARROWEST
            )
        if value < self.lowest:
            return (self.lowest - value) / _width(self.middle - self.lowest, chance)
        return 0.0

    def is_unusual(self, beyond: float) -> bool:
        """Whether that is farther outside than what is usual."""
        return beyond > UNUSUAL + self.reach

    def is_impossible(self, beyond: float) -> bool:
        """Whether that is so far outside that it cannot be."""
        return self.reach <= IMPOSSIBLE and beyond > IMPOSSIBLE + 2 * self.reach


def _width(half: float, chance: float) -> float:
    return max(hypot(half, chance), _NARROWEST)


def _beyond(value: Array, noise: Array, lowest: Array, middle: Array, highest: Array) -> Array:
    above = (value - highest) / np.maximum(np.hypot(highest - middle, 3 * noise), _NARROWEST)
    below = (lowest - value) / np.maximum(np.hypot(middle - lowest, 3 * noise), _NARROWEST)
    outside: Array = np.maximum(np.maximum(above, below), 0.0)
    return outside


def band(values: Floats, noise: Floats) -> tuple[Band, Floats]:
    """The band of some days' readings, and how far outside that of the others each day was.

    Args:
        values: The statistic, by day.
        noise: Its standard deviation by chance, by day.
    """
    ordered = np.sort(values)
    middle = np.median(values)
    lowest = np.where(values == ordered[0], ordered[1], ordered[0])
    highest = np.where(values == ordered[-1], ordered[-2], ordered[-1])
    outside = _beyond(values, noise, lowest, np.asarray(middle), highest)
    return Band(
        *(float(f"{one:.6g}") for one in (ordered[0], middle, ordered[-1], outside.max()))
    ), outside


class Banded(Law, frozen=True, kw_only=True):
    """A law that keeps statistics of a batch within bands.

    Attributes:
        bands: The band of each statistic, by its name.
        size: Rows of the smallest and of the largest training day.
    """

    bands: dict[str, Band] = msgspec.field(default_factory=dict)
    size: tuple[int, int] = (0, 0)
    only_above: ClassVar[bool] = False
    """Whether only what lies above a band is outside of it."""

    @abstractmethod
    def measure(self, rows: Rows) -> dict[str, Reading]:
        """The statistics of some rows, by name; without those that these rows cannot tell."""

    @abstractmethod
    def tell(self, name: str, reading: Reading, usual: Band, rows: Rows) -> str:
        """What a statistic of some rows, outside of its band, means for a person."""

    def suspects(self, name: str, reading: Reading, usual: Band) -> tuple[str, ...]:
        """The columns that may be at fault where a statistic is outside of its band."""
        return self.columns

    def rows_of(self, rows: Rows, name: str) -> Array:
        """Positions of the rows that put a statistic outside of its band; none where all do."""
        return np.empty(0, dtype=np.int64)

    def is_told(self, name: str, rows: Rows) -> bool:
        """Whether rows are enough to tell a statistic that is outside of its band."""
        return True

    def find(self, rows: Rows) -> Broken | None:
        """The statistic that is farthest outside of its band; see `Law.find`.

        Each day of a batch is judged by itself.
        """
        worst: tuple[tuple[bool, float], str, Reading, Part] | None = None
        for part in days_like(rows, self.size):
            found = self._worst(part.rows)
            if found is not None and (worst is None or found[0] > worst[0]):
                worst = (*found, part)
        if worst is None:
            return None
        (impossible, _), name, reading, part = worst
        usual = self.bands[name]
        positions = self.rows_of(part.rows, name)
        return Broken(
            law=self,
            columns=self.suspects(name, reading, usual),
            message=self.tell(name, reading, usual, part.rows),
            rows=positions if part.positions is None else part.positions[positions],
            strict=impossible and self.days >= ENOUGH_DAYS,
            numbers={name: reading.value},
        )

    def looks_at(self, rows: Rows) -> int:
        """See `Law.looks_at`; the rows of days, of each of them a sample where it has many."""
        return sum(min(len(part.rows), MOST_ROWS) for part in days_like(rows, self.size))

    def _worst(self, rows: Rows) -> tuple[tuple[bool, float], str, Reading] | None:
        """The statistic of a day that is farthest outside of its band, if any is unusual."""
        measured = self.measure(rows)
        worst: tuple[tuple[bool, float], str, Reading] | None = None
        for name, usual in self.bands.items():
            reading = measured.get(name)
            if reading is None or (self.only_above and reading.value <= usual.highest):
                continue
            beyond = usual.beyond(reading)
            if usual.is_unusual(beyond) and self.is_told(name, rows):
                rank = (usual.is_impossible(beyond), beyond - usual.reach)
                if worst is None or rank > worst[0]:
                    worst = (rank, name, reading)
        return worst


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of a batch that are judged as a day.

    Attributes:
        rows: The rows.
        positions: Where they are in the batch; None where they are all of it.
    """

    rows: Rows
    positions: Array | None = None


def days_like(rows: Rows, size: tuple[int, int]) -> tuple[Part, ...]:
    """The days of a batch that have about as many rows as training days, some of them if many.

    Rows without an event time are parted into blocks.

    Args:
        rows: The batch.
        size: Rows of the smallest and of the largest training day.
    """
    return rows.once(("days like", size), lambda: _days_like(rows, size))


def _days_like(rows: Rows, size: tuple[int, int]) -> tuple[Part, ...]:
    if not len(rows):
        return ()
    parted = TrainingRows.of(rows, max(size[1], 1))
    counts = np.bincount(parted.day_of[parted.day_of >= 0], minlength=parted.days)
    alike = np.flatnonzero((counts >= size[0] / LIKE) & (counts <= size[1] * LIKE))
    if not len(alike):
        return ()
    if len(alike) == 1 and counts[alike[0]] == len(rows):
        return (Part(rows),)
    chosen = alike[np.unique(np.linspace(0, len(alike) - 1, MOST_DAYS).astype(np.int64))]
    places = [np.flatnonzero(parted.day_of == day) for day in chosen]
    return tuple(Part(rows.take(one), one) for one in places)


Kept = TypeVar("Kept", bound=Banded)
Value = TypeVar("Value")


def fitted(candidates: Sequence[Kept], days: Sequence[Rows]) -> list[Kept]:
    """Laws with the bands of their statistics; without those that no band can be had of.

    Args:
        candidates: Laws without bands.
        days: The rows of each training day.
    """
    found = (with_bands(one, [one.measure(day) for day in days], days) for one in candidates)
    return [law for law in found if law is not None]


def with_bands(
    law: Kept, measured: Sequence[Mapping[str, Reading]], days: Sequence[Rows]
) -> Kept | None:
    """A law with the bands of its statistics; None if it has none on enough days.

    Args:
        law: The law without bands.
        measured: Its statistics on each training day, which that day had no part in.
        days: The rows of each of these days.
    """
    names = dict.fromkeys(name for one in measured for name in one)
    bands: dict[str, Band] = {}
    broken: set[int] = set()
    for name in names:
        told = [(place, one[name]) for place, one in enumerate(measured) if name in one]
        if len(told) < ENOUGH_DAYS:
            continue
        values = np.array([reading.value for _, reading in told])
        noise = np.array([reading.noise for _, reading in told])
        bands[name], outside = band(values, noise)
        broken.update(told[place][0] for place in np.flatnonzero(outside > IMPOSSIBLE).tolist())
    if not bands:
        return None
    return msgspec.structs.replace(
        law,
        bands=bands,
        days=len(days),
        broken=len(broken),
        size=(min(map(len, days)), max(map(len, days))),
    )


def training_days(training: TrainingRows) -> list[Rows]:
    """The training days that are large enough to be compared with each other; none if too few."""
    days = [day for day in training.each() if len(day)]
    return days if len(days) >= ENOUGH_DAYS else []


def had_before(values: Iterable[Iterable[Value]]) -> Iterator[frozenset[Value] | None]:
    """What the training days before each day had; None of a day before which there are too few.

    What is new comes with time, as the name of a month that begins, and may be frequent from then
    on. Held against later days too, no training day would ever have had anything new.

    Args:
        values: What each day had, the oldest first.
    """
    before: set[Value] = set()
    for number, one in enumerate(values):
        yield frozenset(before) if number >= ENOUGH_DAYS else None
        before.update(one)


def share(count: float, rows: int) -> Reading:
    """A share as a reading, with what chance alone does (Agresti and Coull, 1998)."""
    expected = (count + 2) / (rows + 4)
    return Reading(count / max(rows, 1), float(np.sqrt(expected * (1 - expected) / (rows + 4))))
