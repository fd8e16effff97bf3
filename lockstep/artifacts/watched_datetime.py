"""`datetime` as the code of versions imports it: who asks `datetime` for the time is noted.

C code of libraries compares types by identity, so that Python's own class is left where it is.
"""

from __future__ import annotations

import datetime as datetimes
from datetime import MAXYEAR, MINYEAR, UTC, date, time, timedelta, timezone, tzinfo

from lockstep.artifacts.questions import in_place_of, noting_clock

__all__ = [
    "MAXYEAR",
    "MINYEAR",
    "UTC",
    "date",
    "datetime",
    "time",
    "timedelta",
    "timezone",
    "tzinfo",
]

_real = datetimes.datetime
datetime = in_place_of(
    _real,
    {
        "now": classmethod(noting_clock("now", lambda cls, tz=None: _real.now(tz))),
        "utcnow": classmethod(noting_clock("utcnow", lambda cls: _real.utcnow())),
        "__module__": __name__,
        "__qualname__": "datetime",
    },
)
