"""Writes docs/reference.md: what can be declared, from the declarations' own docstrings.

make docs
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import timedelta
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, get_type_hints

import lockstep
from lockstep.columns.setting_checks import wanted
from lockstep.project import project as projects
from lockstep.project.quality import METRICS, SHORT_NAMES

REFERENCE = Path(__file__).with_name("reference.md")

DECLARATIONS = (
    "PipelineAssets",
    "TableAssets",
    "Calendar",
    "ParquetSource",
    "CsvSource",
    "CsvFormat",
    "SqlSource",
    "FunctionSource",
    "ParquetSink",
    "SqlSink",
    "Quality",
    "Constraints",
    "Serving",
    "RequestLog",
    "Canary",
    "Suites",
)
"""The dataclasses of `lockstep` that a pipeline's author fills in."""

LIMITS = (
    ("lockstep.project.declaration:PipelineAssets.max_quarantined", "share of a batch's rows"),
    ("lockstep.project.declaration:PipelineAssets.holdout", "share of the history's rows"),
    ("lockstep.project.declaration:PipelineAssets.max_age", "time"),
    ("lockstep.project.declaration:PipelineAssets.min_known", "share of a day's published rows"),
    ("lockstep.checks.arrival:LOOKS", "looks within `label_delay`"),
    ("lockstep.checks.live_quality:WINDOW_DAYS", "days"),
    ("lockstep.project.constraint_levels:Constraints.first_batches", "batches"),
    ("lockstep.constraints.past:DAYS", "days"),
    ("lockstep.stats.limits:ENOUGH_DAYS", "days or blocks"),
    ("lockstep.parity.weekly:LEAST_WEEKS", "weeks"),
    ("lockstep.parity.changes:ALLOWANCE", "share of the way to a limit"),
    ("lockstep.parity.changes:PATIENCE", "batches"),
)
"""Where each limit is kept, and its unit."""

_INTRODUCTION = r"""
# Reference

What a pipeline's three files can declare, and the limits that hold where nothing is declared.
All names are imported from `lockstep`. (This page is written by `make docs`, from the code.)

## Record and Outcome

A class with one annotated field a line; a comment at its end describes it. One field of a record
is its `Key[str]` or `Key[int]`, and one may be its `EventTime`.

| declared | array in functions | missing |
|---|---|---|
| `float`, `float \| None` | `Floats` (float64) | NaN, only with `\| None` |
| `int` | `Ints` (int64) | never |
| `int \| None`, `bool \| None` | `Floats` (float64) | NaN |
| `bool` | `Bools` (bool) | never |
| `str`, `Literal["a", "b"]`, ... | `Texts` (object: `str`) | `None`, only with `\| None` |
| `datetime`, `EventTime` | `Times` (datetime64[us], UTC) | NaT, only with `\| None` |

What data says otherwise than a record is told by marks, several of them in one `Annotated`:

| declared | meaning |
|---|---|
| `Annotated[float, Named("body mass (g)")]` | the column has this name in data |
| `Annotated[float \| None, Missing("NA", "?")]` | these texts stand for no value |
| `Annotated[datetime, Zone("Europe/Berlin")]` | times without a zone are of this one |
| `RowNumber` | a key for tables that have none: their position in what they came in, from 0 |

## Table and Event

What [look-ups and windows](look-ups.md) read: a class with the fields of a row. One or more of them
are a `Key[...]`, and all others but the times are values.

| declared | meaning |
|---|---|
| `class Weather(Table, known_after=timedelta(hours=1))` | one row a key and time, known later |
| `class Landing(Event, known_after=...)` | any number of rows share key and time |
| `EventTime` | from when a row is valid |
| `KnownTime` | when it became known, in the place of `known_after`; one of them is needed |
| `class Aircraft(Table, static=True)` | rows without times |
"""


def reference() -> str:
    """The page, as Markdown."""
    sections = [_INTRODUCTION.lstrip(), _columns()]
    sections += [_declaration(getattr(lockstep, name)) for name in DECLARATIONS]
    sections += [_metrics(), _limits(), _settings()]
    return "\n".join(section.rstrip() + "\n" for section in sections)


def _columns() -> str:
    """The decorators of columns and what each takes."""
    parts = ["## Columns\n"]
    for name in ("feature", "lookup", "window", "label", "model", "output"):
        function = getattr(lockstep, name)
        doc = inspect.getdoc(function) or ""
        parts.append(f"### @{name}\n\n{_prose(doc)}\n")
        arguments = _described(doc, "Args")
        given = inspect.signature(function).parameters
        rows = [
            (f"`{argument}`", _default(given[argument].default), text)
            for argument, text in arguments.items()
            if argument in given and argument != "function"
        ]
        if rows:
            parts.append(_table(("argument", "default", "meaning"), rows) + "\n")
    return "\n".join(parts)


def _declaration(declared: type) -> str:
    doc = inspect.getdoc(declared) or ""
    described = _described(doc, "Attributes")
    hints = get_type_hints(declared.__init__, include_extras=True)  # type: ignore[misc]
    rows = [
        (
            f"`{field.name}`",
            wanted(hints[field.name], None).replace("|", r"\|"),
            _field_default(field),
            described.get(field.name, ""),
        )
        for field in fields(declared)
        if field.init
    ]
    table = _table(("name", "give", "default", "meaning"), rows)
    return f"## {declared.__name__}\n\n{_prose(doc)}\n\n{table}"


def _metrics() -> str:
    rows = [
        (f"`{name}`", "at least" if metric.higher_is_better else "at most")
        for name, metric in ((name, METRICS[name]) for name in SHORT_NAMES)
    ]
    rows.append(("any name of `sklearn.metrics.get_scorer_names()`", "at least"))
    return "## Metrics\n\n" + _table(("metric", "a threshold is reached by"), rows)


def _limits() -> str:
    rows = []
    for place, unit in LIMITS:
        module, _, name = place.partition(":")
        owner, _, attribute = name.rpartition(".")
        if owner:
            found = getattr(import_module(module), owner)
            field = next(one for one in fields(found) if one.name == attribute)
            value = _field_default(field)
            meaning = _described(inspect.getdoc(found) or "", "Attributes")[attribute]
        else:
            value = _default(getattr(import_module(module), name))
            meaning = _constant_doc(module, name)
        rows.append((f"`{name}`", value, unit, meaning))
    return "## Limits\n\n" + _table(("limit", "value", "unit", "meaning"), rows)


def _settings() -> str:
    doc = inspect.getdoc(projects) or ""
    settings = "\n".join(doc.splitlines()[2:])
    return f"## [tool.lockstep]\n\n```toml\n{settings}\n```"


def _table(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [titles, tuple("---" for _ in titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _prose(doc: str) -> str:
    """What a docstring says before its first section."""
    return re.split(r"\n\n(?=[A-Z]\w+:\n)", doc)[0].partition("\n>>>")[0].strip()


def _described(doc: str, section: str) -> dict[str, str]:
    """What a section of a docstring says of each name."""
    found = re.search(rf"^{section}:\n((?:[ ]+.*\n?|\n)*)", doc, re.MULTILINE)
    described: dict[str, str] = {}
    for line in (found.group(1) if found else "").splitlines():
        begins = re.match(r"    (\w+)(?: \(.*?\))?: (.*)", line)
        if begins:
            described[begins.group(1)] = begins.group(2)
        elif line.strip() and described:
            described[next(reversed(described))] += f" {line.strip()}"
    return {name: text.replace("|", "\\|") for name, text in described.items()}


def _constant_doc(module: str, name: str) -> str:
    """The text below a constant."""
    body = ast.parse(inspect.getsource(import_module(module))).body
    for statement, following in pairwise(body):
        targets = (
            statement.targets
            if isinstance(statement, ast.Assign)
            else [statement.target]
            if isinstance(statement, ast.AnnAssign)
            else []
        )
        named = any(isinstance(target, ast.Name) and target.id == name for target in targets)
        if named and isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            return " ".join(str(following.value.value).split())
    raise LookupError(f"{module}.{name} has no text below it")


def _field_default(field: Field[Any]) -> str:
    if field.default_factory is not MISSING:
        return _default(field.default_factory())
    return _default(inspect.Parameter.empty if field.default is MISSING else field.default)


def _default(value: Any) -> str:
    if value is inspect.Parameter.empty:
        return "required"
    if isinstance(value, timedelta):
        return f"{value.seconds // 60} minutes" if value.seconds else f"{value.days} days"
    if is_dataclass(value):
        return f"`{type(value).__name__}()`"
    if inspect.isfunction(value):  # the one that stands for a suite without expectations
        return "none"
    return "none" if value in (None, (), []) else f"`{value!r}`"


if __name__ == "__main__":
    REFERENCE.write_text(reference(), encoding="utf-8")
