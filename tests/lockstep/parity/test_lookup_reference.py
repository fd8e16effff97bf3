"""A plain loop over shuffled rows finds what look-ups and windows read, or tells the difference."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, get_args

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lockstep.checks.lookup_checks import check_hits, check_lookup_reference
from lockstep.columns.asof.readers import LookupReader, reader
from lockstep.columns.asof.table_rows import TableRows
from lockstep.columns.asof.windows import Reduction
from lockstep.columns.kinds import Columns
from lockstep.parity.lookup_reference import answers, compare_with_reference
from lockstep.parity.profiles import Profile
from tests.fixtures.looked_up import (
    GAUGE,
    PASSAGE,
    computed,
    gauge_of,
    passed_of,
    pipeline_of,
    readings,
    table,
)
from tests.lockstep.columns.asof.drawn import (
    a_lookup,
    a_window,
    bits,
    questions,
    rows_of,
    tables,
)

HOW = get_args(Reduction)
SPANS = st.integers(1, 5).map(lambda hours: timedelta(hours=hours))


@given(tables(GAUGE), questions(), st.none() | SPANS)
def test_a_loop_finds_the_rows_of_look_ups(
    drawn: Any, asked: Columns, within: timedelta | None
) -> None:
    read = reader(a_lookup(within), rows_of(GAUGE, drawn))
    assert bits(read(asked)) == bits(answers(read.node, read.rows, *read.node.asked(asked)))


@given(tables(PASSAGE), questions(), SPANS, st.sampled_from(["level", "is_sound"]))
def test_a_loop_finds_the_rows_of_windows(
    drawn: Any, asked: Columns, over: timedelta, of: str
) -> None:
    read = reader(a_window(over, of, HOW), rows_of(PASSAGE, drawn))
    assert bits(read(asked)) == bits(answers(read.node, read.rows, *read.node.asked(asked)))


ROWS = [("north", hour, float(hour)) for hour in range(12)]
ASKED = readings(("north", 5), ("north", 8.5), ("south", 8.5), (None, 3), ("north", 50))


def test_rows_in_another_order_than_theirs_are_found_out() -> None:
    pipeline = pipeline_of(gauge_of(), passed_of())
    whole = table(GAUGE, ROWS)
    turned = {name: array[::-1] for name, array in whole.columns.items()}
    wrong = TableRows(
        GAUGE,
        turned,
        (whole.valid[::-1].copy(), whole.known[::-1].copy()),
        "v",
        whole.index,
        np.zeros(len(whole), dtype=np.int64),
        np.zeros(len(whole), dtype=bool),
    )
    for rows, passes in ((whole, True), (wrong, False)):
        bound = pipeline.with_tables({"gauge": rows, "passage": table(PASSAGE, ROWS)})
        result = check_lookup_reference(bound, computed(bound, ASKED))
        assert result.passed is passes
        assert result.column == (None if passes else "gauge_level")


def test_a_row_alone_that_is_read_otherwise_is_found_out(monkeypatch: Any) -> None:
    bound = pipeline_of(gauge_of()).with_tables({"gauge": table(GAUGE, ROWS)})
    together = computed(bound, ASKED)
    monkeypatch.setattr(LookupReader, "_row", lambda self, group, time: len(self.rows))
    report = compare_with_reference(bound, together)
    assert report.settings == ("one at a time",)


def test_a_row_that_is_recorded_as_known_before_its_table_says_so_is_found_out() -> None:
    bound = pipeline_of(gauge_of()).with_tables(
        {"gauge": table(GAUGE, ROWS, known=[hour for _, hour, _ in ROWS])}
    )
    assert not check_lookup_reference(bound, computed(bound, ASKED)).passed


def test_look_ups_that_find_nothing_more_often_than_in_training_are_told() -> None:
    pipeline = pipeline_of(gauge_of(), passed_of())
    bound = pipeline.with_tables({"gauge": table(GAUGE, ROWS), "passage": table(PASSAGE, ROWS)})
    kinds = {name: bound.graph.kind(name) for name in bound.graph.served if name != "reading"}
    found = computed(bound, readings(*[("north", 2 + hour / 10) for hour in range(40)]))
    training = Profile.of(found, kinds)
    assert check_hits(bound, found, training).passed

    lost = computed(bound, readings(*[("north", 14 + hour / 10) for hour in range(40)]))
    result = check_hits(bound, lost, training)

    assert (result.passed, result.severity) == (False, "WARN")
    assert result.numbers == {"gauge: share without a row": 0.225}
    assert "finds nothing for 22.5 % of 40 rows (0.0 % in training)" in result.summary


def test_a_budget_of_a_column_does_not_hide_another_row() -> None:
    """A look-up has no budget: its column is compared bit for bit."""
    node = replace(gauge_of(), ulps=0)
    bound = pipeline_of(node).with_tables({"gauge": table(GAUGE, ROWS)})
    rows = computed(bound, ASKED)
    rows["gauge_level"] = np.nextafter(rows["gauge_level"], np.inf)
    assert not check_lookup_reference(bound, rows).passed
