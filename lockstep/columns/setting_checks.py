"""Settings of declarations: one that is unknown, or not what it has to be, is told in a line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from functools import wraps
from inspect import signature
from typing import Any, TypeVar

from lockstep.columns.plain import listed, show
from lockstep.errors import DeclarationError


def demand_setting(is_right: bool, setting: str, given: object, meant: str) -> None:
    """Check a setting of a declaration.

    Args:
        is_right: Whether it is what it has to be.
        setting: Whose it is and its name, such as `Calendar: weekdays`.
        given: What was given.
        meant: What to give.

    Raises:
        DeclarationError: It is not what it has to be.
    """
    if not is_right:
        raise DeclarationError(f"{setting} is {show(given)}; give {meant}.")


def is_number(given: object) -> bool:
    """Whether a setting is a number, whole or not."""
    return isinstance(given, int | float) and not isinstance(given, bool)


def is_whole(given: object, least: int) -> bool:
    """Whether a setting is a whole number, and not below another."""
    return isinstance(given, int) and not isinstance(given, bool) and given >= least


def is_list(given: object, kind: type) -> bool:
    """Whether a setting is a list, or the like, of things of a kind."""
    if isinstance(given, str) or not isinstance(given, Sequence):
        return False
    return all(isinstance(item, kind) for item in given)


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
