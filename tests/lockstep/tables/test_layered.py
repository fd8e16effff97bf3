"""Rows that are added to a table: read as if all had been ordered anew, to the bit."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.columns.from_table import FromTable
from lockstep.columns.kinds import Columns, Times
from lockstep.columns.table_schema import TableSchema
from lockstep.tables.layered import LayeredRows
from lockstep.tables.rows import TableRows

from .drawn import (
    HOUR,
    Gauge,
    Passage,
    a_lookup,
    a_question,
    a_window,
    assert_alike_in_every_company,
    bits,
    filled,
    questions,
    tables,
    taken,
)

GAUGE, PASSAGE = Gauge.declaration(), Passage.declaration()
HOW = ("count", "sum", "mean", "min", "max", "last")
NODES: dict[str, FromTable] = {
    "gauge": a_lookup(timedelta(hours=3)),
    "passage": a_window(timedelta(hours=4), "level", HOW),
}


def known_of(schema: TableSchema, columns: Columns, known: Times | None) -> Times:
    after = schema.known_after
    assert after is not None
    return columns["at"] + np.timedelta64(after) if known is None else known


def layered(schema: TableSchema, columns: Columns, known: Times, cuts: list[int]) -> LayeredRows:
    """The rows up to the first cut, and the others added one part after the other."""
    ends = [*sorted(cut % (len(known) + 1) for cut in cuts), len(known)]
    base = TableRows.of(schema, taken(columns, slice(ends[0])), known[: ends[0]], "0")
    rows = LayeredRows(base)
    for number, (first, end) in enumerate(pairwise(ends), 1):
        part = slice(first, end)
        rows = rows.adding(taken(columns, part), known[part], str(number))
    return rows


@pytest.mark.parametrize("schema", [GAUGE, PASSAGE], ids=["look-up", "window"])
@given(data=st.data(), asked=questions(), cuts=st.lists(st.integers(0, 40), min_size=1, max_size=4))
def test_added_rows_are_read_as_if_all_were_ordered_anew(
    schema: TableSchema, data: Any, asked: Columns, cuts: list[int]
) -> None:
    columns, known = data.draw(tables(schema))
    known = known_of(schema, columns, known)
    node = NODES[schema.name]
    whole_rows = TableRows.of(schema, columns, known)
    whole = LayeredRows(whole_rows).reader(node)

    rows = layered(schema, columns, known, cuts)
    read = rows.reader(node)
    expected = whole(asked)
    assert bits(read(asked)) == bits(expected)
    assert_alike_in_every_company(read, asked, expected, [*range(len(asked["at"]))] * 2)
    assert {*node.gives, *node.origins} == expected.keys()
    own = {name: expected[name] for name in node.gives}
    assert bits(own) == bits(node.reader(whole_rows)(asked))
    assert rows.version == str(len(cuts))


@pytest.mark.parametrize("schema", [GAUGE, PASSAGE], ids=["table", "event"])
@given(data=st.data(), cuts=st.lists(st.integers(0, 40), min_size=1, max_size=4))
def test_merged_rows_are_those_of_layers(schema: TableSchema, data: Any, cuts: list[int]) -> None:
    columns, known = data.draw(tables(schema))
    known = known_of(schema, columns, known)
    whole = TableRows.of(schema, columns, known)

    merged = layered(schema, columns, known, cuts).merged()

    assert merged.digests.tolist() == whole.digests.tolist()
    assert merged.known.tolist() == whole.known.tolist()
    assert bits(merged.columns) == bits(whole.columns)


@given(table=tables(GAUGE), cuts=st.lists(st.integers(0, 40), min_size=1, max_size=4))
def test_the_rows_of_a_key_are_found_in_whichever_layer(table: Any, cuts: list[int]) -> None:
    columns, known = table
    known = known_of(GAUGE, columns, known)
    whole = TableRows.of(GAUGE, columns, known)
    asked = a_question(0, 0) | {"sensor": np.array([1, 2])}

    found = layered(GAUGE, columns, known, cuts).of_keys(asked)

    is_asked = whole.columns["station"] == "north"
    digests = TableRows.of(GAUGE, found, found[""]).digests
    assert sorted(digests.tolist()) == sorted(whole.digests[is_asked].tolist())


def test_origins_tell_the_row_that_a_look_up_found() -> None:
    rows = TableRows.of(GAUGE, filled(GAUGE, 1, level=[0.5]))
    asked = a_question(*[9 * HOUR] * 2) | {"station": np.array(["north", "nowhere"], dtype=object)}
    found = LayeredRows(rows).reader(a_lookup())(asked)
    assert found["asked.digest"].view(np.uint64).tolist() == [int(rows.digests[0]), 0]
    assert np.isnat(found["asked.valid"]).tolist() == [False, True]
    assert found["asked.known"].view(np.int64)[0] == rows.known[0]
