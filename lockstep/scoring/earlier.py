"""Earlier batches as laws look at them: what each attempt keeps for the batches that follow it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from lockstep.scoring.attempts import Attempt
from lockstep.scoring.records import Records

if TYPE_CHECKING:
    from lockstep.laws.earlier import Earlier
    from lockstep.laws.rows import Rows

BATCHES = 28
"""Batches that are looked at: four weeks of days."""
_FILE = "earlier"


def keep_for_later(attempt: Attempt, rows: Rows) -> None:
    """Keep of an attempt's rows what the batches that follow are compared with.

    Args:
        attempt: The attempt, in whose step it is kept.
        rows: Its rows.
    """
    kept = rows.remembered(attempt.record.partition)
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
    attempts = [records.demand(one) for one in records.before(partition)[-BATCHES:]]
    kept = [attempt for attempt in attempts if f"{_FILE}.json" in attempt.files]
    return [attempt.read_json(_FILE, partial(_earlier, attempt)) for attempt in kept]


def _earlier(attempt: Attempt, stored: Any) -> Earlier:
    from lockstep.laws.earlier import Earlier

    found = msgspec.convert(stored, Earlier)
    if found.partition != attempt.record.partition:
        raise ValueError(f"it is that of {found.partition}")
    return found
