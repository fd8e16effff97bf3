"""Personal fields: which columns tell of a person, and that no message shows what they hold."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep import (
    Asked,
    Event,
    EventTime,
    Floats,
    Ints,
    Key,
    Personal,
    Record,
    Table,
    Texts,
    Times,
    feature,
    lookup,
    output,
    window,
)
from lockstep.columns.decode import decode
from lockstep.columns.files import decode_file, decode_json
from lockstep.columns.plain import PERSONAL
from lockstep.columns.schema import Schema
from lockstep.errors import DeclarationError, FunctionError, UnreadableError
from lockstep.parity.comparison import compare
from lockstep.parity.scales import Scales
from lockstep.tables.rows import TableRows
from tests.fixtures.looked_up import pipeline_of
from tests.lockstep.columns.conftest import named

SECRET = "Hildegard"


class Visit(Record):
    visit: Key[str]
    at: EventTime
    name: Annotated[str, Personal]
    age: Annotated[int | None, Personal]
    ward: str


class Address(Table, static=True):
    name: Key[str]
    street: Annotated[str, Personal]
    city: str


class Stay(Event, known_after=timedelta(hours=1)):
    ward: Key[str]
    at: EventTime
    bill: Annotated[float, Personal]


@lookup(Address)
def address(ward: Texts) -> Asked:
    return Asked(ward)


@window(Stay, over=timedelta(days=7), of="bill", how=("count", "mean"))
def stays(ward: Texts, at: Times) -> Asked:
    return Asked(ward, as_of=at)


@feature
def birth_decade(age: Floats) -> Ints:
    if np.isnan(age).any():
        raise ValueError(f"no decade of {SECRET}, {age}")
    return (200 - age.astype(np.int64)) // 10


initial = named("initial", lambda name: name.astype("U1").astype(object), returns=Texts)
on_ward = named("on_ward", lambda ward: ward, returns=Texts)
greeting = named("greeting", lambda initial, on_ward: initial + " " + on_ward, output, Texts)

WHOLE = (address, stays, initial, birth_decade, on_ward, greeting)
PIPELINE = pipeline_of(*WHOLE, record=Visit)
SCHEMA = Visit.schema()
ROW = {
    "visit": "v1",
    "at": "2020-01-01T00:00:00Z",
    "name": SECRET,
    "age": 71,
    "ward": "east",
}


def test_what_functions_compute_of_a_personal_field_is_personal_too() -> None:
    assert PIPELINE.graph.personal == {
        *("name", "age", "address_street", "stays_count", "stays_mean"),
        *("initial", "birth_decade", "greeting"),
    }
    watched = {*PIPELINE.watched_schema.names}
    assert watched == {"visit", "at", "ward", "address_city"}


@pytest.mark.parametrize("marked", [Key, EventTime])
def test_what_names_rows_is_not_personal(marked: Any) -> None:
    held: Any = marked if marked is EventTime else marked[str]

    class Row(Record):
        row: Annotated[held, Personal]

    with pytest.raises(DeclarationError, match="which findings, logs and pages show"):
        Row.schema()


def test_a_mark_is_kept_with_the_declaration_and_makes_no_other_table() -> None:
    declared = Address.declaration()
    assert Schema.from_json(SCHEMA.to_json()) == SCHEMA

    class Plain(Table, static=True):
        name: Key[str]
        street: str
        city: str

    plain = Plain.declaration()
    assert declared.schema.personal == {"street"}
    assert declared.undocumented.schema.fields == plain.undocumented.schema.fields


@given(age=st.text(min_size=3).filter(lambda text: not text.strip().isdecimal()))
def test_a_refused_personal_value_is_not_shown(age: str) -> None:
    (refused,) = decode([{**ROW, "age": f"§{age}"}], SCHEMA).rejected
    assert "§" not in str(refused)
    assert "age: " in str(refused)
    (shown,) = decode([{**ROW, "ward": None}], SCHEMA).rejected
    assert "ward: missing" in str(shown)


HEAD = "visit,at,name,age,ward\n"
FINE = {
    "csv": HEAD + "v1,2020-01-01T00:00:00Z,x,71,a\n",
    "jsonl": json.dumps({**ROW, "name": "x"}) + "\n",
}


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("csv", HEAD + "v1,2020-01-01T00:00:00Z,{},71\n"),
        ("jsonl", '["{}"]\n'),
        ("jsonl", '{{"name": "{}\n'),
    ],
)
def test_a_malformed_line_is_not_shown(tmp_path: Path, kind: str, text: str) -> None:
    path = tmp_path / f"rows.{kind}"
    path.write_text(text.format(SECRET))
    with pytest.raises(UnreadableError, match=f"^{path}") as error:
        decode_file(path, SCHEMA)
    assert SECRET not in str(error.value)
    path.write_text(FINE[kind] + text.format(SECRET).removeprefix(HEAD))
    (refused,) = decode_file(path, SCHEMA).rejected
    assert SECRET not in str(refused)
    assert "malformed" in str(refused)


def test_a_text_that_is_no_record_is_not_shown() -> None:
    with pytest.raises(UnreadableError) as error:
        decode_json(json.dumps(SECRET), SCHEMA)
    assert SECRET not in str(error.value)


def test_a_function_that_fails_on_a_personal_value_tells_its_error_alone() -> None:
    rows = decode([{**ROW, "age": None}], SCHEMA).columns
    with pytest.raises(FunctionError) as error:
        PIPELINE.evaluate(rows, ("birth_decade",))
    assert SECRET not in str(error.value)
    assert "ValueError" in str(error.value)
    assert error.value.__suppress_context__


def test_an_example_of_a_divergence_has_no_personal_value() -> None:
    rows = decode([ROW], SCHEMA).columns
    trace = PIPELINE.trace(rows | _looked_up())
    wrong = replace(trace, columns={**trace.columns, "initial": np.array(["X"], dtype=object)})
    again = compare(trace, wrong, PIPELINE.graph, scales=Scales.of(trace))
    first = again.first
    assert first.column == "initial"
    told = json.dumps([first.to_json(), again.summary, first.sides], default=str)
    assert SECRET not in told
    assert '"H"' not in told
    assert first.sides["name"] == (PERSONAL, PERSONAL)
    assert first.sides["ward"] == ("east", "east")
    assert first.reproducer is None


def _looked_up() -> dict[str, Any]:
    """Columns of look-ups and windows, as if some rows had been found."""
    kinds = {name: kind for node in PIPELINE.reading for name, kind in node.gives.items()}
    return {name: np.zeros(1, dtype=kind.dtype) for name, kind in kinds.items()}


def test_rows_of_a_table_are_kept_with_stand_ins() -> None:
    columns = {
        "name": np.array(["a", "b"], dtype=object),
        "street": np.array([SECRET, "Main"], dtype=object),
        "city": np.array(["Bonn", "Ulm"], dtype=object),
    }
    kept = TableRows.of(Address.declaration(), columns).without_personal()
    assert len(set(kept.columns["street"].tolist())) == 1
    assert SECRET not in kept.columns["street"]
    assert kept.columns["city"].tolist() == ["Bonn", "Ulm"]


@given(optional=st.booleans(), kind=st.sampled_from([str, int, float, bool]))
def test_a_stand_in_fits_its_declaration(optional: bool, kind: type) -> None:
    held: Any = kind | None if optional else kind

    class Row(Record):
        row: Key[str]
        value: Annotated[held, Personal]

    schema = Row.schema()
    column = np.full(2, schema["value"].stand_in, schema["value"].kind.dtype)
    again = decode([{"row": str(n), "value": v} for n, v in enumerate(_plain(column))], schema)
    assert not again.rejected


def _plain(column: Any) -> list[Any]:
    return [None if value is None or value != value else value for value in column.tolist()]
