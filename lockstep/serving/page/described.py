"""A version described for people: its training, its checks, its models and its record."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Collection
from typing import Any

from lockstep.artifacts.version import LoadedVersion
from lockstep.columns.schema import Field
from lockstep.columns.syntax import parse
from lockstep.serving.protocols.examples import golden_examples, usual_value
from lockstep.serving.protocols.openapi import rules_of
from lockstep.serving.protocols.traces import described
from lockstep.serving.versions.request_rows import Record
from lockstep.serving.versions.request_scorer import Scorer

_EXAMPLES = 12


def described_version(scorer: Scorer, hidden: Collection[str]) -> dict[str, Any]:
    """A version that serves, described as the page shows it, without values of hidden columns."""
    loaded, pipeline = scorer.loaded, scorer.pipeline
    schema = pipeline.record_schema
    given = [field for field in schema if not field.is_row_number]
    ulps = [loaded.ulps.get(name, 0) for name in loaded.golden.trace.columns]
    return {
        "pipeline": loaded.name,
        "title": _title(loaded),
        "version": loaded.version,
        "digest": loaded.digest,
        "rows": loaded.rows,
        "trained_until": loaded.trained_until,
        "metrics": loaded.metrics,
        "golden": {
            "records": len(loaded.golden),
            "columns": len(ulps),
            "exact": ulps.count(0),
            "ulps": max(ulps, default=0),
        },
        "code": loaded.snapshot.digest,
        "module": loaded.snapshot.module,
        "models": [
            {
                "name": name,
                "is_compiled": name in scorer.compiled.models,
                "reason": scorer.compiled.reasons.get(name),
                "ulps": pipeline.graph.ulps(name),
            }
            for name in pipeline.graph.models
        ],
        "record": schema.name,
        "record_doc": inspect.getdoc(pipeline.record) or "",
        "fields": [_field(field, rules_of(scorer, field.name)) for field in given],
        "examples": _examples(scorer, hidden),
        "columns": described(scorer),
    }


def _title(loaded: LoadedVersion) -> str:
    snapshot = loaded.snapshot
    doc = ast.get_docstring(parse(snapshot.modules[snapshot.module])) or ""
    return doc.partition("\n\n")[0].replace("\n", " ")


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


def _examples(scorer: Scorer, hidden: Collection[str]) -> list[Record]:
    records = golden_examples(scorer, hidden, _EXAMPLES)
    if records:
        return records
    schema = scorer.pipeline.record_schema
    return [{field.name: usual_value(scorer, field) for field in schema}]
