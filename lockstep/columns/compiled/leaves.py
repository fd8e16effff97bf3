"""Leaves: the value of the leaf that a row ends in, of every tree at once.

Following a tree node by node is slow: the processor cannot predict where a row goes. QuickScorer
(Lucchese et al., SIGIR 2015) has no branches. A tree is a set of bits, one a leaf from left to
right; a node that sends a row to the right clears those of the leaves on its left, whether or not
the row comes to it. The first bit left is the leaf in which the row ends. What a column's nodes
clear depends only on the place of its value among their thresholds: it is computed beforehand, and
a row is one look-up a column.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lockstep.columns.kinds import Array

_MOST_LEAVES = 64
"""Leaves of a tree: one a bit of the widest integer that NumPy has."""
_MOST_BYTES = 4 * 1024 * 1024
"""Bytes of the table: reading a larger one from memory would be as slow as following trees."""
_TOGETHER = 256
"""Rows that are looked up at once: their look-ups fit into a cache."""
_FIELDS = (
    *("node_type", "cleft", "cright", "split_index", "threshold", "cmp", "default_left"),
    *("category_list", "category_list_begin", "category_list_end", "category_list_right_child"),
    *("leaf_value", "leaf_vector"),
)
_LEAF, NUMBER, CATEGORIES = 0, 1, 2
"""Kinds of nodes, as treelite numbers them."""
_BELOW, _AT_MOST = 2, 3
"""treelite's numbers of the comparisons that send values below the threshold to the left, and
values up to it."""


@dataclass(frozen=True)
class SplitNode:
    """A node that splits rows by one of their columns."""

    tree: int
    column: int
    threshold: float | None  # the largest number that goes to the left; None for categories
    categories: frozenset[int]  # numbers of those that go to the left; empty for a threshold
    missing_left: bool  # whether a missing value goes to the left
    left: range  # the tree's leaves on its left


class Leaves:
    """The leaves that rows end in.

    `values` has those of each tree's leaves from left to right, at most 64; `marks`, by column, the
    values at which its splits change. These are all by thresholds, or all by categories.
    """

    def __init__(
        self,
        values: Sequence[Sequence[float]],
        nodes: Sequence[SplitNode],
        marks: Mapping[int, Array],
    ) -> None:
        width = max(map(len, values))
        dtype = next(np.dtype(f"u{size}") for size in (1, 2, 4, 8) if width <= 8 * size)
        by_column = defaultdict(list)
        for node in nodes:
            by_column[node.column].append(node)
        tables = [
            _table(marks[column], some, len(values), dtype) for column, some in by_column.items()
        ]
        self._marks = [(column, marks[column]) for column in by_column]
        self._table = np.concatenate(tables)
        self._starts = np.cumsum([0, *map(len, tables[:-1])])[:, np.newaxis]
        self._values = np.array([value for tree in values for value in tree])
        self._first = np.cumsum([0, *map(len, values[:-1])])
        self._one = dtype.type(1)

    @classmethod
    def of(cls, model: Any) -> Leaves | None:
        """The leaves of a `treelite.Model`; None if they are too many, or no numbers."""
        values: list[list[float]] = []
        nodes: list[SplitNode] = []
        for tree in range(model.num_tree):
            read = _read(tree, model.get_tree_accessor(tree))
            if read is None:
                return None
            values.append(read[0])
            nodes += read[1]
        by_threshold = {node.column for node in nodes if node.threshold is not None}
        by_category = {node.column for node in nodes if node.threshold is None}
        marks = _marks(nodes)
        rows = sum(len(mark) + 1 for mark in marks.values())
        if not nodes or by_threshold & by_category or rows * len(values) * 8 > _MOST_BYTES:
            return None
        return cls(values, nodes, marks)

    def is_faster(self, rows: int) -> bool:
        """Whether so many rows are looked up faster than treelite follows their trees.

        treelite takes about 0.05 microseconds a row and tree; the look-up of all rows takes about
        one a column, and some ten beside.
        """
        return rows * len(self._first) >= 20 * (len(self._marks) + 10)

    def __call__(self, matrix: Array) -> Array:
        """The values of the leaves of some rows (float64, two-dimensional), by row and tree."""
        if len(matrix) <= _TOGETHER:
            return self._of_some(matrix)
        values = np.empty((len(matrix), len(self._first)))
        for start in range(0, len(matrix), _TOGETHER):
            part = slice(start, start + _TOGETHER)
            values[part] = self._of_some(matrix[part])
        return values

    def _of_some(self, matrix: Array) -> Array:
        places = np.empty((len(self._marks), len(matrix)), dtype=np.intp)
        for index, (column, marks) in enumerate(self._marks):
            places[index] = marks.searchsorted(matrix[:, column])
        places += self._starts
        left = np.bitwise_and.reduce(self._table.take(places, axis=0), axis=0)
        # The number of bits below the first one that is left is the number of leaves before it.
        before = np.bitwise_count((left & -left) - self._one)
        values: Array = self._values.take(before + self._first)
        return values


def _marks(nodes: Sequence[SplitNode]) -> dict[int, Array]:
    """By column, the values up to which its splits stay the same; infinity last, and NaN beyond."""
    by_column: dict[int, set[float]] = defaultdict(lambda: {np.inf})
    for node in nodes:
        if node.threshold is not None:
            by_column[node.column].add(node.threshold)
        else:
            by_column[node.column].update(range(max(node.categories, default=0) + 1))
    return {column: np.array(sorted(marks)) for column, marks in by_column.items()}


def _table(marks: Array, nodes: Sequence[SplitNode], trees: int, dtype: np.dtype[Any]) -> Array:
    """The leaves that a column's splits leave, as bits: by place among its marks (missing last)."""
    every = (1 << 8 * dtype.itemsize) - 1
    bits = np.full((len(marks) + 1, trees), every, dtype=dtype)
    for node in nodes:
        goes_right = np.ones(len(marks) + 1, dtype=np.bool_)
        if node.threshold is not None:
            goes_right[:-1] = np.arange(len(marks)) > marks.searchsorted(node.threshold)
        else:
            goes_right[list(node.categories)] = False
        goes_right[-1] = not node.missing_left
        taken = (1 << len(node.left)) - 1 << node.left.start
        bits[goes_right, node.tree] &= dtype.type(every & ~taken)
    return bits


def _read(tree: int, accessor: Any) -> tuple[list[float], list[SplitNode]] | None:
    """The values of a tree's leaves, from left to right, and its splits; None for other kinds."""
    field = {name: accessor.get_field(name).tolist() for name in _FIELDS}
    kinds, lefts, values = field["node_type"], field["cleft"], field["leaf_value"]
    if kinds.count(_LEAF) > _MOST_LEAVES or field["leaf_vector"]:
        return None
    order, below = _leaves(lefts, field["cright"])
    nodes: list[SplitNode] = []
    for place, kind in enumerate(kinds):
        if kind == _LEAF:
            continue
        if kind == NUMBER and field["cmp"][place] not in (_BELOW, _AT_MOST):
            return None
        if kind == CATEGORIES and field["category_list_right_child"][place]:
            return None
        begin, end = field["category_list_begin"][place], field["category_list_end"][place]
        nodes.append(
            SplitNode(
                tree=tree,
                column=field["split_index"][place],
                threshold=_largest(field, place) if kind == NUMBER else None,
                categories=frozenset(field["category_list"][begin:end]),
                missing_left=bool(field["default_left"][place]),
                left=below[lefts[place]],
            )
        )
    return [values[place] for place in order], nodes


def _largest(field: Mapping[str, list[Any]], place: int) -> float:
    """The largest number that a node sends to the left."""
    threshold = field["threshold"][place]
    below = field["cmp"][place] == _BELOW
    return float(np.nextafter(threshold, -np.inf) if below else threshold)


def _leaves(lefts: Sequence[int], rights: Sequence[int]) -> tuple[list[int], dict[int, range]]:
    """The places of a tree's leaves, from left to right; and by node, the leaves below it."""
    order: list[int] = []
    below: dict[int, range] = {}

    def walk(place: int) -> None:
        first = len(order)
        if lefts[place] < 0:
            order.append(place)
        else:
            walk(lefts[place])
            walk(rights[place])
        below[place] = range(first, len(order))

    walk(0)
    return order, below
