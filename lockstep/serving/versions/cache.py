"""A cache of outputs: a version does not compute again the rows that it scored last."""

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
"""Identifies a row: the bytes of its numbers and times, and its texts."""
Values: TypeAlias = tuple[Any, ...]


class Cache:
    """The outputs of the rows that one version scored last. Several threads may use it.

    A row is identified by the fields that its outputs depend on, in canonical form: two records
    that are written differently are one row, and two that differ by a bit are two. The least
    recently used row goes first.
    """

    def __init__(self, rows: int, fields: Mapping[str, Kind], outputs: Mapping[str, Kind]) -> None:
        # called at each look-up with the numbers of known and unknown rows
        self.looked_up: list[Callable[[int, int], None]] = []
        self._most = rows
        self._texts = [name for name, kind in fields.items() if kind is Kind.TEXT]
        self._numbers = [name for name, kind in fields.items() if kind is not Kind.TEXT]
        self._outputs = outputs
        self._kept: OrderedDict[Row, Values] = OrderedDict()
        self._lock = Lock()

    @classmethod
    def of(cls, graph: Graph, rows: int, wanted: Iterable[str]) -> Cache:
        """A cache for the outputs of a graph; the fields of the wanted columns identify a row."""
        read = {field for name in wanted for field in graph.lineage(name)}
        fields = {name: graph.kind(name) for name in graph.fields.names if name in read}
        return cls(rows, fields, {name: graph.kind(name) for name in graph.outputs})

    def __len__(self) -> int:
        return len(self._kept)

    def rows_of(self, columns: Columns) -> list[Row]:
        """The identity of each row, from the fields in canonical form."""
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
        """The outputs of rows; None for each unknown row."""
        kept = self._kept
        with self._lock:
            outputs = [kept.get(row) for row in rows]
            for row, values in zip(rows, outputs, strict=True):
                if values is not None:
                    kept.move_to_end(row)
        unknown = outputs.count(None)
        for listener in self.looked_up:
            listener(len(rows) - unknown, unknown)
        return outputs

    def keep(self, rows: Sequence[Row], computed: Columns) -> None:
        """Keep the outputs of computed rows."""
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
