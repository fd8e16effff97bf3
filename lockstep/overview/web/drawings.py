"""Drawings of the page, whose colours are the style sheet's."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup, escape

from lockstep.columns.plain import cut
from lockstep.overview.pipeline_state import Figure, Series

_WIDTH, _HEIGHT = 340.0, 120.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 8.0, 62.0, 10.0, 20.0
"""Room at the sides: on the right for the ends of the scale, below for the days."""
_MARGIN = 0.08
"""Share of the scale that is left free above and below."""


def quality_chart(series: Series) -> Markup:
    """A figure over time as a line, its range in training as a band, the demand dashed."""
    figures = series.figures
    ends = [end for each in figures for end in (each.value, each.low, each.high)]
    known = [end for end in (*ends, series.threshold) if end is not None]
    margin = (max(known) - min(known)) * _MARGIN or abs(known[0]) * _MARGIN or 1.0
    scale = _Scale(len(figures), min(known) - margin, max(known) + margin)
    last = figures[-1]
    words = f"{series.title}: {last.value:.4g} on {last.day}"
    parts = [*_band(figures, scale), *_demand(series, scale), *_line(figures, scale)]
    body = "".join(str(part) for part in (*parts, *_axes(figures, scale, known)))
    return Markup(
        "<svg class='chart' viewBox='0 0 {:g} {:g}' role='img'><title>{}</title>{}</svg>"
    ).format(_WIDTH, _HEIGHT, words, Markup(body))


class _Scale:
    """Where days and values lie in the drawing."""

    def __init__(self, count: int, low: float, high: float) -> None:
        self._step = (_WIDTH - _LEFT - _RIGHT) / max(count - 1, 1)
        self._low, self._span = low, high - low

    def x(self, place: int) -> float:
        return round(_LEFT + place * self._step, 1)

    def y(self, value: float) -> float:
        share = (value - self._low) / self._span
        return round(_TOP + (1 - share) * (_HEIGHT - _TOP - _BOTTOM), 1)


def _band(figures: tuple[Figure, ...], scale: _Scale) -> Iterator[str]:
    """The range of each day; without an end, it goes to the edge."""
    half = (scale.x(1) - scale.x(0)) / 2 if len(figures) > 1 else 6.0
    for place, each in enumerate(figures):
        if each.low is None and each.high is None:
            continue
        top = _TOP if each.high is None else scale.y(each.high)
        foot = _HEIGHT - _BOTTOM if each.low is None else scale.y(each.low)
        left, right = max(scale.x(place) - half, _LEFT), min(scale.x(place) + half, _WIDTH - _RIGHT)
        yield (
            f"<rect class='band' x='{left:g}' y='{top:g}' width='{right - left:g}' "
            f"height='{max(foot - top, 0):g}'/>"
        )


def _demand(series: Series, scale: _Scale) -> Iterator[str]:
    if series.threshold is not None:
        y = scale.y(series.threshold)
        yield f"<path class='demand' d='M{_LEFT:g} {y:g}H{_WIDTH - _RIGHT:g}'/>"


def _line(figures: tuple[Figure, ...], scale: _Scale) -> Iterator[str]:
    points = " ".join(f"{scale.x(at)},{scale.y(each.value)}" for at, each in enumerate(figures))
    yield f"<polyline class='line' points='{points}'/>"
    for place, each in enumerate(figures):
        if place == len(figures) - 1 or not each.is_usual:
            kind = "dot" if each.is_usual else "dot outside"
            yield f"<circle class='{kind}' cx='{scale.x(place)}' cy='{scale.y(each.value)}' r='3'>"
            yield f"<title>{escape(each.day)}: {each.value:.4g}</title></circle>"


def _axes(figures: tuple[Figure, ...], scale: _Scale, known: list[float]) -> Iterator[str]:
    for value in {max(known), min(known)}:
        yield (f"<text x='{_WIDTH - _RIGHT + 6:g}' y='{scale.y(value) + 4:g}'>{value:.3g}</text>")
    foot = _HEIGHT - 5
    yield f"<text x='{_LEFT:g}' y='{foot:g}'>{escape(cut(figures[0].day, 10))}</text>"
    if len(figures) > 1:
        last = escape(cut(figures[-1].day, 10))
        yield f"<text x='{_WIDTH - _RIGHT:g}' y='{foot:g}' class='end'>{last}</text>"
