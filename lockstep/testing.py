"""Tests of a project's own pipelines, for the project's own CI.

Each function raises an `AssertionError` that names the column and the rows at fault; `lockstep new`
writes a test module that calls them all.

    PIPELINES = project_pipelines(__file__)

    @pytest.mark.parametrize("name", PIPELINES.names)
    def test_every_column_depends_on_its_own_row_alone(name):
        assert_row_local(PIPELINES.get(name))
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.plain import counted, verb
from lockstep.parity.comparison import ParityReport
from lockstep.project.declaration import PipelineAssets
from lockstep.project.pipelines import Pipelines, pipelines
from lockstep.project.project import Project
from lockstep.project.sources import decode_source


def project_pipelines(file: str | Path) -> Pipelines:
    """The pipelines of the project that a file or folder is in; ProjectError if it is in none."""
    return pipelines(Project.find(Path(file)))


def assert_row_local(declared: PipelineAssets) -> None:
    """Every column of a row of the history is the same whatever rows it comes with.

    Columns of models are among them: the pipeline is fitted on its history.
    """
    from lockstep.parity.locality import locality

    _assert_ok(locality(_fitted(declared), _history(declared)))


def assert_alike_from_every_format(declared: PipelineAssets) -> None:
    """Rows of the history give the same columns from JSON, CSV, Parquet and a DataFrame.

    They are golden records: some hundred rows with missing values, rare values and extremes.
    """
    from lockstep.parity.replay import wire_formats
    from lockstep.parity.selection import choose_golden

    fitted = _fitted(declared)
    _assert_ok(wire_formats(fitted, choose_golden(fitted, _history(declared))))


def assert_suites_hold(declared: PipelineAssets) -> None:
    """The history, its features and the predictions for it are what the suites expect.

    Raises:
        SuiteError: A suite cannot be made, or is about a column that there is not.
    """
    from lockstep.artifacts.evidence import ROLES
    from lockstep.suites.validation import validate

    columns = _fitted(declared).evaluate(_history(declared))
    broken = []
    suites = declared.suites_json()
    for role in ROLES:  # those of tables are asked of their deliveries
        found = validate(columns, suites[role], key=declared.pipeline.key)
        broken += [f"{finding.summary} ({role})" for finding in found.failed("critical", "warning")]
    assert not broken, f"{declared.name}: " + "; ".join(broken)


@cache
def with_tables(declared: PipelineAssets) -> Pipeline:
    """A pipeline with the rows of its tables, as their sources deliver them now.

    No home is written to.
    """
    from lockstep.checks.table_deliveries import deliver_all
    from lockstep.store.parquet import Store
    from lockstep.store.pinned_tables import PinnedTables

    with TemporaryDirectory(prefix="lockstep-tables-") as folder:
        store = Store(Path(folder) / declared.name)
        for name, delivery in deliver_all(declared, store, "test").items():
            blocked = "; ".join(delivery.blocked_by.values())
            assert not blocked, f"{declared.name}, table {name}: {blocked}"
        return PinnedTables.now(store, declared.pipeline).bind(declared.pipeline)


@cache
def _history(declared: PipelineAssets) -> Columns:
    """All rows of the history, every one of which has to fit its declaration."""
    found = decode_source(declared.history, declared.pipeline.joint_schema)
    assert not found.rejected, (
        f"{declared.name}: {len(found.rejected)} of {counted(found.total, 'row')} of the history "
        f"{verb(len(found.rejected), 'does', 'do')} not fit "
        f"their declaration, such as {found.rejected[0]}"
    )
    return found.columns


@cache
def _fitted(declared: PipelineAssets) -> Pipeline:
    return with_tables(declared).unfitted().fit(_history(declared))


def _assert_ok(report: ParityReport) -> None:
    assert report.ok, report.summary
