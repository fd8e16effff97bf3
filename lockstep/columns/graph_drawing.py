"""A drawing of a whole graph: its columns by kind, each with lines from those it comes from."""

from itertools import product
from xml.sax.saxutils import escape

from lockstep.columns.graph import Graph
from lockstep.columns.plain import cut
from lockstep.columns.svg import drawing, rectangle, text

_WIDTH, _HEIGHT, _GAP, _STEP, _HEAD, _LONGEST = 176, 18, 56, 22, 26, 26
_INK = "currentColor"
_LANES = (("field",), ("lookup", "window"), ("feature", "label"), ("model",), ("output",))


def graph_drawing(graph: Graph) -> str:
    """Draw a graph as SVG; a dashed line leads from a label to the model that learns it."""
    places: dict[str, tuple[float, float]] = {}
    boxes, lines, right = [], [], 0
    for roles in _LANES:
        y = 0
        for role in roles:
            names = [name for name, known in graph.roles.items() if known == role]
            if names:
                boxes.append(text(right, y + _HEAD - 8, f"{role}s", color=_INK, bold=True))
            for at, name in enumerate(names):
                places[name] = (right, y + _HEAD + at * _STEP)
                boxes.append(_box(graph, name, *places[name]))
            y += _HEAD + len(names) * _STEP if names else 0
        right += _WIDTH + _GAP if y else 0
    for node in graph.nodes.values():
        for source, name in product((*node.inputs, *filter(None, [node.learns])), node.gives):
            if source in places and name in places:
                dash = "4 3" if source == node.learns else "none"
                lines.append(_line(places[source], places[name], dash))
    bottom = max((y for _, y in places.values()), default=0) + _STEP
    return drawing(right, bottom, [*lines, *boxes], "none")


def _line(start: tuple[float, float], end: tuple[float, float], dash: str) -> str:
    """A line from the right of a box to the left of another, or to the right of one below it."""
    x1, y1, y2 = start[0] + _WIDTH, start[1] + _HEIGHT / 2, end[1] + _HEIGHT / 2
    is_below, bend = end[0] <= start[0], _GAP / 2
    x2 = end[0] + _WIDTH * is_below
    path = f"M{x1} {y1}C{x1 + bend} {y1} {x2 + (bend if is_below else -bend)} {y2} {x2} {y2}"
    return f"<path d='{path}' fill='none' stroke='{_INK}' opacity='.13' stroke-dasharray='{dash}'/>"


def _box(graph: Graph, name: str, x: float, y: float) -> str:
    node = graph.node(name)
    about = escape(f"{name}: {node.doc if node is not None else ''}")
    frame = f" fill-opacity='.07' rx='4' stroke='{_INK}' stroke-opacity='.3'"
    box = rectangle(x + 0.5, y, _WIDTH, _HEIGHT, _INK, frame)
    label = text(x + 6, y + 13, cut(name, _LONGEST), color=_INK)
    return f"<g><title>{about}</title>{box}{label}</g>"
