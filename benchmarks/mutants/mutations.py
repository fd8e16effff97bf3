"""Mutations: small mistakes that can be made in a source file, one at a time.

The kinds are those of the usual operators of mutation testing (Jia and Harman, 2011: An Analysis
and Survey of the Development of Mutation Testing).
"""

from __future__ import annotations

import ast
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

KINDS = ("comparison", "constant", "boundary", "sign", "dropped statement", "swapped argument")
_NEGATED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt,
}  # fmt: skip
_MOVED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt
}  # fmt: skip
_REVERSED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """A mistake at one place.

    Attributes:
        path: The file, below the folder of the library's checkout.
        kind: One of `KINDS`.
        line: The line, counted from 1.
        begin: Where the text that is replaced begins, in bytes of the file.
        end: Where it ends.
        before: That text.
        after: The text in its place.
        function: The line of the innermost function around it; 0 for none.
    """

    path: str
    kind: str
    line: int
    begin: int
    end: int
    before: str
    after: str
    function: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line} ({self.kind}): {self.before} -> {self.after}"

    def applied(self, source: bytes) -> bytes:
        """The file with the mistake."""
        assert source[self.begin : self.end] == self.before.encode(), f"{self}: other source"
        return source[: self.begin] + self.after.encode() + source[self.end :]


def mutants_of(path: str, source: bytes) -> list[Mutant]:
    """All mistakes that can be made in a file."""
    return list(_Search(path, source).found())


class _Search(ast.NodeVisitor):
    """Goes through a file; texts, annotations and what only types need are left as they are."""

    def __init__(self, path: str, source: bytes) -> None:
        self.path, self.source = path, source
        lines = source.splitlines(keepends=True)
        self.starts = [0]
        for line in lines:
            self.starts.append(self.starts[-1] + len(line))
        self.functions: list[int] = []
        self.mutants: list[Mutant] = []

    def found(self) -> Iterator[Mutant]:
        self.visit(ast.parse(self.source))
        yield from self.mutants

    def add(self, kind: str, node: ast.expr | ast.stmt, after: str) -> None:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        begin = self.starts[node.lineno - 1] + node.col_offset
        end = self.starts[node.end_lineno - 1] + node.end_col_offset
        before = self.source[begin:end].decode()
        after = f"({after})" if "\n" in before and isinstance(node, ast.expr) else after
        line, function = node.lineno, self.functions[-1] if self.functions else 0
        self.mutants.append(Mutant(self.path, kind, line, begin, end, before, after, function))

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.functions.append(node.lineno)
        for part in (*node.args.defaults, *filter(None, node.args.kw_defaults), *node.body):
            self.visit(part)
        self.functions.pop()

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Python 3.11 does not know where the parts of such a text are."""

    def visit_If(self, node: ast.If) -> None:
        if not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Call):
            self.add("dropped statement", node, "pass")
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.add("dropped statement", node, "pass")
        self.visit(node.value)

    def visit_Compare(self, node: ast.Compare) -> None:
        for kind, others in (("comparison", _NEGATED), ("boundary", _MOVED)):
            if type(node.ops[0]) in others:
                ops = [others[type(node.ops[0])](), *node.ops[1:]]
                changed = ast.Compare(node.left, ops, node.comparators)
                self.add(kind, node, ast.unparse(changed))
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool):
            self.add("constant", node, str(not node.value))
        elif isinstance(node.value, int | float):
            self.add("constant", node, repr(node.value + 1))

    def visit_BinOp(self, node: ast.BinOp) -> None:
        is_text = any(isinstance(side, ast.Constant | ast.JoinedStr) for side in _texts(node))
        if type(node.op) in _REVERSED and not is_text:
            changed = ast.BinOp(node.left, _REVERSED[type(node.op)](), node.right)
            self.add("sign", node, f"({ast.unparse(changed)})")
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.USub | ast.Not):
            self.add("sign", node, f"({ast.unparse(node.operand)})")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        plain = [isinstance(each, ast.Name | ast.Attribute | ast.Constant) for each in node.args]
        if plain[:2] == [True, True] and ast.dump(node.args[0]) != ast.dump(node.args[1]):
            swapped = [node.args[1], node.args[0], *node.args[2:]]
            changed = ast.Call(node.func, swapped, node.keywords)
            self.add("swapped argument", node, ast.unparse(changed))
        self.generic_visit(node)


def _texts(node: ast.BinOp) -> Iterator[ast.expr]:
    """The sides of a sum that are texts."""
    for side in (node.left, node.right):
        is_text = isinstance(side, ast.Constant) and isinstance(side.value, str | bytes)
        if is_text or isinstance(side, ast.JoinedStr):
            yield side


def sample(root: Path, package: str, count: int, seed: int) -> list[Mutant]:
    """Draw mutants of a library: of each of its packages by lines, and of each kind alike.

    Args:
        root: The folder of the checkout.
        package: The package at the top.
        count: How many.
        seed: Draws the same ones from the same source.
    """
    sources = {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted((root / package).rglob("*.py"))
        if "templates" not in path.relative_to(root).parts
    }
    lines: dict[str, int] = defaultdict(int)
    found: dict[str, dict[str, list[Mutant]]] = defaultdict(lambda: defaultdict(list))
    for path, source in sources.items():
        part = path.split("/")[1]
        lines[part] += source.count(b"\n")
        for mutant in mutants_of(path, source):
            found[part][mutant.kind].append(mutant)
    draw = random.Random(seed)
    return [
        mutant
        for part, number in _shared({part: lines[part] for part in found}, count).items()
        for mutant in _drawn(found[part], number, draw)
    ]


def _shared(lines: dict[str, int], count: int) -> dict[str, int]:
    """How many mutants each package gets: by largest remainders."""
    exact = {part: count * number / sum(lines.values()) for part, number in lines.items()}
    shares = {part: int(number) for part, number in exact.items()}
    by_rest = sorted(exact, key=lambda part: shares[part] - exact[part])
    for part in by_rest[: count - sum(shares.values())]:
        shares[part] += 1
    return shares


def _drawn(by_kind: dict[str, list[Mutant]], number: int, draw: random.Random) -> Sequence[Mutant]:
    """Some mutants of a package; each time a kind is drawn first, then one of it."""
    left = {kind: [*mutants] for kind, mutants in sorted(by_kind.items())}
    chosen: list[Mutant] = []
    while len(chosen) < number and left:
        kind = draw.choice([*left])
        chosen.append(left[kind].pop(draw.randrange(len(left[kind]))))
        if not left[kind]:
            del left[kind]
    return chosen
