"""Golden records: a few hundred rows that represent all, with the value of every column."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from lockstep.columns.kinds import Array, Columns
from lockstep.columns.pipeline import Pipeline, Trace
from lockstep.columns.tables import from_arrow, kinds_of, to_arrow
from lockstep.errors import GoldenError
from lockstep.parity.lookup_cases import LookupCases, read_cases, write_cases
from lockstep.parity.scales import Scales
from lockstep.tables.rows import TableRows
from lockstep.tables.stored import read_rows, write_rows

T = TypeVar("T")

_KEY = "(key)"
"""Name of the keys in the file of columns: no column can have it."""
_COLUMNS = "columns.parquet"
_NUMBERS = "matrices.npz"
_OBJECTS = "matrices.json"
_DESCRIPTION = "golden.json"
_TABLES, _CASES = "tables", "cases"
"""The folders of the rows of tables, and of made-up rows and questions."""
LEAST_GOLDEN = 10
"""The fewest golden records, if there are as many rows."""

_DAMAGE = (OSError, EOFError, ValueError, pa.ArrowException, zipfile.BadZipFile, zlib.error)
"""Errors of files that are missing or cut off."""


@dataclass(frozen=True)
class Coverage:
    """What golden records show of one column."""

    column: str
    # what they should show: `"missing"` values, `"extremes"` (the least and the greatest),
    # `"categories"`, or the `"decision"`: rows beside the place where an output flips
    aim: str
    wanted: int
    covered: int  # number of these that the records show
    open: tuple[str, ...] = ()  # the first few values that had no room


@dataclass(frozen=True)
class GoldenRecords:
    """Raw rows, and every column of them.

    Attributes:
        records: The fields of the rows: the record's, and the outcome's if there is one.
        trace: All columns of the rows, and the matrix given to each model's estimator.
        tables: The rows of tables that their look-ups and windows read, by table, and a few that
            these may not read.
        cases: Made-up rows and questions, by look-up and window.
    """

    records: Columns
    trace: Trace
    scales: Scales
    coverage: tuple[Coverage, ...] = ()
    tables: Mapping[str, TableRows] = field(default_factory=dict)
    cases: Mapping[str, LookupCases] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        records: Columns,
        trace: Trace,
        coverage: tuple[Coverage, ...] = (),
        tables: Mapping[str, TableRows] = MappingProxyType({}),
        cases: Mapping[str, LookupCases] = MappingProxyType({}),
    ) -> GoldenRecords:
        """Golden records with the scales of their own trace."""
        return cls(records, trace, Scales.of(trace), coverage, tables, cases)

    def bind(self, pipeline: Pipeline) -> Pipeline:
        """A pipeline that reads their rows of tables; itself where they have none."""
        return pipeline.with_tables(self.tables) if self.tables else pipeline

    def __len__(self) -> int:
        return len(self.trace.keys)

    @property
    def summary(self) -> str:
        """What the records show, in a line."""
        counts = []
        for aim in dict.fromkeys(part.aim for part in self.coverage):
            parts = [part for part in self.coverage if part.aim == aim]
            covered, wanted = (sum(p.covered for p in parts), sum(p.wanted for p in parts))
            counts.append(f"{aim} {covered:,} of {wanted:,}")
        return f"{len(self):,} golden records: {', '.join(counts) or 'nothing known of them'}"

    def to_directory(self, path: Path | str) -> None:
        """Write the records to a directory, so that `from_directory` gives the very same values.

        Raises:
            GoldenError: A column holds what no file can hold exactly; the message names it.
        """
        directory = Path(path)
        directory.mkdir(parents=True, exist_ok=True)
        parquet.write_table(_table(self.trace), directory / _COLUMNS)
        numbers = {name: m for name, m in self.trace.matrices.items() if m.dtype.kind != "O"}
        objects = {name: m for name, m in self.trace.matrices.items() if m.dtype.kind == "O"}
        _write_numbers(directory / _NUMBERS, numbers)
        _write(directory / _OBJECTS, {name: _written(m) for name, m in objects.items()})
        description = {
            "fields": list(self.records),
            "matrices": list(self.trace.matrices),
            "coverage": [asdict(part) for part in self.coverage],
        }
        _write(directory / _DESCRIPTION, description)
        write_rows(directory / _TABLES, self.tables)
        write_cases(directory / _CASES, self.cases)

    @classmethod
    def from_directory(cls, path: Path | str) -> GoldenRecords:
        """Read what `to_directory` wrote.

        Raises:
            GoldenError: A file is missing or damaged.
        """
        directory = Path(path)
        description = _part(directory / _DESCRIPTION, _json)
        objects = _part(directory / _OBJECTS, _json)
        columns = _part(directory / _COLUMNS, _columns)
        matrices = _part(directory / _NUMBERS, _numbers)
        tables = _part(directory / _TABLES, read_rows)
        cases = _part(directory / _CASES, read_cases)
        try:
            keys = columns.pop(_KEY)
            matrices |= {name: _read(rows) for name, rows in objects.items()}
            return cls.of(
                records={name: columns[name] for name in description["fields"]},
                trace=Trace(
                    keys, columns, {name: matrices[name] for name in description["matrices"]}
                ),
                coverage=msgspec.convert(description["coverage"], tuple[Coverage, ...]),
                tables=tables,
                cases=cases,
            )
        except (LookupError, ValueError, TypeError, AttributeError) as error:
            raise GoldenError(
                f"its files do not belong together: {type(error).__name__}: {error}"
            ) from error


def _part(path: Path, read: Callable[[Path], T]) -> T:
    try:
        return read(path)
    except FileNotFoundError as error:
        raise GoldenError(f"{path.name} is missing") from error
    except _DAMAGE as error:
        raise GoldenError(f"{path.name} is damaged: {error}") from error


def _json(path: Path) -> Any:
    return json.loads(path.read_bytes())


def _columns(path: Path) -> Columns:
    table = parquet.ParquetFile(path).read()
    return from_arrow(table, kinds_of(table))


def _numbers(path: Path) -> dict[str, Array]:
    with zipfile.ZipFile(path) as archive:
        matrices = {}
        for name in archive.namelist():
            with archive.open(name) as member:
                matrices[name.removesuffix(".npy")] = np.lib.format.read_array(member)
        return matrices


def _table(trace: Trace) -> pa.Table:
    for name, values in trace.columns.items():
        if values.dtype == object:
            strange = {type(value).__name__ for value in values.tolist()} - {"str", "NoneType"}
            if strange:
                raise GoldenError(
                    f"Column {name} holds {', '.join(sorted(strange))} among its texts; a column "
                    "of texts holds str, and None where one is missing."
                )
    return to_arrow({_KEY: trace.keys, **trace.columns})


def _write_numbers(path: Path, matrices: Mapping[str, Array]) -> None:
    """Write an .npz file: `np.savez` takes no array by the name of its own parameters (`file`)."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, matrix in matrices.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, matrix, allow_pickle=False)


def _written(matrix: Array) -> dict[str, Any]:
    """A matrix of objects for JSON: what an estimator without transformers may be given."""
    cells = [_written_cell(cell) for cell in matrix.ravel().tolist()]
    return {"shape": list(matrix.shape), "cells": cells}


def _written_cell(cell: Any) -> Any:
    if cell is pd.NaT:
        return {"time": None}
    if isinstance(cell, pd.Timestamp):
        return {"time": cell.isoformat()}
    if cell is None or isinstance(cell, bool | int | float | str):
        return cell
    raise GoldenError(f"A matrix holds {type(cell).__name__}, which cannot be stored: {cell!r}")


def _read(written: Mapping[str, Any]) -> Array:
    cells = np.empty(len(written["cells"]), dtype=object)
    for position, cell in enumerate(written["cells"]):
        cells[position] = pd.Timestamp(cell["time"]) if isinstance(cell, dict) else cell
    return cells.reshape(written["shape"])


def _write(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, ensure_ascii=False, indent=1), encoding="utf-8")
