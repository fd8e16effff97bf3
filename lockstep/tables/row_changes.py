"""Row changes: which rows of a delivery a ledger lacks, restates or has already."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lockstep.columns.digests import digests_of_rows
from lockstep.columns.kinds import Array, Columns, Ints
from lockstep.columns.plain import plain
from lockstep.columns.table_schema import TableSchema
from lockstep.columns.tables import WITHDRAWN
from lockstep.errors import UnknownError

_WITHDRAWAL = np.uint64(0x94D049BB133111EB)
"""What tells the digest of a withdrawal from that of its row."""


def conflicts(schema: TableSchema, columns: Columns) -> Ints:
    """Positions of rows of one key and time that have different values; events have none."""
    identities = _identities(schema, columns)
    _, first = np.unique(_row_digests(schema, columns), return_index=True)
    _, place, counts = np.unique(identities[first], return_inverse=True, return_counts=True)
    return np.sort(first[counts[place] > 1])


def changes_of(
    schema: TableSchema, columns: Columns, held: Columns, withdrawn: str | None = None
) -> tuple[Ints, Array, Ints]:
    """Compare rows with those that are held.

    Args:
        held: Those of one key and time in the order in which they were received.
        withdrawn: Why rows that are held are withdrawn by these; None for rows that are to count.

    Returns:
        By row, how many of its key and time are held (int64), and whether the last is the same
        (bool); and the positions of the rows to add (int64).

    Raises:
        UnknownError: A row that is withdrawn is not there.
    """
    identities, digests = (f(schema, columns) for f in (_identities, _row_digests))
    known, rows = (f(schema, held) for f in (_identities, _row_digests))
    if WITHDRAWN in held:
        rows = np.where(held[WITHDRAWN], rows ^ _WITHDRAWAL, rows)
    order = np.argsort(known, kind="stable")  # of one key and time, the last that came is last
    known, rows = known[order], rows[order]
    first, stop = (np.searchsorted(known, identities, side) for side in ("left", "right"))
    is_held = stop > first
    repeated = np.zeros(len(digests), dtype=bool)
    if withdrawn is not None:
        standing = np.zeros(len(digests), dtype=np.uint64)
        standing[is_held] = rows[stop[is_held] - 1]
        is_there = is_held & ((standing == digests) | (standing == digests ^ _WITHDRAWAL))
        digests = digests ^ _WITHDRAWAL
        for place in np.flatnonzero(~is_there).tolist():
            row = {name: plain(columns[name][place]) for name in schema.identifying}
            raise UnknownError(f"{schema.name} has no such row to withdraw: {row}.")
    repeated[is_held] = rows[stop[is_held] - 1] == digests[is_held]
    is_first = np.zeros(len(digests), dtype=bool)
    is_first[np.unique(digests, return_index=True)[1]] = True
    return stop - first, repeated, np.flatnonzero(is_first & ~repeated)


def _row_digests(schema: TableSchema, columns: Columns) -> Array:
    """A digest of each row: uint64."""
    return _mixed(columns, schema.schema.names)


def _identities(schema: TableSchema, columns: Columns) -> Array:
    """What two rows have in common of which the later one takes the place of the earlier one."""
    return _mixed(columns, schema.identifying)


def _mixed(columns: Columns, names: Sequence[str]) -> Array:
    return digests_of_rows({name: columns[name] for name in names})
