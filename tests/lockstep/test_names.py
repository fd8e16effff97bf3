"""A class says what it is in its package: no other class there has its name."""

import ast
from collections import Counter
from pathlib import Path

import lockstep

LIBRARY = Path(lockstep.__file__).parent
WRITTEN = LIBRARY / "templates" / "files"
"""What a new project gets, whose classes are its own."""
CLASSES = [
    (".".join(path.relative_to(LIBRARY.parent).with_suffix("").parts), node.name)
    for path in LIBRARY.rglob("*.py")
    if not path.is_relative_to(WRITTEN)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    if isinstance(node, ast.ClassDef)
]
"""By module and name."""


def test_no_two_classes_of_a_package_have_the_same_name() -> None:
    counts = Counter((module.split(".")[1], name) for module, name in CLASSES)
    assert [both for both, count in counts.items() if count > 1] == []


def test_a_class_with_a_name_of_the_public_face_is_the_one_that_it_hands_out() -> None:
    public = {name: getattr(lockstep, name) for name in lockstep.__all__}
    others = [
        each for each in CLASSES if each[1] in public and each[0] != public[each[1]].__module__
    ]
    assert others == []
