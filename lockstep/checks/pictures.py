"""Pictures of findings as SVG: results by column and day, and the graph around a column.

Dagster shows them as images without tooltips, so all information is written in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from textwrap import wrap
from typing import Any
from xml.sax.saxutils import escape

from lockstep.columns.graph import Graph
from lockstep.columns.plain import cut, show
from lockstep.columns.svg import CHARACTER, PALE, PAPER, drawing, rectangle, text

COLORS = {
    "failed": "#c0392b",
    "failed beside": "#e8aaa1",
    "warned": "#e9a23b",
    "warned beside": "#f6dcb4",
    "not judged": "#c9ced6",
    "passed": "#cfe6d8",
}
"""The colours of results, the worst first."""
_NOTHING = "#f4f6f8"
_RANKS = list(COLORS)
_CELL = 16
_MOST_ROWS = 40
"""Columns drawn, those with findings first: each partition stores a picture."""
_LONGEST = 26
"""Characters shown of a name."""
_MOST_NODES = 24
"""Columns drawn of a graph: each finding stores a picture."""
_WIDTH, _HEIGHT, _GAP_X, _GAP_Y = 190, 46, 16, 30
_LEFT, _LEAST_WIDTH, _LINE = 18, 480, 16
_LANE = 2.5
"""Distance between the lines of several boxes within a gap."""
_ACROSS = 5
"""Boxes side by side: as wide as a page shows without scrolling."""


@dataclass(frozen=True)
class Cell:
    """The result of a column in one partition.

    Attributes:
        result: `failed`, `warned`, `not_judged` or `passed`.
        check: The check with the finding; empty without one.
        is_beside: Whether the finding names another column first.
    """

    column: str
    partition: str
    result: str
    check: str = ""
    is_beside: bool = False

    @property
    def shade(self) -> str:
        """The name of its colour."""
        word = self.result.replace("_", " ")
        return f"{word} beside" if self.is_beside else word


def findings_picture(cells: Iterable[Cell], partitions: Sequence[str]) -> str:
    """Draw columns by partitions, coloured by their worst result.

    Columns are sorted by their worst finding, then by their last one. Beside a column with
    findings stand the partition and the checks of the last one.
    """
    rows = sorted(_rows(cells), key=lambda row: row.rank(partitions))
    shown, hidden = rows[:_MOST_ROWS], rows[_MOST_ROWS:]
    left = 12 + CHARACTER * max((len(row.label) for row in shown), default=0)
    right = left + _CELL * len(partitions)
    parts = [*_scale(left, partitions)]
    for place, row in enumerate(shown):
        parts += row.drawn(left, 24 + _CELL * place, partitions)
    foot = 24 + _CELL * len(shown)
    lines = range(1, len(partitions))
    parts += [rectangle(left + _CELL * line - 2, 22, 2, foot - 22, PAPER) for line in lines]
    if hidden:
        more = f"{len(hidden)} other columns: {hidden[0].worst.removesuffix(' beside')} at worst"
        parts.append(text(left, foot + 12, more, color=PALE))
        foot += _CELL
    last = max((len(row.last(partitions)) for row in shown), default=0)
    legend, ends = _legend(foot + 13)
    return drawing(max(right + 12 + CHARACTER * last, ends), foot + 30, [*parts, *legend])


@dataclass(frozen=True)
class _Row:
    """A column of the picture, with its results by partition."""

    column: str
    cells: Mapping[str, Sequence[Cell]]

    @property
    def label(self) -> str:
        return cut(self.column, _LONGEST)

    def shade(self, partition: str) -> str | None:
        """The worst result in a partition; None without any."""
        cells = self.cells.get(partition, ())
        return min((cell.shade for cell in cells), key=_RANKS.index, default=None)

    @property
    def worst(self) -> str:
        shades = (cell.shade for cells in self.cells.values() for cell in cells)
        return min(shades, key=_RANKS.index)

    def rank(self, partitions: Sequence[str]) -> tuple[int, int]:
        named = [place for place, partition in enumerate(partitions) if self._checks(partition)]
        return _RANKS.index(self.worst), -max(named, default=-1)

    def last(self, partitions: Sequence[str]) -> str:
        """The partition and the checks of the last finding; empty without any."""
        for partition in reversed(partitions):
            if checks := self._checks(partition):
                return f"{cut(partition, 12)}: {', '.join(checks)}"
        return ""

    def _checks(self, partition: str) -> list[str]:
        checks = (cell.check for cell in self.cells.get(partition, ()))
        return list(dict.fromkeys(filter(None, checks)))

    def drawn(self, left: float, y: float, partitions: Sequence[str]) -> Iterable[str]:
        """Its name, a rectangle for each run of equal results, and the last finding."""
        yield text(left - 6, y + 12, self.label, anchor="end")
        start = 0
        for shade, same in groupby(map(self.shade, partitions)):
            count = len(list(same))
            color = COLORS[shade] if shade is not None else _NOTHING
            yield rectangle(left + _CELL * start, y, _CELL * count - 2, _CELL - 2, color)
            start += count
        yield text(left + _CELL * start + 6, y + 12, self.last(partitions), color=PALE)


def _rows(cells: Iterable[Cell]) -> list[_Row]:
    by_column: dict[str, dict[str, list[Cell]]] = {}
    for cell in cells:
        by_column.setdefault(cell.column, {}).setdefault(cell.partition, []).append(cell)
    return [_Row(column, by_partition) for column, by_partition in by_column.items()]


def _scale(left: float, partitions: Sequence[str]) -> Iterable[str]:
    """The partitions' names above their cells, as many as there is room for."""
    free = left
    for place, name in enumerate(partitions):
        shown, x = cut(name, 12), left + _CELL * place
        if x >= free:
            yield text(x, 14, shown, color=PALE)
            free = x + CHARACTER * (len(shown) + 1)


def _legend(y: float) -> tuple[list[str], float]:
    """The legend of colours, and its right edge."""
    parts, x = [], 12.0
    for shade, color in {**COLORS, "no finding": _NOTHING}.items():
        word = "named with another" if shade.endswith(" beside") else shade
        parts += [rectangle(x, y, 10, 10, color), text(x + 14, y + 9, word, color=PALE)]
        x += 26 + CHARACTER * len(word)
    return parts, x


def divergence_picture(
    graph: Graph,
    column: str | None,
    values: Mapping[str, tuple[Any, Any]] | None = None,
    sides: tuple[str, str] = ("", ""),
    key: str = "",
) -> str:
    """Draw the graph around the first divergent column, with both sides' values.

    Columns stand below those that they come from. The first divergent column is marked, and all
    values that differ. Without a divergence, the outputs with their ancestors are drawn.

    Args:
        values: By column, its value by each side; None where no record was compared.
    """
    shown = _around(graph, column)
    layers: dict[int, list[str]] = {}
    for name in graph.order:
        if name in shown:
            layers.setdefault(graph.depths[name], []).append(name)
    rows = [
        layer[at : at + _ACROSS]
        for _, layer in sorted(layers.items())
        for at in range(0, len(layer), _ACROSS)
    ]
    hidden = len(graph.order) - sum(map(len, rows))
    more = f" {hidden} other columns are not drawn." if hidden else ""
    marked = " Thick: the first column that differs." if column is not None else ""
    differs = f"Red: what differs, as {sides[0]} → {sides[1]}.{marked} "
    width = max(_edge(max(map(len, rows), default=0)), _LEAST_WIDTH)
    explanation = wrap(
        f"{differs if values is not None else ''}Each column comes from those above it.{more}",
        int((width - _LEFT) / CHARACTER),
    )
    title = f"Record {cut(key, 60)}" if values is not None else f"Around {cut(column or '', 60)}"
    head = [text(_LEFT, 18, title, bold=True)]
    head += [text(_LEFT, 36 + _LINE * at, line, color=PALE) for at, line in enumerate(explanation)]
    top = 40.0 + _LINE * len(explanation)
    places = {
        name: (_edge(x), top + y * (_HEIGHT + _GAP_Y))
        for y, row in enumerate(rows)
        for x, name in enumerate(row)
    }
    lines = [
        _line(places[source], places[name], rows, top)
        for name in places
        for source in graph.inputs(name)
        if source in places
    ]
    boxes = [
        _box(place, name, (values or {}).get(name), name == column)
        for name, place in places.items()
    ]
    return drawing(width, top + len(rows) * (_HEIGHT + _GAP_Y), [*head, *lines, *boxes])


def _edge(boxes: int) -> float:
    """Left edge of a box after so many others."""
    return float(_LEFT + boxes * (_WIDTH + _GAP_X))


def _around(graph: Graph, column: str | None) -> set[str]:
    """A column with its nearest ancestors and descendants, up to the number drawn."""
    if column is None or column not in graph:
        wanted = [
            *graph.outputs,
            *(ancestor for name in graph.outputs for ancestor in graph.ancestors(name)),
        ]
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
    before, after = map(_brief, value or ("", ""))
    differs = value is not None and show(value[0]) != show(value[1])
    color = COLORS["failed"] if differs or is_first else PALE
    fill = "#fbe9e7" if is_first else PAPER
    shown = f"{before} → {after}" if differs else before
    thick = 2.5 if is_first else 1
    return (
        "<g>"
        + rectangle(x, y, _WIDTH, _HEIGHT, fill, f" rx='6' stroke='{color}' stroke-width='{thick}'")
        + text(x + 8, y + 18, cut(name, _LONGEST), bold=is_first)
        + text(x + 8, y + 36, cut(shown, 30), color=color if differs else PALE)
        + f"<title>{escape(name)}: {escape(shown)}</title></g>"
    )


def _brief(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(cut(str(value), 14))


def _line(
    start: tuple[float, float],
    end: tuple[float, float],
    rows: Sequence[Sequence[str]],
    top: float,
) -> str:
    """A line from a box down to another one, through the gaps of the rows between them."""
    step = _HEIGHT + _GAP_Y
    first, last = (round((y - top) / step) for _, y in (start, end))
    x1, x2 = start[0] + _WIDTH / 2, end[0] + _WIDTH / 2
    column = round((start[0] - _LEFT) / (_WIDTH + _GAP_X))
    aside = _LANE * ((column + 2 * first) % _ACROSS - _ACROSS // 2)
    x, y = x1, start[1] + _HEIGHT
    drawn = [f"M{x:g} {y:g}"]
    for row in range(first + 1, last):
        straight = x1 + (x2 - x1) * (row - first) / (last - first)
        through, upper = _gap(len(rows[row]), straight) + aside, top + row * step
        drawn += [_curve(x, y, through, upper), f"V{upper + _HEIGHT:g}"]
        x, y = through, upper + _HEIGHT
    drawn.append(_curve(x, y, x2, end[1]))
    return f"<path d='{' '.join(drawn)}' fill='none' stroke='#b8c1cc'/>"


def _gap(boxes: int, x: float) -> float:
    """The middle of the nearest gap in a row of so many boxes; the place itself beyond the last."""
    gaps = [_edge(place) - _GAP_X / 2 for place in range(boxes + 1)]
    return x if x > gaps[-1] else min(gaps, key=lambda gap: abs(gap - x))


def _curve(x1: float, y1: float, x2: float, y2: float) -> str:
    middle = (y1 + y2) / 2
    return f"C{x1:g} {middle:g} {x2:g} {middle:g} {x2:g} {y2:g}"
