"""Rows that a person puts back: set aside in a partition, and corrected or accepted since.

    put_back/PARTITION.json   each such row, by its key and the digest of its delivered values

The file is written before the attempt that scores the rows, and every later attempt reads it: the
source delivers them as before. A row that comes with other values is taken as it comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from lockstep.columns.aside import record_digest
from lockstep.columns.decode import Decoded, decode
from lockstep.columns.kinds import Array, Columns
from lockstep.columns.plain import file_name, python_value
from lockstep.columns.schema import Schema
from lockstep.columns.tables import stacked, take_rows
from lockstep.store.partition_records import Records
from lockstep.store.state_files import read_state, write_state

PUT_BACK = "put_back"
"""The fact of a batch's step that tells which rows were put back; see `PutBack.facts`."""


@dataclass(frozen=True)
class RowBack:
    """A row that is put back."""

    key: str | None  # as it was set aside; None where that cannot be read
    digest: str  # SHA-256 of its values as it was set aside; see `record_digest`
    # Its corrected values; None where it is accepted as it is.
    record: dict[str, Any] | None = field(repr=False)

    @property
    def which(self) -> tuple[str | None, str]:
        """What it is found by: its key and the digest of its values."""
        return self.key, self.digest


@dataclass(frozen=True)
class PutBack:
    """Which rows of a unit were put back; those of units add up."""

    corrected: tuple[str | None, ...]  # the keys that the rows had which were corrected
    accepted: tuple[str | None, ...]  # the keys of the rows that were accepted as they are
    # The rows that are not put back, by key and digest: they came otherwise than they were set
    # aside, or do not fit their declaration.
    left: frozenset[tuple[str | None, str]]

    def __add__(self, other: PutBack) -> PutBack:
        """The rows of both."""
        return PutBack(
            self.corrected + other.corrected,
            self.accepted + other.accepted,
            self.left & other.left,
        )

    @property
    def facts(self) -> dict[str, Any]:
        """The keys of the rows that were `corrected` and `accepted`, and how many others not."""
        return {
            "corrected": list(self.corrected),
            "accepted": list(self.accepted),
            "otherwise": len(self.left),
        }


@dataclass(frozen=True)
class RowsBack:
    """The rows of a unit with those that are put back."""

    rows: Decoded  # all rows, the corrected ones in the places of those delivered
    accepted: frozenset[int]  # positions in `rows.columns` of the rows that no row rule may refuse
    put_back: PutBack


def read_put_back(records: Records, partition: str) -> list[RowBack]:
    """The rows of a partition that are put back; DamagedError where their file cannot be read."""
    fails = "does not tell which rows are put back"
    todo = "remove it, and put them back anew: lockstep quarantine retry"
    return read_state(_path(records, partition), list[RowBack], fails, todo) or []


def put_back(records: Records, partition: str, rows: Iterable[RowBack]) -> None:
    """Keep rows of a partition to be put back, beside those that are already.

    Raises DamagedError where the file of those cannot be read, and LockedError where another
    process keeps the partition locked.
    """
    with records.locked(partition):
        known = {row.which: row for row in read_put_back(records, partition)}
        known |= {row.which: row for row in rows}
        write_state(_path(records, partition), list(known.values()))


def with_rows_back(rows: Decoded, schema: Schema, back: Sequence[RowBack]) -> RowsBack:
    """Correct decoded rows, and find those that are accepted.

    A corrected row may have been set aside again, and corrected again: until none is left.
    """
    corrected: list[str | None] = []
    left = list(back)
    places = _places(rows, schema, left)
    while now := [row for row in left if row.record is not None and row.which in places]:
        records = {at: row.record or {} for row in now for at in places[row.which]}
        rows = _corrected(rows, schema, records)
        corrected += [row.key for row in now]
        left = [row for row in left if row not in now]
        places = _places(rows, schema, left)
    fitting = {int(at): position for position, at in enumerate(rows.rows)} if left else {}
    accepted = {
        fitting[at]: row
        for row in left
        for at in places.get(row.which, ())
        if row.record is None and at in fitting
    }
    keys = tuple(dict.fromkeys(row.key for row in accepted.values()))
    others = {row.which for row in left} - {row.which for row in accepted.values()}
    return RowsBack(rows, frozenset(accepted), PutBack(tuple(corrected), keys, frozenset(others)))


def _places(
    rows: Decoded, schema: Schema, back: Sequence[RowBack]
) -> dict[tuple[str | None, str], list[int]]:
    """Where in the input the rows are that are put back, by key and digest."""
    keys = {row.key for row in back}
    places: dict[tuple[str | None, str], list[int]] = {}
    for position, key in enumerate(map(str, rows.columns[schema.key or ""]) if keys else ()):
        if key in keys:
            values = {name: python_value(rows.columns[name][position]) for name in schema.names}
            places.setdefault((key, record_digest(values)), []).append(int(rows.rows[position]))
    for row in rows.rejected:
        if row.key in keys:
            places.setdefault((row.key, record_digest(row.record)), []).append(row.row)
    return places


def _corrected(rows: Decoded, schema: Schema, records: Mapping[int, Mapping[str, Any]]) -> Decoded:
    """The rows with those at some places of the input replaced by other records."""
    at = np.array(list(records), np.int64)
    new = decode(list(records.values()), schema, source="the corrected rows")
    refused = [replace(row, row=int(at[row.row])) for row in new.rejected]
    stay = [row for row in rows.rejected if row.row not in records]
    numbered = {field.name: at[new.rows] for field in schema if field.is_row_number}
    origins, columns = _merged(
        (rows.rows, rows.columns), (at[new.rows], {**new.columns, **numbered}), at
    )
    _, unfit = _merged(
        (np.array([row.row for row in rows.misfits], np.int64), rows.unfit),
        (np.array([row.row for row in refused], np.int64), new.unfit),
        at,
    )
    rejected = tuple(sorted((*stay, *refused), key=lambda row: row.row))
    return Decoded(columns, origins, rejected, rows.ignored, rows.total, unfit)


def _merged(
    old: tuple[Array, Columns], new: tuple[Array, Columns], replaced: Array
) -> tuple[Array, Columns]:
    """Rows in the order of their places, without the old ones at the replaced places."""
    stay = ~np.isin(old[0], replaced)
    origins = np.concatenate([old[0][stay], new[0]])
    order = np.argsort(origins, kind="stable")
    parts = [part for part in (take_rows(old[1], stay), new[1]) if part]
    columns = take_rows(stacked(parts), order) if parts else {}
    for array in columns.values():
        array.setflags(write=False)
    return origins[order], columns


def _path(records: Records, partition: str) -> Path:
    return records.root / PUT_BACK / f"{file_name(partition)}.json"
