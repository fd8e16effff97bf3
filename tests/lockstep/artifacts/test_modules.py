"""Modules that run under a private name."""

from __future__ import annotations

import inspect
import itertools
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping

import pytest

from lockstep.artifacts.modules import ModuleSet

Make = Callable[..., ModuleSet]
_numbers = itertools.count()


@pytest.fixture
def make() -> Iterator[Make]:
    """Make a set with a root of its own; forget it afterwards."""
    made = []

    def make(sources: Mapping[str, str], elsewhere: Mapping[str, str] | None = None) -> ModuleSet:
        made.append(ModuleSet(f"_test_modules_{next(_numbers)}", sources, elsewhere or {}))
        return made[-1]

    yield make
    for modules in made:
        modules.unload()


@pytest.mark.parametrize(
    "statement",
    [
        "from farm.fields import SIZE",
        "from farm import fields; SIZE = fields.SIZE",
        "import farm.fields; SIZE = farm.fields.SIZE",
        "import farm.fields as fields; SIZE = fields.SIZE",
        "from .fields import SIZE",
        "from . import fields; SIZE = fields.SIZE",
        "def late():\n    from farm.fields import SIZE\n    return SIZE\nSIZE = late()",
        "from farm.fields import *",
    ],
)
def test_every_form_of_import_finds_the_module_of_the_same_set(make: Make, statement: str) -> None:
    modules = make({"farm.barn": statement, "farm.fields": "SIZE = 'of the set'"})
    assert modules.load("farm.barn").SIZE == "of the set"


def test_modules_leave_the_names_that_they_have_outside_alone(make: Make) -> None:
    make({"farm.barn": "COWS = 3"}).load("farm.barn")
    assert not {"farm", "farm.barn"} & set(sys.modules)


def test_two_sets_with_modules_of_one_name_keep_apart(make: Make) -> None:
    barn = "from farm.fields import SIZE\ndef size(): return SIZE"
    small = make({"farm.barn": barn, "farm.fields": "SIZE = 1"}).load("farm.barn")
    large = make({"farm.barn": barn, "farm.fields": "SIZE = 2"}).load("farm.barn")
    assert (small.size(), large.size()) == (1, 2)


def test_a_module_runs_once(make: Make) -> None:
    modules = make({"farm.barn": "ANIMALS = []"})
    assert modules.load("farm.barn") is modules.load("farm.barn")


def test_modules_may_import_one_another_in_a_circle(make: Make) -> None:
    modules = make(
        {
            "farm.barn": "import farm.fields\ndef size(): return farm.fields.SIZE",
            "farm.fields": "import farm.barn\nSIZE = 4",
        }
    )
    assert modules.load("farm.barn").size() == 4


def test_a_package_may_be_found_under_another_name(make: Make) -> None:
    private = make({"farm": "", "farm.tools": "PLOUGH = 'private'"}).load("farm")
    barn = "from farm.tools import PLOUGH\nimport farm.tools\nSAME = farm.tools.PLOUGH"
    modules = make({"barn": barn}, {"farm": private.__name__})
    assert modules.load("barn").PLOUGH == modules.load("barn").SAME == "private"


def test_other_imports_are_as_usual(make: Make) -> None:
    modules = make({"farm.barn": "import json.decoder\nfrom math import pi"})
    barn = modules.load("farm.barn")
    assert (barn.json, barn.pi) == (sys.modules["json"], sys.modules["math"].pi)


def test_inspect_finds_the_source_of_a_function(make: Make) -> None:
    source = "COWS = 3\n\ndef milk():\n    return COWS * 20\n"
    barn = make({"farm.barn": source}).load("farm.barn")
    assert inspect.getsource(barn.milk) == "def milk():\n    return COWS * 20\n"


def test_a_traceback_shows_the_line(make: Make) -> None:
    barn = make({"farm.barn": "def milk():\n    return 1 / 0  # no cows\n"}).load("farm.barn")
    try:
        barn.milk()
    except ZeroDivisionError as error:
        text = "".join(traceback.format_exception(error))
    assert "farm/barn.py" in text
    assert "return 1 / 0  # no cows" in text


def test_modules_that_were_unloaded_are_forgotten(make: Make) -> None:
    modules = make({"farm.barn": "from farm.fields import SIZE", "farm.fields": "SIZE = 1"})
    modules.load("farm.barn")
    modules.unload()
    assert not [name for name in sys.modules if name.startswith(modules.root)]
    with pytest.raises(ModuleNotFoundError):
        __import__(f"{modules.root}.farm.barn")


def test_a_package_with_source_runs_before_its_modules(make: Make) -> None:
    modules = make({"farm": "OWNER = 'Ada'", "farm.barn": "from farm import OWNER"})
    assert modules.load("farm.barn").OWNER == "Ada"
