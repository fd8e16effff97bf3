"""Readers: what look-ups and windows compute with, the rows of a table at one version."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import timedelta

import numpy as np

from lockstep.columns.from_table import FromTable
from lockstep.columns.kinds import Array, Columns, Ints, Times
from lockstep.columns.pipeline import Pipeline
from lockstep.tables.found import Found, LookedUp
from lockstep.tables.rows import TableRows, fixed

MICROSECOND = timedelta(microseconds=1)
DECOYS = 2
"""Rows on either side of those that are read."""


class Reader(ABC):
    """The columns of a look-up or window, and `origins` if told, read from the rows of its table.

    A single row is read by another way than many, in a few microseconds, and comes to the same
    bits.
    """

    def __init__(self, node: FromTable, rows: TableRows, *, tells_origins: bool = False) -> None:
        self.node = node
        self.rows = rows
        self._starts = rows.starts.data
        self._valid = rows.valid.data
        self._known = None if rows.delay is not None else rows.known.data

    def __call__(self, columns: Columns, /) -> Columns:
        """The node's columns of some rows, read-only and in canonical form."""
        return self.read(*self.node.asked(columns))

    def read(
        self, keys: Sequence[Array], as_of: Times | None, known_by: Times | None = None
    ) -> Columns:
        """The node's columns for some keys and times, read-only and in canonical form.

        `as_of` is None for a static table. `known_by` says when a row has to be known: as of when
        it is asked for, by default.
        """
        if len(keys[0]) == 1 and known_by is None:
            return self._of_row(self.group(keys), as_of)
        found = self._of_rows(keys, as_of, known_by)
        return {name: fixed(values) for name, values in found.items()}

    @abstractmethod
    def found(self, columns: Columns) -> Found:
        """Which rows of the table are read for some records."""

    @abstractmethod
    def around(self, columns: Columns) -> tuple[Ints, Ints]:
        """The slice of the table that decides what is read for each row of a record.

        A few rows beside it are in the slice too, which may not be seen: older ones, and ones
        that are not valid or not known yet.
        """

    @abstractmethod
    def _of_rows(
        self, keys: Sequence[Array], as_of: Times | None, known_by: Times | None
    ) -> Columns:
        """The columns of any number of rows."""

    @abstractmethod
    def _of_row(self, group: int, as_of: Times | None) -> Columns:
        """The columns of a single row, read-only."""

    def _within_groups(self, groups: Ints, first: Ints, stop: Ints) -> tuple[Ints, Ints]:
        """Slices without the rows of other keys; empty ones of a key that no row has."""
        starts, ends = self.rows.starts[groups], self.rows.starts[groups + 1]
        bounded = np.maximum(first, starts), np.minimum(stop, ends)
        return np.where(groups < 0, 0, bounded[0]), np.where(groups < 0, 0, bounded[1])

    def group(self, keys: Sequence[Array]) -> int:
        """The group of a single row's key; -1 for none."""
        first = keys[0].item(0)
        key = first if len(keys) == 1 else (first, *(array.item(0) for array in keys[1:]))
        return self.rows.by_key.get(key, -1)


def reader_of(node: FromTable, rows: TableRows, *, tells_origins: bool = False) -> Reader:
    """The reader of a look-up or window."""
    found = node.reader(rows, tells_origins=tells_origins)
    assert isinstance(found, Reader)
    return found


def readers_of(pipeline: Pipeline) -> Mapping[str, Reader]:
    """By look-up and window, in graph order, what reads the rows of its table, once bound."""
    bound = ((name, pipeline.bound.get(name)) for name in pipeline.graph.nodes)
    return {name: read for name, read in bound if isinstance(read, Reader)}


def looked_up(pipeline: Pipeline, record: Columns) -> tuple[LookedUp, ...]:
    """What look-ups and windows read for a record, of which all columns are given."""
    return tuple(
        read.found(record).told()
        for read in readers_of(pipeline).values()
        if set(read.node.inputs) <= set(record)  # a function may fail on the record
    )
