"""Libraries: scikit-learn, imported without what only its fitting needs of other libraries.

scikit-learn and SciPy bind names of further modules when they are imported, and use them when they
fit or judge, or not at all. Importing those takes a quarter of the time that a server needs until
it answers. So stand-ins are in their place while scikit-learn is imported. Whatever uses one gets
the module itself, which is imported then; whoever imports such a module afterwards gets it as ever.
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
"""Modules that stand-ins are in the place of, packages before what is in them, and what may be
imported of each without being used. Any other name of theirs imports the module at once."""
BINDING = (
    "sklearn.covariance",
    "sklearn.feature_selection",
    "sklearn.linear_model",
    "sklearn.manifold",
)
"""Modules of scikit-learn that bind these names, themselves or by what they import. A server has
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
    """Stands in for what a module holds under a name, which is called, or asked for a method."""

    def __init__(self, module: str, name: str) -> None:
        self._module, self._name = module, name

    def __call__(self, *args: Any, **options: Any) -> Any:
        return getattr(_imported(self._module), self._name)(*args, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(getattr(_imported(self._module), self._name), name)


@contextmanager
def _standing_in() -> Iterator[None]:
    """Have stand-ins in the place of those modules that are not imported yet."""
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
    """A module itself; what that imports in turn is not to be a stand-in either."""
    _take_out()
    return import_module(name)
