"""What people see of a fit in MLflow: metrics, plots, the tables and limits of its model card."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from lockstep.columns.markdown import to_markdown
from lockstep.columns.plain import counted, listed
from lockstep.project.declaration import PipelineAssets
from lockstep.project.quality import FEWEST_ROWS
from lockstep.registry.description import Presentation, TextTable, metric_name
from lockstep.training.holdout import Evaluation
from lockstep.training.plots import importance_plot, quality_plot

_MOST_SLICES = 50
"""Slices of a demand whose metric is logged, the worst ones."""
_IN_CARD = 5
"""Slices of a demand, and features, in the model card."""


def shown(
    declared: PipelineAssets, evaluation: Evaluation, window: Sequence[datetime]
) -> Presentation:
    """What people see of a version in MLflow."""
    ends = zip(("trained_from", "trained_until"), window, strict=False)
    plots = {q.title: quality_plot(q, evaluation.held_out) for q in evaluation.measured}
    for quality, losses in evaluation.importance.items():
        if losses:
            plots[f"importance for {quality.title}"] = importance_plot(quality, losses)
    metrics = {**evaluation.others, **_by_slice(evaluation)}
    return Presentation(
        tags={name: f"{time:%Y-%m-%d %H:%M}" for name, time in ends},
        plots=plots,
        metrics={name: value for name, value in metrics.items() if value == value},
        tables=_tables(evaluation),
        limits=[*_limits(declared, window)],
    )


def _by_slice(evaluation: Evaluation) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for quality, rows in evaluation.slices.items():
        for row in rows[:_MOST_SLICES]:
            column, _, value = row["slice"].partition(" = ")
            name = metric_name(f"{quality.title} by {column}", value)
            metrics.setdefault(name, row[quality.title])
    return metrics


def _tables(evaluation: Evaluation) -> dict[str, TextTable]:
    rows = counted(len(next(iter(evaluation.held_out.values()))), "held-out row")
    slices = ((q, row) for q, worst in evaluation.slices.items() for row in worst[:_IN_CARD])
    losses = (
        (name, quality.title, f"{loss:.3g}")
        for quality, by_name in evaluation.importance.items()
        for name, loss in sorted(by_name.items(), key=lambda each: -each[1])[:_IN_CARD]
    )
    return {
        f"Quality on {rows}, by a fit to the {evaluation.fitted_on:,} others": [
            ("metric", "value", "demanded", "simple baseline"),
            *(
                (q.title, f"{value:.4g}", q.rule, f"{evaluation.baseline[q]:.4g}")
                for q, value in evaluation.measured.items()
            ),
            *((title, f"{value:.4g}", "", "") for title, value in evaluation.others.items()),
        ],
        "Worst slices": [
            ("slice", "rows", "metric", "value"),
            *(
                (to_markdown(row["slice"]), f"{row['rows']:,}", q.title, f"{row[q.title]:.4g}")
                for q, row in slices
            ),
        ],
        "Most important inputs of models": [("input", "metric", "worse if shuffled"), *losses],
    }


def _limits(declared: PipelineAssets, window: Sequence[datetime]) -> Iterator[str]:
    yield "Records that do not fit the declaration below, or break a critical rule, are refused."
    if window:
        yield (
            f"It knows nothing after {window[-1]:%Y-%m-%d}. On rows that are more than "
            f"{declared.max_age.days} days newer, the check of its age fails."
        )
    if declared.slices:
        few = f"fewer than {FEWEST_ROWS} held-out rows"
        yield f"Slices by {listed(declared.slices)} with {few} are not measured."
    if reading := declared.pipeline.reading:
        names = listed(node.name for node in reading)
        yield f"MLflow's own serving has no tables: a record must hold the columns of {names}."
