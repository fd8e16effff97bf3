"""Lasting changes: when the distance of a column from training stays away, and since when.

Each column has a cumulative sum (Page, "Continuous inspection schemes", Biometrika 41, 1954) of how
much of the way to its limit each batch is away, less half of the limit: half of the change that is
to be found is the allowance that finds it soonest (Montgomery, "Introduction to Statistical Quality
Control", chapter 9). A change has begun when the sum reaches what `PATIENCE` batches at the limit
make it, or a single one far beyond; it is over when the sum is back at 0, as after as many usual
batches. So a change is told once, when it begins, however long it lasts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

ALLOWANCE = 0.5
"""Share of the way to a limit from which on a sum grows."""
PATIENCE = 3
"""Batches that a column has to stand at its limit until that is held to last; one batch that is
twice as far does too."""
_REACHED = PATIENCE * (1 - ALLOWANCE)


@dataclass(frozen=True)
class Change:
    """How a column departs from training, batch after batch.

    Attributes:
        sum: The cumulative sum.
        since: The first batch of those that add up to it.
        batches: How many these are.
        farthest: The largest share of the way to a limit among them.
        begun: The batch at which the change was told; None while it may be chance.
    """

    sum: float
    since: str
    batches: int
    farthest: float
    begun: str | None = None

    @property
    def is_reached(self) -> bool:
        """Whether the sum is as large as that of a change that lasts."""
        return self.sum >= _REACHED - 1e-9  # three times a half is 1.5 only nearly


@dataclass(frozen=True)
class Changes:
    """The changes that were under way after a batch.

    Attributes:
        version: SHA-256 of the manifest of the version whose training they depart from.
        columns: By column; one that is as in training has none.
    """

    version: str
    columns: Mapping[str, Change] = field(default_factory=dict)

    def after(self, batch: str, shares: Mapping[str, float]) -> Changes:
        """The changes after another batch.

        Args:
            batch: The day or file.
            shares: How much of the way to its limit each column is away; one that is not judged is
                left as it is.
        """
        found = dict(self.columns)
        for name, share in shares.items():
            change = _after(found.pop(name, None), batch, share)
            if change is not None:
                found[name] = change
        if any(one.begun == batch for one in found.values()):
            found = {name: _along(one, batch) for name, one in found.items()}
        return replace(self, columns=found)

    def beginning(self, batch: str) -> list[str]:
        """The columns whose change was told at a batch, those that it began with first."""
        begun = [name for name, one in self.columns.items() if one.begun == batch]
        ways = {name: self.columns[name] for name in begun}
        return sorted(ways, key=lambda name: (-ways[name].sum, -ways[name].farthest))

    @property
    def lasting(self) -> list[str]:
        """The columns whose change was told and goes on, in the order in which they began."""
        told = {name: one.begun for name, one in self.columns.items() if one.begun is not None}
        return sorted(told, key=lambda name: told[name])

    def to_json(self) -> dict[str, Any]:
        """The changes as plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Changes:
        """The changes from what `to_json` gave."""
        columns = {name: Change(**one) for name, one in data["columns"].items()}
        return cls(data["version"], columns)


def _after(before: Change | None, batch: str, share: float) -> Change | None:
    total = (before.sum if before is not None else 0.0) + share - ALLOWANCE
    if total <= 0:
        return None
    change = Change(0.0, batch, 0, share) if before is None else before
    change = replace(
        change,
        sum=min(total, _REACHED),
        batches=change.batches + 1,
        farthest=max(change.farthest, share),
    )
    begun = change.begun or (batch if change.is_reached else None)
    return replace(change, begun=begun)


def _along(change: Change, batch: str) -> Change:
    """A change that is told with another, if it has been under way for as long as one lasts."""
    if change.begun is not None or change.batches < PATIENCE:
        return change
    return replace(change, begun=batch)
