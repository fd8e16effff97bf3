"""Decoding: the one way in, from tables, records and texts to canonical columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from lockstep.columns.casts import (
    Cast,
    cast_alike,
    cast_cells,
    cast_chunks,
    cast_series,
    cast_values,
    values_of,
)
from lockstep.columns.converters import Convert, RefusedError, converter
from lockstep.columns.csv_format import USUAL, CsvFormat
from lockstep.columns.kinds import Array, Columns, Kind, picker
from lockstep.columns.plain import listed
from lockstep.columns.schema import Field, Schema
from lockstep.columns.tables import stacked
from lockstep.errors import UnreadableError
from lockstep.refusals import TYPE, Reason, Rejected

if TYPE_CHECKING:
    import pyarrow as pa

Data: TypeAlias = "pd.DataFrame | pa.Table | Mapping[str, Any] | Sequence[Mapping[str, Any]]"
"""What `decode` takes."""


@dataclass(frozen=True)
class Decoded:
    """A decoded input: the accepted rows and the refused ones.

    Attributes:
        columns: The accepted rows, in canonical form, read-only.
        rows: int64: where in the input each accepted row was.
        ignored: Columns of the input that the schema does not declare.
        total: Number of rows in the input.
        unfit: The rows that do not fit their declaration, in order, each with a placeholder where
            it does not; a malformed line is none of them.
    """

    columns: Columns
    rows: Array
    rejected: tuple[Rejected, ...]
    ignored: tuple[str, ...]
    total: int
    unfit: Columns

    @property
    def misfits(self) -> tuple[Rejected, ...]:
        """The refused rows that `unfit` holds."""
        return tuple(row for row in self.rejected if row.is_misfit)


def decode(
    data: Data, schema: Schema, *, source: str = "input", positions: Array | None = None
) -> Decoded:
    """Bring data into canonical columns, refusing the rows that do not fit their declaration.

    One record gives the same arrays from every format, alone or among others. In records, a field
    that may be missing may also be left out; a table must have all columns.

    Args:
        source: What to call the data in messages, such as the name of its file.
        positions: int64: the position of each row among all that came; from 0 by default.

    Raises:
        UnreadableError: A table lacks a column, or has one twice, or the data is of no known form.
    """
    if isinstance(data, Mapping):
        return _decode_records([data], schema, source, positions)
    if isinstance(data, pd.DataFrame):
        return _decode_table(_pandas_table(data), schema, source, positions)
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return _decode_records(data, schema, source, positions)
    if type(data).__module__.startswith("pyarrow"):
        return _decode_table(_arrow_table(data, source), schema, source, positions)
    raise _undecodable(data, source)


def decode_cells(
    cells: pa.Table,
    schema: Schema,
    *,
    source: str,
    written: CsvFormat = USUAL,
    positions: Array | None = None,
) -> Decoded:
    """Decode a table of text cells, as a CSV file holds them; a null is an empty cell."""

    def cast(name: str, field: Field, convert: Convert) -> Cast:
        return cast_cells(cells.column(name), field, convert, written.parser(field, name))

    table = _Table(
        cells.column_names, cast, lambda rows: _arrow_records(cells, rows), cells.num_rows
    )
    return _decode_table(table, schema, source, positions)


def joined(parts: Sequence[Decoded]) -> Decoded:
    """The rows of several inputs as one, whose positions follow upon each other."""
    first, *others = parts
    if not others:
        return first
    columns = stacked([part.columns for part in parts])
    unfit = [part.unfit for part in parts if part.unfit]
    rows = np.concatenate([part.rows for part in parts])
    for array in (rows, *columns.values()):
        array.setflags(write=False)
    return Decoded(
        columns,
        rows,
        tuple(row for part in parts for row in part.rejected),
        tuple(dict.fromkeys(name for part in parts for name in part.ignored)),
        sum(part.total for part in parts),
        stacked(unfit) if unfit else {},
    )


def _undecodable(data: Any, source: str) -> UnreadableError:
    return UnreadableError(
        f"{source}: {type(data).__name__} cannot be decoded; give a DataFrame, a pyarrow table, a "
        "record (dict) or a list of records.",
        where=source,
    )


# Records


@dataclass(frozen=True)
class _Block:
    """The fields of one kind."""

    names: tuple[str, ...]
    converts: tuple[tuple[str, Convert], ...]
    dtype: np.dtype[Any]

    @cached_property
    def is_time(self) -> bool:
        """Whether they hold times."""
        return self.dtype == Kind.TIME.dtype

    def array(self, get: Callable[[str], Any]) -> Array:
        """The values of a record, read-only, given the function from a name to its value."""
        array = np.array([convert(get(name)) for name, convert in self.converts], self.dtype)
        array.setflags(write=False)
        return array


_Fields: TypeAlias = tuple[tuple[Field, Convert], ...]


@dataclass(frozen=True)
class _SchemaConverters:
    """A schema's converters, made once."""

    fields: _Fields
    blocks: tuple[_Block, ...]
    alike: tuple[_Fields, ...]  # of one declaration each: cast together
    names: frozenset[str]
    order: Mapping[str, Any]  # the names of the fields, as keys
    pick: Callable[[Any], Sequence[Any]]  # from a record that has all fields


@lru_cache(maxsize=256)
def _plan(schema: Schema) -> _SchemaConverters:
    fields = tuple((field, converter(field)) for field in schema)
    blocks = []
    for kind in Kind:
        converts = tuple((field.name, convert) for field, convert in fields if field.kind is kind)
        if converts:
            blocks.append(_Block(tuple(name for name, _ in converts), converts, kind.dtype))
    alike: dict[Any, _Fields] = {}
    for field, convert in fields:
        key = (field.declared_name, field.missing, field.name if field.is_row_number else None)
        alike[key] = (*alike.get(key, ()), (field, convert))
    order = dict.fromkeys(schema.names)
    names = frozenset(schema.names)
    pick = picker(schema.names)
    return _SchemaConverters(fields, tuple(blocks), tuple(alike.values()), names, order, pick)


_FIRST_ROW = np.zeros(1, dtype=np.int64)
_FIRST_ROW.flags.writeable = False


def _decode_records(
    records: Sequence[Mapping[str, Any]], schema: Schema, source: str, positions: Array | None
) -> Decoded:
    plan = _plan(schema)
    _demand_records(records, source)
    named = [_by_field(record, schema, source) for record in records] if schema.aliases else records
    if len(named) == 1 and positions is None:
        try:
            columns = _decode_one(named[0], plan)
        except RefusedError:
            pass  # what follows finds all the reasons
        else:
            return Decoded(columns, _FIRST_ROW, (), _extra(named, plan.names), 1, {})
    values, ignored = _values(named, plan)
    rows = len(named)
    if positions is None:
        positions = np.arange(rows, dtype=np.int64)
    casts: dict[str, Cast] = dict(plan.order)
    for fields in plan.alike:
        first = fields[0][0]
        if first.is_row_number and all(first.name not in record for record in named):
            casts[first.name] = positions.copy(), {}
        else:
            casts.update(_cast_fields(fields, values, rows))
    as_they_came = _AsTheyCame(lambda rows: [dict(records[row]) for row in rows], positions)
    return _split(casts, as_they_came, schema, ignored)


def _demand_records(records: Sequence[Any], source: str) -> None:
    if set(map(type, records)) == {dict}:
        return
    for position, record in enumerate(records):
        if not isinstance(record, Mapping):
            raise UnreadableError(
                f"{source}: row {position} is {type(record).__name__}, not a record (an object "
                "with named fields).",
                where=f"{source}, row {position}",
            )


def _values(
    records: Sequence[Mapping[str, Any]], plan: _SchemaConverters
) -> tuple[dict[str, Sequence[Any]], tuple[str, ...]]:
    """The values of each field, None where a record leaves it out; and what is not declared."""
    if set(map(type, records)) == {dict} and set(map(len, records)) == {len(plan.names)}:
        with suppress(KeyError):  # each has all of the fields and nothing else, or lacks one
            return _transposed(map(plan.pick, records), plan), ()
    rows = [[record.get(name) for name in plan.order] for record in records]
    return _transposed(rows, plan), _extra(records, plan.names)


def _transposed(rows: Iterable[Sequence[Any]], plan: _SchemaConverters) -> dict[str, Sequence[Any]]:
    columns = list(zip(*rows, strict=True)) or [()] * len(plan.order)
    return dict(zip(plan.order, columns, strict=True))


def _cast_fields(
    fields: _Fields, values: Mapping[str, Sequence[Any]], rows: int
) -> Iterable[tuple[str, Cast]]:
    names = [field.name for field, _ in fields]
    together = cast_alike(fields[0][0], list(chain.from_iterable([values[name] for name in names])))
    if together is not None:
        arrays = together.reshape(len(fields), rows)
        return [(name, (array, {})) for name, array in zip(names, arrays, strict=True)]
    return [
        (field.name, cast_values(field, convert, values[field.name])) for field, convert in fields
    ]


def _by_field(record: Mapping[str, Any], schema: Schema, source: str) -> Mapping[str, Any]:
    """A record under the names of the fields; refused where it has one under both of its names."""
    renamed: dict[str, Any] = {}
    for name, value in record.items():
        field = schema.aliases.get(name, name)
        if field in renamed:
            raise _twice(source, [field])
        renamed[field] = value
    return renamed


def _decode_one(record: Mapping[str, Any], plan: _SchemaConverters) -> Columns:
    """The columns of a single record: one array a kind, of which each column is a view."""
    get = record.get
    columns: Columns = dict(plan.order)
    for block in plan.blocks:
        columns.update(zip(block.names, block.array(get).reshape(-1, 1), strict=True))
    return columns


class RowDecoder:
    """Decodes single records as `decode` does, for who wants the values themselves, too.

    `names` are those of the fields, in the order of the values.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema, self._plan = schema, _plan(schema)
        self.names = tuple(name for block in self._plan.blocks for name in block.names)

    def __call__(self, record: Mapping[str, Any]) -> tuple[list[Any], list[Any]] | None:
        """The values of a record, as NumPy's scalars and as Python's.

        None for a record that does not fit its declaration, or has another field: `decode` says
        what is wrong with it. A missing value is NaN, None or NaT; the Python value of a time is
        its microseconds since 1970 in UTC.
        """
        schema, plan = self._schema, self._plan
        try:
            named = _by_field(record, schema, "input") if schema.aliases else record
            if not named.keys() <= plan.names:
                return None
            get = named.get
            scalars: list[Any] = []
            values: list[Any] = []
            for block in plan.blocks:
                array = block.array(get)
                scalars.extend(array)
                values += (array.view(np.int64) if block.is_time else array).tolist()
        except (RefusedError, UnreadableError):
            return None
        return scalars, values


def _extra(records: Sequence[Mapping[str, Any]], names: frozenset[str]) -> tuple[str, ...]:
    extra: dict[str, None] = {}
    for record in records:
        if not record.keys() <= names:
            extra.update(dict.fromkeys(str(name) for name in record if name not in names))
    return tuple(extra)


# Tables


@dataclass(frozen=True)
class _Table:
    """A table of any library."""

    names: list[Any]
    cast: Callable[[str, Field, Convert], Cast]  # by a column's name
    records: Callable[[list[int]], list[dict[str, Any]]]  # from positions
    rows: int


def _pandas_table(frame: pd.DataFrame) -> _Table:
    def cast(name: str, field: Field, convert: Convert) -> Cast:
        return cast_series(frame[name], field, convert)

    def records(rows: list[int]) -> list[dict[str, Any]]:
        part = frame.iloc[rows]
        columns = [part.iloc[:, position].tolist() for position in range(part.shape[1])]
        return _records(part.columns, columns)

    return _Table(list(frame.columns), cast, records, len(frame))


def _arrow_table(data: Any, source: str) -> _Table:
    import pyarrow as pa

    if isinstance(data, pa.RecordBatch):
        data = pa.table(data)
    if not isinstance(data, pa.Table):
        raise _undecodable(data, source)

    def cast(name: str, field: Field, convert: Convert) -> Cast:
        return cast_chunks(data.column(name), field, convert)

    return _Table(data.column_names, cast, lambda rows: _arrow_records(data, rows), data.num_rows)


def _arrow_records(table: pa.Table, rows: list[int]) -> list[dict[str, Any]]:
    part = _without_views(table).take(rows)
    return _records(part.column_names, [values_of(column) for column in part.columns])


def _without_views(table: pa.Table) -> pa.Table:
    """The table with its texts and bytes in the forms from which pyarrow can take rows."""
    import pyarrow as pa

    forms = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
    fields = [field.with_type(forms.get(field.type, field.type)) for field in table.schema]
    return table.cast(pa.schema(fields))


def _records(names: Iterable[Any], columns: list[list[Any]]) -> list[dict[str, Any]]:
    texts = [str(name) for name in names]
    return [dict(zip(texts, row, strict=True)) for row in zip(*columns, strict=True)]


def _decode_table(table: _Table, schema: Schema, source: str, positions: Array | None) -> Decoded:
    if positions is None:
        positions = np.arange(table.rows, dtype=np.int64)
    names = [schema.aliases.get(name, name) if schema.aliases else name for name in table.names]
    _check_names(names, schema, source)
    columns = dict(zip(names, table.names, strict=True))
    casts = {
        field.name: table.cast(columns[field.name], field, convert)
        if field.name in columns
        else (positions.copy(), {})
        for field, convert in _plan(schema).fields
    }
    ignored = tuple(dict.fromkeys(str(name) for name in names if name not in schema))
    return _split(casts, _AsTheyCame(table.records, positions), schema, ignored)


def _check_names(present: list[Any], schema: Schema, source: str) -> None:
    counts = Counter(name for name in present if isinstance(name, str))
    lacking = [
        field.alias or field.name
        for field in schema
        if field.name not in counts and not field.is_row_number
    ]
    if lacking:
        extra = [str(name) for name in present if name not in schema]
        hint = f" It has columns that are not declared: {listed(extra)}." if extra else ""
        plural = "s" if len(lacking) > 1 else ""
        raise UnreadableError(
            f"{source} lacks the column{plural} {', '.join(lacking)} of {schema.name}.{hint}",
            lacking[0],
            where=source,
            todo="Add what is lacking, or change the declaration, and train and promote a version "
            "of that.",
        )
    twice = [name for name in schema.names if counts[name] > 1]
    if twice:
        raise _twice(source, twice)


def _twice(source: str, names: Sequence[str]) -> UnreadableError:
    message = f"{source} has the column {', '.join(names)} more than once."
    return UnreadableError(message, names[0], where=source, todo="Keep one of them.")


@dataclass(frozen=True, eq=False)
class _AsTheyCame:
    """The rows as they came."""

    records: Callable[[list[int]], list[dict[str, Any]]]  # from indexes of rows
    positions: Array  # int64: of each row among all that came


def _split(
    casts: Mapping[str, Cast], came: _AsTheyCame, schema: Schema, ignored: tuple[str, ...]
) -> Decoded:
    """Part the accepted rows from the refused ones."""
    columns = {name: array for name, (array, _) in casts.items()}
    rows = came.positions.copy()
    total = len(rows)
    bad_rows = sorted(set().union(*(reasons for _, reasons in casts.values())))
    rejected = _rejected(bad_rows, casts, came, schema) if bad_rows else ()
    unfit: Columns = {}
    if bad_rows:
        kept = np.delete(np.arange(total), bad_rows)
        unfit = {name: array[bad_rows] for name, array in columns.items()}
        columns = {name: array[kept] for name, array in columns.items()}
        rows = rows[kept]
    for array in (rows, *columns.values()):
        array.setflags(write=False)
    return Decoded(columns, rows, rejected, ignored, total, unfit)


def _rejected(
    rows: list[int], casts: Mapping[str, Cast], came: _AsTheyCame, schema: Schema
) -> tuple[Rejected, ...]:
    by_row: dict[int, list[Reason]] = {row: [] for row in rows}
    for name, (_, reasons) in casts.items():
        for row, refusal in reasons.items():
            told = refusal.words if name in schema.personal else str(refusal)
            by_row[row].append(Reason(name, TYPE, told, refusal.words))
    keys: list[str | None] = [None] * len(rows)
    if schema.key is not None:
        array, unreadable = casts[schema.key]
        keys = [str(array[row]) if row not in unreadable else None for row in rows]
    return tuple(
        Rejected(int(came.positions[row]), name, tuple(by_row[row]), record)
        for row, name, record in zip(rows, keys, came.records(rows), strict=True)
    )
