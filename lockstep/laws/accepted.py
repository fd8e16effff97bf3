"""Accepted cases: in what published batches broke laws, and were published all the same.

What breaks a strict law is published only if a person accepts it: a meter was exchanged, a price is
no longer asked for. The days that follow have it, too, and are no news. So a finding that is of the
same cases as those of a published batch, and about as much of each, is unusual at most, and one
that several of the last batches had is not told any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from lockstep.laws.bands import LATE, LATE_TIMES
from lockstep.laws.earlier import Earlier
from lockstep.laws.law import Broken

AS_MUCH = 2.0
"""How many times as much as in a batch that was accepted a case may be."""


def cases_of(found: Sequence[Broken]) -> dict[str, dict[str, float]]:
    """In which cases a batch breaks laws, and how much: by the digest of the law, and the case.

    Args:
        found: What it breaks.
    """
    return {one.law.digest: dict(one.cases) for one in found if one.cases}


def with_accepted(found: Sequence[Broken], earlier: Sequence[Earlier]) -> list[Broken]:
    """Findings without those that are no news: see above.

    Args:
        found: What a batch breaks.
        earlier: The batches that were published before, the newest last.
    """
    late = [batch.cases for batch in earlier[-LATE:] if batch.cases]
    if not late:
        return list(found)
    told = []
    for one in found:
        times = _times(one, late)
        if times < LATE_TIMES:
            told.append(replace(one, strict=one.strict and not times))
    return told


def _times(found: Broken, late: Sequence[dict[str, dict[str, float]]]) -> int:
    """How many batches had the case of a finding that fewest of them had; 0 where it tells none."""
    times = Counter(
        case
        for kept in late
        for case, much in kept.get(found.law.digest, {}).items()
        if found.cases.get(case, 0.0) <= AS_MUCH * much
    )
    return min((times[case] for case in found.cases), default=0)
