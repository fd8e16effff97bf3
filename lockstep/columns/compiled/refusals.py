"""Refusals: numbers that a fitted step refuses, which its compiled form has to refuse too.

scikit-learn validates what it is given: some estimators take missing numbers, most take no infinite
ones, and trees none beyond float32. A plan on arrays has no such validation. So each fitted step is
asked once, when it is compiled, which of these it refuses.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lockstep.columns.compiled.blocks import Block, Layout, Row, Step
from lockstep.columns.kinds import Array, Kind, example_array, picker
from lockstep.columns.threads import openmp_threads_for
from lockstep.errors import NotCompiledError

Ask = Callable[[list[Array]], object]
"""Gives a fitted step a row, by column; raises where it is refused."""

_BEYOND = 2.0**128 - 2.0**103
"""The least number that float32 rounds to infinity."""


@dataclass(frozen=True)
class _Unusual:
    """Numbers that a step may refuse."""

    name: str  # what each is
    examples: tuple[float, ...]
    among: Callable[[Array], Array]  # which numbers of an array are such ones


_TOO_LARGE = _Unusual(
    "a number too large for float32",
    (1e300, -1e300),
    lambda array: (np.abs(array) >= _BEYOND) & np.isfinite(array),
)
_UNUSUAL = (
    _Unusual("a missing number", (np.nan,), np.isnan),
    _Unusual("an infinite number", (np.inf, -np.inf), np.isinf),
    _TOO_LARGE,
)


class RefusedNumbers:
    """What a fitted step, by the name of its type, refuses of its input."""

    def __init__(self, name: str, given: Layout, refused: tuple[_Unusual, ...]) -> None:
        self.any = bool(refused)
        self._name = name
        self._refused = refused
        self._places = _floats(given)
        self._pick = picker(self._places) if len(self._places) < len(given) else None
        self._is_narrow = _TOO_LARGE in refused
        self._limit = _BEYOND if self._is_narrow else np.inf

    @classmethod
    def of(
        cls, step: Any, given: Layout, ask: Ask, usual: list[Array] | None = None
    ) -> RefusedNumbers:
        """Ask a fitted step: only columns of floats hold such numbers.

        `ask` gives it a row; `usual` is a row that it takes, by column, any by default. Raises
        `NotCompiledError` where it refuses even that, so that it cannot be asked.
        """
        name, places = type(step).__name__, _floats(given)
        if not places:
            return cls(name, given, ())
        row = usual if usual is not None else [example_array(kind)[:1] for kind in given]
        if (refusal := _refusal(ask, row)) is not None:
            raise NotCompiledError(f"{name} refuses a row of usual values ({refusal})")

        def is_refused(number: float) -> bool:
            held = [
                np.array([number]) if place in places else array for place, array in enumerate(row)
            ]
            return _refusal(ask, held) is not None

        found = (unusual for unusual in _UNUSUAL if any(map(is_refused, unusual.examples)))
        return cls(name, given, tuple(found))

    def check(self, block: Block) -> None:
        """Raise `ValueError` where the step refuses a number."""
        if isinstance(block, list):
            for place in self._places:
                self._check(block[place])
        else:
            self._check(block)

    def check_row(self, row: Row) -> None:
        """The same for a single row."""
        numbers = row if self._pick is None else self._pick(row)
        # No comparison holds for a missing number, which makes the sum one.
        total = sum(map(abs, numbers) if self._is_narrow else numbers)
        if not -self._limit < total < self._limit:
            self._check(np.array(numbers, dtype=np.float64))

    def _check(self, numbers: Array) -> None:
        if np.abs(numbers).max(initial=0.0) < self._limit:
            return
        for unusual in self._refused:
            if unusual.among(numbers).any():
                raise ValueError(f"{self._name} takes no row with {unusual.name}")


def refusing(step: Step, refusals: RefusedNumbers) -> Step:
    """A compiled transformer that refuses what the fitted one refuses."""
    if not refusals.any:
        return step
    run, run_row = step.run, step.run_row

    def checked(block: Block) -> Block:
        refusals.check(block)
        return run(block)

    def checked_row(row: Row) -> Row:
        refusals.check_row(row)
        assert run_row is not None, "it is called where there is one"
        return run_row(row)

    # Looks that are composed with others are not checked.
    return replace(step, run=checked, run_row=run_row and checked_row, looks=None)


def _floats(given: Layout) -> tuple[int, ...]:
    return tuple(place for place, kind in enumerate(given) if kind is Kind.FLOAT)


def _refusal(ask: Ask, row: list[Array]) -> str | None:
    """Why a step refuses a row; None if it takes it."""
    with np.errstate(all="ignore"), warnings.catch_warnings(), openmp_threads_for(1):
        warnings.simplefilter("ignore")
        try:
            ask(row)
        except Exception as error:  # noqa: BLE001 - libraries refuse with errors of many types
            return type(error).__name__
    return None
