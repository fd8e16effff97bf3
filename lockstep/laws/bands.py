"""Bands: between which limits a statistic lay on every training day, and how far outside it is.

A band is a distribution-free tolerance interval (Wilks, "Determination of sample sizes for setting
tolerance limits", 1941): the smallest and the largest value of the training days. How far outside
of it a day has to be to count follows from the days themselves, each held against the band of the
others (the jackknife+ of Barber et al., "Predictive inference with the jackknife+", 2021).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import hypot
from typing import ClassVar, TypeVar

import msgspec
import numpy as np

from lockstep.columns.kinds import Array, Floats
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.rows import Rows, TrainingRows

UNUSUAL = 1.5
"""Half widths outside of its band from which on a statistic is unusual."""
IMPOSSIBLE = 2.2
"""Half widths outside of its band, and beyond what any training day was, that cannot be."""
LIKE = 3.0
"""How many times as many rows as a usual day, or as few, a batch has that is held to be one."""
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
        return beyond > IMPOSSIBLE + 2 * self.reach


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
        size: Rows of a usual training day. What is far larger or smaller is no such day: it is
            unusual at most.
    """

    bands: dict[str, Band] = msgspec.field(default_factory=dict)
    size: int = 0

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

    def _is_a_day(self, rows: int) -> bool:
        return self.days >= ENOUGH_DAYS and 1 / LIKE <= rows / max(self.size, 1) <= LIKE

    def find(self, rows: Rows) -> Broken | None:
        """The statistic that is farthest outside of its band; see `Law.find`."""
        if not len(rows):
            return None
        measured = self.measure(rows)
        worst: tuple[bool, float, str] | None = None
        for name, usual in self.bands.items():
            if name not in measured:
                continue
            if self.only_above and measured[name].value <= usual.highest:
                continue
            beyond = usual.beyond(measured[name])
            if usual.is_unusual(beyond):
                found = (usual.is_impossible(beyond), beyond - usual.reach, name)
                worst = found if worst is None else max(worst, found)
        if worst is None:
            return None
        impossible, _, name = worst
        reading, usual = measured[name], self.bands[name]
        return Broken(
            law=self,
            columns=self.suspects(name, reading, usual),
            message=self.tell(name, reading, usual, rows),
            rows=self.rows_of(rows, name),
            strict=impossible and usual.reach <= IMPOSSIBLE and self._is_a_day(len(rows)),
            numbers={name: reading.value},
        )


Kept = TypeVar("Kept", bound=Banded)


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
        size=int(np.median([len(day) for day in days])),
    )


def training_days(training: TrainingRows) -> list[Rows]:
    """The training days that are large enough to be compared with each other; none if too few."""
    days = [day for day in training.each() if len(day)]
    return days if len(days) >= ENOUGH_DAYS else []


def share(count: float, rows: int) -> Reading:
    """A share as a reading, with what chance alone does (Agresti and Coull, 1998)."""
    expected = (count + 2) / (rows + 4)
    return Reading(count / max(rows, 1), float(np.sqrt(expected * (1 - expected) / (rows + 4))))
