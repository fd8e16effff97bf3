"""Mass at one value: a column that is censored, clipped, or filled with a mean, 0 or a default.

What is counted are the shares that profilers of data keep of a column (Schelter et al.,
"Automating large-scale data quality verification", VLDB 2018): of missing values, of zeros, of the
commonest value, and of the smallest and the largest one, at which a clipped column piles up. A
value that is far more frequent than it ever was is found by its own largest share, and so are these
two: air is often saturated, but never was at 70 %. Nothing is clipped at the ends of all that
training had: of aircraft, more are of this year the longer it lasts.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import ClassVar

import msgspec
import numpy as np

from lockstep.columns.kinds import Array
from lockstep.columns.plain import counted, show
from lockstep.columns.schema import MADE
from lockstep.laws.bands import (
    Band,
    Banded,
    Reading,
    days_like,
    had_before,
    share,
    training_days,
    with_bands,
)
from lockstep.laws.bunches import ALONE, Bunches, bunches_of
from lockstep.laws.copies import is_more
from lockstep.laws.glance import Glance, dated_columns, glance, number_columns, value_columns
from lockstep.laws.law import ENOUGH_DAYS, Broken
from lockstep.laws.rows import Rows, TrainingRows

RARE = 0.01
"""Share below which a value is not kept by itself."""
_MORE = "more than ever"
_TOLD = {
    "missing": "are missing",
    "zero": "are 0",
    "commonest": "have one and the same value, {value}",
}
_ENDS = ("smallest", "largest")
_OF_A_DAY = ("missing", "commonest")
"""What is counted of a column that is the same all day: not which value that is."""


class Mass(Banded, frozen=True, kw_only=True, tag="mass"):
    """How much of a column lies at one value.

    Attributes:
        highest: The largest share of the rows of a day that each value had; of those that never
            had `RARE` of them, under none of them.
        bunches: In which bunches the rows come, as far as the column tells.
        ends: The smallest and the largest number of all training days; None where it has none, or
            of a version that an older Lockstep fitted.
        zeros: How many rows, or bunches of them, of a training day were 0 at most, where that is
            the smallest number that there is; -1 elsewhere, and of an older version.
    """

    binds: ClassVar[bool] = False

    highest: dict[str, float]
    bunches: Bunches = ALONE
    ends: tuple[float, float] | None = None
    zeros: int = -1

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"No value of {self.columns[0]} is more or less frequent than it ever was."

    def measure(self, rows: Rows) -> dict[str, Reading]:
        """See `Banded.measure`."""
        grown = _most_grown(rows, self.columns[0], self.highest)
        most = {name: band.highest for name, band in self.bands.items()}
        counted = _counted(rows, self, self.highest, most)
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
        if name in _ENDS:
            return (
                f"{value}, the {name} value of {column}, stands in {reading.value:.1%} of the rows "
                f"more than on any training day, where the {name} one gained no more than "
                f"{usual.highest:.1%}"
            )
        return (
            f"{reading.value:.1%} of {column} {_TOLD[name].format(value=value)}; on training days "
            f"from {usual.lowest:.1%} to {usual.highest:.1%}"
        )

    def find_besides(self, rows: Rows) -> Broken | None:
        """See `Banded.find_besides`; far more rows that are 0 than ever, as where none is known.

        An error where no training day had 0 in more than `RARE` of its rows: as a code for none.
        Where one had, such as a day without snow, a season may have it, and it only warns.
        """
        if self.zeros < 0:
            return None
        for part in days_like(rows, self.size):
            seen = glance(part.rows)
            count = _zeros(seen, self.columns[0], self.bunches)
            times = max(len(part.rows) / self.size[1], 1.0)
            if not is_more(int(count / times), self.zeros):
                continue
            positions = self.rows_of(part.rows, "zero")
            alone = (
                f", as many as {counted(count, 'row')} that come by themselves"
                if count < len(positions)
                else ""
            )
            usual = self.bands.get("zero")
            are = "is" if len(positions) == 1 else "are"
            return Broken(
                law=self,
                columns=self.columns,
                message=f"{counted(len(positions), 'row')} of {self.columns[0]} {are} 0{alone}; "
                f"on training days {self.zeros} at most",
                rows=part.in_batch(positions),
                strict=self.days >= ENOUGH_DAYS and usual is not None and usual.highest <= RARE,
                numbers={"zero": len(positions) / len(part.rows)},
            )
        return None

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


def share_up_to(count: float, rows: int, most: float) -> Reading:
    """A share, with what chance does to it, or to the largest one that training had.

    What it does to a larger share is the more, the more there is of a fault: the score test rather
    than Wald's (Agresti and Coull, 1998).

    Args:
        count: How many of the rows are counted.
        rows: How many there are.
        most: The largest share of a training day; 1 where there is none yet.
    """
    return Reading(share(count, rows).value, share(min(count, most * rows), rows).noise)


def _counted(
    rows: Rows,
    law: Mass,
    ever: Mapping[str, float],
    most: Mapping[str, float],
) -> dict[str, Reading]:
    """Shares of the rows, and by how much those of the smallest and the largest value grew.

    Which value is the smallest depends on whether a rarer one happens to be there; it grows where
    it never was as frequent, as the value at which a column is clipped. What is usual of that is
    nothing, so that it is chance, of bunches, by which it is measured.

    Args:
        rows: The rows of a day.
        law: The law.
        ever: The largest share that each value had on other days, `RARE` of those left out.
        most: The largest share of training days of each statistic; none while these are measured.
    """
    seen, column = glance(rows), law.columns[0]
    total = len(seen)
    found, counts = seen.rows.values(column).found, seen.counts(column)
    told = {}
    if rows.schema[column].role != MADE:  # what it is made of tells what is missing
        gone = float(seen.missing(column).sum())
        told["missing"] = share_up_to(gone, total, most.get("missing", 1.0))
    known = int(counts.sum())
    if known < 1:
        return told
    told["commonest"] = share_up_to(float(counts.max()), total, most.get("commonest", 1.0))
    if column in number_columns(rows.schema):
        zeros = float(counts[found == 0].sum())
        told["zero"] = share_up_to(zeros, total, most.get("zero", 1.0))
    if column in number_columns(rows.schema) and len(found) > 1:
        apart = total / law.bunches.effect(seen.rows)
        places = (found.argmin(), found.argmax())
        for name, place, end in zip(_ENDS, places, law.ends or (None, None), strict=True):
            before = ever.get(str(found[place]), RARE)
            grown = max(float(counts[place]) / total - before, 0.0) if found[place] != end else 0.0
            told[name] = Reading(grown, share(before * apart, apart).noise)
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
    if not days:
        return []
    bunches, dated = bunches_of(training), dated_columns(training)
    found = (
        _mass(name, days, bunches[name], is_dated=name in dated)
        for name in value_columns(training.rows.schema)
    )
    return [law for law in found if law is not None]


def _mass(column: str, days: list[Rows], bunches: Bunches, *, is_dated: bool) -> Mass | None:
    shares = [_shares(day, column) for day in days]
    first: dict[str, float] = {}
    second: dict[str, float] = {}
    for one in shares:
        for value, (_, part) in one.items():
            if part > first.get(value, RARE):
                second[value], first[value] = first.get(value, RARE), part
            elif part > second.get(value, RARE):
                second[value] = part
    highest = {value: float(f"{part:.4g}") for value, part in first.items()}
    law = Mass(
        columns=(column,), days=0, highest=highest, bunches=bunches, ends=_ends(column, days)
    )
    measured = []
    for day, one, before in zip(days, shares, had_before(shares), strict=True):
        of_others = {
            value: second.get(value, RARE) if part >= first.get(value, RARE) else first[value]
            for value, (_, part) in one.items()
            if before is None or value in before
        }
        grown = _most_grown(day, column, of_others)
        counted = _counted(day, law, of_others, {})
        told = counted if grown is None else {**counted, _MORE: grown[1]}
        measured.append(
            {name: told[name] for name in _OF_A_DAY if name in told} if is_dated else told
        )
    found = with_bands(law, measured, days)
    if found is None or is_dated or law.ends is None or law.ends[0] != 0:
        return found
    zeros = max(_zeros(glance(day), column, bunches) for day in days)
    return msgspec.structs.replace(found, zeros=zeros)


def _zeros(seen: Glance, column: str, bunches: Bunches) -> int:
    """How many rows are 0, a bunch of them taken for one."""
    count = int(seen.counts(column)[seen.rows.values(column).found == 0].sum())
    return ceil(count / bunches.effect(seen.rows))


def _ends(column: str, days: list[Rows]) -> tuple[float, float] | None:
    """The smallest and the largest number of all days."""
    if column not in number_columns(days[0].schema):
        return None
    numbers = [glance(day).numbers(column) for day in days]
    known = np.concatenate([one[~np.isnan(one)] for one in numbers])
    return (float(known.min()), float(known.max())) if len(known) else None
