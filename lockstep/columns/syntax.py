"""Syntax trees of source, in whichever thread."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from threading import Lock
from types import ModuleType

_parsing = Lock()
"""CPython 3.11 counts the depth of a tree for all threads together: two that parse at once may
raise SystemError, "AST constructor recursion depth mismatch"."""


def parse(source: str) -> ast.Module:
    """The tree of a module's source."""
    with _parsing:
        return ast.parse(source)


def source_of(declared: type | ModuleType | Callable[..., object]) -> str:
    """The source of what is declared in a file, in which `inspect` finds classes by their tree.

    Raises `OSError` where it is out of reach, and `TypeError` where it is built in.
    """
    with _parsing:
        return inspect.getsource(declared)
