"""Newcomers: how often a thing that no day had before comes, and with how many rows.

What is chance of a new name, such as that of a merchant or a product, is not how its rows are
dealt: they come all together, once. It is how many new things a day has, and how large things are:
as many as are that large on their largest day, among all that training had (the rule of succession:
Laplace, 1774). A column of a few names that never had a new one has none by chance, one of many
small things none that is large. How much larger than all of them one may be follows from the tail
of their sizes, which falls as a power (Hill, "A simple general approach to inference about the tail
of a distribution", 1975). Of the new things of a day one of each column may be so: two are one more
chance.

What a new thing does to the shares and levels of a day is no fault: what cannot be with its rows
but may be without them is merely unusual.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec
import numpy as np

from lockstep.columns.kinds import Array, Kind
from lockstep.laws import dependencies
from lockstep.laws.bands import SELDOM, Banded, had_before, training_days
from lockstep.laws.forms import NEW_FORM
from lockstep.laws.glance import dated_columns
from lockstep.laws.law import Broken
from lockstep.laws.marks import Marks
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.terms import Term

MOST_SHARES = 200
"""Things whose shares are kept, the largest."""
MOST_THINGS = 5_000
"""Things that are kept, at most."""
TAIL = 10
"""Things, the largest, that tell how sizes fall."""
_TINY = 1e-9
LARGE = 0.02
"""Share of the rows that a new thing has at least, so that it may be taken for what cannot be."""


class Newcomers(msgspec.Struct, frozen=True):
    """How often new things come, and how large things are.

    Attributes:
        come: How many new ones a training day had, on average.
        things: How many there are.
        shares: The largest share of a day's rows that each of the largest things had, in order.
        known: The things that there are; none where they are too many to be kept, or where large
            new ones do not come.
    """

    come: float = 0.0
    things: int = 0
    shares: tuple[float, ...] = ()
    known: Marks = Marks()

    @classmethod
    def of(cls, column: str, days: Sequence[Rows]) -> Newcomers:
        """What training days tell.

        Args:
            column: The column that names things.
            days: The rows of each day, the oldest first.
        """
        counted = [day.counted(column) for day in days]
        there = [found.tolist() for found, _ in counted]
        come = [
            len(frozenset(of_day) - before)
            for of_day, before in zip(there, had_before(there), strict=True)
            if before is not None
        ]
        largest: dict[object, float] = {}
        for day, of_day, (_, counts) in zip(days, there, counted, strict=True):
            for value, count in zip(of_day, counts.tolist(), strict=True):
                largest[value] = max(count / len(day), largest.get(value, 0.0))
        ordered = sorted(largest.values(), reverse=True)[:MOST_SHARES]
        newcomers = cls(
            come=float(f"{np.mean(come or [0]):.4g}"),
            things=len(largest),
            shares=tuple(float(f"{one:.4g}") for one in ordered),
        )
        if len(largest) > MOST_THINGS or not newcomers.may_be(LARGE):
            return cls()
        digests = np.concatenate([day.value_digests(column)[:-1] for day in days])
        return msgspec.structs.replace(newcomers, known=Marks.of(digests))

    def rows_of(self, column: str, rows: Rows) -> Array:
        """Rows of the largest thing that is new, if one so large may be: bool, one a row.

        Args:
            column: The column that names things.
            rows: Rows of a day.
        """
        found, counts = rows.counted(column)
        none = np.zeros(len(rows), dtype=bool)
        if not len(found):
            return none
        new = np.where(self.known.hold(rows.value_digests(column)[:-1]), 0, counts)
        share = float(new.max()) / len(rows)
        if share < LARGE or not self.may_be(share):
            return none
        is_of_it: Array = rows.values(column).places == new.argmax()
        return is_of_it

    def may_be(self, share: float) -> bool:
        """Whether a new thing of so many rows comes more often than what is held to be impossible.

        Args:
            share: Its share of the rows of a day.
        """
        larger = sum(one >= share for one in self.shares)
        often = self.come * (larger + 1) / (self.things + 1)
        return often * (1.0 if larger else self._beyond(share)) > SELDOM

    def _beyond(self, share: float) -> float:
        """How many of the things that are larger than all there were are so large."""
        if len(self.shares) <= TAIL:
            return 0.0
        logs = np.log(self.shares[: TAIL + 1])
        return float((self.shares[0] / share) ** (1 / max(np.mean(logs[:-1] - logs[-1]), _TINY)))


def discover(training: TrainingRows) -> dict[str, Newcomers]:
    """How often new things come, by the column that names them, of those in which large ones do.

    Texts name things, and whole numbers from which other columns follow.

    Args:
        training: The training rows.
    """
    days, schema = training_days(training), training.rows.schema
    if not training.has_days or not days:
        return {}
    dated = dated_columns(training)
    determining = {law.determinants for law in dependencies.known(training)}
    named = (
        one.name
        for one in schema
        if one.role == "value"
        and one.name not in dated
        and (one.kind is Kind.TEXT or (one.kind is Kind.INT and (Term(one.name),) in determining))
    )
    found = {name: Newcomers.of(name, days) for name in named}
    return {name: one for name, one in found.items() if one.things}


def explained(
    found: Sequence[Broken], of_columns: Mapping[str, Newcomers], rows: Rows
) -> list[Broken]:
    """Findings, of which those that are none without the rows of new things merely warn.

    Args:
        found: What a batch breaks.
        of_columns: How often new things come, by the column that names them.
        rows: The rows of the batch.
    """
    if not any(one.strict and isinstance(one.law, Banded) for one in found):
        return list(found)
    is_new = np.zeros(len(rows), dtype=bool)
    odd = {one.columns[0] for one in found if any(case.startswith(NEW_FORM) for case in one.cases)}
    for column, newcomers in of_columns.items():
        if column not in odd:  # what looks like no name that there was is a code
            is_new |= newcomers.rows_of(column, rows)
    if not is_new.any():
        return list(found)
    others = replace(rows.take(~is_new, rows.day), earlier=rows.earlier)
    return [
        replace(one, strict=False)
        if one.strict and isinstance(one.law, Banded) and not _is_strict(one.law.find(others))
        else one
        for one in found
    ]


def _is_strict(found: Broken | None) -> bool:
    return found is not None and found.strict
