"""Why a request gets no answer, each with the status that HTTP has for it."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from lockstep.columns.decode import Rejected
from lockstep.columns.errors import LockstepError
from lockstep.columns.plain import counted, verb


class ServingError(LockstepError):
    """A request that is not answered. What its client sent is never repeated in the message.

    Attributes:
        status: The status of the response.
        compat_status: The status that MLflow's scoring server has for it, where it is another one.
        code: MLflow's name for this kind of error.
        retry_after: Seconds after which to try again; None where that would change nothing.
        ends_connection: Whether the rest of the request is not read any more.
        rows: How many rows it tells of.
    """

    status = HTTPStatus.BAD_REQUEST
    compat_status: HTTPStatus | None = None
    code = "BAD_REQUEST"
    ends_connection = False
    rows = 0
    retry_after: int | None = None


class UnreadableError(ServingError):
    """The body is not what its content type says, or holds no rows."""


class UnsupportedError(ServingError):
    """The body is of a content type or an encoding that is not read here."""

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
    """A table has not the columns that are declared."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    compat_status = HTTPStatus.BAD_REQUEST
    code = "INVALID_PARAMETER_VALUE"


class RefusedRowsError(ServingError):
    """Rows do not fit their declaration, or break a row rule.

    Attributes:
        rejected: The rows with all their reasons.
    """

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    compat_status = HTTPStatus.BAD_REQUEST
    code = "INVALID_PARAMETER_VALUE"

    def __init__(self, rejected: Sequence[Rejected], total: int) -> None:
        super().__init__(
            f"{len(rejected)} of {counted(total, 'row')} "
            f"{verb(len(rejected), 'is', 'are')} refused; `rows` lists every reason by row and "
            "column. Correct them, or ask with ?on_invalid=quarantine to score the others."
        )
        self.rejected = tuple(rejected)
        self.rows = len(self.rejected)


class UnauthorizedError(ServingError):
    """There is no token, or a wrong one."""

    status = HTTPStatus.UNAUTHORIZED
    code = "UNAUTHENTICATED"


class BusyError(ServingError):
    """More requests wait than may."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    code = "RESOURCE_EXHAUSTED"
    retry_after = 1


class CrowdedError(BusyError):
    """Too much has arrived of other bodies for another part of this one."""

    ends_connection = True


class NotReadyError(ServingError):
    """No version serves: none has been loaded yet."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "TEMPORARILY_UNAVAILABLE"
    retry_after = 1


class UnloggedError(ServingError):
    """The request log cannot be written, and its policy is to refuse what it cannot hold."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "TEMPORARILY_UNAVAILABLE"
    retry_after = 10


class LateError(ServingError):
    """The request waited for longer than it may."""

    status = HTTPStatus.GATEWAY_TIMEOUT
    code = "DEADLINE_EXCEEDED"


class ComputingError(ServingError):
    """The version cannot compute what it is asked; the log says why."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    compat_status = HTTPStatus.BAD_REQUEST
    code = "INTERNAL_ERROR"
