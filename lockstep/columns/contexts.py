"""Contexts: the context variables with which the functions of a pipeline compute.

Every thread has its own `decimal` precision and NumPy error state. So a pipeline's modules, which
may set them, are imported in a context of its own, and all its columns are computed in copies of
that, in whichever thread or process.
"""

from __future__ import annotations

import decimal
from collections.abc import Callable
from contextvars import Context, ContextVar
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class OwnContext:
    """A context that its modules alone have set something in."""

    def __init__(self) -> None:
        self._context = Context()
        self._decimals: list[tuple[ContextVar[decimal.Context], decimal.Context]] = []

    def load(self, function: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        """Import modules in it: what they set holds from then on."""
        try:
            return self._context.run(function, *args, **options)
        finally:
            held = self._context.items()
            self._decimals = [
                (variable, value.copy())
                for variable, value in held
                if isinstance(value, decimal.Context)
            ]

    def compute(self, function: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        """Compute in a copy of it: what a function sets is gone afterwards."""
        context = self._context.copy()
        if self._decimals:  # a copy of a context holds the very same objects
            context.run(self._renew)
        return context.run(function, *args, **options)

    def _renew(self) -> None:
        for variable, value in self._decimals:
            variable.set(value.copy())
