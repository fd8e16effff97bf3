"""Pinned tables: the versions of the tables that a run reads, the same from its beginning on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np

from lockstep.columns.pipeline import Pipeline
from lockstep.columns.tables import stacked
from lockstep.errors import BlockedError
from lockstep.store.attempts import StepRecord
from lockstep.store.ledgers import Ledger, ledger_of
from lockstep.store.parquet import Store
from lockstep.tables.layered import LayeredRows
from lockstep.tables.rows import TableRows

_TABLES = "tables"
"""The fact of a step that holds the versions, by table."""


@dataclass(frozen=True)
class PinnedTables:
    """Versions of the tables that a pipeline reads: plain data, to send between processes."""

    root: Path  # the folder of the pipeline's rows
    versions: tuple[tuple[str, str], ...] = ()  # tables with the version of each

    @classmethod
    def now(cls, store: Store, pipeline: Pipeline) -> Self:
        """The tables, as they are now, of a pipeline as it or a version declares them.

        Raises:
            BlockedError: A table, as it is declared there, has never been delivered.
            DamagedError: A ledger is not as written, or has lost rows that were relied on.
        """
        versions = []
        for name, schema in pipeline.tables.items():
            ledger = ledger_of(store.root, schema)
            if not ledger.is_begun:
                raise BlockedError(
                    f"The table {name} of {pipeline.name} has not been delivered as it is declared "
                    f"there; do that first: lockstep tables {pipeline.name} --deliver"
                )
            versions.append((name, ledger.rely()))
        return cls(store.root, tuple(versions))

    @classmethod
    def of(cls, store: Store, step: StepRecord) -> Self:
        """The tables that a recorded step has read."""
        return cls(store.root, tuple(step.facts.get(_TABLES, {}).items()))

    @property
    def facts(self) -> dict[str, Any]:
        """The facts of a step that reads them; none where there are none."""
        return {_TABLES: dict(self.versions)} if self.versions else {}

    @staticmethod
    def history(
        store: Store, pipeline: Pipeline, versions: Sequence[Mapping[str, str]]
    ) -> Callable[[Mapping[str, str]], Mapping[str, LayeredRows]]:
        """What gives the rows of a pipeline's tables at any of some combinations of versions."""
        histories = {
            name: TableHistory(ledger_of(store.root, schema), {of.get(name, "") for of in versions})
            for name, schema in pipeline.tables.items()
        }
        return lambda wanted: {
            name: history.at(wanted.get(name, "")) for name, history in histories.items()
        }

    def bind(self, pipeline: Pipeline) -> Pipeline:
        """A pipeline whose look-ups and windows read the tables; itself if it has none."""
        return pipeline.with_tables(self.rows(pipeline)) if pipeline.tables else pipeline

    def rows(self, pipeline: Pipeline) -> Mapping[str, TableRows]:
        """The rows of the tables that a pipeline reads.

        Raises:
            BlockedError: None was pinned of one of its tables.
            NotStoredError: A ledger never had the version that was pinned.
            DamagedError: A ledger is not as written.
        """
        pinned = dict(self.versions)
        for name in pipeline.tables:
            if name not in pinned:
                raise BlockedError(
                    f"{pipeline.name} reads the table {name} now, and did not when its rows were "
                    "read; begin with them anew."
                )
        return {
            name: _rows(ledger_of(self.root, schema), pinned[name])
            for name, schema in pipeline.tables.items()
        }


class TableHistory:
    """The rows of a table at many versions, for which its ledger is read once.

    Those that lie between two versions are added to the rows at the earlier one.
    """

    def __init__(self, ledger: Ledger, versions: Collection[str]) -> None:
        self._ledger, self._steps = ledger, ledger.steps(versions)
        self._places = {version: place for place, (version, *_) in enumerate(self._steps)}
        self._bases: list[tuple[int, LayeredRows]] = []

    def at(self, version: str) -> LayeredRows:
        """The rows at a version; NotStoredError where the ledger never had it."""
        place = self._places.get(version)
        if place is None:
            raise self._ledger.lost(version)
        first, rows = next((base for base in self._bases if base[0] <= place), (-1, None))
        steps = self._steps[first + 1 : place + 1]
        if steps:
            columns = stacked([columns for _, columns, _ in steps])
            known = np.concatenate([known for *_, known in steps])
            if rows is None:
                rows = LayeredRows(TableRows.of(self._ledger.schema, columns, known, version))
            else:
                rows = rows.adding(columns, known, version)
                if not rows.is_top_heavy:
                    return rows
                rows = LayeredRows(rows.merged())
            self._bases = [(place, rows), *self._bases[:1]]  # versions come nearly in their order
        assert rows is not None, "there is a base, or a step to make one of"
        return rows


@lru_cache(maxsize=16)
def _rows(ledger: Ledger, version: str) -> TableRows:
    """The rows of a ledger's version, which never change: a process reads them once."""
    return ledger.rows(version)
