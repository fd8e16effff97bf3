"""Names tell apart what they name: no two files of the library share one, and no two classes."""

import ast
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import lockstep

LIBRARY = Path(lockstep.__file__).parent
WRITTEN = LIBRARY / "templates" / "files"
"""What a new project gets, whose files are named as every project's are."""
MODULES = [path for path in LIBRARY.rglob("*.py") if not path.is_relative_to(WRITTEN)]


def test_no_two_files_have_the_same_name() -> None:
    assert twice(path.name for path in MODULES if path.name != "__init__.py") == []


def test_no_two_classes_have_the_same_name() -> None:
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in MODULES]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    assert twice(node.name for node in nodes if isinstance(node, ast.ClassDef)) == []


def twice(names: Iterable[str]) -> list[str]:
    """The names that come more than once."""
    return sorted(name for name, count in Counter(names).items() if count > 1)
