"""Blocks: the columns that one step of a plan hands to the next.

A block is a two-dimensional array of float64 where all of its columns are numbers, or else a list
of one-dimensional arrays in canonical form. A single row goes through as a list of Python values
where every step has a form for that: arrays of one value cost ten times as much as the value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lockstep.columns.compiled.encodings import Look
from lockstep.columns.kinds import Array, Kind
from lockstep.columns.tables import to_frame
from lockstep.errors import NotCompiledError

Block = list[Array] | Array
Layout = tuple[Kind, ...]
"""What each column of a block holds."""

Row = Sequence[Any]
"""The values of one row: NaN for a missing number, None for a missing text."""
RowStep = Callable[[Row], Row]

_NUMBERS = {Kind.FLOAT, Kind.INT, Kind.BOOL}


@dataclass(frozen=True)
class Step:
    """A compiled transformer."""

    run: Callable[[Block], Block]
    gives: Layout
    run_row: RowStep | None = None  # for a single row; None if it has no such form
    # for each output column, the input column it is looked up in
    looks: tuple[Look, ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "_gives_numbers", are_numbers(self.gives))

    def __call__(self, block: Block) -> Block:
        """Run the step, by the form for a single row where it applies."""
        if self.run_row is not None and self._gives_numbers:  # type: ignore[attr-defined]
            row = single_row(block)
            if row is not None:
                return np.array([self.run_row(row)], dtype=np.float64)
        return self.run(block)


def single_row(block: Block) -> Row | None:
    """The values of a block of one row; None for any other block."""
    if isinstance(block, list):
        if not block or len(block[0]) != 1:
            return None
        return [array.item() for array in block]
    return block[0].tolist() if len(block) == 1 else None


def columns_of(block: Block) -> list[Array]:
    """The columns of a block, each a one-dimensional array."""
    return block if isinstance(block, list) else list(block.T)


def to_matrix(block: Block) -> Array:
    """A block of numbers as a two-dimensional array of float64, one row a row, row by row."""
    if not isinstance(block, list):
        return block
    if not block:
        return np.empty((0, 0))
    together = np.concatenate(block, dtype=np.float64).reshape(len(block), -1)
    return np.ascontiguousarray(together.T)


def take(block: Block, places: Sequence[int]) -> Block:
    """Some columns of a block, by their places."""
    if isinstance(block, list):
        return [block[place] for place in places]
    return block[:, places]


def numbers(count: int) -> Layout:
    """The layout of a matrix of so many columns."""
    return (Kind.FLOAT,) * count


def are_numbers(layout: Layout) -> bool:
    """Whether all columns can stand in one matrix."""
    return all(kind in _NUMBERS for kind in layout)


def demand_numbers(what: object, layout: Layout) -> None:
    """Raise `NotCompiledError` where a step gets texts or times."""
    if not are_numbers(layout):
        other = next(kind for kind in layout if kind not in _NUMBERS)
        raise NotCompiledError(f"{type(what).__name__} is given a column of {other.value}")


def as_fitted(transformer: object, arrays: Sequence[Array]) -> Any:
    """Columns in the form in which a transformer saw them at its fit.

    That is a DataFrame with its own names, or an array where it came after another transformer.
    """
    names = getattr(transformer, "feature_names_in_", None)
    if names is not None:
        return to_frame(dict(zip(names.tolist(), arrays, strict=True)))
    if all(array.dtype != object for array in arrays):
        return to_matrix(list(arrays))
    table = np.empty((len(arrays[0]), len(arrays)), dtype=object)
    for index, array in enumerate(arrays):
        table[:, index] = array
    return table
