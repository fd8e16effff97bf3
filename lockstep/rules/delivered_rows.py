"""What each row of a table must keep, whether it is delivered or posted."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from lockstep.columns.from_table import CLOCK_TOLERANCE
from lockstep.columns.kinds import Columns, utc
from lockstep.columns.table_schema import TableSchema
from lockstep.refusals import TYPE, Reason
from lockstep.rules.row_rules import RowRules, part

OLDEST, NEWEST = datetime(1700, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""No row is of an earlier or a later time: what stands there is no date, but a default of some
program."""


def refusals(
    table: TableSchema,
    columns: Columns,
    rules: RowRules | None,
    now: datetime,
    *,
    ahead: bool = False,
) -> dict[int, tuple[Reason, ...]]:
    """The rows of a table that cannot be taken in, by position, each with all reasons.

    No event and no knowledge can be of a later time than `now`, when the rows came, but for the
    difference of two clocks. Other rows may be valid from a time to come, such as tariffs, if
    `ahead`.
    """
    found = dict(part(columns, [] if rules is None else [rules]).refused)
    may_come = ahead and not table.is_event
    for name in (table.valid, table.known):
        if name is None:
            continue
        is_ahead = may_come and name == table.valid
        latest = NEWEST if is_ahead else now + CLOCK_TOLERANCE
        is_early, is_late = columns[name] < utc(OLDEST), columns[name] > utc(latest)
        for place in np.flatnonzero(is_early | is_late).tolist():
            what = f"in the future: it is {now:%Y-%m-%d %H:%M:%S} UTC"
            if is_early[place] or is_ahead:
                what = f"no time of a row, which is between {OLDEST:%Y} and {NEWEST:%Y}"
            time = f"is {np.datetime_as_string(columns[name][place], 's')}Z, "
            reason = Reason(name, TYPE, f"{time}{what}", f"is {what}")
            found[place] = (*found.get(place, ()), reason)
    return dict(sorted(found.items()))
