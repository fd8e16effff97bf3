"""Differences of two versions: what a person wants to know before one replaces the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from difflib import unified_diff
from typing import TYPE_CHECKING, Any

from lockstep.checks.differences import changed_beside, changed_code, changed_suites
from lockstep.columns.plain import iso

if TYPE_CHECKING:
    from lockstep.artifacts.version import LoadedVersion
    from lockstep.parity.code_changes import Change


@dataclass(frozen=True)
class VersionDifferences:
    """Differences of two versions of a pipeline; what is the same is left out.

    Attributes:
        columns: Fields and columns whose declaration or code differs, in what they reach too.
        code: A unified diff of each function, class and constant, by module and name, without
            comments and docstrings.
        rows: Facts of the rows that they were trained on, both values of each.
    """

    columns: Mapping[str, Change]
    code: Mapping[str, str]
    files: Mapping[str, Change]
    suites: Mapping[str, Change]
    rows: Mapping[str, tuple[Any, Any]]
    metrics: Mapping[str, tuple[float | None, float | None]]
    environment: Mapping[str, tuple[str | None, str | None]]

    @classmethod
    def of(
        cls,
        before: LoadedVersion,
        after: LoadedVersion,
        training_sets: tuple[str | None, str | None] = (None, None),
    ) -> VersionDifferences:
        """Compare two versions."""
        sides = [(each.pipeline, each.snapshot) for each in (before, after)]
        environments = before.environment.compare(after.environment)
        return cls(
            columns=changed_code(*sides),
            code=_diffs(before, after),
            files=changed_beside(before.snapshot, after.snapshot),
            suites=changed_suites(before.suites, after.suites),
            rows=_different(_rows(before, training_sets[0]), _rows(after, training_sets[1])),
            metrics=_different(before.metrics, after.metrics),
            environment={each.what: (each.expected, each.actual) for each in environments},
        )

    @property
    def any(self) -> bool:
        """Whether anything differs."""
        return any(asdict(self).values())


def _diffs(before: LoadedVersion, after: LoadedVersion) -> dict[str, str]:
    from lockstep.parity.code_changes import changed_columns, definitions

    old, new = (definitions(each.snapshot.modules) for each in (before, after))
    first, second = (f"version {each.version}" for each in (before, after))
    return {
        name: "\n".join(
            unified_diff(
                old.get(name, "").splitlines(),
                new.get(name, "").splitlines(),
                first,
                second,
                lineterm="",
            )
        )
        for name in changed_columns(old, new)
    }


def _rows(loaded: LoadedVersion, training_set: str | None) -> dict[str, Any]:
    until = loaded.trained_until
    return {
        "rows": loaded.rows,
        "newest row": None if until is None else iso(until),
        "SHA-256 of the training set": training_set,
    }


def _different(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {
        name: (before.get(name), after.get(name))
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
    }
