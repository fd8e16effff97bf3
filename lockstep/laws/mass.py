"""Mass at one value: a column that is censored, clipped, or filled with a mean, 0 or a default.

What is counted are the shares that profilers of data keep of a column (Schelter et al.,
"Automating large-scale data quality verification", VLDB 2018): of missing values, of zeros, of the
commonest value, and of the smallest and the largest one, at which a clipped column piles up. A
value that is far more frequent than it ever was is found by its own largest share.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from lockstep.columns.kinds import Array
from lockstep.columns.plain import show
from lockstep.laws.bands import (
    Band,
    Banded,
    Reading,
    had_before,
    share,
    training_days,
    with_bands,
)
from lockstep.laws.glance import glance, number_columns, value_columns
from lockstep.laws.rows import Rows, TrainingRows

RARE = 0.01
"""Share below which a value is not kept by itself."""
_MORE = "more than ever"
_TOLD = {
    "missing": "are missing",
    "zero": "are 0",
    "commonest": "have one and the same value, {value}",
    "smallest": "have {value}, the smallest value",
    "largest": "have {value}, the largest value",
}


class Mass(Banded, frozen=True, kw_only=True, tag="mass"):
    """How much of a column lies at one value.

    Attributes:
        highest: The largest share of the rows of a day that each value had; of those that never
            had `RARE` of them, under none of them.
    """

    binds: ClassVar[bool] = False

    highest: dict[str, float]

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"No value of {self.columns[0]} is more or less frequent than it ever was."

    def measure(self, rows: Rows) -> dict[str, Reading]:
        """See `Banded.measure`."""
        grown = _most_grown(rows, self.columns[0], self.highest)
        counted = _counted(rows, self.columns[0], self.highest)
        return counted if grown is None else {**counted, _MORE: grown[1]}

    def sort_of(self, name: str) -> str:
        """See `Banded.sort_of`; each share by itself."""
        return name

    def tell(self, name: str, reading: Reading, usual: Band, rows: Rows) -> str:
        """See `Banded.tell`."""
        column = self.columns[0]
        value = self._value(rows, name)
        if name == _MORE:
            return (
                f"{value} stands in {reading.value:.1%} of the rows more of {column} than on any "
                f"training day, where no value gained more than {usual.highest:.1%}"
            )
        return (
            f"{reading.value:.1%} of {column} {_TOLD[name].format(value=value)}; on training days "
            f"from {usual.lowest:.1%} to {usual.highest:.1%}"
        )

    def rows_of(self, rows: Rows, name: str) -> Array:
        """See `Banded.rows_of`."""
        seen = glance(rows)
        if name == "missing":
            return seen.all_positions(seen.missing(self.columns[0]))
        place = self._place(rows, name)
        places = seen.rows.values(self.columns[0]).places
        return seen.all_positions(places == place if place is not None else places < -1)

    def _value(self, rows: Rows, name: str) -> str:
        place = self._place(rows, name)
        return "" if place is None else show(glance(rows).rows.values(self.columns[0]).found[place])

    def _place(self, rows: Rows, name: str) -> int | None:
        """Where the value that a statistic is about is among those of the column."""
        seen, column = glance(rows), self.columns[0]
        found, counts = seen.rows.values(column).found, seen.counts(column)
        if name == "missing" or not len(found):
            return None
        if name == _MORE:
            grown = _most_grown(rows, column, self.highest)
            return None if grown is None else grown[0]
        if name == "zero":
            return next(iter(np.flatnonzero(found == 0).tolist()), None)
        best = {"smallest": found.argmin, "largest": found.argmax, "commonest": counts.argmax}
        return int(best[name]())


def _shares(rows: Rows, column: str) -> dict[str, tuple[int, float]]:
    """The place and the share of each value that is not rare."""
    return glance(rows).rows.once(("shares", column), lambda: _find_shares(rows, column))


def _find_shares(rows: Rows, column: str) -> dict[str, tuple[int, float]]:
    seen = glance(rows)
    found, counts = seen.rows.values(column).found, seen.counts(column)
    places = np.flatnonzero(counts >= RARE * len(seen)).tolist()
    return {str(found[place]): (place, float(counts[place]) / len(seen)) for place in places}


def _counted(rows: Rows, column: str, highest: Mapping[str, float]) -> dict[str, Reading]:
    """Shares of the rows; of the smallest and the largest value where it never had as large a one.

    Which value is the smallest depends on whether a rarer one happens to be there.
    """
    seen = glance(rows)
    total = len(seen)
    found, counts = seen.rows.values(column).found, seen.counts(column)
    told = {"missing": share(float(seen.missing(column).sum()), total)}
    known = int(counts.sum())
    if known < 1:
        return told
    told["commonest"] = share(float(counts.max()), total)
    if column in number_columns(rows.schema):
        told["zero"] = share(float(counts[found == 0].sum()), total)
        for name, place in (("smallest", found.argmin()), ("largest", found.argmax())):
            own = share(float(counts[place]), known)
            if own.value > highest.get(str(found[place]), 0.0):
                told[name] = own
    return told


def _most_grown(
    rows: Rows, column: str, highest: Mapping[str, float]
) -> tuple[int, Reading] | None:
    """The place of the value whose share grew most beyond its largest one, and by how much."""
    shares = _shares(rows, column)
    if not shares:
        return None
    grown = {value: part - highest.get(value, RARE) for value, (_, part) in shares.items()}
    value = max(grown, key=grown.__getitem__)
    place, part = shares[value]
    chance = share(part * len(glance(rows)), len(glance(rows))).noise
    return place, Reading(max(grown[value], 0.0), chance)


def discover(training: TrainingRows) -> list[Mass]:
    """Find how much of each column lies at one value on training days.

    Args:
        training: The training rows.
    """
    days = training_days(training)
    return [law for name in value_columns(training.rows.schema) if (law := _mass(name, days))]


def _mass(column: str, days: list[Rows]) -> Mass | None:
    if not days:
        return None
    shares = [_shares(day, column) for day in days]
    first: dict[str, float] = {}
    second: dict[str, float] = {}
    for one in shares:
        for value, (_, part) in one.items():
            if part > first.get(value, RARE):
                second[value], first[value] = first.get(value, RARE), part
            elif part > second.get(value, RARE):
                second[value] = part
    measured = []
    for day, one, before in zip(days, shares, had_before(shares), strict=True):
        of_others = {
            value: second.get(value, RARE) if part >= first.get(value, RARE) else first[value]
            for value, (_, part) in one.items()
            if before is None or value in before
        }
        grown = _most_grown(day, column, of_others)
        counted = _counted(day, column, {})
        measured.append(counted if grown is None else {**counted, _MORE: grown[1]})
    highest = {value: float(f"{part:.4g}") for value, part in first.items()}
    return with_bands(Mass(columns=(column,), days=0, highest=highest), measured, days)
