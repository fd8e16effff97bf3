"""Acceptance: what a person accepted of a day or file, and as long as what it stays accepted.

Whoever accepts what checks found of some rows has judged these rows. As long as the very same ones
are scored, a later attempt is not blocked by the same again: what was accepted in the attempt that
counts, and was found there, is accepted in each that has the rows of that, byte for byte. Rows
that were corrected, and what was not found then, are judged anew.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lockstep.checks.laws import accepted_laws
from lockstep.checks.results import CheckResult
from lockstep.scoring.attempts import Attempt, DamagedError
from lockstep.scoring.records import Records

SHIFTS, LAWS = "accepted", "accepted_laws"
"""Facts of a batch's step: columns whose shift was accepted, and laws whose breach was."""
_ROWS = ("batch.parquet", "batch_quarantine.parquet")
"""The files of an attempt that hold its rows."""


@dataclass(frozen=True)
class Accepted:
    """What is accepted of a batch.

    Attributes:
        columns: Columns of which a person accepts now whatever is found of them.
        shifts: Columns whose shift was accepted of the same rows before.
        laws: What laws say whose breach was accepted of the same rows before.
    """

    columns: Sequence[str] = ()
    shifts: Collection[str] = ()
    laws: Collection[str] = ()

    @classmethod
    def of(
        cls, columns: Sequence[str], records: Records, partition: str, written: Mapping[str, str]
    ) -> Accepted:
        """What is accepted of rows.

        Args:
            columns: What a person accepts now.
            records: The stream's.
            partition: The day or file.
            written: SHA-256 of the files of the attempt under way, by name.
        """
        try:
            counts = records.committed(partition)
        except DamagedError:
            counts = None  # what it accepted is not known any more
        if counts is None or not _same_rows(counts, written):
            return cls(columns)
        facts = counts.record.steps["batch"].facts
        return cls(columns, facts.get(SHIFTS, ()), facts.get(LAWS, ()))

    @property
    def of_shifts(self) -> list[str]:
        """Columns whose shift does not block."""
        return [*self.columns, *self.shifts]


def accepted_facts(shift: CheckResult, laws: CheckResult) -> dict[str, Any]:
    """What was accepted of what was found, for the record; what was not found is judged anew.

    Args:
        shift: What `sudden_shift` found.
        laws: What `laws` found.
    """
    shifts = {row["column"] for row in shift.table if row.get("accepted")}
    return {SHIFTS: sorted(shifts), LAWS: accepted_laws(laws)}


def _same_rows(before: Attempt, written: Mapping[str, str]) -> bool:
    return all(name in written and before.files.get(name) == written[name] for name in _ROWS)
