"""OpenAPI: the document of a version, made from its pipeline's own declaration."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from typing import Any

from lockstep.columns.kinds import Kind
from lockstep.columns.schema import Field
from lockstep.errors import (
    BusyError,
    ComputingError,
    LateError,
    NotReadyError,
    RefusedRowsError,
    SlowError,
    TooLargeError,
    UnauthorizedError,
    UnknownError,
    UnreadableBodyError,
    UnsupportedError,
)
from lockstep.serving.protocols.content import Content
from lockstep.serving.protocols.examples import example_of
from lockstep.serving.protocols.table_posts import JSON_LINES
from lockstep.serving.protocols.tensors import DATATYPES
from lockstep.serving.versions.request_rows import Record
from lockstep.serving.versions.request_scorer import Scorer

Schema = dict[str, Any]

_TYPES = {"float": "number", "int": "integer", "bool": "boolean", "str": "string"}
_KINDS: dict[Kind, Schema] = {
    Kind.FLOAT: {"type": ["number", "null"]},
    Kind.INT: {"type": "integer"},
    Kind.BOOL: {"type": "boolean"},
    Kind.TEXT: {"type": ["string", "null"]},
    Kind.TIME: {"type": ["string", "null"], "format": "date-time"},
}
_FAILURES = (
    UnreadableBodyError,
    UnauthorizedError,
    SlowError,
    TooLargeError,
    UnsupportedError,
    BusyError,
    ComputingError,
    NotReadyError,
    LateError,
)


def document(scorer: Scorer, hidden: Collection[str] = ()) -> dict[str, Any]:
    """The OpenAPI document of a version.

    Args:
        scorer: The version.
        hidden: Columns whose values are shown to nobody.
    """
    example = example_of(scorer, hidden)
    loaded, pipeline = scorer.loaded, scorer.pipeline
    record = pipeline.record_schema.name
    return {
        "openapi": "3.1.0",
        "info": {
            "title": loaded.name,
            "version": str(loaded.version),
            "description": inspect.getdoc(pipeline.record) or "",
        },
        "security": [{}, {"token": []}],
        "paths": {
            **_invocations(scorer, record, example),
            **_probes(),
            **_inference(loaded.name, str(loaded.version)),
            **_tables(scorer),
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                record: {
                    **record_schema(scorer),
                    **({} if example is None else {"example": example[0]}),
                },
                "Prediction": prediction_schema(scorer),
                **_ERRORS,
                **_TENSORS,
                **_TRACES,
            },
        },
    }


def record_schema(scorer: Scorer) -> Schema:
    """The schema of a record: by field its type, its comment, and its row rules."""
    declared = scorer.pipeline.record_schema
    return {
        "type": "object",
        "description": inspect.getdoc(scorer.pipeline.record) or "",
        "properties": {
            field.alias or field.name: field_schema(field, rules_of(scorer, field.name))
            for field in declared
        },
        "required": [
            field.alias or field.name
            for field in declared
            if not field.optional and not field.is_row_number
        ],
        "additionalProperties": not scorer.strict,
    }


def field_schema(field: Field, rules: list[str]) -> Schema:
    """The schema of a field."""
    schema: Schema = {"type": _TYPES.get(field.declared, "string")}
    if field.declared == "int":
        # An optional one is kept as a float, which holds every integer up to here.
        most = 2**53 if field.optional else 2**63 - 1
        schema |= {"minimum": -most, "maximum": most}
    if field.declared == "datetime":
        schema["format"] = "date-time"
    if field.choices is not None:
        schema["enum"] = [*field.choices, *([None] if field.optional else [])]
    if field.missing:
        schema = {"anyOf": [schema, {"enum": list(field.missing)}, {"type": "null"}]}
    elif field.optional:
        schema["type"] = [schema["type"], "null"]
    sentences = [field.doc] if field.doc else []
    sentences += [f"Refused unless {rule}." for rule in rules]
    if field.missing:
        sentences.append(f"{' or '.join(map(repr, field.missing))} stands for no value.")
    if sentences:
        schema["description"] = "\n".join(sentences)
    return schema


def rules_of(scorer: Scorer, name: str) -> list[str]:
    """The row rules of a field, in words."""
    return [rule.wording.met for rule in scorer.rules.rules if rule.columns[0] == name]


def prediction_schema(scorer: Scorer) -> Schema:
    """The schema of a prediction: key, event time and outputs, with their documentation."""
    graph, declared = scorer.pipeline.graph, scorer.pipeline.record_schema
    properties = {}
    for name in scorer.names:
        source = declared[name] if name in declared else graph.node(name)
        doc = source.doc if source is not None else ""
        properties[name] = {**_KINDS[graph.kind(name)], **({"description": doc} if doc else {})}
    return {"type": "object", "properties": properties, "required": list(properties)}


def _invocations(
    scorer: Scorer, record: str, example: tuple[Record, dict[str, Any]] | None
) -> dict[str, Any]:
    record_ref = {"$ref": f"#/components/schemas/{record}"}
    many = {"type": "array", "items": record_ref}
    names = list(record_schema(scorer)["properties"])
    columns = {
        "type": "object",
        "properties": {name: {"type": "array"} for name in names},
        "required": names,
    }
    split = {
        "type": "object",
        "properties": {
            "columns": {"type": "array", "items": {"enum": names}, "uniqueItems": True},
            "data": {"type": "array", "items": {"type": "array"}},
            "index": {"type": "array"},
        },
        "required": ["columns", "data"],
        "additionalProperties": False,
    }
    body = {
        "oneOf": [
            _body("dataframe_records", many, scorer),
            _body("dataframe_split", split, scorer),
            _body("instances", {"anyOf": [many, columns]}, scorer),
            _body("inputs", {"anyOf": [many, columns, record_ref]}, scorer),
        ]
    }
    answer = {
        "type": "object",
        "properties": {
            "predictions": _list(_ref("Prediction")),
            "rejected": _list(_ref("RefusedRow")),
            "trace": _ref("Trace"),
            "tables": {
                "type": "object",
                "description": "The version of each table that look-ups and windows read.",
                "additionalProperties": _TEXT,
            },
        },
        "required": ["predictions"],
    }
    refused = RefusedRowsError.status if scorer.strict else RefusedRowsError.compat_status
    failures = {
        str(int(error.status)): _failure(error, "Error") for error in (*_FAILURES, UnknownError)
    }
    failures[str(int(refused or 400))] = _response(
        f"Rows or the body are refused. {inspect.getdoc(RefusedRowsError)}", _ref("Error")
    )
    sent = {} if example is None else {"example": {"dataframe_records": [example[0]]}}
    return {
        "/invocations": {
            "post": {
                "operationId": "invocations",
                "summary": "Score records, by MLflow's protocol",
                "parameters": [_ON_INVALID, _EXPLAIN, _VERSION],
                "requestBody": {
                    "required": True,
                    "content": {
                        Content.JSON.value: {"schema": body, **sent},
                        Content.CSV.value: {"schema": {"type": "string"}},
                        Content.PARQUET.value: {"schema": {"type": "string", "format": "binary"}},
                    },
                },
                "responses": {"200": _response("The scored rows.", answer), **failures},
            }
        }
    }


def _body(name: str, rows: Schema, scorer: Scorer) -> Schema:
    return {
        "type": "object",
        "properties": {name: rows, "params": {"type": ["object", "null"], "maxProperties": 0}},
        "required": [name],
        "additionalProperties": not scorer.strict,
    }


def _probes() -> dict[str, Any]:
    nothing = {"200": {"description": "It is."}, "503": {"description": "It is not."}}
    content = {"application/json": {"schema": {"type": "object"}}}
    return {
        "/ping": _get("ping", "Whether requests are answered", nothing),
        "/health": _get("health", "Whether requests are answered", nothing),
        "/ready": _get(
            "ready",
            "Which version serves, and why another one does not",
            {status: {**response, "content": content} for status, response in nothing.items()},
        ),
        "/version": _get(
            "version",
            "The version of MLflow whose protocol this is",
            {"200": {"description": "Its number."}},
        ),
    }


def _inference(model: str, version: str) -> dict[str, Any]:
    failures = {str(int(error.status)): _failure(error, "InferenceError") for error in _FAILURES}
    failures["404"] = _failure(UnknownError, "InferenceError")
    unknown = {status: failures[status] for status in ("404", "503")}
    alive = _response("It is.", {"type": "object"})
    paths = {
        "/v2": _get("serverMetadata", "What the server is", {"200": _of("ServerMetadata")}),
        "/v2/health/live": _get("serverLive", "Whether the server is there", {"200": alive}),
        "/v2/health/ready": _get(
            "serverReady",
            "Whether requests are answered",
            {"200": alive, "503": _response("It is not.", {"type": "object"})},
        ),
    }
    name, number = _in_path("name", model), _in_path("version", version)
    for suffix, named in (("", [name]), ("/versions/{version}", [name, number])):
        path, mark = f"/v2/models/{{name}}{suffix}", "OfVersion" if suffix else ""
        paths |= {
            path: _get(
                f"modelMetadata{mark}",
                "What the model takes and gives",
                {"200": _of("ModelMetadata"), **unknown},
                named,
            ),
            f"{path}/ready": _get(
                f"modelReady{mark}", "Whether the model answers", {"200": alive, **unknown}, named
            ),
            f"{path}/infer": {
                "parameters": named,
                "post": {
                    "operationId": f"infer{mark}",
                    "summary": "Score rows, by the Open Inference Protocol v2",
                    "parameters": [_ON_INVALID],
                    "requestBody": {
                        "required": True,
                        "content": {"application/json": {"schema": _ref("InferenceRequest")}},
                    },
                    "responses": {"200": _of("InferenceResponse"), **failures},
                },
            },
        }
    return paths


def _tables(scorer: Scorer) -> dict[str, Any]:
    """A path for each table that the version reads."""
    counts: dict[str, Schema] = {
        name: {"type": "integer", "minimum": 0} for name in ("new", "restated", "repeated")
    }
    added = _object("What became of the rows.", {"table": _TEXT, "version": _TEXT, **counts})
    refused = _response("Rows do not fit the table, and none is added.", _ref("Error"))
    failures = {str(int(error.status)): _failure(error, "Error") for error in _FAILURES}
    paths = {}
    for name, table in scorer.pipeline.tables.items():
        row = _object(
            f"A row of the table {name}.",
            {field.name: field_schema(field, []) for field in table.schema if not field.optional},
            **{field.name: field_schema(field, []) for field in table.schema if field.optional},
        )
        rows = {"oneOf": [row, _list(row)]}
        content = {Content.JSON.value: {"schema": rows}, JSON_LINES[0]: {"schema": _TEXT}}
        paths[f"/tables/{name}"] = {
            "post": {
                "operationId": f"post_{name}",
                "summary": f"Add rows to the table {name}, all of them or none",
                "requestBody": {"required": True, "content": content},
                "responses": {
                    "200": _response("The rows count from now on.", added),
                    **failures,
                    str(int(RefusedRowsError.status)): refused,
                },
            }
        }
    return paths


def _in_path(name: str, value: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": {"enum": [value]}}


def _get(
    name: str, summary: str, responses: Mapping[str, Any], parameters: list[Any] | None = None
) -> dict[str, Any]:
    get = {"operationId": name, "summary": summary, "responses": responses}
    return {"get": get, **({"parameters": parameters} if parameters else {})}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _response(description: str, schema: Schema) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _of(name: str) -> dict[str, Any]:
    return _response(str(_TENSORS[name]["description"]), _ref(name))


def _failure(error: type[Exception], schema: str) -> dict[str, Any]:
    return _response(inspect.getdoc(error) or "", _ref(schema))


_ON_INVALID: Schema = {
    "name": "on_invalid",
    "in": "query",
    "description": "What becomes of valid rows beside invalid ones: `refuse` scores none of them.",
    "schema": {"enum": ["refuse", "quarantine"], "default": "refuse"},
}
_EXPLAIN: Schema = {
    "name": "explain",
    "in": "query",
    "description": "Shows how rows were scored: `trace` gives every column of a few rows.",
    "schema": {"enum": ["trace"]},
}
_VERSION: Schema = {
    "name": "version",
    "in": "query",
    "description": "Number of the version that is to answer, if it has passed the gate; "
    "by default it is whichever serves.",
    "schema": {"type": "integer", "minimum": 1},
}
_TEXT: Schema = {"type": "string"}


def _object(description: str, required: Mapping[str, Schema], **optional: Schema) -> Schema:
    return {
        "type": "object",
        "description": description,
        "properties": {**required, **optional},
        "required": list(required),
    }


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


_ERRORS: dict[str, Schema] = {
    "Reason": _object(
        "Why a row is refused.",
        {"column": {"type": ["string", "null"]}, "rule": _TEXT, "message": _TEXT},
    ),
    "RefusedRow": _object(
        "A row that is refused, with every reason.",
        {"row": {"type": "integer", "minimum": 0}, "reasons": _list(_ref("Reason"))},
    ),
    "Error": _object(
        "Why a request is not answered.",
        {"error_code": _TEXT, "message": _TEXT},
        rows=_list(_ref("RefusedRow")),
    ),
    "InferenceError": _object(
        "Why a request is not answered.", {"error": _TEXT}, rows=_list(_ref("RefusedRow"))
    ),
}
_DESCRIBED = {
    "name": _TEXT,
    "datatype": {"enum": list(DATATYPES)},
    "shape": _list({"type": "integer"}),
}
_VALUE: Schema = {"type": ["number", "string", "boolean", "null"]}
_DATA: Schema = {
    "type": "array",
    "items": {"type": ["number", "string", "boolean", "null", "array"]},
}
_PARAMETERS: Schema = {
    "type": "object",
    "additionalProperties": {"type": ["string", "number", "boolean"]},
}
_TENSORS: dict[str, Schema] = {
    "ServerMetadata": _object(
        "What the server is.", {"name": _TEXT, "version": _TEXT, "extensions": _list(_TEXT)}
    ),
    "ModelMetadata": _object(
        "What the model takes and gives.",
        {
            "name": _TEXT,
            "versions": _list(_TEXT),
            "platform": _TEXT,
            "inputs": _list(_object("A column.", _DESCRIBED)),
            "outputs": _list(_object("A column.", _DESCRIBED)),
        },
    ),
    "InferenceRequest": _object(
        "Rows by their columns.",
        {
            "inputs": _list(
                _object("A column.", {**_DESCRIBED, "data": _DATA}, parameters=_PARAMETERS)
            )
        },
        id=_TEXT,
        parameters=_PARAMETERS,
        outputs=_list(_object("An output.", {"name": _TEXT}, parameters=_PARAMETERS)),
    ),
    "InferenceResponse": _object(
        "The outputs of the scored rows.",
        {
            "model_name": _TEXT,
            "model_version": _TEXT,
            "outputs": _list(
                _object("A column.", {**_DESCRIBED, "data": _DATA}, parameters=_PARAMETERS)
            ),
        },
        id=_TEXT,
        rejected=_list(_ref("RefusedRow")),
    ),
}
_TRACES: dict[str, Schema] = {
    "Trace": _object(
        "Every column of the scored rows, in graph order.",
        {"version": {"type": "integer"}, "columns": _list(_ref("TracedColumn"))},
    ),
    "TracedColumn": _object(
        "A column: what it is, where it comes from, and its values, one a scored row.",
        {
            "column": _TEXT,
            "role": {"enum": ["field", "feature", "lookup", "window", "model", "output"]},
            "depth": {"type": "integer", "minimum": 0, "description": "Steps from the fields."},
            "inputs": {**_list(_TEXT), "description": "Columns that it is computed from."},
            "doc": _TEXT,
            "source": {"type": ["string", "null"], "description": "File and line of its function."},
            "ulps": {
                "type": "integer",
                "minimum": 0,
                "description": "Units in the last place by which two computations may differ.",
            },
        },
        values={**_list(_VALUE), "description": "Infinities are texts."},
        failed={**_TEXT, "description": "Why it has no values; no output needs it."},
        predictor={"enum": ["compiled", "reference"], "description": "What computes a model."},
        steps={**_list(_TEXT), "description": "Types of its transformers and of its estimator."},
        matrix=_object(
            "What a model's estimator was given, after its transformers.",
            {
                "columns": {"type": ["array", "null"], "items": _TEXT},
                "rows": _list(_list(_VALUE)),
            },
        ),
    ),
}
