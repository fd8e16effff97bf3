"""The round trip: a stored version, loaded and run in a process of its own."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

import numpy as np

from lockstep.artifacts.artifact import GOLDEN, Artifact
from lockstep.artifacts.circumstances import (
    ONE_BY_ONE,
    SEEDS,
    STRANGE,
    USUAL,
    Circumstances,
    shift_clock,
)
from lockstep.artifacts.closed_files import close_files
from lockstep.artifacts.outside_readings import Reading
from lockstep.artifacts.questions import watching
from lockstep.artifacts.snapshot import unload
from lockstep.artifacts.version import LoadedVersion
from lockstep.columns.pipeline import Trace
from lockstep.columns.plain import listed
from lockstep.columns.syntax import parse
from lockstep.columns.tables import take_rows, to_frame
from lockstep.errors import ArtifactError, OutsideReadingError
from lockstep.parity.comparison import Comparison, compare
from lockstep.parity.divergence import failing
from lockstep.parity.golden import GoldenRecords

_READINGS, _COMPUTED = "readings.json", "computed"
_LIMIT = timedelta(minutes=10)
"""A process that takes longer to compute some hundred records hangs."""
_NUMPYS_CLOCK = re.compile(r"""["'](now|today)["']""")
"""The words that `numpy.datetime64` takes for the time."""
_LINE = re.compile(r'File "([^"]+)", line (\d+)')
_PROGRAM = (
    "import gc, sys; gc.disable(); "
    "from lockstep.artifacts.round_trip import compute; compute(*sys.argv[1:])"
)
"""The process ends before there is garbage worth collecting: it loads libraries, which stay."""
_MAKERS = ("set", "frozenset", "hash")
_OPERATIONS = ("union", "intersection", "difference", "symmetric_difference", "keys", "items")
"""Methods that give a set; of a dictionary's views only with an operator."""
_WITHOUT_ORDER = (
    *("sorted", "len", "sum", "min", "max", "any", "all", "bool", "isinstance"),
    *("set", "frozenset"),
)
"""Functions whose result does not depend on the order of a set, or is a set again."""
_OPERATORS = (ast.BitAnd, ast.BitOr, ast.BitXor, ast.Sub)


def replay_in_new_process(loaded: LoadedVersion, *, limit: timedelta = _LIMIT) -> Comparison:
    """Compute a version's golden records in a new process, from its files alone.

    That process lacks whatever this one has by chance: loaded modules, seeds, caches, and differs
    by all of `lockstep.artifacts.circumstances`. The records come in another order, first one alone
    and then ever more at once, so that a function that remembers rows has seen few. If a column
    differs, each circumstance is tried alone, and the comparison's `setting` names them. Code that
    asks for the time, the machine, the process or a file fails even if all agree: some day the
    answer matters. If code may depend on the order of a set, more seeds are tried.

    Raises:
        ArtifactError: The version cannot be used there, or a process takes longer than `limit`.
    """
    try:
        comparison, readings = _replayed(loaded, STRANGE, limit)
    except ArtifactError as error:
        _replayed(loaded, USUAL, limit)  # raises, if it fails there too
        return Comparison(setting=STRANGE.words, failure=str(error))
    by_order = may_depend_on_order(loaded.snapshot.modules.values())
    asked = [reading for reading in readings if comparison.ok or reading.what != "clock"]
    if asked:  # the answer may be the same in one process, and differ in the next
        return _asking(comparison, asked, loaded)
    if not comparison.ok:
        # A new process hashes by another seed anyway, if this one's was drawn at random.
        tried = sorted(
            ONE_BY_ONE, key=lambda circumstances: by_order and not circumstances.hash_seed
        )
        return next(_failing(loaded, limit, tried), comparison)
    if by_order:
        return next(_failing(loaded, limit, SEEDS, at_once=os.cpu_count() or 1), comparison)
    return comparison


def _failing(
    loaded: LoadedVersion, limit: timedelta, tried: Sequence[Circumstances], at_once: int = 1
) -> Iterator[Comparison]:
    """The comparisons that are not ok, trying so many circumstances at once."""
    with ThreadPoolExecutor(at_once) as threads:
        for start in range(0, len(tried), at_once):
            some = tried[start : start + at_once]
            for comparison, _ in threads.map(
                lambda circumstances: _replayed(loaded, circumstances, limit), some
            ):
                if not comparison.ok:
                    yield comparison


def _replayed(
    loaded: LoadedVersion, circumstances: Circumstances, limit: timedelta
) -> tuple[Comparison, list[Reading]]:
    """The comparison of a process's columns, and what the version's code asked for there."""
    paths = os.pathsep.join(map(os.path.abspath, sys.path))
    command = [str(loaded.directory.absolute()), loaded.digest]
    with tempfile.TemporaryDirectory(prefix="lockstep-") as computed:
        try:
            done = subprocess.run(
                [
                    *(sys.executable, "-c", _PROGRAM, *command, computed),
                    *(str(circumstances.ahead), str(circumstances.closed)),
                ],
                env=circumstances.environment(os.environ)
                | {"PYTHONPATH": paths, "TMPDIR": computed},
                cwd=computed,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=limit.total_seconds(),
            )
        except subprocess.TimeoutExpired as error:
            raise ArtifactError(
                f"{loaded.directory} computed nothing in a new process within {limit}: look for a "
                "function or an import there that waits for something."
            ) from error
        if done.returncode:
            last = (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]
            raise ArtifactError(
                f"{loaded.directory} cannot be used {circumstances.words}"
                f"{_line_of(loaded, done.stderr)}: {last}"
            )
        readings = [Reading(**load) for load in json.loads(Path(computed, _READINGS).read_bytes())]
        if not Path(computed, _COMPUTED).exists():
            return Comparison(setting=circumstances.words, failure=str(readings[0])), readings
        anew = GoldenRecords.from_directory(Path(computed, _COMPUTED))
    expected = loaded.golden.trace
    comparison = compare(
        expected,
        anew.trace,
        loaded.pipeline.graph,
        scales=loaded.golden.scales,
        columns=expected.columns,
        version=loaded.version,
        setting=circumstances.words,
    )
    return comparison, readings


def _line_of(loaded: LoadedVersion, stderr: str) -> str:
    """The last line of the version's own code in a traceback, in words; empty without one."""
    files = {f"{name.replace('.', '/')}.py" for name in loaded.snapshot.modules}
    lines = [
        f" ({file}:{line})"
        for path, line in _LINE.findall(stderr)
        for file in files
        if path.endswith(f"/{file}")
    ]
    return lines[-1] if lines else ""


def _asking(comparison: Comparison, readings: list[Reading], loaded: LoadedVersion) -> Comparison:
    """The comparison, failing because code asked for what no record holds."""
    graph, first = loaded.pipeline.graph, readings[0]
    others = listed([str(reading) for reading in readings[1:]])
    clause = f"{first.told}, which no record tells" + (f"; {others}" if others else "")
    node = graph.columns.get(first.function)
    if node is not None:
        return replace(comparison, first=failing(graph, node.column, f"{clause}. {first.remedy}"))
    return replace(comparison, failure=f"{first.by} {clause}. {first.remedy}")


def _growing(rows: int) -> Iterator[slice]:
    """One row, the next two, the next four, and so on, until there are no more."""
    start = 0
    while start < rows:
        yield slice(start, 2 * start + 1)
        start = 2 * start + 1


def compute(directory: str, digest: str, computed: str, ahead: str, closed: str) -> None:
    """Compute a version's golden records and write them; the new process runs this.

    `ahead` is in seconds. If `closed` is "True", it can read no files but installed ones and those
    of the directories, once the libraries are imported, which may read their settings.
    """
    artifact = Artifact.open(Path(directory), digest)
    if float(ahead):
        sources = artifact.snapshot.modules.values()
        shift_clock(float(ahead), numpy_too=any(map(_NUMPYS_CLOCK.search, sources)))
    golden = GoldenRecords.from_directory(Path(directory, GOLDEN))
    turned = take_rows(golden.records, np.arange(len(golden))[::-1])
    with suppress(OutsideReadingError), watching() as guard:
        if closed == str(True):
            unload(artifact.snapshot.load())
            close_files([directory, computed])
        pipeline = golden.bind(artifact.pipeline())
        has_outcome = set(pipeline.joint_schema.names) <= set(golden.records)
        parts = (to_frame(take_rows(turned, rows)) for rows in _growing(len(golden)))
        traces = [pipeline.trace(part, labels=has_outcome, matrices=True) for part in parts]
        columns = GoldenRecords.of(turned, Trace.joined(traces))
        columns.to_directory(Path(computed, _COMPUTED))
    readings = [asdict(reading) for reading in guard.readings]
    Path(computed, _READINGS).write_text(json.dumps(readings))


def may_depend_on_order(sources: Iterable[str]) -> bool:
    """Whether code, by the sources of its modules, uses a set for more than looking something up.

    The order of a set of texts depends on the seed of their hashes, and a small one often has the
    same order all the same. A set that is given a name counts by the use of that name, in any
    module. In doubt, it counts. Nothing is executed.
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
