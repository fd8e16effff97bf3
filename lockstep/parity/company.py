"""Company: all rows of a batch, computed again among other rows.

A sample shows what a function does to most rows (`lockstep.parity.locality`). A fault in one row in
ten thousand, or only among thousands of rows, shows when every row is computed once more, in
another order and in parts of unlike sizes. Columns of models are taken as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import cycle

import numpy as np

from lockstep.columns.from_table import FromTable
from lockstep.columns.graph import Graph
from lockstep.columns.kinds import Array, Columns, Kind, Times
from lockstep.columns.pipeline import Pipeline, Trace
from lockstep.errors import FunctionError
from lockstep.parity.comparison import Comparison, compare
from lockstep.parity.divergence import ColumnComparison, raising
from lockstep.parity.effect import Effect
from lockstep.parity.exactness import difference, same_bits
from lockstep.parity.locality import Subject, contiguous
from lockstep.parity.scales import Scales
from lockstep.tables.rows import fixed

_SMALL = (1, 2, 3, 7, 31)
"""Sizes of the first parts."""
_LEAST, _SHAPES = 128, (0.5, 1.0, 1.5)
"""The least size of the others, and their sizes as shares of the usual one, in turn."""
_PARTS, _LEAST_PARTS = 500, 50
"""Parts of a large batch, and of a unit of one at least: each costs the calls of all functions,
however few its rows are."""
_BESIDE = 8
"""Neighbouring rows that come into unlike parts."""
_KEPT = 200
"""Differing rows of one column that are kept, to explain the finding."""
_SETTING = "among other rows"
_SHIFTS = {Kind.FLOAT: 1.0, Kind.INT: 1, Kind.TIME: -np.timedelta64(90_061, "s")}
"""What is added to numbers, and to times, that are made up: another day, hour, minute and second,
and none that is still to come."""


def in_other_company(
    pipeline: Pipeline, computed: Columns, of_batch: int | None = None
) -> Comparison:
    """Compute every row again, in another order and in parts, and compare with the whole batch.

    Args:
        of_batch: Number of rows of the batch that these are of; by default, they are all of it.

    Returns:
        A comparison of all columns of functions; the first that differs is explained. Without such
        columns, nothing is compared.
    """
    subject = _subject(pipeline, computed)
    differences = _Differences(subject.graph, computed)
    share = len(subject) / max(of_batch or len(subject), 1)
    try:
        answers = list(_answers(subject, computed))
        for rows in _parts(len(subject), max(_LEAST_PARTS, round(_PARTS * share))):
            given = {answer.node.name: partial(answer.read, rows) for answer in answers}
            part = replace(subject, models={**subject.models, **given})
            differences.compare(rows, part.compute(rows).columns, subject.wanted)
    except FunctionError as error:
        first = raising(subject.graph, error)
        return Comparison(setting=_SETTING, first=first, skipped=subject.skipped)
    return _explained(subject, differences)


def after_other_rows(pipeline: Pipeline, computed: Columns) -> Comparison:
    """Compute rows after others that are made up of them, and compare with what they were.

    The others take each value from another row, and their texts, numbers and times are first some
    that nobody sent. A function that gives a code to what it sees first, or keeps what it computed
    for a part of its inputs, gives other values then. What it does to the others themselves does
    not matter. The pipeline's functions must have computed nothing yet.
    """
    subject, whole = _subject_of_sample(pipeline, computed)
    mixed = {
        name: np.roll(values, shift) for shift, (name, values) in enumerate(subject.fields.items())
    }
    unknown = {
        name: np.array([f"{value} (made up)" for value in values], dtype=object)
        for name, values in mixed.items()
        if subject.graph.kind(name) is Kind.TEXT
    }
    shifted = {
        name: values + _SHIFTS[kind]
        for name, values in mixed.items()
        if (kind := subject.graph.kind(name)) in _SHIFTS
    }
    # The second time for functions that fail on such numbers.
    for fields in ({**mixed, **unknown, **shifted}, {**mixed, **unknown}, mixed):
        with suppress(FunctionError):
            replace(subject, fields=fields).compute(slice(None))
    return subject.compared(whole, "after rows that were made up", [np.arange(len(subject))])


def each_row_first(
    pipeline: Pipeline, computed: Columns, restore: Callable[[], None]
) -> Comparison:
    """Compute each row as if it were the first of all, and compare with what it was.

    The pipeline's functions must have computed nothing yet.

    Args:
        restore: Has the modules of its functions hold what they held at first.
    """
    subject, whole = _subject_of_sample(pipeline, computed)
    alone = [np.array([row]) for row in range(len(subject))]
    return subject.compared(whole, "as the first row of all", alone, restore)


@dataclass(frozen=True, eq=False)
class _Answers:
    """What a look-up or window asked for each row of a batch, and what it read."""

    node: FromTable
    keys: Sequence[Array]
    as_of: Times | None
    computed: Columns
    reader: Callable[[Columns], Columns]

    def read(self, rows: slice, columns: Columns) -> Columns:
        """What it reads for a part of the rows; read again only where that asks otherwise."""
        keys, as_of = self.node.asked(columns)
        asked = [*zip(self.keys, keys, strict=True)]
        if self.as_of is not None and as_of is not None:
            asked.append((self.as_of, as_of))
        if all(same_bits(of_all[rows], of_part) for of_all, of_part in asked):
            return {name: fixed(contiguous(self.computed[name][rows])) for name in self.node.gives}
        return self.reader(columns)


def _answers(subject: Subject, computed: Columns) -> Iterator[_Answers]:
    """The answers of the look-ups and windows whose columns have been computed."""
    for name, node in subject.graph.nodes.items():
        if isinstance(node, FromTable) and {*node.inputs, *node.gives} <= computed.keys():
            asked = subject.graph.in_context(node.asked, computed)
            yield _Answers(node, *asked, computed, subject.models[name])


def _subject_of_sample(pipeline: Pipeline, computed: Columns) -> tuple[Subject, Trace]:
    subject = _subject(pipeline, computed)
    scales = Scales.of(Trace(np.empty(0), computed, {}))
    return replace(subject, scales=scales), Trace(computed[subject.key], computed, {})


@dataclass
class _Differences:
    """The rows that differ so far."""

    graph: Graph
    computed: Columns
    # by column, the number of differing rows
    differing: Counter[str] = field(default_factory=Counter)
    # by row, its columns: the first rows at which each column differs
    kept: dict[int, Columns] = field(default_factory=dict)

    def compare(self, rows: slice, actual: Columns, names: tuple[str, ...]) -> None:
        for name in names:
            expected = self.computed[name][rows]
            if same_bits(expected, actual[name]):
                continue
            ulps = self.graph.ulps(name)
            scale = self.scales(name).columns.get(name, 0.0) if ulps else 0.0
            unlike = difference(expected, actual[name], ulps=ulps, scale=scale).rows.nonzero()[0]
            for position in unlike[: max(0, _KEPT - self.differing[name])].tolist():
                row = {other: values[[position]] for other, values in actual.items()}
                self.kept[rows.start + position * rows.step] = row
            self.differing[name] += len(unlike)

    def scales(self, *names: str) -> Scales:
        return Scales.of(Trace(np.empty(0), {name: self.computed[name] for name in names}, {}))


def _explained(subject: Subject, differences: _Differences) -> Comparison:
    """The comparison of all rows, with the first divergence among the kept rows."""
    count = len(subject)
    compared = tuple(
        ColumnComparison(
            column=name,
            rows=count,
            differing=differences.differing[name],
            budget=subject.graph.ulps(name),
        )
        for name in subject.wanted
    )
    whole = Comparison(rows=count, compared=compared, skipped=subject.skipped, setting=_SETTING)
    if not any(differences.differing.values()):
        return whole
    rows = np.array(sorted(differences.kept))
    names = (*subject.fields, *subject.wanted)
    columns = {name: differences.computed[name] for name in names}
    expected = Trace(columns[subject.key], columns, {}).take(rows)
    parts = [differences.kept[row] for row in rows.tolist()]
    actual = Trace.joined([Trace(part[subject.key], part, {}) for part in parts])
    subject = replace(subject, scales=differences.scales(*subject.wanted))
    first = compare(expected, actual, subject.graph, scales=subject.scales).first
    assert first is not None, "rows that are kept differ"
    first = replace(first, differing=differences.differing[first.column], rows=count)
    by_output = ((name, differences.differing[name]) for name in subject.graph.outputs)
    effects = tuple(Effect(name, count, rows) for name, rows in by_output if rows)
    return subject.reproducing(replace(whole, first=first, effects=effects), first)


def _subject(pipeline: Pipeline, computed: Columns) -> Subject:
    """All rows; the columns of functions among them are computed."""
    graph = pipeline.graph
    called = {name for node in graph.columns.values() if node.learns is None for name in node.gives}
    wanted = tuple(name for name in graph.order if name in computed and name in called)
    given = {name: computed[name] for name in graph.order if name in computed}
    given = {name: values for name, values in given.items() if name not in wanted}
    skipped = {name: "is of a model" for name in given if name not in graph.fields}
    return Subject(graph, pipeline.bound, pipeline.key, given, wanted, skipped)


def _parts(count: int, parts: int) -> Iterator[slice]:
    """Rows in parts: a few very small ones, and others of unlike sizes, last rows first.

    Neighbouring rows are in unlike parts: every `_BESIDE`th row of a stretch makes a part. Slices
    cost nothing, and their rows lie close enough together for a cache.
    """
    start = 0
    for size in _SMALL:
        if start < count:
            yield _reversed(start, min(start + size, count), 1)
        start += size
    usual = max(_LEAST, count // parts)
    stretches = cycle(int(shape * usual) * _BESIDE for shape in _SHAPES)
    while start < count:
        end = min(start + next(stretches), count)
        firsts = range(start, min(start + _BESIDE, end))
        yield from (_reversed(first, end, _BESIDE) for first in firsts)
        start = end


def _reversed(start: int, end: int, step: int) -> slice:
    """The slice of every `step`th row from a start to before an end, the last one first."""
    last = start + (end - 1 - start) // step * step
    return slice(last, start - step if start >= step else None, -step)
