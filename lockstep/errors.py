"""All errors that Lockstep raises on purpose, as a tree.

Beside each are the packages that raise it, or the status of the response. The command line prints
any of them in a line and ends with status 2.

LockstepError                     cli, dagster, pages, project, registry, scoring, serving
│
│   What is declared
├── DefinitionError               columns                             a module that is no pipeline
│   ├── DeclarationError          columns, project, serving, tables   a declaration without meaning
│   ├── UnknownInputError         columns                             an input that does not exist
│   ├── DuplicateNameError        columns                             two columns of one name
│   ├── CycleError                columns                             columns that need each other
│   └── LeakageError              columns                             an outcome behind what serves
├── SuiteError                    rules, suites                       a suite that cannot be used
├── ProjectError                  project                             no project, or a broken one
├── ProposalError                 templates                           a table without a pipeline
├── WritingError                  templates                           nothing can be written there
│
│   Rows, and what is computed of them
├── InputError                    columns, project, store, tables, templates  bad rows
│   ├── UnavailableError          columns, project, scoring, store    not to be had now
│   │   └── NotDeliveredError     checks, project                     not there yet
│   └── UnreadableError           columns, project, scoring, store    not what is declared
├── InvalidRecordsError           columns                             rows refused where all count
├── FunctionError                 columns                             a column's function fails
│   └── FutureError               columns                             it asks as of a time to come
├── FailingFunctionError          scoring                             it fails on too many rows
├── FitError                      columns, training                   a model that cannot be fitted
├── NotFittedError                columns, registry                   no models fitted yet
├── NotCompiledError              columns                             a step without compiled form
│
│   Versions, and where they are kept
├── ArtifactError                 artifacts, registry, scoring, store  a version that cannot be used
│   ├── FormatError               artifacts                           another Lockstep wrote it
│   ├── UnavailableFilesError     artifacts, store                    files not to be read now
│   ├── SnapshotError             artifacts, registry                 source that does not run
│   ├── OutsideReadingError       artifacts                           code that reads elsewhere
│   ├── UntrustedTypeError        artifacts                           a type that is not allowed
│   ├── UndeliveredError          serving                             a table that it reads lacks
│   ├── RenumberedError           registry                            a number of other files
│   └── NotLiveError              artifacts                           no version is live yet
├── GoldenError                   parity                              golden records of no use
├── SourceError                   parity                              source that cannot be read
├── UnprovenError                 artifacts, scoring, serving         computes something else here
├── EvidenceError                 registry                            no tag, or one of other files
├── RegistryError                 registry                            the registry refuses
│   ├── RegistryUnreachableError  registry                            it does not answer
│   ├── VersionNotFoundError      registry                            it has no such version
│   ├── AliasNotSetError          registry, training                  an alias points nowhere
│   └── FetchError                registry                            files did not all arrive
├── OvertakenError                registry                            another version went live
│
│   Partitions, and the disk that they are on
├── NotStoredError                checks, pages, scoring, store       not written yet
├── DamagedError                  store                               files unlike their record
│   └── ReplacedError             store                               later attempts took its place
├── LockedError                   store                               somebody else is at work
├── BlockedError                  scoring, store                      a check holds it back
├── SupersededError               store                               a later attempt was committed
├── LostWorkerError               scoring                             a unit ends its process
├── SinkError                     project                             a sink cannot keep the rows
├── DiskError                     store                               a disk is full, closed, broken
│
│   Servers and their logs
├── RefusedChallengerError        serving                             not fit to be compared
├── GoneError                     serving                             its process has ended
├── LogKeyError                   serving                             no key to hash columns with
├── MissingSegmentError           serving                             no such segment
├── DamagedSegmentError           serving                             not what was sealed
├── OpenSegmentError              serving                             nobody seals it
│
│   Requests that serving does not answer, each with the status of the response
└── ServingError                  HTTP 400                            a request that is not answered
    ├── UnreadableBodyError       HTTP 400                            not of its content type
    ├── UnsupportedError          HTTP 415                            another content type
    ├── TooLargeError             HTTP 413                            too many bytes or rows
    ├── SlowError                 HTTP 408                            a body that does not arrive
    ├── UnknownError              HTTP 404                            nothing of this name
    ├── RefusedTableError         HTTP 422 (MLflow: 400)              other columns than declared
    ├── RefusedRowsError          HTTP 422 (MLflow: 400)              rows that are refused
    ├── UnauthorizedError         HTTP 401                            no token, or a wrong one
    ├── BusyError                 HTTP 429                            too many requests wait
    │   └── CrowdedError          HTTP 429                            too much of other bodies
    ├── NotReadyError             HTTP 503                            no version is loaded yet
    ├── UnloggedError             HTTP 503                            the log cannot be written
    ├── LateError                 HTTP 503                            it cannot be in time
    └── ComputingError            HTTP 500 (MLflow: 400)              the version cannot compute it
"""

from __future__ import annotations

import copyreg
import json
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

from lockstep.refusals import Rejected

_ENOUGH_ROWS = 5
"""Rows after which a function that failed on all of them is called broken."""


class LockstepError(Exception):
    """Base of every error that Lockstep raises on purpose: one clear line for its reader."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the message and what it holds: `__init__` of many takes what they are made of."""
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


class DefinitionError(LockstepError):
    """A pipeline's module cannot be built into a column graph."""


class DeclarationError(DefinitionError):
    """A record type or a decorated function is declared in a way that has no meaning."""


class UnknownInputError(DefinitionError):
    """A function names an input that is neither a field nor a column."""


class DuplicateNameError(DefinitionError):
    """A name is used for two columns."""


class CycleError(DefinitionError):
    """Columns depend on each other in a circle."""


class LeakageError(DefinitionError):
    """A feature, model or output depends on an outcome, which is unknown when it is served."""


class SuiteError(LockstepError):
    """A suite cannot be stored, or asks something that the columns at hand cannot answer."""


class ProjectError(LockstepError):
    """There is no project here, or its settings cannot be read."""


class ProposalError(LockstepError):
    """A table from which no pipeline can be proposed."""


class WritingError(LockstepError):
    """A project or pipeline cannot be written where it should be."""


class InputError(LockstepError):
    """A table, file or text cannot be read as the record type at all."""


class UnavailableError(InputError):
    """The input is not available now: it is not delivered yet, or its source does not answer."""


class NotDeliveredError(UnavailableError):
    """The input is not delivered yet."""


class UnreadableError(InputError):
    """The input is there, but its content is not what is declared: what, in which column, where."""

    def __init__(
        self, what: str, column: str | None = None, *, where: str = "", todo: str = ""
    ) -> None:
        super().__init__(f"{what} {todo}" if todo else what)
        self.what, self.column, self.where, self.todo = what, column, where, todo


class InvalidRecordsError(LockstepError):
    """Rows were refused where every row was needed."""

    def __init__(self, rejected: Sequence[Rejected], total: int, source: str) -> None:
        shown = "; ".join(str(row) for row in rejected[:3])
        more = f"; and {len(rejected) - 3} more" if len(rejected) > 3 else ""
        super().__init__(
            f"{source}: {len(rejected)} of {_rows(total)} "
            f"{'is not a valid record' if len(rejected) == 1 else 'are not valid records'}: "
            f"{shown}{more}. "
            "Correct them, or use decode() to set them aside."
        )
        self.rejected = tuple(rejected)


class FunctionError(LockstepError):
    """A column's function raised, or returned something that is not a column.

    Attributes:
        column: Name of the column whose function failed.
        origin: Name of the column at fault, if it is an earlier one, whose missing or infinite
            values a model cannot take.
    """

    def __init__(self, column: str, message: str, *, origin: str | None = None) -> None:
        super().__init__(message)
        self.column, self.origin = column, origin

    @property
    def blamed(self) -> str:
        """Name of the column at fault."""
        return self.column if self.origin is None else self.origin


class FutureError(FunctionError):
    """A look-up or window asks as of a time that has not come, when more rows will be known."""


class FailingFunctionError(LockstepError):
    """A column's function fails on more rows than may be set aside: on `failed` of the `tried`.

    The column at fault may be an input of the one that is `computed`.
    """

    def __init__(
        self, column: str, failed: int, tried: int, why: str, *, computed: str | None = None
    ) -> None:
        self.column, self.failed, self.tried, self.why = column, failed, tried, why
        on = (
            f"every row that was tried ({tried:,}), so that it is broken itself"
            if failed == tried >= _ENOUGH_ROWS
            else f"{failed:,} of the first {_rows(tried)}"
        )
        super().__init__(f"{computed or column} cannot be computed of {on}: {why}")


class FitError(LockstepError):
    """A model cannot be fitted on the rows that it was given."""


class NotFittedError(LockstepError):
    """A pipeline is not fitted, and a fitted one is needed."""


class NotCompiledError(LockstepError):
    """A step of a fitted model has no compiled form: the reference predictor serves."""


class ArtifactError(LockstepError):
    """A version cannot be stored, or its files are damaged, missing or not Lockstep's."""


class FormatError(ArtifactError):
    """The files of a version are of another format than this Lockstep reads."""

    def __init__(self, path: Path, format: object, readable: int, pipeline: str | None) -> None:
        is_older = isinstance(format, int) and format < readable
        again = f": lockstep train {pipeline}" if pipeline else ""
        super().__init__(
            f"{path} has format {format}, and this Lockstep reads format {readable}: "
            + (f"train again{again}." if is_older else "use the Lockstep that wrote it.")
        )


class UnavailableFilesError(ArtifactError):
    """A file of a version exists, but its disk or network drive does not answer."""


class SnapshotError(ArtifactError):
    """The source of a pipeline cannot be collected, or does not run by itself."""


class OutsideReadingError(ArtifactError):
    """Code of a version reads something that the version does not carry, and is refused it."""


class UntrustedTypeError(ArtifactError):
    """A fitted model holds a type that the allow-list does not name."""

    def __init__(self, column: str, types: Iterable[str]) -> None:
        self.column, self.types = column, tuple(types)
        super().__init__(
            f"Model {column} holds {', '.join(self.types)}, which may not be stored or loaded. "
            f"If you trust it, write trusted = [{', '.join(map(json.dumps, self.types))}] into "
            "[tool.lockstep] in pyproject.toml. A class or function of your own needs no entry at "
            "the top level of a module of the project's packages, which the version then carries."
        )


class UndeliveredError(ArtifactError):
    """A table that a version reads has never been delivered; that would make the file `record`."""

    def __init__(self, pipeline: str, table: str, record: Path) -> None:
        super().__init__(
            f"The table {table} of {pipeline} has not been delivered as the version declares it; "
            f"do that first: lockstep tables {pipeline} --deliver"
        )
        self.record = record


class RenumberedError(ArtifactError):
    """The number of a version stands for other files than a home knows under it."""

    def __init__(self, pipeline: str, number: int, known: str, manifest: str) -> None:
        super().__init__(
            f"Version {number} of {pipeline} has other files in the registry than this home knows "
            f"under that number: their manifest has SHA-256 {manifest[:12]}…, not {known[:12]}…. "
            "The registry is an older copy, to which a version was added since, or another one. "
            f"Restore it; or train anew, which takes the next number that is free; or, if version "
            f"{number} is to be these files from now on: lockstep versions {pipeline} --accept "
            f'{number} --because "..."'
        )


class NotLiveError(ArtifactError):
    """No version of a pipeline is live yet."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"No version of {path.stem} is live: there is no {path}. Train one and promote it: "
            f"lockstep train {path.stem}, then lockstep promote {path.stem}."
        )


class GoldenError(LockstepError):
    """Golden records cannot be chosen, stored or read."""


class SourceError(LockstepError):
    """A snapshot lacks a module, or its source is not valid Python."""


class UnprovenError(LockstepError):
    """A version does not compute here what it computed when it was fitted."""


class EvidenceError(LockstepError):
    """A version has no such tag, or the tag was edited or written about something else."""


class RegistryError(LockstepError):
    """The registry refused a call."""


class RegistryUnreachableError(RegistryError):
    """The registry does not answer, after a few attempts."""

    def __init__(self, address: object, cause: object) -> None:
        super().__init__(
            f"The registry at {address} cannot be opened or written to ({_first_line(cause)}). "
            "Make room, if its disk is full; see that this user may read and write that file and "
            "its folder; then try again."
            if str(address).startswith("sqlite:")
            else f"The registry at {address} does not answer ({_first_line(cause)}). Check that it "
            "is running and that this address is right, then try again."
        )


class VersionNotFoundError(RegistryError):
    """The registry has no such version."""

    def __init__(self, name: str, version: object, existing: Iterable[int]) -> None:
        numbers = ", ".join(map(str, existing))
        super().__init__(
            f"The registry has no version {version} of {name}; "
            + (
                f"it has {numbers}."
                if numbers
                else f"it has none yet; train one: lockstep train {name}"
            )
        )


class AliasNotSetError(RegistryError):
    """An alias of a model points to no version."""

    def __init__(self, name: str, alias: str, existing: Iterable[int]) -> None:
        numbers = ", ".join(map(str, existing))
        super().__init__(
            f"{name} has no @{alias}. "
            + (
                f"Promote one of its versions ({numbers}): lockstep promote {name} VERSION"
                if numbers
                else f"It has no version yet either; train one: lockstep train {name}"
            )
        )


class FetchError(RegistryError):
    """The files of a version did not all arrive; none was kept."""

    def __init__(self, name: str, version: int, cause: object) -> None:
        reason = " ".join(str(cause).split())
        super().__init__(
            f"The files of version {version} of {name} did not all arrive, and nothing of them "
            f"was kept: try again. {reason[:600]}{'…' * (len(reason) > 600)}"
        )


class OvertakenError(LockstepError):
    """Another version was let serve while somebody promoted a version."""

    def __init__(self, name: str, version: int, decided: str) -> None:
        super().__init__(
            f"The promotion of version {version} of {name} was overtaken: {decided}. @champion and "
            f"@live are as that promotion left them. If version {version} is to serve all the "
            f"same: lockstep promote {name} {version}"
        )


class NotStoredError(LockstepError):
    """A partition or record has not been written yet."""


class DamagedError(LockstepError):
    """A file is not what the record of its partition says."""


class ReplacedError(DamagedError):
    """An attempt is kept no longer: later ones took its place since somebody opened it."""


class LockedError(LockstepError):
    """Another process is at work on the same thing."""


class BlockedError(LockstepError):
    """A check blocked a partition, which must not go on."""


class SupersededError(LockstepError):
    """A later attempt was committed while this one was under way."""


class LostWorkerError(LockstepError):
    """A unit of a batch ended every process that worked on it."""


class SinkError(LockstepError):
    """A sink cannot keep predictions in the place that it was given."""


class DiskError(LockstepError):
    """A disk is full, fails, or does not let this user read or write there."""


class RefusedChallengerError(LockstepError):
    """A challenger cannot be used here."""


class GoneError(LockstepError):
    """The process of the challenger has ended, or does not answer."""


class LogKeyError(LockstepError):
    """Columns must be hashed, and there is no key for it."""


class MissingSegmentError(LockstepError):
    """There is no such segment, or it is no longer kept."""


class DamagedSegmentError(LockstepError):
    """A segment has changed since it was sealed."""


class OpenSegmentError(LockstepError):
    """A segment stays open, as the process that writes to it does not seal it."""


class ServingError(LockstepError):
    """A request that is not answered. Its message never repeats what the client sent.

    Attributes:
        status: The status of the response.
        compat_status: The status of MLflow's scoring server for it, if that differs.
        code: MLflow's name for this kind of error.
        retry_after: Seconds after which to try again; None where that would not help.
        ends_connection: Whether the rest of the request is left unread.
    """

    status = HTTPStatus.BAD_REQUEST
    compat_status: HTTPStatus | None = None
    code = "BAD_REQUEST"
    ends_connection = False
    retry_after: int | None = None


class UnreadableBodyError(ServingError):
    """The body is not what its content type says, or holds no rows."""


class UnsupportedError(ServingError):
    """The body has a content type or an encoding that is not supported."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class TooLargeError(ServingError):
    """The body, or the number of its rows, is beyond the limit."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    ends_connection = True


class SlowError(ServingError):
    """The body takes too long to arrive."""

    status = HTTPStatus.REQUEST_TIMEOUT
    code = "DEADLINE_EXCEEDED"
    ends_connection = True


class UnknownError(ServingError):
    """There is nothing of this name."""

    status = HTTPStatus.NOT_FOUND
    code = "RESOURCE_DOES_NOT_EXIST"


class RefusedTableError(ServingError):
    """A table does not have the declared columns."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    compat_status = HTTPStatus.BAD_REQUEST
    code = "INVALID_PARAMETER_VALUE"


class RefusedRowsError(ServingError):
    """Rows do not fit their declaration, or break a row rule.

    Attributes:
        rejected: The rows with their reasons.
        most_reasons: Reasons that a response gives, at most.

    Args:
        rejected: The rows. Of more than `most_reasons`, some may not have all their reasons.
        total: Number of rows of the request.
        todo: What its client may do.
    """

    most_reasons = 100

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    compat_status = HTTPStatus.BAD_REQUEST
    code = "INVALID_PARAMETER_VALUE"

    def __init__(
        self,
        rejected: Sequence[Rejected],
        total: int,
        todo: str = "Correct them, or ask with ?on_invalid=quarantine to score the others.",
    ) -> None:
        are = "is" if len(rejected) == 1 else "are"
        reasons = sum(len(row.reasons) for row in rejected)
        known = "" if len(rejected) <= self.most_reasons else "at least "
        first = f"the first {self.most_reasons} of {known}{reasons:,} reasons"
        which = "every reason" if reasons <= self.most_reasons else first
        super().__init__(
            f"{len(rejected)} of {_rows(total)} {are} refused; `rows` lists {which} by row "
            f"and column. {todo}"
        )
        self.rejected = tuple(rejected)


class UnauthorizedError(ServingError):
    """The token is missing or wrong."""

    status = HTTPStatus.UNAUTHORIZED
    code = "UNAUTHENTICATED"


class BusyError(ServingError):
    """Too many requests are waiting."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "RESOURCE_EXHAUSTED"
    retry_after = 1


class CrowdedError(BusyError):
    """Other bodies that are arriving leave no room for the rest of this one."""

    ends_connection = True


class NotReadyError(ServingError):
    """No version serves: none has been loaded yet."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "TEMPORARILY_UNAVAILABLE"
    retry_after = 1


class UnloggedError(ServingError):
    """The request log cannot be written, and its policy is to refuse requests then."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "TEMPORARILY_UNAVAILABLE"
    retry_after = 10


class LateError(ServingError):
    """The request cannot be answered within the time limit."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "TEMPORARILY_UNAVAILABLE"
    retry_after = 1


class ComputingError(ServingError):
    """The version cannot compute the request; the log says why."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    compat_status = HTTPStatus.BAD_REQUEST
    code = "INTERNAL_ERROR"


def _rows(count: int) -> str:
    return f"{count:,} row" if count == 1 else f"{count:,} rows"


def _first_line(cause: object) -> str:
    lines = str(cause).strip().splitlines()
    return lines[0][:300] if lines else type(cause).__name__
