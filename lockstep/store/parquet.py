"""The store: one Parquet file for each asset and partition, replaced as a whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from lockstep.artifacts.atomic import replace, replace_text
from lockstep.columns.kinds import Columns, Kind
from lockstep.columns.tables import from_arrow, to_arrow
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
    """What a pipeline's assets have written.

    Every file is written beside its place, flushed to disk and moved into place in one step
    (POSIX `rename`), so that a killed run leaves the old file or the new one, never half of one.

    Attributes:
        root: The pipeline's folder.
    """

    root: Path

    def path(self, name: str, partition: str | None = None, suffix: str = ".parquet") -> Path:
        """Where an asset, or one partition of it, is kept."""
        if partition is None:
            return self.root / f"{name}{suffix}"
        return self.root / name / f"{file_name(partition)}{suffix}"

    def partitions(self, name: str, suffix: str = ".parquet") -> list[str]:
        """Partitions that have been written, in the order of their names."""
        found = (self.root / name).glob(f"*{suffix}")
        return sorted(partition_of(path.name.removesuffix(suffix)) for path in found)

    def has(self, name: str, partition: str | None = None) -> bool:
        """Whether it has been written."""
        return self.path(name, partition).exists()

    def write(self, name: str, table: pa.Table, partition: str | None = None) -> Path:
        """Write a table, replacing what was there."""
        from pyarrow import parquet

        path = self.path(name, partition)
        replace(path, lambda file: parquet.write_table(table, file, compression="zstd"))
        return path

    def write_columns(self, name: str, columns: Columns, partition: str | None = None) -> Path:
        """Write columns, replacing what was there."""
        return self.write(name, to_arrow(columns), partition)

    def read(self, name: str, partition: str | None = None) -> pa.Table:
        """The table that was written.

        Raises:
            NotStoredError: Nothing was.
        """
        from pyarrow import parquet

        path = self.path(name, partition)
        if not path.exists():
            where = f" of {partition}" if partition is not None else ""
            raise NotStoredError(f"There is no {name}{where} yet: materialize it first ({path}).")
        return parquet.ParquetFile(path).read()

    def row_count(self, name: str, partition: str | None = None) -> int:
        """Number of rows in the file that was written, from its footer."""
        from pyarrow import parquet

        return int(parquet.read_metadata(self.path(name, partition)).num_rows)

    def read_columns(
        self, name: str, kinds: Mapping[str, Kind], partition: str | None = None
    ) -> Columns:
        """The columns that were written.

        Raises:
            NotStoredError: Nothing was.
        """
        return from_arrow(self.read(name, partition), kinds)

    def write_json(self, name: str, value: Any, partition: str | None = None) -> Path:
        """Write a small JSON document, replacing what was there."""
        text = json.dumps(value, indent=1, allow_nan=False)
        path = self.path(name, partition, ".json")
        replace_text(path, text + "\n")
        return path

    def read_json(self, name: str, partition: str | None = None) -> Any:
        """The JSON document that was written; None if there is none."""
        path = self.path(name, partition, ".json")
        return json.loads(path.read_text()) if path.exists() else None
