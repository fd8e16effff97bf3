"""Installed distributions that a pipeline's code imports: its results may depend on them."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib import metadata

from lockstep.columns.syntax import parse
from lockstep.parity.environment import LIBRARIES

_OURS = "lockstep-scoring"
_NAME = re.compile(r"[\w.-]+")
_OPTIONAL = re.compile(r";.*\bextra\s*==")
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
"""Fields of a statement that hold other statements: imports are in no other places."""


def imported_distributions(sources: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the distributions that sources, by module, import; of a namespace, all of it."""
    tops = {top for source in sources.values() for top in imported_tops(source)}
    outside = tops - sys.stdlib_module_names - {name.partition(".")[0] for name in sources}
    known = distributions()
    return tuple(sorted({name for top in outside for name in known.get(top, ())}))


@cache
def distributions() -> Mapping[str, list[str]]:
    """By top-level module or package, the distributions that it is installed with."""
    return metadata.packages_distributions()


def is_public(top: str) -> bool:
    """Whether a top-level module is Python's, Lockstep's, or of a library that Lockstep builds on.

    These are what Lockstep requires, with its extras, and what that requires.
    """
    if top in sys.stdlib_module_names or top == "lockstep":
        return True
    installers = distributions().get(top)
    return bool(installers) and {*map(_normal, installers or ())} <= _built_on()


@cache
def _built_on() -> frozenset[str]:
    """Names of Lockstep's own requirements, and of theirs in turn."""
    waiting, found = [_OURS, *LIBRARIES], set()
    while waiting:
        name = _normal(waiting.pop())
        if name not in found:
            found.add(name)
            try:
                required = metadata.requires(name) or []
            except metadata.PackageNotFoundError:  # as of an extra that nobody asked for
                continue
            waiting += [
                _NAME.match(each)[0]  # type: ignore[index]
                for each in required
                if name == _OURS or not _OPTIONAL.search(each)
            ]
    return frozenset(found)


def _normal(name: str) -> str:
    """The name of a distribution as installers compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


@lru_cache(maxsize=2_048)
def imported_tops(source: str) -> frozenset[str]:
    """The packages at the top that a source imports; cached, as versions have most in common."""
    packages: set[str] = set()
    inner: list[ast.AST] = [parse(source)]
    while inner:
        node = inner.pop()
        if isinstance(node, ast.Import):
            packages.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            packages.add(node.module.partition(".")[0])
        for name in _BLOCKS:
            inner += getattr(node, name, ())
    return frozenset(packages)
