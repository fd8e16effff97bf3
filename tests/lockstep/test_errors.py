"""The tree at the top of `lockstep/errors.py` is the tree of the classes."""

import ast
import pickle
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import lockstep
from lockstep import errors
from lockstep.errors import LockstepError, ServingError
from tests.fixtures.errors import every_class, filled

LIBRARY = Path(lockstep.__file__).parent
_LINE = re.compile(
    r"(?P<branch>(?:[│ ]   )*(?:[├└]── )?)(?P<name>\w+Error)  +(?P<beside>.+?)(?:  .*)?"
)


def drawn() -> Iterator[tuple[str, str, str]]:
    """Each error of the drawing: its name, the one that it stands under, what stands beside it."""
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if found := _LINE.fullmatch(line):
            depth = len(found["branch"]) // 4
            yield found["name"], above[depth - 1] if depth else "Exception", found["beside"]
            above[depth:] = [found["name"]]


DRAWN = {name: (base, beside) for name, base, beside in drawn()}
ERRORS = {
    name: found
    for name, found in vars(errors).items()
    if isinstance(found, type) and issubclass(found, LockstepError)
}


def test_each_error_is_drawn_under_its_base_in_the_order_of_the_file() -> None:
    bases = [(name, found.__bases__[0].__name__) for name, found in ERRORS.items()]
    assert [(name, base) for name, (base, _) in DRAWN.items()] == bases


def test_no_error_is_defined_elsewhere() -> None:
    known, elsewhere = set(ERRORS), []
    for path, nodes in NODES.items():
        for node in nodes:
            if isinstance(node, ast.ClassDef) and {*map(ast.unparse, node.bases)} & known:
                elsewhere.append(f"{path.relative_to(LIBRARY)}: {node.name}")
    assert elsewhere == []


@pytest.mark.parametrize("name", ERRORS)
def test_beside_an_error_stands_who_raises_it_or_its_status(name: str) -> None:
    found = ERRORS[name]
    if issubclass(found, ServingError):
        compatible = f" (MLflow: {found.compat_status:d})" if found.compat_status else ""
        assert DRAWN[name][1] == f"HTTP {found.status:d}{compatible}"
    else:
        assert DRAWN[name][1] == ", ".join(sorted(RAISERS[name]))


@pytest.mark.parametrize("kind", every_class(), ids=lambda kind: kind.__name__)
def test_an_error_comes_back_from_another_process_with_all_it_holds(kind: type[Exception]) -> None:
    error = filled(kind)
    error.add_note("seen on the way")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.args) == (kind, str(error), error.args)
    assert repr(vars(again)) == repr(vars(error))


def sources() -> list[Path]:
    """The library's modules, but the one of the errors and what a new project gets."""
    others = (LIBRARY / "errors.py", LIBRARY / "templates" / "files")
    paths = LIBRARY.rglob("*.py")
    return [path for path in paths if not any(path.is_relative_to(one) for one in others)]


def raisers() -> dict[str, set[str]]:
    """The packages that make an error, by its name."""
    found: dict[str, set[str]] = defaultdict(set)
    for path, nodes in NODES.items():
        package = path.relative_to(LIBRARY).parts[0]
        for node in nodes:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                found[node.func.id].add(package)
    return found


NODES = {path: [*ast.walk(ast.parse(path.read_text(encoding="utf-8")))] for path in sources()}
"""Every node of each module's syntax, parsed once."""
RAISERS = raisers()
