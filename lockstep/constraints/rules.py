"""Rules: exact constraints of a row, on its own columns and on earlier rows.

A rule that no training row broke, on enough distinct things, is strict. A rule that some broke is a
statistic: the share of rows that break it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import msgspec
import numpy as np

from lockstep.columns.kinds import Array
from lockstep.constraints.arithmetic import (
    AtMost,
    Combined,
    Equal,
    combinations_of,
    equalities,
    orders,
)
from lockstep.constraints.dependencies import LookUp, OfDay
from lockstep.constraints.dependencies import discover as dependencies
from lockstep.constraints.entities import Entities
from lockstep.constraints.features import Feature, Measured
from lockstep.constraints.implications import Holds, Implication, contents, implications
from lockstep.constraints.quantities import Quantity
from lockstep.constraints.quantity_values import evaluate
from lockstep.constraints.thresholds import FEW, SAMPLE, STRICT_ROWS, STRICT_THINGS
from lockstep.constraints.values import grid_of, raw_quantities
from lockstep.constraints.view import View

FAMILY = "rules"
Rule = Equal | Combined | AtMost | OfDay | LookUp | Implication | Holds
_KINDS = {
    Equal: "equality",
    Combined: "equality",
    AtMost: "order",
    OfDay: "dependency",
    LookUp: "look-up",
    Implication: "implication",
    Holds: "containment",
}
_RARE = 1 / 500
"""Most days, as a share, that break a strict rule by chance."""
WINDOWS = (1, 7, 14, 28)
"""Windows of counts and sums, in days: a day, weeks and about a month."""
_CALENDAR = ("month", "day", "week", "day of the year", "year", "weekday")


class Kept(msgspec.Struct, frozen=True, dict=True):
    """A rule with its evidence in training."""

    rule: Rule
    rows: int  # how many training rows it applies to, each held out from the rest
    broken: int
    things: int  # how many distinct things they are of
    days: int = 0  # how many days chance alone would have broken an implication on
    # how many pairs of a day are expected to break a look-up; None where that is not known
    expected_broken: float | None = None

    @property
    def is_strict(self) -> bool:
        """Whether a single row that breaks it is a finding."""
        things = self.days if isinstance(self.rule, Implication) else self.things
        enough = self.rows >= STRICT_ROWS and things >= STRICT_THINGS
        is_rare = self.expected_broken is None or self.expected_broken <= _RARE
        return self.broken == 0 and enough and is_rare

    @property
    def is_among(self) -> bool:
        """Whether it looks at other rows of the day."""
        quantities: tuple[Quantity, ...] = getattr(self.rule, "quantities", ())
        return isinstance(self.rule, OfDay) or any(each.is_among for each in quantities)

    def breaks(self, view: View) -> Array:
        """Which rows break it: 0 or 1; NaN where it does not apply, as in a part of a day."""
        if view.of_day and self.is_among:
            return np.full(len(view), np.nan)
        return self.rule.breaks(view)

    @cached_property
    def feature(self) -> Feature:
        """The rule as a row feature: 1 where a row breaks it."""
        rule = self.rule
        if isinstance(rule, Equal | Combined | AtMost):
            names = [name for quantity in rule.quantities for name in quantity.columns]
            columns = tuple(dict.fromkeys(names))
        else:
            columns = rule.columns
        kind = _KINDS[type(rule)]
        if isinstance(rule, LookUp) and not rule.is_exact:
            kind = "loose look-up"
        return Feature(FAMILY, kind, columns, rule.says, by_row=True, strict=self.is_strict)


class Rules(msgspec.Struct, frozen=True, tag=FAMILY):
    """The rules of training rows."""

    rules: tuple[Kept, ...]

    def evaluate(self, view: View) -> Iterator[Measured]:
        """The feature of each rule."""
        for kept in self.rules:
            yield Measured(kept.feature, kept.breaks(view))

    @property
    def quantities(self) -> list[Quantity]:
        """The quantities of all rules."""
        return [
            quantity
            for kept in self.rules
            if isinstance(kept.rule, Equal | Combined | AtMost)
            for quantity in kept.rule.quantities
        ]


def discover(view: View, entities: Entities) -> Rules:
    """Find the rules of training rows, given their entities."""
    layout = view.layout
    random = np.random.default_rng(3)
    sample = np.sort(random.permutation(len(view))[:SAMPLE])
    event = layout.event_time
    raw = [quantity for quantity in raw_quantities(layout) if quantity.fields[0] != event]
    raw = [quantity for quantity in raw if np.isfinite(evaluate(view, quantity)[sample]).sum() > 1]
    moving = [quantity for quantity in raw if quantity.fields[0] not in layout.dated]
    plain = [quantity for quantity in moving if quantity.made != "digits"]
    others = candidates(view, entities, plain)
    whole = [name for name in layout.numbers if grid_of(view.columns[name].astype(float)) == 1.0]
    equal = equalities(view, sample, raw, [*raw, *others])
    same = [{rule.target, rule.other} for rule in equal if rule.factor == 1]
    rules: list[Rule] = [
        *equal,
        *contents(view, whole),
        *combinations_of(view, sample, [number for number in plain if number.made == "value"]),
        *(
            order
            for order in orders(view, sample, moving, others)
            if {order.low, order.high} not in same
        ),
        *dependencies(view),
        *implications(view),
    ]
    return Rules(tuple(_tried(rule, view) for rule in rules))


def candidates(view: View, entities: Entities, raw: list[Quantity]) -> list[Quantity]:
    """The quantities of the calendar and of earlier rows, which rules are searched among."""
    layout = view.layout
    values = [quantity.fields[0] for quantity in raw if quantity.made == "value"]
    numbers: list[Quantity] = []
    if layout.event_time is not None:
        numbers += [Quantity("clock", (layout.event_time,))]
        numbers += [Quantity("calendar", (layout.event_time,), unit=unit) for unit in _CALENDAR]
    for entity in entities.full:
        numbers += [Quantity("previous", (name,), entity) for name in values if name not in entity]
    for entity in (*entities.full, *entities.light):
        numbers.append(Quantity("elapsed", (), entity))
        if entity in entities.windowed:
            numbers.append(Quantity("today", (), entity))
            numbers += [Quantity("count", (), entity, window) for window in WINDOWS]
    for entity in entities.full:
        if entity in entities.windowed and entity:
            for name in values[:FEW]:
                numbers += [Quantity("sum", (name,), entity, window) for window in WINDOWS]
                numbers += [Quantity("mean", (name,), entity, window) for window in WINDOWS[1:]]
    if view.has_peers:
        numbers += [Quantity("peers", (name,)) for name in values]
    return numbers


def _tried(rule: Rule, view: View) -> Kept:
    broken = rule.breaks(view)
    applies = np.isfinite(broken)
    return Kept(
        rule=rule,
        rows=int(applies.sum()),
        broken=int(np.nansum(broken)),
        things=_things(rule, view, applies),
        days=rule.tried_days(view) if isinstance(rule, Implication) else 0,
        expected_broken=rule.expected_broken(view) if isinstance(rule, LookUp) else None,
    )


def _things(rule: Rule, view: View, applies: Array) -> int:
    """How many distinct things a rule was tried on: values of its left, or of a number."""
    if isinstance(rule, OfDay | LookUp):
        codes = view.codes(rule.left) if rule.left else view.day
        return len(np.unique(codes[applies]))
    if isinstance(rule, Implication):
        return len(np.unique(view.day[applies]))
    if isinstance(rule, Holds):
        return len(np.unique(view.code(rule.whole)[applies]))
    return len(np.unique(evaluate(view, rule.quantities[1])[applies]))
