"""Implications: one kind of value only with another, or never with it; texts that hold others.

Association rules of confidence 1 (Agrawal, Imieliński and Swami, 1993) between conditions of single
columns: no value, 0, negative, a common value, a form.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from operator import contains
from typing import Literal

import msgspec
import numpy as np
import pandas as pd

from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.columns.tables import is_missing
from lockstep.constraints.forms import forms_of
from lockstep.constraints.thresholds import BEST, BROKEN, ENOUGH_ROWS, FEW, MOST_RULES, MOST_TERMS
from lockstep.constraints.view import View, made_once

_EXPECTED = 15
"""Least number of rows that would break an implication by chance."""
_DAYS = ("%Y-%m-%d", "%Y%m%d", "%d.%m.%Y", "%y%m%d")
"""Layouts in which a text may hold its day."""


class Condition(msgspec.Struct, frozen=True):
    """A condition that a row meets by the value of a column."""

    column: str
    what: Literal["missing", "0", "negative", "value", "form"]
    of: str | float | None = None

    @property
    def says(self) -> str:
        """The condition for a person."""
        match self.what:
            case "value":
                shown = f"{self.of:g}" if isinstance(self.of, float) else f'"{self.of}"'
                return f"{self.column} is {shown}"
            case "form":
                return f'{self.column} has the form "{self.of}"'
        return f"{self.column} is {self.what}"

    def holds(self, view: View) -> Array:
        """Which rows meet the condition: bool."""
        return view.once(("condition", self), lambda: self._holds(view))

    def _holds(self, view: View) -> Array:
        values = view.columns[self.column]
        match self.what:
            case "missing":
                return view.missing(self.column)
            case "0":
                return np.asarray(values == 0)
            case "negative":
                return np.asarray(values < 0)
            case "value":
                return view.holds(self.column, self.of)
            case "form":
                return np.asarray(_key_forms(view, self.column) == self.of)


@made_once
def _key_forms(view: View, name: str) -> Array:
    places, texts = pd.factorize(view.columns[name])
    forms = forms_of((str(text) for text in texts), is_fine=False)
    return np.array([*forms, None], dtype=object)[places]


class Implication(msgspec.Struct, frozen=True, tag="implication"):
    """Rows that meet one condition meet another; or never do."""

    given: Condition
    then: Condition
    is_never: bool

    @property
    def columns(self) -> tuple[str, ...]:
        """The fields to look at."""
        return (self.given.column, self.then.column)

    @property
    def says(self) -> str:
        """The rule for a person."""
        return f"{self.given.says} {'never' if self.is_never else 'only'} where {self.then.says}"

    def breaks(self, view: View) -> Array:
        """Which rows break the rule: float64, 0 or 1; NaN where it does not apply."""
        then = self.then.holds(view)
        return np.where(self.given.holds(view), then if self.is_never else ~then, np.nan)

    def tried_days(self, view: View) -> int:
        """How many days of training chance alone would have broken the rule on.

        A value of a category, or a form, is a single thing, however many rows have it: what is
        true of a street or a tariff is true until that changes. No day counts.
        """
        if {self.given.what, self.then.what} & {"value", "form"}:
            return 0
        given, then = self.given.holds(view), self.then.holds(view)
        rows, of_given, breaking = (
            np.bincount(view.group, which)
            for which in (np.ones(len(view)), given, then if self.is_never else ~then)
        )
        return int(np.minimum(of_given * breaking / rows, 1.0).sum())


class Holds(msgspec.Struct, frozen=True, tag="holds"):
    """A text holds the value of another column, or its day in a layout."""

    whole: str
    part: str
    is_day: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The fields to look at."""
        return (self.whole,) if self.is_day else (self.whole, self.part)

    @property
    def says(self) -> str:
        """The rule for a person."""
        return f"{self.whole} holds {'its day' if self.is_day else self.part}"

    def breaks(self, view: View) -> Array:
        """Which rows break the rule: float64, 0 or 1; NaN where either is missing."""
        return _lacks(view.columns[self.whole], self._parts(view))

    def holds_days(self, view: View, rows: Ints) -> bool:
        """Whether any text of some rows holds a day, right or wrong, in the layout."""
        digits = re.sub("%Y", r"\\d{4}", re.sub("%[ymd]", r"\\d\\d", re.escape(self.part)))
        return any(re.search(digits, text) for text in view.columns[self.whole][rows].tolist())

    def _parts(self, view: View) -> Array:
        if self.is_day:
            places, days = pd.factorize(view.local.astype("datetime64[D]"))
            texts = pd.DatetimeIndex(days).strftime(self.part)
            return np.array([*texts, None], dtype=object)[places]
        return _as_texts(view.columns[self.part])


def _as_texts(values: Array) -> Array:
    if values.dtype == object:
        return values
    places, numbers = pd.factorize(values)
    texts = [f"{value:.0f}" if np.isfinite(value) else None for value in numbers.astype(float)]
    return np.array([*texts, None], dtype=object)[places]


def _lacks(wholes: Array, parts: Array) -> Floats:
    """Which texts lack their part: 0 or 1, NaN where either is missing or empty."""
    lacks = np.full(len(wholes), np.nan)
    known = np.flatnonzero(~is_missing(wholes) & parts.astype(bool))
    held = map(contains, wholes[known].tolist(), parts[known].tolist())
    lacks[known] = ~np.fromiter(held, bool, len(known))
    return lacks


def implications(view: View) -> list[Implication]:
    """Find the implications of training rows."""
    conditions, seen = [], set[tuple[str, bytes]]()
    for condition in _conditions(view):
        held = condition.holds(view)
        marks = {(condition.column, np.packbits(side).tobytes()) for side in (held, ~held)}
        if 0.003 < held.mean() < 0.997 and not marks & seen:
            seen |= marks
            conditions.append(condition)
    if not conditions:
        return []
    held = np.array([condition.holds(view) for condition in conditions], dtype=np.float32)
    counts = held @ held.T
    sizes, rows = counts.diagonal(), held.shape[1]
    by_columns: dict[tuple[str, str], list[tuple[float, Implication]]] = {}
    for place, given in enumerate(conditions):
        if sizes[place] < ENOUGH_ROWS:
            continue
        for other, then in enumerate(conditions):
            if given.column == then.column:
                continue
            share = sizes[other] / rows
            both = counts[place, other]
            for is_never, broken, chance in (
                (False, sizes[place] - both, 1 - share),
                (True, both, share),
            ):
                expected = float(chance * sizes[place])
                if expected >= _EXPECTED and broken <= BROKEN * sizes[place]:
                    rule = Implication(given, then, is_never)
                    by_columns.setdefault((given.column, then.column), []).append((expected, rule))
    kept: dict[object, Implication] = {}
    for ways in by_columns.values():
        ways.sort(key=lambda way: -way[0])
        for _, rule in ways[:BEST]:
            both = frozenset((rule.given, rule.then)) if rule.is_never else rule
            kept.setdefault(both, rule)  # what never goes with another, nor does this with that
    return [*kept.values()][:MOST_RULES]


def _conditions(view: View) -> list[Condition]:
    layout = view.layout
    items = []
    for name in layout.numbers:
        items += [Condition(name, "missing"), Condition(name, "0"), Condition(name, "negative")]
    items += [Condition(name, "missing") for name in (*layout.texts, *layout.times, *layout.dates)]
    for name, values in layout.categories.items():
        if name in layout.texts or len(np.unique(view.code(name))) <= FEW:
            items += [Condition(name, "value", value) for value in values[:MOST_TERMS]]
    if layout.key is not None and view.columns[layout.key].dtype == object:
        common = pd.Series(_key_forms(view, layout.key)).value_counts().index[:4]
        items += [Condition(layout.key, "form", form) for form in common]
    return items


def contents(view: View, whole_numbers: Sequence[str]) -> list[Holds]:
    """Find texts, the key among them, that hold their day or the value of another column."""
    layout = view.layout
    chosen = np.sort(np.random.default_rng(5).permutation(len(view))[:400])
    few = view.take(chosen)
    wholes = [*([layout.key] if layout.key else []), *layout.texts, *layout.dates]
    parts = [*layout.texts, *whole_numbers]
    rules = []
    for whole in wholes:
        if few.columns[whole].dtype != object:
            continue
        ways = [Holds(whole, part) for part in parts if part != whole]
        if layout.event_time is not None:
            ways += [Holds(whole, layout_of_day, is_day=True) for layout_of_day in _DAYS]
        for rule in ways:
            held = rule._parts(few)
            if len(pd.unique(held)) < 2:
                continue
            lacking = _lacks(few.columns[whole], held)
            dealt = _lacks(np.roll(few.columns[whole], 131), held)
            known = np.isfinite(lacking)
            if known.mean() > 0.2 and lacking[known].mean() <= 0.01 and np.nanmean(dealt) >= 0.3:
                rules.append(rule)
    return rules
