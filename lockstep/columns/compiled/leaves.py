"""Leaves: the value of the leaf that a row ends in, of every tree at once.

Trees that are followed node by node take long for what they do: where a row goes at a node is not
foreseen by the processor. QuickScorer (Lucchese et al., SIGIR 2015) has no branches. A tree is a
set of bits, one a leaf from left to right; a node that sends a row to the right takes the bits of
the leaves on its left away, whether or not the row ever comes to that node. The first bit that
stays is that of the leaf in which the row ends. What all nodes of a column take away depends on
the place of the value among their thresholds alone, so that it is worked out beforehand, for all
trees, and a row is one look-up a column.
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
"""Bytes of what is worked out beforehand: more would be read from memory as slowly as trees are."""
_TOGETHER = 256
"""Rows that are looked up at once, so that what is looked up for them stays near the processor."""
_FIELDS = (
    *("node_type", "cleft", "cright", "split_index", "threshold", "cmp", "default_left"),
    *("category_list", "category_list_begin", "category_list_end", "category_list_right_child"),
    *("leaf_value", "leaf_vector"),
)
_LEAF, _NUMBER, _CATEGORIES = 0, 1, 2
"""Kinds of nodes, as treelite numbers them."""
_AT_MOST = 3
"""treelite's number of the comparison by which a row goes to the left: its value is at most the
threshold."""


@dataclass(frozen=True)
class SplitNode:
    """A node that parts rows by one of their columns.

    Attributes:
        tree: The tree that it is in.
        column: The column.
        threshold: The largest number that goes to the left; None where categories do.
        categories: The categories that go to the left, by their numbers; empty beside a threshold.
        missing_left: Whether a missing value goes to the left.
        left: Which of the tree's leaves are on its left.
    """

    tree: int
    column: int
    threshold: float | None
    categories: frozenset[int]
    missing_left: bool
    left: range


class Leaves:
    """The leaves that rows end in.

    Args:
        values: Of each tree, the values of its leaves from left to right: at most 64.
        nodes: What parts rows: those of a column all by thresholds, or all by categories.
        marks: By column, where what its nodes do with a value changes.
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
        """The leaves of a model that treelite read; None where they are too many, or no numbers.

        Args:
            model: A `treelite.Model`.
        """
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

        A row takes treelite about a twentieth of a microsecond a tree; here all rows together take
        about one a column, and some ten beside.
        """
        return rows * len(self._first) >= 20 * (len(self._marks) + 10)

    def __call__(self, matrix: Array) -> Array:
        """Their values: float64, by row and tree.

        Args:
            matrix: What the trees are given, float64, one row a row.
        """
        if len(matrix) <= _TOGETHER:
            return self._of_some(matrix)
        found = np.empty((len(matrix), len(self._first)))
        for start in range(0, len(matrix), _TOGETHER):
            part = slice(start, start + _TOGETHER)
            found[part] = self._of_some(matrix[part])
        return found

    def _of_some(self, matrix: Array) -> Array:
        places = np.empty((len(self._marks), len(matrix)), dtype=np.intp)
        for index, (column, marks) in enumerate(self._marks):
            places[index] = marks.searchsorted(matrix[:, column])
        places += self._starts
        left = np.bitwise_and.reduce(self._table.take(places, axis=0), axis=0)
        # As many bits are below the first one that is left as leaves are before that one.
        before = np.bitwise_count((left & -left) - self._one)
        found: Array = self._values.take(before + self._first)
        return found


def _marks(nodes: Sequence[SplitNode]) -> dict[int, Array]:
    """By column, where what nodes do with a value changes: it is the same up to each mark.

    The last one is infinity; NaN comes after it.
    """
    found: dict[int, set[float]] = defaultdict(lambda: {np.inf})
    for node in nodes:
        if node.threshold is not None:
            found[node.column].add(node.threshold)
        else:
            found[node.column].update(range(max(node.categories, default=0) + 1))
    return {column: np.array(sorted(marks)) for column, marks in found.items()}


def _table(marks: Array, nodes: Sequence[SplitNode], trees: int, dtype: np.dtype[Any]) -> Array:
    """The leaves that the nodes of a column leave: by place among its marks and by tree, as bits.

    The last place is that of a missing value.
    """
    every = (1 << 8 * dtype.itemsize) - 1
    found = np.full((len(marks) + 1, trees), every, dtype=dtype)
    for node in nodes:
        goes_right = np.ones(len(marks) + 1, dtype=np.bool_)
        if node.threshold is not None:
            goes_right[:-1] = np.arange(len(marks)) > marks.searchsorted(node.threshold)
        else:
            goes_right[list(node.categories)] = False
        goes_right[-1] = not node.missing_left
        taken = (1 << len(node.left)) - 1 << node.left.start
        found[goes_right, node.tree] &= dtype.type(every & ~taken)
    return found


def _read(tree: int, accessor: Any) -> tuple[list[float], list[SplitNode]] | None:
    """The values of a tree's leaves, from left to right, and its nodes; None of another kind."""
    field = {name: accessor.get_field(name).tolist() for name in _FIELDS}
    kinds, lefts, values = field["node_type"], field["cleft"], field["leaf_value"]
    if kinds.count(_LEAF) > _MOST_LEAVES or field["leaf_vector"]:
        return None
    order, below = _leaves(lefts, field["cright"])
    nodes: list[SplitNode] = []
    for place, kind in enumerate(kinds):
        if kind == _LEAF:
            continue
        if kind == _NUMBER and field["cmp"][place] != _AT_MOST:
            return None
        if kind == _CATEGORIES and field["category_list_right_child"][place]:
            return None
        begin, end = field["category_list_begin"][place], field["category_list_end"][place]
        nodes.append(
            SplitNode(
                tree=tree,
                column=field["split_index"][place],
                threshold=field["threshold"][place] if kind == _NUMBER else None,
                categories=frozenset(field["category_list"][begin:end]),
                missing_left=bool(field["default_left"][place]),
                left=below[lefts[place]],
            )
        )
    return [values[place] for place in order], nodes


def _leaves(lefts: Sequence[int], rights: Sequence[int]) -> tuple[list[int], dict[int, range]]:
    """The places of a tree's leaves, from left to right; and by node, which of these are below."""
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
