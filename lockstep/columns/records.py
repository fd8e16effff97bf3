"""Record and outcome types, and what they share with tables: what a row is declared to hold."""

from __future__ import annotations

import ast
import inspect
import types
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin
from typing import get_type_hints as _get_type_hints
from weakref import WeakKeyDictionary
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from lockstep.columns.plain import listed, show
from lockstep.columns.schema import Field, Schema
from lockstep.columns.setting_checks import declaration
from lockstep.columns.syntax import parse, source_of
from lockstep.errors import DeclarationError

T = TypeVar("T")

_KEY = "lockstep: key"
_EVENT_TIME = "lockstep: event time"
_KNOWN_TIME = "lockstep: known time"
_ROW_NUMBER = "lockstep: row number"

Key = Annotated[T, _KEY]
"""Marks the field that names a row, as in `flight_id: Key[str]`."""

EventTime = Annotated[datetime, _EVENT_TIME]
"""Marks the field that says when the row happened."""

KnownTime = Annotated[datetime, _KNOWN_TIME]
"""Marks the field of a table that says when its row became known."""

RowNumber = Annotated[int, _KEY, _ROW_NUMBER]
"""Marks the key of rows that have no name: their position in the input, from 0.

A column of the field's name in the data is used instead, if there is one.
"""


@declaration
@dataclass(frozen=True)
class Named:
    """Marks a field whose column has another name in data, as in `Annotated[int, Named("class")]`.

    Data that names the column like the field is understood as well.
    """

    name: str


@declaration
@dataclass(frozen=True, init=False)
class Missing:
    """Marks texts that stand for no value, as in `Annotated[float | None, Missing("NA", "?")]`."""

    texts: tuple[str, ...]

    def __init__(self, *texts: str) -> None:
        object.__setattr__(self, "texts", texts)


@declaration
@dataclass(frozen=True)
class Zone:
    """Marks a time that comes without a zone, as in `Annotated[datetime, Zone("Europe/Berlin")]`.

    Dates are midnights there. A time that has a zone keeps it; one that the clocks of the zone
    show twice or never, where they change, is refused.
    """

    name: str


class Personal:
    """Marks a field that tells of a person, as in `Annotated[str, Personal]`.

    Its values, and what functions compute of them, are kept out of logs, golden records, findings
    and pages. What a model predicts of them is not personal.
    """


_ROLES = {_KEY: "key", _EVENT_TIME: "event_time", _KNOWN_TIME: "known_time"}
"""By mark, the role of a field."""
_SCALARS: dict[type, str] = {kind: kind.__name__ for kind in (float, int, bool, str, datetime)}


class Fields(tuple[str, ...]):
    """The names of many fields that are declared alike; see `fields`."""

    declared: Any


def fields(declared: Any, names: Iterable[str]) -> Fields:
    """Declare many fields of one type at once, inside a `Record` or an `Outcome`.

    Args:
        declared: Their type, as it would stand beside a name, such as `float | None`.
        names: Their names, each fit to be the parameter of a function.

    Returns:
        The names, in order: `uses=[*Reading.sensors]` gives them to a model.

    >>> class Reading(Record):
    ...     reading_id: Key[str]
    ...     sensors = fields(float | None, (f"sensor_{number}" for number in range(2000)))
    >>> len(Reading.schema().names)
    2001

    Raises:
        DeclarationError: A name is no identifier, or occurs twice.
    """
    together = Fields([names] if isinstance(names, str) else names)
    together.declared = declared
    strange = [name for name in together if not str(name).isidentifier()]
    if strange:
        raise DeclarationError(
            f"fields(...): {listed(map(show, strange), 3)} cannot name a column; a name is made of "
            "letters, digits and underscores, and does not begin with a digit."
        )
    twice = [name for name, times in Counter(together).items() if times > 1]
    if twice:
        raise DeclarationError(f"fields(...) names {listed(twice, 3)} more than once.")
    return together


class Declared:
    """What record, outcome and table types have in common.

    A type of the library says how messages call it, in `_noun`; one without it is an author's, and
    its annotations are fields.
    """

    _noun = ""

    @classmethod
    def schema(cls) -> Schema:
        """The fields that this type declares.

        Raises `DeclarationError` where a field has a type that no column can hold, or there is not
        one key.
        """
        schema = _schemas.get(cls)
        if schema is None:
            schema = _schemas[cls] = _schema_of(cls)
        return schema

    @classmethod
    def _check(cls, schema: Schema) -> None:
        """Raise `DeclarationError` if the marks of the fields do not suit such a type."""


class Record(Declared):
    """A raw row, as it is known when a prediction is asked for.

    Subclasses declare fields by annotation: `float`, `int`, `bool`, `str`, `datetime` or
    `Literal["a", "b"]`, each with `| None` where it may be missing; one field is a `Key[...]`,
    and one may be the `EventTime`. A comment at the end of a field's line describes it. Many
    fields of one type are declared at once with `fields`.

    >>> class Passenger(Record):
    ...     name: Key[str]
    ...     age: float | None  # years
    >>> Passenger.schema().key
    'name'
    """

    _noun = "record"

    @classmethod
    def _check(cls, schema: Schema) -> None:
        for role, title in (("key", "key"), ("event_time", "event time")):
            marked = schema.marked(role)
            if len(marked) > 1:
                raise DeclarationError(
                    f"{cls.__name__} marks {' and '.join(marked)} as its {title}; mark one."
                )
        _check_no_known_time(cls, schema)
        if schema.key is None:
            raise DeclarationError(
                f"{cls.__name__} has no key: mark the field that names a row with Key[str]."
            )


class Outcome(Declared):
    """The outcome of a row, known only later. Subclasses declare fields as a `Record` does."""

    _noun = "outcome"

    @classmethod
    def _check(cls, schema: Schema) -> None:
        for role, title in (("key", "key"), ("event_time", "event time")):
            if marked := schema.marked(role):
                raise DeclarationError(
                    f"{cls.__name__} marks {marked[0]} as its {title}; an outcome has those of "
                    "its record."
                )
        _check_no_known_time(cls, schema)


def _check_no_known_time(declared: type[Declared], schema: Schema) -> None:
    if marked := schema.marked("known_time"):
        raise DeclarationError(
            f"{declared.__name__} marks {marked[0]} as its known time, which the rows of a table "
            f"have; no {declared._noun} has one."
        )


_schemas: WeakKeyDictionary[type[Declared], Schema] = WeakKeyDictionary()
"""Made once for each type, and no longer kept than the type itself: versions come and go."""


def _schema_of(declared: type[Declared]) -> Schema:
    comments = _field_comments(declared)
    members = (*_annotated(declared, comments), *_declared_alike(declared, comments))
    if not members:
        raise DeclarationError(f"{declared.__name__} declares no field.")
    twice = [name for name, times in Counter(field.name for field in members).items() if times > 1]
    if twice:
        raise DeclarationError(f"{declared.__name__} declares {listed(twice, 3)} more than once.")
    schema = Schema(declared.__name__, members)
    declared._check(schema)
    return schema


def _annotated(declared: type[Declared], comments: Mapping[str, str]) -> list[Field]:
    held = {name: value for owner in _owners(declared) for name, value in vars(owner).items()}
    annotations = {
        name: annotation
        for name, annotation in _annotations(declared).items()
        if not isinstance(held.get(name), Fields)
    }
    for name in annotations:
        if name in held:
            raise DeclarationError(
                f"{declared.__name__}.{name} has a default, and a field has none: what is missing "
                "stays missing until a feature replaces it."
            )
    return [
        _field(declared, name, annotation, comments.get(name, ""))
        for name, annotation in annotations.items()
    ]


def _declared_alike(declared: type[Declared], comments: Mapping[str, str]) -> list[Field]:
    """The fields that `fields` declares."""
    return [
        _field(declared, name, together.declared, comments.get(attribute, ""))
        for owner in _owners(declared)
        for attribute, together in vars(owner).items()
        if isinstance(together, Fields)
        for name in together
    ]


def _owners(declared: type[Declared]) -> list[type]:
    """The type and its bases, the first base first; those of the library declare no field."""
    owners = reversed(declared.__mro__)
    return [owner for owner in owners if owner is not object and "_noun" not in vars(owner)]


def _annotations(declared: type[Declared]) -> dict[str, Any]:
    try:
        return _get_type_hints(declared, include_extras=True)
    except NameError as error:
        raise DeclarationError(
            f"{declared.__name__}: an annotation is not defined: {error}."
        ) from error


def _field(owner: type, name: str, annotation: Any, doc: str) -> Field:
    annotation, marks = _unmark(annotation)
    annotation, optional = _unwrap_optional(annotation)
    annotation, inner = _unmark(annotation)
    marks = [*marks, *inner]
    role = next((role for mark, role in _ROLES.items() if mark in marks), "value")
    choices = None
    if get_origin(annotation) is Literal:
        choices = get_args(annotation)
        if not all(isinstance(choice, str) for choice in choices):
            raise DeclarationError(
                f"{owner.__name__}.{name}: Literal may hold text only, not {choices}."
            )
        annotation = str
    declared = _SCALARS.get(annotation)
    if declared is None:
        raise DeclarationError(
            f"{owner.__name__}.{name} is declared {annotation!r}, which no column can hold; use "
            "float, int, bool, str, datetime or Literal[...], each with `| None` where it may be "
            "missing."
        )
    if role == "key" and (optional or declared not in ("str", "int")):
        raise DeclarationError(
            f"{owner.__name__}.{name}: a key is str or int and never missing, not "
            f"{declared}{' | None' if optional else ''}."
        )
    if Personal in marks and role != "value":
        raise DeclarationError(
            f"{owner.__name__}.{name} is Personal, and a {role.replace('_', ' ')}, which findings, "
            "logs and pages show: name rows by something else."
        )
    return Field(
        name,
        declared,
        optional,
        role,
        choices,
        doc,
        alias=next((mark.name for mark in marks if isinstance(mark, Named)), None),
        zone=_zone(f"{owner.__name__}.{name}", declared, marks),
        is_row_number=_ROW_NUMBER in marks,
        missing=_missing(f"{owner.__name__}.{name}", optional, marks),
        personal=Personal in marks,
    )


def _missing(where: str, optional: bool, marks: list[Any]) -> tuple[str, ...]:
    texts = tuple(text for mark in marks if isinstance(mark, Missing) for text in mark.texts)
    if texts and not optional:
        raise DeclarationError(f"{where} has texts that stand for no value; add `| None`.")
    return texts


def _zone(where: str, declared: str, marks: list[Any]) -> str | None:
    name = next((mark.name for mark in marks if isinstance(mark, Zone)), None)
    if name is None:
        return None
    if declared != "datetime":
        raise DeclarationError(f"{where} is declared {declared}; only a datetime has a Zone.")
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise DeclarationError(
            f"{where}: there is no time zone {name!r}; use a name such as 'Europe/Berlin' or 'UTC'."
        ) from error
    return name


def _unmark(annotation: Any) -> tuple[Any, list[Any]]:
    if get_origin(annotation) is Annotated:
        inner, *marks = get_args(annotation)
        return inner, marks
    return annotation, []


def _unwrap_optional(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation, False
    members = [member for member in get_args(annotation) if member is not type(None)]
    if len(members) == 1:
        return members[0], True
    return annotation, False


def _field_comments(declared: type) -> dict[str, str]:
    """The comment at the end of each field's line; none where the source is out of reach."""
    comments: dict[str, str] = {}
    for owner in _owners(declared):
        try:
            source = source_of(owner)
        except (OSError, TypeError):
            continue
        text = inspect.cleandoc("\n" + source)
        lines = text.encode().split(b"\n")  # Python's lines and columns: of bytes, by \n alone
        definition = parse(text).body[0]
        for node in definition.body if isinstance(definition, ast.ClassDef) else ():
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", 0)]
            for target in targets:
                if isinstance(target, ast.Name):
                    _, _, comment = lines[(node.end_lineno or node.lineno) - 1][
                        node.end_col_offset or 0 :
                    ].partition(b"#")
                    comments[target.id] = comment.decode().strip()
    return comments
