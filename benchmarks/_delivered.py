"""A pipeline's tables as their sources deliver them, without a home."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks._rounds import BenchmarkError
from lockstep.columns.pipeline import Pipeline
from lockstep.project.declaration import PipelineAssets
from lockstep.store.parquet import Store
from lockstep.store.pinned_tables import PinnedTables
from lockstep.store.table_deliveries import deliver_all


def with_tables(declared: PipelineAssets) -> Pipeline:
    """The pipeline, with its tables.

    Raises:
        BenchmarkError: A check blocks one.
    """
    with tempfile.TemporaryDirectory(prefix="lockstep-bench-") as folder:
        store = Store(Path(folder) / declared.name)
        for name, delivery in deliver_all(declared, store, "benchmark").items():
            if delivery.blocked_by:
                raise BenchmarkError(f"The table {name} is not delivered: {delivery.blocked_by}")
        return PinnedTables.now(store, declared.pipeline).bind(declared.pipeline)
