"""Levels of broken constraints: off, a warning, or a blocked batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from lockstep.columns.plain import meant
from lockstep.columns.setting_checks import demand_setting, is_whole, known_keywords
from lockstep.errors import DeclarationError

Level = Literal["off", "warn", "block"]
LEVELS: tuple[Level, ...] = ("off", "warn", "block")
FAMILIES = ("values", "rules", "history", "identity", "panels", "aggregates")
"""The families of constraints."""


@known_keywords
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
    families: Mapping[str, Level] = field(default_factory=dict)
    columns: Mapping[str, Level] = field(default_factory=dict)
    first_batches: int = 14

    def __post_init__(self) -> None:
        for setting, level in self._levels():
            known = f"one of {', '.join(map(repr, LEVELS))}"
            demand_setting(level in LEVELS, f"Constraints: {setting}", level, known)
        for name in self.families:
            if name not in FAMILIES:
                raise DeclarationError(
                    f"Constraints: there is no family {name!r}{meant(str(name), FAMILIES)}; there "
                    f"are {', '.join(FAMILIES)}."
                )
        count, batches = self.first_batches, "a number of batches, such as 14, or 0 for statistics"
        demand_setting(
            is_whole(count, 0), "Constraints: first_batches", count, f"{batches} that block at once"
        )

    def _levels(self) -> Iterator[tuple[str, object]]:
        if self.default is not None:
            yield "default", self.default
        for setting in ("families", "columns"):
            given = getattr(self, setting)
            by_name = "levels by name, such as {'panels': 'warn'}"
            is_mapping = isinstance(given, Mapping)
            demand_setting(is_mapping, f"Constraints: {setting}", given, by_name)
            for name, level in given.items():
                yield f"{setting}[{name!r}]", level

    def level(self, family: str, column: str | None) -> Level | None:
        """The declared level of a finding; None without one.

        Args:
            family: The family of its constraint.
            column: Its first suspect; None without one.
        """
        if column is not None and column in self.columns:
            return self.columns[column]
        return self.families.get(family, self.default)
