"""Levels of broken constraints: off, a warning, or a blocked batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from lockstep.columns.setting_checks import Allowed, declaration

Level = Literal["off", "warn", "block"]
Family = Literal["values", "rules", "history", "identity", "panels", "aggregates"]
"""The families of constraints."""


@declaration
@dataclass(frozen=True)
class Constraints:
    """The levels of constraints that a batch breaks.

    Each level is `"off"`, `"warn"` or `"block"`. A column's level counts for findings whose first
    suspect it is, before the family's level, and that before the default. Without any, a strict
    rule blocks; a statistic warns during the first batches of a version, and blocks after them
    where it is far enough beyond its limit.

    Attributes:
        default: The level of all constraints; None for the behaviour above.
        families: Levels by family, such as `{"panels": "warn"}`.
        columns: Levels by field.
        first_batches: Batches that a version publishes before its statistics block.
    """

    default: Level | None = None
    families: Mapping[Family, Level] = field(default_factory=dict)
    columns: Mapping[str, Level] = field(default_factory=dict)
    first_batches: Annotated[int, Allowed(least=0)] = 14

    def level(self, family: str, column: str | None) -> Level | None:
        """The declared level of a finding; None without one."""
        if column is not None and column in self.columns:
            return self.columns[column]
        return next(
            (level for name, level in self.families.items() if name == family), self.default
        )
