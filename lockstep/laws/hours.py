"""Hours: in which hours of the day things happen, by the clock of the training days.

Events told by another clock, such as that of a shop that is taken for UTC, are hours off, all of
them, whatever else is right. A day is as likely as the hours of its events are on training days;
told is how much likelier it is by a clock some hours off (a likelihood ratio: Neyman and Pearson,
1933), for each event on average. How many rows a moment has does not matter: a receipt counts
once, however many lines it has.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from lockstep.columns.kinds import Array, Floats
from lockstep.columns.plain import counted
from lockstep.laws.bands import Band, Banded, Reading, fitted, training_days
from lockstep.laws.glance import glance
from lockstep.laws.rows import Rows, TrainingRows

ENOUGH_MOMENTS = 20
"""Different times of a day that it takes to tell by which clock they are."""
_HOURS = 24
_GAIN = "how much likelier by another clock"


class UsualHours(Banded, frozen=True, kw_only=True, tag="usual hours"):
    """Things happen in the hours in which they do, by the clock of the training days.

    Attributes:
        likely: The logarithm of how likely each hour of the day is.
    """

    binds: ClassVar[bool] = False
    only_above: ClassVar[bool] = True

    likely: tuple[float, ...]

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"{self.columns[0]} is told by the clock of the training days"

    def measure(self, rows: Rows) -> dict[str, Reading]:
        """See `Banded.measure`; of the clock by which the day is likeliest."""
        counts = _counts(glance(rows).rows)
        moments = float(counts.sum())
        if moments < ENOUGH_MOMENTS:
            return {}
        likely = self._by_clock(counts)
        return {_GAIN: Reading(float(likely.max() - likely[0]) / moments, 1 / moments)}

    def tell(self, name: str, reading: Reading, usual: Band, rows: Rows) -> str:
        """See `Banded.tell`."""
        off = int(self._by_clock(_counts(glance(rows).rows)).argmax())
        hours, way = (off, "behind") if off <= _HOURS / 2 else (_HOURS - off, "ahead")
        now, most = np.exp(reading.value), np.exp(usual.highest)
        return (
            f"{self.columns[0]} is in other hours of the day than on training days, as if the "
            f"clock were {counted(hours, 'hour')} {way}: each event is {now:.2f} times as likely "
            f"then, on training days at most {most:.2f} times"
        )

    def _by_clock(self, counts: Floats) -> Floats:
        """How likely a day is, if its clock is so many hours behind: logarithms."""
        return np.array([counts @ np.roll(self.likely, -hours) for hours in range(_HOURS)])


def _counts(rows: Rows) -> Floats:
    """How many different times there are in each hour of the day."""
    times: Array | None = rows.local_times
    assert times is not None, "rows that have days have an event time"
    moments = np.unique(times[~np.isnat(times)])
    hours = (moments - moments.astype("datetime64[D]")) // np.timedelta64(1, "h")
    return np.bincount(hours.astype(np.int64), minlength=_HOURS).astype(np.float64)


def discover(training: TrainingRows) -> list[UsualHours]:
    """In which hours things happen on training days.

    Args:
        training: The training rows.
    """
    time, days = training.rows.schema.event_time, training_days(training)
    if time is None or not training.has_days or not days:
        return []
    counts = np.sum([_counts(glance(day).rows) for day in days], axis=0) + 1
    likely = tuple(np.log(counts / counts.sum()).round(6).tolist())
    return fitted([UsualHours(columns=(time,), days=0, likely=likely)], days)
