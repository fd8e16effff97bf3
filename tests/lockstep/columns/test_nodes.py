"""Another kind of node, made outside of the library: a look-up in a table that changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from lockstep.columns.decorators import feature, label, model, output
from lockstep.columns.kinds import Array, Columns, Floats, Kind, Texts
from lockstep.columns.nodes import Bound, Node
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.records import EventTime, Key, Outcome, Record
from lockstep.errors import DeclarationError, FunctionError, LeakageError
from lockstep.parity.comparison import compare
from lockstep.parity.golden import GoldenRecords
from lockstep.parity.replay import replay
from lockstep.parity.scales import Scales

from .conftest import Build


class Departure(Record):
    flight_id: Key[str]
    at: EventTime
    tail_number: str | None


class Arrival(Outcome):
    delay: float


@dataclass(frozen=True)
class Fleet:
    """A version of a table: by tail number, since when an aircraft had how many seats."""

    version: int
    known: Mapping[str, list[tuple[np.datetime64, float]]]

    def rows(self, columns: Columns) -> list[tuple[int, str | None, float]]:
        """For each row: this version, when what is known of it was recorded, and the seats."""
        pairs = zip(columns["tail_number"].tolist(), columns["at"], strict=True)
        return [self._row(*pair) for pair in pairs]

    def _row(self, tail_number: str | None, at: np.datetime64) -> tuple[int, str | None, float]:
        past = [row for row in self.known.get(tail_number or "", []) if row[0] <= at]
        since, seats = past[-1] if past else (None, np.nan)
        return self.version, None if since is None else str(since), seats

    def __call__(self, columns: Columns) -> Columns:
        return {"seats": np.array([seats for *_, seats in self.rows(columns)], dtype=np.float64)}


@dataclass(frozen=True, eq=False, kw_only=True)
class Lookup(Node):
    """A column that is read from a table, by key and as of the record's time."""

    kind: Kind

    @property
    def gives(self) -> Mapping[str, Kind | None]:
        return {self.name: self.kind}

    def compute(self, known: Columns, bound: Bound) -> Columns:
        return bound[self.name](known)

    def example(self, known: Columns) -> Columns:
        return {self.name: np.array([1.0, 2.0, np.nan])}

    def inside(self, known: Columns, bound: Bound) -> Array:
        """The rows that were read, and the version of the table that they were read from."""
        table = bound[self.name]
        assert isinstance(table, Fleet)
        return np.array(table.rows(known), dtype=object)


SEATS = Lookup(name="seats", role="lookup", inputs=("tail_number", "at"), kind=Kind.FLOAT)


@feature
def is_large(seats: Floats) -> Floats:
    return np.where(seats > 150, 1.0, 0.0)


@label
def late(delay: Floats) -> Floats:
    return delay


@model(learns=late, uses=[is_large])
def expected_delay() -> Any:
    return LinearRegression()


@output
def minutes(expected_delay: Floats) -> Floats:
    return np.round(expected_delay)


def day(number: int) -> np.datetime64:
    return np.datetime64(f"2013-04-{number:02}T00:00:00.000000")


FLEET = Fleet(1, {"N1": [(day(1), 100.0), (day(10), 200.0)], "N2": [(day(1), 180.0)]})


def departures(*pairs: tuple[str | None, int]) -> list[dict[str, Any]]:
    return [
        {
            "flight_id": f"{number}",
            "at": datetime(2013, 4, on, 12, tzinfo=UTC),
            "tail_number": tail_number,
            "delay": float(number),
        }
        for number, (tail_number, on) in enumerate(pairs)
    ]


RECORDS = departures(("N1", 5), ("N1", 20), ("N2", 5), ("N3", 5), (None, 5))


@pytest.fixture
def pipeline(build: Build) -> Pipeline:
    columns = (SEATS, is_large, late, expected_delay, minutes)
    return build(*columns, record=Departure, outcome=Arrival).bind({"seats": FLEET})


@pytest.fixture
def fitted(pipeline: Pipeline) -> Pipeline:
    return pipeline.fit(RECORDS)


def test_it_is_evaluated_as_of_the_record_s_time_and_refitted(fitted: Pipeline) -> None:
    found = fitted.trace(RECORDS).columns
    np.testing.assert_array_equal(found["seats"], [100.0, 200.0, 180.0, np.nan, np.nan])
    assert found["is_large"].tolist() == [0.0, 1.0, 1.0, 0.0, 0.0]
    assert fitted.unfitted().fit(RECORDS).predict(RECORDS).equals(fitted.predict(RECORDS))


def test_it_has_a_place_a_lineage_and_a_kind(pipeline: Pipeline) -> None:
    graph = pipeline.graph
    assert graph.lineage("minutes") == {"tail_number", "at"}
    assert graph.order.index("seats") < graph.order.index("is_large")
    assert graph.kind("seats") is Kind.FLOAT
    assert graph.nodes["seats"].role == "lookup"


def test_golden_records_keep_what_was_read(fitted: Pipeline, tmp_path: Path) -> None:
    trace = fitted.trace(RECORDS, labels=True, matrices=True)
    read = trace.matrices["seats"]
    assert read[1].tolist() == [1, "2013-04-10T00:00:00.000000", 200.0]
    assert read[4].tolist()[:2] == [1, None]
    fields = {name: trace.columns[name] for name in fitted.joint_schema.names}
    GoldenRecords.of(fields, trace).to_directory(tmp_path)
    golden = GoldenRecords.from_directory(tmp_path)
    assert replay(fitted, golden).ok
    found = replay(fitted.bind({"seats": Fleet(2, FLEET.known)}), golden)
    assert not found.ok
    assert "seats" in found.summary


def test_another_version_of_the_table_is_found_where_it_matters_first(fitted: Pipeline) -> None:
    grown = fitted.bind({"seats": Fleet(1, {**FLEET.known, "N3": [(day(1), 300.0)]})})
    before, after = fitted.trace(RECORDS), grown.trace(RECORDS)
    found = compare(before, after, fitted.graph, scales=Scales()).first
    assert found is not None
    assert (found.column, found.role, found.differing) == ("seats", "lookup", 1)


def test_an_outcome_that_it_reads_leaks(build: Build) -> None:
    leaking = Lookup(name="seats", role="lookup", inputs=("delay",), kind=Kind.FLOAT)
    with pytest.raises(LeakageError, match=r"Lookup seats depends on 'delay'"):
        build(leaking, late, record=Departure, outcome=Arrival)


def test_it_is_held_to_its_kind(build: Build, fitted: Pipeline) -> None:
    @feature
    def name_of(seats: Texts) -> Texts:
        return seats

    wrong = fitted.bind({"seats": lambda columns: {"seats": np.array(["many"] * 5)}})
    with pytest.raises(FunctionError, match="Lookup seats returned an array of <U4"):
        wrong.trace(RECORDS)
    with pytest.raises(DeclarationError, match="seats holds Texts, but it holds Floats"):
        build(SEATS, name_of, record=Departure)
