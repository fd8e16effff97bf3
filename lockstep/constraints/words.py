"""Words: what a statistic says, and its figures as people write them."""

from __future__ import annotations

import math

import numpy as np

from lockstep.columns.kinds import Ints
from lockstep.columns.plain import counted, cut
from lockstep.constraints.constraint_set import ConstraintSet, DayJudged
from lockstep.constraints.statistics import Statistic
from lockstep.constraints.values import Number
from lockstep.constraints.view import View

_PLACES = ("level", "length", "spread", "gap", "residual", "distance", "agreement", "lag")
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
    """What a statistic says of a day, in a line.

    Args:
        constraints: What training had.
        view: The rows of the batch.
        day: How the day lies to them.
        place: Which statistic.
        rows: Positions, in the batch, of rows that show it.
        usual: From where to where it usually is.
        name: The first suspect.
    """
    statistic = constraints.statistics[place]
    feature, total = statistic.feature, len(day.rows)
    value = float(day.values[place])
    low, high = (figure_of(constraints, statistic, one) for one in usual)
    ends = f"usually {low}" if low == high else f"usually {low} to {high}"
    part = f" {statistic.segment.says}" if statistic.segment.column else ""
    if feature.strict:
        return f"{name}: {len(rows):,} of {counted(total, 'row')} break: {feature.says}"
    if feature.kind in _BY_ROW and not part:
        shown = _example(view, feature.columns[0], rows, feature.kind)
        count = len(rows) if len(rows) else round(value * day.looked_at)
        return f"{name}: {_of(count, day)} {feature.says}{shown} ({ends})"
    if feature.family == "rules":
        return f"{name}: {_of(len(rows), day)} break: {feature.says} ({ends})"
    figure = figure_of(constraints, statistic, value)
    if feature.kind in ("volume of the weekday", "count"):
        weekday = _WEEKDAYS[(day.day + 3) % 7]
        own = float(day.state.counts["cells"][_cell(constraints, place)])
        before = _before(own, value)
        what = feature.says.removesuffix(" beside its weekday")
        return f"{name}: {own:,.0f} {what}, about {before:,.0f} on {weekday} before"
    if feature.kind == "volume":
        return f"{total:,} rows ({ends})"
    if feature.kind == "lacking":
        return f"{name}: {feature.says}: values with {figure} of the usual rows have none ({ends})"
    beside = ", beside the rest" if part else ""
    if feature.says.startswith("have "):
        return (
            f"{name}: {figure} of the rows{part}{beside}{',' * bool(part)} {feature.says} ({ends})"
        )
    return f"{name}: {feature.says}{part}{beside}: {figure} ({ends})"


def _of(count: int, day: DayJudged) -> str:
    """How many rows of a day show something, by those that were looked at."""
    total = len(day.rows)
    if day.looked_at == total:
        return f"{count:,} of {counted(total, 'row')}"
    return f"about {round(count / day.looked_at * total):,} of {counted(total, 'row')}"


def figure_of(constraints: ConstraintSet, statistic: Statistic, value: float) -> str:
    """A figure of a statistic as people write it.

    Args:
        constraints: What training had.
        statistic: Which statistic.
        value: The figure.
    """
    if not math.isfinite(value):
        return "nothing"
    kind = statistic.feature.kind
    if statistic.segment.column:
        return f"{value:+.2f}" if kind in _PLACES else f"{value:+.1%}"
    match kind:
        case "level":
            number = _number(constraints, statistic)
            return f"{value:.2f}" if number is None else f"{_natural(number, value):.5g}"
        case "volume":
            return f"{math.expm1(value):,.0f}"
        case "volume of the weekday" | "count":
            return f"{value:+.1f} deviations"
        case "lacking":
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


def _number(constraints: ConstraintSet, statistic: Statistic) -> Number | None:
    title = statistic.feature.says.removeprefix("level of ")
    return next(
        (number for number in constraints.values.numbers if number.quantity.title == title), None
    )


def _natural(number: Number, place: float) -> float:
    """The number of training that lies at a mean place among all of them."""
    known = number.sorted
    return float(np.interp((place + 1) / 2, np.linspace(0, 1, len(known)), known))


def _cell(constraints: ConstraintSet, place: int) -> int:
    """Which cell a count is of: they follow the number of rows, after the features and parts."""
    return place - len(constraints.features) - len(constraints.parts) - 1


def _before(own: float, deviations: float) -> float:
    """How many rows were usual, by how far a count is from them."""
    return max((math.sqrt(own + 0.375) - deviations / 2) ** 2 - 0.375, 0.0)


def _example(view: View, name: str, rows: Ints, kind: str) -> str:
    """What the first of some rows hold, where that tells something."""
    if kind not in ("unseen", "form", "grid", "beyond", "far beyond") or not len(rows):
        return ""
    value = view.columns[name][rows[0]]
    return f', such as "{cut(value, 30)}"' if isinstance(value, str) else f", such as {value}"
