"""Which rows of tables look-ups and windows read for records, and why one of them is named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from lockstep.columns.from_table import FromTable
from lockstep.columns.kinds import Ints, Kind, Times
from lockstep.columns.plain import plain
from lockstep.tables.rows import TableRows

Cause: TypeAlias = Literal["early", "late", "restated", "backdated", "withdrawn", "gone"]


@dataclass(frozen=True)
class TableRow:
    """A row of a table, as a person finds it."""

    key: str
    digest: str  # the digest of its fields, in hexadecimal digits
    valid: str | None  # from when it is valid, in ISO form; None in a static table
    known: str | None  # when it became known, in ISO form; None in a static table

    @property
    def name(self) -> str:
        """Its key and time."""
        return " ".join(filter(None, (self.key, self.valid)))


@dataclass(frozen=True, eq=False)
class Found:
    """The rows of a table that a look-up or window reads for some records.

    Attributes:
        as_of: The time as of which each record asks; None for a static table.
        places: The positions of the rows in the table, of one record after the other.
        counts: By record, how many rows it reads.
    """

    node: FromTable
    rows: TableRows
    as_of: Times | None
    places: Ints
    counts: Ints

    @property
    def last(self) -> Ints:
        """By record, the position of the last row: the one that a look-up finds; -1 for none."""
        stops = np.where(self.counts > 0, np.cumsum(self.counts), 0)
        last: Ints = np.append(self.places, -1)[stops - 1]
        return last

    def row(self, place: int) -> TableRow:
        """A row of the table."""
        rows, times = self.rows, list[str | None]([None, None])
        if not rows.schema.static:
            times = [plain(at.view(Kind.TIME.dtype)[place]) for at in (rows.valid, rows.known)]
        key = " ".join(str(plain(rows.columns[name][place])) for name in rows.schema.keys)
        return TableRow(key, f"{int(rows.digests[place]):016x}", *times)

    def named(self, record: object, cause: Cause, place: int | None = None) -> NamedRow:
        """A row of the table that is named for a record."""
        return NamedRow(self.node, str(record), cause, None if place is None else self.row(place))

    def told(self) -> LookedUp:
        """What is told of the rows of a single record."""
        places, first, last, age = self.places, None, None, None
        if len(places):
            first, last = map(self.row, places[[0, -1]].tolist())
            if self.as_of is not None:
                age = float(self.as_of.view(np.int64)[0] - self.rows.valid[places[-1]]) / 1e6
        node, rows = self.node, self.rows
        return LookedUp(
            node.name, node.role, rows.schema.name, rows.version, len(places), first, last, age
        )


@dataclass(frozen=True)
class NamedRow:
    """A row of a table that a look-up or window reads for a record, or would read today.

    Attributes:
        record: The record's key.
        cause: Why it is named. `"early"`: it was not known yet when the record happened. `"late"`:
            it came after it was to be known. `"restated"`: it takes the place of the one that was
            read. `"backdated"`: it came late, behind rows of its key that are valid after it.
            `"withdrawn"`: it was read, and withdrawn since. `"gone"`: it was read, and is there no
            longer.
        row: None where it is gone or withdrawn.
    """

    node: FromTable
    record: str
    cause: Cause
    row: TableRow | None
    at: str | None = None  # when the record happened, of an early row


@dataclass(frozen=True)
class LookedUp:
    """What is told of the rows that a look-up or window reads for a record.

    Attributes:
        node: Its name.
        first: The first of them; None where there are none.
        last: The last of them: the one that a look-up finds.
        age: Seconds from when the last one is valid until it is asked for; None without one, and in
            a static table.
    """

    node: str
    role: str
    table: str
    version: str
    rows: int
    first: TableRow | None
    last: TableRow | None
    age: float | None

    def told(self) -> dict[str, str]:
        """As texts of a table's row."""
        first, last = ("" if row is None else row.name for row in (self.first, self.last))
        return {
            "read by": self.node,
            "table": f"{self.table} {self.version[:12]}".rstrip(),
            "rows": f"{self.rows:,}",
            "first": first if self.rows > 1 else "",
            "last": last,
            "digest": "" if self.last is None else self.last.digest,
            "known": "" if self.last is None else self.last.known or "",
            "age (s)": "" if self.age is None else f"{self.age:,.0f}",
        }
