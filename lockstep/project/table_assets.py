"""Tables of a pipeline: where the rows come from that its look-ups and windows read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated

from lockstep.columns.from_table import FromTable
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.plain import did_you_mean, listed
from lockstep.columns.setting_checks import Age, Allowed, declaration
from lockstep.columns.table_schema import TableSchema
from lockstep.errors import DeclarationError
from lockstep.project.sources import DeclaredSource, misread
from lockstep.suites.suites import SuiteFunction, SuiteJson, Suites
from lockstep.tables.declaration import Event, Table
from lockstep.tables.windows import Window


@declaration
@dataclass(frozen=True, eq=False)
class TableAssets:
    """A table with the source of its rows and the demands on them.

    Attributes:
        table: Its type, a `Table` or an `Event`.
        source: The source of its rows: of all of them, or of a day's.
        suite: Returns the ExpectationSuite of a delivery's rows; none by default.
        since: The first day, where the source has a delivery for each day; None where each has all
            rows. A day is read until a delivery came after its end.
        max_age: How old the newest row may be when rows are delivered; by default as old as the
            first look-up or window that finds no row any more lets it be.
        in_memory: Whether a server keeps all rows in memory; otherwise it reads them from a
            database on disk, where they need not fit in memory.
    """

    table: Annotated[
        type[Table] | type[Event], Allowed(meant="the class that declares it, a Table or an Event")
    ]
    source: DeclaredSource
    suite: SuiteFunction | None = None
    since: date | None = None
    max_age: Age | None = None
    in_memory: bool = True

    def __post_init__(self) -> None:
        title = f"TableAssets({self.table.__name__})"
        wrong = misread(self.source, is_daily=self.since is not None)
        if wrong is not None:
            by_day = "" if self.since is not None else " Or give since=DAY, the first one."
            raise DeclarationError(f"{title}: source {wrong}{by_day}")

    @property
    def schema(self) -> TableSchema:
        """The declaration of the table."""
        return self.table.declaration()

    @property
    def name(self) -> str:
        """Name of the table."""
        return self.schema.name

    def suite_json(self) -> SuiteJson:
        """The suite in its plain form.

        Raises:
            SuiteError: It cannot be made, or names a field that the table does not have.
        """
        suites = Suites() if self.suite is None else Suites(input=self.suite)
        return suites.to_json("input", self.schema.schema.names, self.schema.schema.personal)


def reach(pipeline: Pipeline, table: str) -> timedelta | None:
    """How old the newest row of a table may be for each look-up and window to find a row.

    None where it may have any age.
    """
    nodes = [node for node in pipeline.graph.columns.values() if isinstance(node, FromTable)]
    spans = [
        node.over if isinstance(node, Window) else getattr(node, "within", None)
        for node in nodes
        if node.table.name == table
    ]
    return min((span for span in spans if span is not None), default=None)


def check_tables(pipeline: Pipeline, tables: Sequence[TableAssets]) -> None:
    """Check that each table of a pipeline has one source, and that there is none beside them."""
    wanted = pipeline.tables
    given = [table.name for table in tables]
    for table in tables:
        title = f"{pipeline.name}: tables has {table.table.__name__}"
        if given.count(table.name) > 1:
            raise DeclarationError(f"{title} twice; keep one of them.")
        if table.name not in wanted:
            known = f" There are {listed(wanted, 5)}." if wanted else ""
            hint = did_you_mean(table.name, wanted) or known
            raise DeclarationError(
                f"{title}, and no look-up or window of the pipeline reads it; leave it out.{hint}"
            )
        if not table.schema.is_same_as(wanted[table.name]):
            raise DeclarationError(
                f"{title}, which is another {table.name} than the one that the pipeline reads; "
                f"import that from {pipeline.module}."
            )
    for name in wanted:
        if name not in given:
            raise DeclarationError(
                f"{pipeline.name} reads the table {name}, and nothing says where its rows come "
                "from; give tables=[TableAssets(TABLE, source=...)]."
            )
