"""The Open Inference Protocol, version 2, over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from http import HTTPStatus
from importlib import metadata
from typing import TYPE_CHECKING, Any

import msgspec

from lockstep.errors import (
    NotReadyError,
    RefusedRowsError,
    RefusedTableError,
    ServingError,
    UnknownError,
    UnreadableBodyError,
    UnsupportedError,
)
from lockstep.serving.protocols.asgi import JSON, Headers, Response, Scope
from lockstep.serving.protocols.exchange import (
    ASKED,
    Endpoint,
    aside,
    headers_of,
    reading_of,
    scored,
)
from lockstep.serving.protocols.invocations import reasons
from lockstep.serving.protocols.json_bodies import ReadOptions, demand_distinct_keys, parse_json
from lockstep.serving.protocols.options import number_of, options_of
from lockstep.serving.protocols.service import Service
from lockstep.serving.protocols.tensors import (
    DATATYPES,
    Input,
    Parameters,
    binary_of,
    datatype_of_field,
    datatype_of_kind,
    described,
    values_of_binary,
    values_of_json,
)
from lockstep.serving.versions.request_rows import Record, plain_values
from lockstep.serving.versions.request_scorer import Answer, Scorer

if TYPE_CHECKING:
    from starlette.routing import Route

EXTENSIONS = ("binary_tensor_data", "null_elements")
"""Extensions of the protocol: Triton's binary tensors, and null for a missing element."""

TABLES_HEADER = b"x-lockstep-tables"
"""The header of a response with the versions of the tables that were read for it."""
_HEADER_LENGTH = b"inference-header-content-length"
_encode = msgspec.json.Encoder().encode


class Output(msgspec.Struct):
    """An output that a request asks for."""

    name: str
    parameters: Parameters | None = None  # `binary_data`, whether it is to be binary


class Inference(msgspec.Struct):
    """A request."""

    inputs: list[Input]
    id: str | None = None  # the response repeats it
    # `binary_data_output`, whether all outputs are to be binary
    parameters: Parameters | None = None
    outputs: list[Output] | None = None  # the wanted ones; None for all
    model_name: str | None = None  # the model of the path once more, as KServe's client has it
    model_version: str | None = None


def routes(service: Service) -> list[Route]:
    """The paths of the protocol."""
    from starlette.routing import Route

    model = "/v2/models/{name}"
    paths: list[tuple[str, str, Callable[[Service, Scope, bytes], Awaitable[Response]]]] = [
        ("GET", "/v2", server_metadata),
        ("GET", "/v2/", server_metadata),
        ("GET", "/v2/health/live", live),
        ("GET", "/v2/health/ready", ready),
    ]
    for path in (model, f"{model}/versions/{{version}}"):
        paths += [
            ("GET", path, model_metadata),
            ("GET", f"{path}/ready", model_ready),
            ("POST", f"{path}/infer", infer),
        ]
    return [
        Route(path, Endpoint(service, answer, failure), methods=[verb])
        for verb, path, answer in paths
    ]


async def server_metadata(service: Service, scope: Scope, body: bytes) -> Response:
    """The name, version and extensions of the server."""
    version = metadata.version("lockstep-scoring")
    return _json({"name": "lockstep", "version": version, "extensions": EXTENSIONS})


async def live(service: Service, scope: Scope, body: bytes) -> Response:
    """The response of a server that runs."""
    return _json({"live": True})


async def ready(service: Service, scope: Scope, body: bytes) -> Response:
    """Whether requests are answered."""
    state = {"live": True, "ready": service.is_ready}
    return Response(200 if service.is_ready else 503, _encode(state))


async def model_ready(service: Service, scope: Scope, body: bytes) -> Response:
    """The response of a version that answers requests."""
    scorer = await _claimed(service, scope)
    if not service.is_ready:
        raise NotReadyError("The server is not ready: /ready says why.")
    return _json({"name": scorer.loaded.name, "ready": True})


async def model_metadata(service: Service, scope: Scope, body: bytes) -> Response:
    """The inputs and outputs of a version."""
    scorer = await _claimed(service, scope)
    schema, graph = scorer.pipeline.record_schema, scorer.pipeline.graph
    return _json(
        {
            "name": scorer.loaded.name,
            "versions": [str(number) for number in service.versions.numbers],
            "platform": "lockstep_skops",
            "inputs": [
                described(field.alias or field.name, datatype_of_field(field)) for field in schema
            ],
            "outputs": [
                described(name, datatype_of_kind(graph.kind(name))) for name in scorer.names
            ],
        }
    )


async def infer(service: Service, scope: Scope, body: bytes) -> Response:
    """The answer to a request."""
    options, limits = options_of(scope["query_string"]), service.limits
    if options.version is not None:
        raise UnreadableBodyError("Name the version in the path: /v2/models/NAME/versions/N/infer.")
    scorer = await _claimed(service, scope)
    if options.explain is not None:
        raise UnreadableBodyError("Only /invocations?explain=trace gives a trace.")
    read = partial(_read, body, scope["headers"], reading_of(service, scorer))
    request, records = read() if len(body) <= limits.inline_bytes else await aside(read)
    _demand_same_model(request, scorer)
    wanted = _wanted(request, scorer)
    scope[ASKED].refused = HTTPStatus.BAD_REQUEST
    answer = await scored(service, scorer, records, options, scope)
    respond = partial(_response, request, scorer, answer, wanted)
    return respond() if answer.total <= limits.inline_rows else await aside(respond)


def failure(error: ServingError) -> Response:
    """The response to an error; refused rows and tables get 400, as the protocol demands."""
    content: dict[str, Any] = {"error": str(error)}
    if isinstance(error, RefusedRowsError):
        content["rows"] = reasons(error.rejected)
    is_refused = isinstance(error, RefusedRowsError | RefusedTableError)
    status = 400 if is_refused else int(error.status)
    return Response(status, _encode(content), headers_of(error, JSON))


def _json(value: Any) -> Response:
    return Response(200, _encode(value))


async def _claimed(service: Service, scope: Scope) -> Scorer:
    """The version that a path names."""
    names = scope["path_params"]
    if names["name"] != service.pipeline:
        raise UnknownError(f"There is no such model here; the model is {service.pipeline}.")
    if "version" not in names:
        return service.claim(scope[ASKED])
    version = number_of(names["version"])
    if version is None:
        raise UnknownError("There is no such version; a version has a number, such as 3.")
    return await service.claim_version(scope[ASKED], version)


def _read(body: bytes, headers: Headers, reading: ReadOptions) -> tuple[Inference, list[Record]]:
    """A request and its rows."""
    text, binary = _parts(body, headers)
    reading.demand_simple(text)
    value = parse_json(text, strict=reading.strict)
    if reading.strict and isinstance(value, dict):
        _demand_known(value)
    try:
        request = msgspec.convert(value, Inference)
    except msgspec.ValidationError as error:
        raise UnreadableBodyError(f"The body is no inference request: {error}.") from None
    except RecursionError:
        raise UnreadableBodyError("The body is nested too deeply.") from None
    records = _records(request.inputs, binary, reading)
    demand_distinct_keys(text, value)
    if len(body) > reading.longest_text:
        reading.demand_short(records)
    return request, records


def _demand_same_model(request: Inference, scorer: Scorer) -> None:
    """Refuse a request that names another model or version than its path, or than answers."""
    if request.model_name not in (None, scorer.loaded.name):
        raise UnreadableBodyError("model_name is not the model of the path.")
    if request.model_version not in (None, "", str(scorer.loaded.version)):
        raise UnreadableBodyError(
            f"Version {scorer.loaded.version} answers at this path, and model_version is another: "
            "name the version in the path, /v2/models/NAME/versions/N/infer."
        )


def _demand_known(value: dict[str, Any]) -> None:
    """Refuse a request with a field that means nothing here."""
    if value.keys() - set(Inference.__struct_fields__):
        raise UnreadableBodyError(
            f"An inference request has {', '.join(Inference.__struct_fields__)} alone."
        )
    for name, fields in (("inputs", Input), ("outputs", Output)):
        tensors = value.get(name)
        for tensor in tensors if isinstance(tensors, list) else ():
            if isinstance(tensor, dict) and tensor.keys() - set(fields.__struct_fields__):
                raise UnreadableBodyError(f"One of the {name} has an unknown field.")


def _parts(body: bytes, headers: Headers) -> tuple[bytes, memoryview]:
    """The JSON text of a body, and the binary tensors behind it."""
    length: int | None = None
    for name, value in headers:
        if name == _HEADER_LENGTH:
            length = int(value) if value.isdigit() and len(value) < 12 else -1
        elif name == b"content-encoding" and value.strip().lower() != b"identity":
            raise UnsupportedError("A compressed body is not read here; send it as it is.")
        elif name == b"content-type" and value.split(b";")[0].strip().lower() not in (
            b"application/json",
            b"application/octet-stream",
            b"",
        ):
            raise UnsupportedError("An inference request is application/json.")
    if length is None:
        return body, memoryview(b"")
    if not 0 <= length <= len(body):
        raise UnreadableBodyError("Inference-Header-Content-Length is not the JSON text's length.")
    return body[:length], memoryview(body)[length:]


def _records(inputs: Sequence[Input], binary: memoryview, reading: ReadOptions) -> list[Record]:
    """The rows whose columns are the inputs."""
    schema = reading.schema
    columns: dict[str, list[Any]] = {}
    fields: set[str] = set()
    for place, tensor in enumerate(inputs):
        size = tensor.binary_size()
        data, binary = binary[: size or 0], binary[size or 0 :]
        name = schema.aliases.get(tensor.name, tensor.name)
        if name not in schema:
            if not reading.strict:
                continue
            raise UnreadableBodyError(f"Input {place} is not declared by {schema.name}.")
        if name in fields:
            raise UnreadableBodyError(f"Input {tensor.name} is there twice.")
        fields.add(name)
        if tensor.datatype not in DATATYPES:
            raise UnreadableBodyError(f"Input {tensor.name} has an unknown datatype.")
        reading.demand_room(tensor.rows())
        values = values_of_json(tensor) if size is None else values_of_binary(tensor, data)
        columns[tensor.name] = values
    if len(binary):
        raise UnreadableBodyError("There are more bytes behind the JSON text than the inputs have.")
    if len({len(column) for column in columns.values()}) != 1:
        raise UnreadableBodyError("A request has inputs, all with the same number of rows.")
    names = list(columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _wanted(request: Inference, scorer: Scorer) -> dict[str, bool]:
    """The outputs that a request asks for, all by default, and whether they are to be binary."""
    is_binary = (request.parameters or {}).get("binary_data_output", False) is True
    if not request.outputs:
        return dict.fromkeys(scorer.names, is_binary)
    wanted: dict[str, bool] = {}
    for output in request.outputs:
        if output.name not in scorer.names or output.name in wanted:
            raise UnreadableBodyError(f"The outputs are {', '.join(scorer.names)}; name each once.")
        wanted[output.name] = (output.parameters or {}).get("binary_data", is_binary) is True
    return wanted


def _response(
    request: Inference, scorer: Scorer, answer: Answer, wanted: dict[str, bool]
) -> Response:
    columns = answer.columns
    outputs: list[dict[str, Any]] = []
    behind: list[bytes] = []
    for name, is_binary in wanted.items():
        array = columns[name]
        datatype = datatype_of_kind(scorer.pipeline.graph.kind(name))
        output: dict[str, Any] = {"name": name, "datatype": datatype, "shape": [len(array)]}
        data = binary_of(array) if is_binary else None
        if data is None:
            output["data"] = plain_values(array)
        else:
            output["parameters"] = {"binary_data_size": len(data)}
            behind.append(data)
        outputs.append(output)
    content: dict[str, Any] = {
        "model_name": scorer.loaded.name,
        "model_version": str(answer.version),
        "outputs": outputs,
    }
    if request.id is not None:
        content["id"] = request.id
    if answer.rejected:
        content["rejected"] = reasons(answer.rejected, all_rows=True)
    text = _encode(content)
    tables = ", ".join(f"{name}={version}" for name, version in answer.tables.items())
    read = ((TABLES_HEADER, tables.encode()),) if tables else ()
    if not behind:
        return Response(200, text, (*JSON, *read))
    headers = (
        (b"content-type", b"application/octet-stream"),
        (_HEADER_LENGTH, str(len(text)).encode()),
        *read,
    )
    return Response(200, b"".join([text, *behind]), headers)
