"""Cells of a panel: one thing at one moment, and the others of that moment."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lockstep.columns.kinds import Floats, Ints
from lockstep.constraints.quantities import Entity, Quantity
from lockstep.constraints.view import View, made_once


@dataclass(frozen=True)
class Cells:
    """Cells: the rows of a thing at a moment."""

    place: Ints
    moment: Ints
    follows: Ints  # int64, 0 where the cell before is of the same thing; -1 elsewhere

    def before(self, values: Floats) -> Floats:
        """The values of the cells before, of the same thing; NaN where there is none."""
        return np.where(self.follows == 0, np.roll(values, 1), np.nan)


@made_once
def cells_of(view: View, entity: Entity, unit: str) -> Cells:
    """The cells of the rows, each one thing at one moment, or at one hour.

    The unit is `hour`, or empty for the event time itself.
    """
    moment = view.day * 24 + view.calendar("@hour") if unit else view.micros
    thing = view.codes(entity) if entity else np.arange(len(view))
    moments, at = np.unique(moment, return_inverse=True)
    of = np.unique(thing, return_inverse=True)[1]
    keys, place = np.unique(of * len(moments) + at, return_inverse=True)
    of_thing, of_moment = np.divmod(keys, max(len(moments), 1))
    return Cells(place, of_moment, np.append(-1, np.where(np.diff(of_thing) == 0, 0, -1)))


def _of_cells(view: View, quantity: Quantity) -> tuple[Cells, Floats]:
    """The mean of a field in each cell; NaN where it has none."""
    cells = cells_of(view, quantity.entity, quantity.unit)
    own = view.columns[quantity.fields[0]].astype(np.float64)
    known = np.isfinite(own)
    with np.errstate(all="ignore"):
        total = np.bincount(cells.place, np.where(known, own, 0.0), len(cells.moment))
        return cells, total / np.bincount(cells.place, known, len(cells.moment))


def _of_peers(view: View, quantity: Quantity) -> tuple[Cells, Floats]:
    """The mean of the other cells of each cell's moment; NaN where there are none."""
    cells, own = _of_cells(view, quantity)
    known = np.isfinite(own)
    total = np.bincount(cells.moment, np.where(known, own, 0.0))[cells.moment]
    rest = np.bincount(cells.moment, known)[cells.moment] - known
    with np.errstate(all="ignore"):
        means = (total - np.where(known, own, 0.0)) / rest
    return cells, np.where(rest > 0, means, np.nan)


def by_cell(view: View, quantity: Quantity) -> tuple[Cells, Floats]:
    """The cells of the rows, and the value of a quantity in each cell: float64."""
    if view.whole is not view:
        cells, values = by_cell(view.whole, quantity)
        return replace(cells, place=view.own(cells.place)), values
    if quantity.made == "moment before":
        cells, values = _of_cells(view, quantity)
        return cells, cells.before(values)
    cells, values = _of_peers(view, quantity)
    return cells, cells.before(values) if quantity.made == "peers before" else values
