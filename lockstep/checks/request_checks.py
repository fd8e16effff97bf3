"""Checks of requests: what their log says of parity and of the population."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lockstep.checks.check_results import CheckResult, tell, with_unjudged
from lockstep.checks.comparisons import check_comparison
from lockstep.checks.drift_checks import Population, check_drift
from lockstep.columns.kinds import Array
from lockstep.columns.pipeline import Trace
from lockstep.columns.plain import listed
from lockstep.serving.requestlog.log_segments import LogSegment

if TYPE_CHECKING:
    from lockstep.artifacts.version import LoadedVersion
    from lockstep.parity.divergence import Divergence

_REDACTED = {"dropped": "not logged", "hashed": "logged as a hash alone"}
_LEAST_ROWS = 100
"""Rows below which chance alone may look like drift."""


def check_request_replay(segment: LogSegment, loaded: LoadedVersion) -> CheckResult:
    """Whether the batch path gives the requests of a segment the outputs that the server gave.

    It computes with the reference predictors: what the server compiled is not asked to prove
    itself.

    Args:
        segment: The requests, with what they were answered.
        loaded: The version that the registry has by the number of the one that answered.
    """
    from lockstep.parity.answers import replay_answers

    if not segment.rows:
        return CheckResult.not_judged("No row of these requests was scored.")
    if (departure := _departure(segment, loaded)) is not None:
        return departure
    redacted = {name: _REDACTED[how] for name, how in segment.header.redacted.items()}
    given = Trace(row_names(segment, loaded.pipeline.key), segment.columns, {})
    replayed = replay_answers(
        loaded.pipeline,
        given,
        scales=loaded.golden.scales,
        redacted=redacted,
        version=loaded.version,
    )
    if replayed.comparison is None:
        told = f"No output can be judged: {tell(replayed.unjudged)}."
        return CheckResult.not_judged(told, replayed.unjudged)
    how = f"computed anew by the batch path of version {loaded.version}"
    found = check_comparison(replayed.comparison, loaded.pipeline.graph, how)
    if loaded.digest != segment.header.manifest:
        found = _of_other_files(found, segment, loaded)
    return replace(
        found,
        summary=with_unjudged(found.summary, replayed.unjudged),
        unjudged=replayed.unjudged,
        notes={**_record_of(replayed.comparison.first, given, segment, loaded), **found.notes},
        numbers={**found.numbers, "requests": len(segment.requests)},
    )


def check_request_drift(segment: LogSegment, loaded: LoadedVersion) -> CheckResult:
    """How far the rows of requests are from the training rows, as a batch's are measured.

    Args:
        segment: The requests.
        loaded: The version that answered.
    """
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
    found = check_drift(
        Population(
            [one for one in measured if one.column in fields],
            loaded.constraints,
            profile,
            Profile.of({name: rows[name] for name in kinds}, kinds),
        )
    )
    lacking = {name: f"it is {_REDACTED[how]}" for name, how in redacted.items()}
    unjudged = {name: why for name, why in lacking.items() if name in profile.columns}
    return replace(
        found,
        summary=with_unjudged(found.summary, unjudged),
        unjudged={**found.unjudged, **unjudged},
    )


def row_names(segment: LogSegment, key: str) -> Array:
    """What each scored row of a segment is called: clients may send one key again and again."""
    ids = np.repeat(np.array(segment.requests.ids, dtype=object), segment.requests.rows).tolist()
    keys = segment.columns[key].tolist() if key in segment.columns else ["(no key)"] * len(ids)
    names = np.empty(len(ids), dtype=object)
    names[:] = [
        f"{one} (request {request}, row {row} of the segment)"
        for row, (one, request) in enumerate(zip(keys, ids, strict=True))
    ]
    return names


def _departure(segment: LogSegment, loaded: LoadedVersion) -> CheckResult | None:
    """The result of a log of other columns than the version has that answered.

    None where it has these, but for those that are not to be logged; and where the files of the
    version are others since, which may have other columns.
    """
    header, logged = segment.header, segment.header.kinds.keys()
    wanted = {*loaded.pipeline.record_schema.names, *loaded.pipeline.graph.outputs}
    dropped = {name for name, how in header.redacted.items() if how == "dropped"}
    lacking, strange = sorted(wanted - dropped - logged), sorted(logged - wanted)
    if header.manifest != loaded.digest or not (lacking or strange):
        return None
    told = [f"it lacks {listed(lacking)}"] if lacking else []
    told += [f"it has {listed(strange)}, which the version does not"] if strange else []
    return CheckResult(
        False,
        f"{segment.name} does not hold the columns of version {loaded.version}, which answered: "
        f"{'; '.join(told)}. It was changed since it was written.",
        column=(*lacking, *strange)[0],
        todo="Restore the segment from a copy. Then: AGAIN",
    )


def _of_other_files(found: CheckResult, segment: LogSegment, loaded: LoadedVersion) -> CheckResult:
    said = (
        f"Version {loaded.version} in the registry is not the one that answered: its manifest is "
        f"{loaded.digest[:12]}, and was {segment.header.manifest[:12]}. {found.summary}"
    )
    return replace(found, passed=False, summary=said)


def _record_of(
    first: Divergence | None, given: Trace, segment: LogSegment, loaded: LoadedVersion
) -> Mapping[str, str]:
    """A record at which an output differs, to be sent again; none where fields are redacted."""
    from lockstep.parity.wire import wire_record

    fields = loaded.pipeline.record_schema.fields
    is_whole = not any(field.name in segment.header.redacted for field in fields)
    if first is None or not first.examples or not is_whole:
        return {}
    row = given.keys.tolist().index(first.examples[0].key)
    record = wire_record(segment.columns, row, fields)
    return {"one record": f"```json\n{json.dumps(record, ensure_ascii=False)}\n```"}
