"""Evidence: what a version carries to prove it right later, and how much of it.

Golden records that were cut to one row replay without a difference, and a suite without
expectations is met. So a version's manifest counts what it holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from lockstep.constraints.constraint_set import ConstraintSet
    from lockstep.parity.environment import Environment
    from lockstep.parity.golden import GoldenRecords
    from lockstep.parity.profiles import Profile
    from lockstep.parity.weekly import WeeklyFigures
    from lockstep.stats.limits import Limits

ROLES = ("input", "features", "outputs")
"""The suites that every version has, even if they expect nothing."""
_WIDEST = 1e12
"""The most that a limit counts, so that any database holds the figures."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a version carries beside its models and source, to prove it right later.

    Attributes:
        golden: Golden records, computed by the fitted pipeline.
        profile: Distributions of the rows of the fit; predictions among them are out-of-fold.
        constraints: Constraints that these rows keep.
        outputs: The same of outputs on rows that models did not see; None where not known.
        weekly: The quality of predictions on such rows, week by week.
        suites: Expectations as plain data, by the suite's role (`input`, `features`, `outputs`).
        trained_until: Event time of the newest of these rows; None where they have none.
        differing: By model whose compiled form gave other values than scikit-learn at the fit: how.
            It is never used. None where not known.
        fitted_to: The versions of the tables that its look-ups and windows read at the fit.
    """

    golden: GoldenRecords
    profile: Profile
    constraints: ConstraintSet
    outputs: ConstraintSet | None
    weekly: WeeklyFigures
    suites: Mapping[str, Mapping[str, Any]]
    environment: Environment
    metrics: Mapping[str, float]
    rows: int
    trained_until: datetime | None = None
    differing: Mapping[str, str] | None = None
    fitted_to: Mapping[str, str] = field(default_factory=dict)


def count(held: Evidence) -> dict[str, int]:
    """Count a version's evidence, by kind.

    Limits are added up: wider ones, which find less, count more.
    """
    constraints, outputs = held.constraints, held.outputs
    expectations = [
        expectation for suite in held.suites.values() for expectation in suite["expectations"]
    ]
    return {
        "golden rows": len(held.golden),
        "columns of golden rows": len(held.golden.trace.columns),
        "matrices of golden rows": len(held.golden.trace.matrices),
        "expectations": len(expectations),
        "thousandths of all limits of expectations": round(
            1000 * sum(_width(expectation["kwargs"]) for expectation in expectations)
        ),
        **_of_tables(held.golden),
        "columns of the profile": len(held.profile.columns),
        "statistics of outputs": len(outputs.statistics) if outputs is not None else 0,
        "thousandths of all limits of outputs": _thousandths(
            outputs.limits if outputs is not None else None
        ),
        "figures of weeks": len(held.weekly.names),
        "thousandths of all limits of weeks": _thousandths(held.weekly.limits),
        "rows of constraints": constraints.rows,
        "constraints": len(constraints.features),
        "strict constraints": sum(feature.strict for feature in constraints.features),
        "statistics of constraints": len(constraints.statistics),
        "thousandths of all limits of constraints": _thousandths(constraints.limits),
    }


def _of_tables(golden: GoldenRecords) -> dict[str, int]:
    """The counts that golden records with rows of tables have beside the others."""
    if not golden.tables and not golden.cases:
        return {}
    return {
        "rows of tables": sum(map(len, golden.tables.values())),
        "cases of look-ups": sum(len(case.names) for case in golden.cases.values()),
    }


def _thousandths(limits: Limits | None) -> int:
    """How much limits let pass, in thousandths: ranges, tails, and the evidence needed."""
    if limits is None:
        return 0
    ends = [limits.level.high - limits.level.low, limits.level.scale, limits.step.scale]
    widths = sum(float(np.nan_to_num(end, posinf=_WIDEST).sum()) for end in ends)
    return round(1000 * min(_WIDEST, widths - limits.warn - limits.block))


def _width(kwargs: Mapping[str, Any]) -> float:
    """How much an expectation lets pass: more for wider limits and longer lists."""
    width = 0.0
    for name, value in kwargs.items():
        if isinstance(value, str | list):
            width += len(value)
        elif isinstance(value, int | float):
            sign = -1 if name.startswith(("min", "mostly")) else 1
            width += sign * max(-_WIDEST, min(_WIDEST, value))
    return width
