"""skops, without the lists that it makes when it is imported.

skops trusts all estimators of scikit-learn and functions of NumPy and SciPy. To list them, it
imports every module of scikit-learn, which takes longer than the rest of loading a version. Here a
name gets onto these lists when a file has it and skops would have listed it: exactly the same types
are trusted. This is a private copy; whatever else imports skops gets the usual one.
"""

from __future__ import annotations

import importlib
import inspect
import io
import json
import sys
import threading
import zipfile
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from types import ModuleType
from typing import Any

import numpy as np

_LISTS = "skops.io._trusted_types"
"""The module of skops that makes the lists."""
_NOT_WALKED = {"conftest", "estimator_checks", "experimental", "externals", "setup", "tests"}
"""Modules of scikit-learn in which `all_estimators` does not look."""
SCHEMA = "schema.json"
"""The file of a stored estimator that names its types."""
_lock = threading.Lock()


@dataclass(frozen=True)
class Skops:
    """Reads and writes estimators."""

    io: Any  # the module `skops.io`
    estimators: list[str]  # its list, of full names
    functions: list[str]  # its list, of full names

    def learn(self, data: bytes) -> set[str]:
        """Add the names in a stored estimator that belong on the lists to these; return all names.

        Raises any exception where it is no stored estimator, or is damaged.
        """
        names = _names_in(data)
        for name in names:
            if name not in self.estimators and is_estimator(name):
                self.estimators.append(name)
            if name not in self.functions and is_function(name):
                self.functions.append(name)
        return names


def skops() -> Skops:
    """The copy with short lists; with long ones where another release of skops needs more lists."""
    with _lock:
        return _skops()


@cache
def _skops() -> Skops:
    others = _taken_out()
    lists = sys.modules[_LISTS] = short_lists()
    try:
        module = _imported_anew()
    except ImportError:
        _taken_out()
        module = _imported_anew()
    finally:
        _taken_out()
        sys.modules.update(others)
    return Skops(module, lists.SKLEARN_ESTIMATOR_TYPE_NAMES, lists.NUMPY_UFUNC_TYPE_NAMES)


def _imported_anew() -> ModuleType:
    import skops.io as skops_io  # a statement, by which the version's requirements name skops

    imported: ModuleType = skops_io
    return imported


def is_estimator(name: str) -> bool:
    """Whether scikit-learn's `all_estimators` has an estimator of this full name.

    Only modules in which that would look are imported.
    """
    from sklearn.base import BaseEstimator

    module, _, own_name = name.rpartition(".")
    parts = module.split(".")
    if parts[0] != "sklearn" or _NOT_WALKED & {*parts} or own_name.startswith("_"):
        return False
    public = ".".join(takewhile(lambda part: not part.startswith("_"), parts))
    try:
        member = getattr(_imported(public), own_name, None)
    except ImportError:  # experimental, and not enabled: `all_estimators` does not see it either
        return False
    return (
        inspect.isclass(member)
        and issubclass(member, BaseEstimator)
        and member is not BaseEstimator
        and not inspect.isabstract(member)
        and f"{member.__module__}.{member.__name__}" == name
    )


def is_function(name: str) -> bool:
    """Whether NumPy or `scipy.special` has a public universal function of this full name.

    SciPy's also go by the modules that define them, none of which is imported here.
    """
    import scipy.special

    module, _, own_name = name.rpartition(".")
    if module != "numpy" and not f"{module}.".startswith("scipy.special."):
        return False
    member = getattr(sys.modules.get(module), own_name, None)
    return (
        isinstance(member, np.ufunc)
        and member.__name__ == own_name
        and any(member is getattr(public, own_name, None) for public in (np, scipy.special))
    )


def _imported(module: str) -> ModuleType | None:
    try:
        return importlib.import_module(module)
    except ImportError:
        return None


def _names_in(data: bytes) -> set[str]:
    names: set[str] = set()

    def note(state: dict[str, Any]) -> dict[str, Any]:
        if "__module__" in state and "__class__" in state:
            names.add(f"{state['__module__']}.{state['__class__']}")
        return state

    with zipfile.ZipFile(io.BytesIO(data)) as stored:
        json.loads(stored.read(SCHEMA), object_hook=note)
    return names


def _taken_out() -> dict[str, ModuleType]:
    """Remove the imported modules of skops, so that they are imported anew; return them."""
    modules = {
        name: module
        for name, module in list(sys.modules.items())  # others may import something meanwhile
        if name.partition(".")[0] == "skops" and isinstance(module, ModuleType)
    }
    for name in modules:
        del sys.modules[name]
    return modules


def short_lists() -> Any:
    """A stand-in for the module of the lists, with those that are made without a search."""
    lists: Any = ModuleType(_LISTS)
    lists.PRIMITIVE_TYPE_NAMES = [f"builtins.{kind.__name__}" for kind in (int, float, str, bool)]
    lists.CONTAINER_TYPE_NAMES = [f"builtins.{kind.__name__}" for kind in (list, set, map, tuple)]
    dtypes = {*np.sctypeDict.values()}
    lists.NUMPY_DTYPE_TYPE_NAMES = sorted(f"numpy.{dtype.__name__}" for dtype in dtypes)
    lists.NUMPY_RANDOM_BIT_GENERATOR_TYPE_NAMES = [
        f"numpy.random.{name}"
        for name, member in vars(np.random).items()
        if inspect.isclass(member) and member in np.random.BitGenerator.__subclasses__()
    ]
    lists.SKLEARN_ESTIMATOR_TYPE_NAMES = []
    lists.SKLEARN_INTERNAL_TYPE_NAMES = []  # those of `lockstep.artifacts.trusted` serve
    lists.NUMPY_UFUNC_TYPE_NAMES = []
    lists.SCIPY_UFUNC_TYPE_NAMES = lists.NUMPY_UFUNC_TYPE_NAMES
    return lists
