"""Swaps: two values of a category do not have each other's share of the rows.

Where the names of two values are exchanged, each is a known one, and neither is more frequent than
the other ever was. But the shares of a day, taken together, are like those of some training day,
such as another Sunday, but for chance and what passes from one month to the next. Those of such a
day are like none, and are again once both values have each other's.

How unlike two days are is Hellinger's distance between their shares (Hellinger, 1909): chance moves
it as much, whatever the shares are. By how much nearer a day comes to those of the training with
two names exchanged is a statistic with a band: shares that cross slowly move it a little each day.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from lockstep.columns.kinds import Array, Floats, Kind
from lockstep.columns.plain import show
from lockstep.laws.bands import Band, Banded, Reading, Standing, training_days, with_bands
from lockstep.laws.glance import MOST_SEGMENTS, glance
from lockstep.laws.rows import Rows, TrainingRows

FEWEST_VALUES = 3
"""Values that it takes: of two, a day of the other one's share may be a day of its own."""
FREQUENT = 0.02
"""Share of a usual day's rows that a value has at least, so that it may be one of both."""
MOST_KEPT = 100
"""Training days that others are compared with, spread evenly."""
TIMES = 2.0
"""How many times as far from all training days as any of these was from those of other months a day
is at least, so that it cannot be one."""
NEARER = 4.0
"""How many times as far from them it is as with both names exchanged, at least."""
_THIRDS = 3
_GAIN = "nearer with two names exchanged"


class Swapped(Banded, frozen=True, kw_only=True, tag="swapped"):
    """Two values of a category do not have each other's share of the rows.

    Attributes:
        values: The values that a usual day has many of; all others are one.
        days_before: The share of the rows of each of these values, and of all others, on days of
            the training.
        farthest: How far from days of other months a training day was at most.
    """

    binds: ClassVar[bool] = False
    only_above: ClassVar[bool] = True

    values: tuple[str, ...]
    days_before: tuple[tuple[float, ...], ...]
    farthest: float

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"No two values of {self.columns[0]} have each other's share of the rows."

    def measure(self, rows: Rows) -> dict[str, Reading]:
        """See `Banded.measure`."""
        shares = _shares(rows, self.columns[0], self.values)
        return {_GAIN: _gain(shares, np.array(self.days_before), len(glance(rows)))}

    def is_told(self, one: Standing, rows: Rows) -> bool:
        """See `Banded.is_told`; a day that is like none, and like one with two names exchanged."""
        far, exchanged = _distances(self._shares_of(rows), np.array(self.days_before))
        nearest = float(exchanged.min())
        return far > TIMES * self.farthest and nearest <= min(self.farthest, far / NEARER)

    def tell(self, name: str, reading: Reading, usual: Band, rows: Rows) -> str:
        """See `Banded.tell`."""
        pair, shares, days = self._pair(rows), self._shares_of(rows), np.array(self.days_before)
        one, other = (show(self.values[place]) for place in pair)
        (first, second), lowest, highest = shares[pair], days.min(axis=0), days.max(axis=0)
        usually = [f"from {lowest[place]:.1%} to {highest[place]:.1%}" for place in pair]
        return (
            f"{one} and {other} have each other's share of {self.columns[0]}: {first:.1%} and "
            f"{second:.1%}, on training days {usually[0]} and {usually[1]}. Exchanged, the day is "
            "like one of these, and as it is like none"
        )

    def rows_of(self, rows: Rows, name: str) -> Array:
        """See `Banded.rows_of`."""
        seen = glance(rows)
        codes = seen.codes(self.columns[0], self.values)
        return seen.all_positions(np.isin(codes, self._pair(rows)))

    def _shares_of(self, rows: Rows) -> Floats:
        return _shares(rows, self.columns[0], self.values)

    def _pair(self, rows: Rows) -> list[int]:
        """The places of both values, the exchange of which brings a day nearest."""
        _, exchanged = _distances(self._shares_of(rows), np.array(self.days_before))
        return [int(place) for place in np.unravel_index(exchanged.argmin(), exchanged.shape)]


def _distances(shares: Floats, days: Floats) -> tuple[float, Floats]:
    """How far a day is from the training day most like it, and with two values exchanged.

    Args:
        shares: The share of each value, and of all others; they add up to 1.
        days: The same of training days: days by values.

    Returns:
        Hellinger's distance, and those by the one and the other of both values.
    """
    roots, own = np.sqrt(days), np.sqrt(shares)
    apart = (roots[:, :, None] - own[None, None, :]) ** 2 / 2  # of each day's value and own one
    kept = np.einsum("dii->di", apart)
    whole = kept.sum(axis=1)
    pairs = whole[:, None, None] - kept[:, :, None] - kept[:, None, :]
    exchanged = (pairs + apart + apart.swapaxes(1, 2))[:, :-1, :-1].min(axis=0)
    np.fill_diagonal(exchanged, np.inf)
    return float(np.sqrt(whole.min())), np.sqrt(np.maximum(exchanged, 0.0))


def _gain(shares: Floats, days: Floats, rows: int) -> Reading:
    """By how much nearer a day is with two values exchanged; half a root of a share is chance."""
    far, exchanged = _distances(shares, days)
    return Reading(far - float(exchanged.min()), 0.5 / np.sqrt(max(rows, 1)))


def _shares(rows: Rows, column: str, values: Sequence[str]) -> Floats:
    """The share of each value of the rows, and that of all others."""
    seen = glance(rows)
    found = seen.rows.values(column).found.tolist()
    counts = dict(zip(found, seen.counts(column).tolist(), strict=True))
    of_values = np.array([counts.get(value, 0) for value in values], dtype=np.float64)
    shares = of_values / max(len(seen), 1)
    return np.append(shares, max(1.0 - shares.sum(), 0.0))


def discover(training: TrainingRows) -> list[Swapped]:
    """Find the categories, and how unlike each other their days are.

    Args:
        training: The training rows.
    """
    days = training_days(training)
    fields = [one for one in training.rows.schema if one.role == "value"] if days else []
    found = (_law(one.name, training, days) for one in fields if one.kind is Kind.TEXT)
    return [law for law in found if law is not None]


def _law(column: str, training: TrainingRows, days: Sequence[Rows]) -> Swapped | None:
    values = training.rows.values(column).found.tolist()
    if not FEWEST_VALUES <= len(values) <= MOST_SEGMENTS:
        return None
    usual = np.median([_shares(day, column, values) for day in days], axis=0)[:-1]
    kept = [value for value, share in zip(values, usual.tolist(), strict=True) if share >= FREQUENT]
    if len(kept) < FEWEST_VALUES:
        return None
    shares = np.array([_shares(day, column, kept) for day in days])
    parts = np.array_split(np.arange(len(days)), _THIRDS)
    others = [(day, np.delete(shares, part, axis=0)) for part in parts for day in part.tolist()]
    chosen = np.unique(np.linspace(0, len(days) - 1, MOST_KEPT).astype(np.int64))
    law = Swapped(
        columns=(column,),
        days=0,
        values=tuple(kept),
        days_before=tuple(
            tuple(float(f"{one:.4g}") for one in shares[day].tolist()) for day in chosen
        ),
        farthest=float(f"{max(_distances(shares[day], of)[0] for day, of in others):.4g}"),
    )
    measured = [{_GAIN: _gain(shares[day], of, len(glance(days[day])))} for day, of in others]
    return with_bands(law, measured, days)
