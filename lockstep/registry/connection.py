"""The connection to MLflow: its client, with bounded retries and errors that say what to do."""

from __future__ import annotations

import copy
import fcntl
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from lockstep.columns.address import Address
from lockstep.columns.plain import one_line
from lockstep.errors import LockstepError, RegistryError, RegistryUnreachableError
from lockstep.registry.databases import (
    complete_tables,
    is_blank,
    is_of_home,
    location,
    move_locations,
)
from lockstep.store.disks import disk_error

if TYPE_CHECKING:
    import sqlalchemy
    import tenacity
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

_LONGEST = 20.0
"""Seconds after which no further attempt starts: one that timed out is made again."""
_PATIENT, _MUCH_LONGER, _LONGEST_WAIT = 5, 600.0, 30.0
"""Where hours of work hang on a request: so many times as many attempts, and seconds."""
_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "8",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
}
"""MLflow's settings where the user has set none. By itself it retries for four minutes, with
requests of two minutes; the connection retries instead."""


class Connection:
    """MLflow's client for one address; nothing is opened before the first use.

    Args:
        address: Of the tracking server (`http://...`) or database (`sqlite:///...`), which is the
            registry too.
        artifact_root: Directory for files, with a database; None leaves it to MLflow. A server has
            a store of its own, which all homes reach.
        wait: Seconds before the second attempt, twice as many before each next one.
    """

    def __init__(
        self, address: Address, artifact_root: Path | None, attempts: int, wait: float
    ) -> None:
        self.address = address
        root = None if self.is_remote else artifact_root
        self.artifact_root = root.resolve() if root is not None else None
        self.attempts = attempts
        self.wait = wait
        self.longest = _LONGEST

    def patient(self) -> Connection:
        """The same connection, which tries for minutes while a server does not answer.

        A database is not waited for: its disk is full, or closed.
        """
        patient = copy.copy(self)
        if self.is_remote:
            patient.attempts, patient.longest = _PATIENT * self.attempts, _MUCH_LONGER
        return patient

    @property
    def is_remote(self) -> bool:
        """Whether the registry is a server, rather than a database."""
        return self.address.is_http

    @property
    def is_new(self) -> bool:
        """Whether there is no database yet: the client would make one.

        Raises RegistryError if not even its folder is there, and it is not the home's own.
        """
        uri = self.address.full
        file = _file_of(uri) if uri.startswith("sqlite:") else None
        if file is None:
            return False
        root = self.artifact_root
        is_own = root is not None and is_of_home(root, file.resolve())
        if not is_own and not file.absolute().parent.is_dir():
            raise RegistryError(
                f"The registry at {self.address} is in no folder that there is: make "
                f"{file.absolute().parent}, or correct the address (MLFLOW_TRACKING_URI, or "
                "mlflow_tracking_uri in [tool.lockstep])."
            )
        return is_blank(file)

    def demand_place(self) -> None:
        """Raise RegistryError unless a registry can be at the address; it is not opened."""
        if not (self.is_remote or self.is_new or self.address.full.startswith("sqlite:")):
            from sqlalchemy.engine import make_url
            from sqlalchemy.exc import ArgumentError

            try:
                make_url(self.address.full).get_dialect()
            except ArgumentError as error:
                raise self._no_address(error) from error

    @cached_property
    def client(self) -> MlflowClient:
        """MLflow's client; the database and its tables are made where they are missing."""
        for name, value in _DEFAULTS.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient
        from sqlalchemy.exc import ArgumentError

        if self.is_remote:
            return MlflowClient(self.address.full, self.address.full)
        try:
            self._attempt(_open_database, self.address.full)
            with _alone(self.address.full):
                self._make_store()
                client = self.call(MlflowClient, self.address.full, self.address.full)
                self.call(client.search_registered_models, max_results=1)
                self.call(self._move_locations)
        except (ArgumentError, ModuleNotFoundError) as error:  # or its driver is not installed
            raise self._no_address(error) from error
        except OSError as error:
            raise RegistryUnreachableError(self.address, self._root_of(error)) from error
        return client

    def _no_address(self, error: Exception) -> RegistryError:
        return RegistryError(
            f"{self.address} is no address of a registry ({self._root_of(error)}). Give that of an "
            "MLflow server, http://..., or of a database, sqlite:///..."
        )

    def _make_store(self) -> None:
        """Make what the database lacks: tables, and the experiment "Default" in the artifact root.

        MLflow's client would put it below the working directory.
        """
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        file = _file_of(self.address.full)
        is_empty = file is None or self.call(complete_tables, file)
        if is_empty and self.artifact_root is not None:
            self.call(SqlAlchemyStore, self.address.full, location(self.artifact_root))

    def _move_locations(self) -> None:
        """Follow a home that was moved or copied; databases elsewhere are left alone."""
        root, file = self.artifact_root, _file_of(self.address.full)
        if root is None or file is None or not is_of_home(root, file.resolve()):
            return
        with _connected(self.address.full) as connection:
            move_locations(connection, root)

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a method of the client, again where no answer came.

        It may have been carried out, and its answer lost: it has to be safe to repeat. Raises
        RegistryUnreachableError where no answer came, and RegistryError where it was refused.
        """
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import DatabaseError

        try:
            return self._attempt(function, *args, **kwargs)
        except (DatabaseError, sqlite3.DatabaseError) as error:
            raise RegistryError(
                f"The registry at {self.address} cannot be used ({self._root_of(error)}). Restore "
                "it from a copy, or move it away to begin anew."
            ) from error
        except MlflowException as error:
            why = one_line(self.address.hide_in(error.message))
            raise RegistryError(f"The registry at {self.address} refused: {why}.") from error
        except OSError as error:
            refused = disk_error(error) or error
            raise RegistryError(
                f"Files of the registry at {self.address} cannot be written or read: {refused}"
            ) from error

    def find(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Call a method of the client that looks something up; None if it does not exist."""
        from mlflow.exceptions import MlflowException

        try:
            return self.call(function, *args, **kwargs)
        except RegistryError as error:
            if isinstance(error.__cause__, MlflowException) and _is_missing(error.__cause__):
                return None
            raise

    def _attempt(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        import tenacity

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_unreachable),
            stop=tenacity.stop_after_attempt(self.attempts)
            | tenacity.stop_after_delay(self.longest),
            wait=tenacity.wait_exponential(multiplier=self.wait, max=_LONGEST_WAIT),
            before_sleep=self._tell if self.longest > _LONGEST else None,
            reraise=True,
        )
        try:
            return retrying(function, *args, **kwargs)
        except Exception as error:
            if _is_unreachable(error):
                raise RegistryUnreachableError(self.address, self._root_of(error)) from error
            raise

    def _root_of(self, error: BaseException) -> str:
        """The first cause of an error, in its own words without secrets."""
        root = _chain(error)[-1]
        return self.address.hide_in(str(root)) or type(root).__name__

    def _tell(self, state: tenacity.RetryCallState) -> None:
        """Tell once that a server is waited for."""
        if state.attempt_number == self.attempts // _PATIENT:
            log.warning(
                "the registry at %s does not answer; tried again for up to %d minutes",
                self.address,
                self.longest / 60,
            )


def _is_missing(error: MlflowException) -> bool:
    """Whether the error says that something does not exist; for aliases MLflow has another code."""
    code: str = error.error_code
    return code == "RESOURCE_DOES_NOT_EXIST" or (
        code == "INVALID_PARAMETER_VALUE" and "alias" in str(error) and "not found" in str(error)
    )


def _open_database(uri: str) -> None:
    """Open and close a database; MLflow itself would try for hours."""
    file = _file_of(uri)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    with _connected(uri):
        pass


@contextmanager
def _connected(uri: str) -> Iterator[sqlalchemy.Connection]:
    """A connection to a database, for one transaction."""
    import sqlalchemy

    seconds = "connect_timeout" if _file_of(uri) is None else "timeout"
    engine = sqlalchemy.create_engine(uri, connect_args={seconds: 5})
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def _alone(uri: str) -> Iterator[None]:
    """Keep other processes from making the tables of a database file at the same time.

    MLflow makes them at the first use, and two processes that do so disturb each other.
    """
    file = _file_of(uri)
    if file is None:
        yield
        return
    with file.with_name(f"{file.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _file_of(uri: str) -> Path | None:
    import sqlalchemy

    url = sqlalchemy.make_url(uri)
    is_file = url.get_backend_name() == "sqlite" and url.database
    return Path(url.database or "") if is_file else None


def _is_unreachable(error: BaseException) -> bool:
    """Whether an error, or one of its causes, says that the registry does not answer."""
    from requests import exceptions as http
    from sqlalchemy.exc import OperationalError

    chain = _chain(error)
    if any(isinstance(each, LockstepError) or _is_of_statement(each) for each in chain):
        return False
    unreachable = (http.ConnectionError, http.Timeout, http.RetryError, OperationalError)
    return any(isinstance(each, (*unreachable, sqlite3.OperationalError)) for each in chain)


def _is_of_statement(error: BaseException) -> bool:
    """Whether SQLite was reached, and refused a statement: a table exists already, or is none."""
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, sqlite3.Error) and code == sqlite3.SQLITE_ERROR


def _chain(error: BaseException) -> list[BaseException]:
    chain: list[BaseException] = []
    each: BaseException | None = error
    while each is not None:
        chain.append(each)
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
    return chain
