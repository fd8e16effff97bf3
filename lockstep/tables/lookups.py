"""Look-ups: columns of the latest row of a key, as known at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

import numpy as np

from lockstep.columns.from_table import FromTable
from lockstep.columns.kinds import Array, Columns, Ints, Kind, Times
from lockstep.tables.found import Found
from lockstep.tables.readers import DECOYS, MICROSECOND, Reader
from lockstep.tables.rows import TableRows, fixed, padded

_SECOND = 1e6


@dataclass(frozen=True, eq=False, kw_only=True)
class Lookup(FromTable):
    """Columns of the latest row of a key, as known at a time."""

    within: timedelta | None = None  # how long a row may have been valid; None for any time

    @cached_property
    def gives(self) -> Mapping[str, Kind]:
        """A column for each field that is a value, and the age of the row unless it is static."""
        table = self.table
        kinds = {f"{self.name}_{field}": table.optional_kind(field) for field in table.values}
        return kinds if table.static else {**kinds, f"{self.name}_age": Kind.FLOAT}

    @cached_property
    def origins(self) -> Mapping[str, Kind]:
        """The digest of the row, 0 for none, from when it is valid, and since when known."""
        kinds = {"digest": Kind.INT, "valid": Kind.TIME, "known": Kind.TIME}
        return {f"{self.name}.{fact}": kind for fact, kind in kinds.items()}

    def reader(self, rows: TableRows, *, tells_origins: bool = False) -> LookupReader:
        """Reads its columns from these rows."""
        return LookupReader(self, rows, tells_origins=tells_origins)


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
        self._within = None if node.within is None else node.within // MICROSECOND
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
        first = np.where(found < 0, valid - DECOYS, found - 1)
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
