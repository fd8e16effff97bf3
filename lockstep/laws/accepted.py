"""Accepted cases: in what published batches broke laws, and were published all the same.

What breaks a strict law is published only if a person accepts it: a meter was exchanged, a price is
no longer asked for. The days that follow have it, too, and are no news. So a finding that is of the
same cases as those of a published batch, and about as much of each, is unusual at most, and one
that several of the last batches had is not told any more. What was merely unusual was published
without anybody's word, and excuses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lockstep.laws.bands import LATE, LATE_TIMES
from lockstep.laws.earlier import Case, Earlier
from lockstep.laws.law import Broken

AS_MUCH = 2.0
"""How many times as much as in a batch that was accepted a case may be."""

Cases = Mapping[str, Case]


def cases_of(found: Sequence[Broken], earlier: Sequence[Earlier]) -> dict[str, dict[str, Case]]:
    """In which cases a batch breaks laws: by the digest of the law, and the case.

    One that a batch of late had is told to be as much as it was then: otherwise each day might have
    twice as much as the day before. Findings may hold scalars of NumPy, which no file keeps.

    Args:
        found: What it breaks.
        earlier: The batches that were published before, the newest last.
    """
    kept = {}
    for one in found:
        if one.cases:
            digest = one.law.digest
            late = _late(digest, earlier)
            kept[digest] = {
                case: Case(float(max(_known(one, case, late), default=much)), bool(one.strict))
                for case, much in one.cases.items()
            }
    return kept


def with_accepted(found: Sequence[Broken], earlier: Sequence[Earlier]) -> list[Broken]:
    """Findings without those that are no news: see above.

    Args:
        found: What a batch breaks.
        earlier: The batches that were published before, the newest last.
    """
    told = []
    for one in found:
        late = _late(one.law.digest, earlier) if one.cases else []
        times = min((len(_known(one, case, late)) for case in one.cases), default=0)
        if times < LATE_TIMES:
            told.append(replace(one, strict=one.strict and not times))
    return told


def _late(digest: str, earlier: Sequence[Earlier]) -> list[Cases]:
    """In which cases each of the last batches broke a law, of those that did.

    Args:
        digest: That of the law.
        earlier: The batches that were published before, the newest last.
    """
    return [batch.cases[digest] for batch in earlier[-LATE:] if digest in batch.cases]


def _known(found: Broken, case: str, late: Sequence[Cases]) -> list[float]:
    """How much each of the last batches had of a case that excuses it in this one.

    Args:
        found: What a batch breaks.
        case: The case.
        late: The cases in which these batches broke the same law.
    """
    return [
        one.much
        for one in (of_batch[case] for of_batch in late if case in of_batch)
        if found.cases[case] <= AS_MUCH * one.much and (one.strict or not found.strict)
    ]
