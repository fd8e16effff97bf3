"""Look-ups: of each key, the latest row that was valid and known as of a time."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from lockstep.columns.asof.table_rows import TableRows
from lockstep.columns.kinds import Ints, Times


def latest(
    rows: TableRows,
    groups: Ints,
    as_of: Times | None,
    known_by: Times | None = None,
    within: timedelta | None = None,
) -> Ints:
    """The position of each group's row with the greatest valid, known and digest; -1 for none.

    It is valid at or before `as_of` (None for a static table), for no longer than `within`, and
    known by `known_by`, which is `as_of` by default. The group -1 has no rows.
    """
    if as_of is None:
        found = np.where(groups < 0, -1, rows.starts[groups + 1] - 1)
        found[(found >= 0) & rows.withdrawn[found]] = -1
        return found
    known_by = as_of if known_by is None else known_by
    firsts = rows.starts[groups]
    if rows.delay is not None:
        found = (
            rows.stops(groups, np.minimum(as_of, known_by - np.timedelta64(rows.delay, "us"))) - 1
        )
        found[(found < firsts) | (groups < 0)] = -1
    else:
        found = rows.stops(groups, as_of) - 1
        found[(found < firsts) | (groups < 0)] = -1
        known = known_by.view(np.int64)
        looking = np.flatnonzero(found >= 0)
        while len(looking):
            at = found[looking]
            looks_on = ~rows.count(at, known[looking])
            looking, at = looking[looks_on], at[looks_on]
            before = np.where(at > firsts[looking], at - 1, -1)
            is_known = rows.known[at] <= known[looking]
            found[looking] = np.where(is_known, before, rows.known_earlier[at])
            looking = looking[found[looking] >= 0]
    if within is not None:
        oldest = (as_of - np.timedelta64(within)).view(np.int64)
        hits = np.flatnonzero(found >= 0)
        found[hits[rows.valid[found[hits]] < oldest[hits]]] = -1
    return found
