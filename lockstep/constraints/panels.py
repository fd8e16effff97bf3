"""Panels: one thing beside its like, and beside its own past.

A ridge regression (Hoerl and Kennard, 1970) tells each number from the others of its row, from the
row before of the same thing and from the other rows of its moment; its residual, by segment, is
what a sensor is off by. Of things that are measured at the same moments: who follows the others
with a lag.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from lockstep.columns.kinds import Array, Floats
from lockstep.constraints.entities import Entities
from lockstep.constraints.features import BLOCKS, Feature, Measured
from lockstep.constraints.layout import Layout
from lockstep.constraints.quantities import Quantity, value
from lockstep.constraints.values import Number, Values
from lockstep.constraints.view import View

FAMILY = "panels"
_PENALTY = 10.0
"""The ridge's penalty: as much as ten rows of standard deviation 1."""
_EXPLAINS = 0.15
"""Share of the variance of held-out days that a regression explains, at least."""
_MOST_TARGETS, _MOST_CATEGORIES = 14, 40
_DISTINCT = 8
"""Different values of a number that is told, at least."""
_FAR = 3.0
"""Deviations of held-out rows from which on a residual is far."""


class Residual(msgspec.Struct, frozen=True):
    """A regression of a number.

    Attributes:
        target: The number.
        weights: float64, one a column of the design, the constant last.
        width: The standard deviation of what it leaves, on held-out days.
    """

    target: Quantity
    weights: Array
    width: float


class Design(msgspec.Struct, frozen=True):
    """What numbers are told from.

    Attributes:
        numbers: Numbers, by their place among those of training.
        related: Further ones that tell a number which has the same field.
        categories: Columns and values, each a column of 0 and 1.
    """

    numbers: tuple[Quantity, ...]
    related: tuple[Quantity, ...]
    categories: tuple[tuple[str, str | float], ...]

    @property
    def fields(self) -> tuple[tuple[str, ...], ...]:
        """The fields that each column is made of; the last two are the hour."""
        quantities = (*self.numbers, *self.related)
        named = [name for name, _ in self.categories]
        return (*(one.fields for one in quantities), *((name,) for name in named), (), ())

    def matrix(self, view: View, values: Values) -> Floats:
        """The design of rows: float64, rows x columns; 0 where nothing is known."""
        columns = [_placed(values, one, view) for one in (*self.numbers, *self.related)]
        columns += [np.asarray(view.columns[name] == one) for name, one in self.categories]
        angle = 2 * np.pi * view.calendar("@clock") / 1440
        found = np.column_stack([*columns, np.sin(angle), np.cos(angle)]).astype(np.float64)
        return np.nan_to_num(found)


class Panels(msgspec.Struct, frozen=True, tag=FAMILY):
    """The regressions of a table, and its panel.

    Attributes:
        design: What numbers are told from.
        residuals: The regressions.
        lagged: Numbers of things that are measured at the same moments.
        entity: These things; None where there are none.
    """

    design: Design
    residuals: tuple[Residual, ...]
    lagged: tuple[str, ...]
    entity: tuple[str, ...] | None

    def evaluate(self, view: View, values: Values) -> Iterator[Measured]:
        """The features of each row."""
        if self.residuals and view.fold is None:
            design = self.design.matrix(view, values)
            design = np.column_stack([design, np.ones(len(view))])
            for one in self.residuals:
                told = design @ one.weights
                yield from _of_residual(one, _placed(values, one.target, view) - told, told)
        elif self.residuals:
            held_out: dict[Quantity, tuple[Floats, Floats]] = view.once("held out", dict)
            for one in self.residuals:
                yield from _of_residual(one, *held_out[one.target])
        if self.entity is not None:
            yield from _lags(self.entity, self.lagged, view, values)


def discover(view: View, entities: Entities, values: Values) -> Panels:
    """Learn how numbers of training rows are told by others.

    Args:
        view: The rows.
        entities: What names things in them.
        values: What training had of each number.
    """
    layout = view.layout
    raw = [one.quantity for one in values.numbers if one.quantity.fields[0] not in layout.dated]
    raw = [one for one in raw if one.made in ("value", "clock", "lapse", "span")]
    targets = [one for one in raw if one.made == "value" and _is_told(values.number(one))]
    targets = targets[:_MOST_TARGETS]
    has_peers = _has_peers(view)
    related = _related(targets, entities, has_peers=has_peers)
    categories = [
        (name, one) for name, held in layout.categories.items() for one in held
        if name in layout.texts and name not in layout.dated
    ]  # fmt: skip
    design = Design(tuple(raw), tuple(related), tuple(categories[:_MOST_CATEGORIES]))
    residuals = _fitted(design, targets, view, values)
    entity = entities.grid if has_peers and entities.grid else None
    lagged = tuple(one.fields[0] for one in targets) if entity is not None else ()
    return Panels(design, residuals, lagged, entity)


def _related(targets: Sequence[Quantity], entities: Entities, *, has_peers: bool) -> list[Quantity]:
    found = []
    for entity in [one for one in entities.full if one][:2]:
        found += [Quantity("previous", one.fields, entity) for one in targets]
    if has_peers:
        found += [Quantity("peers", one.fields) for one in targets]
    return found


def _is_told(number: Number | None) -> bool:
    return number is not None and len(np.unique(number.sorted)) >= _DISTINCT


def _has_peers(view: View) -> bool:
    _, group, counts = np.unique(view.micros, return_inverse=True, return_counts=True)
    return bool(np.mean(counts[group] > 1) > 0.8)


def _placed(values: Values, quantity: Quantity, view: View) -> Floats:
    """A number by its place among those that training had of its field; NaN where it has none."""

    def made() -> Floats:
        known = values.number(quantity) or values.number(value(quantity.fields[0]))
        assert known is not None, "a number without a field of training is in no design"
        return known.place(view.number(quantity))

    return view.once(("place", quantity), made)


def _fitted(
    design: Design, targets: Sequence[Quantity], view: View, values: Values
) -> tuple[Residual, ...]:
    """Regressions that tell held-out days; what these leave is kept with the view."""
    assert view.fold is not None, "training rows are told by blocks of days"
    matrix = np.column_stack([design.matrix(view, values), np.ones(len(view))])
    grams = [matrix[view.fold == block].T @ matrix[view.fold == block] for block in range(BLOCKS)]
    held_out: dict[Quantity, tuple[Floats, Floats]] = view.once("held out", dict)
    found = []
    for target in targets:
        numbers = _placed(values, target, view)
        known = np.isfinite(numbers)
        allowed = _allowed(design, target)
        weights = []
        if known.mean() < 0.98:  # the rows without it are left out of its sums
            own = [(view.fold == block) & known for block in range(BLOCKS)]
            of_blocks = [matrix[rows].T @ matrix[rows] for rows in own]
        else:
            of_blocks = grams
        filled = np.where(known, numbers, 0.0)
        moments = [matrix[view.fold == block].T @ filled[view.fold == block]
                   for block in range(BLOCKS)]  # fmt: skip
        for block in range(BLOCKS):
            weights.append(_ridge(sum(of_blocks) - of_blocks[block],
                                  sum(moments) - moments[block], allowed))  # fmt: skip
        told = np.einsum("ij,ij->i", matrix, np.array(weights)[view.fold])
        left = numbers - told
        width = float(np.sqrt(np.nanmean(left**2)))
        explained = 1 - width**2 / max(float(np.nanvar(numbers)), 1e-12)
        if explained >= _EXPLAINS and width > 1e-6:
            held_out[target] = left, told
            weights_of_all = _ridge(sum(of_blocks), sum(moments), allowed)
            found.append(Residual(target, weights_of_all, width))
    return tuple(found)


def _allowed(design: Design, target: Quantity) -> Array:
    """Which columns may tell a number: not its own field, but what rows before and beside had."""
    quantities = (*design.numbers, *design.related)
    of_numbers = [
        (one.fields[:1] != target.fields) if one in design.numbers else one.fields == target.fields
        for one in quantities
    ]
    rest = len(design.fields) - len(quantities) + 1
    return np.array([*of_numbers, *([True] * rest)])


def _ridge(gram: Floats, moment: Floats, allowed: Array) -> Floats:
    chosen = np.flatnonzero(allowed)
    penalty = np.eye(len(chosen)) * _PENALTY
    found = np.zeros(len(allowed))
    found[chosen] = np.linalg.solve(gram[np.ix_(chosen, chosen)] + penalty, moment[chosen])
    return found


def _of_residual(one: Residual, left: Floats, told: Floats) -> Iterator[Measured]:
    columns = one.target.columns
    title = one.target.title
    scaled = left / one.width
    says = f"{title} beside what its row tells"
    yield Measured(Feature(FAMILY, "residual", columns, says), np.clip(scaled, -_FAR, _FAR))
    says = f"distance of {title} from what its row tells"
    yield Measured(Feature(FAMILY, "distance", columns, says), np.minimum(np.abs(scaled), _FAR))
    says = f"{title} is far from what its row tells"
    far = np.where(np.isfinite(left), np.abs(scaled) > 2 * _FAR, np.nan)
    yield Measured(Feature(FAMILY, "far residual", columns, says, by_row=True), far)
    says = f"agreement of {title} with what its row tells"
    yield Measured(Feature(FAMILY, "agreement", columns, says), (left + told) * told)


def _lags(
    entity: tuple[str, ...], names: Sequence[str], view: View, values: Values
) -> Iterator[Measured]:
    """How much nearer a number is to its peers now than to those of the moment before."""
    before = view.before(entity).own
    for name in names:
        own = _placed(values, value(name), view)
        peers = _placed(values, Quantity("peers", (name,)), view)
        then = np.where(before >= 0, peers[before], np.nan)
        lag = np.abs(own - then) - np.abs(own - peers)
        says = f"lag of {name} behind the other rows of its moment"
        yield Measured(Feature(FAMILY, "lag", (name, *entity), says), lag)


def moments_of(layout: Layout) -> bool:
    """Whether rows have moments."""
    return layout.event_time is not None
