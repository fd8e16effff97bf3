"""Schemas: what the fields of a record are declared to hold, as plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
import numpy as np

from lockstep.columns.kinds import Columns, Kind, example_array

_KINDS = {
    "float": Kind.FLOAT,
    "int": Kind.INT,
    "bool": Kind.BOOL,
    "str": Kind.TEXT,
    "datetime": Kind.TIME,
}


@dataclass(frozen=True)
class Field:
    """One declared field of a record."""

    name: str
    declared: str  # `float`, `int`, `bool`, `str` or `datetime`
    optional: bool = False  # whether it may be missing (`| None`)
    role: str = "value"  # `"key"`, `"event_time"`, `"known_time"` or `"value"`
    choices: tuple[str, ...] | None = None  # of a `Literal[...]`; None where any text will do
    doc: str = ""  # the comment beside its declaration
    alias: str | None = None  # name of its column in data, where that is another
    zone: str | None = None  # zone of times that come without one; None where each has its own
    is_row_number: bool = False  # whether it is the row's position where data has no such column
    missing: tuple[str, ...] = ()  # texts that stand for no value
    personal: bool = False  # whether it tells of a person

    @cached_property
    def kind(self) -> Kind:
        """What its array holds: optional integers and booleans are floats, to hold NaN."""
        if self.optional and self.declared in ("int", "bool"):
            return Kind.FLOAT
        return _KINDS[self.declared]

    @property
    def stand_in(self) -> Any:
        """A value that takes the place of a personal one: missing, or else any that fits."""
        return example_array(self.kind, optional=self.optional, choices=self.choices)[-1]

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

    def marked(self, role: str) -> tuple[str, ...]:
        """Names of the fields that have a role, in order."""
        return tuple(field.name for field in self.fields if field.role == role)

    @cached_property
    def personal(self) -> frozenset[str]:
        """Names of the fields that tell of a person."""
        return frozenset(field.name for field in self.fields if field.personal)

    @cached_property
    def key(self) -> str | None:
        """Name of the field that names a row; None for an outcome."""
        return next(iter(self.marked("key")), None)

    @cached_property
    def event_time(self) -> str | None:
        """Name of the field that says when the row happened, if there is one."""
        return next(iter(self.marked("event_time")), None)

    @cached_property
    def aliases(self) -> dict[str, str]:
        """Names of fields by the other name that their columns have in data."""
        return {field.alias: field.name for field in self.fields if field.alias is not None}

    @cached_property
    def kinds(self) -> dict[str, Kind]:
        """What each field's array holds."""
        return {field.name: field.kind for field in self.fields}

    def without_personal(self, columns: Columns) -> Columns:
        """Columns with stand-ins in the place of personal values."""
        return {
            name: np.full_like(array, self[name].stand_in) if name in self.personal else array
            for name, array in columns.items()
        }

    def joined(self, other: Schema | None) -> Schema:
        """This schema with the fields of another after its own."""
        if other is None:
            return self
        return Schema(f"{self.name} with {other.name}", self.fields + other.fields)

    def to_json(self) -> dict[str, Any]:
        """As plain data, for storage."""
        return msgspec.json.decode(msgspec.json.encode(self), type=dict[str, Any])

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Schema:
        """The schema that `to_json` wrote."""
        return msgspec.convert(data, cls)
