"""A cache: rows that a version scored before are answered without being computed again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from threading import Lock
from typing import Any, TypeAlias

import numpy as np

from lockstep.columns.graph import Graph
from lockstep.columns.kinds import Columns, Kind

Row: TypeAlias = tuple[bytes, tuple[str | None, ...]]
"""A row as far as anything depends on it: its numbers and times to the last bit, and its texts."""
Values: TypeAlias = tuple[Any, ...]


class Cache:
    """The outputs of the rows that one version scored last. Several threads may use it.

    A row is known by the fields that the outputs come from in the end, in canonical form: two
    records that are written in other ways are one row, and two that differ by a bit are two.

    Args:
        rows: How many rows are kept; the one that was not asked for longest goes first.
        fields: What a row is known by, and what each of these holds.
        outputs: What is kept of a row, and what each of these holds.

    Attributes:
        looked_up: Is told, at each look-up, how many rows were known and how many were not.
    """

    def __init__(self, rows: int, fields: Mapping[str, Kind], outputs: Mapping[str, Kind]) -> None:
        self.looked_up: list[Callable[[int, int], None]] = []
        self._most = rows
        self._texts = [name for name, kind in fields.items() if kind is Kind.TEXT]
        self._numbers = [name for name, kind in fields.items() if kind is not Kind.TEXT]
        self._outputs = outputs
        self._kept: OrderedDict[Row, Values] = OrderedDict()
        self._lock = Lock()

    @classmethod
    def of(cls, graph: Graph, rows: int, wanted: Iterable[str]) -> Cache:
        """A cache for what is computed of records.

        Args:
            graph: Whose outputs are kept.
            rows: How many rows are kept.
            wanted: The columns that are computed of a row: it is known by what these come from.
        """
        read = {field for name in wanted for field in graph.lineage(name)}
        fields = {name: graph.kind(name) for name in graph.fields.names if name in read}
        return cls(rows, fields, {name: graph.kind(name) for name in graph.outputs})

    def __len__(self) -> int:
        return len(self._kept)

    def rows_of(self, columns: Columns) -> list[Row]:
        """What each row is known by.

        Args:
            columns: The fields, in canonical form.
        """
        count = len(next(iter(columns.values())))
        matrix = np.empty((count, len(self._numbers)), dtype=np.uint64)
        for place, name in enumerate(self._numbers):
            array = columns[name]
            matrix[:, place] = array if array.dtype == np.bool_ else array.view(np.uint64)
        width, numbers = 8 * len(self._numbers), matrix.tobytes()
        texts: Iterable[tuple[str | None, ...]] = repeat((), count)
        if self._texts:
            texts = zip(*[columns[name].tolist() for name in self._texts], strict=True)
        return [(numbers[row * width : (row + 1) * width], own) for row, own in enumerate(texts)]

    def look_up(self, rows: Sequence[Row]) -> list[Values | None]:
        """The outputs of rows; None for each that is not known."""
        kept = self._kept
        with self._lock:
            found = [kept.get(row) for row in rows]
            for row, values in zip(rows, found, strict=True):
                if values is not None:
                    kept.move_to_end(row)
        unknown = found.count(None)
        for told in self.looked_up:
            told(len(rows) - unknown, unknown)
        return found

    def keep(self, rows: Sequence[Row], computed: Columns) -> None:
        """Keep the outputs of rows that were computed.

        Args:
            rows: The rows.
            computed: Their columns.
        """
        outputs = zip(*[computed[name].tolist() for name in self._outputs], strict=True)
        with self._lock:
            self._kept.update(zip(rows, outputs, strict=True))
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def columns_of(self, values: Sequence[Values]) -> Columns:
        """Outputs of rows as columns, in canonical form."""
        columns = zip(*values, strict=True)
        return {
            name: np.array(list(column), dtype=kind.dtype)
            for (name, kind), column in zip(self._outputs.items(), columns, strict=True)
        }
