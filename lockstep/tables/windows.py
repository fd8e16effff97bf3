"""Windows: what the rows of a key come to that were valid in a span of time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

import numpy as np

from lockstep.columns.from_table import FromTable
from lockstep.columns.kinds import Array, Columns, Ints, Kind, Times
from lockstep.columns.tables import is_missing
from lockstep.tables.found import Found
from lockstep.tables.readers import DECOYS, MICROSECOND, Reader
from lockstep.tables.reductions import REDUCE, Slices, gathered, reductions, slices
from lockstep.tables.rows import MISSING, TableRows, fixed

_WHOLE = np.zeros(1, dtype=np.int64)
"""Where the one slice begins that is all values."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Window(FromTable):
    """What the rows of a key come to that were valid in a span of time, as known at its end."""

    over: timedelta  # the length of the span
    of: str | None = None  # the field that is reduced; None where rows are counted alone
    how: tuple[str, ...] = ("count",)  # the reductions, each of which gives a column

    @cached_property
    def gives(self) -> Mapping[str, Kind]:
        """A column for each reduction."""
        return {f"{self.name}_{how}": self._kind(how) for how in self.how}

    @property
    def origins(self) -> Mapping[str, Kind]:
        """The number of rows in it, with a value or without."""
        return {f"{self.name}.rows": Kind.INT}

    def reader(self, rows: TableRows, *, tells_origins: bool = False) -> WindowReader:
        """Reads its columns from these rows."""
        return WindowReader(self, rows, tells_origins=tells_origins)

    def _kind(self, how: str) -> Kind:
        if how == "count":
            return Kind.INT
        return self.table.optional_kind(self.of or "") if how == "last" else Kind.FLOAT


class WindowReader(Reader):
    """Reads the columns of a window."""

    node: Window

    def __init__(self, node: Window, rows: TableRows, *, tells_origins: bool = False) -> None:
        super().__init__(node, rows)
        self._over = node.over // MICROSECOND
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
        return self._within_groups(groups, first - DECOYS, stop + DECOYS)

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
