"""Effects: what a difference does to an output: which decisions flip, how far scores move."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lockstep.columns.kinds import Array, Columns, Kind
from lockstep.columns.plain import brief, counted
from lockstep.columns.schema import Schema
from lockstep.parity.exactness import difference

_CATEGORIES = (Kind.TEXT, Kind.BOOL)
_NUMBERS = "fi"
_MOST_VALUES = 24
"""The most values of a category that makes segments."""
_LEAST_SHARE = 0.05
"""The least share of the rows of a segment: a single row would count too much in a smaller one."""


Parts = Sequence[tuple[str, Array]]
"""Segments of some rows: a name, such as `origin is JFK`, and whether each row is of it: bool."""


@dataclass(frozen=True)
class Effect:
    """What a difference does to one output.

    Attributes:
        differing: Rows in which it differs: decisions that flip, scores that move.
        moved: The mean change of a number over all rows; None for decisions (texts, booleans), and
            where it is not known.
        largest: The largest absolute difference of a number; None likewise.
        worst: The segment in which it differs most, in words; empty without segments.
        away: The mean absolute change of a number over all rows; None likewise.
    """

    output: str
    rows: int
    differing: int
    moved: float | None = None
    largest: float | None = None
    worst: str = ""
    away: float | None = None

    @classmethod
    def of(
        cls,
        output: str,
        before: Array,
        after: Array,
        among: Parts,
        differs: Array | None = None,
    ) -> Effect:
        """Compare the values of an output."""
        unlike = difference(before, after).rows if differs is None else differs
        moves = None
        if before.dtype.kind in _NUMBERS and after.dtype.kind in _NUMBERS:
            moves = after.astype(np.float64) - before.astype(np.float64)
            moves = np.where(np.isfinite(moves), moves, 0.0)
        return cls(
            output=output,
            rows=len(after),
            differing=int(np.count_nonzero(unlike)),
            moved=None if moves is None else float(moves.mean()) if len(moves) else 0.0,
            largest=None if moves is None else float(np.abs(moves).max(initial=0.0)),
            worst=_worst(unlike, moves, among) if unlike.any() else "",
            away=None if moves is None else float(np.abs(moves).mean()) if len(moves) else 0.0,
        )

    @property
    def extent(self) -> float:
        """How far a row's value moves on average; of decisions, the share that flips."""
        return self.differing / max(self.rows, 1) if self.away is None else self.away

    def farther_than(self, usual: float) -> str:
        """How far it goes beside the farthest that is usual, in words without their end."""
        if self.away is None:
            return f"flips {self.output} in {self.extent:.1%} of rows, and in {usual:.1%} at most"
        return f"moves {self.output} by {brief(self.away)} a row, and by {brief(usual)} at most"

    def __str__(self) -> str:
        verb = "flips" if self.moved is None else "moves"
        some = f"{self.differing:,}" if self.differing else "none"
        text = f"{self.output} {verb} in {some} of {counted(self.rows, 'row')}"
        if self.differing and self.moved is not None and self.largest is not None:
            text += f", by {brief(self.moved, '+')} on average and up to {brief(self.largest)}"
        return f"{text}, {self.worst}" if self.worst else text


def effects_of(
    before: Columns, after: Columns, schema: Schema, differs: Mapping[str, Array | None]
) -> tuple[Effect, ...]:
    """What a difference does to some outputs."""
    among = list(_segments(after, schema)) if differs else []
    return tuple(
        Effect.of(name, before[name], after[name], among, rows) for name, rows in differs.items()
    )


def _worst(unlike: Array, moves: Array | None, among: Parts) -> str:
    """The segment with the largest share of differing rows; of numbers, the one that moves most."""
    much = unlike if moves is None else np.abs(moves)
    worst = max(among, key=lambda segment: float(much[segment[1]].mean()), default=None)
    if worst is None:
        return ""
    name, rows = worst
    if moves is not None:
        return f"most where {name} ({brief(float(moves[rows].mean()), '+')})"
    differing = int(np.count_nonzero(unlike[rows]))
    return f"most where {name} ({differing:,} of {int(np.count_nonzero(rows)):,})"


def _segments(columns: Columns, schema: Schema) -> Iterator[tuple[str, Array]]:
    """The segments of some rows, by every category of their record that has few values."""
    told = (field for field in schema if field.role == "value" and not field.personal)
    categories = (field for field in told if field.kind in _CATEGORIES)
    for name in (category.name for category in categories if category.name in columns):
        places, values = pd.factorize(columns[name])
        if 1 < len(values) <= _MOST_VALUES:
            counts = np.bincount(places[places >= 0], minlength=len(values))
            for place in np.flatnonzero(counts >= _LEAST_SHARE * len(places)).tolist():
                yield f"{name} is {values[place]}", places == place
