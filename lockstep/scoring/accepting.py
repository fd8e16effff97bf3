"""Acceptance: findings that a person accepted, and as long as what they stay accepted.

A person accepts a finding, whole. It stays accepted for the batches that follow, as far as it went
then and as much again, until another version is live: that was trained on rows that may have it.
The same rows are not judged twice: what was accepted in the attempt that counts is accepted in
each that has the rows of that, byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from lockstep.columns.schema import Schema
from lockstep.errors import DamagedError, LockstepError
from lockstep.scoring.earlier import ACCEPTED
from lockstep.store.attempts import Attempt
from lockstep.store.partition_records import Records

_ROWS = ("batch.parquet", "batch_quarantine.parquet")
"""The files of an attempt that hold its rows."""
_ID = re.compile("[0-9a-f]{8}")


def demand_known(accept: Sequence[str], schema: Schema) -> None:
    """Check that what a person accepts is a field or the name of a finding.

    Args:
        accept: What a person accepts.
        schema: What records hold.

    Raises:
        LockstepError: It is neither: a misspelled one would accept nothing.
    """
    for name in accept:
        if name not in schema and not _ID.fullmatch(name):
            raise LockstepError(
                f"accept names {name!r}, which is neither a finding, by its eight digits, nor a "
                f"field of {schema.name}; it has {', '.join(schema.names)}."
            )


def accepted_before(
    records: Records, partition: str, written: Mapping[str, str], version: str
) -> Mapping[str, float]:
    """Findings that were accepted of the very same rows before, each with its extent.

    Args:
        records: The stream's.
        partition: The day or file.
        written: SHA-256 of the files of the attempt under way, by name.
        version: SHA-256 of the manifest of the version that judges the rows.
    """
    try:
        counts = records.committed(partition)
    except DamagedError:
        return {}  # what it accepted is not known any more
    if counts is None or not _same_rows(counts, written):
        return {}
    step = counts.record.steps["batch"]
    found: Mapping[str, float] = step.facts.get(ACCEPTED, {}) if step.manifest == version else {}
    return found


def _same_rows(before: Attempt, written: Mapping[str, str]) -> bool:
    return all(name in written and before.files.get(name) == written[name] for name in _ROWS)
