"""Other batches as laws look at them: what each attempt keeps for the batches that follow it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from lockstep.scoring.attempts import Attempt
from lockstep.scoring.records import Records

if TYPE_CHECKING:
    from lockstep.laws.earlier import Earlier

BATCHES = 28
"""Batches that are looked at: four weeks of days."""
_FILE = "earlier"


def keep_for_later(attempt: Attempt, kept: Earlier) -> None:
    """Keep of an attempt's rows what the batches that follow are compared with.

    Args:
        attempt: The attempt, in whose step it is kept.
        kept: What the laws of the version that judges them keep of its rows.
    """
    attempt.write_json(_FILE, msgspec.to_builtins(kept))


def earlier_batches(records: Records, partition: str) -> list[Earlier]:
    """What was kept of the batches that were published before one, the newest last.

    Those of an older Lockstep, which kept nothing, are left out.

    Args:
        records: The stream's.
        partition: The batch.

    Raises:
        DamagedError: What was kept is not what was recorded.
    """
    return _kept(records, records.before(partition)[-BATCHES:])


def later_batches(records: Records, partition: str) -> list[Earlier]:
    """What was kept of the batch that was published of the next day, where a day comes late.

    Args:
        records: The stream's.
        partition: The batch.

    Raises:
        DamagedError: What was kept is not what was recorded.
    """
    return _kept(records, records.after(partition)[:1])


def _kept(records: Records, partitions: Sequence[str]) -> list[Earlier]:
    from lockstep.laws.earlier import Earlier

    attempts = [records.demand(one) for one in partitions]
    kept = [attempt for attempt in attempts if f"{_FILE}.json" in attempt.files]
    return [attempt.read_json(_FILE, partial(_of, attempt), Earlier) for attempt in kept]


def _of(attempt: Attempt, found: Earlier) -> Earlier:
    """What was kept of an attempt, if it is that of its partition."""
    if found.partition != attempt.record.partition:
        raise ValueError(f"it is that of {found.partition}")
    return found
