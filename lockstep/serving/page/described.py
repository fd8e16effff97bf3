"""A version described for people: its training, its checks, its models and its record."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lockstep.artifacts.version import LoadedVersion
from lockstep.columns.schema import Field
from lockstep.serving.protocols.examples import golden_examples, usual_value
from lockstep.serving.protocols.openapi import rules_of
from lockstep.serving.protocols.traces import described
from lockstep.serving.versions.request_rows import Record
from lockstep.serving.versions.request_scorer import Scorer

_EXAMPLES = 12


@dataclass(frozen=True)
class Golden:
    """The golden records that were replayed before the version served.

    Attributes:
        records: Number of golden records.
        columns: Number of columns that were compared.
        exact: Number of columns that are equal bit for bit.
        ulps: Ulps within which the others are, at most.
    """

    records: int
    columns: int
    exact: int
    ulps: int


@dataclass(frozen=True)
class ServedModel:
    """A model and its predictor.

    Attributes:
        name: Its name.
        is_compiled: Whether its compiled predictor serves, rather than scikit-learn.
        reason: Why it is not compiled; None where it is.
        ulps: Ulps within which it gives what scikit-learn gives; 0 where it does bit for bit.
    """

    name: str
    is_compiled: bool
    reason: str | None
    ulps: int


@dataclass(frozen=True)
class Described:
    """A version, as the page shows it.

    Attributes:
        pipeline: Name of the pipeline.
        title: The first line of its module's documentation.
        version: Its number.
        digest: SHA-256 of its manifest, which holds those of all other files.
        rows: Number of training rows.
        trained_until: Event time of the newest of these.
        metrics: Its quality, by metric.
        golden: The golden records that were replayed.
        code: SHA-256 of its own code.
        module: Name of its module.
        models: Its models, in graph order.
        record: Name of its record type.
        record_doc: Documentation of its record type.
        fields: The fields of a record.
        examples: Records to begin with.
        columns: The columns that are computed from a record, in graph order.
    """

    pipeline: str
    title: str
    version: int
    digest: str
    rows: int
    trained_until: datetime | None
    metrics: Mapping[str, float]
    golden: Golden
    code: str
    module: str
    models: tuple[ServedModel, ...]
    record: str
    record_doc: str
    fields: tuple[dict[str, Any], ...]
    examples: tuple[Record, ...]
    columns: tuple[dict[str, Any], ...]


def described_version(scorer: Scorer, hidden: Collection[str]) -> Described:
    """The description of a version that serves.

    Args:
        scorer: The version.
        hidden: Columns whose values are shown to nobody.
    """
    loaded, pipeline = scorer.loaded, scorer.pipeline
    schema = pipeline.record_schema
    given = [field for field in schema if not field.is_row_number]
    return Described(
        pipeline=loaded.name,
        title=_title(loaded),
        version=loaded.version,
        digest=loaded.digest,
        rows=loaded.rows,
        trained_until=loaded.trained_until,
        metrics=loaded.metrics,
        golden=_golden(loaded),
        code=loaded.snapshot.digest,
        module=loaded.snapshot.module,
        models=tuple(
            ServedModel(
                name,
                name in scorer.compiled.models,
                scorer.compiled.reasons.get(name),
                pipeline.graph.ulps(name),
            )
            for name in pipeline.graph.models
        ),
        record=schema.name,
        record_doc=inspect.getdoc(pipeline.record) or "",
        fields=tuple(_field(field, rules_of(scorer, field.name)) for field in given),
        examples=_examples(scorer, hidden),
        columns=tuple(described(scorer)),
    )


def _title(loaded: LoadedVersion) -> str:
    snapshot = loaded.snapshot
    doc = ast.get_docstring(ast.parse(snapshot.modules[snapshot.module])) or ""
    return doc.partition("\n\n")[0].replace("\n", " ")


def _golden(loaded: LoadedVersion) -> Golden:
    columns = loaded.golden.trace.columns
    ulps = [loaded.ulps.get(name, 0) for name in columns]
    return Golden(len(loaded.golden), len(columns), ulps.count(0), max(ulps, default=0))


def _field(field: Field, rules: list[str]) -> dict[str, Any]:
    return {
        "name": field.alias or field.name,
        "column": field.name,
        "declared": field.declared,
        "shown": field.declared_name,
        "optional": field.optional,
        "choices": field.choices,
        "role": field.role,
        "doc": field.doc,
        "rules": rules,
    }


def _examples(scorer: Scorer, hidden: Collection[str]) -> tuple[Record, ...]:
    records = golden_examples(scorer, hidden, _EXAMPLES)
    if records:
        return tuple(records)
    schema = scorer.pipeline.record_schema
    return ({field.name: usual_value(scorer, field) for field in schema},)
