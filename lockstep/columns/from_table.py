"""Nodes of a graph whose columns are read from the rows of a table: look-ups and windows."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, Protocol, TypeAlias

import numpy as np

from lockstep.columns.kinds import Array, Columns, Kind, Times, example_array
from lockstep.columns.nodes import Bound, Function, Node
from lockstep.columns.plain import counted, listed
from lockstep.columns.plans import settled
from lockstep.columns.returned import described
from lockstep.columns.schema import Field
from lockstep.columns.table_schema import TableSchema
from lockstep.errors import DeclarationError, FunctionError, FutureError, InputError

_KEY_KINDS = {Kind.TEXT: (Kind.TEXT,), Kind.INT: (Kind.INT, Kind.FLOAT)}
"""By kind of a table's key, the kinds in which it may be asked for."""
_Dtypes: TypeAlias = Sequence[np.dtype[Any]]
_OF_TIMES: _Dtypes = (Kind.TIME.dtype,)
CLOCK_TOLERANCE = timedelta(seconds=5)
"""How far the clock of whoever made a record may be ahead of the one here: those of machines that
follow a time server differ by less than a second, and of others by some."""
_TOLERANCE = CLOCK_TOLERANCE // timedelta(microseconds=1)


class Asked:
    """The keys and times as of which rows of a table are asked for, one a row of the record.

    Args:
        keys: An array for each field of the table's key, in its order; a missing value finds
            nothing.
        as_of: The times; None for a static table.
    """

    __slots__ = ("as_of", "keys")

    def __init__(self, *keys: Any, as_of: Any = None) -> None:
        self.keys = keys
        self.as_of = as_of


class Rows(Protocol):
    """The rows of a table."""

    @property
    def schema(self) -> TableSchema:
        """The declaration of the table."""


class Reads(Protocol):
    """Reads the columns of a look-up or window, read-only and in canonical form."""

    def __call__(self, columns: Columns, /) -> Columns:
        """Its columns of some rows."""

    def read(self, keys: Sequence[Array], as_of: Times | None, /) -> Columns:
        """Its columns for some keys and times."""


@dataclass(frozen=True, eq=False, kw_only=True)
class FromTable(Node):
    """A node whose function says which rows of a table to read.

    What it computes with is a callable of the record's columns that gives its columns, each
    read-only and in canonical form: a reader of the table's rows.
    """

    table: TableSchema
    function: Function  # from the arrays of its inputs, in order, to `Asked`
    ulps: int | None = 0

    @cached_property
    @abstractmethod
    def gives(self) -> Mapping[str, Kind]:
        """Its columns and what each holds."""

    @property
    @abstractmethod
    def origins(self) -> Mapping[str, Kind]:
        """What is told of the rows from which its columns are read, and what each holds."""

    @abstractmethod
    def reader(self, rows: Any, *, tells_origins: bool = False) -> Reads:
        """What reads its columns from these rows of its table, and `origins` if told."""

    @property
    def stands_for(self) -> tuple[str, ...]:
        """All its columns."""
        return tuple(self.gives)

    @property
    def is_canonical(self) -> bool:
        """Always."""
        return True

    @property
    def given_fields(self) -> tuple[Field, ...]:
        """Its columns as fields of a record that has them already."""
        declared = {Kind.FLOAT: "float", Kind.INT: "int", Kind.TEXT: "str", Kind.TIME: "datetime"}
        personal, prefix = self.table.schema.personal, f"{self.name}_"
        return tuple(
            Field(
                name,
                declared[kind],
                optional=kind is not Kind.INT,
                personal=getattr(self, "of", name.removeprefix(prefix)) in personal,
            )
            for name, kind in self.gives.items()
        )

    def compute(self, known: Columns, bound: Bound) -> Columns:
        """Read its columns from the rows of the table that are bound."""
        reader = bound.get(self.name)
        if reader is None:
            raise InputError(
                f"{self.title} has no rows of the table {self.table.name!r}: bind them by "
                "with_tables(...) of its pipeline, whose ledger `lockstep tables` lists; or give "
                f"{listed(self.gives)} with the record."
            )
        return reader(known)

    def example(self, known: Columns) -> Columns:
        """Made-up values, with a missing one; refuses a function that asks in another way."""
        asked = self._call(known)
        problem = self._problem(asked)
        if problem is None:
            for name, array in zip(self.table.keys, asked.keys, strict=True):
                problem = problem or self._misfit(name, np.asarray(array))
        if problem is not None:
            raise DeclarationError(f"{self.title} {problem}.")
        self.asked(known)
        return {
            name: example_array(kind, optional=kind is not Kind.INT)
            for name, kind in self.gives.items()
        }

    def asked(self, known: Columns) -> tuple[tuple[Array, ...], Times | None]:
        """The keys for which the function asks, and the times as of which; in canonical form.

        Raises:
            FunctionError: It returned something else.
            FutureError: A time has not come, beyond `CLOCK_TOLERANCE`.
        """
        given = [known[name] for name in self.inputs]
        if not len(given[0]):
            no_times = None if self.table.static else np.empty(0, Kind.TIME.dtype)
            return tuple(np.empty(0, dtypes[0]) for dtypes in self._key_dtypes), no_times
        asked = self._call(known)
        if (problem := self._problem(asked)) is not None:
            raise FunctionError(self.column, f"{self.title} {problem}.")
        rows = len(given[0])
        keys = tuple(
            [
                array if _is_given(array, given, dtypes) else self._key(array, dtypes[0], rows)
                for array, dtypes in zip(asked.keys, self._key_dtypes, strict=True)
            ]
        )
        as_of = asked.as_of
        if as_of is not None and not _is_given(as_of, given, _OF_TIMES):
            as_of = settled(self, as_of, Kind.TIME.dtype, rows)
        if as_of is not None:
            self._demand_come(as_of)
        return keys, as_of

    def _demand_come(self, as_of: Times) -> None:
        """Raise `FutureError` for a later time: not all is known that will be known then."""
        times, now = as_of.view(np.int64), time.time_ns() // 1_000
        latest = times.item(0) if len(times) == 1 else int(times.max())
        if latest > now + _TOLERANCE:
            asked, clock = (f"{moment}Z" for moment in np.array([latest, now], Kind.TIME.dtype))
            raise FutureError(
                self.name,
                f"{self.name} asks as of {asked}, and the clock says {clock}: not all is known yet "
                "that will be known by then; try again when it has come",
            )

    def _call(self, known: Columns) -> Any:
        return self.function(*map(known.__getitem__, self.inputs))

    @cached_property
    def _key_dtypes(self) -> list[_Dtypes]:
        kinds = [_KEY_KINDS[self.table.schema[name].kind] for name in self.table.keys]
        return [[kind.dtype for kind in of_key] for of_key in kinds]

    def _key(self, array: Any, dtype: np.dtype[Any], rows: int) -> Array:
        is_float = dtype == Kind.INT.dtype and getattr(array, "dtype", None) == Kind.FLOAT.dtype
        return settled(self, array, Kind.FLOAT.dtype if is_float else dtype, rows)

    def _problem(self, asked: Any) -> str | None:
        """Why it is not what the table can be asked for; None if it is."""
        table = self.table
        if not isinstance(asked, Asked):
            return (
                f"returned {described(asked)}; it must return Asked({', '.join(table.keys)}, ...)"
            )
        if len(asked.keys) != len(table.keys):
            return (
                f"asks by {counted(len(asked.keys), 'array')}, and the key of the table "
                f"{table.name!r} is {listed(table.keys)}"
            )
        if table.static and asked.as_of is not None:
            return f"asks as of a time, and the table {table.name!r} is static: leave out as_of"
        if not table.static and asked.as_of is None:
            return f"does not say as of when: return Asked({', '.join(table.keys)}, as_of=...)"
        return None

    def _misfit(self, name: str, array: Array) -> str | None:
        field = self.table.schema[name]
        kinds = _KEY_KINDS[field.kind]
        if array.dtype.kind == "U" or array.dtype in [kind.dtype for kind in kinds]:
            return None
        return (
            f"asks for {name!r} by an array of {array.dtype}, and the key of the table "
            f"{self.table.name!r} holds {field.kind.alias} (declared {field.declared_name})"
        )


def _is_given(array: Any, given: Sequence[Array], dtypes: _Dtypes) -> bool:
    """Whether it is one of the inputs, which are canonical already, and of such a dtype."""
    for column in given:  # in a quarter of the time that `any` takes
        if array is column:
            return array.dtype in dtypes
    return False
