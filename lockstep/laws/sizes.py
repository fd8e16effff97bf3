"""Sizes: how many rows there are of each value of a column, such as lines of a receipt.

What is lost or added of rows that belong together changes no column's own values: of receipts of
which the small ones are lost each line is as it was, and so is each row of one that comes twice.
What changes is how many rows a value has. That is told by the mean of its logarithm, in which one
value that half of the rows have counts as one.

Where a day has more rows, values have more: as many times as many where there are always the same
values, such as airports, and no more where each comes anew, such as receipts. How much more is the
slope of a line through the training days (least squares).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, hypot, log
from typing import ClassVar

import numpy as np

from lockstep.laws.bands import Band, Banded, Reading, fitted, training_days
from lockstep.laws.glance import glance, value_columns
from lockstep.laws.rows import Rows, TrainingRows

ENOUGH_VALUES = 20
"""Different values that a day takes, and each training day has."""
_SIZE = "rows of a value"


class Sizes(Banded, frozen=True, kw_only=True, tag="sizes"):
    """How many rows each value of a column has.

    Attributes:
        usual: Rows of a usual training day.
        slope: By how much the logarithm of a value's rows grows with that of a day's.
    """

    binds: ClassVar[bool] = False

    usual: float
    slope: float

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"Values of {self.columns[0]} have as many rows each as they always had."

    def measure(self, rows: Rows) -> dict[str, Reading]:
        """See `Banded.measure`.

        How much more rows a value has on a day that has more than any of training is not known.
        """
        found = _Typical.of(rows, self.columns[0])
        if found is None:
            return {}
        value = found.mean - self.slope * (found.rows - log(self.usual))
        noise = hypot(found.noise, self._unlike(found.rows)) if self.size[0] else found.noise
        return {_SIZE: Reading(value, noise)}

    def _unlike(self, rows: float) -> float:
        """What a day with more rows than any of training, or fewer, may have to do with it.

        A value has as many times as many rows at most, which is three standard deviations.
        """
        fewest, most = self.size
        return max(log(fewest) - rows, rows - log(most), 0.0) / 3

    def tell(self, name: str, reading: Reading, usual: Band, rows: Rows) -> str:
        """See `Banded.tell`."""
        return (
            f"values of {self.columns[0]} have {exp(reading.value):.3g} rows each (the geometric "
            f"mean), on training days {exp(usual.lowest):.3g} to {exp(usual.highest):.3g}: of rows "
            f"that belong together some are lost, or there are some more"
        )


@dataclass(frozen=True)
class _Typical:
    """How many rows a value typically has.

    Attributes:
        mean: The mean of its logarithm, by values.
        noise: Its standard deviation by chance, with one more value that has two.
        rows: The logarithm of how many rows there are.
    """

    mean: float
    noise: float
    rows: float

    @classmethod
    def of(cls, rows: Rows, column: str) -> _Typical | None:
        """That of some rows; None where they have too few values."""
        seen = glance(rows)
        counts = seen.counts(column)
        sizes = np.log(counts[counts > 0])
        if len(sizes) < ENOUGH_VALUES:
            return None
        by_chance = float(sizes.std()) / len(sizes) ** 0.5
        noise = hypot(by_chance, log(2) / len(sizes))
        return cls(float(sizes.mean()), noise, log(len(seen)))


def discover(training: TrainingRows) -> list[Sizes]:
    """Find how many rows the values of each column have on training days.

    Args:
        training: The training rows.
    """
    days, schema = training_days(training), training.rows.schema
    columns = [*value_columns(schema), *([schema.event_time] if schema.event_time else [])]
    named = [name for name in columns if days and schema[name].declared != "float"]
    found = (_law(name, days) for name in named)
    return fitted([law for law in found if law is not None], days)


def _law(column: str, days: list[Rows]) -> Sizes | None:
    """The law of a column without its band; None where a day has too few values."""
    told = [_Typical.of(day, column) for day in days]
    known = [one for one in told if one is not None]
    if len(known) < len(days):
        return None
    rows, means = (
        np.array(one) for one in zip(*((one.rows, one.mean) for one in known), strict=True)
    )
    spread = float(rows.var())
    slope = (
        float(np.mean((rows - rows.mean()) * (means - means.mean()))) / spread if spread else 0.0
    )
    return Sizes(
        columns=(column,),
        days=0,
        usual=float(f"{exp(float(rows.mean())):.6g}"),
        slope=float(f"{min(max(slope, 0.0), 1.0):.4g}"),
    )
