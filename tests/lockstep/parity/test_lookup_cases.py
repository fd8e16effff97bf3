"""Made-up rows and questions: answered by the readers, kept as they are, and told if not."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from lockstep import Asked, EventTime, Key, KnownTime, Table, Texts, Times, lookup
from lockstep.columns.graph import Graph
from lockstep.columns.nodes import Node
from lockstep.parity.lookup_cases import (
    LookupCases,
    cases_of,
    read_cases,
    replay_cases,
    write_cases,
)
from lockstep.tables.rows import TableRows
from lockstep.tables.search import Timeline
from tests.fixtures.looked_up import gauge_of, passed_of, pipeline_of
from tests.fixtures.plain_lookups import answers
from tests.lockstep.tables.drawn import bits

MICROSECOND = timedelta(microseconds=1)


class Notice(Table):
    port: Key[Literal["a", "b"]]
    since: EventTime
    told_at: KnownTime
    depth: int | None
    is_open: bool | None


class Crane(Table, static=True):
    crane: Key[int]
    lifts: float
    maker: Literal["x", "y"]


@lookup(Notice)
def notice(station: Texts, at: Times) -> Asked:
    return Asked(station, as_of=at)


@lookup(Crane)
def crane(station: Texts) -> Asked:
    return Asked(np.array([len(text or "") for text in station], dtype=np.int64))


NODES = [
    gauge_of(),
    gauge_of(within=None),
    gauge_of(within=timedelta(minutes=1)),  # before any row is known
    passed_of(),
    passed_of(over=timedelta(days=30)),
    notice,
    crane,
]


def graph_of(node: Any) -> Graph:
    return pipeline_of(node).graph


@pytest.mark.parametrize("node", NODES)
def test_readers_answer_as_a_plain_loop_does(node: Any, tmp_path: Path) -> None:
    cases = {node.name: cases_of(node)}
    assert all(compared.ok for compared in replay_cases(graph_of(node), cases))

    write_cases(tmp_path, cases)
    (again,) = read_cases(tmp_path).values()
    made = cases[node.name]
    assert bits(made.answers) == bits(answers(node, made.rows, made.keys, made.as_of))
    assert again.names.tolist() == made.names.tolist()
    assert bits(again.answers) == bits(made.answers)
    assert again.rows.digests.tolist() == made.rows.digests.tolist()
    assert again.rows.known.tolist() == made.rows.known.tolist()
    assert all(
        np.array_equal(*pair, equal_nan=pair[0].dtype != object)
        for pair in zip(again.keys, made.keys, strict=True)
    )
    assert all(compared.ok for compared in replay_cases(graph_of(node), {node.name: again}))


@pytest.mark.parametrize("node", [gauge_of(), passed_of(), crane])
def test_they_show_what_the_declaration_decides(node: Any) -> None:
    made = cases_of(node)
    column = next(iter(made.answers))
    by_name = dict(zip(made.names.tolist(), made.answers[column].tolist(), strict=True))
    values = set(map(str, by_name.values()))
    assert len(values) > 2
    if node.table.static:
        return
    for before, after in (
        ("a microsecond before it is known", "when it is known"),
        ("before it is restated", "once it is restated"),
        ("a microsecond before a late one is known", "once a late one is known"),
    ):
        if node.role == "window" or "late" not in before:
            assert str(by_name[before]) != str(by_name[after])


def different(other: Any, node: Any, cases: LookupCases | None = None) -> set[str]:
    """The cases in which a node answers otherwise than one is declared."""
    found: set[str] = set()
    for compared in replay_cases(graph_of(other), {node.name: cases or cases_of(node)}):
        if compared.first is not None:
            found |= {str(example.key) for example in compared.first.examples}
    return found


def test_a_row_that_is_found_a_microsecond_too_short_is_told() -> None:
    node = gauge_of(within=timedelta(hours=6))
    shorter = replace(node, within=timedelta(hours=6) - MICROSECOND)
    assert "as old as may be" in different(shorter, node)


def test_a_window_that_begins_a_microsecond_too_early_is_told() -> None:
    node = passed_of(over=timedelta(hours=6))
    longer = replace(node, over=timedelta(hours=6) + MICROSECOND)
    assert "as old as may be" in different(longer, node)


def test_a_search_that_ignores_when_rows_are_known_is_told(monkeypatch: Any) -> None:
    def all_known(rows: TableRows) -> Timeline:
        return Timeline.of(rows.starts, rows.valid, rows.valid, rows.until, rows.withdrawn)

    node: Node = gauge_of()
    cases = cases_of(node)
    monkeypatch.setattr(TableRows, "timeline", property(all_known))
    assert "a microsecond before it is known" in different(node, node, cases)
