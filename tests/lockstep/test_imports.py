"""Imports of the library's modules: no circle, those for types and inside functions included."""

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import lockstep

ROOT = Path(lockstep.__file__).parent
FILES = {
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}


def imported(name: str, source: str) -> Iterator[str]:
    """The modules that a source names in its imports, wherever these stand."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name} imports by dots"
            of_package = [f"{node.module}.{each.name}" for each in node.names]
            modules = [each for each in of_package if each in FILES]
            yield from modules or [str(node.module)]


def arrows(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """By module, the others among these that it imports."""
    found = {name: {*imported(name, source)} & sources.keys() for name, source in sources.items()}
    return {name: own - {name} for name, own in found.items()}


def test_no_modules_of_the_library_import_each_other_in_a_circle() -> None:
    # The face hands on names of modules that import nothing of it.
    sources = {name: path.read_text() for name, path in FILES.items() if name != "lockstep"}
    assert [*TopologicalSorter(arrows(sources)).static_order()]


@pytest.mark.parametrize(
    "back",
    [
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from lockstep.errors import B",
        "def late():\n    import lockstep.errors",
    ],
)
def test_a_circle_is_found_wherever_the_import_stands(back: str) -> None:
    sources = {"lockstep.errors": "from lockstep.refusals import A", "lockstep.refusals": back}
    with pytest.raises(CycleError):
        TopologicalSorter(arrows(sources)).prepare()
