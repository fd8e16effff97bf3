"""Readers: what look-ups and windows compute with, the rows of a table at one version."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from lockstep.columns.asof.found import Found
from lockstep.columns.asof.lookup_nodes import FromTable, Lookup, Window
from lockstep.columns.asof.table_rows import MISSING, TableRows, fixed, padded
from lockstep.columns.asof.windows import REDUCE, Slices, gathered, reductions, slices
from lockstep.columns.kinds import Array, Columns, Ints, Times
from lockstep.columns.tables import is_missing

_MICROSECOND = timedelta(microseconds=1)
_SECOND = 1e6
_DECOYS = 2
"""Rows on either side of those that are read."""
_WHOLE = np.zeros(1, dtype=np.int64)
"""Where the one slice begins that is all values."""


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


class LookupReader(Reader):
    """Reads the columns of a look-up."""

    node: Lookup

    def __init__(self, node: Lookup, rows: TableRows, *, tells_origins: bool = False) -> None:
        super().__init__(node, rows)
        table = node.table
        self._columns = [(f"{node.name}_{field}", rows.padded(field)) for field in table.values]
        if tells_origins:
            told = rows.origins
            self._columns += [(f"{node.name}.{name}", values) for name, values in told.items()]
        self._age = None if table.static else f"{node.name}_age"
        self._within = None if node.within is None else node.within // _MICROSECOND
        self._valid_padded = padded(rows.valid)

    def found(self, columns: Columns) -> Found:
        """The row of each record, if there is one."""
        keys, as_of = self.node.asked(columns)
        places = self._found(keys, as_of)
        is_hit = places >= 0
        return Found(self.node, self.rows, as_of, places[is_hit], is_hit.astype(np.int64))

    def _found(
        self, keys: Sequence[Array], as_of: Times | None, known_by: Times | None = None
    ) -> Ints:
        groups = self.rows.index.groups_of(keys)
        return self.rows.timeline.latest(groups, as_of, self.node.within, known_by)

    def around(self, columns: Columns) -> tuple[Ints, Ints]:
        """From the row before the one that is found to the first one that is not valid yet."""
        keys, as_of = self.node.asked(columns)
        groups = self.rows.index.groups_of(keys)
        found, ends = self._found(keys, as_of), self.rows.starts[groups + 1]
        valid = ends if as_of is None else self.rows.in_order.stops(groups, as_of)
        first = np.where(found < 0, valid - _DECOYS, found - 1)
        return self._within_groups(groups, first, valid + 1)

    def _of_rows(
        self, keys: Sequence[Array], as_of: Times | None, known_by: Times | None
    ) -> Columns:
        found = self._found(keys, as_of, known_by)
        gives = {name: values[found] for name, values in self._columns}  # at -1 stands none
        if self._age is not None and as_of is not None:
            ages = (as_of.view(np.int64) - self._valid_padded[found]) / _SECOND
            gives[self._age] = np.where(found < 0, np.nan, ages)
        return gives

    def _of_row(self, group: int, as_of: Times | None) -> Columns:
        time = 0 if as_of is None else as_of.view(np.int64).item(0)
        row = self.rows.timeline.latest_of(group, time, self._within)
        place = slice(row, row + 1 or None)  # at -1 stands none
        gives = {name: values[place] for name, values in self._columns}
        if self._age is not None:
            age = np.nan if row < 0 else (time - self._valid[row]) / _SECOND
            gives[self._age] = fixed(np.array([age]))
        return gives


class WindowReader(Reader):
    """Reads the columns of a window."""

    node: Window

    def __init__(self, node: Window, rows: TableRows, *, tells_origins: bool = False) -> None:
        super().__init__(node, rows)
        self._over = node.over // _MICROSECOND
        self._columns = [(how, f"{node.name}_{how}") for how in node.how]
        self._present = present = rows.present(node.of)
        self._before = None if present.before is None else present.before.data
        self._empty = {
            name: fixed(np.array([MISSING.get(kind, 0)], dtype=kind.dtype))
            for name, kind in node.gives.items()
        }
        self._rows = next(iter(node.origins)) if tells_origins else None
        if self._rows is not None:
            self._empty[self._rows] = fixed(np.zeros(1, dtype=np.int64))

    def slices(self, columns: Columns, known_by: Times | None = None) -> Slices:
        """The rows of the table in each row's window."""
        return self._slices(*self.node.asked(columns), known_by)

    def _slices(
        self, keys: Sequence[Array], as_of: Times | None, known_by: Times | None = None
    ) -> Slices:
        assert as_of is not None, "events have a time"
        return slices(self.rows, self.rows.index.groups_of(keys), as_of, self.node.over, known_by)

    def found(self, columns: Columns) -> Found:
        """The rows of each record's window that count, in order."""
        keys, as_of = self.node.asked(columns)
        first, stop, known_by = self._slices(keys, as_of)
        places, owners = gathered(first, stop)
        counts = np.ones(len(places), dtype=bool)
        if known_by is not None:
            counts &= self.rows.count(places, known_by.view(np.int64)[owners])
        if self.node.of is not None:
            counts &= ~is_missing(self.rows.columns[self.node.of][places])
        by_record = np.bincount(owners[counts], minlength=len(first))
        return Found(self.node, self.rows, as_of, places[counts], by_record)

    def around(self, columns: Columns) -> tuple[Ints, Ints]:
        """All rows of the window, with the ones before and after it."""
        keys, as_of = self.node.asked(columns)
        first, stop, _ = self._slices(keys, as_of)
        groups = self.rows.index.groups_of(keys)
        return self._within_groups(groups, first - _DECOYS, stop + _DECOYS)

    def _of_rows(
        self, keys: Sequence[Array], as_of: Times | None, known_by: Times | None
    ) -> Columns:
        windows = self._slices(keys, as_of, known_by)
        found = reductions(self.rows, self.node.of, self.node.how, windows)
        gives = {name: found[how] for how, name in self._columns}
        if self._rows is not None:
            gives[self._rows] = reductions(self.rows, None, ("count",), windows)["count"]
        return gives

    def _row_slice(self, group: int, as_of: Times) -> tuple[int, int, int]:
        """The rows of a single row's window, and its end."""
        time = as_of.view(np.int64).item(0)
        start, stop = self._starts[group], self._starts[group + 1]
        first = bisect_right(self._valid, time - self._over, start, stop)
        until = min(time, time - (self.rows.delay or 0))
        return first, bisect_right(self._valid, until, first, stop), time

    def _of_row(self, group: int, as_of: Times | None) -> Columns:
        if group < 0 or as_of is None:
            return dict(self._empty)
        first, stop, time = self._row_slice(group, as_of)
        gives = self._reduced(first, stop, time)
        if self._rows is not None:
            rows = stop - first
            if self._known is not None:
                rows = int(np.count_nonzero(self.rows.count(slice(first, stop), time)))
            gives[self._rows] = fixed(np.array([rows]))
        return gives

    def _reduced(self, first: int, stop: int, time: int) -> Columns:
        if self._before is not None:
            first, stop = self._before[first], self._before[stop]
        values = self._present.values[first:stop]
        if self._known is not None:
            is_known = self._present.known[first:stop] <= time
            if self._present.until is not None:
                is_known &= self._present.until[first:stop] > time
            if not is_known.all():
                values = values[is_known]
        count = len(values)
        if not count:
            return dict(self._empty)
        return {name: fixed(_of_one(how, values, count)) for how, name in self._columns}


def reader(node: FromTable, rows: TableRows, *, tells_origins: bool = False) -> Reader:
    """The reader of a look-up or window."""
    if isinstance(node, Window):
        return WindowReader(node, rows, tells_origins=tells_origins)
    assert isinstance(node, Lookup), "there are look-ups and windows"
    return LookupReader(node, rows, tells_origins=tells_origins)


def _of_one(how: str, values: Array, count: int) -> Array:
    """A reduction of the rows of one window; as of many, to the bit."""
    match how:
        case "count":
            return np.array([count])
        case "last":
            return values[-1:]
        case "distinct":
            return np.array([float(len(set(values.tolist())))])
        case "mean":
            return np.add.reduceat(values, _WHOLE) / count
    reduced: Array = REDUCE[how].reduceat(values, _WHOLE)
    return reduced
