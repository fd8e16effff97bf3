"""Reproducers: pytest modules that fail as long as a column has not the expected values."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from lockstep.columns.from_table import FromTable
from lockstep.columns.graph import Graph
from lockstep.columns.kinds import Array, Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.parity.wire import wire_record, wire_text

_LONGEST = 20_000
"""Characters that a record or a test may have: nobody reads or pastes more."""

_FIELD = """

def test_{column}_decodes_as_expected():
    decoded = decode_json(RECORD, {pipeline}.{schema})
    assert not decoded.rejected, decoded.rejected
    actual = decoded.columns["{column}"]
    assert not difference(EXPECTED, actual).cells.any(), f"expected {{EXPECTED}}, got {{actual}}"
"""
_VALUE = """

def test_{column}_is_as_expected():
    actual = {pipeline}.graph.evaluate(INPUTS, ["{column}"]{models})["{column}"]
    differs = difference(EXPECTED, actual, {allowed}).cells.any()
    assert not differs, f"expected {{EXPECTED}}, got {{actual}}"
"""
_MATRIX = """

def test_{column}_is_given_the_expected_matrix():
    actual = models()["{column}"].matrix(INPUTS)
    differs = difference(EXPECTED, actual, {allowed}).cells.any()
    assert not differs, f"expected {{EXPECTED}}, got {{actual}}"
"""
_LOCALITY = """

def evaluate(inputs):
    return {pipeline}.graph.evaluate(inputs, ["{column}"]{models})["{column}"]


def test_{column}_depends_on_its_own_row_alone():
    together = evaluate(INPUTS)
    for row in range(len(together)):
        alone = evaluate({{name: values[row : row + 1] for name, values in INPUTS.items()}})
        among_others = together[row : row + 1]
        differs = difference(among_others, alone, {allowed}).cells.any()
        assert not differs, f"row {{row}}: {{among_others}} among others, {{alone}} alone"
"""
_REPETITION = """

def evaluate():
    return {pipeline}.graph.evaluate(INPUTS, ["{column}"]{models})["{column}"]


def test_{column}_is_the_same_when_computed_again():
    first, again = evaluate(), evaluate()
    differs = difference(first, again, {allowed}).cells.any()
    assert not differs, f"first {{first}}, then {{again}}"
"""
_MODELS = """VERSION = {version!r}  # the number of a version, or an alias


def models():
    registry = Project.find().home.registry()
    return registry.load({pipeline}.name, VERSION).pipeline.bound
"""


@dataclass(frozen=True)
class Reproducer:
    """A divergence to run again."""

    # a record at which the column differs, as JSON text; None where the trace lacks some of
    # its fields
    record: str | None
    # source of a pytest module. In the project's folder, whose home has the version, it fails
    # as long as the column differs
    test: str


class _NoLiteralError(Exception):
    """A value that Python source cannot spell."""


def value_reproducer(
    graph: Graph,
    column: str,
    row: Columns,
    expected: Array,
    *,
    is_matrix: bool = False,
    scale: Array | float = 0.0,
    version: int | None = None,
) -> Reproducer | None:
    """Write a test that a column has the expected value, an array of one row.

    A field's test decodes the record. Any other column's passes the recorded inputs to its
    function, as the checkout has it; a model's loads the fitted estimator from the registry: of the
    champion, where no version is given.

    Returns:
        The reproducer; None if no module holds the pipeline, an input is lacking, a value has no
        literal, the column is read from a table, or a value is personal.
    """
    if column not in graph.fields:
        constants = _inputs(graph, column, row) | {"EXPECTED": expected}
        test = _MATRIX if is_matrix else _VALUE
        return _reproducer(graph, column, row, test, constants, scale, version)
    constants = {"RECORD": _record(graph, row), "EXPECTED": expected}
    return _reproducer(graph, column, row, _FIELD, constants)


def locality_reproducer(
    graph: Graph, column: str, rows: Columns, *, again: bool, scale: Array | float = 0.0
) -> Reproducer | None:
    """Write a test that a column has the same values for some rows together and one by one.

    The row that differs comes first; `again` is to compute them twice together instead.
    """
    test = _REPETITION if again else _LOCALITY
    return _reproducer(graph, column, rows, test, _inputs(graph, column, rows), scale)


def public_name(module: str) -> str:
    """The name in a checkout of a module that may be loaded as part of a version.

    The registry runs the modules of a version under a private package.
    """
    package, _, name = module.partition(".")
    return name if name and package.startswith("_") else module


def _inputs(graph: Graph, column: str, rows: Columns) -> dict[str, Any]:
    names = graph.inputs(column)
    is_told = set(names) <= set(rows) and graph.personal.isdisjoint((column, *names))
    return {"INPUTS": {name: rows[name] for name in names} if is_told else None}


def _record(graph: Graph, rows: Columns) -> str | None:
    """The first row as JSON text, with a known outcome; None if it lacks a field or is long.

    None too where it tells of a person.
    """
    if graph.fields.personal:
        return None
    for schema in (graph.record.joined(graph.outcome), graph.record):
        if set(schema.names) <= set(rows):
            text = wire_text(wire_record(rows, 0, schema))
            return text if len(text) <= _LONGEST else None
    return None


def _reproducer(
    graph: Graph,
    column: str,
    rows: Columns,
    test: str,
    constants: dict[str, Any],
    scale: Array | float = 0.0,
    version: int | None = None,
) -> Reproducer | None:
    place, node = _place(graph), graph.node(column)
    is_read = isinstance(node, FromTable)  # and the rows of its table stand in no test
    if place is None or is_read or any(value is None for value in constants.values()):
        return None
    module, pipeline = place
    is_model = node is not None and node.learns is not None
    ulps = graph.ulps(column)
    if ulps:
        constants["SCALE"] = np.asarray(scale)
    body = ((_MODELS if is_model else "") + test).format(
        column=column,
        pipeline=pipeline,
        schema="record_schema" if column in graph.record else "joint_schema",
        allowed=f"ulps={ulps}, scale=SCALE" if ulps else "ulps=0",
        version="champion" if version is None else version,
        models=", models()" if is_model else "",
    )
    try:
        values = [f"{name} = {_literal(value)}" for name, value in constants.items()]
    except _NoLiteralError:
        return None
    source = "\n".join([*_imports(body, module, pipeline), "", *values, body])
    return Reproducer(_record(graph, rows), source) if len(source) <= _LONGEST else None


_HELPERS = {
    "decode_json": "lockstep.columns.files",
    "difference": "lockstep.parity.exactness",
    "Project": "lockstep.project.project",
}
"""What the tests call, and where it is."""


def _imports(body: str, module: str, pipeline: str) -> list[str]:
    return [
        "import numpy as np",
        "",
        *(
            f"from {place} import {name}"
            for name, place in _HELPERS.items()
            if re.search(rf"\b{name}\b", body)
        ),
        f"from {module} import {pipeline}",
    ]


def _place(graph: Graph) -> tuple[str, str] | None:
    """The module that holds the pipeline of a graph, as a checkout names it, and its name there."""
    functions = [node.function for node in graph.columns.values()]
    modules = dict.fromkeys(function.__module__ for function in functions if function is not None)
    for module in modules:
        for name, value in vars(sys.modules[module]).items() if module in sys.modules else ():
            if isinstance(value, Pipeline) and value.graph is graph:
                return public_name(module), name
    return None


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return repr(value)
    if isinstance(value, dict):
        lines = [f'    "{name}": {_literal(array)},\n' for name, array in value.items()]
        return "{\n" + "".join(lines) + "}"
    if value.dtype.kind == "M":
        return f'np.array({np.datetime_as_string(value).tolist()}, dtype="{value.dtype}")'
    return f'np.array({_elements(value.tolist())}, dtype="{value.dtype}")'


def _elements(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_elements, value))}]"
    if isinstance(value, float):
        return {"nan": "np.nan", "inf": "np.inf", "-inf": "-np.inf"}.get(repr(value), repr(value))
    if value is None or isinstance(value, bool | int | str):
        return repr(value)
    raise _NoLiteralError(type(value).__name__)
