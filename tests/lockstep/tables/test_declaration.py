"""Declaring tables, events, look-ups and windows, and what is refused with one line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from types import new_class
from typing import Any, Literal

import numpy as np
import pytest

from lockstep import (
    Asked,
    Event,
    EventTime,
    Floats,
    Key,
    KnownTime,
    Outcome,
    Record,
    RowNumber,
    Table,
    Texts,
    Times,
    label,
    lookup,
    output,
    window,
)
from lockstep.columns.kinds import Kind
from lockstep.columns.table_schema import TableSchema
from lockstep.errors import (
    DeclarationError,
    DuplicateNameError,
    FunctionError,
    InputError,
    LeakageError,
    UnknownInputError,
)
from lockstep.tables.rows import TableRows

from ..columns.conftest import build, named
from .drawn import Gauge, Passage, a_question, filled

HOUR = timedelta(hours=1)


class AirportWeather(Table, known_after=HOUR):
    origin: Key[Literal["EWR", "JFK"]]
    hour: EventTime
    temp: float | None  # degrees Fahrenheit
    gusts: int
    is_wet: bool
    sky: str
    until: datetime


def test_a_table_is_named_in_snake_case_and_says_what_it_holds() -> None:
    schema = AirportWeather.declaration()
    assert schema.name == "airport_weather"
    assert (schema.keys, schema.valid, schema.known) == (("origin",), "hour", None)
    assert schema.values == ("temp", "gusts", "is_wet", "sky", "until")
    assert schema.schema["temp"].doc == "degrees Fahrenheit"
    assert [schema.optional_kind(name) for name in schema.values] == [
        *[Kind.FLOAT] * 3,
        Kind.TEXT,
        Kind.TIME,
    ]


@pytest.mark.parametrize("table", [AirportWeather, Gauge, Passage])
def test_a_declaration_is_stored_and_read(table: Any) -> None:
    schema = table.declaration()
    assert TableSchema.from_json(schema.to_json()) == schema


def test_comments_make_no_other_declaration_and_times_do() -> None:
    class Later(AirportWeather, known_after=2 * HOUR):
        pass

    schema = AirportWeather.declaration()
    fields = tuple(replace(field, doc="another comment") for field in schema.schema)
    commented = replace(schema, schema=replace(schema.schema, fields=fields))

    assert commented != schema
    assert commented.is_same_as(schema)
    assert Later.declaration().known_after == 2 * HOUR
    later = replace(schema, known_after=2 * HOUR)
    assert not commented.is_same_as(later)


def declared(
    base: Any = Table, *, known_after: Any = HOUR, static: Any = None, **types: Any
) -> Any:
    """A table of a key, a time and other fields; without those whose type is None."""
    types = {"origin": Key[str], "hour": EventTime, **types}
    fields = {name: of for name, of in types.items() if of is not None}
    options = {"known_after": known_after, "static": static}
    given = {name: value for name, value in options.items() if value is not None}
    body = {"__annotations__": fields, "__module__": __name__}
    return new_class("Weather", (base,), given, lambda space: space.update(body))


@pytest.mark.parametrize(
    ("declaration", "why"),
    [
        ({"known_after": None}, "does not say when a row becomes known"),
        ({"told": KnownTime}, "both known_after and told say when"),
        ({"known_after": -HOUR}, "forecasts are not for look-ups"),
        ({"known_after": 3600}, "known_after is a timedelta, not 3600"),
        ({"known_after": timedelta.max}, "no row would ever be known"),
        ({"origin": None}, "it has no key"),
        ({"origin": RowNumber}, "a row number is no key"),
        ({"hour": None}, "from when a row is valid.*static=True"),
        ({"day": EventTime}, "marks hour, day as its event time"),
        ({"hour": EventTime | None}, "hour is its event time, and may not be missing"),
        ({"static": True, "known_after": None}, "leave out static=True or hour"),
        ({"static": True, "hour": None}, "leave out static=True or known_after"),
        ({"base": Event, "static": True, "known_after": None, "hour": None}, "an event has a time"),
        ({"base": Event, "hour": None}, "mark a field EventTime"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused_with_its_place(
    declaration: dict[str, Any], why: str
) -> None:
    with pytest.raises(DeclarationError, match=why) as refused:
        declared(**declaration).declaration()
    assert "Weather" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_refused_table_is_named_with_its_place() -> None:
    class Weather(Table):
        origin: Key[str]
        hour: EventTime

    with pytest.raises(DeclarationError, match=r"Weather \(tables/test_declaration\.py:\d+\)"):
        Weather.declaration()


@pytest.mark.parametrize("base", [Record, Outcome])
def test_records_and_outcomes_have_no_known_time(base: type) -> None:
    odd: Any = type("Odd", (base,), {"__annotations__": {"told": KnownTime}})
    with pytest.raises(DeclarationError, match="marks told as its known time"):
        odd.schema()


# Look-ups and windows


def by(station: Texts, sensor: Floats, at: Times) -> Asked:
    return Asked(station, sensor, as_of=at)


@pytest.mark.parametrize(
    ("declare", "why"),
    [
        (lambda: lookup(Gauge, within=timedelta(0))(by), "within is a timedelta above 0"),
        (lambda: window(Passage, over=-HOUR)(by), "over is a timedelta above 0"),
        (lambda: lookup(Gauge, within=timedelta.max)(by), "give a shorter one, or leave it out"),
        (lambda: window(Passage, over=timedelta.max)(by), r"reach back 3,652,058 .* shorter one\."),
        (lambda: window(Passage, over=HOUR, how=[])(by), "how is a list"),
        (lambda: window(Passage, over=HOUR, how=["count", "count"])(by), "a reduction twice"),
        (lambda: window(Passage, over=HOUR, how=["sum"])(by), "which field it reduces"),
        (lambda: window(Passage, over=HOUR, of="levle")(by), "no field .* mean 'level'"),
        (lambda: window(Passage, over=HOUR, of="station")(by), "'station' is no field"),
        (lambda: window(Passage, over=HOUR, of="note", how=["sum"])(by), "sum of 'note'"),
    ],
)
def test_what_no_table_can_be_asked_is_refused_with_its_place(
    declare: Callable[[], Any], why: str
) -> None:
    with pytest.raises(DeclarationError, match=why) as refused:
        declare()
    assert "by (tables/test_declaration.py:" in str(refused.value)


KIND = "argument" if sys.version_info < (3, 12) else "keyword-only argument"
"""What `inspect` calls what is missing."""
REDUCTIONS = "one of 'count', 'sum', 'mean', 'min', 'max', 'last', 'distinct'"


@pytest.mark.parametrize(
    ("declare", "why"),
    [
        (lambda: lookup(Passage), "Passage'>; give a class that is declared as Table."),
        (lambda: lookup("weather"), "table is 'weather'; give a class that is declared as Table."),
        (lambda: window(Gauge, over=HOUR), "Gauge'>; give a class that is declared as Event."),
        (lambda: window(Passage), f"@window: missing a required {KIND}: 'over'; it takes event, "),
        (lambda: window(Passage, over=HOUR, hwo=[]), "@window takes no 'hwo'; did you mean 'how'?"),
        (lambda: window(Passage, over=HOUR, how="sum"), f"give a list, each {REDUCTIONS}"),
        (lambda: window(Passage, over=HOUR, how=["avg"]), f"how[0] is 'avg'; give {REDUCTIONS}."),
        (lambda: window(Passage, over=HOUR, how=["count", "means"]), "(did you mean 'mean'?)."),
    ],
)
def test_what_no_decorator_takes_is_told_with_what_is(declare: Callable[[], Any], why: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        declare()
    assert why in str(refused.value)


@pytest.mark.parametrize(
    ("fields", "why"),
    [({}, "nothing to look up"), ({"age": float, "level": float}, "a field 'age'")],
)
def test_a_table_of_nothing_but_keys_or_with_a_field_age_is_not_looked_up(
    fields: dict[str, Any], why: str
) -> None:
    with pytest.raises(DeclarationError, match=why):
        lookup(declared(**fields))(by)


class Measured(Record):
    reading: Key[str]
    at: EventTime
    station: str
    sensor: int | None


class Found(Outcome):
    truth: str


def asking(asked: Any) -> Any:
    """A look-up by what a function gives for stations, sensors and times."""

    def gauge(station: Texts, sensor: Floats, at: Times) -> Asked:
        return asked(station, sensor, at)  # type: ignore[no-any-return]

    return lookup(Gauge)(gauge)


HALF_A_KEY = "asks by 1 array, and the key of the table 'gauge' is station, sensor"
SWAPPED = "asks for 'station' by an array of float64.* holds Texts"


@pytest.mark.parametrize(
    ("asked", "error", "why"),
    [
        (lambda station, _, at: Asked(station, as_of=at), DeclarationError, HALF_A_KEY),
        (lambda *key_and_time: Asked(*key_and_time[:2]), DeclarationError, "as of when"),
        (lambda s, sensor, at: Asked(sensor, s, as_of=at), DeclarationError, SWAPPED),
        (lambda station, *_: station, DeclarationError, "must return Asked"),
        (lambda s, x, _: Asked(s, x, as_of=x), FunctionError, "returned an array of float64"),
    ],
    ids=["half a key", "no time", "keys swapped", "no question", "a time that is none"],
)
def test_a_function_that_asks_in_another_way_is_refused_when_its_pipeline_is_declared(
    asked: Any, error: type[Exception], why: str
) -> None:
    with pytest.raises(error, match=rf"Lookup gauge \(tables/test_declaration\.py:\d+\).*{why}"):
        build(asking(asked), record=Measured)


def test_a_static_table_is_asked_without_a_time() -> None:
    def first(station: Texts, at: Times) -> Asked:
        return Asked(station, as_of=at)

    site = declared(static=True, known_after=None, hour=None, height=float)
    with pytest.raises(DeclarationError, match="static: leave out as_of"):
        build(lookup(site)(first), record=Measured)
    with pytest.raises(DeclarationError, match="no age; leave out within"):
        lookup(site, within=HOUR)(first)


def test_a_key_of_another_length_is_refused_when_it_is_asked() -> None:
    node = asking(lambda station, sensor, at: Asked(station[:3], sensor, as_of=at))
    made = build(node, record=Measured).with_tables({"gauge": no_rows()})
    columns = a_question(*[0] * 4) | {"reading": np.array(list("abcd"), dtype=object)}
    with pytest.raises(FunctionError, match="returned 3 values for 4 rows"):
        made.evaluate(columns, ("gauge_level",))


def no_rows() -> TableRows:
    return TableRows.of(Gauge.declaration(), filled(Gauge.declaration(), 0))


def test_an_input_that_comes_from_the_outcome_is_leakage() -> None:
    true = named("true", lambda truth: truth, label, Texts)

    @lookup(Gauge)
    def leaking(truth: Texts, sensor: Floats, at: Times) -> Asked:
        return Asked(truth, sensor, as_of=at)

    @window(Passage, over=HOUR)
    def leaked(true: Texts, sensor: Floats, at: Times) -> Asked:
        return Asked(true, sensor, as_of=at)

    for node in (leaking, leaked):
        with pytest.raises(LeakageError, match=f"{node.name} .*known only after the fact"):
            build(node, true, record=Measured, outcome=Found)


def test_the_name_of_a_look_up_is_no_column_and_no_other_column_has_it() -> None:
    gauge = lookup(Gauge)(by)

    wet = named("wet", lambda by: by)
    with pytest.raises(UnknownInputError, match="gives several: name one of by_level"):
        build(gauge, wet, record=Measured)

    by_level = named("by_level", lambda sensor: sensor, output)
    with pytest.raises(DuplicateNameError, match="'by_level'"):
        build(gauge, by_level, record=Measured)


def test_two_tables_of_one_name_are_refused() -> None:
    class Gauge(Table, known_after=2 * HOUR):
        station: Key[str]
        sensor: Key[int]
        at: EventTime
        level: float

    other = lookup(Gauge)(by)
    with pytest.raises(DuplicateNameError, match="two tables of the name 'gauge'"):
        build(other, asking(by), record=Measured)


# Rows


def test_rows_of_another_declaration_or_none_are_refused() -> None:
    made = build(lookup(Gauge)(by), record=Measured)

    class Other(Gauge, known_after=2 * HOUR):
        pass

    with pytest.raises(InputError, match="no rows of the tables gauge"):
        made.with_tables({})
    other = TableRows.of(Other.declaration(), no_rows().columns)
    with pytest.raises(InputError, match="under another declaration"):
        made.with_tables({"gauge": other})


@pytest.mark.parametrize(
    ("name", "array", "why"),
    [
        ("count", None, "lack count"),
        ("count", np.array([2**53 + 1]), "integers beyond 2\\^53"),
        ("count", np.array([-(2**53) - 1]), "integers beyond 2\\^53"),
        ("level", np.array([1]), "level is an array of int64, not of float64"),
        ("at", np.array(["NaT"], dtype="datetime64[us]"), "a row without a time"),
    ],
)
def test_rows_that_no_look_up_can_give_are_refused(name: str, array: Any, why: str) -> None:
    columns = filled(Gauge.declaration(), 1)
    columns.pop(name)
    if array is not None:
        columns[name] = array
    with pytest.raises(InputError, match=f"gauge.* {why}"):
        TableRows.of(Gauge.declaration(), columns)
