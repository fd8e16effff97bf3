"""Declaring records and outcomes."""

import importlib
import pickle
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from lockstep.columns.kinds import Kind
from lockstep.columns.records import EventTime, Key, Outcome, Record
from lockstep.columns.schema import Field, Schema
from lockstep.errors import DeclarationError


class Trip(Record):
    """A trip in a taxi."""

    trip_id: Key[str]  # as the meter printed it
    started_at: EventTime  # UTC
    distance: float  # miles # as driven
    passengers: int
    stops: int | None
    shared: bool
    paid: bool | None
    zone: Literal["north", "south"]
    note: str | None  # free text
    ended_at: datetime | None


class Fare(Outcome):
    """What it cost in the end."""

    fare: float | None  # dollars


# Schemas


def test_fields_keep_the_order_of_their_declaration() -> None:
    assert Trip.schema().names == (
        "trip_id",
        "started_at",
        "distance",
        "passengers",
        "stops",
        "shared",
        "paid",
        "zone",
        "note",
        "ended_at",
    )


def test_key_and_event_time_are_found() -> None:
    schema = Trip.schema()

    assert (schema.key, schema.event_time) == ("trip_id", "started_at")


@pytest.mark.parametrize(
    ("name", "kind", "dtype"),
    [
        ("trip_id", Kind.TEXT, "object"),
        ("started_at", Kind.TIME, "datetime64[us]"),
        ("distance", Kind.FLOAT, "float64"),
        ("passengers", Kind.INT, "int64"),
        ("stops", Kind.FLOAT, "float64"),
        ("shared", Kind.BOOL, "bool"),
        ("paid", Kind.FLOAT, "float64"),
        ("zone", Kind.TEXT, "object"),
        ("note", Kind.TEXT, "object"),
        ("ended_at", Kind.TIME, "datetime64[us]"),
    ],
)
def test_the_declared_type_alone_decides_the_array(name: str, kind: Kind, dtype: str) -> None:
    assert Trip.schema()[name].kind is kind
    assert kind.dtype == np.dtype(dtype)


@pytest.mark.parametrize(
    ("name", "declared"),
    [
        ("distance", "float"),
        ("stops", "int | None"),
        ("zone", "Literal['north', 'south']"),
        ("note", "str | None"),
    ],
)
def test_a_declaration_reads_as_it_was_written(name: str, declared: str) -> None:
    assert Trip.schema()[name].declared_name == declared


@pytest.mark.parametrize(
    ("name", "doc"),
    [
        ("trip_id", "as the meter printed it"),
        ("distance", "miles # as driven"),
        ("passengers", ""),
        ("note", "free text"),
    ],
)
def test_the_comment_of_a_field_is_its_doc(name: str, doc: str) -> None:
    assert Trip.schema()[name].doc == doc


def test_form_feeds_and_letters_of_several_bytes_leave_comments_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "parcels.py").write_text(
        "from typing import Literal\nfrom lockstep import Key, Record\n\n\n"
        "class Parcel(Record):\n    parcel: Key[str]  # as printed\x0c on it\n\x0c\n"
        "    size: Literal['größer als groß', '大', '小']  # as ordered\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    schema = importlib.import_module("parcels").Parcel.schema()
    assert [field.doc for field in schema] == ["as printed\x0c on it", "as ordered"]


def test_a_literal_gives_the_choices() -> None:
    assert Trip.schema()["zone"].choices == ("north", "south")


def test_a_schema_survives_json() -> None:
    schema = Trip.schema()

    assert Schema.from_json(schema.to_json()) == schema


def test_a_joined_schema_has_the_fields_of_both() -> None:
    joined = Trip.schema().joined(Fare.schema())

    assert joined.names == (*Trip.schema().names, "fare")
    assert joined.key == "trip_id"


def test_a_record_inherits_fields() -> None:
    class Ride(Trip):
        """A trip with a driver."""

        driver: str  # by licence

    assert Ride.schema().names == (*Trip.schema().names, "driver")
    assert Ride.schema()["note"].doc == "free text"
    assert Ride.schema()["driver"].doc == "by licence"


def test_a_schema_pickled_elsewhere_is_equal_and_hashes_equal() -> None:
    made = (
        "import pickle, sys; from lockstep.columns.schema import Field, Schema; "
        "schema = Schema('S', (Field('k', 'str', role='key'),)); hash(schema); "
        "sys.stdout.buffer.write(pickle.dumps(schema))"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", made], capture_output=True, check=True, env={"PYTHONHASHSEED": "7"}
    )
    here = Schema("S", (Field("k", "str", role="key"),))

    unpickled = pickle.loads(elsewhere.stdout)

    assert unpickled == here
    assert hash(unpickled) == hash(here)


# What is refused


def test_a_record_needs_a_key() -> None:
    class Keyless(Record):
        distance: float

    with pytest.raises(DeclarationError) as refused:
        Keyless.schema()
    assert str(refused.value) == (
        "Keyless has no key: mark the field that names a row with Key[str]."
    )


def test_a_record_has_one_key() -> None:
    class Two(Record):
        first: Key[str]
        second: Key[int]

    with pytest.raises(DeclarationError) as refused:
        Two.schema()
    assert str(refused.value) == "Two marks first and second as its key; mark one."


def test_a_record_has_one_event_time() -> None:
    class Twice(Record):
        name: Key[str]
        start: EventTime
        end: EventTime

    with pytest.raises(DeclarationError) as refused:
        Twice.schema()
    assert str(refused.value) == "Twice marks start and end as its event time; mark one."


def test_an_outcome_has_no_key() -> None:
    class Keyed(Outcome):
        name: Key[str]

    with pytest.raises(DeclarationError) as refused:
        Keyed.schema()
    assert str(refused.value) == (
        "Keyed marks name as its key; an outcome has those of its record."
    )


def test_a_record_without_fields_is_refused() -> None:
    class Empty(Record):
        pass

    with pytest.raises(DeclarationError) as refused:
        Empty.schema()
    assert str(refused.value) == "Empty declares no field."


@pytest.mark.parametrize(
    "annotation", [list[float], date, bytes, float | int, Any, np.float64, None, dict[str, int]]
)
def test_a_type_that_no_column_holds_is_named(annotation: Any) -> None:
    odd = type("Odd", (Record,), {"__annotations__": {"name": Key[str], "value": annotation}})

    with pytest.raises(
        DeclarationError, match=r"Odd\.value is declared .* no column can hold; use"
    ):
        odd.schema()


@pytest.mark.parametrize(
    ("annotation", "declared"),
    [(Key[float], "float"), (Key[str] | None, "str | None"), (Key[bool], "bool")],
)
def test_a_key_is_text_or_integer_and_never_missing(annotation: Any, declared: str) -> None:
    odd = type("Odd", (Record,), {"__annotations__": {"name": annotation}})

    with pytest.raises(DeclarationError) as refused:
        odd.schema()
    assert str(refused.value) == (
        f"Odd.name: a key is str or int and never missing, not {declared}."
    )


def test_a_literal_holds_text_only() -> None:
    class Odd(Record):
        name: Key[str]
        size: Literal[1, 2]

    with pytest.raises(DeclarationError) as refused:
        Odd.schema()
    assert str(refused.value) == "Odd.size: Literal may hold text only, not (1, 2)."


def test_a_default_is_refused() -> None:
    class Odd(Record):
        name: Key[str]
        size: int = 1

    with pytest.raises(DeclarationError) as refused:
        Odd.schema()
    assert str(refused.value) == (
        "Odd.size has a default, and a field has none: what is missing stays missing until a "
        "feature replaces it."
    )


def test_an_annotation_that_is_not_defined_is_named() -> None:
    odd = type("Odd", (Record,), {"__annotations__": {"name": "Kee[str]"}})

    with pytest.raises(DeclarationError) as refused:
        odd.schema()
    assert str(refused.value) == "Odd: an annotation is not defined: name 'Kee' is not defined."


def test_a_schema_without_its_source_has_no_comments() -> None:
    made = type("Made", (Record,), {"__annotations__": {"name": Key[str]}})

    assert made.schema()["name"].doc == ""
