"""Sets in a pipeline's code, whose order may matter.

The order of a set of texts depends on the seed of their hashes. A small set often has the same
order all the same: where code may depend on the order, several seeds are tried.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from lockstep.columns.syntax import parse

_MAKERS = ("set", "frozenset", "hash")
_OPERATIONS = ("union", "intersection", "difference", "symmetric_difference", "keys", "items")
"""Methods that give a set; of a dictionary's views only with an operator."""
_WITHOUT_ORDER = (
    *("sorted", "len", "sum", "min", "max", "any", "all", "bool", "isinstance"),
    *("set", "frozenset"),
)
"""Functions whose result does not depend on the order of a set, or is a set again."""
_OPERATORS = (ast.BitAnd, ast.BitOr, ast.BitXor, ast.Sub)


def may_depend_on_order(sources: Iterable[str]) -> bool:
    """Whether code, by the sources of its modules, uses a set for more than looking something up.

    A set that is given a name counts by the use of that name, in any module. In doubt, it counts.
    Nothing is executed.
    """
    nodes = [pair for source in sources for pair in _with_parents(parse(source))]
    named: set[str] = set()
    for node, parent in nodes:
        if not _gives_set(node):
            continue
        names = _names_of(parent)
        if names is None and not _is_without_order(node, parent):
            return True
        named.update(names or ())
    return any(
        _name(node) in named and not _is_without_order(node, parent)
        for node, parent in nodes
        if isinstance(getattr(node, "ctx", None), ast.Load)
    )


def _with_parents(tree: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    for parent in ast.walk(tree):
        for child in ast.iter_child_nodes(parent):
            yield child, parent


def _gives_set(node: ast.AST) -> bool:
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    if isinstance(node, ast.BinOp) and isinstance(node.op, _OPERATORS):
        return any(_is_method(side, _OPERATIONS) for side in (node.left, node.right))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in _MAKERS
    return _is_method(node, _OPERATIONS[:-2])


def _is_method(node: ast.AST, names: tuple[str, ...]) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in names
    )


def _names_of(parent: ast.AST) -> list[str] | None:
    """The names that a new set is given; None if it is used otherwise."""
    if isinstance(parent, ast.AnnAssign | ast.NamedExpr):
        targets: list[ast.expr] = [parent.target]
    elif isinstance(parent, ast.Assign):
        targets = parent.targets
    else:
        return None
    names = [_name(target) for target in targets]
    return [name for name in names if name is not None] if None not in names else None


def _name(node: ast.AST) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else None


def _is_without_order(node: ast.AST, parent: ast.AST) -> bool:
    """Whether the use of a set does not depend on its order."""
    if isinstance(parent, ast.Compare):
        return True
    if isinstance(parent, ast.Call):
        return node is not parent.func and _name(parent.func) in _WITHOUT_ORDER
    return False
