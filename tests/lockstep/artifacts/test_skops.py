"""skops without its lists: the same is trusted, nothing is imported for it, and nobody sees it."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import skops.io._trusted_types as lists
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from skops.io import get_untrusted_types

from lockstep.artifacts.skops import is_estimator, is_function, short_lists
from lockstep.artifacts.trusted import TRUSTED, dump_estimator

ESTIMATORS = set(lists.SKLEARN_ESTIMATOR_TYPE_NAMES)
FUNCTIONS = {*lists.NUMPY_UFUNC_TYPE_NAMES, *lists.SCIPY_UFUNC_TYPE_NAMES}


def names_in_the_libraries() -> Iterator[str]:
    """Full names of all that can be called, by where it is found and by where it says it is from.

    skops has imported all of scikit-learn by now.
    """
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in ("sklearn", "numpy", "scipy"):
            for own_name, found in list(vars(module).items()):
                if callable(found):
                    yield f"{name}.{own_name}"
                    yield f"{getattr(found, '__module__', '')}.{getattr(found, '__name__', '')}"


def found_at(name: str) -> Any:
    module, _, own_name = name.rpartition(".")
    return getattr(importlib.import_module(module), own_name)


def test_every_estimator_that_skops_lists_is_trusted() -> None:
    assert [name for name in ESTIMATORS if not is_estimator(name)] == []


def test_every_function_that_skops_lists_is_trusted() -> None:
    assert [name for name in FUNCTIONS if not is_function(name)] == []


def test_no_estimator_is_trusted_that_skops_does_not_list() -> None:
    assert {name for name in names_in_the_libraries() if is_estimator(name)} == ESTIMATORS


def test_no_function_is_trusted_that_skops_does_not_list() -> None:
    listed = {id(found_at(name)) for name in FUNCTIONS}
    trusted = {name for name in names_in_the_libraries() if is_function(name)}
    assert [name for name in trusted if id(found_at(name)) not in listed] == []


def test_what_else_skops_lists_is_listed_here() -> None:
    short = vars(short_lists())
    names = [name for name in vars(lists) if name.endswith("_TYPE_NAMES")]
    lacking = {one for name in names for one in set(vars(lists)[name]) - set(short[name])}
    assert lacking - ESTIMATORS - FUNCTIONS <= set(TRUSTED)


@pytest.mark.parametrize(
    "name",
    [
        "sklearn.conftest.pytest",
        "sklearn.tests.test_base.MyEstimator",
        "sklearn.externals._arff.ArffDecoder",
        "sklearn.base.BaseEstimator",
        "sklearn.linear_model.Ridge",
        "sklearn.linear_model._ridge._BaseRidge",
        "sklearn.linear_model._ridge.ridge_regression",
        "sklearn.utils.os",
        "sklearn..linear_model.Ridge",
        "sklearn.no_such_module.Estimator",
        "sklearn",
        "os.system",
        "numpy.load",
        "numpy.f2py.__main__.main",
        "numpy.frompyfunc",
        "scipy.special.no_such_module.expit",
        ".",
        "",
    ],
)
def test_nothing_else_is_trusted(name: str) -> None:
    assert not is_estimator(name)
    assert not is_function(name)


def test_modules_in_which_skops_would_not_look_are_not_imported() -> None:
    names = ("sklearn.conftest", "sklearn.tests.test_base", "numpy.f2py.__main__")
    before = set(sys.modules)
    for name in names:
        assert not is_estimator(f"{name}.Anything")
        assert not is_function(f"{name}.anything")
    assert set(names) & (set(sys.modules) - before) == set()


LOAD = """
import sys
from pathlib import Path

from lockstep.artifacts.trusted import load_estimator

estimator = load_estimator("price", Path(sys.argv[1]).read_bytes())
assert type(estimator.steps[1][1]).__name__ == "Ridge"
"""


def run(program: str, file: Path) -> None:
    subprocess.run([sys.executable, "-c", LOAD + program, str(file)], check=True)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A file with an estimator, and what it needs of scikit-learn alone."""
    file = tmp_path / "price.skops"
    file.write_bytes(
        dump_estimator("price", make_pipeline(FunctionTransformer(), Ridge()).fit([[1]], [2]))
    )
    return file


def test_an_estimator_is_loaded_without_all_of_scikit_learn(stored: Path) -> None:
    run("assert not {'sklearn.utils._testing', 'sklearn.semi_supervised'} & {*sys.modules}", stored)


def test_others_get_skops_with_its_lists(stored: Path) -> None:
    assert get_untrusted_types(data=stored.read_bytes()) == []
    run(
        "import skops.io\n"
        "data = Path(sys.argv[1]).read_bytes()\n"
        "assert skops.io.get_untrusted_types(data=data) == []\n"
        "assert type(skops.io.loads(data).steps[1][1]).__name__ == 'Ridge'",
        stored,
    )
