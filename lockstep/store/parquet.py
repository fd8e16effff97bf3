"""The store: the Parquet files of a pipeline's assets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lockstep.columns.plain import file_name
from lockstep.errors import NotStoredError

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Store:
    """The tables of a pipeline's assets, a Parquet file for each partition."""

    root: Path

    def path(self, name: str, partition: str) -> Path:
        """Path of a partition of an asset."""
        return self.root / name / f"{file_name(partition)}.parquet"

    def read(self, name: str, partition: str) -> pa.Table:
        """Read the table of a partition of an asset; NotStoredError where there is none."""
        from pyarrow import parquet

        path = self.path(name, partition)
        if not path.exists():
            raise NotStoredError(
                f"There is no {name} of {partition} yet: materialize it first ({path})."
            )
        return parquet.ParquetFile(path).read()
