"""Segments: the parts of a batch that have statistics, and the cells that rows are counted by."""

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
    """A part of a batch."""

    column: str = ""  # the field, or the part of the calendar; empty for all rows
    value: str | float = ""

    @property
    def says(self) -> str:
        """The segment for a person, to go after the name of a statistic; empty for all rows."""
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
        """The field of the segment; empty where it is all rows, or a part of the calendar."""
        return (self.column,) if self.column and not self.column.startswith("@") else ()

    def mask(self, view: View) -> Array:
        """Which rows are of the segment: bool."""
        if not self.column:
            return np.ones(len(view), dtype=bool)
        if self.column.startswith("@"):
            return np.asarray(view.calendar(self.column) == self.value)
        return view.holds(self.column, self.value)


class Segments(msgspec.Struct, frozen=True):
    """The segments of a table."""

    parts: tuple[Segment, ...]
    cells: tuple[Segment, ...]  # segments whose rows are counted, all rows first
    # by column, uint64, digests in order of the values whose absence is a statistic
    things: dict[str, bytes]

    def counts(self, view: View) -> dict[str, Array]:
        """By column, the place of each row's value among the things; their number for any other."""
        places = {}
        for name, stored in self.things.items():
            known = np.frombuffer(stored, dtype="<u8")
            codes = view.code(name)
            at = np.minimum(np.searchsorted(known, codes), len(known) - 1)
            places[name] = np.where(known[at] == codes, at, len(known))
        return places


def discover(view: View, entities: Entities) -> Segments:
    """Find the segments of training rows, given their entities."""
    layout = view.layout
    assert view.fold is not None, "training rows are held out by blocks of days"
    of_block = np.bincount(view.fold, minlength=BLOCKS)
    candidates: list[tuple[float, Segment]] = []
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
                candidates.append((share, segment))
    quarters = [Segment("@quarter", float(part)) for part in range(4)] if layout.event_time else []
    kept: list[Segment] = []
    masks: list[Array] = []
    for _, segment in sorted(candidates, key=lambda candidate: -candidate[0]):
        mask = segment.mask(view)
        if not any(np.mean(mask == other) > SAME for other in masks):
            masks.append(mask)
            kept.append(segment)
    parts = (Segment(), *quarters, *kept[: MOST_CATEGORIES + FEW])
    hours = [Segment("@hour", float(hour)) for hour in range(24)] if layout.event_time else []
    values_of = [
        Segment(name, value)
        for name, values in layout.categories.items()
        if name not in layout.dated and (name in layout.texts or len(values) <= FEW)
        for value in values[:MOST_TERMS]
    ]
    cells = (Segment(), *quarters, *hours, *values_of)
    return Segments(parts, cells, _things(view, entities))


def _things(view: View, entities: Entities) -> dict[str, bytes]:
    """The values that are frequent enough for their absence to mean something, by column."""
    layout = view.layout
    of_one = [entity[0] for entity in entities.full if len(entity) == 1]
    names = [name for name in (*layout.texts, *of_one) if not name.startswith("@")]
    calendar = ["@hour"] if layout.event_time is not None else []
    things = {}
    for name in dict.fromkeys([*names, *calendar]):
        codes, counts = np.unique(view.code(name), return_counts=True)
        if name in layout.dated or not FEW <= len(codes) <= MOST_WINDOWED:
            continue
        kept = codes[(counts >= 0.02 * len(view.days)) & (codes != 0)]
        if len(kept):
            things[name] = kept.astype("<u8").tobytes()
    return things
