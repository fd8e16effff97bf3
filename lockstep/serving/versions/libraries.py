"""Libraries: imports scikit-learn without modules that only fitting needs.

Importing these modules takes a quarter of a server's start. So stand-ins take their place while
scikit-learn is imported. Using a stand-in imports the module itself, and a later import of such a
module works as ever.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

DEFERRED: dict[str, Sequence[str]] = {
    "numpy.f2py": (),
    "numpy.testing": (),
    "scipy.integrate": ("trapezoid",),
    "scipy.interpolate": ("BSpline",),
    "scipy.linalg.interpolative": ("interp_decomp",),
    "scipy.spatial": (),
    "scipy.spatial.distance": ("cdist", "pdist", "squareform"),
    "scipy.stats": ("chi2", "gmean", "rankdata", "spearmanr"),
}
"""Modules with a stand-in, packages before their submodules, and the names that are bound from each
without being used. Any other name of theirs imports the module at once."""
BINDING = (
    "sklearn.covariance",
    "sklearn.feature_selection",
    "sklearn.linear_model",
    "sklearn.manifold",
)
"""Modules of scikit-learn that bind these names, themselves or through their imports. A server has
all of them, whatever it serves."""


def import_libraries() -> None:
    """Import scikit-learn, unless the process has it already."""
    for name in BINDING:
        try:
            with _standing_in():
                import_module(name)
        except ImportError:  # another release asks for more than a stand-in has
            import_module(name)


class _StandIn(ModuleType):
    """Stands in for a module until something of it is used."""

    def __init__(self, name: str, unused: Sequence[str]) -> None:
        super().__init__(name)
        for each in unused:
            setattr(self, each, _Later(name, each))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what Python asks of any module that is imported
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(_imported(self.__name__), name)


class _Later:
    """Stands in for a function or class of a module until it is called, or an attribute is read."""

    def __init__(self, module: str, name: str) -> None:
        self._module, self._name = module, name

    def __call__(self, *args: Any, **options: Any) -> Any:
        return getattr(_imported(self._module), self._name)(*args, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(getattr(_imported(self._module), self._name), name)


@contextmanager
def _standing_in() -> Iterator[None]:
    """Put stand-ins in the place of the modules that are not imported yet."""
    for name, unused in DEFERRED.items():
        package, _, own_name = name.rpartition(".")
        parent = import_module(package)
        if name not in sys.modules:
            sys.modules[name] = stand_in = _StandIn(name, unused)
            setattr(parent, own_name, stand_in)
    try:
        yield
    finally:
        _take_out()


def _take_out() -> None:
    for name in reversed(DEFERRED):
        package, _, own_name = name.rpartition(".")
        if isinstance(sys.modules.get(name), _StandIn):
            del sys.modules[name]
            delattr(sys.modules[package], own_name)


def _imported(name: str) -> ModuleType:
    """The module itself, imported without any stand-in."""
    _take_out()
    return import_module(name)
