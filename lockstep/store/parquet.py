"""The store: where the rows of a pipeline are, and what consumers read of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from lockstep.columns.kinds import Columns, Kind
from lockstep.columns.tables import from_arrow
from lockstep.errors import NotStoredError

if TYPE_CHECKING:
    import pyarrow as pa


@lru_cache(maxsize=4_096)
def file_name(partition: str) -> str:
    """The name of a partition as that of a file or folder; asked for again and again."""
    return "".join(
        letter if not letter.isascii() and letter.isprintable() else quote(letter, safe=" +:=@")
        for letter in partition
    )


def partition_of(name: str) -> str:
    """The partition whose `file_name` this is."""
    return unquote(name)


@dataclass(frozen=True)
class Store:
    """What a pipeline's assets have written, a Parquet file for each of their partitions.

    Attributes:
        root: The pipeline's folder.
    """

    root: Path

    def path(self, name: str, partition: str) -> Path:
        """Where a partition of an asset is kept."""
        return self.root / name / f"{file_name(partition)}.parquet"

    def has(self, name: str, partition: str) -> bool:
        """Whether it has been written."""
        return self.path(name, partition).exists()

    def read(self, name: str, partition: str) -> pa.Table:
        """The table that was written.

        Raises:
            NotStoredError: Nothing was.
        """
        from pyarrow import parquet

        path = self.path(name, partition)
        if not path.exists():
            raise NotStoredError(
                f"There is no {name} of {partition} yet: materialize it first ({path})."
            )
        return parquet.ParquetFile(path).read()

    def read_columns(self, name: str, kinds: Mapping[str, Kind], partition: str) -> Columns:
        """The columns that were written.

        Raises:
            NotStoredError: Nothing was.
        """
        return from_arrow(self.read(name, partition), kinds)
