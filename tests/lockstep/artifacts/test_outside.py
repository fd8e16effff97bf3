"""What the code of a version reads from outside, and what libraries do of their own."""

import importlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import sklearn.ensemble  # noqa: F401  with its OpenMP

from lockstep.artifacts import outside
from lockstep.artifacts.readers import readers
from lockstep.errors import FitError
from lockstep.project.declaration import PipelineAssets
from lockstep.training.candidate import train

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


def in_place() -> list[Any]:
    """What is replaced in the process while somebody watches."""
    functions = [getattr(owner, name) for owner, name, _ in readers()]
    return [type(os.environ), importlib.import_module, threading.Thread.start, *functions]


def test_whoever_watches_last_puts_everything_back() -> None:
    before = in_place()
    with outside.watching():
        assert not any(now is then for now, then in zip(in_place(), before, strict=True))
        with outside.watching():
            watched = in_place()
        assert in_place() == watched
    assert in_place() == before


def test_everything_is_put_back_where_a_fit_fails(
    workplace: Any, edited_orders: Callable[..., PipelineAssets]
) -> None:
    before = in_place()
    with pytest.raises(FitError):
        train(edited_orders(("C=10.0", "C=-1.0")), workplace.store, workplace.registry)
    assert in_place() == before


def test_everything_is_put_back_where_the_fit_of_watched_code_fails() -> None:
    fitting = "from sklearn.linear_model import Ridge\ndef look(): Ridge().fit([[1.0]], ['a'])"
    before = in_place()
    with pytest.raises(ValueError, match="could not convert"):
        readings_of(fitting)
    assert in_place() == before


def test_everything_is_put_back_where_something_cannot_be_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = in_place()
    monkeypatch.setattr(outside, "readers", lambda: [(object(), "read", "path")])
    with pytest.raises(AttributeError), outside.watching():
        pass
    assert in_place() == before


def test_what_is_opened_while_the_process_ends_is_no_error_of_the_hook() -> None:
    code = (
        "from lockstep.artifacts import outside\n"
        "class Late:\n"
        "    def __del__(self, open=open):\n"
        "        open('/dev/null').close()\n"
        "outside._install()\n"
        "outside.kept = Late()\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stderr == ""
