"""MLflow's protocol: `/invocations` as MLflow's own scoring server answers it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from lockstep.columns.casts import encoded_texts, values_of
from lockstep.columns.converters import cell_parser
from lockstep.columns.files import OPEN_QUOTE, csv_cells, nameless_index
from lockstep.columns.plain import counted
from lockstep.errors import RefusedRowsError, ServingError, TooLargeError, UnreadableBodyError
from lockstep.refusals import Rejected
from lockstep.serving.protocols.asgi import JSON, Response, Scope
from lockstep.serving.protocols.content import Content, content_of
from lockstep.serving.protocols.exchange import (
    ASKED,
    Endpoint,
    aside,
    headers_of,
    reading_of,
    scored,
)
from lockstep.serving.protocols.json_bodies import (
    ReadOptions,
    demand_distinct_keys,
    parse_json,
    records_of_columns,
    records_of_list,
    records_of_split,
)
from lockstep.serving.protocols.options import options_of
from lockstep.serving.protocols.service import Service
from lockstep.serving.protocols.traces import trace_of
from lockstep.serving.versions.request_limits import RequestLimits
from lockstep.serving.versions.request_rows import Record
from lockstep.serving.versions.request_scorer import Answer, Scorer

if TYPE_CHECKING:
    import pyarrow as pa

MLFLOW_VERSION = "3.17.2"
"""The version of MLflow whose scoring server this one follows; it need not be installed."""
FORMATS = ("dataframe_split", "dataframe_records", "instances", "inputs")
"""The formats of a body, by the one of these fields that it has."""

_MOST_COLUMNS = 10_000
_MOST_TEXT = 50_000_000
"""Characters of a column: a text that is stored once can be in every row."""
_ROW_WIDTH = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+)")
_CODECS = frozenset({"UNCOMPRESSED", "SNAPPY"})
"""Codecs that expand a byte to some twenty at most; others give thousands, or any number."""

_encode = msgspec.json.Encoder().encode


def invocations(service: Service) -> Endpoint:
    """`/invocations`, as an ASGI application."""
    return Endpoint(service, invoke, partial(failure, strict=service.strict))


async def invoke(service: Service, scope: Scope, body: bytes) -> Response:
    """The response to a request."""
    limits = service.limits
    options = options_of(scope["query_string"])
    asked = scope[ASKED]
    if options.version is None:
        scorer = service.claim(asked)
    else:
        scorer = await service.claim_version(asked, options.version)
    content = content_of(scope["headers"])
    reading = reading_of(service, scorer)
    if content is Content.JSON and len(body) <= limits.inline_bytes:
        records = records_of(body, content, reading)
    else:
        records = await aside(partial(records_of, body, content, reading))
    if options.explain is not None:
        demand_few(records, limits)
    answer = await scored(service, scorer, records, options, scope)
    if options.explain is not None:
        return Response(200, await aside(partial(explained, scorer, answer)))
    if answer.total <= limits.inline_rows:
        return Response(200, predictions(answer))
    return Response(200, await aside(partial(predictions, answer)))


def records_of(body: bytes, content: Content, reading: ReadOptions) -> Sequence[Record]:
    """The records of a body, by MLflow's protocol."""
    records: Sequence[Record]
    if content is Content.CSV:
        records = _records_of_csv(body, reading)
    elif content is Content.PARQUET:
        records = _records_of_parquet(body, reading)
    else:
        reading.demand_simple(body)
        value = parse_json(body, strict=reading.strict)
        records = _records_of_json(value, reading)
        demand_distinct_keys(body, value)
    if content is Content.PARQUET or len(body) > reading.longest_text:
        reading.demand_short(records)  # Parquet is compressed
    return records


def _records_of_json(value: Any, reading: ReadOptions) -> Sequence[Record]:
    if not isinstance(value, dict):
        raise UnreadableBodyError(
            f"The body is an object with exactly one of {', '.join(FORMATS)}."
        )
    given = [name for name in FORMATS if name in value]
    if len(given) != 1:
        raise UnreadableBodyError(
            f"The body has exactly one of the fields {', '.join(FORMATS)}; this one has "
            f"{len(given)}."
        )
    name = given[0]
    if len(value) > 1:
        _demand_no_more(value, name, reading)
    rows = value[name]
    if name == "dataframe_split":
        return records_of_split(rows, reading)
    if isinstance(rows, dict) and name in ("instances", "inputs"):
        return records_of_columns(rows, name, reading)
    return records_of_list(rows, name, reading)


def _demand_no_more(value: dict[str, Any], name: str, reading: ReadOptions) -> None:
    """Refuse a body with other fields, most of which MLflow's own server leaves alone."""
    params = value.get("params")
    if params is not None and not isinstance(params, dict):
        raise UnreadableBodyError("`params` is an object.")
    if not reading.strict:
        return
    if params:
        raise UnreadableBodyError("There are no params here; a version takes none.")
    more = value.keys() - {name, "params"}
    if more:
        raise UnreadableBodyError(
            f"Beside {name} a body has `params` alone; this one has {len(more)} more."
        )


def _records_of_csv(body: bytes, reading: ReadOptions) -> list[Record]:
    """The records of a CSV text: an empty cell without quotes is missing, `""` is an empty text."""
    import pyarrow as pa

    if body.partition(b"\n")[0].count(b",") >= _MOST_COLUMNS:
        raise UnreadableBodyError(f"The table has more than {_MOST_COLUMNS:,} columns.")
    try:
        cells = csv_cells(body, threads=False)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise UnreadableBodyError(_why_no_csv(body, str(error))) from None
    names = cells.column_names
    reading.demand_room(cells.num_rows)
    reading.demand_columns(names)
    columns = {
        name: _cells(cells.column(name), name, reading) for name in _declared(names, reading)
    }
    return _records_of_columns(columns, cells.num_rows)


def _why_no_csv(body: bytes, error: str) -> str:
    if not body.strip():
        return "The body is empty: a table has a header at least."
    try:
        body.decode()
    except UnicodeDecodeError:
        return "The body is not in UTF-8."
    if error == OPEN_QUOTE:
        return f"The body is cut off: {OPEN_QUOTE}."
    match = _ROW_WIDTH.search(error)
    if match is None:
        return "The body cannot be read as CSV with commas and a header."
    row, expected, got = match.groups()
    cells = counted(int(got), "cell")
    return f"The body is not CSV: row {row} has {cells}, and the header {expected}."


def _cells(column: pa.ChunkedArray, name: str, reading: ReadOptions) -> list[Any]:
    schema = reading.schema
    distinct, codes = encoded_texts(column)
    parsed = [*map(cell_parser(schema[schema.aliases.get(name, name)]), distinct), None]
    return [parsed[code] for code in codes.tolist()]


def _records_of_parquet(body: bytes, reading: ReadOptions) -> list[Record]:
    """The records of a Parquet file.

    The memory of a column is bounded: nested columns and strong compression are refused.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        metadata = parquet.read_metadata(pa.BufferReader(body))
    except (pa.ArrowException, OSError):
        raise UnreadableBodyError("The body is no Parquet file.") from None
    groups = [metadata.row_group(place) for place in range(metadata.num_row_groups)]
    reading.demand_room(max(metadata.num_rows, sum(group.num_rows for group in groups)))
    leaves = [metadata.schema.column(place) for place in range(metadata.num_columns)]
    if any(leaf.path != leaf.name or leaf.max_repetition_level for leaf in leaves):
        raise UnreadableBodyError("The Parquet file has a nested column; a record has none.")
    codecs = {
        group.column(place).compression for group in groups for place in range(group.num_columns)
    }
    if not codecs <= _CODECS:
        raise UnreadableBodyError(
            "The Parquet file has a compression that is not read; use Snappy or none."
        )
    texts = [leaf.name for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
    try:
        with parquet.ParquetFile(pa.BufferReader(body), read_dictionary=texts) as file:
            index = nameless_index(file.schema_arrow)
            names = [leaf.name for leaf in leaves if leaf.name not in index]
            reading.demand_columns(names)
            table = file.read(_declared(names, reading), use_threads=False)
        table.validate(full=True)  # texts in UTF-8, above all
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        raise UnreadableBodyError("The Parquet file is damaged or cut off.") from None
    columns = {name: _values_of_column(table.column(name)) for name in table.column_names}
    return _records_of_columns(columns, table.num_rows)


def _values_of_column(column: pa.ChunkedArray) -> list[Any]:
    """The values of a column; equal texts of a dictionary are one object."""
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        return values_of(column)
    values: list[Any] = []
    for chunk in column.chunks:
        distinct = [*chunk.dictionary.to_pylist(), None]
        values += [distinct[code] for code in chunk.indices.fill_null(-1).to_pylist()]
    if sum(len(text) for text in values if text is not None) > _MOST_TEXT:
        raise TooLargeError(f"A column has more than {_MOST_TEXT:,} characters of text.")
    return values


def _declared(names: list[str], reading: ReadOptions) -> list[str]:
    schema = reading.schema
    return [name for name in names if schema.aliases.get(name, name) in schema]


def _records_of_columns(columns: dict[str, list[Any]], rows: int) -> list[Record]:
    if not columns:
        return [{} for _ in range(rows)]
    names = list(columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def demand_few(records: Sequence[Record], limits: RequestLimits) -> None:
    """Check the number of rows of a request for a trace."""
    if len(records) > limits.traced_rows:
        raise TooLargeError(
            f"A request with explain=trace has at most {counted(limits.traced_rows, 'row')}; send "
            "the others without it."
        )


def predictions(answer: Answer) -> bytes:
    """The body of an answer."""
    return _encode(_content(answer))


def explained(scorer: Scorer, answer: Answer) -> bytes:
    """The body of an answer with the trace of its rows."""
    return _encode({**_content(answer), "trace": trace_of(scorer, answer)})


def _content(answer: Answer) -> dict[str, Any]:
    content: dict[str, Any] = {"predictions": answer.told}
    if answer.rejected:
        content["rejected"] = reasons(answer.rejected, all_rows=True)
    if answer.scored.tables:
        content["tables"] = answer.tables
    return content


def failure(error: ServingError, *, strict: bool) -> Response:
    """The response to an error, with its own status if strict, or else MLflow's."""
    content: dict[str, Any] = {"error_code": error.code, "message": str(error)}
    if isinstance(error, RefusedRowsError):
        content["rows"] = reasons(error.rejected)
    status = error.status if strict else error.compat_status or error.status
    return Response(int(status), _encode(content), headers_of(error, JSON))


def reasons(rejected: Iterable[Rejected], *, all_rows: bool = False) -> list[dict[str, Any]]:
    """The first reasons of refused rows, by row and column, without the values.

    With `all_rows`, rows are listed, too, of which no reason is given any more.
    """
    left = RefusedRowsError.most_reasons
    rows = []
    for row in rejected:
        if not left and not all_rows:
            break
        told = row.reasons[:left]
        left -= len(told)
        given = [
            {"column": reason.column or None, "rule": reason.rule, "message": reason.refusal}
            for reason in told
        ]
        rows.append({"row": row.row, "reasons": given})
    return rows
