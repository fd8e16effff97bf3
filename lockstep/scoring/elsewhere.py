"""Rows that another file published before: a key that came in several files is read several times.

Each file is published by itself, under its own name. Whoever reads all of them finds a row for each
file that holds a key; the one with the latest `scored_at` came last.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lockstep.checks.check_results import CheckResult, coverage
from lockstep.columns.kinds import Array, Columns
from lockstep.columns.plain import counted, listed, show
from lockstep.columns.schema import Schema
from lockstep.columns.tables import from_arrow, kinds_of, take_rows
from lockstep.errors import DamagedError
from lockstep.parity.exactness import difference
from lockstep.store.attempts import Attempt
from lockstep.store.partition_records import Records

FILES = 28
"""Files before one whose keys are looked at: about a month of a file a day."""
_EXAMPLES = 5
"""Files and keys that are named."""
_TODO = (
    "Whoever reads several files takes of a key the row with the latest scored_at; tell them that "
    "there are some. If these rows should not have come again, have the file delivered without "
    "them, then: AGAIN"
)


@dataclass(frozen=True)
class _Shared:
    """The rows whose keys another file published.

    Attributes:
        partition: The other file.
        rows: Where they are among the rows now.
        changed: By field, how many of them have another value now.
    """

    partition: str
    rows: Array
    changed: dict[str, int]


def published_elsewhere(
    records: Records, partition: str, raw: Columns, schema: Schema
) -> CheckResult | None:
    """Which rows of a file have keys that the last files before it published; None if none do.

    Days are left alone: whether their keys are new is a constraint. What is damaged is left out:
    whoever reads it is told.

    Args:
        records: The stream's.
        partition: The file.
        raw: Its accepted rows.
        schema: What they are declared to hold.
    """
    key = schema.key
    assert key is not None, "rows that are scored have a key"
    if records.holds_days:
        return None
    shared = list(_shared(records, partition, raw, schema, key))
    if not shared:
        return None
    rows = np.unique(np.concatenate([one.rows for one in shared]))
    keys = tuple(str(one) for one in raw[key][rows[:_EXAMPLES]])
    changed: dict[str, int] = {}
    for one in shared:
        for name, count in one.changed.items():
            changed[name] = changed.get(name, 0) + count
    files = listed((f"{one.partition} ({len(one.rows):,})" for one in shared), _EXAMPLES)
    others = ", ".join(f"{name} ({count:,})" for name, count in changed.items())
    values = f"with other values in {others}" if changed else "with the same values"
    count = len(raw[key])
    return CheckResult(
        False,
        f"The {key} of {counted(len(rows), 'row')} of {count:,} was published of other files "
        f"before, {values}, such as {show(raw[key][rows[0]])}: {files}. Each file is published by "
        "itself, so that whoever reads all finds such a row more than once.",
        severity="WARN",
        column=key,
        also=tuple(changed),
        keys=keys,
        numbers={**coverage(count, len(schema.names), {}), "published of other files": len(rows)},
        table=[
            {
                "file": one.partition,
                "rows": len(one.rows),
                "fields with other values": ", ".join(one.changed),
                "key": str(raw[key][one.rows[0]]),
            }
            for one in shared
        ],
        todo=_TODO,
    )


def _shared(
    records: Records, partition: str, raw: Columns, schema: Schema, key: str
) -> Iterator[_Shared]:
    now = pd.Index(raw[key])
    for other in reversed(records.before(partition, FILES)):
        with suppress(DamagedError):
            before = _batch(records.demand(other), now, key)
            if before is not None:
                at = now.get_indexer(pd.Index(before[key]))
                held = take_rows(raw, at)
                changed = {
                    name: int(np.sum(difference(before[name], held[name]).rows))
                    for name in schema.names
                    if name in before and before[name].dtype == held[name].dtype
                }
                yield _Shared(other, np.sort(at), {name: n for name, n in changed.items() if n})


def _batch(attempt: Attempt, keys: pd.Index, key: str) -> Columns | None:
    """The published rows of an attempt that have one of these keys; None if none has."""
    published = pd.Index(attempt.read("published").column(0).to_pandas())
    shared = published[keys.get_indexer(published) >= 0]
    if shared.empty:
        return None
    table = attempt.read("batch")
    rows = from_arrow(table, kinds_of(table))
    if key not in rows:  # the version that scored it named the key otherwise
        return None
    return take_rows(rows, pd.Index(rows[key]).isin(shared))
