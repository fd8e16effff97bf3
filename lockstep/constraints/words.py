"""Words: the lines of statistics, and figures as people write them."""

from __future__ import annotations

import math

import numpy as np

from lockstep.columns.kinds import Ints
from lockstep.columns.plain import counted, cut, verb
from lockstep.constraints.constraint_set import ConstraintSet, DayJudged
from lockstep.constraints.numbering import KIND
from lockstep.constraints.statistics import Statistic
from lockstep.constraints.values import Number
from lockstep.constraints.view import View

_PLACES = ("level", "length", "spread", "gap", "residual", "distance", "agreement", "lag")
_SIGNED = (
    *(*_PLACES, "volume of the weekday", "count", "distinct"),
    *("correlation", "row to row", "numbering"),
)
_BY_ROW = (
    *("missing", "unseen", "form", "grid", "beyond", "far beyond"),
    *("twice", "again", "far residual"),
)
_WEEKDAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")


def what_of(
    constraints: ConstraintSet,
    view: View,
    day: DayJudged,
    place: int,
    rows: Ints,
    usual: tuple[float, float],
    name: str,
) -> str:
    """The line of a finding that says what is wrong."""
    statistic = constraints.statistics[place]
    feature, total = statistic.feature, day.rows
    value = float(day.values[place])
    ends = f"usually {range_of(constraints, statistic, *usual)}"
    if feature.strict and feature.family == "values":
        never = "" if feature.kind == "unseen" else ", and no row of training has"
        what = f"{feature.says}{_example(view, feature.columns[0], rows, feature.kind)}{never}"
        return f"{name}: {_shown(day, place):,} of {counted(total, 'row')} {what}"
    if feature.kind == KIND:
        return f"{name}: {lost_of(constraints, view, day)}"
    if feature.strict:
        count = _shown(day, place)  # of all rows, if statistics are of a sample
        return f"{name}: {count:,} of {counted(total, 'row')} break: {feature.says}"
    if feature.kind in _BY_ROW:
        shown = _example(view, feature.columns[0], rows, feature.kind)
        return f"{name}: {_of(_shown(day, place), day)} {feature.says}{shown} ({ends})"
    if feature.family == "rules":
        return f"{name}: {_of(_shown(day, place), day)} break: {feature.says} ({ends})"
    figure = figure_of(constraints, statistic, value)
    if feature.kind in ("volume of the weekday", "count"):
        weekday = _WEEKDAYS[(day.day + 3) % 7]
        cell = place - len(constraints.features) - 1  # they follow volume
        own = float(day.state.counts["cells"][cell])
        before = _before(own, value)
        what = feature.says.removesuffix(" beside its weekday")
        return f"{name}: {own:,.0f} {what}, about {before:,.0f} on {weekday} before"
    if feature.kind == "volume":
        return f"{total:,} rows ({ends})"
    if feature.kind == "lacking":
        what = f"values that {figure} of the rows usually have do not come"
        return f"{name}: {feature.says}: {what} ({ends})"
    if feature.says.startswith("have "):
        return f"{name}: {figure} of the rows {feature.says} ({ends})"
    return f"{name}: {feature.says}: {figure} ({ends})"


def lost_of(constraints: ConstraintSet, view: View, day: DayJudged) -> str:
    """The rows that lack between others, by their keys."""
    numbering = constraints.aggregates.numbering
    assert numbering is not None, "what is found has been learnt"
    count, keys = numbering.rows_of(day.gaps), numbering.named(view, day.gaps)
    before = f"; training had {counted(numbering.gaps, 'gap')}" if numbering.gaps else ""
    lost = f"{counted(count, 'row')} {verb(count, 'is', 'are')} lost"
    return f"{lost}, by the gaps in the numbers of {view.layout.key}: {keys}{before}"


def _shown(day: DayJudged, place: int) -> int:
    """How many of the rows that are looked at show a feature."""
    return round(float(day.state.moments.total[place]))


def _of(count: int, day: DayJudged) -> str:
    """How many rows of a day show something, scaled up from a sample."""
    total = day.rows
    if day.looked_at == total:
        return f"{count:,} of {counted(total, 'row')}"
    return f"about {round(count / day.looked_at * total):,} of {counted(total, 'row')}"


def figure_of(constraints: ConstraintSet, statistic: Statistic, value: float) -> str:
    """A figure of a statistic as people write it."""
    if not math.isfinite(value):
        return "nothing"
    kind = statistic.feature.kind
    match kind:
        case "level":
            number = _number(constraints, statistic)
            return f"{value:.2f}" if number is None else f"{_natural(number, value):.5g}"
        case "volume":
            return f"{math.expm1(value):,.0f}"
        case "volume of the weekday" | "count":
            return f"{value:+.1f} deviations"
        case "lacking" | "lost rows":
            return f"{value**2:.1%}"
        case "distinct":
            return f"{math.exp(value):.2f} times as many"
        case "top share":
            return f"{math.sin(value) ** 2:.1%}"
        case "correlation" | "row to row":
            return f"{math.tanh(value):.2f}"
        case "numbering":
            return "on" if value > 0 else "back" if value < 0 else "nowhere"
    if kind in _PLACES:
        return f"{value:.3g}"
    return f"{value:.1%}"


def range_of(constraints: ConstraintSet, statistic: Statistic, low: float, high: float) -> str:
    """The range between two figures of a statistic as people write it."""
    kind = statistic.feature.kind
    if kind not in _SIGNED:  # the range of few rows goes beyond
        low = max(low, 0.0)
        high = high if kind == "volume" else min(high, math.pi / 2 if kind == "top share" else 1.0)
    first, last = (figure_of(constraints, statistic, end) for end in (low, high))
    return first if first == last else f"{first} to {last}"


def _number(constraints: ConstraintSet, statistic: Statistic) -> Number | None:
    title = statistic.feature.says.removeprefix("level of ")
    return next(
        (number for number in constraints.values.numbers if number.quantity.title == title), None
    )


def _natural(number: Number, value: float) -> float:
    """The number of training at a rank, from -1 to 1; of a day, so far from its middle."""
    if number.by_day is not None:
        return number.by_day[0] + value * number.by_day[1]
    known = number.sorted
    return float(np.interp((value + 1) / 2, np.linspace(0, 1, len(known)), known))


def _before(own: float, deviations: float) -> float:
    """The usual number of rows, by how many deviations the count is from it."""
    return max((math.sqrt(own + 0.375) - deviations / 2) ** 2 - 0.375, 0.0)


def _example(view: View, name: str, rows: Ints, kind: str) -> str:
    """The value of the first row, for kinds where it says what is wrong."""
    if kind not in ("unseen", "form", "grid", "beyond", "far beyond") or not len(rows):
        return ""
    value = view.columns[name][rows[0]]
    return f', such as "{cut(value, 30)}"' if isinstance(value, str) else f", such as {value}"
