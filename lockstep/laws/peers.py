"""Peers: things of a panel that go alike, such as the panels on the roofs of one street.

What a thing reads is told by its peers, those by which training tells it best: three times by a sum
of what two of them read at the same moment, and of these sums the median, so that one peer that is
wrong moves nothing (synthetic controls: Abadie, Diamond and Hainmueller, "Synthetic control methods
for comparative case studies", 2010). A thing that reads by another
clock, in another unit, or for another thing, is far from that, whatever the day is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import ClassVar

import msgspec
import numpy as np

from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.columns.plain import listed, show
from lockstep.laws.bands import Band, Banded, Reading, Standing, fitted, short, training_days
from lockstep.laws.cases import coded
from lockstep.laws.glance import as_numbers, number_columns
from lockstep.laws.law import ENOUGH_DAYS, Broken
from lockstep.laws.lookups import Cell, cells_of
from lockstep.laws.panels import panel_of
from lockstep.laws.rows import Rows, TrainingRows

MOST_THINGS = 50
"""Things of a panel each of which is held against its peers."""
SUMS = 3
"""Sums of peers that tell a thing: of three, one may be wrong."""
TOGETHER = 2
"""Peers that are summed, where there are as many for each sum: a panel that looks south-east goes
like one that looks south and one that looks east."""
RIDGE = 1e-3
"""Of a peer's variance, what is added to it, so that of two that are the same half of each is taken
(ridge regression: Hoerl and Kennard, 1970)."""
ENOUGH_MOMENTS = 8
"""Moments of a day that it takes to tell how far a thing is from what its peers tell."""
MOST_MOMENTS = 1440
"""Moments of a day that are looked at, at most: each minute."""
LEAST_SPREAD = 0.1
"""Of how much a thing usually moves within a day, what it is taken to move at least: on a day
without sun there is nothing to be told by."""
ROUNDING = 1e-9
"""Of what a thing has, what is no move: the mean of equal numbers is off by its last digits."""
LEAST_MISFIT = 1e-3
"""Share of that, by which any thing may be off: digits of what is read."""
CLEARLY = 2.0
"""How many times as far outside of its band as what cannot be a thing has to be: shade, dirt and
repairs part things that go alike, each now and then, and training has seen few of these."""
TELLING = 0.5
"""Share of training days on which a thing that is one moment late has to be unusual."""


class Sum(msgspec.Struct, frozen=True, array_like=True):
    """What some peers tell of a thing.

    Attributes:
        peers: Their places among the things.
        slopes: By how much the thing moves where each of them does by 1.
        start: What it has where they have 0.
    """

    peers: tuple[int, ...]
    slopes: tuple[float, ...]
    start: float

    def of(self, numbers: Floats) -> Floats:
        """What they tell of the thing, a number a moment.

        Args:
            numbers: What things have: things by moments, NaN for nothing.
        """
        told: Floats = np.array(self.slopes) @ numbers[list(self.peers)] + self.start
        return told


class Alike(Banded, frozen=True, kw_only=True, tag="alike"):
    """How far things are from what their peers tell, by how much they move.

    What one thing does by itself may be so, however unlike it is: a panel is in the shade, or
    repaired. It is told of, and blocks nothing.

    Attributes:
        things: The things, those that are only told by among them.
        sums: What tells each thing; none where that would not tell anything.
        scales: How much each thing usually moves within a day: a standard deviation.
    """

    binds: ClassVar[bool] = False
    only_above: ClassVar[bool] = True

    things: tuple[Cell, ...]
    sums: tuple[tuple[Sum, ...], ...]
    scales: tuple[float, ...]

    @property
    def says(self) -> str:
        """See `Law.says`."""
        column, thing, _ = self.columns
        return f"{column} of one {thing} is what the few others tell that go like it."

    def measure(self, rows: Rows) -> dict[str, Reading]:
        """See `Banded.measure`; of each thing that is told by others."""
        column, thing, _ = self.columns
        numbers = numbers_of(rows, column, thing, self.things)
        return {} if numbers is None else self.misfits(numbers, numbers)

    def is_told(self, one: Standing, rows: Rows) -> bool:
        """See `Banded.is_told`; what is farther off by far than what else would block."""
        return one.band.beyond(one.reading) > CLEARLY * one.band.blocks_beyond

    def find(self, rows: Rows) -> Broken | None:
        """See `Banded.find`; nothing that cannot be."""
        found = super().find(rows)
        return None if found is None else replace(found, strict=False)

    @property
    def judged(self) -> list[int]:
        """The places of the things that others tell."""
        return [place for place, sums in enumerate(self.sums) if sums]

    def misfits(self, own: Floats, numbers: Floats) -> dict[str, Reading]:
        """How far things are from what others tell.

        Args:
            own: What each thing has: things by moments, NaN for nothing.
            numbers: What they have for the others.
        """
        judged = self.judged
        told = [[one.of(numbers) for one in self.sums[place]] for place in judged]
        expected = _median(np.array(told).transpose(1, 0, 2))
        off = own[judged] - expected
        spread = np.hypot(_spread(expected), LEAST_SPREAD * np.array(self.scales)[judged])
        known = np.count_nonzero(~np.isnan(off), axis=1)
        far = np.sqrt(_mean(off * off)) / spread
        return {
            str(self.things[place]): Reading(value, LEAST_MISFIT)
            for place, value, count in zip(judged, far.tolist(), known.tolist(), strict=True)
            if count >= ENOUGH_MOMENTS
        }

    def tell(self, name: str, reading: Reading, usual: Band, rows: Rows) -> str:
        """See `Banded.tell`."""
        column, thing, _ = self.columns
        place = [str(one) for one in self.things].index(name)
        those = dict.fromkeys(peer for one in self.sums[place] for peer in one.peers)
        peers = listed([show(self.things[peer]) for peer in those])
        return (
            f"{column} of {thing} {show(self.things[place])} differs from what {thing} {peers} "
            f"tell by {reading.value:.0%} of how much it moves in a day; on training days by "
            f"{usual.highest:.0%} at most"
        )

    def rows_of(self, rows: Rows, name: str) -> Array:
        """See `Banded.rows_of`."""
        labels = [str(one) for one in self.things]
        return np.flatnonzero(
            coded(rows.values(self.columns[1]), self.things) == labels.index(name)
        )


def numbers_of(rows: Rows, column: str, thing: str, things: tuple[Cell, ...]) -> Floats | None:
    """What some things have at the moments of a day: things by moments, NaN for nothing.

    None where there are too few moments, or as many as things have moments of their own.

    Args:
        rows: The rows of a day.
        column: A number.
        thing: What names the things.
        things: The things.
    """
    cells = rows.once(("cells", thing, things), lambda: _cells(rows, thing, things))
    if cells is None:
        return None
    shape, at, positions = cells
    numbers = np.full(shape, np.nan)
    numbers.ravel()[at] = as_numbers(rows.columns[column][positions])
    return numbers


def _cells(
    rows: Rows, thing: str, things: tuple[Cell, ...]
) -> tuple[tuple[int, int], Ints, Ints] | None:
    """How many things and moments there are, and the cell and the position of each row."""
    time = rows.schema.event_time
    assert time is not None, "a panel has moments"
    moments, codes = rows.columns[time], coded(rows.values(thing), things)
    positions = np.flatnonzero((codes >= 0) & ~np.isnat(moments))
    found, at = np.unique(moments[positions], return_inverse=True)
    if not ENOUGH_MOMENTS <= len(found) <= MOST_MOMENTS:
        return None
    return (len(things), len(found)), codes[positions] * len(found) + at, positions


def discover(training: TrainingRows) -> list[Alike]:
    """Find the things of a panel that others tell, and in which columns.

    Args:
        training: The training rows.
    """
    panel, days = panel_of(training), training_days(training)
    if panel is None or not days:
        return []
    things = tuple(cells_of(training.rows.values(panel.column).found))
    if len(things) > MOST_THINGS or len(things) <= SUMS:
        return []
    found = []
    for name in number_columns(training.rows.schema):
        numbers = [numbers_of(day, name, panel.column, things) for day in days]
        known = [one for one in numbers if one is not None]
        if name != panel.column and len(known) >= ENOUGH_DAYS:
            law = _law(training, name, panel.column, things, known)
            found += fitted([law], days) if law is not None else []
    return [law for one in found if (law := _telling(one, days)) is not None]


def _law(
    training: TrainingRows, column: str, thing: str, things: tuple[Cell, ...], days: list[Floats]
) -> Alike | None:
    """What tells each thing that moves within a day best; None where none is told.

    None, too, where all things have the same at each moment.
    """
    time = training.rows.schema.event_time
    assert time is not None, "a panel has moments"
    numbers = np.concatenate(days, axis=1)
    if np.all((numbers == numbers[0]) | np.isnan(numbers)):
        return None
    scales = np.nan_to_num(np.sqrt(_mean(np.array([_spread(day) ** 2 for day in days]).T)))
    moves = scales > ROUNDING * np.nan_to_num(_mean(np.abs(numbers)))
    sums = tuple(one if own else () for one, own in zip(sums_of(numbers), moves, strict=True))
    if not any(sums):
        return None
    return Alike(
        columns=(column, thing, time),
        days=0,
        things=things,
        sums=sums,
        scales=tuple(map(short, scales.tolist())),
    )


def sums_of(numbers: Floats) -> list[tuple[Sum, ...]]:
    """The sums of peers that tell each thing best, none of a thing that no others tell.

    Args:
        numbers: Things by moments, NaN for nothing.
    """
    known = (~np.isnan(numbers)).astype(np.float64)
    middle = np.nan_to_num(_mean(numbers))
    values = np.nan_to_num(numbers - middle[:, None], nan=0.0)
    both = known @ known.T
    own = values @ known.T / np.maximum(both, 1)  # the mean of each where the other one is known
    together = values @ values.T / np.maximum(both, 1) - own * own.T
    together[both < ENOUGH_DAYS * ENOUGH_MOMENTS] = np.nan
    at_once = TOGETHER if len(numbers) > SUMS * TOGETHER else 1
    return [_sums(together, middle, place, at_once) for place in range(len(numbers))]


def _sums(together: Floats, middle: Floats, place: int, at_once: int) -> tuple[Sum, ...]:
    """The sums that tell a thing, each of other peers; none where there are too few.

    Args:
        together: How things vary together: things by things, NaN where nobody knows.
        middle: The mean of each.
        place: The thing.
        at_once: How many peers are summed.
    """
    those = [one for one in range(len(middle)) if one != place and together[one, one] > 0]
    found: list[Sum] = []
    while len(found) < SUMS:
        groups = np.array(list(combinations(those, at_once)))
        if not len(groups):
            return ()
        of_peers = together[groups[:, :, None], groups[:, None, :]]
        of_thing = together[groups, place]
        ridge = RIDGE * np.eye(at_once) * np.einsum("gii->gi", of_peers)[:, :, None]
        known = np.isfinite(of_peers).all(axis=(1, 2)) & np.isfinite(of_thing).all(axis=1)
        if not known.any():
            return ()
        slopes = np.linalg.solve((of_peers + ridge)[known], of_thing[known][:, :, None])[:, :, 0]
        told = 2 * (slopes * of_thing[known]).sum(axis=1)
        left = np.einsum("gi,gij,gj->g", slopes, of_peers[known], slopes) - told
        best = int(left.argmin())
        peers, slope = groups[known][best], slopes[best]
        start = float(middle[place] - slope @ middle[peers])
        found.append(Sum(tuple(peers.tolist()), tuple(map(short, slope.tolist())), short(start)))
        those = [one for one in those if one not in peers]
    return tuple(found)


def _telling(law: Alike, days: Sequence[Rows]) -> Alike | None:
    """The law of those things of which it is told mostly that they are one moment late."""
    column, thing, _ = law.columns
    told: dict[str, list[bool]] = {}
    for day in days:
        numbers = numbers_of(day, column, thing, law.things)
        if numbers is None:
            continue
        late = np.full_like(numbers, np.nan)
        late[:, 1:] = numbers[:, :-1]
        for name, reading in law.misfits(late, numbers).items():
            if name in law.bands:
                share = law.bands[name].share(reading, only_above=True)
                told.setdefault(name, []).append(share > 1)
    kept = {name for name, one in told.items() if np.mean(one) >= TELLING}
    if not kept:
        return None
    return msgspec.structs.replace(
        law,
        sums=tuple(
            sums if str(one) in kept else () for one, sums in zip(law.things, law.sums, strict=True)
        ),
        bands={name: band for name, band in law.bands.items() if name in kept},
    )


def _mean(numbers: Floats) -> Floats:
    """The mean along the last axis of what is known; NaN of nothing."""
    known = ~np.isnan(numbers)
    count = known.sum(axis=-1)
    total = np.where(known, numbers, 0.0).sum(axis=-1)
    found: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return found


def _spread(numbers: Floats) -> Floats:
    """The standard deviation along the last axis of what is known."""
    found: Floats = np.sqrt(_mean((numbers - _mean(numbers)[..., None]) ** 2))
    return found


def _median(numbers: Floats) -> Floats:
    """The median along the first axis of what is known; NaN where less than two are."""
    ordered = np.sort(numbers, axis=0)  # what is not known comes last
    known = np.count_nonzero(~np.isnan(numbers), axis=0)
    places = (np.maximum(known - 1, 0) // 2, known // 2)
    low, high = (np.take_along_axis(ordered, one[None], axis=0)[0] for one in places)
    return np.where(known >= 2, (low + high) / 2, np.nan)
