"""Contracts: whether one version can answer the requests to another."""

from __future__ import annotations

from dataclasses import replace

from lockstep.columns.plain import listed
from lockstep.columns.schema import Field, Schema
from lockstep.serving.versions.request_scorer import Scorer


def departure(scorer: Scorer, live: Scorer) -> str | None:
    """Why a version cannot answer the requests to the live one; None if it can."""
    ours, theirs = scorer.pipeline.record_schema, live.pipeline.record_schema
    unlike = unlike_fields(ours, theirs) + [name for name in theirs.names if name not in ours]
    if unlike:
        return f"its record is another than that of version {live.loaded.version}: {listed(unlike)}"
    lacking = [name for name in live.names if name not in scorer.names]
    if lacking:
        return f"it lacks what version {live.loaded.version} answers: {listed(lacking)}"
    return None


def unlike_fields(record: Schema, other: Schema) -> list[str]:
    """The fields of a record that another record does not have, or declares otherwise."""
    return [
        field.name
        for field in record
        if field.name not in other or _declared(field) != _declared(other[field.name])
    ]


def _declared(field: Field) -> Field:
    return replace(field, doc="")
