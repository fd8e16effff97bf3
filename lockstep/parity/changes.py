"""Lasting changes: when the distance of a column from training stays away, and since when.

Each column has a cumulative sum (Page, "Continuous inspection schemes", Biometrika 41, 1954) of the
distance of each batch, as a share of its limit, less one half: half of the change to detect is the
allowance that detects it soonest (Montgomery, "Introduction to Statistical Quality Control",
chapter 9). A change is reported once, when it begins, and is over when the sum is back at 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

CHANGES = "changes"
"""The fact of a recorded step that holds the changes under way after it."""
ALLOWANCE = 0.5
"""Share of a limit from which on a sum grows."""
PATIENCE = 3
"""Batches at its limit after which a column has changed; one batch twice as far is enough too."""
_REACHED = PATIENCE * (1 - ALLOWANCE)


@dataclass(frozen=True)
class Change:
    """How a column departs from training, batch after batch.

    Attributes:
        farthest: The largest share of a limit among them.
        begun: The batch at which the change was reported; None while it may be chance.
    """

    sum: float
    since: str
    batches: int
    farthest: float
    begun: str | None = None

    @property
    def is_reached(self) -> bool:
        """Whether the sum is that of a lasting change."""
        return self.sum >= _REACHED - 1e-9  # three times a half is nearly 1.5


@dataclass(frozen=True)
class Changes:
    """The changes that were under way after a batch."""

    version: str  # SHA-256 of the manifest of the version whose training is compared with
    columns: Mapping[str, Change] = field(default_factory=dict)

    def after(self, batch: str, shares: Mapping[str, float]) -> Changes:
        """The changes after another batch.

        Args:
            shares: By column, its distance as a share of its limit; other columns stay as they are.
        """
        changes = dict(self.columns)
        for name, share in shares.items():
            change = _after(changes.pop(name, None), batch, share)
            if change is not None:
                changes[name] = change
        if any(change.begun == batch for change in changes.values()):
            changes = {name: _along(change, batch) for name, change in changes.items()}
        return replace(self, columns=changes)

    def beginning(self, batch: str) -> list[str]:
        """The columns whose change was reported at a batch, the largest changes first."""
        begun = {name: change for name, change in self.columns.items() if change.begun == batch}
        return sorted(begun, key=lambda name: (-begun[name].sum, -begun[name].farthest))

    @property
    def lasting(self) -> list[str]:
        """The columns whose reported change goes on, in the order in which they began."""
        begun = [name for name, change in self.columns.items() if change.begun is not None]
        return sorted(begun, key=lambda name: self.columns[name].begun or "")

    @classmethod
    def lasting_after(cls, facts: Mapping[str, Any]) -> dict[str, Change]:
        """The reported changes that go on after a step with these facts."""
        if CHANGES not in facts:
            return {}
        changes = msgspec.convert(facts[CHANGES], cls)
        return {name: changes.columns[name] for name in changes.lasting}


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
    """A change that is reported with another, if it has as many batches as a lasting change."""
    if change.begun is not None or change.batches < PATIENCE:
        return change
    return replace(change, begun=batch)
