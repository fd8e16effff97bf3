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
    fare: float | None  # dollars


# Schemas


@pytest.mark.parametrize(
    ("name", "kind", "declared", "doc"),
    [
        ("trip_id", Kind.TEXT, "str", "as the meter printed it"),
        ("started_at", Kind.TIME, "datetime", "UTC"),
        ("distance", Kind.FLOAT, "float", "miles # as driven"),
        ("passengers", Kind.INT, "int", ""),
        ("stops", Kind.FLOAT, "int | None", ""),
        ("shared", Kind.BOOL, "bool", ""),
        ("paid", Kind.FLOAT, "bool | None", ""),
        ("zone", Kind.TEXT, "Literal['north', 'south']", ""),
        ("note", Kind.TEXT, "str | None", "free text"),
        ("ended_at", Kind.TIME, "datetime | None", ""),
    ],
)
def test_a_field_has_the_kind_of_its_type_and_is_told_as_it_was_written(
    name: str, kind: Kind, declared: str, doc: str
) -> None:
    field = Trip.schema()[name]
    assert (field.kind, field.declared_name, field.doc) == (kind, declared, doc)


def test_a_schema_has_its_fields_in_order_and_finds_key_and_event_time() -> None:
    schema = Trip.schema()
    assert schema.names == tuple(Trip.__annotations__)
    assert (schema.key, schema.event_time) == ("trip_id", "started_at")
    assert schema["zone"].choices == ("north", "south")
    assert Schema.from_json(schema.to_json()) == schema
    joined = schema.joined(Fare.schema())
    assert (joined.names, joined.key) == ((*schema.names, "fare"), "trip_id")


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


def test_a_record_inherits_fields() -> None:
    class Ride(Trip):
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


def declared(base: type = Record, **fields: Any) -> Any:
    return type("Odd", (base,), {"__annotations__": fields})


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        (declared(distance=float), "^Odd has no key: .* Key"),
        (declared(a=Key[str], b=Key[int]), "^Odd marks a and b as its key; mark one"),
        (declared(a=Key[str], b=EventTime, c=EventTime), "^Odd marks b and c as its event time"),
        (declared(Outcome, a=Key[str]), "^Odd marks a as its key; an outcome has those of its re"),
        (declared(), "^Odd declares no field"),
        (declared(a=Key[float]), r"^Odd\.a: a key is str or int and never missing, not float\."),
        (declared(a=Key[str] | None), r"^Odd\.a: a key is .*, not str \| None\."),
        (declared(a=Key[bool]), r"^Odd\.a: a key is .*, not bool\."),
        (declared(a=Key[str], b=Literal[1, 2]), r"^Odd\.b: Literal may hold text only, not \(1, 2"),
        (declared(a="Kee[str]"), "^Odd: an annotation is not defined: name 'Kee' is not defined"),
        *[
            (declared(a=Key[str], b=of), r"^Odd\.b is declared .* no column can hold; use")
            for of in (list[float], date, bytes, float | int, Any, np.float64, None, dict[str, int])
        ],
    ],
)
def test_a_record_that_makes_no_sense_is_refused(odd: Any, message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        odd.schema()


def test_a_default_is_refused() -> None:
    class Odd(Record):
        name: Key[str]
        size: int = 1

    with pytest.raises(DeclarationError, match=r"^Odd\.size has a default, and a field has none"):
        Odd.schema()


def test_a_schema_without_its_source_has_no_comments() -> None:
    assert declared(name=Key[str]).schema()["name"].doc == ""
