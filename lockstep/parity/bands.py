"""Bands: where figures of predictions lie on rows that models did not see, a week at a time.

A band is the prediction interval of one further week: Student's t, of as many weeks as there are in
the training (Hahn and Meeker, "Statistical Intervals", 1991, chapter 4). Windows overlap, which
tells their spread better; weeks that do not are what is independent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import msgspec
import numpy as np

RATE = 0.01
"""Share of unchanged weeks in which at least one figure lies outside its band, by chance."""
LEAST_WEEKS = 4
"""Weeks that it takes to tell how much they differ."""

Worse = Literal["lower", "higher", "either"]


@dataclass(frozen=True)
class Band:
    """Where a figure usually lies.

    Attributes:
        mean: Its mean.
        half: How far from it the band ends.
        worse: Which way out is worse.
    """

    mean: float
    half: float
    worse: Worse

    def share(self, value: float) -> float:
        """How much of the way to the band's end a figure is on the worse side: 1 at the end."""
        away = (value - self.mean) / self.half
        return {"lower": -away, "higher": away, "either": abs(away)}[self.worse]

    def __str__(self) -> str:
        low, high = self.mean - self.half, self.mean + self.half
        told = {"lower": f"at least {low:.3g}", "higher": f"at most {high:.3g}"}
        return told.get(self.worse, f"{low:.3g} to {high:.3g}")


@dataclass(frozen=True)
class Bands:
    """The bands of a version's figures.

    Attributes:
        rate: Share of unchanged weeks in which a figure lies outside of any.
        weeks: Weeks that they were calibrated on.
        rows: Rows of a window, at the median.
        figures: The band of each.
    """

    rate: float
    weeks: int
    rows: int
    figures: Mapping[str, Band]

    @classmethod
    def none(cls) -> Bands:
        """No bands: nothing is known of other weeks."""
        return cls(RATE, 0, 0, {})

    @classmethod
    def of(
        cls,
        windows: Mapping[str, Sequence[float]],
        worse: Mapping[str, Worse],
        *,
        weeks: int,
        rows: int,
    ) -> Bands:
        """Calibrate bands.

        Args:
            windows: By figure, its value in each window of seven days; NaN where it has none.
            worse: By figure, which way is worse.
            weeks: Weeks of the training.
            rows: Rows of a window, at the median.
        """
        from scipy.stats import t

        values = {name: np.array(found) for name, found in windows.items()}
        known = {name: found[~np.isnan(found)] for name, found in values.items()}
        told = {name: found for name, found in known.items() if len(found) and np.ptp(found)}
        if weeks < LEAST_WEEKS:
            return cls(RATE, weeks, rows, {})
        figures = {}
        for name, found in told.items():
            sides = 2 if worse[name] == "either" else 1
            quantile = t.ppf(1 - RATE / (sides * len(told)), weeks - 1)
            half = float(quantile * found.std(ddof=1) * np.sqrt(1 + 1 / weeks))
            figures[name] = Band(float(found.mean()), half, worse[name])
        return cls(RATE, weeks, rows, figures)

    @property
    def total(self) -> float:
        """The width of all bands together, each by the side on which it is worse."""
        return float(sum(band.half for band in self.figures.values()))

    def to_json(self) -> dict[str, Any]:
        """As a dict for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Bands:
        """From what `to_json` gave."""
        return msgspec.convert(data, cls)
