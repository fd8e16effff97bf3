"""Doubles: the same thing told twice, under another key and another value of one category.

A flight that two airlines sell, or a row that a join gives once for each of two matches, comes
again at the same moment with all else that is known of it. Rows that have nothing to do with each
other hardly ever agree in all columns but one; how many do is told by the training days, for each
category by itself.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from lockstep.columns.kinds import Array, Ints, Kind
from lockstep.columns.plain import counted, show
from lockstep.laws.copies import FEW, MOST_USUAL, TIMES, by_chance, repeats
from lockstep.laws.earlier import mixed
from lockstep.laws.glance import MOST_ROWS
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.rows import Rows, TrainingRows

CATEGORIES = 500
"""Values of a category that is looked at."""
OWN = 0.5
"""Different values of a column, by its rows, from which on they name rows, as a key does."""
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Doubles(Law, frozen=True, kw_only=True, tag="doubles"):
    """Rows of a moment differ in more than their key and one category.

    Attributes:
        categories: The categories of the table, that of the law among them.
        contents: The other columns, but for those that name rows.
        usual: The largest share of a training day's rows that do not.
    """

    binds: ClassVar[bool] = False

    categories: tuple[str, ...]
    contents: tuple[str, ...]
    usual: float

    @property
    def says(self) -> str:
        """See `Law.says`."""
        key, category = self.columns
        return f"rows of a moment differ in more than {key} and {category}"

    def find(self, rows: Rows) -> Broken | None:
        """The rows that repeat others under another value, where these are more than ever."""
        seen = _positions(rows, MOST_ROWS)
        found = rows.once(
            ("doubles", self.categories, self.contents),
            lambda: _doubles(rows, seen, self.categories, self.contents),
        )[self.columns[1]]
        share = len(found) / max(len(seen), 1)
        if len(found) < 2 or share <= by_chance(self.usual, len(seen)):
            return None
        key, category = self.columns
        return Broken(
            law=self,
            columns=self.columns,
            message=f"{counted(len(found), 'row')} of {len(seen):,} have, but for {key} and "
            f"{category}, all values of rows before them, such as one of {category} "
            f"{show(rows.columns[category][found[0]])}; on training days at most "
            f"{100 * self.usual:.3g} % had",
            rows=found,
            strict=self.is_strict and share > TIMES * self.usual + FEW,
            numbers={f"doubles but for {category}": len(found)},
        )

    def looks_at(self, rows: Rows) -> int:
        """See `Law.looks_at`."""
        return len(_positions(rows, MOST_ROWS))


def _positions(rows: Rows, most: int) -> Ints:
    """Positions of the rows that are looked at: of more than `most` those of some moments."""
    return rows.once(("some moments", most), lambda: _find_positions(rows, most))


def _find_positions(rows: Rows, most: int) -> Ints:
    step = -(-len(rows) // most)
    if step <= 1:
        return np.arange(len(rows))
    mixed_up = (_moments(rows) * _GOLDEN) >> np.uint64(33)
    return np.flatnonzero(mixed_up % np.uint64(step) == 0)[: 2 * most]


def _moments(rows: Rows) -> Array:
    """The event time of each row: uint64."""
    name = rows.schema.event_time
    assert name is not None, "there are doubles of a moment alone"
    moments: Array = rows.columns[name].astype(np.int64).astype(np.uint64)
    return moments


def _doubles(
    rows: Rows, seen: Ints, categories: tuple[str, ...], contents: tuple[str, ...]
) -> dict[str, Ints]:
    """By category, the rows that have all values but for it of rows before them.

    Args:
        rows: The rows.
        seen: Positions of those that are looked at.
        categories: The categories.
        contents: What else has to agree.
    """

    def digests(name: str) -> Array:
        return rows.value_digests(name)[rows.values(name).places[seen]]

    alike = mixed((_moments(rows)[seen], *map(digests, contents)), len(seen))
    _, group, sizes = np.unique(alike, return_inverse=True, return_counts=True)
    several = sizes[group] > 1  # hardly any, where contents tell rows from each other
    seen, alike = seen[several], alike[several]
    told = {name: digests(name) for name in categories}
    copies = repeats(mixed((alike, *told.values()), len(seen)))
    found = {}
    for name in categories:
        others = (one for other, one in told.items() if other != name)
        found[name] = seen[repeats(mixed((alike, *others), len(seen))) & ~copies]
    return found


def discover(training: TrainingRows) -> list[Doubles]:
    """Find the categories but for which rows of a moment hardly ever agree.

    Args:
        training: The training rows.
    """
    rows, schema = training.rows, training.rows.schema
    if training.days < ENOUGH_DAYS or schema.key is None or schema.event_time is None:
        return []
    sizes = {
        field.name: len(rows.values(field.name).found)
        for field in schema
        if field.role == "value" and field.kind is not Kind.TIME
    }
    texts = [one.name for one in schema if one.kind is Kind.TEXT and one.name in sizes]
    categories = tuple(name for name in texts if 1 < sizes[name] <= CATEGORIES)
    named = {
        one.name
        for one in schema
        if one.declared != "float" and sizes.get(one.name, 0) > OWN * len(rows)
    }
    contents = tuple(name for name in sizes if name not in {*categories, *named})
    found = _doubles(rows, np.arange(len(rows)), categories, contents)
    of_day = np.bincount(training.day_of[training.day_of >= 0], minlength=training.days)
    laws = []
    for name in categories:
        days = training.day_of[found[name]]
        shares = np.bincount(days[days >= 0], minlength=training.days) / of_day
        usual = float(f"{shares.max():.4g}")
        if usual <= MOST_USUAL:
            laws.append(
                Doubles(
                    columns=(schema.key, name),
                    days=training.days,
                    categories=categories,
                    contents=contents,
                    usual=usual,
                )
            )
    return laws
