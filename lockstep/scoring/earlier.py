"""Earlier batches as laws look at them: what each attempt keeps for the batches that follow it."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    from lockstep.laws.earlier import Earlier

    attempts = [records.demand(one) for one in records.before(partition)[-BATCHES:]]
    kept = [attempt for attempt in attempts if f"{_FILE}.json" in attempt.files]
    return [msgspec.convert(attempt.read_json(_FILE), Earlier) for attempt in kept]
