"""Installed distributions that a pipeline's code imports: its results may depend on them."""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib import metadata

_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
"""Fields of a statement that hold other statements: imports are in no other places."""


def imported_distributions(sources: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the distributions that sources import, in order; of a namespace, all of it.

    Args:
        sources: Source by module name; imports of one another do not count.
    """
    tops = {top for source in sources.values() for top in _imported_tops(source)}
    outside = tops - sys.stdlib_module_names - {name.partition(".")[0] for name in sources}
    known = distributions()
    return tuple(sorted({name for top in outside for name in known.get(top, ())}))


@cache
def distributions() -> Mapping[str, list[str]]:
    """By top-level module or package, the distributions that it is installed with."""
    return metadata.packages_distributions()


@lru_cache(maxsize=2_048)
def _imported_tops(source: str) -> frozenset[str]:
    """The packages that a source imports; cached, since versions have most sources in common."""
    packages: set[str] = set()
    inner: list[ast.AST] = [ast.parse(source)]
    while inner:
        node = inner.pop()
        if isinstance(node, ast.Import):
            packages.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            packages.add(node.module.partition(".")[0])
        for name in _BLOCKS:
            inner += getattr(node, name, ())
    return frozenset(packages)
