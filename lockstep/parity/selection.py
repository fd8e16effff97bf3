"""The selection of golden records: which rows represent all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest

import numpy as np
import pandas as pd

from lockstep.columns.graph import Graph
from lockstep.columns.kinds import Array, Columns, Kind
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.plain import plain
from lockstep.columns.schema import Schema
from lockstep.columns.tables import first_of_each, is_missing, take_rows
from lockstep.errors import GoldenError
from lockstep.parity.golden import LEAST_GOLDEN, Coverage, GoldenRecords
from lockstep.parity.lookup_cases import cases_of
from lockstep.tables.readers import readers_of
from lockstep.tables.stored import count_around, rows_around

GOLDEN_ROWS = 300
"""Golden records that are chosen, if there are as many rows."""
_CATEGORIES = 60
"""Categories of one column that should be shown, the most frequent first."""
_POOL = 50_000
"""Rows of which every column is computed to choose among them."""
_SAMPLED = 20_000
"""Rows of a batch from which a sample is chosen."""
_FLIPS = 3
"""Places that should be shown at which an output flips, the closest first."""
_BESIDE = 3
"""Rows on either side of such a place."""
_NAMED = 5
"""Categories without a golden record that the coverage names."""
_TABLE_ROWS = 200_000
"""Rows of tables that golden records carry at most; windows may reach over many."""


@dataclass(frozen=True)
class _Wish:
    """A sort of row that golden records should show."""

    column: str
    aim: str  # see `Coverage.aim`
    value: str  # its value there, for a person
    rows: Array  # the rows of that sort, as positions


def choose_golden(
    pipeline: Pipeline, columns: Columns, limit: int = GOLDEN_ROWS, *, seed: int = 0
) -> GoldenRecords:
    """Choose golden records, and compute every column of them.

    They show, as far as there is room: a missing value of each field that has one; the least and
    the greatest value of each number and time; the rows on both sides of the places where an
    output flips, as seen along the floats that it is computed from; each category of each text
    (the 60 most frequent); and a random spread of the rest, which gets a sixth of the room. Fields
    are looked at in all rows, other columns in 50,000 of them. The same input gives the same
    records.

    They carry the rows of tables that their look-ups and windows read, all of them: where these
    would be more than 200,000, records whose windows hold the most rows are left out.

    Args:
        columns: Rows to choose among: the record's fields, and the outcome's if they are there;
            columns computed from these are not used. Of rows with one key, only the first counts.

    Raises:
        GoldenError: There are no rows.
        NotFittedError: The pipeline is not fitted.
    """
    has_outcome = set(pipeline.joint_schema.names) <= set(columns)
    schema = pipeline.joint_schema if has_outcome else pipeline.record_schema
    rows = first_of_each(columns[pipeline.key])
    if not len(rows):
        raise GoldenError(f"{pipeline.name}: there are no rows to choose golden records among.")
    fields = {name: columns[name][rows] for name in schema.names}
    choice = _Choice(np.random.default_rng(seed).permutation(len(rows)), limit)
    wishes = list(_wishes_of_fields(schema, fields))
    choice.grant(wishes, limit // 2)
    pool = choice.pool(_POOL)
    candidates = pipeline.trace(take_rows(fields, pool), labels=has_outcome)
    computed = _wishes_of_columns(pipeline.graph, candidates.columns)
    wishes = [*(replace(wish, rows=pool[wish.rows]) for wish in computed), *wishes]
    choice.grant(wishes, limit - limit // 6)
    choice.fill()
    choice.leave_out(_too_much(pipeline, take_rows(fields, choice.rows)))
    records = take_rows(fields, choice.rows)
    if any(table.schema.personal for table in pipeline.tables.values()):
        read = [reader.rows for reader in readers_of(pipeline).values()]
        pipeline = pipeline.with_tables({r.schema.name: r.without_personal() for r in read})
    trace = pipeline.trace(records, labels=has_outcome, matrices=True)
    return GoldenRecords.of(
        records,
        trace,
        choice.coverage(wishes),
        tables=rows_around(pipeline, trace.columns),
        cases={node.name: cases_of(node) for node in pipeline.reading},
    )


def _too_much(pipeline: Pipeline, records: Columns) -> Array:
    """Positions of the records without which the rows of tables are few enough."""
    inputs = tuple(name for node in pipeline.reading for name in node.inputs)
    columns = pipeline.evaluate(records, inputs)
    kept = np.argsort(count_around(pipeline, columns), kind="stable")
    while len(kept) > LEAST_GOLDEN:
        tables = rows_around(pipeline, take_rows(columns, kept))
        if sum(map(len, tables.values())) <= _TABLE_ROWS:
            break
        kept = kept[: max(len(kept) * 9 // 10, LEAST_GOLDEN)]
    return np.setdiff1d(np.arange(len(records[pipeline.key])), kept)


def choose_sample(graph: Graph, columns: Columns, ranks: Array, limit: int) -> Array:
    """Choose a sample of a batch: rows that are rare in it, and rows close to another decision.

    At most two thirds are rows with a missing or an extreme value, with a rare category, or on
    either side of a place where an output flips, the rarest sort first. The others are taken in
    order of preference.

    Args:
        ranks: A number for each row: the smallest are preferred.

    Returns:
        The chosen rows, as sorted positions. In a large batch, only the 20,000 preferred rows are
        candidates.
    """
    pool = np.arange(len(ranks))
    if len(pool) > _SAMPLED:
        pool = np.sort(np.argpartition(ranks, _SAMPLED)[:_SAMPLED])
    rows = take_rows(columns, pool)
    fields = {name: rows[name] for name in graph.record.names}
    wishes = [*_wishes_of_fields(graph.record, fields), *_wishes_of_columns(graph, rows)]
    choice = _Choice(np.argsort(ranks[pool], kind="stable"), limit)
    choice.grant(sorted(wishes, key=lambda wish: len(wish.rows)), 2 * limit // 3)
    choice.fill()
    return pool[choice.rows]


class _Choice:
    """Rows that are chosen one after the other."""

    def __init__(self, order: Array, limit: int) -> None:
        self._order = order
        self._limit = limit
        self._rank = np.argsort(order)
        self._chosen = np.zeros(len(order), dtype=bool)

    @property
    def rows(self) -> Array:
        """The chosen rows, as sorted positions."""
        return np.flatnonzero(self._chosen)

    def grant(self, wishes: Iterable[_Wish], limit: int) -> None:
        """Choose a row for each wish without a chosen row, until so many rows are chosen."""
        count = int(self._chosen.sum())
        for wish in wishes:
            if count >= limit:
                return
            if len(wish.rows) and not self._chosen[wish.rows].any():
                self._chosen[wish.rows[self._rank[wish.rows].argmin()]] = True
                count += 1

    def pool(self, size: int) -> Array:
        """The chosen rows and others in order of preference, as sorted positions."""
        preferred = np.zeros(len(self._order), dtype=bool)
        preferred[self._order[:size]] = True
        return np.flatnonzero(preferred | self._chosen)

    def fill(self) -> None:
        """Choose rows in order of preference as long as there is room."""
        free = self._order[~self._chosen[self._order]]
        self._chosen[free[: max(self._limit - int(self._chosen.sum()), 0)]] = True

    def leave_out(self, places: Array) -> None:
        """Give up some of the chosen rows, by their places among them."""
        self._chosen[self.rows[places]] = False

    def coverage(self, wishes: Iterable[_Wish]) -> tuple[Coverage, ...]:
        """Count the wishes that the chosen rows fulfil, by column and aim."""
        groups: dict[tuple[str, str], list[_Wish]] = {}
        for wish in wishes:
            groups.setdefault((wish.aim, wish.column), []).append(wish)
        return tuple(self._coverage(*group, groups[group]) for group in sorted(groups))

    def _coverage(self, aim: str, column: str, wishes: list[_Wish]) -> Coverage:
        unmet = [wish for wish in wishes if not self._chosen[wish.rows].any()]
        covered = len(wishes) - len(unmet)
        return Coverage(column, aim, len(wishes), covered, tuple(w.value for w in unmet[:_NAMED]))


def _wishes_of_fields(schema: Schema, fields: Columns) -> Iterator[_Wish]:
    values = [field for field in schema if field.role != "key"]
    for field in values:
        if field.optional:
            missing = np.flatnonzero(is_missing(fields[field.name]))
            yield _Wish(field.name, "missing", "missing", missing)
    for field in values:
        yield from _extremes(field.name, fields[field.name])
    yield from _in_turn([_categories(field.name, fields[field.name]) for field in values])


def _wishes_of_columns(graph: Graph, columns: Columns) -> list[_Wish]:
    computed = [name for name in columns if name not in graph.fields]
    wishes = [wish for name in graph.outputs for wish in _flips(graph, name, columns)]
    wishes += [wish for name in computed for wish in _extremes(name, columns[name])]
    return wishes + _in_turn([_categories(name, columns[name]) for name in computed])


def _extremes(column: str, values: Array) -> Iterator[_Wish]:
    """The least and the greatest of numbers and times."""
    known = values[~is_missing(values)]
    if values.dtype.kind not in "ifM" or not len(known):
        return
    for value in dict.fromkeys((known.min(), known.max())):
        shown = str(plain(value, longest=200))
        yield _Wish(column, "extremes", shown, np.flatnonzero(values == value))


def _categories(column: str, values: Array) -> list[_Wish]:
    """The most frequent texts or truth values, the most frequent first."""
    if values.dtype.kind not in "Ob":
        return []
    places, distinct = pd.factorize(values)
    counts = np.bincount(places[places >= 0], minlength=len(distinct)).tolist()
    frequent = sorted(
        range(len(distinct)), key=lambda place: (-counts[place], str(distinct[place]))
    )
    return [
        _Wish(
            column,
            "categories",
            str(plain(distinct[place], longest=200)),
            np.flatnonzero(places == place),
        )
        for place in frequent[:_CATEGORIES]
    ]


def _flips(graph: Graph, output: str, columns: Columns) -> Iterator[_Wish]:
    """Rows on both sides of the places at which an output that is no float takes another value.

    The places are between neighbours in the order of a float that the output is computed from, such
    as two probabilities on both sides of a threshold.
    """
    decisions = columns[output]
    if graph.kind(output) is Kind.FLOAT:
        return
    for name in graph.inputs(output):
        if graph.kind(name) is not Kind.FLOAT:
            continue
        order = np.argsort(columns[name], kind="stable")
        order = order[~np.isnan(columns[name][order])]
        gaps = np.diff(columns[name][order])
        flips = np.flatnonzero(decisions[order][1:] != decisions[order][:-1])
        for flip in flips[np.argsort(gaps[flips], kind="stable")][:_FLIPS]:
            for row in order[max(flip + 1 - _BESIDE, 0) : flip + 1 + _BESIDE]:
                value = f"{plain(columns[name][row])} of {name}"
                yield _Wish(output, "decision", value, np.array([row]))


def _in_turn(groups: list[list[_Wish]]) -> list[_Wish]:
    """The first of each group, then the second of each, and so on."""
    return [wish for turn in zip_longest(*groups) for wish in turn if wish is not None]
