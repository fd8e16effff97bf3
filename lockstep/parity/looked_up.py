"""What look-ups and windows read for a record: the rows of tables that its values come from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lockstep.columns.asof.readers import Reader
from lockstep.columns.asof.table_rows import TableRows
from lockstep.columns.kinds import Columns, Kind
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.plain import plain


@dataclass(frozen=True)
class TableRow:
    """A row of a table, as a person finds it."""

    key: str
    digest: str  # the digest of its fields, in hexadecimal digits
    valid: str | None  # from when it is valid, in ISO form; None in a static table
    known: str | None  # when it became known, in ISO form; None in a static table

    @classmethod
    def of(cls, rows: TableRows, place: int) -> TableRow:
        """The row at a position."""
        times: list[str | None] = [None, None]
        if not rows.schema.static:
            held = (rows.valid, rows.known)
            times = [plain(array.view(Kind.TIME.dtype)[place]) for array in held]
        return cls(
            " ".join(str(plain(rows.columns[name][place])) for name in rows.schema.keys),
            f"{int(rows.digests[place]):016x}",
            *times,
        )


@dataclass(frozen=True)
class LookedUp:
    """The rows that a look-up or window reads for a record.

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
        first, last = (
            "" if row is None else " ".join(filter(None, (row.key, row.valid)))
            for row in (self.first, self.last)
        )
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


def looked_up(pipeline: Pipeline, record: Columns) -> tuple[LookedUp, ...]:
    """What the look-ups and windows of a pipeline read for a record.

    Args:
        record: All columns of a single row.
    """
    return tuple(_looked_up(pipeline, record))


def _looked_up(pipeline: Pipeline, record: Columns) -> Iterator[LookedUp]:
    for read in pipeline.readers.values():
        if set(read.node.inputs) <= set(record):  # a function may fail on the record
            yield _of(read, record)


def _of(read: Reader, record: Columns) -> LookedUp:
    rows, places = read.rows, read.seen(record)
    _, as_of = read.node.asked(record)
    age = None
    if as_of is not None and len(places):
        age = float(as_of.view(np.int64)[0] - rows.valid[places[-1]]) / 1e6
    return LookedUp(
        node=read.node.name,
        role=read.node.role,
        table=rows.schema.name,
        version=rows.version,
        rows=len(places),
        first=TableRow.of(rows, int(places[0])) if len(places) else None,
        last=TableRow.of(rows, int(places[-1])) if len(places) else None,
        age=age,
    )
