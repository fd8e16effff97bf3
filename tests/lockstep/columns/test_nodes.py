"""Another kind of node, made outside of the library: a look-up in a table that changes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from lockstep.columns.decorators import label, output
from lockstep.columns.kinds import Array, Columns, Kind, Texts
from lockstep.columns.nodes import Bound, Node
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.records import Key, Outcome, Record
from lockstep.errors import DeclarationError, FunctionError, LeakageError
from lockstep.parity.comparison import compare
from lockstep.parity.golden import GoldenRecords
from lockstep.parity.replay import replay
from lockstep.parity.scales import Scales

from .conftest import build, named, named_model


class Departure(Record):
    flight_id: Key[str]
    tail_number: str | None


class Arrival(Outcome):
    delay: float


class Fleet(dict[str, float]):
    """The seats of each aircraft."""

    def __call__(self, columns: Columns) -> Columns:
        numbers = columns["tail_number"].tolist()
        return {"seats": np.array([self.get(number, np.nan) for number in numbers])}


@dataclass(frozen=True, eq=False, kw_only=True)
class Lookup(Node):
    """A column that is read from a table."""

    name: str = "seats"
    role: str = "lookup"
    inputs: tuple[str, ...] = ("tail_number",)

    @property
    def gives(self) -> Mapping[str, Kind | None]:
        return {self.name: Kind.FLOAT}

    def compute(self, known: Columns, bound: Bound) -> Columns:
        return bound[self.name](known)

    def example(self, known: Columns) -> Columns:
        return {self.name: np.array([1.0, 2.0, np.nan])}

    def inside(self, known: Columns, bound: Bound) -> Array:
        """What the rows asked for, and how much the table knew."""
        return np.array([[key, len(bound[self.name])] for key in known["tail_number"]], object)


is_large = named("is_large", lambda seats: np.where(seats > 150, 1.0, 0.0))
late = named("late", lambda delay: delay, label)
expected_delay = named_model("expected_delay", LinearRegression, learns=late, uses=[is_large])
minutes = named("minutes", lambda expected_delay: np.round(expected_delay, 0), output)

SEATS, FLEET = Lookup(), Fleet(N1=100.0, N2=180.0)
RECORDS = [
    {"flight_id": f"{number}", "tail_number": tail_number, "delay": float(number)}
    for number, tail_number in enumerate(["N1", "N2", "N3", None])
]


@pytest.fixture
def fitted() -> Pipeline:
    columns = (SEATS, is_large, late, expected_delay, minutes)
    return build(*columns, record=Departure, outcome=Arrival).bind({"seats": FLEET}).fit(RECORDS)


def test_it_is_evaluated_and_refitted_and_has_a_lineage_and_a_kind(fitted: Pipeline) -> None:
    found = fitted.trace(RECORDS).columns
    np.testing.assert_array_equal(found["seats"], [100.0, 180.0, np.nan, np.nan])
    assert found["is_large"].tolist() == [0.0, 1.0, 0.0, 0.0]
    assert fitted.unfitted().fit(RECORDS).predict(RECORDS).equals(fitted.predict(RECORDS))
    assert fitted.graph.lineage("minutes") == {"tail_number"}
    assert fitted.graph.kind("seats") is Kind.FLOAT


def test_golden_records_keep_what_was_read_so_that_another_table_is_found(
    fitted: Pipeline, tmp_path: Path
) -> None:
    trace = fitted.trace(RECORDS, labels=True, matrices=True)
    assert trace.matrices["seats"].tolist() == [["N1", 2], ["N2", 2], ["N3", 2], [None, 2]]
    fields = {name: trace.columns[name] for name in fitted.joint_schema.names}
    GoldenRecords.of(fields, trace).to_directory(tmp_path)
    golden = GoldenRecords.from_directory(tmp_path)
    assert replay(fitted, golden).ok
    found = replay(fitted.bind({"seats": Fleet(FLEET, N4=1.0)}), golden)
    assert (found.first.column, found.first.is_matrix) == ("seats", True)
    grown = fitted.bind({"seats": Fleet(FLEET, N3=300.0)}).trace(RECORDS)
    first = compare(fitted.trace(RECORDS), grown, fitted.graph, scales=Scales()).first
    assert (first.column, first.role, first.differing) == ("seats", "lookup", 1)


def test_it_leaks_an_outcome_and_is_held_to_its_kind(fitted: Pipeline) -> None:
    name_of = named("name_of", lambda seats: seats, returns=Texts, seats=Texts)
    with pytest.raises(LeakageError, match=r"Lookup seats depends on 'delay'"):
        build(Lookup(inputs=("delay",)), late, record=Departure, outcome=Arrival)
    wrong = fitted.bind({"seats": lambda columns: {"seats": np.array(["many"] * 4)}})
    with pytest.raises(FunctionError, match="Lookup seats returned an array of <U4"):
        wrong.trace(RECORDS)
    with pytest.raises(DeclarationError, match="seats holds Texts, but it holds Floats"):
        build(SEATS, name_of, record=Departure)
