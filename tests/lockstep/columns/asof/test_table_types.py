"""Declaring tables, events, look-ups and windows, and what is refused with one line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
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
    feature,
    label,
    lookup,
    output,
    window,
)
from lockstep.columns.asof.table_rows import TableRows
from lockstep.columns.asof.table_types import TableSchema
from lockstep.columns.kinds import Kind
from lockstep.errors import (
    DeclarationError,
    DuplicateNameError,
    FunctionError,
    InputError,
    LeakageError,
    UnknownInputError,
)

from ..conftest import Build
from .drawn import Gauge, Passage, moments

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


def no_known() -> Any:
    class Weather(Table):
        origin: Key[str]
        hour: EventTime

    return Weather


def both_known() -> Any:
    class Weather(Table, known_after=HOUR):
        origin: Key[str]
        hour: EventTime
        told: KnownTime

    return Weather


def negative() -> Any:
    class Weather(Table, known_after=-HOUR):
        origin: Key[str]
        hour: EventTime

    return Weather


def no_span() -> Any:
    class Weather(Table, known_after=3600):  # type: ignore[arg-type]
        origin: Key[str]
        hour: EventTime

    return Weather


def no_key() -> Any:
    class Weather(Table, known_after=HOUR):
        hour: EventTime

    return Weather


def row_number() -> Any:
    class Weather(Table, known_after=HOUR):
        row: RowNumber
        hour: EventTime

    return Weather


def no_time() -> Any:
    class Weather(Table, known_after=HOUR):
        origin: Key[str]

    return Weather


def two_times() -> Any:
    class Weather(Table, known_after=HOUR):
        origin: Key[str]
        hour: EventTime
        day: EventTime

    return Weather


def missing_time() -> Any:
    class Weather(Table, known_after=HOUR):
        origin: Key[str]
        hour: EventTime | None

    return Weather


def static_with_time() -> Any:
    class Weather(Table, static=True):
        origin: Key[str]
        hour: EventTime

    return Weather


def static_with_delay() -> Any:
    class Weather(Table, static=True, known_after=HOUR):
        origin: Key[str]

    return Weather


def known_never() -> Any:
    class Weather(Table, known_after=timedelta.max):
        origin: Key[str]
        hour: EventTime

    return Weather


def static_event() -> Any:
    class Landing(Event, static=True):
        tail: Key[str]

    return Landing


def event_without_time() -> Any:
    class Landing(Event, known_after=HOUR):
        tail: Key[str]

    return Landing


@pytest.mark.parametrize(
    ("declare", "why"),
    [
        (no_known, "does not say when a row becomes known"),
        (both_known, "both known_after and told say when"),
        (negative, "forecasts are not for look-ups"),
        (no_span, "known_after is a timedelta, not 3600"),
        (no_key, "it has no key"),
        (row_number, "a row number is no key"),
        (no_time, "from when a row is valid.*static=True"),
        (two_times, "marks hour, day as its event time"),
        (missing_time, "hour is its event time, and may not be missing"),
        (static_with_time, "leave out static=True or hour"),
        (static_with_delay, "leave out static=True or known_after"),
        (known_never, "no row would ever be known"),
        (static_event, "an event has a time"),
        (event_without_time, "mark a field EventTime"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused_with_its_place(
    declare: Callable[[], Any], why: str
) -> None:
    with pytest.raises(DeclarationError, match=why) as refused:
        declare().declaration()
    assert "(asof/test_table_types.py:" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_records_and_outcomes_have_no_known_time() -> None:
    class Asking(Record):
        key: Key[str]
        told: KnownTime

    class Told(Outcome):
        told: KnownTime

    for declared in (Asking, Told):
        with pytest.raises(DeclarationError, match="marks told as its known time"):
            declared.schema()


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
    assert "by (asof/test_table_types.py:" in str(refused.value)


REDUCTIONS = "one of 'count', 'sum', 'mean', 'min', 'max', 'last', 'distinct'"


@pytest.mark.parametrize(
    ("declare", "why"),
    [
        (lambda: lookup(Passage), "Passage'>; give a class that is declared as Table."),
        (lambda: lookup("weather"), "table is 'weather'; give a class that is declared as Table."),
        (lambda: window(Gauge, over=HOUR), "Gauge'>; give a class that is declared as Event."),
        (lambda: window(Passage), "@window: missing a required argument: 'over'; it takes event, "),
        (lambda: window(Passage, over=HOUR, hwo=[]), "@window takes no 'hwo'; did you mean 'how'?"),
        (
            lambda: window(Passage, over=HOUR, how="sum"),
            f"give a list, each {REDUCTIONS}",
        ),
        (lambda: window(Passage, over=HOUR, how=["avg"]), f"how[0] is 'avg'; give {REDUCTIONS}."),
        (lambda: window(Passage, over=HOUR, how=["count", "means"]), "(did you mean 'mean'?)."),
    ],
)
def test_what_no_decorator_takes_is_told_with_what_it_takes(
    declare: Callable[[], Any], why: str
) -> None:
    with pytest.raises(DeclarationError) as refused:
        declare()
    assert why in str(refused.value)


def test_a_table_of_nothing_but_keys_or_with_a_field_age_is_not_looked_up() -> None:
    class Bare(Table, known_after=HOUR):
        station: Key[str]
        at: EventTime

    class Aged(Table, known_after=HOUR):
        station: Key[str]
        at: EventTime
        age: float

    with pytest.raises(DeclarationError, match="nothing to look up"):
        lookup(Bare)(by)
    with pytest.raises(DeclarationError, match="a field 'age'"):
        lookup(Aged)(by)


class Measured(Record):
    reading: Key[str]
    at: EventTime
    station: str
    sensor: int | None


class Found(Outcome):
    truth: str


def first(station: Texts, at: Times) -> Asked:
    return Asked(station, as_of=at)


def timeless(station: Texts, sensor: Floats) -> Asked:
    return Asked(station, sensor)


def swapped(station: Texts, sensor: Floats, at: Times) -> Asked:
    return Asked(sensor, station, as_of=at)


def bare(station: Texts) -> Any:
    return station


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (first, "asks by 1 array, and the key of the table 'gauge' is station, sensor"),
        (timeless, "does not say as of when"),
        (swapped, "asks for 'station' by an array of float64.* holds Texts"),
        (bare, "must return Asked"),
    ],
)
def test_a_function_that_asks_in_another_way_is_refused_when_its_pipeline_is_declared(
    build: Build, function: Any, why: str
) -> None:
    with pytest.raises(DeclarationError, match=why) as refused:
        build(lookup(Gauge)(function), record=Measured)
    assert f"Lookup {function.__name__} (asof/test_table_types.py:" in str(refused.value)


def test_a_static_table_is_asked_without_a_time(build: Build) -> None:
    class Site(Table, static=True):
        station: Key[str]
        height: float

    with pytest.raises(DeclarationError, match="static: leave out as_of"):
        build(lookup(Site)(first), record=Measured)
    with pytest.raises(DeclarationError, match="no age; leave out within"):
        lookup(Site, within=HOUR)(first)


def test_times_are_times(build: Build) -> None:
    @lookup(Gauge)
    def gauge(station: Texts, sensor: Floats) -> Asked:
        return Asked(station, sensor, as_of=sensor)

    with pytest.raises(FunctionError, match=r"Lookup gauge .* returned an array of float64"):
        build(gauge, record=Measured)


def test_a_key_of_another_length_is_refused_when_it_is_asked(build: Build) -> None:
    @lookup(Gauge)
    def gauge(station: Texts, sensor: Floats, at: Times) -> Asked:
        return Asked(station[:3], sensor, as_of=at)

    made = build(gauge, record=Measured).with_tables({"gauge": no_rows()})
    columns = {
        "reading": np.array(list("abcd"), dtype=object),
        "station": np.array(list("abcd"), dtype=object),
        "sensor": np.ones(4),
        "at": moments([0] * 4),
    }
    with pytest.raises(FunctionError, match="returned 3 values for 4 rows"):
        made.evaluate(columns, ("gauge_level",))


def no_rows() -> TableRows:
    kinds = Gauge.schema().kinds
    columns = {name: np.empty(0, dtype=kind.dtype) for name, kind in kinds.items()}
    return TableRows.of(Gauge.declaration(), columns)


def test_an_input_that_comes_from_the_outcome_is_leakage(build: Build) -> None:
    @label
    def true(truth: Texts) -> Texts:
        return truth

    @lookup(Gauge)
    def leaking(truth: Texts, sensor: Floats, at: Times) -> Asked:
        return Asked(truth, sensor, as_of=at)

    @window(Passage, over=HOUR)
    def leaked(true: Texts, sensor: Floats, at: Times) -> Asked:
        return Asked(true, sensor, as_of=at)

    for node in (leaking, leaked):
        with pytest.raises(LeakageError, match=f"{node.name} .*known only after the fact"):
            build(node, true, record=Measured, outcome=Found)


def test_the_name_of_a_look_up_is_no_column_and_no_other_column_has_it(build: Build) -> None:
    gauge = lookup(Gauge)(by)

    @feature
    def wet(by: Floats) -> Floats:
        return by

    with pytest.raises(UnknownInputError, match="gives several: name one of by_level"):
        build(gauge, wet, record=Measured)

    @output
    def by_level(sensor: Floats) -> Floats:
        return sensor

    with pytest.raises(DuplicateNameError, match="'by_level'"):
        build(gauge, by_level, record=Measured)


def test_two_tables_of_one_name_are_refused(build: Build) -> None:
    class Gauge(Table, known_after=2 * HOUR):
        station: Key[str]
        at: EventTime
        level: float

    other = lookup(Gauge)(first)
    with pytest.raises(DuplicateNameError, match="two tables of the name 'gauge'"):
        build(other, lookup(globals()["Gauge"])(by), record=Measured)


# Rows


def test_rows_of_another_declaration_or_none_are_refused(build: Build) -> None:
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
    kinds = Gauge.schema().kinds
    columns = {each: np.zeros(1, dtype=kind.dtype) for each, kind in kinds.items()}
    columns["station"] = columns["note"] = np.array(["a"], dtype=object)
    columns.pop(name)
    if array is not None:
        columns[name] = array
    with pytest.raises(InputError, match=f"gauge.* {why}"):
        TableRows.of(Gauge.declaration(), columns)
