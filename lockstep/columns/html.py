"""HTML of objects in a notebook: no scripts, all texts escaped, in the colours around it."""

from collections.abc import Collection, Iterable, Sequence
from html import escape
from typing import Any

from lockstep.columns.plain import cut, show

_LONGEST = 120
_CELL = "text-align:left;vertical-align:top;padding:.15em 1em .15em .3em"
_HEAD = f"{_CELL};font-weight:600"
_MARKED = f"{_HEAD};background:rgba(214,69,65,.3)"


def text(value: Any) -> str:
    """A value as HTML; whatever a notebook shows of a value passes through here."""
    return escape(cut(value, _LONGEST) if isinstance(value, str) else show(value, _LONGEST))


def table(rows: Iterable[Sequence[Any]], marked: Collection[tuple[int, int]] = ()) -> str:
    """A table of values below a row of titles; cells at marked rows and columns stand out."""
    html = ""
    for y, row in enumerate(rows):
        style = {x: _MARKED if (y, x) in marked else _CELL if y else _HEAD for x in range(len(row))}
        cells = (f"<td style='{style[x]}'>{text(value)}</td>" for x, value in enumerate(row))
        html += f"<tr>{''.join(cells)}</tr>"
    return f"<table>{html}</table>"


def titled(title: str, lines: Iterable[str] = (), *parts: str) -> str:
    """Lines of text and parts in HTML below a title; wide and long parts are scrolled."""
    told = "".join(f"<p style='max-width:60em'>{escape(line)}</p>" for line in lines)
    scrolled = (f"<div style='overflow:auto;max-height:40em'>{part}</div>" for part in parts)
    return f"<div><strong>{escape(title)}</strong>{told}{''.join(scrolled)}</div>"
