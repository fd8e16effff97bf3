"""Exchanges: a request and its response, as every protocol has them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from http import HTTPStatus
from time import monotonic
from typing import TypeVar

import msgspec

from lockstep.columns.schema import Schema
from lockstep.errors import (
    ComputingError,
    InputError,
    RefusedRowsError,
    ServingError,
    UnreadableBodyError,
)
from lockstep.refusals import Reason, Rejected
from lockstep.serving.protocols.asgi import Headers, Receive, Response, Scope, Send, respond
from lockstep.serving.protocols.bodies import DisconnectedError
from lockstep.serving.protocols.json_bodies import ReadOptions, UnnamedRecords
from lockstep.serving.protocols.options import Options
from lockstep.serving.protocols.service import Service
from lockstep.serving.versions.asked import ID_HEADER, Client, RequestFacts
from lockstep.serving.versions.request_rows import Record
from lockstep.serving.versions.request_scorer import Answer, Scorer

log = logging.getLogger(__name__)

T = TypeVar("T")
ASKED = "lockstep.asked"
"""The key of a request's `RequestFacts` in its scope."""


class Endpoint:
    """A path whose every request gets a response, as an ASGI application."""

    def __init__(
        self,
        service: Service,
        answer: Callable[[Service, Scope, bytes], Awaitable[Response]],
        failure: Callable[[ServingError], Response],
    ) -> None:
        self._service, self._answer, self._failure = service, answer, failure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        service = self._service
        asked = RequestFacts(service.ids.of(scope["headers"]), monotonic(), client_of(scope))
        scope[ASKED] = asked
        try:
            body = await service.bodies.read(scope, receive)
            response = await self._answer(service, scope, body)
        except ServingError as error:
            response = self._failure(error)
        except DisconnectedError:
            return
        except Exception:
            log.exception("a request cannot be answered")
            why = ComputingError("The request cannot be answered; the log says why.")
            response = self._failure(why)
        finally:
            scorer = asked.scorer
            if scorer is not None:
                scorer.lease.release()
        status, content, headers = response
        sent_headers = [*headers, (ID_HEADER, asked.id.encode())]
        if scorer is not None:
            sent_headers.append(scorer.header)
            version, seconds = scorer.loaded.version, monotonic() - asked.started
            service.metrics.answered_by(version, asked.role, status, seconds)
        await respond(send, Response(status, content, sent_headers))


async def scored(
    service: Service, scorer: Scorer, records: Sequence[Record], options: Options, scope: Scope
) -> Answer:
    """The answer to records, once it is logged.

    Raises RefusedRowsError where rows are refused, and the request does not quarantine them;
    UnreadableBodyError where a record has a field under both of its names.
    """
    asked: RequestFacts = scope[ASKED]
    if options.on_invalid != "refuse":
        asked.refused = HTTPStatus.OK
    elif not service.strict:
        asked.refused = RefusedRowsError.compat_status or asked.refused
    try:
        answer = await service.batches.ask(scorer, records, asked)
    except ServingError:
        raise
    except InputError as error:
        raise UnreadableBodyError(str(error)) from error
    except Exception as error:
        told = None if scorer.pipeline.graph.personal else error  # its text may show a value
        log.error("version %s cannot score a request", scorer.loaded.version, exc_info=told)
        raise ComputingError("The request cannot be computed; the log says why.") from error
    if not answer.rejected:
        return answer
    rejected = _as_sent(answer.rejected, records, scorer.pipeline.record_schema)
    if options.on_invalid == "refuse":
        raise RefusedRowsError(rejected, answer.total)
    return msgspec.structs.replace(answer, rejected=rejected)


def _as_sent(
    rejected: Sequence[Rejected], records: Sequence[Record], schema: Schema
) -> tuple[Rejected, ...]:
    """Rejected rows whose reasons name each field as their client does, or as data calls it."""
    places = records.places if isinstance(records, UnnamedRecords) else {}
    if not schema.aliases and not places:
        return tuple(rejected)

    def named(reason: Reason, record: Record) -> Reason:
        name = reason.column
        if name in places:
            refusal = f"{reason.refusal} (value {places[name]} of the row)"
            return replace(reason, column=schema[name].alias or name, refusal=refusal)
        if name in record or name not in schema:
            return reason
        return replace(reason, column=schema[name].alias or name)

    return tuple(
        replace(row, reasons=tuple(named(reason, records[row.row]) for reason in row.reasons))
        for row in rejected
    )


async def aside(work: Callable[[], T]) -> T:
    """The result of large work, done in a thread beside the loop, which goes on to answer."""
    return await asyncio.get_running_loop().run_in_executor(None, work)


def reading_of(service: Service, scorer: Scorer) -> ReadOptions:
    """The options by which requests to a version are read."""
    limits = service.limits
    schema = scorer.pipeline.record_schema
    return ReadOptions(schema, limits.request_rows, service.strict, limits.longest_text)


def headers_of(error: ServingError, headers: Headers) -> Headers:
    """The headers of a response to an error."""
    extended = list(headers)
    if error.retry_after is not None:
        extended.append((b"retry-after", str(error.retry_after).encode()))
    if error.ends_connection:
        extended.append((b"connection", b"close"))
    return extended


def client_of(scope: Scope) -> Client:
    """The client's address and port; None where a proxy gives the address alone."""
    client = scope.get("client")
    return client if client and client[1] else None
