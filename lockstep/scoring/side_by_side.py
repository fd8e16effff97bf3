"""Predictions of two versions side by side, where another version published a partition before."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from lockstep.artifacts.version import LoadedVersion
from lockstep.errors import DamagedError
from lockstep.store.attempts import Attempt
from lockstep.store.partition_records import Records

if TYPE_CHECKING:
    import pyarrow as pa


NAME = "side_by_side"
"""Name of the table, beside the attempt's others."""
_BEFORE = "_before"


def side_by_side(records: Records, attempt: Attempt, live: LoadedVersion) -> pa.Table | None:
    """The outputs of a version beside those that the last other version published.

    Each key that either has is a row, in order: the outputs and `version`, and the same of before
    with the suffix `_before`; null where a version has no such row. None where no other version
    published the partition and is kept, or keys cannot be matched.
    """
    key = live.pipeline.key
    before = _of_another_version(records, attempt.record.partition, live.digest)
    if before is None:
        return None
    now = attempt.read("scored", [key, *live.pipeline.graph.outputs, "version"])
    if (
        key not in before.column_names
        or before.schema.field(key).type != now.schema.field(key).type
    ):
        return None  # the other version named or declared the key otherwise
    others = [name for name in before.column_names if name != key]
    before = before.rename_columns({name: f"{name}{_BEFORE}" for name in others})
    return now.join(before, key, join_type="full outer").sort_by(key)


def _of_another_version(records: Records, partition: str, manifest: str) -> pa.Table | None:
    """The key and outputs that the last other version published, with its version."""
    import pyarrow as pa

    with suppress(DamagedError):  # `rescored` and the audit tell
        for attempt in records.newest_first(partition):
            published = attempt.record.steps.get("published")
            if published is not None and published.manifest != manifest:
                table = attempt.read("published")
                times = [field.name for field in table.schema if pa.types.is_timestamp(field.type)]
                return table.drop_columns(times)
    return None
