"""Row-locality: whether each column depends on its own row alone.

Computing a column twice shows a clock only if it ticks in between, and chance only where it changes
a value. So compiled code is searched for what reads a clock, and generators are watched.
"""

from __future__ import annotations

import dis
import pickle
import random as pythons
import time
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import cycle
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from lockstep.columns.graph import Graph
from lockstep.columns.kinds import Array, Columns
from lockstep.columns.nodes import Node
from lockstep.columns.pipeline import Pipeline, Trace
from lockstep.columns.tables import first_of_each, is_missing, take_rows
from lockstep.errors import FunctionError
from lockstep.parity.comparison import Comparison, ParityReport, compare
from lockstep.parity.divergence import Divergence, failing, raising
from lockstep.parity.exactness import difference
from lockstep.parity.reproducer import Reproducer, locality_reproducer
from lockstep.parity.scales import Scales

_ALONE = 64
"""Rows that are computed one at a time."""
_CHUNKS = (2, 3, 7, 31, 127)
"""Sizes of the chunks, in turn."""
_CANDIDATES = 40
"""Rows from which the few of a reproducer are chosen."""
_AGAIN = "again"
_READERS = frozenset({"now", "utcnow", "today"})
"""Methods of `datetime`, `date`, and pandas' `Timestamp` and `Period` that read the clock."""
_PARSERS = frozenset(
    {"datetime64", "Timestamp", "to_datetime", "DatetimeIndex", "date_range", "period_range"}
)
"""They take the words "now" and "today" for the time."""
_OF_TIME = frozenset({"time", "time_ns", "localtime", "gmtime", "ctime", "strftime"})
"""Functions of the module `time` that tell it; others only tell how long something takes."""
_DRAWS = 4
"""How often a state has to move on: other threads of the process draw now and then, too."""


def locality(
    pipeline: Pipeline, columns: Columns, *, rows: int = 2_000, seed: int = 0
) -> ParityReport:
    """Compute every column of the same rows in other company, and compare.

    Some rows are computed all together, and then again, shuffled, in chunks of 2 to 127, and 64 of
    them one at a time. A column that is not the same each time depends on more than its own row:
    on other rows, on their number or order, on chance, or on time. Functions that alter their
    inputs or read the clock are reported too. The report names the first such column in graph
    order; columns that depend on it differ in consequence.

    Args:
        columns: Two rows or more: the record's fields, and the outcome's, which labels need.
            Columns computed from these are not used. Of rows with one key, only the first counts.
        rows: Most rows to compute, chosen at random.

    Returns:
        A comparison for each composition of the batch; not ok if there are fewer than two rows.
    """
    random = np.random.default_rng(seed)
    subject = _subject(pipeline, columns, rows, random)
    everyone = np.arange(len(subject))
    if len(everyone) < 2:
        failure = f"it takes two rows to compute one in other company, and there are {len(subject)}"
        return ParityReport((Comparison(setting="all together", failure=failure),))
    try:
        whole = subject.compute(everyone)
    except FunctionError as error:
        failed = Comparison(setting="all together", first=raising(subject.graph, error))
        return ParityReport((subject.reproducing(failed, failed.first),))
    subject = replace(subject, scales=Scales.of(whole))
    compositions = {
        _AGAIN: [everyone],
        "shuffled": [random.permutation(everyone)],
        "in chunks": list(_chunks(everyone)),
        "one at a time": [np.array([row]) for row in subject.diverse_rows()],
    }
    comparisons = [
        *(subject.compared(whole, *composition) for composition in compositions.items()),
        *subject.misconduct(),
    ]
    first = ParityReport(tuple(comparisons)).first
    return ParityReport(tuple(subject.reproducing(comparison, first) for comparison in comparisons))


@dataclass(frozen=True)
class Subject:
    """The rows and columns that are computed again and again."""

    graph: Graph
    models: Mapping[str, Any]
    key: str
    fields: Columns
    wanted: tuple[str, ...]
    skipped: Mapping[str, str]  # by column that cannot be computed: why
    # the usual size of each column's values, once that is known
    scales: Scales = field(default_factory=Scales)

    def __len__(self) -> int:
        return len(self.fields[self.key])

    def compute(self, rows: Array | slice) -> Trace:
        """Compute the wanted columns of some rows."""
        given = {name: contiguous(values[rows]) for name, values in self.fields.items()}
        computed = self.graph.evaluate(given, self.wanted, self.models)
        columns = {name: computed[name] for name in (*self.fields, *self.wanted)}
        return Trace(columns[self.key], columns, {})

    def compared(
        self,
        whole: Trace,
        setting: str,
        parts: Sequence[Array],
        before: Callable[[], None] = lambda: None,
    ) -> Comparison:
        """Compare the rows computed in parts with those computed all together.

        A part is the places of its rows. `before` is done before each part.
        """

        def computed(rows: Array) -> Trace:
            before()
            return self.compute(rows)

        try:
            actual = Trace.joined([computed(rows) for rows in parts])
        except FunctionError as error:
            return Comparison(setting=setting, first=raising(self.graph, error))
        expected = whole.take(np.concatenate(parts))
        comparison = compare(expected, actual, self.graph, scales=self.scales)
        return replace(comparison, setting=setting, skipped=self.skipped)

    def diverse_rows(self) -> Array:
        """Some rows: one without a value for each field, where there is one, and others spread."""
        lacking = [is_missing(values).nonzero()[0][:1] for values in self.fields.values()]
        spread = np.linspace(0, len(self) - 1, _ALONE).astype(np.int64)
        return np.unique(np.concatenate([*lacking, spread]))

    def misconduct(self) -> Iterator[Comparison]:
        """The first functions that alter an input, read the clock, or draw random numbers."""
        nodes = dict.fromkeys(map(self.graph.node, self.wanted))
        functions = [node for node in nodes if node is not None and node.learns is None]
        for setting, conduct, find in (
            ("all together", "alters its input `{}` in place", self._altered_input),
            ("at another time", "reads the clock (by `{}`)", self._clock),
            (_AGAIN, "draws at chance (of `{}`)", self._drawn),
        ):
            found = ((node.column, name) for node in functions if (name := find(node)) is not None)
            if (first := next(found, None)) is not None:
                column, name = first
                what = failing(self.graph, column, conduct.format(name))
                yield Comparison(setting=setting, first=what)

    def reproducing(self, comparison: Comparison, first: Divergence | None) -> Comparison:
        """The comparison with a reproducer of row-locality, if it shows the first divergence."""
        if first is None or comparison.first is None or comparison.first.place != first.place:
            return comparison
        test = self._reproducer(comparison.first, is_again=comparison.setting == _AGAIN)
        return replace(comparison, first=replace(comparison.first, reproducer=test))

    def _altered_input(self, column: Node) -> str | None:
        inputs = self._inputs(column.column)
        given = {name: values.copy() for name, values in inputs.items()}
        self.graph.evaluate(given, (column.column,), self.models)
        unlike = (name for name in inputs if difference(inputs[name], given[name]).cells.any())
        return next(unlike, None)

    def _clock(self, column: Node) -> str | None:
        return clock_reading(column.function) if column.function is not None else None

    def _drawn(self, column: Node) -> str | None:
        inputs = self._inputs(column.column)
        return draws(
            column.function,
            lambda: self.graph.evaluate(dict(inputs), (column.column,), self.models),
        )

    def _inputs(self, column: str) -> Columns:
        """The column's direct inputs for all rows, before its function is called."""
        names = self.graph.inputs(column)
        given = {name: values.copy() for name, values in self.fields.items()}
        computed = self.graph.evaluate(given, names, self.models)
        return {name: computed[name] for name in names}

    def _reproducer(self, divergence: Divergence, *, is_again: bool) -> Reproducer | None:
        """A test on the fewest rows that show the divergence; None if 40 rows do not."""
        column = divergence.column
        inputs = self._inputs(column)
        budget, scale = self.graph.ulps(column), self.scales.columns.get(column, 0.0)

        def compute(rows: Array) -> Array:
            given = {name: values[rows] for name, values in inputs.items()}
            return self.graph.evaluate(given, (column,), self.models)[column]

        def differs(rows: Array) -> bool:
            try:
                together = compute(rows)
                parts = [rows] if is_again else [rows[at : at + 1] for at in range(len(rows))]
                apart = np.concatenate([compute(part) for part in parts])
            except FunctionError:
                return True
            return bool(difference(together, apart, ulps=budget, scale=scale).cells.any())

        rows = self._candidates(divergence)
        if not differs(rows):
            return None
        few = take_rows(self.fields | inputs, _fewest(rows, differs))
        return locality_reproducer(self.graph, column, few, again=is_again, scale=scale)

    def _candidates(self, divergence: Divergence) -> Array:
        """The divergence's examples, and others evenly spread."""
        shown = {example.key for example in divergence.examples}
        keys = self.fields[self.key].tolist()
        rows = [row for row, key in enumerate(keys) if key in shown]
        spread = np.linspace(0, len(self) - 1, _CANDIDATES).astype(np.int64)
        return np.unique([*rows, *spread.tolist()])


def _subject(
    pipeline: Pipeline, columns: Columns, rows: int, random: np.random.Generator
) -> Subject:
    graph = pipeline.graph
    fields = {name: columns[name] for name in pipeline.joint_schema.names if name in columns}
    unique = first_of_each(columns[pipeline.key])
    chosen = np.sort(random.permutation(unique)[:rows])
    skipped = {}
    for name in graph.order:
        absent = [field for field in sorted(graph.lineage(name)) if field not in fields]
        node = graph.node(name)
        is_fitted = node is not None and node.learns is not None
        needs_model = is_fitted or bool(graph.models_behind(name))
        if absent:
            skipped[name] = f"needs {', '.join(absent)}"
        elif needs_model and not pipeline.is_fitted:
            skipped[name] = "depends on a model, and the pipeline is not fitted"
    return Subject(
        graph=graph,
        models=pipeline.bound,
        key=pipeline.key,
        fields=take_rows(fields, chosen),
        wanted=tuple(n for n in graph.order if n not in skipped and n not in fields),
        skipped=skipped,
    )


def contiguous(values: Array) -> Array:
    """Contiguous values, as a batch has them: NumPy rounds others in another way.

    That holds for a single number that was taken backward too, which NumPy calls contiguous.
    """
    is_side_by_side = values.dtype == object or values.strides == (values.itemsize,)
    return values if is_side_by_side else values.copy()


def _chunks(rows: Array) -> Iterator[Array]:
    sizes = cycle(_CHUNKS)
    while len(rows):
        size = next(sizes)
        yield rows[:size]
        rows = rows[size:]


def _fewest(rows: Array, differs: Callable[[Array], bool]) -> Array:
    """Halve rows as long as one half still differs."""
    while len(rows) > 1:
        middle = len(rows) // 2
        half = next((part for part in (rows[:middle], rows[middle:]) if differs(part)), None)
        if half is None:
            break
        rows = half
    return rows


def clock_reading(function: Any) -> str | None:
    """The name by which a Python function reads the clock, such as `now`; None if it does not.

    Functions of the same top-level package that it calls are searched too.
    """
    seen: set[CodeType] = set()
    open_functions = [function]
    while open_functions:
        reached = open_functions.pop()
        if not isinstance(reached, FunctionType) or reached.__code__ in seen:
            continue
        seen.add(reached.__code__)
        names = _names_of(reached)
        for code in _codes(reached.__code__):
            reading = _reading(code, names)
            if reading is not None:
                return reading
            open_functions += _called(code, names, reached.__module__.partition(".")[0])
    return None


def _names_of(function: FunctionType) -> Mapping[str, Any]:
    """What a function finds by name: the variables of functions around it, and of its module."""
    around = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):  # it has no value yet
            around[name] = cell.cell_contents
    return ChainMap(around, function.__globals__)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """A function's code and that of the functions inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _reading(code: CodeType, names: Mapping[str, Any]) -> str | None:
    """The name by which code reads the clock, given what it finds by name."""
    attributes = _used(code, "LOAD_ATTR", "LOAD_METHOD", "IMPORT_FROM")
    loaded = _used(code, "LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF")
    readers = attributes & _READERS
    if {"now", "today"} & {const for const in code.co_consts if isinstance(const, str)}:
        readers |= (attributes | loaded) & _PARSERS
    is_loaded = any(names.get(name) is time for name in loaded)
    if is_loaded or "time" in _used(code, "IMPORT_NAME"):
        readers |= attributes & _OF_TIME
    readers |= {name for name in loaded if _is_clock(names.get(name))}
    return min(readers, default=None)


def _used(code: CodeType, *operations: str) -> set[str]:
    """The names that code uses in certain operations of the interpreter."""
    steps = dis.get_instructions(code)
    return {str(step.argval) for step in steps if step.opname in operations}


def _is_clock(value: Any) -> bool:
    """Whether a value is a function of `time`, or a method of a class of times, that tells it."""
    name = getattr(value, "__name__", None)
    if getattr(value, "__module__", None) == "time":
        return name in _OF_TIME
    return name in _READERS and isinstance(getattr(value, "__self__", None), type)


def _called(code: CodeType, names: Mapping[str, Any], package: str) -> Iterator[FunctionType]:
    """The functions of its own package that code may call."""
    for name in (*code.co_names, *code.co_freevars):
        value = names.get(name)
        if isinstance(value, ModuleType):
            reached = [vars(value).get(member) for member in code.co_names]
        else:
            reached = [value.function if isinstance(value, Node) else value]
        for member in reached:
            if isinstance(member, FunctionType) and member.__module__.partition(".")[0] == package:
                yield member


def draws(function: Any, compute: Callable[[], object]) -> str | None:
    """The generator that a function or its module draws from, such as `numpy.random`, if any.

    A drawn number shows in its generator, whose state moves on. A function that sets the seed
    itself draws the same numbers each time.
    """
    generators = dict(_generators(function))
    states = [_states(generators)]
    for _ in range(_DRAWS):
        compute()
        states.append(_states(generators))
        generators = {
            name: generator
            for name, generator in generators.items()
            if states[-1][name] not in [state[name] for state in states[:-1]]
        }
        if not generators:
            return None
    return next(iter(generators))


def _generators(function: Any) -> Iterator[tuple[str, Any]]:
    yield "random", pythons
    yield "numpy.random", np.random
    if isinstance(function, FunctionType):
        for name, value in function.__globals__.items():
            if isinstance(value, pythons.Random | np.random.Generator | np.random.RandomState):
                yield name, value


def _states(generators: Mapping[str, Any]) -> dict[str, bytes]:
    return {name: pickle.dumps(_state(generator)) for name, generator in generators.items()}


def _state(generator: Any) -> Any:
    """The state of a generator; None if it has none, as where the system draws."""
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    if not hasattr(generator, "getstate"):
        return generator.get_state(legacy=False)
    try:
        return generator.getstate()
    except NotImplementedError:  # such as `random.SystemRandom`
        return None
