"""Several comparisons under one verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lockstep.parity.comparison import ColumnComparison, Comparison
from lockstep.parity.divergence import Divergence


@dataclass(frozen=True)
class ParityReport:
    """The same rows computed in several ways, each compared with what is expected.

    It can be read like one comparison.

    Attributes:
        comparisons: One for each way; its `setting` tells which.
    """

    comparisons: tuple[Comparison, ...]

    @property
    def ok(self) -> bool:
        """Whether there is a comparison, and every one is ok."""
        return bool(self.comparisons) and all(one.ok for one in self.comparisons)

    @property
    def first(self) -> Divergence | None:
        """The first divergence in graph order, in whichever way it showed."""
        found = [one.first for one in self.comparisons if one.first is not None]
        return min(found, key=lambda divergence: divergence.place, default=None)

    @property
    def settings(self) -> tuple[str, ...]:
        """The ways in which the column of `first` is the first to differ."""
        first = self.first
        return tuple(
            one.setting
            for one in self.comparisons
            if first is not None and one.first is not None and one.first.place == first.place
        )

    @property
    def rows(self) -> int:
        """Rows of the largest comparison."""
        return max((one.rows for one in self.comparisons), default=0)

    @property
    def compared(self) -> tuple[ColumnComparison, ...]:
        """Each column and matrix once, as it compared in the way in which most of it differs."""
        worst: dict[tuple[str, bool], ColumnComparison] = {}
        for one in (column for comparison in self.comparisons for column in comparison.compared):
            known = worst.setdefault((one.column, one.is_matrix), one)
            if (one.differing, one.ulps or 0) > (known.differing, known.ulps or 0):
                worst[(one.column, one.is_matrix)] = one
        return tuple(worst.values())

    @property
    def skipped(self) -> Mapping[str, str]:
        """Columns that were compared in no way, and why."""
        compared = {column.column for column in self.compared}
        return {
            name: why
            for comparison in self.comparisons
            for name, why in comparison.skipped.items()
            if name not in compared
        }

    @property
    def summary(self) -> str:
        """The verdict in one line."""
        if not self.comparisons:
            return "nothing was compared"
        if self.ok:
            settings = ", ".join(one.setting for one in self.comparisons)
            largest = max(self.comparisons, key=lambda one: one.rows)
            return f"{largest.summary}, computed {settings}"
        first = self.first
        parts = [f"{first.summary}; when computed {', '.join(self.settings)}"] if first else []
        parts += [
            f"{one.setting}: {one.summary}"
            for one in self.comparisons
            if not one.ok and one.first is None
        ]
        return "; ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """As plain data of bounded size."""
        return {
            "ok": self.ok,
            "summary": self.summary,
            "first": self.first.to_json() if self.first is not None else None,
            "settings": list(self.settings),
            "comparisons": [one.to_json() for one in self.comparisons],
        }
