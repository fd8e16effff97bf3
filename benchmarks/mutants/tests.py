"""Which tests touch a mutant, and how long each test takes.

In a copy of the checkout, every function with a mutant says that it was called, and in which test.
What is called in another process, or while a fixture is made that tests of a file share, counts for
all tests of that file. Mistakes outside functions count for all functions of their file.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

from benchmarks.mutants.mutations import Mutant

_PROBE = '''"""Says which function was called in which test."""

import os
import sys

# Opened once, at the import: a guard that watches which files a pipeline reads is not to see it.
_FILE = os.open({folder!r} + f"/{{os.getpid()}}", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
_SEEN = set()


def called(number):
    name, _, phase = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")
    if (number, name) in _SEEN or not name:
        return
    _SEEN.add((number, name))
    is_shared = "setup" in phase or "_pytest" not in sys.modules
    os.write(_FILE, f"{{number}}\\t{{int(is_shared)}}\\t{{name}}\\n".encode())
'''
# It stands beside the library, since a version carries the library's own modules.
_MODULE = "lockstep_probe"
_IMPORT = f"\ntry:\n    import {_MODULE}\nexcept ImportError:\n    pass\n"
# Nothing is imported by it: a function that finds modules may be the one that is called.
_CALL = f"getattr(__import__('sys').modules.get({_MODULE!r}), 'called', int)({{number}}); "
DURATIONS = "LOCKSTEP_TEST_DURATIONS"
"""Environment variable: the file that durations are written to."""


@dataclass(frozen=True)
class Tests:
    """The tests of a checkout.

    Attributes:
        seconds: How long each test takes, by its name.
        touching: By file of the library and line of a function, the tests that call it.
    """

    seconds: Mapping[str, float]
    touching: Mapping[tuple[str, int], frozenset[str]]

    def to_json(self) -> str:
        """The tests as text."""
        touching = [[path, line, sorted(own)] for (path, line), own in self.touching.items()]
        return json.dumps({"seconds": dict(self.seconds), "touching": touching})

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The tests that `to_json` wrote."""
        kept = json.loads(text)
        touching = {(path, line): frozenset(own) for path, line, own in kept["touching"]}
        return cls(kept["seconds"], touching)

    def of(self, mutant: Mutant) -> frozenset[str]:
        """The tests that touch a mutant."""
        if mutant.function:
            return self.touching.get((mutant.path, mutant.function), frozenset())
        named = [tests for (path, _), tests in self.touching.items() if path == mutant.path]
        return frozenset().union(*named)

    def chosen(self, mutant: Mutant, most: float) -> tuple[list[str], bool]:
        """The tests to run, by files, and whether these are all that touch the mutant.

        Args:
            mutant: The mutant.
            most: Seconds that the tests may take together. Those of the file that is named like the
                mutant's come first, then files with the fewest seconds.
        """
        files: dict[str, list[str]] = defaultdict(list)
        for test in sorted(self.of(mutant)):
            files[test.partition("::")[0]].append(test)
        own = f"test_{Path(mutant.path).stem}.py"
        cost = {file: sum(map(self._seconds, tests)) for file, tests in files.items()}
        order = sorted(files, key=lambda file: (Path(file).name != own, cost[file]))
        chosen, left = list[str](), most
        for at, file in enumerate(order):
            left -= cost[file]
            if at > 0 and left < 0:
                return chosen, False
            chosen += files[file]
        return chosen, True

    def _seconds(self, test: str) -> float:
        return self.seconds.get(test, 0.0)


def look_at(checkout: Path, scratch: Path, mutants: Sequence[Mutant]) -> Tests:
    """Run all tests of a copy of a checkout, to see which ones call the functions with mutants.

    Args:
        checkout: The copy; its library is changed for that, and put back.
        scratch: A folder for what the tests tell.
        mutants: The mutants.
    """
    calls = scratch / "calls"
    calls.mkdir()
    numbers: list[tuple[str, int]] = []
    before: dict[str, bytes] = {}
    for path in sorted({mutant.path for mutant in mutants}):
        of_file = [mutant for mutant in mutants if mutant.path == path]
        before[path] = (checkout / path).read_bytes()
        only = {mutant.function for mutant in of_file}
        source, lines = _with_calls(before[path], None if 0 in only else only, len(numbers))
        numbers += [(path, line) for line in lines]
        (checkout / path).write_bytes(source)
    probe, package = checkout / f"{_MODULE}.py", "lockstep/__init__.py"
    probe.write_text(_PROBE.format(folder=str(calls)))
    before.setdefault(package, (checkout / package).read_bytes())
    with (checkout / package).open("a") as file:
        file.write(_IMPORT)
    try:
        durations = scratch / "durations.json"
        run(checkout, ["--numprocesses=2", "--dist=loadfile"], {DURATIONS: str(durations)})
    finally:
        probe.unlink()
        for path, source in before.items():
            (checkout / path).write_bytes(source)
    found = json.loads(durations.read_text())
    # One that fails by itself, or by the calls, kills nothing.
    seconds = {test: of for test, of in found["seconds"].items() if test not in found["failed"]}
    return Tests(seconds, _touching(calls, numbers, seconds))


def _with_calls(source: bytes, only: set[int] | None, first: int) -> tuple[bytes, list[int]]:
    """A source file whose functions say that they are called, and the line of each of these.

    Args:
        source: The file.
        only: The lines of the functions; None for all of them.
        first: The number that the first one says.
    """
    lines = source.decode().split("\n")
    places: list[tuple[int, int, int]] = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if only is None or node.lineno in only:
            has_text = ast.get_docstring(node, clean=False) is not None
            body = node.body[1 if has_text and len(node.body) > 1 else 0]
            decorators = getattr(body, "decorator_list", [])
            line = min([body.lineno, *(each.lineno for each in decorators)])
            places.append((line, body.col_offset, node.lineno))
    for number, (line, column, _) in enumerate(places, first):
        text = lines[line - 1].encode()
        if text[:column].strip():  # the body is on the line of its `def`
            lines[line - 1] = (text[:column] + _call(number) + text[column:]).decode()
        else:
            lines[line - 1] = " " * column + _call(number).decode() + "\n" + lines[line - 1]
    return "\n".join(lines).encode(), [function for _, _, function in places]


def _call(number: int) -> bytes:
    return _CALL.format(number=number).encode()


def _touching(
    calls: Path, numbers: Sequence[tuple[str, int]], tests: Iterable[str]
) -> dict[tuple[str, int], frozenset[str]]:
    of_file: dict[str, set[str]] = defaultdict(set)
    for test in tests:
        of_file[test.partition("::")[0]].add(test)
    touching: dict[tuple[str, int], set[str]] = defaultdict(set)
    for file in calls.iterdir():
        for line in file.read_text().splitlines():
            number, is_shared, test = line.split("\t", 2)
            own = of_file[test.partition("::")[0]] if is_shared == "1" else {test}
            touching[numbers[int(number)]] |= own
    known = {*tests}
    return {place: frozenset(tests & known) for place, tests in touching.items()}


def failing(checkout: Path, tests: Sequence[str], timeout: float) -> list[str]:
    """Run tests of a checkout, by their names, and return the first one that fails, if any does.

    It is all of them where they take longer than `timeout`, in seconds, and any of them where none
    can be run, as where a module with tests cannot be imported.
    """
    names, durations = checkout / "tests.txt", checkout / "durations.json"
    names.write_text("\n".join(tests))
    durations.unlink(missing_ok=True)
    try:
        status = run(checkout, ["-x", f"@{names}"], {DURATIONS: str(durations)}, timeout)
    except subprocess.TimeoutExpired:
        return list(tests)
    if status in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        return []
    failed: list[str] = json.loads(durations.read_text())["failed"] if durations.exists() else []
    return failed or [*tests[:1]]


def run(
    checkout: Path,
    arguments: Sequence[str],
    variables: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> int:
    """Run tests of a checkout with its own library; returns pytest's exit status.

    Raises:
        subprocess.TimeoutExpired: They take longer than that; all processes of theirs are ended.
    """
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(checkout),
        **(variables or {}),
    }
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "--tb=no", *arguments]
    command += ["-p", "no:cacheprovider", "-p", "benchmarks.mutants.durations"]
    with subprocess.Popen(
        command, cwd=checkout, env=environment, start_new_session=True, stdout=subprocess.DEVNULL
    ) as process:
        try:
            return process.wait(timeout)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, 9)
