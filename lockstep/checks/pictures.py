"""Pictures of findings, as SVG: columns and days by what was found, and a graph around a column."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from lockstep.columns.graph import Graph
from lockstep.columns.plain import cut, show

if TYPE_CHECKING:
    from lockstep.parity.divergence import Divergence

COLORS = {
    "failed": "#c0392b",
    "warned": "#e9a23b",
    "not_judged": "#c9ced6",
    "passed": "#8fc1a0",
}
"""A finding's colour; what passed is the palest that can be told from nothing."""
_INK, _PALE, _PAPER = "#1f2933", "#6b7785", "#ffffff"
_FONT = "font-family='system-ui, sans-serif' font-size='11'"
_MOST_NODES = 24
"""Columns that are drawn: the picture of a finding is kept with it."""
_WIDTH, _HEIGHT, _GAP_X, _GAP_Y = 190, 46, 50, 12
_LONGEST = 26
"""Characters of a name that fit into a box."""
_CELL = 16


@dataclass(frozen=True)
class Cell:
    """What was found of a column in one partition.

    Attributes:
        column: The column.
        partition: The day or file.
        result: `failed`, `warned`, `not_judged` or `passed`.
        told: What was found, for whoever points at it.
    """

    column: str
    partition: str
    result: str
    told: str = ""


def findings_picture(cells: Iterable[Cell], partitions: Sequence[str]) -> str:
    """Columns by partitions, each coloured by the worst that was found of it.

    Columns come in the order of their worst finding, then by name.

    Args:
        cells: What was found; the worst of several of one column and partition is shown.
        partitions: All partitions to show, the oldest first.
    """
    ranks = list(COLORS)
    worst: dict[tuple[str, str], Cell] = {}
    for cell in cells:
        place = cell.column, cell.partition
        known = worst.get(place)
        if known is None or ranks.index(cell.result) < ranks.index(known.result):
            worst[place] = cell
    columns = sorted(
        {column for column, _ in worst},
        key=lambda one: (
            min(ranks.index(cell.result) for (name, _), cell in worst.items() if name == one),
            one,
        ),
    )
    left = 12 + 6.5 * max((len(one) for one in columns), default=0)
    width = left + _CELL * len(partitions) + 12
    height = 24 + _CELL * len(columns) + 24
    parts = (
        [] if columns else [_text(12, 40, "No column was found to be otherwise than it should.")]
    )
    for row, column in enumerate(columns):
        y = 24 + _CELL * row
        parts.append(_text(left - 6, y + 12, column, anchor="end"))
        for day, partition in enumerate(partitions):
            found = worst.get((column, partition))
            color = COLORS[found.result] if found is not None else "#eef1f4"
            said = f"{column}, {partition}: {found.told or found.result}" if found else partition
            parts.append(
                f"<rect x='{left + _CELL * day:g}' y='{y}' width='{_CELL - 2}' "
                f"height='{_CELL - 2}' rx='2' fill='{color}'><title>{escape(said)}</title></rect>"
            )
    if partitions:
        parts.append(_text(left, 14, partitions[0], color=_PALE))
        end = left + _CELL * len(partitions)
        if len(partitions) * _CELL > 150:
            parts.append(_text(end, 14, partitions[-1], anchor="end", color=_PALE))
    legend, x = [], left
    for result, color in COLORS.items():
        word = result.replace("_", " ")
        legend.append(f"<rect x='{x:g}' y='{height - 17}' width='10' height='10' fill='{color}'/>")
        legend.append(_text(x + 14, height - 8, word, color=_PALE))
        x += 26 + 6.5 * len(word)
    return _svg(max(width, x), height, [*parts, *legend])


def divergence_picture(
    graph: Graph,
    first: Divergence | None,
    values: Mapping[str, tuple[Any, Any]],
    sides: tuple[str, str],
) -> str:
    """The columns that a column comes from and those that come from it, with both sides' values.

    Columns stand by how many steps they are from the fields. The first divergent one is marked,
    and whatever differs. Where none diverges, it is the outputs with all that they come from.

    Args:
        graph: The graph of the second side.
        first: The first divergence; None where there is none.
        values: By column, its value by each side.
        sides: What to call the sides.
    """
    shown = _around(graph, first.column if first is not None else None)
    layers: dict[int, list[str]] = {}
    for name in graph.order:
        if name in shown:
            layers.setdefault(graph.depths[name], []).append(name)
    places: dict[str, tuple[float, float]] = {}
    for x, depth in enumerate(sorted(layers)):
        for y, name in enumerate(layers[depth]):
            places[name] = 10 + x * (_WIDTH + _GAP_X), 34 + y * (_HEIGHT + _GAP_Y)
    lines = [
        _line(places[one], places[name])
        for name in places
        for one in graph.inputs(name)
        if one in places
    ]
    boxes = [
        _box(places[name], name, values.get(name), first is not None and name == first.column)
        for name in places
    ]
    hidden = len(graph.order) - len(places)
    more = f"; {hidden} other columns are not drawn" if hidden else ""
    head = _text(10, 18, f"{sides[0]} | {sides[1]}{more}", color=_PALE)
    width = 20 + len(layers) * (_WIDTH + _GAP_X)
    height = 44 + max((len(one) for one in layers.values()), default=0) * (_HEIGHT + _GAP_Y)
    return _svg(width, height, [head, *lines, *boxes])


def in_markdown(svg: str, title: str) -> str:
    """A picture as Markdown that needs no other file.

    Args:
        svg: The picture.
        title: What it shows, for whoever cannot see it.
    """
    return f"![{title}](data:image/svg+xml;base64,{b64encode(svg.encode()).decode()})"


def _around(graph: Graph, column: str | None) -> set[str]:
    """A column with what it comes from and what comes from it, the nearest first, so many."""
    if column is None or column not in graph:
        wanted = [*graph.outputs, *(one for name in graph.outputs for one in graph.ancestors(name))]
        return set(wanted[:_MOST_NODES])
    after = [name for name in graph.served if column in graph.ancestors(name)]
    near = sorted(
        [*graph.ancestors(column), *after],
        key=lambda name: (abs(graph.depths[name] - graph.depths[column]), name),
    )
    outputs = [name for name in after if name in graph.outputs]
    inputs = graph.inputs(column)
    return set([column, *inputs, *outputs, *near][:_MOST_NODES])


def _box(
    place: tuple[float, float], name: str, value: tuple[Any, Any] | None, is_first: bool
) -> str:
    x, y = place
    one, other = map(_brief, value or ("", ""))
    differs = value is not None and show(value[0]) != show(value[1])
    color = COLORS["failed"] if differs or is_first else _PALE
    fill = "#fbe9e7" if is_first else _PAPER
    told = f"{one} | {other}" if differs else one
    thick = 2.5 if is_first else 1
    return (
        f"<g><rect x='{x:g}' y='{y:g}' width='{_WIDTH}' height='{_HEIGHT}' rx='6' fill='{fill}' "
        f"stroke='{color}' stroke-width='{thick}'/>"
        + _text(x + 8, y + 18, cut(name, _LONGEST), bold=is_first)
        + _text(x + 8, y + 36, cut(told, 30), color=color if differs else _PALE)
        + f"<title>{escape(name)}: {escape(told)}</title></g>"
    )


def _brief(value: Any) -> str:
    """A value in a few characters; all digits are in the finding itself."""
    return f"{value:.6g}" if isinstance(value, float) else str(cut(str(value), 14))


def _line(start: tuple[float, float], end: tuple[float, float]) -> str:
    x1, y1 = start[0] + _WIDTH, start[1] + _HEIGHT / 2
    x2, y2 = end[0], end[1] + _HEIGHT / 2
    middle = (x1 + x2) / 2
    return (
        f"<path d='M{x1:g} {y1:g} C{middle:g} {y1:g} {middle:g} {y2:g} {x2:g} {y2:g}' "
        f"fill='none' stroke='#b8c1cc'/>"
    )


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", color: str = _INK, bold: bool = False
) -> str:
    weight = " font-weight='600'" if bold else ""
    return (
        f"<text x='{x:g}' y='{y:g}' text-anchor='{anchor}' fill='{color}'{weight}>"
        f"{escape(text)}</text>"
    )


def _svg(width: float, height: float, parts: Iterable[str]) -> str:
    body = "\n".join(parts)
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width:g}' height='{height:g}' "
        f"viewBox='0 0 {width:g} {height:g}' {_FONT}>\n"
        f"<rect width='100%' height='100%' fill='{_PAPER}'/>\n{body}\n</svg>\n"
    )
