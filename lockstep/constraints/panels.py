"""Panels: things beside their peers, and numbers beside what the rest of the row predicts.

A ridge regression (Hoerl and Kennard, 1970) predicts each number from the others of its row, from
the row before of the same thing and from the other rows of its moment. Its residual, by segment,
shows a sensor that is off. A panel of things that are measured at the same moments shows one that
lags or is stuck.
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
from lockstep.constraints.quantity_values import evaluate
from lockstep.constraints.rows_before import not_known
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
"""Standard deviations beyond which residuals are clipped; twice as many are far."""


class Residual(msgspec.Struct, frozen=True):
    """A regression of a number."""

    target: Quantity
    weights: Array  # float64, one a column of the design, the constant last
    width: float  # the standard deviation of its residuals on held-out days


class Design(msgspec.Struct, frozen=True):
    """The predictors of the regressions."""

    numbers: tuple[Quantity, ...]
    # numbers of earlier rows and of peers; they predict a number of the same field
    related: tuple[Quantity, ...]
    categories: tuple[tuple[str, str | float], ...]  # columns and values, each a column of 0 and 1

    @property
    def fields(self) -> tuple[tuple[str, ...], ...]:
        """The fields that each predictor is made of; the last two, of the hour, have none."""
        quantities = (*self.numbers, *self.related)
        named = [name for name, _ in self.categories]
        return (*(quantity.fields for quantity in quantities), *((name,) for name in named), (), ())

    def matrix(self, view: View, values: Values) -> Floats:
        """The predictors: float64, rows x columns, the constant last; NaN where not known."""
        columns = [values.place(quantity, view) for quantity in (*self.numbers, *self.related)]
        columns += [np.asarray(view.columns[name] == held) for name, held in self.categories]
        angle = 2 * np.pi * view.calendar("@clock") / 1440
        angle = np.nan_to_num(angle)
        constant = np.ones(len(view))
        return np.column_stack([*columns, np.sin(angle), np.cos(angle), constant]).astype(float)

    def lacks(self, view: View, weights: Floats) -> Array | None:
        """Which rows a regression says nothing of since rows before them are not known: bool."""
        weighed = zip(self.related, weights[len(self.numbers) :], strict=False)
        found = [not_known(view, quantity) for quantity, weight in weighed if weight]
        lacking = [rows for rows in found if rows is not None]
        return np.any(lacking, axis=0) if lacking else None


class Panel(msgspec.Struct, frozen=True):
    """Things that are measured at the same moments."""

    entity: Entity  # the columns that name them; none where each row of a moment is a thing
    unit: str  # `hour` where a value is of an hour; empty where it is of the event time
    columns: tuple[str, ...]  # the fields that are measured

    def quantity(self, made: Made, name: str) -> Quantity:
        """A number that is read from the cells of the panel."""
        return Quantity(made, (name,), self.entity, unit=self.unit)

    def evaluate(self, view: View, values: Values) -> Iterator[Measured]:
        """Features of each row beside its peers, and beside the moment before."""
        for name in self.columns:
            columns = (name, *self.entity)
            placed = (
                value(name),
                self.quantity("peers", name),
                self.quantity("peers before", name),
            )
            own, peers, then = (values.place(quantity, view) for quantity in placed)
            says = f"{name} beside its peers"
            yield Measured(Feature(FAMILY, "beside", columns, says), own - peers)
            says = f"distance of {name} from its peers"
            yield Measured(Feature(FAMILY, "apart", columns, says), np.abs(own - peers))
            says = f"lag of {name} behind its peers"
            lag = np.abs(own - then) - np.abs(own - peers)
            yield Measured(Feature(FAMILY, "lag", columns, says), lag)
            says = f"have the {name} of the {self.unit or 'moment'} before"
            now = evaluate(view, value(name))
            last = evaluate(view, self.quantity("moment before", name))
            stuck = np.where(np.isfinite(now) & np.isfinite(last), now == last, np.nan)
            yield Measured(Feature(FAMILY, "stuck", columns, says), stuck)


class Panels(msgspec.Struct, frozen=True, tag=FAMILY):
    """The regressions of a table, and its panel."""

    design: Design
    residuals: tuple[Residual, ...]
    panel: Panel | None

    def evaluate(self, view: View, values: Values) -> Iterator[Measured]:
        """The features of each row."""
        if self.residuals and view.fold is None:
            design = self.design.matrix(view, values)
            missing, design = np.isnan(design), np.nan_to_num(design)
            for residual in self.residuals:
                unknown = missing[:, residual.weights != 0].any(axis=1)
                predicted = np.where(unknown, np.nan, design @ residual.weights)
                left = values.place(residual.target, view) - predicted
                lacks = self.design.lacks(view, residual.weights)
                for measured in _of_residual(residual, left, predicted):
                    yield measured._replace(lacks=lacks)
        elif self.residuals:
            held_out: dict[Quantity, tuple[Floats, Floats]] = view.once("held out", dict)
            for residual in self.residuals:
                yield from _of_residual(residual, *held_out[residual.target])
        if self.panel is not None:
            yield from self.panel.evaluate(view, values)


def discover(view: View, entities: Entities, values: Values, rules: Rules) -> Panels:
    """Fit the regressions of training rows, and find their panel.

    A number that a look-up among `rules` determines needs no regression.
    """
    layout = view.layout
    raw = [number.quantity for number in values.numbers]
    raw = [quantity for quantity in raw if quantity.fields[0] not in layout.dated]
    raw = [quantity for quantity in raw if quantity.made in ("value", "clock", "lapse", "span")]
    looked_up = {
        rule.rule.right
        for rule in rules.rules
        if isinstance(rule.rule, LookUp) and rule.rule.is_exact
    }
    targets = [
        quantity
        for quantity in raw
        if quantity.made == "value" and quantity.fields[0] not in looked_up
        and _varies(values.number(quantity))
    ][:MOST_TERMS]  # fmt: skip
    panel = _panel(view, entities, rules, [target.fields[0] for target in targets])
    related = [other for other in _related(targets, entities, panel) if _is_known(view, other)]
    categories = [
        (name, held) for name, common in layout.categories.items() for held in common
        if name in layout.texts and name not in layout.dated
    ]  # fmt: skip
    numbers = [quantity for quantity in raw if _is_known(view, quantity)]
    design = Design(tuple(numbers), tuple(related), tuple(categories[:MOST_CATEGORIES]))
    return Panels(design, _fitted(design, targets, view, values), panel)


def _panel(view: View, entities: Entities, rules: Rules, targets: Sequence[str]) -> Panel | None:
    """The panel of training rows: of moments that several rows share, or of values of an hour."""
    if view.has_peers:
        grid = tuple(name for name in entities.grid or () if not name.startswith("@"))
        return Panel(grid, "", tuple(targets))
    by_thing: dict[str, list[str]] = {}
    for rule in (kept.rule for kept in rules.rules):
        if isinstance(rule, OfDay) and len(rule.left) == 2 and "@hour" in rule.left:
            (thing,) = (name for name in rule.left if name != "@hour")
            if rule.right in targets and not thing.startswith("@"):
                by_thing.setdefault(thing, []).append(rule.right)
    if not by_thing:
        return None
    thing = max(by_thing, key=lambda name: len(by_thing[name]))
    return Panel((thing,), "hour", tuple(by_thing[thing]))


def _related(
    targets: Sequence[Quantity], entities: Entities, panel: Panel | None
) -> list[Quantity]:
    related = []
    for entity in [entity for entity in entities.full if entity][:2]:
        related += [Quantity("previous", target.fields, entity) for target in targets]
    if panel is not None:
        related += [panel.quantity("peers", name) for name in panel.columns]
    return related


def _is_known(view: View, quantity: Quantity) -> bool:
    """Whether nearly all rows have a number."""
    return bool(np.mean(np.isfinite(evaluate(view, quantity))) >= SHARED)


def _varies(number: Number | None) -> bool:
    return number is not None and len(np.unique(number.sorted)) >= FEW


def _fitted(
    design: Design, targets: Sequence[Quantity], view: View, values: Values
) -> tuple[Residual, ...]:
    """Regressions that explain held-out days; their residuals there are kept with the view."""
    assert view.fold is not None, "training rows are held out by blocks of days"
    matrix = design.matrix(view, values)
    is_known, matrix = np.isfinite(matrix), np.nan_to_num(matrix)
    held_out: dict[Quantity, tuple[Floats, Floats]] = view.once("held out", dict)
    residuals = []
    for target in targets:
        numbers = values.place(target, view)
        allowed = _allowed(design, target)
        known = np.isfinite(numbers) & is_known[:, allowed].all(axis=1)
        if known.sum() < max(AGAIN * len(view), ENOUGH_ROWS):
            continue
        own = [np.flatnonzero((view.fold == block) & known) for block in range(BLOCKS)]
        grams = [matrix[rows].T @ matrix[rows] for rows in own]
        moments = [matrix[rows].T @ numbers[rows] for rows in own]
        gram, moment = np.sum(grams, axis=0), np.sum(moments, axis=0)
        weights = [
            _ridge(gram - own_gram, moment - own_moment, allowed)
            for own_gram, own_moment in zip(grams, moments, strict=True)
        ]
        predicted = np.einsum("ij,ij->i", matrix, np.array(weights)[view.fold])
        predicted = np.where(known, predicted, np.nan)
        left = numbers - predicted
        width = float(np.sqrt(np.nanmean(left**2)))
        explained = 1 - width**2 / max(float(np.nanvar(numbers)), 1e-12)
        if explained >= TELLS and width > 1e-6:
            held_out[target] = left, predicted
            residuals.append(Residual(target, _ridge(gram, moment, allowed), width))
    return tuple(residuals)


def _allowed(design: Design, target: Quantity) -> Array:
    """The predictors of a number: not of its own field, but for earlier rows and peers."""
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
    weights = np.zeros(len(allowed))
    weights[chosen] = np.linalg.solve(gram[np.ix_(chosen, chosen)] + penalty, moment[chosen])
    return weights


def _of_residual(residual: Residual, left: Floats, predicted: Floats) -> Iterator[Measured]:
    columns, title = residual.target.columns, residual.target.title
    scaled = left / residual.width
    says = f"{title} beside what its row tells"
    yield Measured(Feature(FAMILY, "residual", columns, says), np.clip(scaled, -_FAR, _FAR))
    says = f"distance of {title} from what its row tells"
    yield Measured(Feature(FAMILY, "distance", columns, says), np.minimum(np.abs(scaled), _FAR))
    says = f"have {title} far from what their other columns tell"
    far = np.where(np.isfinite(left), np.abs(scaled) > 2 * _FAR, np.nan)
    yield Measured(Feature(FAMILY, "far residual", columns, says, by_row=True), far)
    says = f"agreement of {title} with what its row tells"
    yield Measured(Feature(FAMILY, "agreement", columns, says), (left + predicted) * predicted)
