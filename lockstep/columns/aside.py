"""Rows that are set aside: each with its reasons and its values as they came."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lockstep.columns.kinds import Array, Columns
from lockstep.columns.plain import plain, python_value
from lockstep.columns.schema import Schema
from lockstep.refusals import TYPE, Reason, Rejected

if TYPE_CHECKING:
    import pyarrow as pa


KEPT = 100
"""Rows that are kept of those that the units of a batch set aside."""
_VALUES = 1_000
"""Values of a column that are counted, the most frequent."""


QUARANTINED = "quarantined"
"""Fate of the rows that are wrong."""
HELD_BACK = "held back"
"""Fate of the rows of a day that is held back whole."""


@dataclass(frozen=True)
class Aside:
    """Rows that were set aside; those of units add up, and memory does not grow."""

    count: int = 0
    rows: tuple[Rejected, ...] = ()  # of several units, the first few
    columns: tuple[str, ...] = ()  # those that do not fit their declaration, as they occur
    rules: Counter[str] = field(default_factory=Counter)  # by rule, how many of the reasons
    # By column as delivered, how many of the rows have each value, as a text.
    values: Mapping[str, Counter[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Sequence[Rejected]) -> Aside:
        """Rows that were set aside."""
        reasons = [reason for row in rows for reason in row.reasons]
        columns = dict.fromkeys(reason.column for reason in reasons if reason.rule == TYPE)
        values: dict[str, Counter[str]] = {}
        for row in rows:
            for name, value in row.record.items():
                if value is not None:
                    values.setdefault(name, Counter())[str(value)] += 1
        rules = Counter(reason.rule for reason in reasons)
        return cls(len(rows), tuple(rows), tuple(columns), rules, values)

    def __len__(self) -> int:
        return self.count

    def __add__(self, other: Aside) -> Aside:
        """The rows of both; the first few in the order of the input are kept."""
        names = dict.fromkeys((*self.values, *other.values))
        values = {name: self._values(name) + other._values(name) for name in names}
        return Aside(
            self.count + other.count,
            (*self.rows, *other.rows),
            tuple(dict.fromkeys((*self.columns, *other.columns))),
            self.rules + other.rules,
            values,
        ).bounded()

    def bounded(self) -> Aside:
        """The same with the first few rows and the most frequent values: what processes hand on."""
        return replace(
            self,
            rows=tuple(sorted(self.rows, key=_number)[:KEPT]),
            values={name: _most_frequent(counts) for name, counts in self.values.items()},
        )

    def _values(self, name: str) -> Counter[str]:
        return self.values.get(name, Counter())


def _most_frequent(counts: Counter[str]) -> Counter[str]:
    return Counter(dict(counts.most_common(_VALUES))) if len(counts) > _VALUES else counts


def _number(row: Rejected) -> int:
    return row.row


def set_aside(
    columns: Columns,
    reasons: Mapping[int, tuple[Reason, ...]],
    schema: Schema,
    origins: Array | None = None,
) -> tuple[Rejected, ...]:
    """The rows to set aside, with their values and their reasons by position.

    `origins` holds the position of each row in the input; its position here by default.
    """
    return tuple(
        Rejected(
            row=position if origins is None else int(origins[position]),
            key=str(columns[schema.key or ""][position]),
            reasons=why,
            record={name: python_value(columns[name][position]) for name in schema.names},
        )
        for position, why in reasons.items()
    )


def record_digest(record: Mapping[str, Any]) -> str:
    """SHA-256 of the values of a row that was set aside, as kept or as they come."""
    text = json.dumps(plain(record), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def quarantine_table(
    quarantined: Iterable[Rejected],
    duplicates: Iterable[Rejected] = (),
    held_back: Iterable[Rejected] = (),
) -> pa.Table:
    """A table of rows that were set aside, with their reasons and original values."""
    import pyarrow as pa

    rows = [
        *((QUARANTINED, row) for row in quarantined),
        *(("duplicate", row) for row in duplicates),
        *((HELD_BACK, row) for row in held_back),
    ]
    return pa.table(
        {
            "fate": pa.array([fate for fate, _ in rows], pa.string()),
            "row": pa.array([row.row for _, row in rows], pa.int64()),
            "key": pa.array([row.key for _, row in rows], pa.string()),
            "columns": pa.array(
                [[reason.column for reason in row.reasons if reason.column] for _, row in rows],
                pa.list_(pa.string()),
            ),
            "reasons": pa.array(["; ".join(map(str, row.reasons)) for _, row in rows], pa.string()),
            "record": pa.array([json.dumps(plain(row.record)) for _, row in rows], pa.string()),
            "acceptable": pa.array([_is_acceptable(*each) for each in rows], pa.bool_()),
        }
    )


def _is_acceptable(fate: str, row: Rejected) -> bool:
    """Whether a person may accept a row as it is: nothing but row rules refuse it."""
    return fate == QUARANTINED and all(reason.is_of_a_rule for reason in row.reasons)
