"""Drift: how far the columns of a batch are from those of the training rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np

from lockstep.columns.extremes import improbability
from lockstep.columns.plain import bars, counted, verb
from lockstep.parity.distances import BOUNDED, WORDS, Measure, distances, gone, unseen
from lockstep.parity.limits import Limit, Limits
from lockstep.parity.profiles import ColumnProfile, Profile

_EXAMPLES = 5
_FAR = 1_000_000
"""A number from which on digits after the point tell nothing."""
_PARTS = 12
"""Parts of a histogram."""
_GROWS = "it has no level: in training its values go on with time"


@dataclass(frozen=True)
class Drift:
    """How far one column of a batch is from the training rows.

    Attributes:
        column: The column.
        now: Its profile in the batch.
        before: That of the training rows.
        distances: Its distances by measure: see `lockstep.parity.distances`.
        limits: The limits of those that can be judged.
        unjudged: Why its values cannot be judged; None if they can.
    """

    column: str
    now: ColumnProfile
    before: ColumnProfile
    distances: Mapping[Measure, float]
    limits: Mapping[Measure, Limit]
    unjudged: str | None

    @property
    def farthest(self) -> Measure | None:
        """The measure by which it is farthest, on the way to its limit; None without limits."""
        shares = self.shares.items()
        return max(shares, key=lambda item: item[1])[0] if shares else None

    @property
    def share(self) -> float:
        """How much of the way to its limit it is away, by that measure: 1 at the limit."""
        return max(self.shares.values(), default=0.0)

    @property
    def shares(self) -> dict[Measure, float]:
        """The same by each measure."""
        return {name: limit.share(self.distances[name]) for name, limit in self.limits.items()}

    @property
    def is_far(self) -> bool:
        """Whether it is farther from the training rows than chance allows."""
        return self.share > 1

    @property
    def message(self) -> str:
        """How it differs from the training rows, by the measure by which it is farthest."""
        if self.farthest is None:
            return "it cannot be compared"
        distance, limit = self.distances[self.farthest], self.limits[self.farthest].limit
        values = _tell(self.farthest, self.before, self.now)
        return f"{WORDS[self.farthest]}: {values}; distance {_short(distance)}, limit {limit:.2g}"


def drift(profile: Profile, limits: Limits, now: Profile) -> tuple[Drift, ...]:
    """Measure how far a batch is from the training rows, column by column.

    A column that is far is no fault of any code: the population changed.

    Args:
        profile: The profile of the training rows.
        limits: The limits that were calibrated with it.
        now: The profile of the batch; columns without a profile in training are left out.

    Returns:
        One entry a profiled column of the batch, in the profile's order; none for an empty batch.
    """
    return tuple(
        _drift(name, before, now.columns[name], limits)
        for name, before in profile.columns.items()
        if name in now.columns and now.rows and before.rows
    )


def _drift(name: str, before: ColumnProfile, now: ColumnProfile, limits: Limits) -> Drift:
    found = distances(before, now)
    known: dict[Measure, Limit] = {}
    too_few: list[Measure] = []
    for measure in found:
        limit = limits.at(name, measure, now.rows)
        if limit is None:
            continue
        if measure in BOUNDED and not _can_pass(measure, before, now, limit):
            too_few.append(measure)
        else:
            known[measure] = limit
    unjudged = _GROWS if name in limits.growing else None
    unjudged = unjudged or _unjudged(before, now, limits, known, too_few)
    return Drift(name, now, before, found, known, unjudged)


def _can_pass(measure: Measure, before: ColumnProfile, now: ColumnProfile, limit: Limit) -> bool:
    """Whether a batch of so many rows could be so far away."""
    if measure == "outside":
        return limit.limit < improbability(before.values, now.different, now.different)
    most = max(before.missing, 1 - before.missing) if measure == "missing" else 1.0
    return limit.limit < most


def _unjudged(
    before: ColumnProfile,
    now: ColumnProfile,
    limits: Limits,
    known: Mapping[Measure, Limit],
    too_few: list[Measure],
) -> str | None:
    """Why the values of a column cannot be judged, or their missing share; None if both can."""
    if before.holds != now.holds:
        return f"it holds {now.holds}, and held {before.holds} in training"
    if not limits.sizes:
        return (
            f"training has {counted(limits.days, 'day or block', 'days or blocks')} of rows, too "
            "few to tell what is usual"
        )
    if before.missing == 1:
        return None if "missing" in known else "it has no values in training"
    if not known.keys() - {"missing"}:
        if now.missing == 1:
            return None if "missing" in known else "it has no values"
        if not too_few:
            return "too few days of the training have values of it"
        return f"{counted(now.rows, 'row')} {verb(now.rows, 'is', 'are')} too few"
    return None


def histograms(training: ColumnProfile, *others: ColumnProfile) -> tuple[str, ...]:
    """Small histograms over the same parts, of training and of batches.

    Numbers are parted from the 1st to the 99th percentile of all, each end taking what lies
    beyond; texts into the most frequent categories of the training, then all others.

    Returns:
        One a profile, in their order; all are empty where they cannot be compared.
    """
    profiles = (training, *others)
    if any(one.holds != training.holds for one in others):
        return ("",) * len(profiles)
    return tuple(bars(shares) for shares in _parts(profiles))


def _parts(profiles: Sequence[ColumnProfile]) -> list[np.ndarray]:
    """The shares of each profile in the same parts; of none, where no profile has a number."""
    if profiles[0].holds == "categories":
        names = list(profiles[0].shares)[: _PARTS - 1]
        shares = [np.array([one.shares.get(name, 0.0) for name in names]) for one in profiles]
        rest = [max(1 - float(one.sum()), 0.0) for one in shares]
        return [
            np.append(known, others) * (one.missing < 1)
            for one, known, others in zip(profiles, shares, rest, strict=True)
        ]
    inner = [value for one in profiles for value in one.quantiles[1:100]]
    if not inner:
        return [np.zeros(1) for _ in profiles]
    edges = np.linspace(min(inner), max(inner), _PARTS + 1)[1:-1]
    counts = (
        np.bincount(np.searchsorted(edges, one.quantiles, side="right"), minlength=_PARTS)
        for one in profiles
    )
    return [one / max(one.sum(), 1) for one in counts]


def _tell(measure: Measure, before: ColumnProfile, now: ColumnProfile) -> str:
    """What there is now, and what there was in training."""
    if measure == "missing":
        return f"{now.missing:.2%}, in training {before.missing:.2%}"
    if measure == "new":
        names = ", ".join(unseen(before, now)[:_EXAMPLES])
        return names or "many"
    if measure == "gone":
        shares = (f"{name}, in training {before.shares[name]:.2%}" for name in gone(before, now))
        return "; ".join(islice(shares, _EXAMPLES)) or "none"
    if measure == "categories":
        names_moved = sorted(
            {*before.shares, *now.shares},
            key=lambda name: -abs(now.shares.get(name, 0) - before.shares.get(name, 0)),
        )[:2]
        return ", ".join(
            f"{name} {now.shares.get(name, 0):.1%}, in training {before.shares.get(name, 0):.1%}"
            for name in names_moved
        )
    if measure in ("outside", "scale"):
        edges = (0, 100) if measure == "outside" else (25, 75)
        told = ((f"{one.quantiles[at]:.5g}" for at in edges) for one in (now, before))
        return "{} to {}, in training {} to {}".format(*chain.from_iterable(told))
    old, new = (f"{one.quantiles[len(one.quantiles) // 2]:.5g}" for one in (before, now))
    if old != new:
        return f"median {new}, in training {old}"
    low, high = (" to ".join(f"{one.quantiles[at]:.5g}" for at in (5, 95)) for one in (before, now))
    return f"middle 90 % from {high}, in training from {low}"


def _short(distance: float) -> str:
    return f"{distance:.{2 if distance < 1 else 1}f}" if distance < _FAR else f"{distance:.3g}"
