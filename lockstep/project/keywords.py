"""Keywords of what a project declares: a misspelt one is told with the one that was meant."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from functools import wraps
from inspect import signature
from typing import Any, TypeVar

from lockstep.columns.plain import listed
from lockstep.errors import DeclarationError

Declared = TypeVar("Declared", bound=type)


def known_keywords(declared: Declared) -> Declared:
    """Have a class refuse keywords that it does not take, in a line.

    Raises:
        DeclarationError: When an instance is made with such a keyword.
    """
    make: Callable[..., None] = declared.__init__  # type: ignore[misc]
    known = [*signature(declared).parameters]

    @wraps(make)
    def checked(self: Any, *values: Any, **options: Any) -> None:
        unknown = next((name for name in options if name not in known), None)
        if unknown is not None:
            close = get_close_matches(unknown, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it takes {listed(known, 20)}."
            raise DeclarationError(f"{declared.__name__} takes no {unknown!r}; {hint}")
        make(self, *values, **options)

    declared.__init__ = checked  # type: ignore[misc]
    return declared
