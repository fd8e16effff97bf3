"""The declaration of a table as plain data: its fields, and when its rows are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from typing import Any

from lockstep.columns.kinds import Kind
from lockstep.columns.schema import Schema

_MICROSECOND = timedelta(microseconds=1)
LONGEST_SPAN = date.max - date.min
"""The longest span between two times; a longer one would leave the range of an array's clock."""


@dataclass(frozen=True)
class TableSchema:
    """The declaration of a table, as plain data."""

    name: str  # that of its type in snake case
    schema: Schema
    known_after: timedelta | None = None  # from valid to known; None where a field says it
    is_event: bool = False  # whether windows reach over its rows
    static: bool = False  # whether its rows have no time
    # Of events: the fields that tell those of one key and time apart, of which a later one takes
    # the place of the one with the same values; None for all fields.
    identity: tuple[str, ...] | None = None

    @cached_property
    def identifying(self) -> tuple[str, ...]:
        """Names of the fields of which a later row with the same values replaces an earlier one."""
        if self.is_event and self.identity is None:
            return self.schema.names
        known = None if self.is_event else self.known
        times = (name for name in (self.valid, known) if name is not None)
        return (*self.keys, *times, *(self.identity or ()))

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Names of the key's fields, in order."""
        return self.schema.marked("key")

    @cached_property
    def valid(self) -> str | None:
        """Name of the field that says from when a row is valid; None for a static table."""
        return self.schema.event_time

    @cached_property
    def known(self) -> str | None:
        """Name of the field that says when a row became known; None if there is none."""
        return next(iter(self.schema.marked("known_time")), None)

    @cached_property
    def values(self) -> tuple[str, ...]:
        """Names of the fields that a look-up gives: all but keys and times of the row."""
        return self.schema.marked("value")

    def optional_kind(self, name: str) -> Kind:
        """What the array of a field holds where no row may be found."""
        return replace(self.schema[name], optional=True).kind

    def is_same_as(self, other: TableSchema) -> bool:
        """Whether both declare the same but for comments."""
        return self.undocumented == other.undocumented

    @cached_property
    def undocumented(self) -> TableSchema:
        """The declaration without its comments, and without marks that say nothing of the rows."""
        fields = tuple(replace(field, doc="", personal=False) for field in self.schema)
        return replace(self, schema=Schema(self.schema.name, fields))

    def to_json(self) -> dict[str, Any]:
        """As plain data, for storage."""
        after = self.known_after
        return {
            "name": self.name,
            "schema": self.schema.to_json(),
            "known_after_us": None if after is None else after // _MICROSECOND,
            "is_event": self.is_event,
            "static": self.static,
            "identity": self.identity,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TableSchema:
        """The declaration that `to_json` wrote."""
        after = data["known_after_us"]
        return cls(
            data["name"],
            Schema.from_json(data["schema"]),
            None if after is None else after * _MICROSECOND,
            data["is_event"],
            data["static"],
            None if data.get("identity") is None else tuple(data["identity"]),
        )
