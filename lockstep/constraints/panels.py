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
from lockstep.constraints.dependencies import LookUp, OfDay
from lockstep.constraints.entities import Entities
from lockstep.constraints.features import Feature, Measured
from lockstep.constraints.quantities import Entity, Made, Quantity, value
from lockstep.constraints.rules import Rules
from lockstep.constraints.thresholds import (
    AGAIN,
    ENOUGH_ROWS,
    FEW,
    MOST_CATEGORIES,
    MOST_TERMS,
    SHARED,
    TELLS,
)
from lockstep.constraints.values import Number, Values
from lockstep.constraints.view import View
from lockstep.stats.limits import BLOCKS

FAMILY = "panels"
_PENALTY = 10.0
"""The ridge's penalty: as much as ten rows of standard deviation 1."""
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
        return (*(quantity.fields for quantity in quantities), *((name,) for name in named), (), ())

    def matrix(self, view: View, values: Values) -> Floats:
        """The design of rows: float64, rows x columns, the constant last; NaN where not known."""
        columns = [values.place(one, view) for one in (*self.numbers, *self.related)]
        columns += [np.asarray(view.columns[name] == one) for name, one in self.categories]
        angle = 2 * np.pi * view.calendar("@clock") / 1440
        angle = np.nan_to_num(angle)
        constant = np.ones(len(view))
        return np.column_stack([*columns, np.sin(angle), np.cos(angle), constant]).astype(float)


class Panel(msgspec.Struct, frozen=True):
    """Things that are measured at the same moments.

    Attributes:
        entity: What names them; nothing where each row of a moment is one.
        unit: `hour`, where a value is that of an hour; else that of the event time.
        columns: What is measured.
    """

    entity: Entity
    unit: str
    columns: tuple[str, ...]

    def quantity(self, made: Made, name: str) -> Quantity:
        """A number that its cells tell."""
        return Quantity(made, (name,), self.entity, unit=self.unit)

    def evaluate(self, view: View, values: Values) -> Iterator[Measured]:
        """What each row is beside its peers, and beside the moment before."""
        for name in self.columns:
            columns = (name, *self.entity)
            own, peers, then = (
                values.place(one, view)
                for one in (
                    value(name),
                    self.quantity("peers", name),
                    self.quantity("peers before", name),
                )
            )
            says = f"{name} beside its peers"
            yield Measured(Feature(FAMILY, "beside", columns, says), own - peers)
            says = f"distance of {name} from its peers"
            yield Measured(Feature(FAMILY, "apart", columns, says), np.abs(own - peers))
            says = f"lag of {name} behind its peers"
            lag = np.abs(own - then) - np.abs(own - peers)
            yield Measured(Feature(FAMILY, "lag", columns, says), lag)
            says = f"have the {name} of the {self.unit or 'moment'} before"
            now, last = view.number(value(name)), view.number(self.quantity("moment before", name))
            stuck = np.where(np.isfinite(now) & np.isfinite(last), now == last, np.nan)
            yield Measured(Feature(FAMILY, "stuck", columns, says), stuck)


class Panels(msgspec.Struct, frozen=True, tag=FAMILY):
    """The regressions of a table, and its panel.

    Attributes:
        design: What numbers are told from.
        residuals: The regressions.
        panel: Things that are measured at the same moments; None where there are none.
    """

    design: Design
    residuals: tuple[Residual, ...]
    panel: Panel | None

    def evaluate(self, view: View, values: Values) -> Iterator[Measured]:
        """The features of each row."""
        if self.residuals and view.fold is None:
            design = self.design.matrix(view, values)
            lacking, design = np.isnan(design), np.nan_to_num(design)
            for one in self.residuals:
                used = one.weights != 0
                told = np.where(lacking[:, used].any(axis=1), np.nan, design @ one.weights)
                yield from _of_residual(one, values.place(one.target, view) - told, told)
        elif self.residuals:
            held_out: dict[Quantity, tuple[Floats, Floats]] = view.once("held out", dict)
            for one in self.residuals:
                yield from _of_residual(one, *held_out[one.target])
        if self.panel is not None:
            yield from self.panel.evaluate(view, values)


def discover(view: View, entities: Entities, values: Values, rules: Rules) -> Panels:
    """Learn how numbers of training rows are told by others.

    Args:
        view: The rows.
        entities: What names things in them.
        values: What training had of each number.
        rules: What they keep.
    """
    layout = view.layout
    raw = [
        number.quantity
        for number in values.numbers
        if number.quantity.fields[0] not in layout.dated
    ]
    raw = [one for one in raw if one.made in ("value", "clock", "lapse", "span")]
    told = {
        rule.rule.right
        for rule in rules.rules
        if isinstance(rule.rule, LookUp) and rule.rule.is_exact
    }
    targets = [one for one in raw if one.made == "value" and _is_told(values.number(one))]
    targets = [target for target in targets if target.fields[0] not in told]  # a rule tells these
    targets = targets[:MOST_TERMS]
    panel = _panel(view, entities, rules, [target.fields[0] for target in targets])
    related = [one for one in _related(targets, entities, panel) if _is_known(view, one)]
    categories = [
        (name, one) for name, held in layout.categories.items() for one in held
        if name in layout.texts and name not in layout.dated
    ]  # fmt: skip
    told_by = [one for one in raw if _is_known(view, one)]
    design = Design(tuple(told_by), tuple(related), tuple(categories[:MOST_CATEGORIES]))
    return Panels(design, _fitted(design, targets, view, values), panel)


def _panel(view: View, entities: Entities, rules: Rules, targets: Sequence[str]) -> Panel | None:
    """The panel of training rows: of moments that several rows share, or of values of an hour."""
    if view.has_peers:
        grid = tuple(name for name in entities.grid or () if not name.startswith("@"))
        return Panel(grid, "", tuple(targets))
    found: dict[str, list[str]] = {}
    for rule in (one.rule for one in rules.rules):
        if isinstance(rule, OfDay) and len(rule.left) == 2 and "@hour" in rule.left:
            (thing,) = (name for name in rule.left if name != "@hour")
            if rule.right in targets and not thing.startswith("@"):
                found.setdefault(thing, []).append(rule.right)
    if not found:
        return None
    thing = max(found, key=lambda name: len(found[name]))
    return Panel((thing,), "hour", tuple(found[thing]))


def _related(
    targets: Sequence[Quantity], entities: Entities, panel: Panel | None
) -> list[Quantity]:
    found = []
    for entity in [one for one in entities.full if one][:2]:
        found += [Quantity("previous", target.fields, entity) for target in targets]
    if panel is not None:
        found += [panel.quantity("peers", name) for name in panel.columns]
    return found


def _is_known(view: View, quantity: Quantity) -> bool:
    """Whether nearly all rows have a number."""
    return bool(np.mean(np.isfinite(view.number(quantity))) >= SHARED)


def _is_told(number: Number | None) -> bool:
    return number is not None and len(np.unique(number.sorted)) >= FEW


def _fitted(
    design: Design, targets: Sequence[Quantity], view: View, values: Values
) -> tuple[Residual, ...]:
    """Regressions that tell held-out days; what these leave is kept with the view."""
    assert view.fold is not None, "training rows are told by blocks of days"
    matrix = design.matrix(view, values)
    is_known, matrix = np.isfinite(matrix), np.nan_to_num(matrix)
    held_out: dict[Quantity, tuple[Floats, Floats]] = view.once("held out", dict)
    found = []
    for target in targets:
        numbers = values.place(target, view)
        allowed = _allowed(design, target)
        known = np.isfinite(numbers) & is_known[:, allowed].all(axis=1)
        if known.sum() < max(AGAIN * len(view), ENOUGH_ROWS):
            continue
        own = [np.flatnonzero((view.fold == block) & known) for block in range(BLOCKS)]
        grams = [matrix[rows].T @ matrix[rows] for rows in own]
        moments = [matrix[rows].T @ numbers[rows] for rows in own]
        weights = [
            _ridge(
                np.sum(grams, axis=0) - grams[block],
                np.sum(moments, axis=0) - moments[block],
                allowed,
            )
            for block in range(BLOCKS)
        ]
        told = np.einsum("ij,ij->i", matrix, np.array(weights)[view.fold])
        told = np.where(known, told, np.nan)
        left = numbers - told
        width = float(np.sqrt(np.nanmean(left**2)))
        explained = 1 - width**2 / max(float(np.nanvar(numbers)), 1e-12)
        if explained >= TELLS and width > 1e-6:
            held_out[target] = left, told
            weights_of_all = _ridge(np.sum(grams, axis=0), np.sum(moments, axis=0), allowed)
            found.append(Residual(target, weights_of_all, width))
    return tuple(found)


def _allowed(design: Design, target: Quantity) -> Array:
    """Which columns may tell a number: not its own field, but what rows before and beside had."""
    quantities = (*design.numbers, *design.related)
    of_numbers = [
        (quantity.fields[:1] != target.fields)
        if quantity in design.numbers
        else quantity.fields == target.fields
        for quantity in quantities
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
    says = f"have {title} far from what their other columns tell"
    far = np.where(np.isfinite(left), np.abs(scaled) > 2 * _FAR, np.nan)
    yield Measured(Feature(FAMILY, "far residual", columns, says, by_row=True), far)
    says = f"agreement of {title} with what its row tells"
    yield Measured(Feature(FAMILY, "agreement", columns, says), (left + told) * told)
