"""Candidates: a version fitted, proven against itself, measured and registered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from lockstep.checks.parity import check_comparison
from lockstep.checks.results import CheckResult, carry_out
from lockstep.columns.kinds import Columns
from lockstep.project.declaration import PipelineAssets
from lockstep.project.quality import METRICS, Quality
from lockstep.training.holdout import Evaluation, evaluate_champion, evaluate_holdout
from lockstep.training.plots import quality_plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lockstep.parity.golden import GoldenRecords
    from lockstep.registry.registry import Registry
    from lockstep.registry.versions import Version

_WORSE_SLICE = 0.1
"""How much worse than the whole a slice may be, as a share of the whole's metric."""


@dataclass(frozen=True)
class Candidate:
    """A registered version and what was found out about it.

    Attributes:
        version: The version in the registry.
        rows: Number of rows that it was fitted on.
        evaluation: Its quality on held-out rows.
        champion: The champion's quality on them; None where there is no champion.
        plots: Plots of its quality, by title.
        round_trip: CheckResult of its replay in a new process.
        wire_formats: CheckResult of its golden records in every format.
        qualities: What was measured.
    """

    version: Version
    rows: int
    evaluation: Evaluation
    champion: tuple[float, ...] | None
    plots: Mapping[str, Figure]
    round_trip: CheckResult
    wire_formats: CheckResult
    qualities: tuple[Quality, ...]

    @property
    def metrics(self) -> dict[str, float]:
        """The figures measured on held-out rows."""
        return metrics_of(self.qualities, self.evaluation)

    def check_results(self) -> dict[str, CheckResult]:
        """Check results by check."""
        return {
            "round_trip": self.round_trip,
            "wire_formats": self.wire_formats,
            "quality": carry_out(partial(check_quality, self.qualities, self.evaluation)),
            "baseline": carry_out(partial(check_against_baseline, self.qualities, self.evaluation)),
            "champion_comparison": carry_out(
                partial(check_against_champion, self.qualities, self.evaluation, self.champion)
            ),
            "slices": carry_out(partial(check_slices, self.qualities, self.evaluation)),
        }


def fit_candidate(declared: PipelineAssets, columns: Columns, registry: Registry) -> Candidate:
    """Fit a version on all rows of the training set, and register it.

    The figures come from an evaluation on the older rows; the version itself has seen all rows.

    Args:
        declared: The pipeline and the demands on it.
        columns: The training set.
        registry: Where to register it.

    Raises:
        FitError: A model cannot be fitted.
        RegistryError: The registry cannot be reached or written to; nothing is half-registered.
    """
    from lockstep.artifacts.snapshot import Snapshot
    from lockstep.parity.environment import Environment
    from lockstep.parity.profiles import Profile
    from lockstep.parity.selection import choose_golden

    pipeline = declared.pipeline
    qualities = tuple(declared.quality)
    evaluation = evaluate_holdout(pipeline, columns, qualities, declared.slices, declared.holdout)
    champion = _champion_measured(declared, columns, registry)
    fitted = pipeline.unfitted().fit(columns)
    raw = {name: columns[name] for name in pipeline.joint_schema.names}
    golden = choose_golden(fitted, raw)
    served = fitted.evaluate(raw)
    plots = {quality.title: quality_plot(quality, evaluation.held_out) for quality in qualities}
    version = registry.log(
        fitted,
        golden=golden,
        profile=Profile.of(
            served,
            {
                name: pipeline.graph.kind(name)
                for name in pipeline.graph.served
                if name != pipeline.key
            },
        ),
        suites={name: declared.suites.to_json(name) for name in ("input", "features", "outputs")},
        environment=Environment.capture(),
        metrics=metrics_of(qualities, evaluation),
        tags=_training_window(declared, columns),
        plots=plots,
        source=Snapshot.of(pipeline),
        rows=len(columns[pipeline.key]),
    )
    return Candidate(
        version=version,
        rows=len(columns[pipeline.key]),
        evaluation=evaluation,
        champion=champion,
        plots=plots,
        round_trip=carry_out(partial(_check_round_trip, registry, version)),
        wire_formats=carry_out(partial(_check_wire_formats, registry, version, golden)),
        qualities=qualities,
    )


def metrics_of(qualities: tuple[Quality, ...], evaluation: Evaluation) -> dict[str, float]:
    """The evaluation's figures by title."""
    return {
        **{q.title: value for q, value in zip(qualities, evaluation.measured, strict=True)},
        **{
            f"{q.title} of a simple baseline": value
            for q, value in zip(qualities, evaluation.baseline, strict=True)
        },
    }


def check_quality(qualities: tuple[Quality, ...], evaluation: Evaluation) -> CheckResult:
    """Whether every metric reaches its threshold on the held-out rows."""
    if not qualities:
        return nothing_demanded()
    table = [
        {
            "prediction": quality.title,
            "measured": value,
            "demanded": quality.rule,
            "met": quality.is_met(value),
        }
        for quality, value in zip(qualities, evaluation.measured, strict=True)
    ]
    missed = [row for row in table if not row["met"]]
    return CheckResult(
        passed=not missed,
        summary=_measured(missed or table)
        + f" on {_count(evaluation)} held-out rows, fitted on {evaluation.fitted_on:,}.",
        column=_column(qualities, table),
        numbers={
            quality.title: v for quality, v in zip(qualities, evaluation.measured, strict=True)
        },
        table=table,
    )


def check_against_baseline(qualities: tuple[Quality, ...], evaluation: Evaluation) -> CheckResult:
    """Whether every metric beats that of a far simpler model."""
    if not qualities:
        return nothing_demanded()
    return _check_against("a simple linear model", qualities, evaluation, evaluation.baseline)


def check_against_champion(
    qualities: tuple[Quality, ...], evaluation: Evaluation, champion: tuple[float, ...] | None
) -> CheckResult:
    """Whether no metric is worse than the champion's."""
    if not qualities:
        return nothing_demanded()
    if champion is None:
        return CheckResult(True, "There is no champion yet to compare with.", severity="WARN")
    return _check_against("the champion", qualities, evaluation, champion)


def check_slices(qualities: tuple[Quality, ...], evaluation: Evaluation) -> CheckResult:
    """Whether no slice is far worse off than the whole."""
    table, bad = [], []
    for quality, whole, slices in zip(
        qualities, evaluation.measured, evaluation.slices, strict=True
    ):
        sign = 1 if METRICS[quality.metric].higher_is_better else -1
        for row in slices:
            worse = sign * (whole - row[quality.title]) > _WORSE_SLICE * abs(whole)
            entry = {
                "slice": row["slice"],
                "rows": row["rows"],
                "prediction": quality.title,
                "measured": row[quality.title],
                "whole": whole,
                "far worse": worse,
            }
            table.append(entry)
            if worse:
                bad.append(entry)
    if not table:
        return CheckResult(True, "No slices are declared, or none has 200 held-out rows.", "WARN")
    named = "; ".join(
        f"{row['slice']}: {row['prediction']} {row['measured']:.3f} against {row['whole']:.3f}"
        for row in bad[:3]
    )
    return CheckResult(
        passed=not bad,
        summary=f"{len(bad)} of {len(table)} slices are far worse off than the whole: {named}."
        if bad
        else f"None of {len(table)} slices is far worse off than the whole.",
        severity="WARN",
        column=str(bad[0]["slice"]).split(" = ")[0] if bad else None,
        table=sorted(table, key=lambda row: not row["far worse"]),
    )


def _check_against(
    whom: str, qualities: tuple[Quality, ...], evaluation: Evaluation, other: tuple[float, ...]
) -> CheckResult:
    table = [
        {
            "prediction": quality.title,
            "measured": value,
            "other": reference,
            "no worse": bool(np.isnan(reference)) or quality.is_no_worse(value, reference),
        }
        for quality, value, reference in zip(qualities, evaluation.measured, other, strict=True)
    ]
    worse = [row for row in table if not row["no worse"]]
    shown = "; ".join(
        f"{row['prediction']} {row['measured']:.3f} against {row['other']:.3f}"
        for row in worse or table
    )
    return CheckResult(
        passed=not worse,
        summary=f"{'Worse than' if worse else 'No worse than'} {whom}: {shown}.",
        severity="WARN",
        column=_column(qualities, table, "no worse"),
        table=table,
    )


def nothing_demanded() -> CheckResult:
    """That no demand is declared, so that nothing can be measured."""
    return CheckResult(
        False,
        "Nothing is measured: declare quality=[Quality(...)] for the pipeline's predictions.",
        severity="WARN",
    )


def _measured(rows: list[dict[str, Any]]) -> str:
    return "; ".join(
        f"{row['prediction']} is {row['measured']:.4g} (demanded: {row['demanded']})"
        for row in rows
    )


def _column(
    qualities: tuple[Quality, ...], table: list[dict[str, Any]], passed: str = "met"
) -> str | None:
    return next(
        (q.column for q, row in zip(qualities, table, strict=True) if not row[passed]), None
    )


def _count(evaluation: Evaluation) -> str:
    return f"{len(next(iter(evaluation.held_out.values()))):,}"


def _champion_measured(
    declared: PipelineAssets, columns: Columns, registry: Registry
) -> tuple[float, ...] | None:
    version = registry.alias(declared.name, "champion")
    if version is None:
        return None
    champion = registry.load(declared.name, version.version).pipeline
    return evaluate_champion(champion, columns, tuple(declared.quality), declared.holdout)


def _training_window(declared: PipelineAssets, columns: Columns) -> dict[str, str]:
    time = declared.pipeline.record_schema.event_time
    if time is None or not len(columns[time]):
        return {}
    return {
        "trained_from": f"{columns[time].min()}Z",
        "trained_until": f"{columns[time].max()}Z",
    }


def _check_round_trip(registry: Registry, version: Version) -> CheckResult:
    from lockstep.artifacts.round_trip import replay_in_new_process

    return check_comparison(replay_in_new_process(registry.files(version)), "in a new process")


def _check_wire_formats(registry: Registry, version: Version, golden: GoldenRecords) -> CheckResult:
    from lockstep.parity.replay import wire_formats

    loaded = registry.load(version.name, version.version)
    return check_comparison(wire_formats(loaded.pipeline, golden), "in every wire format")
