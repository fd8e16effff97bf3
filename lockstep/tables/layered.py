"""The rows of a table to which a few are added: those of the keys that they touch, over all others.

To order all rows anew for each that is posted would take seconds. So the rows of the touched keys,
old and new, are a small table of their own, which is asked first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from lockstep.columns.from_table import FromTable
from lockstep.columns.kinds import Array, Columns, Kind, Times
from lockstep.columns.table_schema import TableSchema
from lockstep.columns.tables import WITHDRAWN, stacked, take_rows, with_known
from lockstep.tables.readers import Reader, reader_of
from lockstep.tables.rows import TableRows, fixed
from lockstep.tables.windows import Window

_LEAST_TOP, _SHARE = 2_000, 200
_LEAST_ADDED = 32
"""When rows belong into the base: it takes longer to add to many, and to order all of them."""


class KeptRows(Protocol):
    """Rows that are not in memory: those that a micro-batch reaches are fetched."""

    @property
    def schema(self) -> TableSchema:
        """The declaration of the table."""

    @property
    def version(self) -> str:
        """Their version."""

    def __len__(self) -> int: ...

    def between(self, keys: Sequence[Array], after: Times | None, until: Times | None) -> Columns:
        """The rows of keys that are valid after a time and at or before another one.

        Without `after`, those of the last time of each key of which a row was known by `until`.
        """

    def at(self, columns: Columns) -> Columns:
        """The rows that have key and time of one of some rows, in the order in which they came."""


class LayeredRows:
    """The rows of a table at one version: those of an earlier one, its base, and `added` ones.

    `top` has all rows of the keys that were added to since, and over a base that is not in memory
    the added ones alone; None if none was.
    """

    def __init__(
        self,
        base: TableRows | KeptRows,
        top: TableRows | None = None,
        version: str = "",
        added: int = 0,
    ) -> None:
        self.base, self.top, self.added = base, top, added
        self.version = version or base.version
        self._readers: dict[FromTable, LayeredReader | FetchingReader] = {}

    def __len__(self) -> int:
        return len(self.base) + self.added

    @property
    def schema(self) -> TableSchema:
        """The declaration of the table."""
        return self.base.schema

    @property
    def is_top_heavy(self) -> bool:
        """Whether so many rows were added that they belong into the base."""
        most = max(_LEAST_TOP, len(self.base) // _SHARE)
        return self.top is not None and len(self.top) > most and self.added >= _LEAST_ADDED

    def reader(self, node: FromTable) -> LayeredReader | FetchingReader:
        """The reader of a look-up or window."""
        found = self._readers.get(node)
        if found is None:
            if isinstance(self.base, TableRows):
                found = LayeredReader(node, self.base, self.top)
            else:
                found = FetchingReader(node, self.base, self.top)
            self._readers[node] = found
        return found

    def adding(self, columns: Columns, known: Times, version: str) -> LayeredRows:
        """These rows and further ones, in canonical form; `version` is the one with them."""
        added = len(known)
        if not added:
            return LayeredRows(self.base, self.top, version, self.added)
        sets = [with_known(columns, known)]
        if isinstance(self.base, TableRows):
            fresh = columns
            if self.top is not None:
                fresh = take_rows(columns, self.top.index.groups_of(self._keys(columns)) < 0)
            sets = [_of_keys(self.base, self._keys(fresh)), *sets]
        if self.top is not None:
            sets = [_with_known(self.top), *sets]
        together = stacked(sets)
        top = TableRows.of(self.schema, together, together.pop(""), version)
        return LayeredRows(self.base, top, version, self.added + added)

    def of_keys(self, columns: Columns) -> Columns:
        """All rows that have key and time of one of some rows, as they came; and others."""
        keys = self._keys(columns)
        if not isinstance(self.base, TableRows):
            base = self.base.at(columns)
            return base if self.top is None else stacked([base, _of_keys(self.top, keys)])
        sets = [_of_keys(self.base, keys)]
        if self.top is not None:
            of_top = self.top.index.groups_of(keys)
            others = [array[of_top < 0] for array in keys]
            sets = [_of_keys(self.top, keys), _of_keys(self.base, others)]
        return stacked(sets)

    def merged(self) -> TableRows:
        """All rows in one table, of a base in memory."""
        assert isinstance(self.base, TableRows)
        if self.top is None:
            return self.base
        firsts = take_rows(self.top.columns, self.top.starts[:-1])
        is_base = np.ones(len(self.base), dtype=bool)
        is_base[self.base.places(self.base.index.groups_of(self._keys(firsts)))] = False
        below = take_rows(_with_known(self.base), is_base)
        together = stacked([below, _with_known(self.top)])
        return TableRows.of(self.schema, together, together.pop(""), self.version)

    def _keys(self, columns: Columns) -> list[Array]:
        return [columns[name] for name in self.schema.keys]


class LayeredReader:
    """The columns of a look-up or window, each row's from the layer that has its key.

    `origins` of the node are among them: who computes an answer has them logged.
    """

    def __init__(self, node: FromTable, base: TableRows, top: TableRows | None) -> None:
        self.node = node
        self._base = reader_of(node, base, tells_origins=True)
        self._top = None if top is None else reader_of(node, top, tells_origins=True)

    def __call__(self, columns: Columns, /) -> Columns:
        """The node's columns of some rows, read-only and in canonical form."""
        return self.read(*self.node.asked(columns))

    def read(self, keys: Sequence[Array], as_of: Times | None) -> Columns:
        """The node's columns, read-only and in canonical form, for what its function asks."""
        top = self._top
        if top is None or len(keys[0]) == 1:
            return self.layer(keys).read(keys, as_of)
        is_top = top.rows.index.groups_of(keys) >= 0
        if not is_top.any():
            return self._base.read(keys, as_of)
        if is_top.all():
            return top.read(keys, as_of)
        return _parted(is_top, top.read(keys, as_of), self._base.read(keys, as_of))

    def layer(self, keys: Sequence[Array]) -> Reader:
        """The reader of all rows of a single row's key."""
        top = self._top
        return self._base if top is None or top.group(keys) < 0 else top


class FetchingReader:
    """The columns of a look-up or window, and `origins`, of rows that are fetched each time.

    All rows that decide what is read are fetched, and are read as rows in memory are.
    """

    def __init__(self, node: FromTable, base: KeptRows, top: TableRows | None) -> None:
        self.node, self._base, self._top = node, base, top

    def __call__(self, columns: Columns, /) -> Columns:
        """The node's columns of some rows, read-only and in canonical form."""
        return self.read(*self.node.asked(columns))

    def read(self, keys: Sequence[Array], as_of: Times | None) -> Columns:
        """The node's columns, read-only and in canonical form, for what its function asks."""
        after = None
        if isinstance(self.node, Window) and as_of is not None:
            after = as_of - np.timedelta64(self.node.over)
        found = self._base.between(keys, after, as_of)
        if self._top is not None:
            found = stacked([found, _of_keys(self._top, keys)])
        if after is None and as_of is not None and found[WITHDRAWN].any():
            found = stacked([found, self._base.between(keys, _ever(as_of), as_of)])
        rows = TableRows.of(self.node.table, found, found.pop(""))
        return self.node.reader(rows, tells_origins=True).read(keys, as_of)


def _ever(as_of: Times) -> Times:
    """Times before all rows."""
    return np.full(len(as_of), np.datetime64(-(2**63) + 1, "us"))


def _parted(is_top: Array, top: Columns, base: Columns) -> Columns:
    return {name: fixed(np.where(is_top, top[name], base[name])) for name in base}


def _with_known(rows: TableRows) -> Columns:
    columns = {**rows.columns, WITHDRAWN: rows.withdrawn}
    return with_known(columns, rows.known.view(Kind.TIME.dtype))


def _of_keys(rows: TableRows, keys: Sequence[Array]) -> Columns:
    return take_rows(_with_known(rows), rows.places(rows.index.groups_of(keys)))
