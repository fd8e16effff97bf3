"""Peers: things of a panel that go alike, such as the panels on the roofs of one street.

What a thing reads is told by its peers, those few by which training tells it best: a line of what
each of them reads at the same moment, and of these lines the median, so that one peer that is wrong
moves nothing (synthetic controls, of which this is the simplest; Abadie, Diamond and Hainmueller,
"Synthetic control methods for comparative case studies", 2010). A thing that reads by another
clock, in another unit, or for another thing, is far from that, whatever the day is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import msgspec
import numpy as np

from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.columns.plain import listed, show
from lockstep.laws.bands import Band, Banded, Reading, fitted, short, training_days
from lockstep.laws.cases import coded
from lockstep.laws.glance import as_numbers, number_columns
from lockstep.laws.law import ENOUGH_DAYS, Broken
from lockstep.laws.lookups import Cell, cells_of
from lockstep.laws.panels import panel_of
from lockstep.laws.rows import Rows, TrainingRows

MOST_THINGS = 50
"""Things of a panel each of which is held against its peers."""
PEERS = 3
"""Peers of a thing: of three, one may be wrong."""
ENOUGH_MOMENTS = 8
"""Moments of a day that it takes to tell how far a thing is from what its peers tell."""
MOST_MOMENTS = 1440
"""Moments of a day that are looked at, at most: each minute."""
LEAST_SPREAD = 0.1
"""Of how much a thing usually moves within a day, what it is taken to move at least: on a day
without sun there is nothing to be told by."""
LEAST_MISFIT = 1e-3
"""Share of that, by which any thing may be off: digits of what is read."""
TELLING = 0.5
"""Share of training days on which a thing that is one moment late has to be unusual."""


class Line(msgspec.Struct, frozen=True, array_like=True):
    """What a peer tells of a thing.

    Attributes:
        peer: Its place among the things.
        slope: By how much the thing moves where the peer does by 1.
        start: What it has where the peer has 0.
    """

    peer: int
    slope: float
    start: float


class Alike(Banded, frozen=True, kw_only=True, tag="alike"):
    """How far things are from what their peers tell, by how much they move.

    What one thing does by itself may be so, however unlike it is: a panel is in the shade, or
    repaired. It is told of, and blocks nothing.

    Attributes:
        things: The things, those that are only told by among them.
        lines: What the peers of each thing tell of it; none where that would not tell anything.
        scales: How much each thing usually moves within a day: a standard deviation.
    """

    binds: ClassVar[bool] = False
    only_above: ClassVar[bool] = True

    things: tuple[Cell, ...]
    lines: tuple[tuple[Line, ...], ...]
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
        return {} if numbers is None else self.misfits(numbers)

    def find(self, rows: Rows) -> Broken | None:
        """See `Banded.find`; nothing that cannot be."""
        found = super().find(rows)
        return None if found is None else replace(found, strict=False)

    def misfits(self, numbers: Floats) -> dict[str, Reading]:
        """How far each thing is from what others tell.

        Args:
            numbers: What things have: things by moments, NaN for nothing.
        """
        judged = [place for place, lines in enumerate(self.lines) if lines]
        by = [[self.lines[place][rank] for place in judged] for rank in range(PEERS)]
        told = np.array(
            [
                numbers[[line.peer for line in lines]] * np.array([[line.slope] for line in lines])
                + np.array([[line.start] for line in lines])
                for lines in by
            ]
        )
        expected = _median(told)
        off = numbers[judged] - expected
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
        peers = listed([show(self.things[line.peer]) for line in self.lines[place]])
        return (
            f"{column} of {thing} {show(self.things[place])} is {100 * reading.value:.2g} % "
            f"of what it moves by off what {thing} {peers} tell, on training days "
            f"{100 * usual.highest:.2g} % at most"
        )

    def suspects(self, name: str, reading: Reading, usual: Band) -> tuple[str, ...]:
        """See `Banded.suspects`; where all of it is another clock, or thing, that of the rows."""
        return self.columns

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
    if len(things) > MOST_THINGS or len(things) <= PEERS:
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
    """The lines that tell each thing best; None where all have the same at each moment."""
    time = training.rows.schema.event_time
    assert time is not None, "a panel has moments"
    numbers = np.concatenate(days, axis=1)
    if np.all((numbers == numbers[0]) | np.isnan(numbers)):
        return None
    slope, start, left = lines_of(numbers)
    peers = np.argsort(left, axis=1)[:, :PEERS]
    if not np.isfinite(left[np.arange(len(things))[:, None], peers]).any():
        return None
    scales = np.sqrt(_mean(np.array([_spread(day) ** 2 for day in days]).T))
    return Alike(
        columns=(column, thing, time),
        days=0,
        things=things,
        lines=tuple(
            tuple(Line(peer, short(slope[place, peer]), short(start[place, peer])) for peer in row)
            if np.isfinite(left[place, row]).all() and scale > 0
            else ()
            for place, (row, scale) in enumerate(zip(peers.tolist(), scales, strict=True))
        ),
        scales=tuple(short(one) for one in np.nan_to_num(scales).tolist()),
    )


def lines_of(numbers: Floats) -> tuple[Floats, Floats, Floats]:
    """The lines by which each thing is told by each other one: least squares.

    Args:
        numbers: Things by moments, NaN for nothing.

    Returns:
        Slopes, where the lines start, and the variance that they leave: things by peers; infinite
        where a thing tells nothing of another one, and of itself.
    """
    known = (~np.isnan(numbers)).astype(np.float64)
    middle = _mean(numbers)
    values = np.nan_to_num(numbers - middle[:, None], nan=0.0)
    both = np.maximum(known @ known.T, 1)
    own, of_peer = values @ known.T / both, known @ values.T / both
    square, of_peers = values**2 @ known.T / both, known @ (values**2).T / both
    spread, of_peers = square - own**2, of_peers - of_peer**2
    together = values @ values.T / both - own * of_peer
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = together / of_peers
        left = np.maximum(spread - slope * together, 0.0)
    left[~np.isfinite(slope) | (known @ known.T < ENOUGH_DAYS * ENOUGH_MOMENTS)] = np.inf
    np.fill_diagonal(left, np.inf)
    start = middle[:, None] + own - slope * (middle[None, :] + of_peer)
    return slope, start, left


def _telling(law: Alike, days: Sequence[Rows]) -> Alike | None:
    """The law of those things of which it is told mostly that they are one moment late."""
    column, thing, _ = law.columns
    told: dict[str, list[bool]] = {}
    for day in days:
        numbers = numbers_of(day, column, thing, law.things)
        if numbers is None:
            continue
        for place in np.flatnonzero([bool(lines) for lines in law.lines]).tolist():
            late, name = numbers.copy(), str(law.things[place])
            late[place, 1:], late[place, 0] = numbers[place, :-1], np.nan
            reading = law.misfits(late).get(name)
            if reading is not None and name in law.bands:
                share = law.bands[name].share(reading, only_above=True)
                told.setdefault(name, []).append(share > 1)
    kept = {name for name, one in told.items() if np.mean(one) >= TELLING}
    if not kept:
        return None
    return msgspec.structs.replace(
        law,
        lines=tuple(
            lines if str(one) in kept else ()
            for one, lines in zip(law.things, law.lines, strict=True)
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
