"""Segments: the parts of a batch that statistics are told of, and what its rows are counted by."""

from __future__ import annotations

import msgspec
import numpy as np

from lockstep.columns.kinds import Array
from lockstep.constraints.entities import Entities
from lockstep.constraints.thresholds import (
    COMMON,
    FEW,
    MOST_CATEGORIES,
    MOST_TERMS,
    MOST_WINDOWED,
    MOVES,
    SAME,
)
from lockstep.constraints.view import View
from lockstep.stats.limits import BLOCKS


class Segment(msgspec.Struct, frozen=True):
    """A part of a batch.

    Attributes:
        column: The field or part of the calendar that tells it; none for all rows.
        value: What it holds there.
    """

    column: str = ""
    value: str | float = ""

    @property
    def says(self) -> str:
        """The segment for a person, to go after what is told of it; nothing of all rows."""
        if not self.column:
            return ""
        if self.column == "@quarter":
            return f"from {int(self.value) * 6}:00 to {int(self.value) * 6 + 5}:59"
        if self.column == "@hour":
            return f"from {int(self.value)}:00 to {int(self.value)}:59"
        shown = self.value if isinstance(self.value, str) else f"{self.value:g}"
        return f"of {self.column} {shown}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The field that it is told by, if it is one."""
        return (self.column,) if self.column and not self.column.startswith("@") else ()

    def mask(self, view: View) -> Array:
        """Its rows: bool."""
        if not self.column:
            return np.ones(len(view), dtype=bool)
        if self.column.startswith("@"):
            return np.asarray(view.calendar(self.column) == self.value)
        return view.holds(self.column, self.value)


class Segments(msgspec.Struct, frozen=True):
    """The segments of a table.

    Attributes:
        parts: What statistics are told of, all rows first.
        cells: What rows are counted by, all rows first.
        things: By column, uint64, digests of values whose absence is counted, in order.
    """

    parts: tuple[Segment, ...]
    cells: tuple[Segment, ...]
    things: dict[str, bytes]

    def counts(self, view: View) -> dict[str, Array]:
        """What each row is counted by: its place among the cells and things, or a mask of each."""
        found = {}
        for name, stored in self.things.items():
            known = np.frombuffer(stored, dtype="<u8")
            codes = view.code(name)
            at = np.minimum(np.searchsorted(known, codes), len(known) - 1)
            found[name] = np.where(known[at] == codes, at, len(known))
        return found


def discover(view: View, entities: Entities) -> Segments:
    """Find the segments of training rows.

    Args:
        view: The rows.
        entities: What names things in them.
    """
    layout = view.layout
    assert view.fold is not None, "training rows are told by blocks of days"
    of_block = np.bincount(view.fold, minlength=BLOCKS)
    found: list[tuple[float, Segment]] = []
    for name, values in layout.categories.items():
        few = name in layout.texts or len(np.unique(view.code(name))) <= FEW
        if name in layout.dated or not few:
            continue
        for value in values[:MOST_TERMS]:
            segment = Segment(name, value)
            mask = segment.mask(view)
            share = float(mask.mean())
            by_block = np.bincount(view.fold, mask, BLOCKS) / np.maximum(of_block, 1)
            if COMMON <= share <= 1 - COMMON and by_block.min() > MOVES * share:
                found.append((share, segment))
    quarters = [Segment("@quarter", float(one)) for one in range(4)] if layout.event_time else []
    kept: list[Segment] = []
    masks: list[Array] = []
    for _, segment in sorted(found, key=lambda one: -one[0]):
        mask = segment.mask(view)
        if not any(np.mean(mask == other) > SAME for other in masks):
            masks.append(mask)
            kept.append(segment)
    parts = (Segment(), *quarters, *kept[: MOST_CATEGORIES + FEW])
    hours = [Segment("@hour", float(one)) for one in range(24)] if layout.event_time else []
    values_of = [
        Segment(name, value)
        for name, values in layout.categories.items()
        if name not in layout.dated and (name in layout.texts or len(values) <= FEW)
        for value in values[:MOST_TERMS]
    ]
    cells = (Segment(), *quarters, *hours, *values_of)
    return Segments(parts, cells, _things(view, entities))


def _things(view: View, entities: Entities) -> dict[str, bytes]:
    """The values that come often enough that their absence tells something."""
    layout = view.layout
    of_one = [entity[0] for entity in entities.full if len(entity) == 1]
    names = [name for name in (*layout.texts, *of_one) if not name.startswith("@")]
    calendar = ["@hour"] if layout.event_time is not None else []
    found = {}
    for name in dict.fromkeys([*names, *calendar]):
        codes, counts = np.unique(view.code(name), return_counts=True)
        if name in layout.dated or not FEW <= len(codes) <= MOST_WINDOWED:
            continue
        kept = codes[(counts >= 0.02 * len(view.days)) & (codes != 0)]
        if len(kept):
            found[name] = kept.astype("<u8").tobytes()
    return found


def masks_of(segments: Segments, view: View) -> Array:
    """The rows of each part: float32, parts x rows."""
    return np.array([part.mask(view) for part in segments.parts], dtype=np.float32)


def cells_of(segments: Segments, view: View) -> Array:
    """The rows of each cell: bool, cells x rows."""
    return np.array([cell.mask(view) for cell in segments.cells])
