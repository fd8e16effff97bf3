"""Check of requests: parity and drift by their log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lockstep.checks.check_results import tell, with_unjudged
from lockstep.checks.comparisons import check_comparison
from lockstep.checks.drift_checks import Population, check_drift
from lockstep.columns.kinds import Array, Columns
from lockstep.columns.markdown import code_block
from lockstep.columns.pipeline import Trace
from lockstep.columns.plain import listed
from lockstep.columns.tables import take_rows
from lockstep.serving.requestlog.log_segments import LogSegment
from lockstep.store.results import CheckResult

if TYPE_CHECKING:
    from lockstep.artifacts.version import LoadedVersion
    from lockstep.parity.divergence import Divergence
    from lockstep.parity.lookup_hindsight import ServedLookups

_REDACTED = {"dropped": "not logged", "hashed": "logged as a hash alone"}
_LEAST_ROWS = 100
"""Rows below which chance alone may look like drift."""


def check_request_replay(
    segment: LogSegment, loaded: LoadedVersion, looked_up: Columns | None = None
) -> CheckResult:
    """Check that the batch path gives a segment's requests the outputs that the server gave.

    The batch path uses the reference predictors, not the compiled ones that the server used, and
    modules that are run anew, the last row first: a server's functions have seen other rows before.

    Args:
        looked_up: Columns of look-ups and windows, by the tables as they were then.
    """
    from lockstep.parity.answers import replay_answers

    if not segment.rows:
        return CheckResult.not_judged("No row of these requests was scored.")
    if (departure := _departure(segment, loaded)) is not None:
        return departure
    redacted = {name: _REDACTED[how] for name, how in segment.header.redacted.items()}
    given = Trace(row_names(segment, loaded.pipeline.key), segment.columns, {})
    turned = np.arange(segment.rows)[::-1]
    with loaded.anew() as pipeline:
        comparison, unjudged = replay_answers(
            pipeline,
            given.take(turned),
            scales=loaded.golden.scales,
            redacted=redacted,
            version=loaded.version,
            looked_up=take_rows(looked_up, turned) if looked_up is not None else None,
        )
    if comparison is None:
        return CheckResult.not_judged(f"No output can be judged: {tell(unjudged)}.", unjudged)
    how = f"computed anew by the batch path of version {loaded.version}"
    result = check_comparison(comparison, loaded.pipeline.graph, how)
    if loaded.digest != segment.header.manifest:
        result = _of_other_files(result, segment, loaded)
    return replace(
        result,
        summary=with_unjudged(result.summary, unjudged),
        unjudged=unjudged,
        notes={**_record_of(comparison.first, given, segment, loaded), **result.notes},
        numbers={**result.numbers, "requests": len(segment.requests)},
    )


def check_request_drift(segment: LogSegment, loaded: LoadedVersion) -> CheckResult:
    """Check that the rows of requests are distributed as in training, as a batch's."""
    from lockstep.constraints.drift import drift
    from lockstep.parity.profiles import Profile

    profile, redacted = loaded.profile, segment.header.redacted
    if segment.rows < _LEAST_ROWS:
        return CheckResult.not_judged(
            f"{segment.rows} scored rows are too few to tell how they are distributed; "
            f"{_LEAST_ROWS} are enough."
        )
    fields = segment.header.fields.keys() - redacted.keys()
    rows = {name: segment.columns[name] for name in fields}
    kinds = {name: loaded.pipeline.graph.kind(name) for name in profile.columns if name in fields}
    measured = drift(loaded.constraints, rows)
    result = check_drift(
        Population(
            [distance for distance in measured if distance.column in fields],
            loaded.constraints,
            profile,
            Profile.of({name: rows[name] for name in kinds}, kinds),
        )
    )
    lacking = {name: f"it is {_REDACTED[how]}" for name, how in redacted.items()}
    unjudged = {name: why for name, why in lacking.items() if name in profile.columns}
    return replace(
        result,
        summary=with_unjudged(result.summary, unjudged),
        unjudged={**result.unjudged, **unjudged},
    )


def served_lookups(segment: LogSegment, loaded: LoadedVersion) -> ServedLookups:
    """What a server read of tables for the rows of a segment."""
    from lockstep.parity.lookup_hindsight import ServedLookups

    by_request = [tuple(sorted(tables.items())) for tables in segment.requests.tables]
    versions = {versions: place for place, versions in enumerate(dict.fromkeys(by_request))}
    places = np.array([versions[tables] for tables in by_request], dtype=np.int64)
    redacted, pipeline = segment.header.redacted, loaded.pipeline
    known = {*segment.columns} - redacted.keys()
    return ServedLookups(
        keys=row_names(segment, pipeline.key),
        fields={
            name: segment.columns[name] for name in pipeline.record_schema.names if name in known
        },
        origins=segment.origins,
        versions=[dict(tables) for tables in versions],
        answered_with=np.repeat(places, segment.requests.rows),
        redacted={name: _REDACTED[how] for name, how in redacted.items()},
    )


def row_names(segment: LogSegment, key: str) -> Array:
    """A unique name for each scored row of a segment: clients may send a key many times."""
    ids = np.repeat(np.array(segment.requests.ids, dtype=object), segment.requests.rows).tolist()
    keys = segment.columns[key].tolist() if key in segment.columns else ["(no key)"] * len(ids)
    names = np.empty(len(ids), dtype=object)
    names[:] = [
        f"{value} (request {request}, row {row} of the segment)"
        for row, (value, request) in enumerate(zip(keys, ids, strict=True))
    ]
    return names


def _departure(segment: LogSegment, loaded: LoadedVersion) -> CheckResult | None:
    """The result for a log whose columns are not those of the version that answered.

    None where they are, except for dropped fields; and where the version's files have changed
    since, which may have other columns.
    """
    header, logged = segment.header, segment.header.kinds.keys()
    wanted = {*loaded.pipeline.record_schema.names, *loaded.pipeline.graph.outputs}
    dropped = {name for name, how in header.redacted.items() if how == "dropped"}
    lacking, strange = sorted(wanted - dropped - logged), sorted(logged - wanted)
    if header.manifest != loaded.digest or not (lacking or strange):
        return None
    differences = [f"it lacks {listed(lacking)}"] if lacking else []
    differences += [f"it has {listed(strange)}, which the version does not"] if strange else []
    return CheckResult(
        False,
        f"{segment.name} does not hold the columns of version {loaded.version}, which answered: "
        f"{'; '.join(differences)}. It was changed since it was written.",
        column=(*lacking, *strange)[0],
        todo="Restore the segment from a copy. Then: AGAIN",
    )


def _of_other_files(result: CheckResult, segment: LogSegment, loaded: LoadedVersion) -> CheckResult:
    summary = (
        f"Version {loaded.version} in the registry is not the one that answered: its manifest is "
        f"{loaded.digest[:12]}, and was {segment.header.manifest[:12]}. {result.summary}"
    )
    return replace(result, passed=False, summary=summary)


def _record_of(
    first: Divergence | None, given: Trace, segment: LogSegment, loaded: LoadedVersion
) -> Mapping[str, str]:
    """A record for which an output differs, to send again; none where fields are redacted."""
    from lockstep.parity.wire import wire_record

    fields = loaded.pipeline.record_schema.fields
    is_whole = not any(field.name in segment.header.redacted for field in fields)
    if first is None or not first.examples or not is_whole:
        return {}
    row = given.keys.tolist().index(first.examples[0].key)
    record = wire_record(segment.columns, row, fields)
    return {"one record": code_block(json.dumps(record, ensure_ascii=False), "json")}
