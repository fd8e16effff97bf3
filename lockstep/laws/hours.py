"""Hours: when in the day things happen, on average.

Events told by another clock, such as that of a shop that is taken for UTC, are hours off, all of
them, whatever else is right. How many rows a moment has does not matter: a receipt counts once,
however many lines it has.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from lockstep.laws.bands import Band, Banded, Reading, fitted, training_days
from lockstep.laws.glance import glance
from lockstep.laws.rows import Rows, TrainingRows

ENOUGH_MOMENTS = 20
"""Different times of a day that their mean takes."""
_MEAN = "hour of the day, on average"


class UsualHour(Banded, frozen=True, kw_only=True, tag="usual hour"):
    """Things happen at the hour of the day at which they do, on average."""

    binds: ClassVar[bool] = False

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"{self.columns[0]} is, on average, at the usual hour of the day"

    def measure(self, rows: Rows) -> dict[str, Reading]:
        """See `Banded.measure`."""
        times = glance(rows).rows.local_times
        assert times is not None, "rows that have days have an event time"
        moments = np.unique(times[~np.isnat(times)])
        if len(moments) < ENOUGH_MOMENTS:
            return {}
        hours = (moments - moments.astype("datetime64[D]")) / np.timedelta64(1, "h")
        return {_MEAN: Reading(float(hours.mean()), float(hours.std() / np.sqrt(len(hours))))}

    def tell(self, name: str, reading: Reading, usual: Band, rows: Rows) -> str:
        """See `Banded.tell`."""
        return (
            f"{self.columns[0]} is at {_clock(reading.value)} on average; on training days from "
            f"{_clock(usual.lowest)} to {_clock(usual.highest)}: by another clock, or some hours "
            "are lost"
        )


def _clock(hours: float) -> str:
    """Hours since midnight as a clock shows them."""
    minutes = round(hours * 60)
    return f"{minutes // 60:02}:{minutes % 60:02}"


def discover(training: TrainingRows) -> list[UsualHour]:
    """When in the day things happen on training days.

    Args:
        training: The training rows.
    """
    time = training.rows.schema.event_time
    if time is None or not training.has_days:
        return []
    return fitted([UsualHour(columns=(time,), days=0)], training_days(training))
