"""Losses: what a version lacks of the evidence that was stored with it, or that it needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lockstep.artifacts.artifact import FRAMEWORK
from lockstep.artifacts.evidence import ROLES, count
from lockstep.artifacts.modules import is_package
from lockstep.artifacts.version import LoadedVersion
from lockstep.columns.plain import counted, listed
from lockstep.parity.golden import LEAST_GOLDEN


def departures(
    loaded: LoadedVersion, counts: Mapping[str, int]
) -> Iterator[tuple[str, int, object]]:
    """The kinds of evidence whose count differs from an earlier one, with both counts."""
    for what, now in count(loaded).items():
        before = counts.get(what)
        if now != before:
            yield what, now, before or "none"


def losses(loaded: LoadedVersion) -> tuple[str, ...]:
    """What a version lacks of what was stored with it or what its pipeline needs, as clauses."""
    return (*_since_stored(loaded), *_of_pipeline(loaded))


def _since_stored(loaded: LoadedVersion) -> Iterator[str]:
    if loaded.altered:
        yield f"the fit stored another content of {listed(loaded.altered)}"
    for what, now, stored in departures(loaded, loaded.counts):
        yield f"it holds {now} {what}, and {stored} were stored with it"
    if (source := loaded.snapshot).digest != loaded.source:
        ends = {
            name: "/__init__.py" if is_package(name, source.modules) else ".py"
            for name in source.modules
        }
        files = (*(name.replace(".", "/") + end for name, end in ends.items()), *source.data)
        yield f"its source ({listed(sorted(files))}) is not the one that was stored with it"
    if loaded.carried != loaded.framework:
        yield (
            f"{FRAMEWORK}, Lockstep's own modules by which MLflow serves it, does not hold those "
            "that were stored with it"
        )


def _of_pipeline(loaded: LoadedVersion) -> Iterator[str]:
    """The evidence that a version lacks by the columns of its pipeline and the rows of its fit."""
    golden, graph = loaded.golden, loaded.pipeline.graph
    least = min(LEAST_GOLDEN, loaded.rows)
    if len(golden) < least:
        yield f"it holds {len(golden)} golden rows, and it takes {least} at least"
    lacking = [name for name in graph.served if name not in golden.trace.columns]
    if lacking:
        yield f"its golden records lack {listed(lacking)}"
    lacking = [name for name in graph.models if name not in golden.trace.matrices]
    if lacking:
        yield f"its golden records lack the matrix given to the estimator of {listed(lacking)}"
    lacking = [name for name in loaded.pipeline.tables if name not in golden.tables]
    if lacking:
        yield f"its golden records lack the rows of the table {listed(lacking)}"
    lacking = [node.name for node in loaded.pipeline.reading if node.name not in golden.cases]
    if lacking:
        yield f"it lacks the made-up rows and questions of {listed(lacking)}"
    lacking = [name for name in loaded.pipeline.record_schema.names if name not in golden.records]
    if lacking:
        yield f"its golden records lack the fields {listed(lacking)}"
    lacking = [role for role in ROLES if role not in loaded.suites]
    if lacking:
        yield f"it has no suite of {listed(lacking)}"
    valued = {field.name for field in loaded.pipeline.watched_schema if field.role == "value"}
    if {*loaded.constraints.layout.fields} != valued:
        yield (
            "its constraints are of other fields than its records and look-ups have: they are "
            "another pipeline's, or of before look-ups had any"
        )
    if loaded.profile.rows != loaded.rows:
        yield (
            f"its profile is of {counted(loaded.profile.rows, 'row')}, and it was fitted on "
            f"{loaded.rows:,}: it is another version's"
        )
