"""Look-ups of answered rows, made again: by the tables as they were, and by what is known today.

By the same version of a table, any difference comes from code, a rule or the store. By today's,
it comes from the data: rows that came late, were restated, were put behind others, or are gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias

import numpy as np

from lockstep.columns.from_table import FromTable
from lockstep.columns.kinds import Array, Columns, Ints, Times
from lockstep.columns.pipeline import Pipeline, Trace
from lockstep.columns.plain import counted
from lockstep.columns.tables import stacked, take_rows
from lockstep.errors import NotStoredError
from lockstep.parity.comparison import Comparison, compare
from lockstep.parity.exactness import difference
from lockstep.parity.scales import Scales
from lockstep.tables.found import Cause, NamedRow
from lockstep.tables.layered import LayeredReader, LayeredRows
from lockstep.tables.lookups import LookupReader
from lockstep.tables.readers import Reader, readers_of
from lockstep.tables.rows import TableRows
from lockstep.tables.search import FOREVER

Tables: TypeAlias = Mapping[str, TableRows]
Layered: TypeAlias = Mapping[str, LayeredRows]
CAUSES: tuple[Cause, ...] = ("late", "restated", "backdated", "withdrawn", "gone")
_FACTS = ("digest", "valid", "known")
_ODD = np.uint64(0x9E3779B97F4A7C15)
"""By which numbers are multiplied whose bits are to be spread over all 64."""


@dataclass(frozen=True, eq=False)
class ServedLookups:
    """What look-ups and windows read for rows that were answered.

    Attributes:
        keys: A name for each row, unique.
        origins: By look-up and window, what is told of the rows that it read: `Node.origins`.
        versions: The versions of all tables with which rows were answered.
        answered_with: For each row, the place among `versions` of its own.
        redacted: By field whose value is no longer known: what became of it.
    """

    keys: Array
    fields: Columns
    origins: Columns
    versions: Sequence[Mapping[str, str]]
    answered_with: Ints
    redacted: Mapping[str, str] = field(default_factory=dict)

    def judged(self, pipeline: Pipeline) -> tuple[list[FromTable], dict[str, str]]:
        """Look-ups and windows that can be made again, and why the others cannot, by column."""
        nodes: list[FromTable] = []
        unjudged: dict[str, str] = {}
        for node in pipeline.reading:
            lineage = sorted(pipeline.graph.lineage(node.column))
            lost = next((name for name in lineage if name in self.redacted), None)
            if lost is not None:
                unjudged |= dict.fromkeys(node.gives, f"{lost} is {self.redacted[lost]}")
            elif node.origins.keys() <= self.origins.keys():
                nodes.append(node)
            else:
                unjudged |= dict.fromkeys(node.gives, "no answer needed it")
        return nodes, unjudged

    def parts(self) -> Iterator[tuple[Mapping[str, str], Ints]]:
        """The versions of the tables, with the rows that were answered with them."""
        for place, versions in enumerate(self.versions):
            rows = np.flatnonzero(self.answered_with == place)
            if len(rows):
                yield versions, rows

    def inputs(self, pipeline: Pipeline, rows: Ints) -> Columns:
        """What look-ups and windows of a pipeline are computed from, for some rows."""
        nodes, _ = self.judged(pipeline)
        wanted = tuple(name for node in nodes for name in node.inputs)
        return pipeline.evaluate(take_rows(self.fields, rows), wanted)


@dataclass(frozen=True, eq=False)
class LookedUpAgain:
    """What look-ups and windows read for answered rows, by the tables as they were.

    Attributes:
        origins: What is told of the rows that they read.
        unjudged: By column that could not be looked up again: why.
    """

    columns: Columns
    origins: Columns
    unjudged: Mapping[str, str]


def look_up_again(
    pipeline: Pipeline, served: ServedLookups, rows_at: Callable[[Mapping[str, str]], Layered]
) -> LookedUpAgain:
    """Make the look-ups of answered rows again, by the versions of the tables that answered them.

    Args:
        rows_at: Gives the rows of all tables at their versions.

    Raises:
        NotStoredError: A ledger does not have such a version.
    """
    nodes, unjudged = served.judged(pipeline)
    found: list[Columns] = []
    order: list[Ints] = []
    for versions, rows in served.parts() if nodes else ():
        bound = _bound(pipeline, rows_at(versions))
        columns = served.inputs(bound, rows)
        found.append(
            {
                name: values
                for node in nodes
                for name, values in bound.bound[node.name](columns).items()
            }
        )
        order.append(rows)
    if not found:
        return LookedUpAgain({}, {}, unjudged)
    back = np.argsort(np.concatenate(order))
    again = take_rows(stacked(found), back)
    told = [name for node in nodes for name in node.origins]
    origins = {name: again.pop(name) for name in told}
    return LookedUpAgain(again, origins, unjudged)


def replay_lookups(pipeline: Pipeline, served: ServedLookups, again: LookedUpAgain) -> Comparison:
    """Compare what was read for answered rows with what is read by the tables as they were."""
    expected = Trace(served.keys, served.origins, {})
    actual = Trace(served.keys, again.origins, {})
    compared = compare(expected, actual, pipeline.graph, scales=Scales(), columns=[*again.origins])
    return replace(compared, skipped=again.unjudged)


def _bound(pipeline: Pipeline, tables: Layered) -> Pipeline:
    return pipeline.bind(
        {node.name: tables[node.table.name].reader(node) for node in pipeline.reading}
    )


def in_hindsight(
    pipeline: Pipeline,
    served: ServedLookups,
    rows_at: Callable[[Mapping[str, str]], Layered],
    today: Tables,
) -> tuple[list[NamedRow], dict[str, str]]:
    """Find the rows of tables by which the look-ups of answered rows would be others today.

    What differs for another reason is left to `replay_lookups`.

    Args:
        rows_at: Gives the rows of all tables at their versions.

    Returns:
        What was found, and by column that could not be judged, of all rows or of some: why. Of a
        version that a ledger no longer has, look-ups are judged by what was logged of their rows.
    """
    nodes, unjudged = served.judged(pipeline)
    bound, found, lost = pipeline.with_tables(today), list[NamedRow](), 0
    readers = readers_of(bound)
    for versions, rows in served.parts() if nodes else ():
        try:
            before: Layered | None = rows_at(versions)
        except NotStoredError:
            before = None
            lost += len(rows)
        columns, keys = served.inputs(bound, rows), served.keys[rows]
        for node in nodes:
            now = readers[node.name]
            then = None if before is None else before[node.table.name].reader(node)
            assert then is None or isinstance(then, LayeredReader), "it is read again in memory"
            if isinstance(now, LookupReader):
                read = (served.origins[f"{node.name}.{fact}"][rows] for fact in _FACTS)
                found += _of_lookup(now, then, columns, _FoundBefore(*read), keys)
            elif then is None:
                lacking = f"the ledger no longer has what answered {counted(lost, 'row')}"
                unjudged |= dict.fromkeys(node.gives, lacking)
            else:
                found += _of_window(now, then, columns, keys)
    return found, unjudged


class _FoundBefore(NamedTuple):
    """What was told of the rows that a look-up read: see `LookupReader.origins`."""

    digests: Array
    valid: Times
    known: Times


def _of_lookup(
    now: LookupReader,
    then: LayeredReader | None,
    columns: Columns,
    read: _FoundBefore,
    keys: Array,
) -> Iterator[NamedRow]:
    read_now = now.found(columns)
    rows, found = now.rows, read_now.last
    digests, valid = read.digests.view(np.uint64), read.valid.view(np.int64)
    today = np.zeros(len(digests), dtype=np.uint64)
    today[found >= 0] = rows.digests[found[found >= 0]]
    differing = np.flatnonzero(today != digests)
    if not len(differing):  # to ask for none costs an order of all rows
        return
    there = _marks(rows.digests, rows.known)
    was = _marks(digests[differing], read.known[differing].view(np.int64))
    is_gone = (digests[differing] != 0) & ~np.isin(was, there)
    back, as_of = rows.taken_back, read_now.as_of
    times = np.empty(0, dtype=np.int64) if rows.until is None else rows.until[back]
    until = dict(zip(there[back].tolist(), times.tolist(), strict=True))
    for place, gone, mark in zip(differing.tolist(), is_gone.tolist(), was.tolist(), strict=True):
        at = FOREVER if as_of is None else as_of.view(np.int64).item(place)
        withdrawn = digests[place] != 0 and until.get(mark, FOREVER + 1) <= at
        if gone or withdrawn:
            yield read_now.named(keys[place], "gone" if gone else "withdrawn")
        elif found[place] >= 0:
            row = int(found[place])
            cause: Cause | None
            if then is None:
                is_same = digests[place] != 0 and rows.valid[row] == valid[place]
                cause = "restated" if is_same else "late"
            else:
                cause = _cause(rows, row, then)
            if cause is not None:
                yield read_now.named(keys[place], cause, row)


def _of_window(
    now: Reader, before: LayeredReader, columns: Columns, keys: Array
) -> Iterator[NamedRow]:
    earlier, values = before(columns), now(columns)
    unlike = [difference(earlier[name], values[name]).rows for name in values]
    digests = now.rows.digests
    for place in np.flatnonzero(np.any(unlike, axis=0)).tolist():
        record, key = take_rows(columns, slice(place, place + 1)), keys[place]
        was = before.layer(before.node.asked(record)[0]).found(record)
        read_now = now.found(record)
        after, left = read_now.places, was.rows.digests[was.places]
        came = after[~np.isin(digests[after], left)]
        causes = {_cause(now.rows, row, before): row for row in came.tolist()}
        for cause, row in causes.items():
            if cause is not None:
                yield read_now.named(key, cause, row)
        left = left[~np.isin(left, digests[after])]
        if np.isin(left, digests[now.rows.taken_back]).any():
            yield read_now.named(key, "withdrawn")
        if not np.isin(left, digests).all():
            yield read_now.named(key, "gone")


def _marks(digests: Array, known: Ints) -> Array:
    """Tells rows from others: by what they say, and from when it is known."""
    marks: Array = digests ^ (known.view(np.uint64) * _ODD)
    return marks


def _cause(rows: TableRows, place: int, then: LayeredReader) -> Cause | None:
    """Why a row was not read; None where it was there, so that the data is not the cause."""
    schema = rows.schema
    keys = [rows.columns[name][place : place + 1] for name in schema.keys]
    before = then.layer(keys).rows
    group = int(before.index.groups_of(keys)[0])
    if group < 0:
        return "late"
    held = slice(*before.starts[group : group + 2].tolist())
    is_same = before.digests[held] == rows.digests[place]
    if (is_same & (before.known[held] == rows.known[place])).any():
        return None
    valid, since = before.valid[held], rows.valid[place]
    is_unique = not schema.is_event or schema.identity is not None
    if is_unique and (valid == since).any():
        return "restated"
    return "backdated" if (valid > since).any() else "late"
