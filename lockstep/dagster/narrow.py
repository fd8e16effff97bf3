"""Tables as narrow as the page of a check.

Dagster makes the page as wide as its widest table, and cuts off all text at the window's edge.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from lockstep.columns.plain import cut

_ROOM = 590
"""Pixels for a table beside its name, in a window that is 1,280 wide."""
_CHARACTER, _OF_TITLE, _FRAME = 8.4, 7.2, 17
"""Pixels of a character in a cell and in a title, and around each cell."""
_LONGEST_WORD = 60
_MORE = "more"


def fitted(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a table without empty columns; the last column holds those that do not fit.

    Words do not break within a cell, so they are cut where they are long.
    """
    cells = [{title: _short(cell) for title, cell in row.items()} for row in rows]
    titles = [title for title in cells[0] if any(row[title] not in (None, "") for row in cells)]
    beside = next(
        (count for count in range(len(titles), 1, -1) if _width(cells, titles, count) <= _ROOM), 1
    )
    if beside >= len(titles):
        return [{title: row[title] for title in titles or row} for row in cells]
    return [
        {title: row[title] for title in titles[:beside]} | {_MORE: _rest(row, titles[beside:])}
        for row in cells
    ]


def _width(cells: Sequence[Mapping[str, Any]], titles: Sequence[str], beside: int) -> float:
    """Pixels of a table that has so many columns beside each other, and all others in the last."""
    columns = {title: [row[title] for row in cells] for title in titles[:beside]}
    if beside < len(titles):
        columns[_MORE] = [_rest(row, titles[beside:]) for row in cells]
    return sum(
        _FRAME
        + max(
            len(title) * _OF_TITLE,
            *(len(word) * _CHARACTER for cell in column for word in re.split(r"\s|-", str(cell))),
        )
        for title, column in columns.items()
    )


def _rest(row: Mapping[str, Any], titles: Sequence[str]) -> str:
    told = ((title, row[title]) for title in titles if row[title] not in (None, ""))
    return "; ".join(f"{title}: {_figure(cell)}" for title, cell in told)


def _figure(cell: Any) -> str:
    return f"{cell:.5g}" if isinstance(cell, float) else str(cell)


def _short(cell: Any) -> Any:
    if not isinstance(cell, str):
        return cell
    return re.sub(r"\S+", lambda word: cut(word.group(), _LONGEST_WORD), cell)
