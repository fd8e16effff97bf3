"""Drawings as SVG: text and boxes without style sheets or other files."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from xml.sax.saxutils import escape

INK, PALE, PAPER = "#1f2933", "#6b7785", "#ffffff"
CHARACTER = 6.5
"""Approximate width of a character."""
_FONT = "font-family='system-ui, sans-serif' font-size='11'"


def text(
    x: float, y: float, line: str, *, anchor: str = "start", color: str = INK, bold: bool = False
) -> str:
    """A line of text on base line `y`, with its `start`, `middle` or `end` at `x`."""
    weight = " font-weight='600'" if bold else ""
    return (
        f"<text x='{x:g}' y='{y:g}' text-anchor='{anchor}' fill='{color}'{weight}>"
        f"{escape(line)}</text>"
    )


def rectangle(x: float, y: float, width: float, height: float, fill: str, more: str = "") -> str:
    """A rectangle."""
    return f"<rect x='{x:g}' y='{y:g}' width='{width:g}' height='{height:g}' fill='{fill}'{more}/>"


def drawing(width: float, height: float, parts: Iterable[str], paper: str = PAPER) -> str:
    """A whole drawing, on paper of a colour."""
    body = "\n".join(parts)
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width:g}' height='{height:g}' "
        f"viewBox='0 0 {width:g} {height:g}' {_FONT}>\n"
        f"<rect width='100%' height='100%' fill='{paper}'/>\n{body}\n</svg>\n"
    )


def in_markdown(svg: str, title: str) -> str:
    """A drawing as Markdown that needs no other file; its title is for whoever cannot see it."""
    return f"![{title}](data:image/svg+xml;base64,{b64encode(svg.encode()).decode()})"
