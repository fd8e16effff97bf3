"""Changes of code: which columns' code differs between two snapshots of a pipeline's source.

The code of a column is its function and whatever that reaches in the snapshot, in any module of it;
in doubt, something is reached. Code is compared as a syntax tree, so comments, docstrings and
layout make no difference. Nothing is executed.
"""

from __future__ import annotations

import ast
import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from types import CodeType
from typing import Literal

from lockstep.columns.schema import Schema
from lockstep.columns.syntax import parse
from lockstep.errors import SourceError

Change = Literal["changed", "added", "removed"]

_AT_IMPORT = "import of {}"
"""Stands for the statements of a module that bind no name, such as `np.seterr(...)`."""
_WHOLE = "all of {}"
"""Stands for all of a module that goes by a name, where it is used as a value of its own."""
_Functions = ast.FunctionDef | ast.AsyncFunctionDef


def field_digests(schema: Schema) -> dict[str, str]:
    """SHA-256 of the declaration of each field, without its comment."""
    return {
        field.name: _sha256(
            f"{part.name}={getattr(field, part.name)!r}"
            for part in fields(field)
            if part.name != "doc"
        )
        for field in schema
    }


def column_digests(
    sources: Mapping[str, str], module: str, columns: Collection[str]
) -> dict[str, str]:
    """Digest the code behind each column of a pipeline.

    The code is the column's function with its decorator, and all that these reach. Another column
    counts where it is called or a function's body uses it, and not where it is only named, as in a
    model's `uses`: so a change shows in the column in which it was made. Statements that bind no
    name, such as `np.seterr(...)`, count for every column that reaches their module. The code of a
    column that no module binds by its name is all of the pipeline's module.

    Raises:
        SourceError: `module` is not among the sources, or a source is not valid Python.
    """
    if module not in sources:
        raise SourceError(f"The snapshot has no source of {module}, only of {', '.join(sources)}.")
    statements = _all_statements(sources)
    bound = _bound_names(statements)
    digests = {}
    for name in columns:
        reached = _reached(bound.get(name, statements[module]), bound, columns)
        digests[name] = _sha256(sorted({statement.text for statement in reached}))
    return digests


def module_digests(sources: Mapping[str, str]) -> dict[str, str]:
    """SHA-256 of each module of a snapshot, without comments, docstrings and layout.

    Code that no column reaches counts too: an import may have effects.

    Raises:
        SourceError: A source is not valid Python.
    """
    return {
        name: _sha256(statement.text for statement in statements)
        for name, statements in _all_statements(sources).items()
    }


def definitions(sources: Mapping[str, str]) -> dict[str, str]:
    """The code of each function, class and constant, by module and name.

    It is laid out anew, without comments and docstrings. What binds no name, or several, goes by
    the module alone.
    """
    texts: dict[str, list[str]] = defaultdict(list)
    for module, statements in _all_statements(sources).items():
        for statement in statements:
            names = statement.binds
            is_import = isinstance(statement.node, ast.Import | ast.ImportFrom)
            name = next(iter(names)) if len(names) == 1 and not is_import else ""
            where = module if not name or " " in name else f"{module}.{name}"
            texts[where].append(ast.unparse(statement.node))
    return {name: "\n".join(parts) for name, parts in texts.items()}


def changed_columns(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, Change]:
    """Compare two results of `column_digests`, `field_digests` or `module_digests`.

    Returns:
        The change of each column that is not the same, in the order of `after`; removed ones last.
    """
    changes: dict[str, Change] = {
        name: "changed" if name in before else "added"
        for name, digest in after.items()
        if before.get(name) != digest
    }
    gone: dict[str, Change] = {name: "removed" for name in before if name not in after}
    return changes | gone


@dataclass(frozen=True, eq=False)
class _Statement:
    """A statement at the top level of a module; of an import, the part that binds one name."""

    module: str
    node: ast.stmt
    packages: frozenset[str]  # top-level packages of the snapshot

    @property
    def text(self) -> str:
        """The statement, independent of its layout."""
        return f"{self.module}: {ast.dump(self.node)}"

    @property
    def binds(self) -> set[str]:
        """Names that it binds, or whose objects it alters by an assignment."""
        names = {name for node in _at_top_level(self.node) for name in _bound(node)}
        return names - {"*"} or {_AT_IMPORT.format(self.module)}

    @cached_property
    def uses(self) -> Mapping[str, bool]:
        """Names that it refers to, and whether a column of that name is used or only named."""
        code = compile(ast.Module([self.node], []), self.module, "exec", dont_inherit=True)
        used = {name for body in _bodies(code) for name in body.co_names}
        starts = set()
        for node in ast.walk(self.node):
            if isinstance(node, ast.Call):
                used.add(_last(node.func))
            elif isinstance(node, ast.arguments):
                used |= {_last(part) for part in ast.walk(node)}
            elif isinstance(node, ast.Attribute):
                starts.add(id(node.value))
            elif isinstance(node, ast.Name) and id(node) not in starts:
                used.add(_WHOLE.format(node.id))
        if not isinstance(self.node, ast.Import | ast.ImportFrom):
            used.add(_AT_IMPORT.format(self.module))
        return dict.fromkeys(code.co_names, False) | dict.fromkeys(used, True)

    @cached_property
    def takes(self) -> set[str]:
        """Names that it looks up in objects, or imports from modules of the snapshot."""
        names = set()
        for node in ast.walk(self.node):
            if isinstance(node, ast.Attribute):
                names.add(node.attr)
            elif isinstance(node, ast.ImportFrom) and (
                node.level or str(node.module).partition(".")[0] in self.packages
            ):
                names |= {alias.name for alias in node.names}
        return names

    def is_column(self, columns: Collection[str]) -> bool:
        """Whether it defines one of the columns."""
        return (
            isinstance(self.node, _Functions)
            and bool(self.node.decorator_list)
            and self.node.name in columns
        )


def _reached(
    start: list[_Statement], bound: Mapping[str, list[_Statement]], columns: Collection[str]
) -> set[_Statement]:
    """Statements and all that they lead to.

    A name means what the statement's own module binds, if that does; a name that is taken from
    another module or an object may be bound anywhere.
    """
    reached: set[_Statement] = set()
    to_see = list(start)
    while to_see:
        statement = to_see.pop()
        if statement in reached:
            continue
        reached.add(statement)
        for name, is_used in statement.uses.items():
            anywhere = bound.get(name, [])
            own = [other for other in anywhere if other.module == statement.module]
            meant = anywhere if name in statement.takes else own or anywhere
            to_see += [other for other in meant if is_used or not other.is_column(columns)]
    return reached


def _all_statements(sources: Mapping[str, str]) -> dict[str, list[_Statement]]:
    packages = frozenset(name.partition(".")[0] for name in sources)
    return {name: _statements(name, source, packages) for name, source in sources.items()}


def _statements(module: str, source: str, packages: frozenset[str]) -> list[_Statement]:
    try:
        tree = parse(source)
    except SyntaxError as error:
        raise SourceError(f"{module}, line {error.lineno}: {error.msg}") from error
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | _Functions):
            node.body = [child for child in node.body if not _is_constant(child)] or [ast.Pass()]
    nodes: list[ast.stmt] = []
    for statement in tree.body:
        if isinstance(statement, ast.Import):
            nodes += [ast.Import([alias]) for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom):
            start, level = statement.module, statement.level
            nodes += [ast.ImportFrom(start, [alias], level) for alias in statement.names]
        elif not _is_main(statement):
            nodes.append(statement)
    return [_Statement(module, ast.fix_missing_locations(node), packages) for node in nodes]


def _bound_names(statements: Mapping[str, list[_Statement]]) -> dict[str, list[_Statement]]:
    """All statements by the names that they bind, whole modules by the names they go by."""
    bound: dict[str, list[_Statement]] = defaultdict(list)
    for statement in (statement for module in statements.values() for statement in module):
        for name in statement.binds:
            bound[name].append(statement)
        for alias in (node for node in ast.walk(statement.node) if isinstance(node, ast.alias)):
            for module, all_of_it in statements.items():
                if module.rpartition(".")[2] in alias.name.split("."):
                    bound[_WHOLE.format(alias.asname or alias.name.partition(".")[0])] += all_of_it
    return dict(bound)


def _bodies(code: CodeType) -> Iterator[CodeType]:
    """The compiled functions and classes in a piece of compiled code."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _bodies(constant)


def _at_top_level(node: ast.AST) -> Iterator[ast.AST]:
    """A statement's nodes that are executed with its module, not inside a function or class."""
    yield node
    if not isinstance(node, _Functions | ast.ClassDef | ast.Lambda):
        for child in ast.iter_child_nodes(node):
            yield from _at_top_level(child)


def _bound(node: ast.AST) -> Iterator[str]:
    """The name that a node of module level binds, or whose object it alters by an assignment."""
    if isinstance(node, _Functions | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.alias):
        yield node.asname or node.name.partition(".")[0]
    elif isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
        while isinstance(node, ast.Attribute | ast.Subscript):
            node = node.value
        yield _last(node)


def _last(node: ast.AST) -> str:
    """The last part of a dotted name, such as `f` of `lib.f`."""
    return getattr(node, "attr", getattr(node, "id", ""))


def _is_constant(statement: ast.stmt) -> bool:
    """Whether it does nothing, as a docstring or an ellipsis."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _is_main(statement: ast.stmt) -> bool:
    """Whether it is `if __name__ == "__main__":`, which no import executes."""
    return isinstance(statement, ast.If) and "'__main__'" in ast.unparse(statement.test)


def _sha256(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
