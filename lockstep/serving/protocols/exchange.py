"""Exchanges: a request and its response, as every protocol has them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from http import HTTPStatus
from time import monotonic
from typing import TypeVar

from lockstep.columns.errors import InputError
from lockstep.serving.protocols.asgi import Headers, Receive, Response, Scope, Send, respond
from lockstep.serving.protocols.bodies import DisconnectedError
from lockstep.serving.protocols.json_bodies import Reading
from lockstep.serving.protocols.options import Options
from lockstep.serving.protocols.service import Service
from lockstep.serving.versions.asked import ID_HEADER, Asked, Client
from lockstep.serving.versions.request_errors import (
    ComputingError,
    RefusedRowsError,
    ServingError,
    UnreadableError,
)
from lockstep.serving.versions.request_rows import Record
from lockstep.serving.versions.request_scorer import Answer, Scorer

log = logging.getLogger(__name__)

T = TypeVar("T")
ASKED = "lockstep.asked"
"""Where the scope of a request holds what is known of it."""


async def exchange(
    service: Service,
    scope: Scope,
    receive: Receive,
    send: Send,
    answer: Callable[[Scope, bytes], Awaitable[Response]],
    failure: Callable[[ServingError], Response],
) -> None:
    """Read a request, answer it, and respond whatever happens.

    Args:
        service: What answers.
        scope: The request.
        receive: Gives its body.
        send: Takes its response.
        answer: From request and body to the response.
        failure: From an error to the response that tells it.
    """
    asked = Asked(service.ids.of(scope["headers"]), monotonic(), client_of(scope))
    scope[ASKED] = asked
    try:
        body = await service.bodies.read(scope, receive)
        response = await answer(scope, body)
    except ServingError as error:
        tell = partial(failure, error)
        response = tell() if error.rows <= service.limits.inline_rows else await aside(tell)
    except DisconnectedError:
        return
    except Exception:
        log.exception("a request cannot be answered")
        response = failure(ComputingError("The request cannot be answered; the log says why."))
    finally:
        scorer = asked.scorer
        if scorer is not None:
            scorer.lease.release()
    status, content, headers = response
    told = [*headers, (ID_HEADER, asked.id.encode())]
    if scorer is not None:
        told.append(scorer.header)
        version, seconds = scorer.loaded.version, monotonic() - asked.started
        service.metrics.answered_by(version, asked.role, status, seconds)
    await respond(send, Response(status, content, told))


async def scored(
    service: Service, scorer: Scorer, records: Sequence[Record], options: Options, scope: Scope
) -> Answer:
    """The answer to records, once it is written down.

    Args:
        service: What answers.
        scorer: The version that does.
        records: The records.
        options: How they are to be answered.
        scope: The request.

    Raises:
        RefusedRowsError: Rows are refused, and the others are not asked for.
        UnreadableError: A record has a field under both of its names.
        ComputingError: They cannot be computed.
        ServingError: They were not computed.
    """
    asked: Asked = scope[ASKED]
    if options.on_invalid != "refuse":
        asked.refused = HTTPStatus.OK
    elif not service.strict:
        asked.refused = RefusedRowsError.compat_status or asked.refused
    try:
        answer = await service.batches.ask(scorer, records, asked)
    except ServingError:
        raise
    except InputError as error:
        raise UnreadableError(str(error)) from error
    except Exception as error:
        log.exception("version %s cannot score a request", scorer.loaded.version)
        raise ComputingError("The request cannot be computed; the log says why.") from error
    if answer.rejected and options.on_invalid == "refuse":
        raise RefusedRowsError(answer.rejected, answer.total)
    return answer


async def aside(work: Callable[[], T]) -> T:
    """Do what is large beside the loop's own thread, which goes on to answer others."""
    return await asyncio.get_running_loop().run_in_executor(None, work)


def reading_of(service: Service, scorer: Scorer) -> Reading:
    """How requests to a version are read."""
    return Reading(scorer.pipeline.record_schema, service.limits.request_rows, service.strict)


def headers_of(error: ServingError, headers: Headers) -> Headers:
    """The headers of a response that tells an error."""
    found = list(headers)
    if error.retry_after is not None:
        found.append((b"retry-after", str(error.retry_after).encode()))
    if error.ends_connection:
        found.append((b"connection", b"close"))
    return found


def client_of(scope: Scope) -> Client:
    """The connection by which a request comes; None where a proxy tells the address alone."""
    client = scope.get("client")
    return client if client and client[1] else None
