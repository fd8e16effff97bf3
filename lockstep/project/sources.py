"""Sources of a pipeline's records and outcomes.

A source is read for a day, or as a whole. A file's path and a query say where the day goes. A
source that does not say so cannot be read for a day: it would give the same rows every day.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeAlias, runtime_checkable
from uuid import uuid4

import pandas as pd

from lockstep.columns.address import Address
from lockstep.columns.csv_format import USUAL, CsvFormat, Mark
from lockstep.columns.decode import Data, Decoded, decode
from lockstep.columns.files import decode_file, kind_of
from lockstep.columns.plain import one_line, short_name
from lockstep.columns.schema import Schema
from lockstep.columns.setting_checks import Allowed, Text, declaration
from lockstep.columns.units import Units, read_files
from lockstep.errors import (
    DeclarationError,
    InputError,
    LockstepError,
    NotDeliveredError,
    ProjectError,
    UnavailableError,
    UnreadableError,
)
from lockstep.project.object_stores import StoreAddress, is_address, local_path, remove_abandoned
from lockstep.project.project import Project

if TYPE_CHECKING:
    from sqlalchemy import URL


_NOT_THE_USERS = ("lockstep.", "dataclasses")
_DAY = "{day}"


def declaring_folder() -> Path:
    """The folder that relative paths of a declaration start from.

    It is the root of the project of the declaring file, wherever a command runs; the current folder
    where that file is in no project, as in a notebook.
    """
    frame = sys._getframe(1)
    while frame.f_back is not None:
        if not frame.f_globals.get("__name__", "").startswith(_NOT_THE_USERS):
            break
        frame = frame.f_back
    file = Path(frame.f_code.co_filename)
    try:
        return Project.find(file).root if file.is_file() else Path.cwd()
    except ProjectError:
        return Path.cwd()


@runtime_checkable
class Source(Protocol):
    """A source of rows."""

    def read(self, day: date | None = None) -> Data | Path | StoreAddress:
        """Read the rows of a day, or all rows; a path or an address where they are in a file.

        Raises:
            InputError: The rows cannot be read; the message names the source and what to do.
            UnavailableError: The rows cannot be had now; another try may work.
            NotDeliveredError: The rows are not there yet.
        """
        ...

    def describe(self) -> str:
        """The source in a line, for a person."""
        ...


def _as_source(given: object) -> str:
    """How to write a source that was given as something else."""
    if isinstance(given, str | Path):
        kind = "ParquetSource" if str(given).endswith(".parquet") else "CsvSource"
        return f'{kind}("{given}")'
    if callable(given):
        return f"FunctionSource({getattr(given, '__name__', 'function')})"
    return "a CsvSource, ParquetSource, SqlSource or FunctionSource"


DeclaredSource: TypeAlias = Annotated[Source, Allowed(meant=_as_source)]
"""A source as a setting."""


def read_source(
    source: Source, schema: Schema, scratch: Path, day: date | None = None
) -> Decoded | Units:
    """Read a source: its decoded rows, or units to read later of a file that is larger than one.

    Args:
        scratch: A folder for the file of an object store, until its rows are read.

    Raises:
        InputError: See `decode_source`.
    """
    data = source.read(day)
    if isinstance(data, StoreAddress):
        return _read_object(data, schema, _written(source), scratch)
    if isinstance(data, Path):
        return read_files([data], schema, _written(source))
    return decode(data, schema, source=source.describe())


def decode_source(source: Source, schema: Schema, day: date | None = None) -> Decoded:
    """Read a source and decode its rows.

    Raises:
        InputError: The source cannot be read as declared.
        UnavailableError: The rows cannot be had now; another try may work.
        NotDeliveredError: The rows are not there yet.
        UnreadableError: The content cannot be decoded, such as a table that lacks a column.
    """
    data = source.read(day)
    if isinstance(data, StoreAddress):
        with TemporaryDirectory() as folder:
            file = Path(folder) / short_name(data.name)
            data.fetch(file)
            try:
                return decode_file(file, schema, _written(source))
            except UnreadableError as error:
                raise _of_object(data, file, error) from error
    if isinstance(data, Path):
        return decode_file(data, schema, _written(source))
    return decode(data, schema, source=source.describe())


def _read_object(
    address: StoreAddress, schema: Schema, written: CsvFormat, scratch: Path
) -> Decoded | Units:
    """The rows of an object, of which a copy lies in a folder as long as they are read."""
    remove_abandoned(scratch)
    file = scratch / short_name(f"{uuid4().hex}-{address.name}")
    address.fetch(file)
    rows: Decoded | Units | None = None
    try:
        rows = read_files([file], schema, written)
    except UnreadableError as error:
        raise _of_object(address, file, error) from error
    finally:
        if not isinstance(rows, Units):
            file.unlink()
    if not isinstance(rows, Units):
        return rows
    return replace(rows, scratch=(file,), failing=partial(_of_object, address, file))


def _of_object(address: StoreAddress, file: Path, error: UnreadableError) -> UnreadableError:
    """The error of a file that is a copy of an object, which it names instead."""
    what, where, todo = (
        text.replace(str(file), str(address)) for text in (error.what, error.where, error.todo)
    )
    return UnreadableError(what, error.column, where=where, todo=todo)


def _written(source: Source) -> CsvFormat:
    return source.written if isinstance(source, CsvSource) else USUAL


@declaration
@dataclass(frozen=True)
class ParquetSource:
    """A Parquet file; `{day}` in its path stands for a day, such as 2013-04-01.

    Attributes:
        path: Path of the file, seen from the root of the project; or an address that fsspec knows,
            such as `s3://bucket/{day}.parquet`.
        options: Options of fsspec's file system, such as `{"profile": "scoring"}`.
    """

    path: str | Path
    options: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    folder: Path = field(default_factory=declaring_folder, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_path(self.path, ".parquet")

    def read(self, day: date | None = None) -> Path | StoreAddress:
        """The path or address of the file for a day; see `Source.read`."""
        return _file(self, day)

    def describe(self) -> str:
        """What it is, in one line."""
        return f"Parquet file {_shown(self.path)}"


@declaration
@dataclass(frozen=True)
class CsvSource:
    """A CSV file; `{day}` in its path stands for a day, such as 2013-04-01.

    It may be compressed, as in `days/{day}.csv.gz` or `.csv.zst`.

    An empty cell without quotes is missing, and `""` is an empty text.

    Attributes:
        path: Path of the file, seen from the root of the project; or an address that fsspec knows,
            such as `s3://bucket/{day}.csv.gz`.
        separator: See `CsvFormat`, as the others.
        decimal: The decimal mark.
        encoding: The encoding.
        dates: The layout of times, or layouts by column.
        thousands: The mark of thousands, if numbers have one.
        options: Options of fsspec's file system, such as `{"profile": "scoring"}`.
    """

    path: str | Path
    separator: str = USUAL.separator
    decimal: Mark = USUAL.decimal
    encoding: str = USUAL.encoding
    dates: str | Mapping[str, str] | None = None
    thousands: Mark | None = USUAL.thousands
    options: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    folder: Path = field(default_factory=declaring_folder, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_path(self.path, ".csv")
        _ = self.written  # which checks the settings

    @property
    def written(self) -> CsvFormat:
        """How the file is written."""
        return CsvFormat(self.separator, self.decimal, self.encoding, self.dates, self.thousands)

    def read(self, day: date | None = None) -> Path | StoreAddress:
        """The path or address of the file for a day; see `Source.read`."""
        return _file(self, day)

    def describe(self) -> str:
        """What it is, in one line."""
        return f"CSV file {_shown(self.path)}"


@declaration
@dataclass(frozen=True)
class SqlSource:
    """A query; `:day` in it stands for a day and is bound as a date, not put in as text.

    Attributes:
        url: The database's URL for SQLAlchemy, such as `sqlite:///flights.db`; a relative path
            starts from the root of the project.
        query: A SELECT with the columns of the record.
    """

    url: str = field(repr=False)
    query: Text
    folder: Path = field(default_factory=declaring_folder, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if _DAY in self.query:
            raise DeclarationError(
                f"The query {one_line(self.query)!r} holds {_DAY}; write :day, which is bound "
                "as a date."
            )

    @property
    def takes_day(self) -> bool:
        """Whether the query says where the day goes."""
        from sqlalchemy import text

        return "day" in text(self.query).compile().params

    def read(self, day: date | None = None) -> pd.DataFrame:
        """The rows of a day, as a table of Python objects; see `Source.read`."""
        from sqlalchemy import Date, NullPool, bindparam, create_engine, text
        from sqlalchemy.exc import SQLAlchemyError

        sys.audit("lockstep.query", self.describe())  # not every driver tells of its connections
        statement = text(self.query)
        _check_day(self, day, self.takes_day, ":day in its query")
        if self.takes_day:
            statement = statement.bindparams(bindparam("day", day, type_=Date))
        try:
            url, file = found_database(self.url, self.folder)
            if file is not None and not file.is_file():  # SQLite would make an empty one
                raise UnavailableError(
                    f"{self.describe()}: there is no file {file}; create the database, or correct "
                    "the address."
                )
            engine = create_engine(url, poolclass=NullPool)
            with engine.connect() as connection:
                result = connection.execute(statement)
                names = list(result.keys())
                rows = [tuple(row) for row in result]
        except ModuleNotFoundError as error:
            raise InputError(
                f"{self.describe()}: the driver {error.name} is not installed; install it."
            ) from error
        except SQLAlchemyError as error:
            cause = Address(self.url).hide_in(str(getattr(error, "orig", None) or error))
            raise UnavailableError(
                f"{self.describe()}: {one_line(cause)}. Check that the database can be "
                "reached, that its tables exist, and the query."
            ) from error
        return pd.DataFrame(rows, columns=names, dtype=object)

    def describe(self) -> str:
        """The source in a line, without the password."""
        return f"SQL on {Address(self.url)}: {one_line(self.query)}"


def found_database(url: str, folder: Path) -> tuple[URL, Path | None]:
    """A database's URL, and the file of one of SQLite's, whose path starts from a folder."""
    from sqlalchemy import make_url

    found = make_url(url)
    is_file = found.get_backend_name() == "sqlite" and found.database not in (None, "", ":memory:")
    if not is_file or str(found.database).startswith("file:"):
        return found, None
    file = folder / str(found.database)
    return found.set(database=str(file)), file


@declaration
@dataclass(frozen=True)
class FunctionSource:
    """A Python function that returns a DataFrame, a pyarrow table or records.

    It is called with the day, or without arguments where the source is read as a whole.
    """

    function: Annotated[
        Callable[..., Any], Allowed(meant="a function by its name, without calling it")
    ]

    def read(self, day: date | None = None) -> Data:
        """The rows that the function returns; see `Source.read`."""
        try:
            returned = self.function() if day is None else self.function(day)
        except LockstepError:
            raise
        except FileNotFoundError as error:
            raise NotDeliveredError(
                f"{self.describe()}{'' if day is None else f', for {day}'}: "
                f"{one_line(str(error))}. Deliver the file, or correct the function."
            ) from error
        except Exception as error:
            raise UnavailableError(
                f"{self.describe()}{'' if day is None else f', for {day}'} raised "
                f"{type(error).__name__}: {one_line(str(error))}. Correct the function."
            ) from error
        if not _is_data(returned):
            raise UnreadableError(
                f"{self.describe()} returned {type(returned).__name__}; return a DataFrame, a "
                "pyarrow table or a list of records.",
                where=self.describe(),
            )
        return returned

    def describe(self) -> str:
        """What it is, in one line."""
        name = getattr(self.function, "__qualname__", repr(self.function))
        return f"Python function {getattr(self.function, '__module__', '?')}.{name}"


def misread(source: Source, *, is_daily: bool) -> str | None:
    """Why a source cannot be read day by day, or as a whole; None if it can, or if unknown."""
    if isinstance(source, CsvSource | ParquetSource):
        takes_day, place = _DAY in str(source.path), f"path, such as days/{_DAY}"
        place += Path(source.path).suffix
    elif isinstance(source, SqlSource):
        takes_day, place = source.takes_day, "query, such as WHERE day = :day"
    elif isinstance(source, FunctionSource):
        return _miscalled(source.function, is_daily=is_daily)
    else:
        return None
    if is_daily and not takes_day:
        return f"gives the same rows every day; say where the day goes in its {place}."
    if takes_day and not is_daily:
        return f"is read as a whole, but {source.describe()} is of one day; leave the day out."
    return None


def _miscalled(function: Callable[..., Any], *, is_daily: bool) -> str | None:
    name = getattr(function, "__name__", repr(function))
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None  # of a compiled function
    try:
        signature.bind(*([date.min] if is_daily else []))
    except TypeError:
        return (
            f"calls {name} with {'the day' if is_daily else 'nothing'}, but it is defined as "
            f"{name}{signature}."
        )
    return None


def _check_path(path: str | Path, suffix: str) -> None:
    name = StoreAddress(str(path)).name if is_address(path) else str(path)
    if not kind_of(Path(name)).startswith(suffix):
        raise DeclarationError(
            f"{_shown(path) or 'An empty path'}: the name of this file should end in {suffix}."
        )


def _shown(path: str | Path) -> str:
    return str(StoreAddress(str(path))) if is_address(path) else str(path)


def _file(source: ParquetSource | CsvSource, day: date | None) -> Path | StoreAddress:
    path = str(source.path)
    _check_day(source, day, _DAY in path, f"{_DAY} in its path")
    if day is not None:
        path = path.replace(_DAY, day.isoformat())
    if is_address(path):
        return StoreAddress(path, source.options)
    file = source.folder / local_path(path)
    if not file.is_file():
        raise NotDeliveredError(
            f"{source.describe()}: there is no file {file}; deliver it, or correct the path."
        )
    return file


def _check_day(source: Source, day: date | None, takes_day: bool, placeholder: str) -> None:
    if day is None and takes_day:
        raise InputError(
            f"{source.describe()} is read day by day, and no day is given; for all rows, leave out "
            f"the {placeholder}."
        )
    if day is not None and not takes_day:
        raise InputError(
            f"{source.describe()} would give the same rows for {day} as for any other day; say "
            f"where the day goes with {placeholder}."
        )


def _is_data(value: Any) -> bool:
    if isinstance(value, pd.DataFrame | Mapping):
        return True
    if isinstance(value, Sequence):
        return not isinstance(value, str | bytes)
    return type(value).__module__.startswith("pyarrow") and hasattr(value, "column_names")
