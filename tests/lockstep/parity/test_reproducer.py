"""Reproducers are tests that fail as long as something differs, under pytest on a file too."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from lockstep.artifacts.evidence import Evidence
from lockstep.artifacts.snapshot import Snapshot
from lockstep.columns.files import decode_json
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline, Trace
from lockstep.constraints.constraint_set import discover
from lockstep.parity.comparison import Comparison, compare
from lockstep.parity.environment import Environment
from lockstep.parity.exactness import difference
from lockstep.parity.golden import GoldenRecords
from lockstep.parity.locality import locality
from lockstep.parity.profiles import Profile
from lockstep.parity.replay import replay
from lockstep.parity.reproducer import Reproducer, public_name, value_reproducer
from lockstep.parity.scales import Scales
from lockstep.parity.selection import choose_golden
from lockstep.parity.weekly import WeeklyFigures
from lockstep.registry.registry import Registry
from tests.lockstep.parity.conftest import COLUMNS, traced

ROOT = Path(__file__).parents[3]

HOUR = "% 24"
SKEW = "% 12"


def passes(reproducer: Reproducer | None) -> bool:
    """Run the tests of a reproducer in this process."""
    names: dict[str, object] = {}
    exec(compile(reproducer.test, "reproducer", "exec"), names)
    try:
        for name, test in names.items():
            if name.startswith("test_") and callable(test):
                test()
    except AssertionError:
        return False
    return True


def row_of(trace: Trace, row: int = 0) -> Columns:
    return {name: values[row : row + 1] for name, values in trace.columns.items()}


def test_it_fails_under_pytest_as_long_as_the_code_differs(
    build: Callable[..., Pipeline],
    pipeline: Pipeline,
    trace: Trace,
    checkouts: Path,
    tmp_path: Path,
) -> None:
    skewed = build((HOUR, SKEW)).with_models(pipeline.models_)
    found = compare(trace, skewed.trace(COLUMNS, labels=True), skewed.graph, scales=Scales())
    (tmp_path / "test_reproducer.py").write_text(found.first.reproducer.test, encoding="utf-8")
    paths = os.pathsep.join([str(checkouts), str(ROOT)])
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_reproducer.py"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": paths, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        check=False,
    )
    assert ran.returncode == 1
    assert "test_hour_is_as_expected" in ran.stdout
    expected, actual = found.first.examples[0].expected, found.first.examples[0].actual
    assert f"expected [{expected}], got [{actual}]" in ran.stdout


def test_it_passes_once_the_code_is_as_it_was(build: Callable[..., Pipeline], trace: Trace) -> None:
    row = row_of(trace)
    assert passes(value_reproducer(build().graph, "hour", row, row["hour"]))


def test_a_models_test_loads_the_fitted_version_from_the_registry(
    pipeline: Pipeline, trace: Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(f"sqlite:///{tmp_path}/mlflow.db", artifact_root=tmp_path / "artifacts")
    fields = {name: COLUMNS[name] for name in pipeline.record_schema.names}
    evidence = Evidence(
        golden=choose_golden(pipeline, COLUMNS, limit=10),
        profile=Profile.of(fields, pipeline.record_schema.kinds),
        constraints=discover(fields, pipeline.record_schema),
        outputs=None,
        weekly=WeeklyFigures(),
        suites={},
        environment=Environment.capture(),
        metrics={},
        rows=len(trace.keys),
    )
    version = registry.log(pipeline, Snapshot.of(pipeline), evidence)
    registry.set_alias(pipeline.name, "champion", version.version)
    row = row_of(trace)
    of_chance = partial(value_reproducer, pipeline.graph, "chance", row)
    right, wrong = of_chance(row["chance"]), of_chance(row["chance"] + 0.01)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry.address.full)
    settings = f'[tool.lockstep]\nhome = "{tmp_path / "home"}"\n'
    (tmp_path / "pyproject.toml").write_text(settings)
    monkeypatch.chdir(tmp_path)
    assert passes(right)
    assert 'VERSION = "champion"' in right.test.replace("'", '"')
    by_number = of_chance(row["chance"], version=version.version)
    assert passes(by_number)
    assert f"VERSION = {version.version} " in by_number.test
    matrix = trace.matrices["chance"][:1]
    assert passes(of_chance(matrix, is_matrix=True))
    assert not passes(of_chance(matrix + 1, is_matrix=True))
    assert not passes(wrong)


def test_it_allows_what_the_comparison_allows(build: Callable[..., Pipeline], trace: Trace) -> None:
    left = "@output(ulps=1)\ndef left(cargo: Floats) -> Floats:\n    return cargo + 1e6 - 1e6\n"
    last = "PIPELINE = Pipeline("
    graph = build((last, f"{left}\n\n{last}")).graph
    known = np.flatnonzero(~np.isnan(COLUMNS["cargo"]))[0]
    row = row_of(trace, known)
    assert passes(value_reproducer(graph, "left", row, row["cargo"], scale=1e6))
    assert not passes(value_reproducer(graph, "left", row, row["cargo"]))


@pytest.mark.parametrize(
    "column", ["hour", "load", "port_known", "heavy", "rested", "late", "risk"]
)
def test_every_value_of_a_trace_passes(pipeline: Pipeline, trace: Trace, column: str) -> None:
    for row in range(0, 120, 10):
        one = row_of(trace, row)
        assert passes(value_reproducer(pipeline.graph, column, one, one[column]))


@pytest.mark.parametrize("column", ["sails_at", "port", "crew", "cargo", "insured", "delay"])
def test_a_fields_test_decodes_the_record(pipeline: Pipeline, trace: Trace, column: str) -> None:
    one = row_of(trace)
    values = trace.columns[column]
    differing = difference(np.repeat(values[:1], len(values)), values).rows
    another = values[differing.argmax() :][:1]
    assert passes(value_reproducer(pipeline.graph, column, one, one[column]))
    assert not passes(value_reproducer(pipeline.graph, column, one, another))


def test_the_record_decodes_to_the_row(
    pipeline: Pipeline, trace: Trace, compared: Callable[..., Comparison]
) -> None:
    hour = np.where(np.arange(120) == 7, -1, trace.columns["hour"])
    record = compared(traced(trace, "hour", hour)).first.reproducer.record
    decoded = decode_json(record, pipeline.joint_schema).columns
    for name in pipeline.joint_schema.names:
        np.testing.assert_array_equal(decoded[name], trace.columns[name][7:8])


def test_a_batch_mean_fails_on_a_few_rows(with_load: Callable[..., Pipeline]) -> None:
    reproducer = locality(with_load("return cargo / np.nanmean(cargo)"), COLUMNS).first.reproducer
    assert "def test_load_depends_on_its_own_row_alone" in reproducer.test
    assert not passes(reproducer)


def test_replay_gives_a_reproducer_of_the_changed_code(
    build: Callable[..., Pipeline], pipeline: Pipeline, golden: GoldenRecords
) -> None:
    skewed = build((HOUR, SKEW)).with_models(pipeline.models_)
    assert not passes(replay(skewed, golden).first.reproducer)


def test_a_version_is_known_to_the_checkout_by_its_public_name() -> None:
    assert public_name("_lockstep_0123.transforms.flight_delay") == "transforms.flight_delay"
    assert public_name("transforms.flight_delay") == "transforms.flight_delay"


def test_a_pipeline_that_no_module_holds_has_no_reproducer(
    import_source: Callable[[str], ModuleType], pipeline: Pipeline, trace: Trace
) -> None:
    module = sys.modules[pipeline.module]
    homeless = Pipeline(module.__name__, record=pipeline.record, outcome=pipeline.outcome)
    row = row_of(trace)
    assert value_reproducer(homeless.graph, "hour", row, row["hour"]) is None
