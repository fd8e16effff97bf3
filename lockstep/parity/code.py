"""Which columns' code differs between two snapshots of a pipeline's source.

The code of a column is its function and whatever that reaches in the snapshot: helper functions,
constants, classes, and the same in the modules that it imports. Code is compared as a syntax
tree, so that comments, docstrings and layout make no difference. Nothing is executed.
"""

from __future__ import annotations

import ast
import hashlib
import symtable
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import resolve_name
from typing import Literal, NamedTuple

from lockstep.columns.errors import LockstepError

Change = Literal["changed", "added", "removed"]
Path = tuple[str, ...]
"""A dotted name, split at its dots."""

_ROLES = frozenset({"feature", "label", "model", "output"})
_WHOLE = "*"
_AT_IMPORT = ""
"""Stands for the statements of a module that bind no name, such as `np.seterr(...)`."""


class SourceError(LockstepError):
    """A snapshot lacks a module, or its source is not valid Python."""


def column_digests(sources: Mapping[str, str], module: str) -> dict[str, str]:
    """Digest the code behind each column of a pipeline.

    A field's code is its declaration. A column's is its function with its decorator, and all that
    these reach; another column counts where its function is used, and not where it is only named,
    as in a model's `uses`: so a change is told of the column in which it was made. Statements that
    bind no name, such as `np.seterr(...)`, count for every column that reaches their module.

    Args:
        sources: Source text by module name: the pipeline's module and those that it shares.
        module: Name of the pipeline's module.

    Returns:
        SHA-256 by column: the fields, then the decorated functions, in the order of the source.

    Raises:
        SourceError: `module` is not among the sources, or a source is not valid Python.
    """
    if module not in sources:
        raise SourceError(f"The snapshot has no source of {module}, only of {', '.join(sources)}.")
    snapshot = _Snapshot(
        {name: _Module.parse(name, _package(name, sources), text) for name, text in sources.items()}
    )
    reached = snapshot.fields(module) | snapshot.columns(module)
    return {name: _sha256(sorted(code)) for name, code in reached.items()}


def changed_columns(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, Change]:
    """Compare two results of `column_digests`.

    Returns:
        What became of each column that is not the same: first those that there are, in their
        order, then those that are gone.
    """
    changes: dict[str, Change] = {
        name: "changed" if name in before else "added"
        for name, digest in after.items()
        if before.get(name) != digest
    }
    gone: dict[str, Change] = {name: "removed" for name in before if name not in after}
    return changes | gone


class _Definition(NamedTuple):
    """A name at the top level of a module."""

    module: str
    name: str


class _Use(NamedTuple):
    """A name that code refers to.

    Attributes:
        path: The dotted name.
        of_column: Whether a column of that name is used, and not only named.
        is_absolute: Whether the path starts at the root of all modules.
    """

    path: Path
    of_column: bool
    is_absolute: bool = False


@dataclass
class _Module:
    """A module's statements by the names that they bind or alter at its top level."""

    name: str
    package: str
    statements: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: dict[str, list[Path]] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)

    @classmethod
    def parse(cls, name: str, package: str, source: str) -> _Module:
        try:
            body = ast.parse(source).body
        except SyntaxError as error:
            raise SourceError(f"{name}, line {error.lineno}: {error.msg}") from error
        module = cls(name, package)
        for statement in body:
            module._add_imports(statement)
            if not (_is_docstring(statement) or _is_import(statement) or _is_main(statement)):
                module._add(statement)
        return module

    def _add_imports(self, statement: ast.stmt) -> None:
        for node in _top_level(statement):
            for name, path in _imported(node, self.package):
                if path[-1] == _WHOLE:
                    self.stars.append(".".join(path[:-1]))
                else:
                    self.imports.setdefault(name, []).append(path)

    def _add(self, statement: ast.stmt) -> None:
        bound = dict.fromkeys(name for node in _top_level(statement) for name in _bound(node))
        for name in bound:
            self.statements.setdefault(name, []).append(statement)
        if not bound or (isinstance(statement, ast.Expr) and bound.keys() <= self.imports.keys()):
            self.statements.setdefault(_AT_IMPORT, []).append(statement)

    def role(self, function: ast.FunctionDef) -> str | None:
        """What kind of column a function is decorated as; None if it is no column."""
        for decorator in function.decorator_list:
            path = _path(decorator.func if isinstance(decorator, ast.Call) else decorator)
            for target in self.imports.get(path[0], [path[:1]]) if path else ():
                role = (*target, *path[1:])[-1]
                if role in _ROLES:
                    return role
        return None

    def uses(self, node: ast.AST) -> set[_Use]:
        """The names of module level that a piece of code refers to."""
        uses = _Uses(self, _global_names(node))
        uses.visit(node)
        return uses.found


@dataclass(frozen=True)
class _Snapshot:
    """Modules that refer to one another, and where names lead among them."""

    modules: Mapping[str, _Module]

    def fields(self, module: str) -> dict[str, set[str]]:
        """The code of each field that the pipeline's record and outcome declare."""
        return {
            declaration.target.id: {_text(declaration)}
            | self._code(self._closure(self._reach(owner, declaration)))
            for owner, declaration in self._declarations(module)
            if isinstance(declaration.target, ast.Name)
        }

    def columns(self, module: str) -> dict[str, set[str]]:
        """The code of each decorated function that a module defines or imports."""
        code = {}
        for name in (*self.modules[module].imports, *self.modules[module].statements):
            for column in self._resolve(module, (name,)):
                if self._is_column(column):
                    reached = self._closure({column})
                    executed = {_Definition(one.module, _AT_IMPORT) for one in reached}
                    code[column.name] = self._code(reached | self._closure(executed))
        return code

    def _closure(self, start: set[_Definition]) -> set[_Definition]:
        """All definitions that some lead to."""
        reached: set[_Definition] = set()
        to_see = set(start)
        while to_see:
            one = to_see.pop()
            reached.add(one)
            for statement in self._statements(one):
                to_see |= self._reach(one.module, statement)
            to_see -= reached
        return reached

    def _code(self, definitions: set[_Definition]) -> set[str]:
        """Definitions as text; by their names alone where they lie outside the snapshot."""
        names = {".".join(one) for one in definitions if one.module not in self.modules}
        return names | {
            f"{one.module}.{one.name}: {_text(statement)}"
            for one in definitions
            for statement in self._statements(one)
        }

    def _statements(self, definition: _Definition) -> list[ast.stmt]:
        module = self.modules.get(definition.module)
        return module.statements.get(definition.name, []) if module else []

    def _reach(self, module: str, node: ast.AST) -> set[_Definition]:
        return {
            found
            for use in self.modules[module].uses(node)
            for found in (
                self._find(use.path) if use.is_absolute else self._resolve(module, use.path)
            )
            if use.of_column or not self._is_column(found)
        }

    def _resolve(
        self, module: str, path: Path, behind: frozenset[_Definition] = frozenset()
    ) -> set[_Definition]:
        """What a name stands for in a module."""
        here = _Definition(module, path[0])
        known = self.modules[module]
        if here in behind:  # modules that import a name from one another in a circle
            return set()
        found = {here} if path[0] in known.statements else set()
        for target in known.imports.get(path[0], ()):
            found |= self._find((*target, *path[1:]), behind | {here})
        if not found:
            for star in known.stars:
                if star in self.modules:
                    found |= self._resolve(star, path, behind | {here})
        return found

    def _find(self, path: Path, behind: frozenset[_Definition] = frozenset()) -> set[_Definition]:
        """What an absolute name stands for: the longest part that is a module decides."""
        for end in range(len(path), 0, -1):
            module = ".".join(path[:end])
            if module in self.modules:
                rest = path[end:]
                if rest:
                    return self._resolve(module, rest, behind)
                return {_Definition(module, name) for name in self.modules[module].statements}
        return {_Definition(path[0], ".".join(path[1:]))}

    def _is_column(self, definition: _Definition) -> bool:
        return any(
            isinstance(node, ast.FunctionDef)
            and node.name == definition.name
            and self.modules[definition.module].role(node) is not None
            for statement in self._statements(definition)
            for node in _top_level(statement)
        )

    def _declarations(self, module: str) -> Iterator[tuple[str, ast.AnnAssign]]:
        """The declared fields of the types given to `Pipeline(...)`, with their modules."""
        for statements in self.modules[module].statements.values():
            for call in (node for statement in statements for node in ast.walk(statement)):
                if isinstance(call, ast.Call) and _path(call.func)[-1:] == ("Pipeline",):
                    for keyword in call.keywords:
                        if keyword.arg in ("record", "outcome"):
                            yield from self._declared(module, keyword.value)

    def _declared(self, module: str, node: ast.expr) -> Iterator[tuple[str, ast.AnnAssign]]:
        path = _path(node)
        for found in self._resolve(module, path) if path else ():
            for owner in self._statements(found):
                if isinstance(owner, ast.ClassDef):
                    for base in owner.bases:
                        yield from self._declared(found.module, base)
                    for statement in owner.body:
                        if isinstance(statement, ast.AnnAssign):
                            yield found.module, statement


class _Uses(ast.NodeVisitor):
    """Collects the uses in a piece of code."""

    def __init__(self, module: _Module, global_names: frozenset[str]) -> None:
        self.found: set[_Use] = set()
        self._module = module
        self._global_names = global_names
        self._mention_is_use = False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for decorator in node.decorator_list:
            self._visit(decorator, mention_is_use=False)
        is_model = self._module.role(node) == "model"
        for child in ast.iter_child_nodes(node):
            if child not in node.decorator_list:
                self._visit(child, mention_is_use=not is_model)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for child in ast.iter_child_nodes(node):
            self._visit(child, mention_is_use=True)

    def visit_Call(self, node: ast.Call) -> None:
        if path := _path(node.func):
            self._add(path, of_column=True)
        else:
            self.visit(node.func)
        for argument in (*node.args, *node.keywords):
            self.visit(argument)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if path := _path(node):
            self._add(path, of_column=self._mention_is_use)
        else:
            self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        self._add((node.id,), of_column=self._mention_is_use)

    def visit_Import(self, node: ast.Import) -> None:
        self._add_import(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self._add_import(node)

    def _visit(self, node: ast.AST, *, mention_is_use: bool) -> None:
        outside, self._mention_is_use = self._mention_is_use, mention_is_use
        self.visit(node)
        self._mention_is_use = outside

    def _add(self, path: Path, *, of_column: bool) -> None:
        if path[0] in self._global_names:
            self.found.add(_Use(path, of_column))

    def _add_import(self, node: ast.Import | ast.ImportFrom) -> None:
        for _, path in _imported(node, self._module.package):
            target = path[:-1] if path[-1] == _WHOLE else path
            self.found.add(_Use(target, of_column=True, is_absolute=True))


def _package(module: str, sources: Mapping[str, str]) -> str:
    """The package that a module's relative imports start from: itself, if it is one."""
    is_package = any(name.startswith(f"{module}.") for name in sources)
    return module if is_package else module.rpartition(".")[0]


def _imported(node: ast.AST, package: str) -> Iterator[tuple[str, Path]]:
    """The names that an import in a package binds, and what each stands for."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            path = tuple(alias.name.split("."))
            yield (alias.asname, path) if alias.asname else (path[0], path[:1])
    elif isinstance(node, ast.ImportFrom):
        start = resolve_name("." * node.level + (node.module or ""), package)
        for alias in node.names:
            yield alias.asname or alias.name, (*start.split("."), alias.name)


def _bound(node: ast.AST) -> Iterator[str]:
    """The names that one node of module level binds, or whose objects it alters."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
        yield from _path(node.value)[:1]
    elif (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Attribute)
    ):
        yield from _path(node.value.func)[:1]


def _top_level(node: ast.AST) -> Iterator[ast.AST]:
    """A statement's nodes that are executed with its module, not inside a function or class."""
    yield node
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
        for child in ast.iter_child_nodes(node):
            yield from _top_level(child)


def _path(node: ast.AST) -> Path:
    """The dotted name that an expression is; empty if it is none."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return (node.id, *reversed(names)) if isinstance(node, ast.Name) else ()


def _is_import(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Import | ast.ImportFrom)


def _is_main(statement: ast.stmt) -> bool:
    """Whether it is `if __name__ == "__main__":`, which no import executes."""
    return isinstance(statement, ast.If) and "'__main__'" in ast.unparse(statement.test)


def _global_names(node: ast.AST) -> frozenset[str]:
    """Names that code takes from its module, as Python's own scope analysis sees it."""
    names: set[str] = set()
    tables = [symtable.symtable(ast.unparse(node), "", "exec")]
    while tables:
        table = tables.pop()
        is_module = table.get_type() == "module"
        names.update(
            symbol.get_name()
            for symbol in table.get_symbols()
            if symbol.is_global() or (is_module and symbol.is_referenced())
        )
        tables.extend(table.get_children())
    return frozenset(names)


def _text(node: object) -> str:
    """A syntax tree as text that tells nothing of layout, docstrings or Python's version."""
    if isinstance(node, list):
        return f"[{', '.join(_text(child) for child in node if not _is_docstring(child))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = (
        f"{name}={_text(value)}"
        for name, value in ast.iter_fields(node)
        if name not in ("ctx", "kind", "type_comment") and value is not None and value != []
    )
    return f"{type(node).__name__}({', '.join(fields)})"


def _is_docstring(node: object) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _sha256(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
