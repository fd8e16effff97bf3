"""Differences of two states of a pipeline: of its code, of the files beside it, of its suites."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lockstep.artifacts.snapshot import Snapshot
    from lockstep.columns.pipeline import Pipeline
    from lockstep.parity.code_changes import Change

Suites = Mapping[str, Mapping[str, Any]]
"""Expectations as plain data, by role."""


def changed_code(
    before: tuple[Pipeline, Snapshot], after: tuple[Pipeline, Snapshot]
) -> dict[str, Change]:
    """Fields whose declaration and columns whose code differ."""
    from lockstep.parity.code_changes import changed_columns, column_digests, field_digests

    def digests(side: Pipeline, source: Snapshot) -> dict[str, str]:
        return column_digests(source.modules, source.module, side.graph.columns)

    schemas = (pipeline.joint_schema for pipeline, _ in (before, after))
    fields = changed_columns(*map(field_digests, schemas))
    if before[1].digest == after[1].digest:
        return fields
    return fields | changed_columns(digests(*before), digests(*after))


def changed_beside(before: Snapshot, after: Snapshot) -> dict[str, Change]:
    """Modules and data files that differ between two snapshots."""
    from lockstep.parity.code_changes import changed_columns, module_digests

    if before.digest == after.digest:
        return {}
    modules = changed_columns(module_digests(before.modules), module_digests(after.modules))
    data = changed_columns(_data_digests(before), _data_digests(after))
    return {
        **{f"module {name}": change for name, change in modules.items()},
        **{f"data file {name}": change for name, change in data.items()},
    }


def changed_suites(before: Suites, after: Suites) -> dict[str, Change]:
    """Expectations that differ between two sets of suites."""
    from lockstep.parity.code_changes import changed_columns

    def digests(suites: Suites) -> dict[str, str]:
        by_title: dict[str, list[str]] = {}
        for role, suite in suites.items():
            for expectation in suite["expectations"]:
                about = expectation["kwargs"].get("column", "the whole batch")
                title = f"{expectation['type']} of {about} in the suite of {role}"
                by_title.setdefault(title, []).append(json.dumps(expectation, sort_keys=True))
        return {title: "\n".join(texts) for title, texts in by_title.items()}

    return changed_columns(digests(before), digests(after))


def _data_digests(source: Snapshot) -> dict[str, str]:
    return {name: sha256(content).hexdigest() for name, content in source.data.items()}
