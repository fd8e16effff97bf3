"""What the code of a version reads from outside, and what libraries do of their own."""

import os
from types import ModuleType

import numpy as np
import pytest
import sklearn.ensemble  # noqa: F401  with its OpenMP

from lockstep.artifacts import outside

LOOKING = """
from threadpoolctl import ThreadpoolController

def look():
    return ThreadpoolController().lib_controllers
"""
OPENING = """
import ctypes

def look():
    return [ctypes.CDLL(PATH)]
"""


def readings_of(source: str, **given: object) -> list[outside.Reading]:
    """What code reads that runs as that of a version does."""
    module = ModuleType("_lockstep_tried.module")
    vars(module).update(given)
    with outside.watching() as readings:
        exec(compile(source, "tried/module.py", "exec"), vars(module))
        assert module.look()
    return readings


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled libraries lie in no folder of Python's, as where BLAS is the system's."""
    monkeypatch.setattr(outside, "_installed", lambda: ())


def test_compiled_libraries_that_a_library_looks_at_are_none_of_it() -> None:
    assert readings_of(LOOKING) == []


def test_a_compiled_library_that_the_code_itself_opens_is_named() -> None:
    path = os.path.realpath(np._core._multiarray_umath.__file__)
    assert [one.name for one in readings_of(OPENING, PATH=path)] == [path]
