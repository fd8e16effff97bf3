"""Checks of a candidate's quality on the holdout."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from lockstep.checks.check_results import NOTHING_DEMANDED, tell, with_unjudged
from lockstep.columns.plain import counted, listed
from lockstep.columns.predictors import Fitting
from lockstep.project.quality import METRICS, Quality
from lockstep.store.results import CheckResult
from lockstep.training.holdout import Evaluation

_WORSE_SLICE = 0.1
"""By what share of the whole's metric a slice may be worse, where no limit is declared."""


def check_fit(fittings: Mapping[str, Fitting]) -> CheckResult:
    """Check that each model was fitted from a seed, and tell the rows that its fit left out."""
    if not fittings:
        return CheckResult.not_judged("There are no models.")
    unseeded = {name: fitting.unseeded for name, fitting in fittings.items() if fitting.unseeded}
    rows = [f"{name} to {counted(fitting.rows, 'row')}" for name, fitting in fittings.items()]
    lacking = [
        f"{counted(fitting.unlabelled, 'row')} without a label {name} was not fitted to"
        for name, fitting in fittings.items()
        if fitting.unlabelled
    ]
    clauses = [
        f"{listed(classes)} in {name} drew random numbers without a seed, so that training on the "
        "same rows would give another model: set its random_state"
        for name, classes in unseeded.items()
    ]
    told = [f"Fitted {listed(rows)}", *([f"There are {listed(lacking)}"] if lacking else [])]
    return CheckResult(
        passed=not unseeded,
        summary=f"{'. '.join((*map(_sentence, clauses), *told))}.",
        severity="WARN",
        column=next(iter(unseeded), None),
        also=tuple(unseeded)[1:],
        numbers={
            title: number
            for name, fitting in fittings.items()
            for title, number in (
                (f"{name}: rows", fitting.rows),
                (unlabelled_in(name), fitting.unlabelled),
            )
        },
    )


def unlabelled_in(model: str) -> str:
    """The title of the number of rows that the fit of a model left out."""
    return f"{model}: rows without a label"


def _sentence(clause: str) -> str:
    return clause[:1].upper() + clause[1:]


def check_quality(evaluation: Evaluation) -> CheckResult:
    """Check that every metric reaches its threshold on the held-out rows, and could miss it."""
    if not evaluation.measured:
        return NOTHING_DEMANDED
    table = [
        {
            "prediction": quality.title,
            "measured": value,
            "demanded": quality.rule,
            "met": quality.is_met(value),
            "can be missed": quality.can_be_missed(evaluation.held_out),
        }
        for quality, value in evaluation.measured.items()
    ]
    missed = [row for row in table if not row["met"]]
    empty = [row for row in table if not row["can be missed"]]
    wrong = {row["prediction"] for row in (*missed, *empty)}
    summary = f"{_measured(missed or table)} on {_count(evaluation)} held-out rows, fitted on "
    summary += f"{evaluation.fitted_on:,}."
    if empty:
        names = ", ".join(f"{row['prediction']} ({row['demanded']})" for row in empty)
        summary += f" No prediction could miss what is demanded of {names}: demand more."
    return CheckResult(
        passed=not missed and not empty,
        summary=summary,
        severity="ERROR" if missed else "WARN",
        column=next(
            (quality.column for quality in evaluation.measured if quality.title in wrong), None
        ),
        numbers={quality.title: value for quality, value in evaluation.measured.items()},
        table=table,
    )


def check_against_baseline(evaluation: Evaluation) -> CheckResult:
    """Check that every metric is no worse than a far simpler model's."""
    return _check_against("a simple linear model", evaluation, evaluation.baseline)


def check_against_champion(
    evaluation: Evaluation, champion: Mapping[Quality, float] | None
) -> CheckResult:
    """Check that no metric is worse than the champion's."""
    if evaluation.measured and champion is None:
        return CheckResult.not_judged("There is no champion yet to compare with.")
    return _check_against("the champion", evaluation, champion or {})


def check_slices(
    evaluation: Evaluation, slices: Collection[str] | Mapping[str, float] = ()
) -> CheckResult:
    """Check that no slice is far worse off than the whole, or than the limit of its column."""
    limits = slices if isinstance(slices, Mapping) else {}
    table, bad = [], []
    for quality, whole in evaluation.measured.items():
        sign = 1 if METRICS[quality.metric].higher_is_better else -1
        for row in evaluation.slices[quality]:
            limit = limits.get(row["slice"].partition(" = ")[0], _WORSE_SLICE * abs(whole))
            worse = sign * (whole - row[quality.title]) > limit
            entry = {
                "slice": row["slice"],
                "rows": row["rows"],
                "prediction": quality.title,
                "measured": row[quality.title],
                "whole": whole,
                "limit": limit,
                "far worse": worse,
            }
            table.append(entry)
            if worse:
                bad.append(entry)
    if not table:
        return CheckResult.not_judged("No slices are declared, or none has 200 held-out rows.")
    measured = [entry["slice"].partition(" = ")[0] for entry in table]
    unjudged = dict.fromkeys({*slices} - {*measured}, "none of its values has 200 held-out rows")
    named = "; ".join(
        f"{row['slice']}: {row['prediction']} {row['measured']:.3f} against {row['whole']:.3f}"
        for row in bad[:3] or table[:1]
    )
    return CheckResult(
        passed=not bad,
        summary=f"{len(bad)} of {len(table)} slices are far worse off than the whole: {named}."
        if bad
        else f"None of {len(table)} slices is far worse off than the whole; the worst: {named}.",
        severity="WARN",
        column=str(bad[0]["slice"]).split(" = ")[0] if bad else None,
        numbers={
            "slices": len(table),
            **({"slices with a limit": sum(map(measured.count, limits))} if limits else {}),
        },
        table=sorted(table, key=lambda row: not row["far worse"]),
        unjudged=unjudged,
    )


def _check_against(
    whom: str, evaluation: Evaluation, other: Mapping[Quality, float]
) -> CheckResult:
    if not evaluation.measured:
        return NOTHING_DEMANDED
    compared = [(quality, value, other[quality]) for quality, value in evaluation.measured.items()]
    unjudged = {
        quality.title: f"{whom} cannot be measured"
        for quality, _, reference in compared
        if np.isnan(reference)
    }
    if len(unjudged) == len(compared):
        return CheckResult.not_judged(f"Nothing to compare with: {tell(unjudged)}.", unjudged)
    table = [
        {
            "prediction": quality.title,
            "measured": value,
            "other": reference,
            "no worse": quality.is_no_worse(value, reference),
        }
        for quality, value, reference in compared
        if quality.title not in unjudged
    ]
    worse = [row for row in table if not row["no worse"]]
    columns = {quality.title: quality.column for quality in evaluation.measured}
    shown = "; ".join(
        f"{row['prediction']} {row['measured']:.3f} against {row['other']:.3f}"
        for row in worse or table
    )
    return CheckResult(
        passed=not worse,
        summary=with_unjudged(
            f"{'Worse than' if worse else 'No worse than'} {whom}: {shown}.", unjudged
        ),
        severity="WARN",
        column=columns[str(worse[0]["prediction"])] if worse else None,
        table=table,
        unjudged=unjudged,
    )


def _measured(rows: list[dict[str, Any]]) -> str:
    return "; ".join(
        f"{row['prediction']} is {row['measured']:.4g} (demanded: {row['demanded']})"
        for row in rows
    )


def _count(evaluation: Evaluation) -> str:
    return f"{len(next(iter(evaluation.held_out.values()))):,}"
