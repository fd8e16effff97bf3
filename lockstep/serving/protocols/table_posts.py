"""Posted rows: events that cannot wait for a delivery are added to a table by HTTP."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import parse_qs

import msgspec
import numpy as np

from lockstep.artifacts.artifact import OF_TABLE
from lockstep.columns.decode import decode
from lockstep.columns.kinds import Columns
from lockstep.columns.table_schema import TableSchema
from lockstep.errors import (
    DamagedError,
    InputError,
    LockedError,
    NotReadyError,
    NotStoredError,
    RefusedRowsError,
    UnknownError,
    UnreadableBodyError,
    UnsupportedError,
)
from lockstep.refusals import Reason, Rejected
from lockstep.rules.delivered_rows import refusals
from lockstep.rules.row_rules import RowRules, compile_rules
from lockstep.serving.protocols.asgi import Headers, Response, Scope
from lockstep.serving.protocols.exchange import ASKED, aside
from lockstep.serving.protocols.json_bodies import (
    ReadOptions,
    demand_distinct_keys,
    parse_json,
    records_of_list,
)
from lockstep.serving.protocols.service import Service
from lockstep.serving.versions.request_rows import Record, set_aside, undeclared
from lockstep.serving.versions.served_tables import ServedTable
from lockstep.store.ledgers import Added
from lockstep.tables.row_changes import conflicts

log = logging.getLogger(__name__)

JSON_LINES = ("application/x-ndjson", "application/jsonl")
"""Content types of JSON lines."""


async def post(service: Service, scope: Scope, body: bytes) -> Response:
    """`/tables/NAME`: adds rows to a table that the live version reads, all of them or none.

    With `?withdraw=REASON` it withdraws rows that are there.
    """
    withdrawn = _reason(scope["query_string"])
    scorer = service.claim_live(scope[ASKED])
    name, read = scope["path_params"]["name"], scorer.tables
    table = read.tables.get(name) if read is not None else None
    if table is None:
        known = ", ".join(read.tables) if read is not None else "none"
        raise UnknownError(
            f"Version {scorer.loaded.version} reads no such table; there is {known}."
        )
    limits = service.limits
    reading = ReadOptions(
        table.ledger.schema.schema, limits.request_rows, longest_text=limits.longest_text
    )
    parse = _parser(scope["headers"])
    suite = scorer.loaded.suites.get(f"{OF_TABLE}{name}")
    rules = None if suite is None else compile_rules(suite)
    added = await aside(
        partial(_add, table, rules, parse, body, reading, limits.seconds, withdrawn)
    )
    content = {
        "table": name,
        "version": added.version,
        "new": len(added.new),
        "restated": len(added.restated),
        "repeated": added.repeated,
    }
    return Response(200, msgspec.json.encode(content))


def _reason(query: bytes) -> str | None:
    """Why rows are withdrawn; None where they are added."""
    try:
        options = parse_qs(query.decode(), keep_blank_values=True, strict_parsing=bool(query))
        reason = None if not options else options.pop("withdraw")[0].strip()
    except (ValueError, KeyError):
        reason, options = "", {}
    if options or reason == "":
        raise UnreadableBodyError(
            "Rows of a table are posted without options, or withdrawn by ?withdraw=REASON."
        )
    return reason


def _add(
    table: ServedTable,
    rules: RowRules | None,
    parse: Callable[[bytes, ReadOptions], Sequence[Record]],
    body: bytes,
    reading: ReadOptions,
    seconds: float,
    withdrawn: str | None,
) -> Added:
    records = parse(body, reading)
    if len(body) > reading.longest_text:
        reading.demand_short(records)
    columns = _accepted(table.ledger.schema, rules, records, is_withdrawn=withdrawn is not None)
    try:
        return table.post(columns, seconds, withdrawn)
    except (LockedError, NotStoredError, DamagedError, InputError, OSError) as error:
        log.error("no row is added to the table %s: %s", table.ledger.schema.name, error)
        raise NotReadyError(f"No row is added: {error}") from error


def _parser(headers: Headers) -> Callable[[bytes, ReadOptions], Sequence[Record]]:
    """What reads the records of a body, by its content type."""
    content = b""
    for name, value in headers:
        if name == b"content-encoding" and value.strip().lower() != b"identity":
            raise UnsupportedError("A compressed body is not read here; send it as it is.")
        if name == b"content-type":
            content = value
    kind = content.decode("latin-1").split(";")[0].strip().lower()
    if kind == "application/json":
        return _of_json
    if kind in JSON_LINES:
        return _of_lines
    known = ", ".join(("application/json", *JSON_LINES))
    raise UnsupportedError(f"Name the content type of the rows: {known}.")


def _of_json(body: bytes, reading: ReadOptions) -> Sequence[Record]:
    reading.demand_simple(body)
    value = parse_json(body)
    records = records_of_list([value] if isinstance(value, dict) else value, "rows", reading)
    demand_distinct_keys(body, value)
    return records


def _of_lines(body: bytes, reading: ReadOptions) -> Sequence[Record]:
    lines = [line for line in body.split(b"\n") if line.strip()]
    reading.demand_room(len(lines))
    reading.demand_simple(body)
    values: list[Any] = []
    for line in lines:
        values.append(parse_json(line))
        demand_distinct_keys(line, values[-1])
    return records_of_list(values, "rows", reading)


def _accepted(
    table: TableSchema, rules: RowRules | None, records: Sequence[Record], *, is_withdrawn: bool
) -> Columns:
    """The rows as columns.

    Raises RefusedRowsError where a row does not fit the table's declaration, breaks a row rule of
    its suite, is of a time that cannot be, or contradicts another.
    """
    schema = table.schema
    decoded = decode(records, schema)
    decoded = set_aside(decoded, undeclared(records, schema), table.keys[0])
    refused: dict[int, tuple[Reason, ...]] = {}
    if not is_withdrawn:  # what has to be withdrawn may be what would be refused
        refused = refusals(table, decoded.columns, rules, datetime.now(UTC))
    for place in conflicts(table, decoded.columns).tolist():
        why = "has the key and time of another row, and other values"
        reason = Reason(table.keys[0], "table", why, why)
        refused[place] = (reason, *refused.get(place, ()))
    if table.known is not None and table.valid is not None:
        early = decoded.columns[table.known] < decoded.columns[table.valid]
        for place in np.flatnonzero(early).tolist():
            why = f"is before {table.valid}: a row that is known before it is valid is a forecast"
            refused[place] = (*refused.get(place, ()), Reason(table.known, "table", why, why))
    rows = decoded.rows.tolist()
    refused = {rows[place]: reasons for place, reasons in refused.items()}
    rejected: Sequence[Rejected] = set_aside(decoded, refused, table.keys[0]).rejected
    if rejected:
        todo = "No row is added: correct them, and post all of them again."
        raise RefusedRowsError(rejected, decoded.total, todo)
    return decoded.columns
