"""Weekly figures: how good predictions were in the weeks of training, and how far another week is.

They are of rows that models did not see. A figure counts on the side on which it is worse alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
import numpy as np

from lockstep.stats.limits import Limits, Trait, decode, encode

LEAST_WEEKS = 8
"""Weeks that it takes to tell how much they differ. A figure of normal days that do not change
begins to be outside in one quarter of a year of ten after these, and in two of five after four."""

Worse = Literal["lower", "higher", "either"]


class WeeklyFigures(msgspec.Struct, frozen=True):
    """The figures of the weeks of training, and their limits.

    Attributes:
        names: The figures.
        worse: Which way each is worse.
        weeks: Weeks of the training.
        rows: Rows of a week, at the median.
        limits: Their limits; None where training has too few weeks.
    """

    names: tuple[str, ...] = ()
    worse: tuple[Worse, ...] = ()
    weeks: int = 0
    rows: int = 0
    limits: Limits | None = None

    @classmethod
    def of(
        cls,
        windows: Mapping[str, Sequence[float]],
        worse: Mapping[str, Worse],
        *,
        weeks: int,
        rows: int,
    ) -> WeeklyFigures:
        """Learn the limits of figures.

        Args:
            windows: By figure, its value in each window of seven days; NaN where it has none.
            worse: By figure, which way is worse.
            weeks: Weeks of the training.
            rows: Rows of a window, at the median.
        """
        varied = {name: np.array(found) for name, found in windows.items() if _varies(found)}
        if weeks < LEAST_WEEKS or not varied:
            return cls(weeks=weeks, rows=rows)
        table = np.array([*varied.values()]).T
        nothing = np.zeros(len(varied))  # what chance does, the spread of the weeks tells
        traits = [Trait(name) for name in varied]
        with np.errstate(all="ignore"):
            limits = Limits.of(traits, table, np.ones_like(table), nothing, nothing)
        ways = tuple(worse[name] for name in varied)
        return cls(tuple(varied), ways, weeks, rows, limits)

    def shares(self, figures: Mapping[str, float]) -> dict[str, float]:
        """How far figures of seven days are outside on their worse side, of their limit.

        Args:
            figures: Their values; NaN where one has none. Others than those known are left out.
        """
        if self.limits is None:
            return {}
        values = np.array([figures.get(name, np.nan) for name in self.names])
        with np.errstate(all="ignore"):
            shares = self.limits.away(values, np.ones(len(values)))
        level = self.limits.level
        is_worse = {
            "lower": values < level.low,
            "higher": values > level.high,
            "either": np.isfinite(values),
        }
        return {
            name: float(shares[place]) if is_worse[way][place] else 0.0
            for place, (name, way) in enumerate(zip(self.names, self.worse, strict=True))
            if np.isfinite(values[place])
        }

    def usual(self, figure: str) -> str:
        """Where a figure lay in the weeks of training; empty where nothing is known of it."""
        if self.limits is None or figure not in self.names:
            return ""
        place = self.names.index(figure)
        low, high = self.limits.level.low[place], self.limits.level.high[place]
        ways = {"lower": f"at least {low:.3g}", "higher": f"at most {high:.3g}"}
        return ways.get(self.worse[place], f"{low:.3g} to {high:.3g}")

    def to_bytes(self) -> bytes:
        """As MessagePack."""
        return msgspec.msgpack.encode(self, enc_hook=encode)

    @classmethod
    def from_bytes(cls, data: bytes) -> WeeklyFigures:
        """The figures that `to_bytes` gave.

        Raises:
            msgspec.MsgspecError: They are damaged.
        """
        return msgspec.msgpack.decode(data, type=cls, dec_hook=decode)


def _varies(found: Sequence[float]) -> bool:
    """Whether a figure has different values: limits are told by how much it varies."""
    known = np.array(found)
    known = known[np.isfinite(known)]
    return bool(len(known) and np.ptp(known))
