"""Segments: the rows of a batch, parted by each of its small categories."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lockstep.columns.kinds import Array, Columns, Kind
from lockstep.columns.schema import Schema

MOST_VALUES = 24
"""Values that a category has at most whose rows are looked at by themselves."""
LEAST_SHARE = 0.05
"""Share of the rows that a segment has at least: of fewer rows, one alone would be most."""


@dataclass(frozen=True, eq=False)
class Segment:
    """The rows with one value of a category.

    Attributes:
        column: The category.
        value: Its value.
        rows: Which rows have it: bool, one a row.
    """

    column: str
    value: str
    rows: Array

    def __str__(self) -> str:
        return f"{self.column} is {self.value}"


def segments(columns: Columns, schema: Schema) -> Sequence[Segment]:
    """The segments of some rows, by every category of their record that has few values in them.

    Args:
        columns: The rows, the record's fields among their columns.
        schema: What the fields are declared to hold.
    """
    return [one for field in schema for one in _of(field.name, columns, schema)]


def _of(name: str, columns: Columns, schema: Schema) -> Iterator[Segment]:
    field = schema[name]
    if field.role != "value" or field.kind not in (Kind.TEXT, Kind.BOOL) or name not in columns:
        return
    places, found = pd.factorize(columns[name])
    if not 1 < len(found) <= MOST_VALUES:
        return
    counts = np.bincount(places[places >= 0], minlength=len(found))
    for place in np.flatnonzero(counts >= LEAST_SHARE * len(places)).tolist():
        yield Segment(name, str(found[place]), places == place)
