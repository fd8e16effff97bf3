"""Checks of constraints: what a batch breaks of what training rows keep.

`sudden_shift` tells of values that are others in all rows, `constraints` of everything else. Both
are told from the same findings, each of which is weighed once: see `judge`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lockstep.checks.check_results import CheckResult, coverage, impact_figures
from lockstep.checks.ingest import QuarantinedValues
from lockstep.columns.kinds import Array
from lockstep.columns.plain import counted
from lockstep.constraints.constraint_set import ConstraintSet, DayJudged
from lockstep.constraints.findings import Finding, findings_of, misdated, with_accepted
from lockstep.constraints.statistics import Statistic
from lockstep.constraints.view import View
from lockstep.constraints.words import figure_of
from lockstep.project.constraint_levels import Constraints

if TYPE_CHECKING:
    from lockstep.constraints.rules import Kept
    from lockstep.parity.counterfactuals import Impact

Weight = Literal["an error", "accepted", "unusual"]
_MOST_TOLD = 2
"""Findings that a summary tells of."""
_EXAMPLES = 5
"""Keys that are named of a finding."""
_NEAREST = 20
"""Statistics that are listed beside the findings, the nearest to their limits."""
_OF_VALUES = ("distinct", "top share")
"""Kinds of statistics of a whole batch that tell of a column's values."""
_OF_LABELS = ("form", "unseen", "share")
"""Kinds that are harmless where no output comes from the column: labels come and go."""
_BEFORE = ("previous", "elapsed", "today", "count", "sum", "mean", "peers before", "moment before")
"""How quantities are made of the rows before."""
_WARNS = 0.999
"""The most that a statistic which only warns counts of what blocks."""
_UNUSUAL = (
    "Nothing is held back. If nobody knows why, ask upstream what changed; once it is "
    "corrected: AGAIN"
)
_ACCEPTED = "Nothing, if it is meant to stay. Otherwise have it corrected, then: AGAIN"


@dataclass(frozen=True)
class Terms:
    """On what terms the findings of a batch are weighed.

    Attributes:
        policy: What is declared of constraints.
        reaching: The fields that any output comes from.
        accept: What a person accepts now: fields, and names of findings.
        accepted: Findings that were accepted before, each with its extent.
        is_new: Whether the version has published too few batches for statistics to block.
        lacks_rows: Whether rows before may be lacking: a day before is held back, rows are set
            aside, or the batch is a file, which may hold a part of a day.
        any_size: Whether it is no whole day: a file, or so many rows are set aside that that
            blocks. How many rows there are, and when, tells nothing then.
    """

    policy: Constraints = field(default_factory=Constraints)
    reaching: Collection[str] = ()
    accept: Sequence[str] = ()
    accepted: Mapping[str, float] = field(default_factory=dict)
    is_new: bool = False
    lacks_rows: bool = False
    any_size: bool = False


@dataclass(frozen=True, eq=False)
class Weighed:
    """A finding, and what becomes of it.

    Attributes:
        finding: The finding.
        weight: What becomes of it.
        is_now: Whether a person accepts it now, rather than of a batch before.
    """

    finding: Finding
    weight: Weight
    is_now: bool = False

    @property
    def name(self) -> str:
        """What it is accepted by."""
        return sha256(self.finding.identity.encode()).hexdigest()[:8]

    @property
    def is_shift(self) -> bool:
        """Whether it is told of by `sudden_shift`."""
        statistic = self.finding.details[0].statistic
        kind, family = statistic.feature.kind, statistic.feature.family
        of_values = family == "values" or (family == "aggregates" and kind in _OF_VALUES)
        return of_values and not statistic.segment.column


@dataclass(frozen=True, eq=False)
class WeighedBatch:
    """A batch beside the constraints of a version.

    Attributes:
        constraints: What training rows keep.
        view: The rows of the batch.
        days: How each of its days lies to them.
        findings: What they break, the worst of each day first; what is off is left out.
        accept: What a person accepts that no finding is of.
    """

    constraints: ConstraintSet
    view: View
    days: Sequence[DayJudged]
    findings: Sequence[Weighed]
    accept: Sequence[str] = ()

    @property
    def errors(self) -> list[Weighed]:
        """The findings that block."""
        return [finding for finding in self.findings if finding.weight == "an error"]

    def accepted(self, before: Mapping[str, float]) -> dict[str, float]:
        """Findings that are accepted after the batch, each with its extent.

        Args:
            before: Those that were accepted before.
        """
        found = dict(before)
        for finding in self.findings:
            if finding.is_now:
                for identity, extent in finding.finding.extents.items():
                    found[identity] = max(min(extent, 1e9), found.get(identity, 0.0))
        return found


def judge(
    constraints: ConstraintSet, view: View, terms: Terms, *, of_one_day: bool
) -> WeighedBatch:
    """Hold a batch against constraints, and weigh what is found.

    Args:
        constraints: What training rows keep.
        view: The rows of the batch.
        terms: On what terms findings are weighed.
        of_one_day: Whether all rows are to be of the day that the batch is of.
    """
    days = constraints.judge(view) if len(view) else []
    excused = _excused(constraints, terms)
    lighter = [
        replace(day, blocks=np.where(excused, np.minimum(day.blocks, _WARNS), day.blocks))
        for day in days
    ]
    found = [
        _without(one, constraints, excused)
        for day in lighter
        for one in findings_of(constraints, view, day)
    ]
    if of_one_day:
        found[:0] = misdated(view)
    weighed = [one for finding in found if (one := _weighed(finding, terms))]
    order = {"an error": 0, "unusual": 1, "accepted": 2}
    weighed.sort(key=lambda one: order[one.weight])
    names = {name for one in weighed for name in (one.name, *one.finding.columns)}
    return WeighedBatch(
        constraints, view, days, weighed, [one for one in terms.accept if one not in names]
    )


def check_constraints(
    judged: WeighedBatch,
    ask: Callable[[Sequence[str], Array], Impact],
    aside: QuarantinedValues,
    lacking: str | None,
) -> CheckResult:
    """Whether a batch keeps the constraints of a version.

    Args:
        judged: The batch.
        ask: Tells what the values of columns in some rows do to the outputs; asked of the first
            finding.
        aside: Tells what is missing of columns since their rows were quarantined.
        lacking: Why a batch without rows is no error; None where it is one.
    """
    if not len(judged.view):
        if lacking is None:
            return CheckResult(
                False,
                "There are no rows, and training had some on every day.",
                todo="Ask upstream for the rows of the day, then: AGAIN. A day that never has any "
                "is left out by its calendar: Calendar(..., weekdays=..., holidays=...).",
                numbers=coverage(0, 0, {}),
            )
        return CheckResult.not_judged(f"There are no rows: {lacking}.")
    if not judged.constraints.features:
        return CheckResult.not_judged("Training found no constraints.")

    too_few = _too_few_days(judged.constraints)
    strict = any(feature.strict for feature in judged.constraints.features)
    if too_few and not strict and not judged.findings:
        return CheckResult.not_judged(f"{too_few[0].upper()}{too_few[1:]}.")
    unjudged = {**judged.constraints.unjudged, **({"statistics": too_few} if too_few else {})}
    count = len(judged.constraints.features)
    return _result(
        judged, False, lambda one: ask(one.columns[:1], one.rows), aside, count, unjudged
    )


def check_shift(judged: WeighedBatch, ask: Callable[[Sequence[str]], Impact]) -> CheckResult:
    """Whether the values of all rows are others than before.

    Args:
        judged: The batch.
        ask: Tells what columns do to the outputs; asked of the first finding.
    """
    if not len(judged.view):
        return CheckResult.not_judged("There are no rows to compare with the batches before.")
    count = sum(feature.family == "values" for feature in judged.constraints.features)
    if not count:
        return CheckResult.not_judged("Training tells nothing of values.")
    too_few = _too_few_days(judged.constraints)
    if too_few and not any(finding.is_shift for finding in judged.findings):
        return CheckResult.not_judged(f"{too_few[0].upper()}{too_few[1:]}.")
    return _result(judged, True, lambda one: ask(one.columns[:1]), None, count, {})


def _too_few_days(constraints: ConstraintSet) -> str:
    """Why no statistic has limits; empty where some have."""
    if constraints.limits.usable.any():
        return ""
    unit = "day" if constraints.layout.event_time is not None else "block"
    return f"training has {counted(constraints.days, unit)}, too few for limits of statistics"


def _result(
    judged: WeighedBatch,
    is_shift: bool,
    ask: Callable[[Finding], Impact],
    aside: QuarantinedValues | None,
    count: int,
    unjudged: Mapping[str, str],
) -> CheckResult:
    found = [finding for finding in judged.findings if finding.is_shift == is_shift]
    errors = [one for one in found if one.weight == "an error"]
    first = found[0].finding if found else None
    impact = ask(first) if first is not None and first.columns else None
    nearest = _nearest(judged, is_shift)
    summary = _summary(judged, found) if found else _kept(judged, count, nearest, is_shift)
    if first is not None and aside is not None:
        summary += aside.told(first.columns)
    if impact is not None:
        summary += f" {impact}."
    if judged.accept and not is_shift:
        summary += f" Nothing was found of what is accepted: {', '.join(judged.accept)}."
    summary += f" {_lacking(unjudged)}" if unjudged else ""
    looked_at = sum(day.looked_at for day in judged.days)
    if looked_at < len(judged.view):
        summary += f" Statistics are of {looked_at:,} rows, drawn by their keys."
    keys = _keys(judged, first) if first is not None else ()
    return CheckResult(
        passed=not found,
        summary=summary,
        severity="ERROR" if errors else "WARN",
        column=first.columns[0] if first is not None and first.columns else None,
        also=first.columns[1:] if first is not None else (),
        where=first.where if first is not None and not keys else "",
        keys=keys,
        numbers={
            **coverage(len(judged.view), len(judged.constraints.layout.fields), {}),
            "constraints": count,
            "errors": len(errors),
            "unusual": sum(one.weight == "unusual" for one in found),
            "accepted": sum(one.weight == "accepted" for one in found),
            "nearest statistic, of its limit": float(nearest[0]["of its limit"])
            if nearest
            else 0.0,
            **impact_figures(impact.effects if impact is not None else ()),
        },
        table=[row for one in found for row in _rows(judged, one)]
        + [{**dict.fromkeys(_HEAD, ""), **row} for row in nearest],
        todo=_todo(judged, found),
    )


_HEAD = ("finding", "is", "day", "columns", "statistic", "figure", "usual", "of its limit",
         "rows", "keys")  # fmt: skip


def _summary(judged: WeighedBatch, found: Sequence[Weighed]) -> str:
    """The first findings, in a line each, and how many more there are."""
    said = ". ".join(_said(judged, one) for one in found[:_MOST_TOLD])
    more = len(found) - _MOST_TOLD
    return f"{said}. And {more} more, in the details." if more > 0 else f"{said}."


def _said(judged: WeighedBatch, one: Weighed) -> str:
    line = one.finding.what
    if len(judged.days) > 1:
        line += f" ({_iso(one.finding.day)})"
    return f"Accepted: {line}" if one.weight == "accepted" else line


def _kept(
    judged: WeighedBatch, count: int, nearest: Sequence[Mapping[str, Any]], is_shift: bool
) -> str:
    what = "Values are as on the days before" if is_shift else f"{count:,} constraints are kept"
    if not nearest:
        return f"{what}."
    share = nearest[0]["of its limit"]
    return f"{what}; the nearest of their statistics goes {share:.0%} of the way to its limit."


def _lacking(unjudged: Mapping[str, str]) -> str:
    said = "; ".join(f"{family} ({why})" for family, why in unjudged.items())
    return f"Not judged: {said}."


def _todo(judged: WeighedBatch, found: Sequence[Weighed]) -> str:
    """What to do: one command accepts all that blocks, whichever check tells of it."""
    if not found:
        return ""
    if any(one.weight == "an error" for one in found):
        names = dict.fromkeys(error.name for error in judged.errors)
        options = " ".join(f"--accept {name}" for name in names)
        return (
            "Have it corrected, then: AGAIN. If it is meant to stay: "
            f"`lockstep score PIPELINE --day DAY {options}`"
        )
    return _UNUSUAL if any(one.weight == "unusual" for one in found) else _ACCEPTED


def _rows(judged: WeighedBatch, one: Weighed) -> Iterator[dict[str, Any]]:
    """A finding, a row for each of its statistics."""
    finding = one.finding
    for place, detail in enumerate(finding.details):
        head = {
            "finding": one.name,
            "is": one.weight,
            "day": _iso(finding.day) if judged.constraints.layout.event_time else "",
            "columns": ", ".join(detail.statistic.columns),
            "statistic": _title(detail.statistic),
            "figure": detail.value,
            "usual": detail.usual,
            "of its limit": float(f"{detail.share:.3g}"),
            "rows": f"{len(finding.rows):,}" if place == 0 and len(finding.rows) else "",
            "keys": ", ".join(_keys(judged, finding)) if place == 0 else "",
        }
        yield head


def _title(statistic: Statistic) -> str:
    feature, part = statistic.feature, statistic.segment.says
    said = feature.says or feature.kind
    return f"{said}, {part}" if part and statistic.segment.column else said


def _nearest(judged: WeighedBatch, is_shift: bool) -> list[dict[str, Any]]:
    """The statistics of the last day that are nearest to their limits, and not beyond them."""
    if not judged.days:
        return []
    day = judged.days[-1]
    found: list[dict[str, Any]] = []
    order = np.argsort(-np.nan_to_num(day.evidence), kind="stable")
    for place in order.tolist():
        share, statistic = float(day.evidence[place]), judged.constraints.statistics[place]
        of_values = statistic.feature.family == "values" and not statistic.segment.column
        if not share < 1 or of_values != is_shift:
            continue
        if share <= 0 or len(found) == _NEAREST:
            break
        value, low, high = (
            figure_of(judged.constraints, statistic, float(one[place]))
            for one in (day.values, day.low, day.high)
        )
        found.append(
            {
                "columns": ", ".join(statistic.columns),
                "statistic": _title(statistic),
                "figure": value,
                "usual": low if low == high else f"{low} to {high}",
                "of its limit": float(f"{share:.3g}"),
            }
        )
    return found


def _keys(judged: WeighedBatch, one: Finding) -> tuple[str, ...]:
    key = judged.view.layout.key
    if key is None:
        return ()
    return tuple(str(value) for value in judged.view.columns[key][one.rows[:_EXAMPLES]])


def _iso(day: int) -> str:
    return str(date(1970, 1, 1) + timedelta(days=day))


# --- weighing ---


def _weighed(one: Finding, terms: Terms) -> Weighed | None:
    """What becomes of a finding; None where it is off."""
    level = terms.policy.level(one.family, one.columns[0] if one.columns else None)
    if level == "off":
        return None
    is_error = level != "warn" and (one.strict or one.blocks)
    if level is None:
        is_error &= one.strict or not terms.is_new
        is_error &= not _is_of_labels(one, terms.reaching)
    weighed = Weighed(one, "an error" if is_error else "unusual")
    if weighed.name in terms.accept or {*one.columns} & {*terms.accept}:
        return replace(weighed, weight="accepted", is_now=True)
    if with_accepted([one], terms.accepted)[0] is not one:
        return replace(weighed, weight="accepted")
    return weighed


def _is_of_labels(one: Finding, reaching: Collection[str]) -> bool:
    """Whether it is a change of labels alone from which no output comes."""
    lead = one.details[0].statistic
    kinds = [lead, *(detail.statistic for detail in one.details)]
    labels = all(two.feature.kind in _OF_LABELS or not two.feature.strict for two in kinds)
    return labels and lead.feature.kind in _OF_LABELS and not {*lead.columns} & {*reaching}


def _excused(constraints: ConstraintSet, terms: Terms) -> Array:
    """Which statistics only warn, since rows are lacking or a batch is as large as it comes: bool.

    Args:
        constraints: What training rows keep.
        terms: On what terms findings are weighed.
    """
    features = [statistic.feature for statistic in constraints.statistics]
    excused = np.zeros(len(features), dtype=bool)
    if terms.lacks_rows:
        rules = {kept.feature.identity for kept in constraints.rules.rules if _looks_back(kept)}
        excused |= [
            feature.family == "history" or feature.identity in rules for feature in features
        ]
        excused |= [feature.kind == "numbering" for feature in features]
    if terms.any_size:
        when = constraints.layout.event_time
        excused |= [feature.family == "aggregates" for feature in features]
        excused |= [not feature.strict and feature.columns[:1] == (when,) for feature in features]
    return excused


def _without(one: Finding, constraints: ConstraintSet, excused: Array) -> Finding:
    """A finding that is strict by what is not excused alone."""
    if not one.strict or not excused.any():
        return one
    identities = {
        constraints.statistics[place].identity for place in np.flatnonzero(excused).tolist()
    }
    strict = [detail.statistic for detail in one.details if detail.statistic.feature.strict]
    return replace(one, strict=any(each.identity not in identities for each in strict))


def _looks_back(kept: Kept) -> bool:
    """Whether a rule ranges over what the rows before tell."""
    return any(one.made in _BEFORE for one in getattr(kept.rule, "quantities", ()))
