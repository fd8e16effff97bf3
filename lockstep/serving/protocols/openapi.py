"""OpenAPI: the document of a version, made from its pipeline's own declaration.

What is the same for all versions is in `openapi.json` beside this file.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from importlib.resources import files
from typing import Any

import msgspec

from lockstep.columns.kinds import Kind
from lockstep.columns.schema import Field
from lockstep.errors import (
    BusyError,
    ComputingError,
    LateError,
    NotReadyError,
    RefusedRowsError,
    ServingError,
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

_MODEL = "/v2/models/{name}"
"""How the paths of the model begin."""
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
    UnknownError,
    BusyError,
    ComputingError,
    NotReadyError,
    LateError,
)


def document(scorer: Scorer, hidden: Collection[str] = ()) -> dict[str, Any]:
    """The OpenAPI document of a version, without values of hidden columns."""
    example = example_of(scorer, hidden)
    loaded, pipeline = scorer.loaded, scorer.pipeline
    record = pipeline.record_schema.name
    fixed = msgspec.json.decode((files(__package__) / "openapi.json").read_bytes())
    components = fixed["components"]
    _add_model(fixed["paths"], components["parameters"], scorer)
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
            **fixed["paths"],
            **_tables(scorer),
        },
        "components": {
            **components,
            "schemas": {
                record: {
                    **record_schema(scorer),
                    **({} if example is None else {"example": example[0]}),
                },
                "Prediction": prediction_schema(scorer),
                "Datatype": {"enum": [*DATATYPES]},
                **components["schemas"],
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
    failures = _failures("Error")
    failures[str(int(refused or 400))] = _response(
        f"Rows or the body are refused. {_meaning(RefusedRowsError)}", _ref("Error")
    )
    sent = {} if example is None else {"example": {"dataframe_records": [example[0]]}}
    return {
        "/invocations": {
            "post": {
                "operationId": "invocations",
                "summary": "Score records, by MLflow's protocol",
                "parameters": [
                    {"$ref": f"#/components/parameters/{name}"}
                    for name in ("on_invalid", "explain", "version")
                ],
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


def _add_model(paths: dict[str, Any], parameters: dict[str, Any], scorer: Scorer) -> None:
    """Fill in the paths of the model, and add those of a version by its number."""
    loaded, failures = scorer.loaded, _failures("InferenceError")
    parameters["name"] = _in_path("name", loaded.name)
    parameters["number"] = _in_path("version", str(loaded.version))
    for path, item in [*paths.items()]:
        if path.startswith(_MODEL):
            (verb,) = item.keys() - {"parameters"}
            told = failures if verb == "post" else {name: failures[name] for name in ("404", "503")}
            item[verb]["responses"] |= told
            of_version = {**item[verb], "operationId": f"{item[verb]['operationId']}OfVersion"}
            named = [*item["parameters"], {"$ref": "#/components/parameters/number"}]
            by_number = path.replace(_MODEL, f"{_MODEL}/versions/{{version}}")
            paths[by_number] = {"parameters": named, verb: of_version}


def _tables(scorer: Scorer) -> dict[str, Any]:
    """A path for each table that the version reads."""
    counts: dict[str, Schema] = {
        name: {"type": "integer", "minimum": 0} for name in ("new", "restated", "repeated")
    }
    added = _object("What became of the rows.", {"table": _TEXT, "version": _TEXT, **counts})
    refused = _response("Rows do not fit the table, and none is added.", _ref("Error"))
    paths: dict[str, Any] = {}
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
                "summary": f"Add rows to the table {name}, or withdraw them; all or none",
                "parameters": [_WITHDRAW],
                "requestBody": {"required": True, "content": content},
                "responses": {
                    "200": _response("The rows count from now on.", added),
                    **_failures("Error"),
                    str(int(RefusedRowsError.status)): refused,
                },
            }
        }
    return paths


_WITHDRAW: Schema = {
    "name": "withdraw",
    "in": "query",
    "description": "Why the rows, which are there as they are posted, count no longer.",
    "schema": {"type": "string", "minLength": 1, "pattern": r"\S"},
}


def _in_path(name: str, value: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": {"enum": [value]}}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _response(description: str, schema: Schema) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _failures(schema: str) -> dict[str, Any]:
    """The responses to requests that are not answered, by status."""
    return {str(int(error.status)): _response(_meaning(error), _ref(schema)) for error in _FAILURES}


def _meaning(error: type[ServingError]) -> str:
    """What an error means to a client: the first paragraph of its documentation."""
    return (inspect.getdoc(error) or "").partition("\n\n")[0]


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
