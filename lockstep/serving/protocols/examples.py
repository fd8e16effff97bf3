"""Examples: records that a version answers, to be shown to people."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain, islice
from typing import Any

import msgspec

from lockstep.columns.schema import Field
from lockstep.parity.wire import wire_records
from lockstep.serving.versions.request_rows import Record
from lockstep.serving.versions.request_scorer import Answer, Scorer

_COMMON = 0.01
"""The least share of a text that is shown: a rare one may identify a person."""


def example_of(
    scorer: Scorer, hidden: Collection[str] = ()
) -> tuple[Record, dict[str, Any]] | None:
    """A record as clients send it, and its prediction; None if there is none to show.

    Its numbers are the medians of the training rows, its texts the most common ones, so that it is
    nobody's. Where that record is refused, since its columns do not fit one another, the first of
    `golden_examples` takes its place.
    """
    schema = scorer.pipeline.record_schema
    usual = {field.name: usual_value(scorer, field) for field in schema}
    for record in chain([usual], _golden_examples(scorer, hidden)):
        answer = _answer(scorer, record)
        if answer is not None:
            sent = {field.alias or field.name: record[field.name] for field in schema}
            return sent, msgspec.to_builtins(answer.told[0])
    return None


def golden_examples(scorer: Scorer, hidden: Collection[str], most: int) -> list[Record]:
    """Golden records, without what may identify a person.

    Their keys are made up, hidden columns have their usual value, and records with a rare text are
    left out. Those with the most fields come first.
    """
    return list(islice(_golden_examples(scorer, hidden), most))


def _golden_examples(scorer: Scorer, hidden: Collection[str]) -> Iterator[Record]:
    golden, schema = scorer.loaded.golden, scorer.pipeline.record_schema
    usual = {
        field.name: usual_value(scorer, field)
        for field in schema
        if field.role == "key" or field.name in hidden
    }
    records = [{**record, **usual} for record in wire_records(golden.records, schema)]
    records.sort(key=lambda record: sum(value is None for value in record.values()))
    for record in records:
        if _is_common(scorer, record, usual) and _answer(scorer, record) is not None:
            yield record


def _is_common(scorer: Scorer, record: Record, usual: Collection[str]) -> bool:
    """Whether the texts of a record are common."""
    profiles = scorer.loaded.profile.columns
    texts = (
        field.name
        for field in scorer.pipeline.record_schema
        if field.declared == "str" and field.name not in usual and record[field.name] is not None
    )
    return all(
        name in profiles and profiles[name].shares.get(record[name], 0) >= _COMMON for name in texts
    )


def _answer(scorer: Scorer, record: Record) -> Answer | None:
    (answer,) = scorer.answer([[record]])
    return answer if isinstance(answer, Answer) and not answer.rejected else None


def usual_value(scorer: Scorer, field: Field) -> Any:
    """A value of a field that is common or made up."""
    profile = scorer.loaded.profile.columns.get(field.name)
    if field.declared == "datetime":
        return "2020-01-01T00:00:00Z"
    if field.role == "key":
        return 1 if field.declared == "int" else "example"
    if profile is not None and profile.quantiles:
        median = profile.quantiles[len(profile.quantiles) // 2]
        return round(median) if field.declared == "int" else median
    shares = profile.shares if profile is not None else {}
    common = max(shares, key=lambda name: shares[name], default=None)
    if field.declared == "bool":
        return common == "True"
    if common is not None and shares[common] >= _COMMON:
        return common
    if field.optional:
        return None
    return field.choices[0] if field.choices else {"float": 1.0, "int": 1}.get(field.declared, "a")
