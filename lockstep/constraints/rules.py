"""Rules: what a row keeps or breaks, over its own columns and what the rows before tell.

One that no training row broke, tried on enough distinct things, is strict; one that some broke is a
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
from lockstep.constraints.thresholds import FEW, SAMPLE
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
WINDOWS = (1, 7, 14, 28)
"""Days that counts and sums are looked for over: those of a day, weeks and about a month."""
_CALENDAR = ("month", "day", "week", "day of the year", "year", "weekday")
_STRICT_ROWS, _STRICT_THINGS = 300, 30
"""Rows that a strict rule was tried on, and distinct things: of so many, none broke it, so that
with 95 % fewer than one in ten would (the rule of three: Hanley and Lippman-Hand, 1983)."""


class Kept(msgspec.Struct, frozen=True, dict=True):
    """A rule with what training shows of it.

    Attributes:
        rule: The rule.
        rows: Training rows that it was tried on, each told by other days.
        broken: How many broke it.
        things: Distinct values among them.
    """

    rule: Rule
    rows: int
    broken: int
    things: int

    @property
    def is_strict(self) -> bool:
        """Whether one row that breaks it is a finding."""
        if isinstance(self.rule, Implication):
            return False  # of two conditions, however many rows: it may be by chance
        enough = self.rows >= _STRICT_ROWS and self.things >= _STRICT_THINGS
        return self.broken == 0 and enough

    @cached_property
    def feature(self) -> Feature:
        """What it is as a feature of rows."""
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
        """Which rows break each rule."""
        for kept in self.rules:
            yield Measured(kept.feature, kept.rule.breaks(view))

    @property
    def quantities(self) -> list[Quantity]:
        """The quantities that they range over."""
        return [
            quantity
            for kept in self.rules
            if isinstance(kept.rule, Equal | Combined | AtMost)
            for quantity in kept.rule.quantities
        ]


def discover(view: View, entities: Entities) -> Rules:
    """Find the rules of training rows.

    Args:
        view: The rows.
        entities: What names things in them.
    """
    layout = view.layout
    random = np.random.default_rng(3)
    sample = np.sort(random.permutation(len(view))[:SAMPLE])
    event = layout.event_time
    raw = [quantity for quantity in raw_quantities(layout) if quantity.fields[0] != event]
    raw = [one for one in raw if np.isfinite(view.number(one)[sample]).sum() > 1]
    moving = [one for one in raw if one.fields[0] not in layout.dated]
    plain = [one for one in moving if one.made != "digits"]
    others = candidates(view, entities, plain)
    whole = [name for name in layout.numbers if grid_of(view.columns[name].astype(float)) == 1.0]
    equal = equalities(view, sample, raw, [*raw, *others])
    same = [{one.target, one.other} for one in equal if one.factor == 1]
    found: list[Rule] = [
        *equal,
        *contents(view, whole),
        *combinations_of(view, sample, [one for one in plain if one.made == "value"]),
        *(
            order
            for order in orders(view, sample, moving, others)
            if {order.low, order.high} not in same
        ),
        *dependencies(view),
        *implications(view),
    ]
    return Rules(tuple(_tried(rule, view) for rule in found))


def candidates(view: View, entities: Entities, raw: list[Quantity]) -> list[Quantity]:
    """What numbers may be made of: the calendar, and the rows before.

    Args:
        view: Training rows.
        entities: What names things in them.
        raw: Quantities of a row's own fields.
    """
    layout = view.layout
    values = [one.fields[0] for one in raw if one.made == "value"]
    found: list[Quantity] = []
    if layout.event_time is not None:
        found += [Quantity("clock", (layout.event_time,))]
        found += [Quantity("calendar", (layout.event_time,), unit=unit) for unit in _CALENDAR]
    for entity in entities.full:
        found += [Quantity("previous", (name,), entity) for name in values if name not in entity]
    for entity in (*entities.full, *entities.light):
        found.append(Quantity("elapsed", (), entity))
        if entity in entities.windowed:
            found.append(Quantity("today", (), entity))
            found += [Quantity("count", (), entity, window) for window in WINDOWS]
    for entity in entities.full:
        if entity in entities.windowed and entity:
            for name in values[:FEW]:
                found += [Quantity("sum", (name,), entity, window) for window in WINDOWS]
                found += [Quantity("mean", (name,), entity, window) for window in WINDOWS[1:]]
    if view.has_peers:
        found += [Quantity("peers", (name,)) for name in values]
    return found


def _tried(rule: Rule, view: View) -> Kept:
    """A rule with what training shows of it."""
    broken = rule.breaks(view)
    applies = np.isfinite(broken)
    return Kept(
        rule=rule,
        rows=int(applies.sum()),
        broken=int(np.nansum(broken)),
        things=_things(rule, view, applies),
    )


def _things(rule: Rule, view: View, applies: Array) -> int:
    """How many distinct things a rule was tried on: values on the left, or of its numbers."""
    if isinstance(rule, OfDay | LookUp):
        codes = view.codes(rule.left) if rule.left else view.day
        return len(np.unique(codes[applies]))
    if isinstance(rule, Implication):
        return len(np.unique(view.day[applies]))
    if isinstance(rule, Holds):
        return len(np.unique(view.code(rule.whole)[applies]))
    return len(np.unique(view.number(rule.quantities[1])[applies]))
