"""Record and outcome types: what a row is declared to hold."""

from __future__ import annotations

import ast
import inspect
import types
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin
from typing import get_type_hints as _get_type_hints
from weakref import WeakKeyDictionary
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from lockstep.columns.errors import DeclarationError
from lockstep.columns.kinds import Kind
from lockstep.columns.plain import listed, show

T = TypeVar("T")

_KEY = "lockstep: key"
_EVENT_TIME = "lockstep: event time"
_ROW_NUMBER = "lockstep: row number"

Key = Annotated[T, _KEY]
"""Marks the field that names a row, as in `flight_id: Key[str]`."""

EventTime = Annotated[datetime, _EVENT_TIME]
"""Marks the field that says when the row happened."""

RowNumber = Annotated[int, _KEY, _ROW_NUMBER]
"""Marks the key of rows that have no name: their position in what they came in, from 0.

Data that has a column of the field's name is taken at its word.
"""


@dataclass(frozen=True)
class Named:
    """Marks a field whose column has another name in data, as in `Annotated[int, Named("class")]`.

    Data that names the column like the field is understood as well.
    """

    name: str


@dataclass(frozen=True, init=False)
class Missing:
    """Marks texts that stand for no value, as in `Annotated[float | None, Missing("NA", "?")]`."""

    texts: tuple[str, ...]

    def __init__(self, *texts: str) -> None:
        object.__setattr__(self, "texts", texts)


@dataclass(frozen=True)
class Zone:
    """Marks a time that comes without a zone, as in `Annotated[datetime, Zone("Europe/Berlin")]`.

    Dates are midnights there. A time that has a zone keeps it; one that the clocks of the zone
    show twice or never, where they change, is refused.
    """

    name: str


_SCALARS: dict[type, str] = {
    float: "float",
    int: "int",
    bool: "bool",
    str: "str",
    datetime: "datetime",
}
_KINDS = {
    "float": Kind.FLOAT,
    "int": Kind.INT,
    "bool": Kind.BOOL,
    "str": Kind.TEXT,
    "datetime": Kind.TIME,
}


@dataclass(frozen=True)
class Field:
    """One declared field of a record.

    Attributes:
        name: Its name, and the name of its column.
        declared: `float`, `int`, `bool`, `str` or `datetime`.
        optional: Whether it may be missing (`| None`).
        role: `"key"`, `"event_time"` or `"value"`.
        choices: What a `Literal[...]` admits; None where any text will do.
        doc: The comment beside its declaration.
        alias: Name of its column in data; None where that is the field's.
        zone: Zone of times that come without one; None where each has its own.
        is_row_number: Whether it is the row's position where data has no such column.
        missing: Texts that stand for no value.
    """

    name: str
    declared: str
    optional: bool = False
    role: str = "value"
    choices: tuple[str, ...] | None = None
    doc: str = ""
    alias: str | None = None
    zone: str | None = None
    is_row_number: bool = False
    missing: tuple[str, ...] = ()

    @cached_property
    def kind(self) -> Kind:
        """What its array holds: optional integers and booleans are floats, to hold NaN."""
        if self.optional and self.declared in ("int", "bool"):
            return Kind.FLOAT
        return _KINDS[self.declared]

    @property
    def declared_name(self) -> str:
        """The declaration as a person wrote it, such as `int | None`."""
        name = self.declared
        if self.choices is not None:
            name = f"Literal[{', '.join(map(repr, self.choices))}]"
        return f"{name} | None" if self.optional else name


@dataclass(frozen=True)
class Schema:
    """The fields of a record type, in the order of their declaration."""

    name: str
    fields: tuple[Field, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the fields, in order."""
        return tuple(field.name for field in self.fields)

    @cached_property
    def _by_name(self) -> Mapping[str, Field]:
        return {field.name: field for field in self.fields}

    @cached_property
    def _hash(self) -> int:
        return hash((self.name, self.fields))

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[Any, ...]:
        return Schema, (self.name, self.fields)  # a hash holds in its own process only

    def __getitem__(self, name: str) -> Field:
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    def _role(self, role: str) -> str | None:
        return next((field.name for field in self.fields if field.role == role), None)

    @cached_property
    def key(self) -> str | None:
        """Name of the field that names a row; None for an outcome."""
        return self._role("key")

    @cached_property
    def event_time(self) -> str | None:
        """Name of the field that says when the row happened, if there is one."""
        return self._role("event_time")

    @cached_property
    def aliases(self) -> dict[str, str]:
        """Names of fields by the other name that their columns have in data."""
        return {field.alias: field.name for field in self.fields if field.alias is not None}

    @cached_property
    def row_number(self) -> str | None:
        """Name of the key, if rows without one are numbered."""
        return next((field.name for field in self.fields if field.is_row_number), None)

    @cached_property
    def kinds(self) -> dict[str, Kind]:
        """What each field's array holds."""
        return {field.name: field.kind for field in self.fields}

    def joined(self, other: Schema | None) -> Schema:
        """This schema with the fields of another after its own."""
        if other is None:
            return self
        return Schema(f"{self.name} with {other.name}", self.fields + other.fields)

    def to_json(self) -> dict[str, Any]:
        """As plain data, for storage."""
        return {
            "name": self.name,
            "fields": [
                {
                    "name": field.name,
                    "declared": field.declared,
                    "optional": field.optional,
                    "role": field.role,
                    "choices": list(field.choices) if field.choices is not None else None,
                    "doc": field.doc,
                    "alias": field.alias,
                    "zone": field.zone,
                    "is_row_number": field.is_row_number,
                    "missing": list(field.missing),
                }
                for field in self.fields
            ],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Schema:
        """The schema that `to_json` wrote."""
        fields = (
            Field(
                **{
                    **item,
                    "choices": tuple(item["choices"]) if item["choices"] else None,
                    "missing": tuple(item.get("missing", ())),
                }
            )
            for item in data["fields"]
        )
        return cls(data["name"], tuple(fields))


class Fields(tuple[str, ...]):
    """The names of many fields that are declared alike; see `fields`."""

    declared: Any


def fields(declared: Any, names: Iterable[str]) -> Fields:
    """Declare many fields of one type at once, inside a `Record` or an `Outcome`.

    Args:
        declared: Their type, as it would stand beside a name: `float | None`, for one.
        names: Their names, each fit to be the parameter of a function.

    Returns:
        The names, in order: `uses=[*Reading.sensors]` gives them to a model.

    Raises:
        DeclarationError: A name is no identifier, or stands there twice.

    >>> class Reading(Record):
    ...     reading_id: Key[str]
    ...     sensors = fields(float | None, (f"sensor_{number}" for number in range(2000)))
    >>> len(Reading.schema().names)
    2001
    """
    found = Fields([names] if isinstance(names, str) else names)
    found.declared = declared
    strange = [name for name in found if not str(name).isidentifier()]
    if strange:
        raise DeclarationError(
            f"fields(...): {listed(map(show, strange), 3)} cannot name a column; a name is made of "
            "letters, digits and underscores, and does not begin with a digit."
        )
    twice = [name for name, times in Counter(found).items() if times > 1]
    if twice:
        raise DeclarationError(f"fields(...) names {listed(twice, 3)} more than once.")
    return found


class _Declared:
    """What record and outcome types have in common."""

    @classmethod
    def schema(cls) -> Schema:
        """The fields that this type declares.

        Raises:
            DeclarationError: A field has a type that no column can hold, or the key is
                missing or declared twice.
        """
        found = _schemas.get(cls)
        if found is None:
            found = _schemas[cls] = _schema_of(cls)
        return found


class Record(_Declared):
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


class Outcome(_Declared):
    """What became of a row, known only later. Subclasses declare fields as a `Record` does."""


_BASES = (_Declared, Record, Outcome, object)


_schemas: WeakKeyDictionary[type[_Declared], Schema] = WeakKeyDictionary()
"""Made once for each type, and no longer kept than the type itself: versions come and go."""


def _schema_of(declared: type[_Declared]) -> Schema:
    comments = _field_comments(declared)
    found = (*_annotated(declared, comments), *_declared_alike(declared, comments))
    if not found:
        raise DeclarationError(f"{declared.__name__} declares no field.")
    twice = [name for name, times in Counter(field.name for field in found).items() if times > 1]
    if twice:
        raise DeclarationError(f"{declared.__name__} declares {listed(twice, 3)} more than once.")
    schema = Schema(declared.__name__, found)
    for role, title in (("key", "key"), ("event_time", "event time")):
        marked = [field.name for field in found if field.role == role]
        if marked and not issubclass(declared, Record):
            raise DeclarationError(
                f"{declared.__name__} marks {marked[0]} as its {title}; an outcome has those of "
                "its record."
            )
        if len(marked) > 1:
            raise DeclarationError(
                f"{declared.__name__} marks {' and '.join(marked)} as its {title}; mark one."
            )
    if issubclass(declared, Record) and schema.key is None:
        raise DeclarationError(
            f"{declared.__name__} has no key: mark the field that names a row with Key[str]."
        )
    return schema


def _annotated(declared: type[_Declared], comments: Mapping[str, str]) -> list[Field]:
    """The fields that are declared by an annotation."""
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


def _declared_alike(declared: type[_Declared], comments: Mapping[str, str]) -> list[Field]:
    """The fields that are declared many at once."""
    return [
        _field(declared, name, together.declared, comments.get(attribute, ""))
        for owner in _owners(declared)
        for attribute, together in vars(owner).items()
        if isinstance(together, Fields)
        for name in together
    ]


def _owners(declared: type[_Declared]) -> list[type]:
    """The type and those that it is derived from, the first of them first."""
    return [owner for owner in reversed(declared.__mro__) if owner not in _BASES]


def _annotations(declared: type[_Declared]) -> dict[str, Any]:
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
    role = "key" if _KEY in marks else "event_time" if _EVENT_TIME in marks else "value"
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
    for owner in reversed(declared.__mro__):
        if owner.__module__ == __name__ or owner is object:
            continue
        try:
            source = inspect.getsource(owner)
        except (OSError, TypeError):
            continue
        lines = inspect.cleandoc("\n" + source).splitlines()
        definition = ast.parse("\n".join(lines)).body[0]
        for node in definition.body if isinstance(definition, ast.ClassDef) else ():
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", 0)]
            for target in targets:
                if isinstance(target, ast.Name):
                    _, _, comment = lines[(node.end_lineno or node.lineno) - 1][
                        node.end_col_offset or 0 :
                    ].partition("#")
                    comments[target.id] = comment.strip()
    return comments
