"""Weekly figures: the quality of predictions in the weeks of training, and in a later week.

They are of rows that models did not see. A figure counts only on its worse side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
import numpy as np

from lockstep.stats.limits import Limits, Trait, decode, encode

LEAST_WEEKS = 8
"""The fewest weeks that show how much weeks differ. After eight, a figure of unchanged days begins
to be outside in one of ten quarters of a year; after four, in two of five."""

Worse = Literal["lower", "higher", "either"]


class WeeklyFigures(msgspec.Struct, frozen=True):
    """The figures of the weeks of training, and their limits."""

    names: tuple[str, ...] = ()
    worse: tuple[Worse, ...] = ()
    weeks: int = 0
    rows: int = 0  # median number of rows in a week
    limits: Limits | None = None  # the limits of the figures; None where training has too few weeks

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
        """
        varied = {name: np.array(values) for name, values in windows.items() if _varies(values)}
        if weeks < LEAST_WEEKS or not varied:
            return cls(weeks=weeks, rows=rows)
        table = np.array([*varied.values()]).T
        nothing = np.zeros(len(varied))  # the spread of the weeks holds what chance does
        traits = [Trait(name) for name in varied]
        with np.errstate(all="ignore"):
            limits = Limits.of(traits, table, np.ones_like(table), nothing, nothing)
        ways = tuple(worse[name] for name in varied)
        return cls(tuple(varied), ways, weeks, rows, limits)

    def shares(self, figures: Mapping[str, float]) -> dict[str, float]:
        """The distance of figures of seven days on their worse side, as a share of their limit.

        Args:
            figures: By figure, its value; NaN where it has none. Unknown figures are left out.
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

    def band(
        self, figure: str, within: tuple[float, float] = (-np.inf, np.inf)
    ) -> tuple[float | None, float | None]:
        """The range of a figure in the weeks of training; None where it has no end or is not known.

        Args:
            within: The least and largest value that it can have.
        """
        if self.limits is None or figure not in self.names:
            return None, None
        place = self.names.index(figure)
        level, way = self.limits.level, self.worse[place]
        low, high = map(float, np.clip([level.low[place], level.high[place]], *within))
        return (None if way == "higher" else low), (None if way == "lower" else high)

    def usual(self, figure: str, within: tuple[float, float] = (-np.inf, np.inf)) -> str:
        """The range of a figure in the weeks of training, in words; see `band`."""
        match self.band(figure, within):
            case None, None:
                return ""
            case low, None:
                return f"at least {low:.3g}"
            case None, high:
                return f"at most {high:.3g}"
            case low, high:
                return f"{low:.3g} to {high:.3g}"

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


def _varies(values: Sequence[float]) -> bool:
    """Whether a figure has different values: its limits come from its variation."""
    known = np.array(values)
    known = known[np.isfinite(known)]
    return bool(len(known) and np.ptp(known))
