"""Segments: the parts of a batch whose rows are counted."""

from __future__ import annotations

import msgspec
import numpy as np

from lockstep.columns.kinds import Array
from lockstep.constraints.entities import Entities
from lockstep.constraints.thresholds import (
    FEW,
    MOST_TERMS,
    MOST_WINDOWED,
)
from lockstep.constraints.view import View


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
    quarters = [Segment("@quarter", float(part)) for part in range(4)] if layout.event_time else []
    hours = [Segment("@hour", float(hour)) for hour in range(24)] if layout.event_time else []
    values_of = [
        Segment(name, value)
        for name, values in layout.categories.items()
        if name not in layout.dated and (name in layout.texts or len(values) <= FEW)
        for value in values[:MOST_TERMS]
    ]
    cells = (Segment(), *quarters, *hours, *values_of)
    return Segments(cells, _things(view, entities))


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
