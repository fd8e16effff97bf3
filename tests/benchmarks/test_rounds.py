"""Rounds of pyperf, and how they are told: run for real, on a script that takes no time."""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import pyperf
import pytest

from benchmarks import run
from benchmarks._report import Outcome, machine, ratio, ratios, write
from benchmarks._rounds import BenchmarkError, Checkout, time_rounds

pytestmark = pytest.mark.long

SCRIPT = """
import pyperf
from benchmarks import side
runner = pyperf.Runner(metadata={"side": side})
runner.bench_func("nothing", int)
"""


@pytest.fixture
def checkouts(tmp_path: Path) -> list[Checkout]:
    """Two checkouts, whose benchmarks say which one they are of."""
    for side in ("old", "new"):
        package = tmp_path / side / "benchmarks"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(f"side = {side!r}\n")
    return [Checkout(tmp_path / "old"), Checkout(tmp_path / "new")]


def timed(script: str, checkouts: list[Checkout], rounds: int) -> list[pyperf.BenchmarkSuite]:
    path = checkouts[0].root.parent / "script.py"
    path.write_text(script)
    return time_rounds(path, checkouts, rounds, lambda _: ["--values=3"])


def test_each_checkout_is_timed_once_a_round_with_its_own_code(checkouts: list[Checkout]) -> None:
    found = [suite.get_benchmark("nothing") for suite in timed(SCRIPT, checkouts, rounds=2)]
    assert [bench.get_metadata()["side"] for bench in found] == ["old", "new"]
    assert [[len(run.values) for run in bench.get_runs()] for bench in found] == [[3, 3], [3, 3]]


def test_a_script_that_fails_is_an_error_with_what_it_printed(checkouts: list[Checkout]) -> None:
    with pytest.raises(BenchmarkError, match="no live version"):
        timed("raise SystemExit('no live version')", checkouts, rounds=1)


def test_what_is_written_names_versions_and_no_machine(
    checkouts: list[Checkout], tmp_path: Path
) -> None:
    path = tmp_path / "results.json"
    write(timed(SCRIPT, checkouts[:1], rounds=1)[0], path)
    assert pyperf.BenchmarkSuite.load(str(path)).get_benchmark_names() == ["nothing"]
    written = json.dumps(json.loads(path.read_text()))
    assert f'"numpy_version": "{version("numpy")}"' in written
    assert "hostname" not in written
    assert all(place not in written for place in (str(tmp_path), sys.prefix, sys.base_prefix))


def test_commands_are_timed_in_processes_of_their_own(tmp_path: Path) -> None:
    commands = {"nothing": [sys.executable, "-S", "-c", ""], "nap": ["sleep", "0.2"]}
    (suite,) = time_rounds(
        run.SCRIPT, [Checkout(tmp_path)], 1, lambda _: [f"--commands={json.dumps(commands)}"]
    )
    assert suite.get_benchmark_names() == ["nothing", "nap"]
    assert suite.get_benchmark("nap").median() >= 0.2
    assert f"numpy {version('numpy')}" in machine(suite)


def benchmark(*rounds: list[float]) -> pyperf.Benchmark:
    return pyperf.Benchmark(
        [pyperf.Run(values, metadata={"name": "a"}, collect_metadata=False) for values in rounds]
    )


def test_ratios_are_taken_within_a_round() -> None:
    found = ratios(benchmark([2.0, 9.0, 1.0], [6.0], [3.0]), benchmark([2.0], [4.0], [1.0]))
    assert found == [1.0, 1.5, 3.0]
    assert ratio(found) == "1.50 (1.00 to 3.00)"


@pytest.mark.parametrize(("measured", "told"), [(1.5, "met"), (1.6, "FALLS SHORT")])
def test_a_report_says_what_falls_short(measured: float, told: str) -> None:
    assert str(Outcome("score, over import", measured, limit=1.5)).endswith(told)
