"""The store: the Parquet files of a pipeline's assets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from lockstep.errors import NotStoredError

if TYPE_CHECKING:
    import pyarrow as pa


@lru_cache(maxsize=4_096)
def file_name(partition: str) -> str:
    """The name of a partition's file or folder."""
    return "".join(
        letter if not letter.isascii() and letter.isprintable() else quote(letter, safe=" +:=@")
        for letter in partition
    )


def partition_of(name: str) -> str:
    """The partition whose `file_name` this is."""
    return unquote(name)


@dataclass(frozen=True)
class Store:
    """The tables of a pipeline's assets, a Parquet file for each partition.

    Attributes:
        root: The pipeline's folder.
    """

    root: Path

    def path(self, name: str, partition: str) -> Path:
        """Path of a partition of an asset."""
        return self.root / name / f"{file_name(partition)}.parquet"

    def read(self, name: str, partition: str) -> pa.Table:
        """Read the table of a partition of an asset.

        Raises:
            NotStoredError: It has not been written.
        """
        from pyarrow import parquet

        path = self.path(name, partition)
        if not path.exists():
            raise NotStoredError(
                f"There is no {name} of {partition} yet: materialize it first ({path})."
            )
        return parquet.ParquetFile(path).read()
