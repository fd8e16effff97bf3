"""Table and event types: what the rows of a table are declared to hold, and when each is known."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

from lockstep.columns.nodes import short_location
from lockstep.columns.plain import listed, show
from lockstep.columns.records import Declared
from lockstep.columns.schema import Schema
from lockstep.columns.table_schema import LONGEST_SPAN, TableSchema
from lockstep.errors import DeclarationError


class _Tabular(Declared):
    """What table and event types have in common."""

    _noun = "table"
    _known_after = cast("timedelta | None", None)  # an annotation would be a field
    _static = False
    _identity = cast("tuple[str, ...] | None", None)
    _location = ""

    def __init_subclass__(
        cls,
        *,
        known_after: timedelta | None = None,
        static: bool | None = None,
        identity: Sequence[str] | None = None,
        **others: Any,
    ) -> None:
        super().__init_subclass__(**others)
        if "_noun" in vars(cls):
            return
        caller = sys._getframe(1)
        cls._location = short_location(caller.f_code.co_filename, caller.f_lineno)
        if known_after is not None:
            if not isinstance(known_after, timedelta):
                raise cls._error(f"known_after is a timedelta, not {show(known_after)}")
            if known_after < timedelta(0):
                raise cls._error(
                    "known_after is negative, so its rows would be known before they are valid; "
                    "forecasts are not for look-ups and windows"
                )
            if known_after > LONGEST_SPAN:
                raise cls._error(
                    f"known_after is {known_after.days:,} days, so no row would ever be known"
                )
            cls._known_after = known_after
        if static is not None:
            cls._static = static
        if identity is not None:
            cls._identity = (identity,) if isinstance(identity, str) else tuple(identity)

    @classmethod
    def declaration(cls) -> TableSchema:
        """The fields that this type declares, and when its rows are known."""
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", cls.__name__)
        is_event = issubclass(cls, Event)
        return TableSchema(
            name.lower(), cls.schema(), cls._known_after, is_event, cls._static, cls._identity
        )

    @classmethod
    def _check(cls, schema: Schema) -> None:
        keys = [field for field in schema if field.role == "key"]
        if not keys:
            raise cls._error("it has no key: mark the fields by which rows are found with Key[str]")
        if any(field.is_row_number for field in keys):
            raise cls._error("a row number is no key by which rows are found; use Key[int]")
        valid, known = schema.marked("event_time"), schema.marked("known_time")
        for marked, title in ((valid, "event time"), (known, "known time")):
            if len(marked) > 1:
                raise cls._error(f"it marks {listed(marked)} as its {title}; mark one")
            if marked and schema[marked[0]].optional:
                raise cls._error(f"{marked[0]} is its {title}, and may not be missing")
        cls._check_times(valid, known)
        if cls._identity is not None:
            if not issubclass(cls, Event):
                raise cls._error("its key and time identify a row; leave out identity")
            unknown = [name for name in cls._identity if name not in schema.names]
            if unknown:
                raise cls._error(f"identity names {listed(unknown)}, which it does not declare")

    @classmethod
    def _check_times(cls, valid: tuple[str, ...], known: tuple[str, ...]) -> None:
        after = cls._known_after
        if cls._static:
            if issubclass(cls, Event):
                raise cls._error("an event has a time; leave out static=True, or declare a Table")
            if valid or known or after is not None:
                has = " and ".join(
                    (*valid, *known, *(["known_after"] if after is not None else []))
                )
                raise cls._error(f"a static table has no times; leave out static=True or {has}")
        elif not valid:
            static = "" if issubclass(cls, Event) else ", or declare the table with static=True"
            raise cls._error(
                f"it does not say from when a row is valid: mark a field EventTime{static}"
            )
        elif not known and after is None:
            raise cls._error(
                "it does not say when a row becomes known: give known_after=timedelta(...), or "
                "mark a field KnownTime"
            )
        elif known and after is not None:
            raise cls._error(
                f"both known_after and {known[0]} say when a row becomes known; leave out one"
            )

    @classmethod
    def _error(cls, what: str) -> DeclarationError:
        return DeclarationError(
            f"{cls._noun.capitalize()} {cls.__name__} ({cls._location}): {what}."
        )


class Table(_Tabular):
    """A table in which columns are looked up: one row is valid for a key at a time.

    Subclasses declare fields as a `Record` does. One or more are a `Key[...]`; one is the
    `EventTime`, from which on a row is valid. When a row becomes known is said by a field that is a
    `KnownTime`, or by the argument `known_after` of the class. A table whose rows have no time is
    declared with `static=True`.

    >>> class Weather(Table, known_after=timedelta(hours=1)):
    ...     airport: Key[str]
    ...     hour: EventTime
    ...     temp: float | None  # degrees Fahrenheit
    >>> Weather.declaration().values
    ('temp',)
    """

    _noun = "table"


class Event(_Tabular):
    """Events over which windows reach: any number of rows for a key at a time.

    Subclasses declare fields as a `Table` does, a time always among them. Where the argument
    `identity` of the class names fields, a later row that has key, time and these fields of an
    earlier one takes its place once it is received.

    >>> class Sale(Event, known_after=timedelta(hours=1), identity=["receipt"]):
    ...     shop: Key[str]
    ...     sold_at: EventTime
    ...     receipt: str
    ...     price: float
    """

    _noun = "event"
