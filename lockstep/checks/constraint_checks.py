"""Check of constraints: the constraints of the training rows that a batch breaks.

`sudden_shift` reports values that changed over all rows, `constraints` everything else. Both
report the same findings, each of which is weighed once: see `weigh`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lockstep.checks.check_results import coverage, impact_figures
from lockstep.checks.ingest import QuarantinedValues
from lockstep.columns.kinds import Array, Columns
from lockstep.columns.plain import counted, verb
from lockstep.constraints.constraint_set import ConstraintSet, DayJudged
from lockstep.constraints.features import Feature
from lockstep.constraints.findings import Finding, findings_of, without_rows
from lockstep.constraints.implications import Holds
from lockstep.constraints.numbering import KIND
from lockstep.constraints.statistics import Statistic
from lockstep.constraints.view import View
from lockstep.constraints.words import figure_of
from lockstep.project.constraint_levels import Constraints
from lockstep.store.results import CheckResult

if TYPE_CHECKING:
    from lockstep.constraints.rules import Kept
    from lockstep.parity.counterfactuals import Impact

Weight = Literal["an error", "held back", "accepted", "unusual"]
_GRAVE: Collection[Weight] = ("an error", "held back")
"""The weights that keep rows unpublished."""
_MOST_TOLD = 2
"""Findings that a summary names."""
_EXAMPLES = 5
"""Keys that a finding names."""
_NEAREST = 20
"""Statistics listed beside the findings, the nearest to their limits."""
_OF_VALUES = ("distinct", "top share")
"""Kinds of statistics of a whole batch that describe a column's values."""
_OF_LABELS = ("form", "unseen", "share")
"""Kinds that are harmless where no output comes from the column: labels come and go."""
_NEW = ("form", "unseen")
_WITH_NEW = ("length", "look-up", "loose look-up", "dependency", "containment")
"""Kinds that a new value or form of a column breaks with it."""
_BEFORE = ("previous", "elapsed", "today", "count", "sum", "mean", "peers before", "moment before")
"""Quantities made of the rows before."""
_WARNS = 0.999
"""Cap on the blocking evidence of a statistic that only warns."""
_UNUSUAL = "Ask upstream what changed. If it was a mistake, have it corrected, then: AGAIN."
_NO_ROWS = "Ask upstream for the rows of the day, then: AGAIN."
_ACCEPTED = "A person accepted it. If it should not stay, have it corrected, then: AGAIN"


@dataclass(frozen=True)
class Terms:
    """The terms on which a batch's findings are weighed.

    Attributes:
        reaching: The fields that any output comes from.
        accepted: Findings that were accepted before, each with its extent.
        published: How many batches the version has published, while these are too few for
            statistics to block; None where they block.
        lacks_rows: Whether earlier rows may be lacking of any thing: days before have not been
            scored, or the batch is a file, which may hold a part of a day.
        lacks_keys: Whether keys may be lacking that came, or will come: a day before has not been
            scored, or a row was set aside whose key cannot be read.
        any_size: Whether the batch is no whole day: it is a file, or too many rows are set aside.
            The number of rows and their times say nothing then.
    """

    policy: Constraints = field(default_factory=Constraints)
    reaching: Collection[str] = ()
    accept: Sequence[str] = ()
    accepted: Mapping[str, float] = field(default_factory=dict)
    published: int | None = None
    lacks_rows: bool = False
    lacks_keys: bool = False
    any_size: bool = False


@dataclass(frozen=True, eq=False)
class Weighed:
    """A finding with its weight."""

    finding: Finding
    weight: Weight
    is_now: bool = False  # whether a person accepts it now, rather than for an earlier batch
    keys: tuple[str, ...] = ()  # keys of the first rows that show it
    # whether it warns for this alone, that the version has judged few batches
    would_block: bool = False
    note: str = ""  # what a person has to know of its weight; empty where it says all

    @property
    def name(self) -> str:
        """The name by which a person accepts it."""
        return sha256(self.finding.identity.encode()).hexdigest()[:8]

    @property
    def is_shift(self) -> bool:
        """Whether `sudden_shift` reports it."""
        statistic = self.finding.details[0].statistic
        kind, family = statistic.feature.kind, statistic.feature.family
        return family == "values" or (family == "aggregates" and kind in _OF_VALUES)


@dataclass(frozen=True, eq=False)
class WeighedBatch:
    """A batch, or some days of it, held against the constraints of a version; days add up.

    Attributes:
        days: The statistics of each day against their limits; of added days, of the last one.
        findings: The findings, the worst of each day first, without those that are off.
        accept: Names that a person accepts and that match no finding.
        asked: Some rows that show the first finding that `constraints` reports.
        parted: How many of the days are looked at in parts.
    """

    constraints: ConstraintSet
    rows: int = 0
    looked_at: int = 0
    days: Sequence[DayJudged] = ()
    count: int = 0
    findings: Sequence[Weighed] = ()
    accept: Sequence[str] = ()
    asked: Columns = field(default_factory=dict)
    parted: int = 0

    def __add__(self, other: WeighedBatch) -> WeighedBatch:
        """The days of both, in order."""
        findings = sorted([*self.findings, *other.findings], key=_rank)
        own = next((each for each in findings if not each.is_shift), None)
        return WeighedBatch(
            self.constraints,
            self.rows + other.rows,
            self.looked_at + other.looked_at,
            other.days or self.days,
            self.count + other.count,
            findings,
            [name for name in self.accept if name in other.accept],
            self.asked if own is self.first else other.asked,
            self.parted + other.parted,
        )

    @property
    def first(self) -> Weighed | None:
        """The first finding that `constraints` reports."""
        return next((finding for finding in self.findings if not finding.is_shift), None)

    @property
    def is_closed(self) -> bool:
        """Whether it has no rows, and a person accepted that."""
        weights = {finding.weight for finding in self.findings}
        return not self.rows and weights == {"accepted"}

    @property
    def errors(self) -> list[Weighed]:
        """The blocking findings."""
        return [finding for finding in self.findings if finding.weight == "an error"]

    def held_back(self) -> WeighedBatch:
        """A day whose blocking findings hold back this day alone."""
        findings = [
            replace(each, weight="held back") if each.weight == "an error" else each
            for each in self.findings
        ]
        return replace(self, findings=findings)

    def blocking(self, moved: Callable[[Sequence[str]], str]) -> WeighedBatch:
        """The same, of which findings block at once that move outputs as no training day did.

        `moved` says how far the first of some columns moves an output, if no training day did.
        """
        findings = [
            replace(each, weight="an error", would_block=False, note=note)
            if each.would_block and (note := moved(each.finding.columns))
            else each
            for each in self.findings
        ]
        return replace(self, findings=sorted(findings, key=_rank))

    def accepted(self, before: Mapping[str, float]) -> dict[str, float]:
        """The findings that are accepted after the batch, each with its extent."""
        extents = dict(before)
        for finding in self.findings:
            if finding.is_now:
                for identity, extent in finding.finding.extents.items():
                    extents[identity] = max(min(extent, 1e9), extents.get(identity, 0.0))
        return extents


def weigh(
    constraints: ConstraintSet,
    day: DayJudged,
    opened: Callable[[], View],
    terms: Terms,
    excused: Array,
    misdated: Sequence[Finding] = (),
) -> WeighedBatch:
    """Weigh the findings of a day of a batch.

    Args:
        opened: Returns the rows of the batch; called where anything is found.
        excused: See `excused_by`.
        misdated: A finding of rows of another day.
    """
    lighter = replace(day, blocks=np.where(excused, np.minimum(day.blocks, _WARNS), day.blocks))
    weighed: list[Weighed] = []
    if len(misdated) or (np.maximum(lighter.evidence, lighter.blocks) >= 1).any():
        view = opened()
        found = findings_of(constraints, view, lighter)
        findings = [*misdated, *(_without(finding, constraints, excused) for finding in found)]
        weighed = [
            replace(each, keys=_keys(view, each.finding))
            for finding in findings
            if (
                each := _weighed(
                    finding,
                    terms,
                    is_harmless=_is_of_labels(finding, terms.reaching)
                    or _is_of_form(finding, terms.reaching, constraints, view),
                )
            )
        ]
        weighed.sort(key=_rank)
    names = {name for finding in weighed for name in (finding.name, *finding.finding.columns)}
    return WeighedBatch(
        constraints=constraints,
        rows=day.rows,
        looked_at=day.looked_at,
        days=[lighter],
        count=1,
        findings=weighed,
        accept=[name for name in terms.accept if name not in names],
        parted=int(day.shown_of < day.looked_at),
    )


def weigh_none(constraints: ConstraintSet, day: int, terms: Terms) -> WeighedBatch:
    """Weigh that a day has no rows, where training had some on every day."""
    weighed = _weighed(without_rows(constraints, day), terms)
    findings = [weighed] if weighed else []
    names = [finding.name for finding in findings]
    accept = [name for name in terms.accept if name not in names]
    return WeighedBatch(constraints, findings=findings, accept=accept)


def _rank(finding: Weighed) -> int:
    order: dict[Weight, int] = {"an error": 0, "held back": 1, "unusual": 2, "accepted": 3}
    return order[finding.weight]


def check_constraints(
    judged: WeighedBatch,
    ask: Callable[[Sequence[str]], Impact],
    aside: QuarantinedValues,
    lacking: str,
) -> CheckResult:
    """Check that a batch keeps the constraints of a version.

    Args:
        ask: Returns the impact of columns on the outputs in the rows of the first finding; called
            with its columns.
        lacking: Why a batch without rows is no finding.
    """
    count = len(judged.constraints.features)
    if not judged.rows:
        if judged.findings:
            return _result(judged, False, ask, aside, count, {})
        return CheckResult.not_judged(f"There are no rows: {lacking}.")
    if not judged.constraints.features:
        return CheckResult.not_judged("Training found no constraints.")

    too_few = _too_few_days(judged.constraints)
    strict = any(feature.strict for feature in judged.constraints.features)
    if too_few and not strict and not judged.findings:
        return CheckResult.not_judged(f"{too_few[0].upper()}{too_few[1:]}.")
    unjudged = {**judged.constraints.unjudged, **({"statistics": too_few} if too_few else {})}
    if judged.parted:
        unjudged["what rows of a day tell of each other"] = (
            f"{counted(judged.parted, 'day')} {verb(judged.parted, 'has', 'have')} too many to be "
            "looked at side by side"
        )
    return _result(judged, False, ask, aside, count, unjudged)


def check_shift(judged: WeighedBatch, ask: Callable[[Sequence[str]], Impact]) -> CheckResult:
    """Check that the values over all rows are as before."""
    if not judged.rows:
        return CheckResult.not_judged("There are no rows to compare with the batches before.")
    count = sum(feature.family == "values" for feature in judged.constraints.features)
    if not count:
        return CheckResult.not_judged("Training tells nothing of values.")
    too_few = _too_few_days(judged.constraints)
    if too_few and not any(finding.is_shift for finding in judged.findings):
        return CheckResult.not_judged(f"{too_few[0].upper()}{too_few[1:]}.")
    return _result(judged, True, ask, None, count, {})


def _too_few_days(constraints: ConstraintSet) -> str:
    """Why no statistic has limits; empty where some have."""
    if constraints.limits.usable.any():
        return ""
    unit = "day" if constraints.layout.event_time is not None else "block"
    return f"training has {counted(constraints.days, unit)}, too few for limits of statistics"


def _result(
    judged: WeighedBatch,
    is_shift: bool,
    ask: Callable[[Sequence[str]], Impact],
    aside: QuarantinedValues | None,
    count: int,
    unjudged: Mapping[str, str],
) -> CheckResult:
    findings = [finding for finding in judged.findings if finding.is_shift == is_shift]
    errors = [finding for finding in findings if finding.weight == "an error"]
    first = findings[0].finding if findings else None
    impact = ask(first.columns[:1]) if first is not None and first.columns else None
    nearest = _nearest(judged, is_shift)
    summary = _summary(judged, findings) if findings else _kept(judged, count, nearest, is_shift)
    if first is not None and aside is not None:
        summary += aside.told(first.columns)
    if impact is not None:
        summary += f" {impact}."
    if judged.accept and not is_shift:
        summary += f" Nothing was found of what is accepted: {', '.join(judged.accept)}."
    summary += f" {_lacking(unjudged)}" if unjudged else ""
    if judged.looked_at < judged.rows:
        summary += f" Statistics are of {judged.looked_at:,} rows, drawn by their keys."
    keys = findings[0].keys if findings else ()
    return CheckResult(
        passed=not findings,
        summary=summary,
        severity="ERROR" if errors else "WARN",
        column=first.columns[0] if first is not None and first.columns else None,
        also=first.columns[1:] if first is not None else (),
        where=first.where if first is not None and not keys else "",
        keys=keys,
        numbers={
            **coverage(judged.rows, len(judged.constraints.layout.fields), {}),
            "constraints": count,
            "errors": len(errors),
            "held back": sum(finding.weight == "held back" for finding in findings),
            "unusual": sum(finding.weight == "unusual" for finding in findings),
            "accepted": sum(finding.weight == "accepted" for finding in findings),
            "nearest statistic, of its limit": float(nearest[0]["of its limit"])
            if nearest
            else 0.0,
            **impact_figures(impact.effects if impact is not None else ()),
        },
        table=[row for finding in findings for row in _rows(judged, finding)]
        + [{**dict.fromkeys(_HEAD, ""), **row} for row in nearest],
        todo=_todo(judged, findings),
    )


_HEAD = ("finding", "is", "day", "columns", "statistic", "figure", "usual", "of its limit",
         "rows", "keys")  # fmt: skip


def _summary(judged: WeighedBatch, findings: Sequence[Weighed]) -> str:
    shown = ". ".join(_line(judged, finding) for finding in findings[:_MOST_TOLD])
    more = len(findings) - _MOST_TOLD
    return f"{shown}. And {more} more, in the details." if more > 0 else f"{shown}."


def _line(judged: WeighedBatch, weighed: Weighed) -> str:
    line = weighed.finding.what
    if judged.count > 1:
        line += f" ({_iso(weighed.finding.day)})"
    line += f". {weighed.note}" if weighed.note else ""
    stands = {"accepted": "Accepted: ", "held back": "Its day is held back: "}
    return f"{stands.get(weighed.weight, '')}{line}"


def _kept(
    judged: WeighedBatch, count: int, nearest: Sequence[Mapping[str, Any]], is_shift: bool
) -> str:
    what = "Values are as on the days before" if is_shift else f"{count:,} constraints are kept"
    if not nearest:
        return f"{what}."
    share = nearest[0]["of its limit"]
    return f"{what}; the nearest of their statistics goes {share:.0%} of the way to its limit."


def _lacking(unjudged: Mapping[str, str]) -> str:
    shown = "; ".join(f"{family} ({why})" for family, why in unjudged.items())
    return f"Not judged: {shown}."


def _todo(judged: WeighedBatch, findings: Sequence[Weighed]) -> str:
    """What to do: one command accepts all that blocks, whichever check reports it."""
    if not findings:
        return ""
    waiting = [each for each in findings if each.weight != "accepted"]
    if not waiting:
        return _ACCEPTED
    todo = _UNUSUAL
    grave = [each for each in judged.findings if each.weight in _GRAVE or each.would_block]
    if any(finding in grave for finding in findings):
        todo, waiting = "Have it corrected, then: AGAIN.", grave
    options = " ".join(f"--accept {name}" for name in dict.fromkeys(each.name for each in waiting))
    command = f"`lockstep score PIPELINE --day DAY {options}`"
    if not judged.rows:
        return f"{_NO_ROWS} If it was closed on that day: {command}. WITHOUT_ROWS"
    return f"{todo} If it is meant to stay: {command}"


def _rows(judged: WeighedBatch, weighed: Weighed) -> Iterator[dict[str, Any]]:
    finding = weighed.finding
    for place, detail in enumerate(finding.details):
        yield {
            "finding": weighed.name,
            "is": weighed.weight,
            "day": _iso(finding.day) if judged.constraints.layout.event_time else "",
            "columns": ", ".join(detail.statistic.columns),
            "statistic": _title(detail.statistic),
            "figure": detail.value,
            "usual": detail.usual,
            "of its limit": float(f"{detail.share:.3g}"),
            "rows": f"{len(finding.rows):,}" if place == 0 and len(finding.rows) else "",
            "keys": ", ".join(weighed.keys) if place == 0 else "",
        }


def _title(statistic: Statistic) -> str:
    return statistic.feature.says or statistic.feature.kind


def _nearest(judged: WeighedBatch, is_shift: bool) -> list[dict[str, Any]]:
    """The last day's statistics that are within their limits, the nearest to a limit first."""
    if not judged.days:
        return []
    day = judged.days[-1]
    rows: list[dict[str, Any]] = []
    order = np.argsort(-np.nan_to_num(day.evidence), kind="stable")
    for place in order.tolist():
        share, statistic = float(day.evidence[place]), judged.constraints.statistics[place]
        of_values = statistic.feature.family == "values"
        if not share < 1 or of_values != is_shift:
            continue
        if share <= 0 or len(rows) == _NEAREST:
            break
        value, low, high = (
            figure_of(judged.constraints, statistic, float(array[place]))
            for array in (day.values, day.low, day.high)
        )
        rows.append(
            {
                "columns": ", ".join(statistic.columns),
                "statistic": _title(statistic),
                "figure": value,
                "usual": low if low == high else f"{low} to {high}",
                "of its limit": float(f"{share:.3g}"),
            }
        )
    return rows


def _keys(view: View, finding: Finding) -> tuple[str, ...]:
    key = view.layout.key
    if key is None:
        return ()
    return tuple(str(value) for value in view.columns[key][finding.rows[:_EXAMPLES]])


def _iso(day: int) -> str:
    return str(date(1970, 1, 1) + timedelta(days=day))


# --- weighing ---


def _weighed(finding: Finding, terms: Terms, *, is_harmless: bool = False) -> Weighed | None:
    """A finding with its weight; None where it is off."""
    level = terms.policy.level(finding.family, finding.columns[0] if finding.columns else None)
    if level == "off":
        return None
    is_error = level != "warn" and (finding.strict or finding.blocks)
    if level is None:
        is_error &= not is_harmless
    would_block = is_error and level is None and not finding.strict and terms.published is not None
    weighed = Weighed(finding, "an error" if is_error and not would_block else "unusual")
    if weighed.name in terms.accept or {*finding.columns} & {*terms.accept}:
        return replace(weighed, weight="accepted", is_now=True)
    if finding.is_within(terms.accepted):
        return replace(weighed, weight="accepted")
    if would_block:
        judged = f"{terms.published} of its first {terms.policy.first_batches} batches"
        note = f"Would block; this version has judged {judged}"
        return replace(weighed, would_block=True, note=note)
    return weighed


def _is_of_labels(finding: Finding, reaching: Collection[str]) -> bool:
    """Whether only labels change, and no output comes from them."""
    features = [detail.statistic.feature for detail in finding.details]
    first = features[0].columns[:1]
    has_new = any(feature.kind in _NEW and feature.columns == first for feature in features)

    def is_harmless(feature: Feature) -> bool:
        if feature.kind in _OF_LABELS:
            return not {*feature.columns} & {*reaching}
        return has_new and feature.kind in _WITH_NEW and feature.columns[:1] == first

    strict = [features[0], *(feature for feature in features if feature.strict)]
    return not {*first} & {*reaching} and all(map(is_harmless, strict))


def _is_of_form(
    finding: Finding, reaching: Collection[str], constraints: ConstraintSet, view: View
) -> bool:
    """Whether an identifier no longer holds a day, rather than another one; no output uses it."""
    lead = finding.details[0].statistic.feature
    rules = (kept.rule for kept in constraints.rules.rules if kept.feature == lead)
    return {*finding.columns}.isdisjoint(reaching) and any(
        isinstance(rule, Holds) and rule.is_day and not rule.holds_days(view, finding.rows)
        for rule in rules
    )


def excused_by(constraints: ConstraintSet, terms: Terms) -> Array:
    """Which statistics only warn, since rows are lacking or the batch is no whole day: bool."""
    features = [statistic.feature for statistic in constraints.statistics]
    excused = np.zeros(len(features), dtype=bool)
    if terms.lacks_rows:
        rules = {kept.feature.identity for kept in constraints.rules.rules if _looks_back(kept)}
        excused |= [
            feature.family == "history" or feature.identity in rules for feature in features
        ]
        excused |= [feature.kind == "numbering" for feature in features]
    if terms.lacks_keys:
        excused |= [feature.kind == KIND for feature in features]
    if terms.any_size:
        when = constraints.layout.event_time
        excused |= [feature.family == "aggregates" for feature in features]
        excused |= [not feature.strict and feature.columns[:1] == (when,) for feature in features]
    return excused


def _without(finding: Finding, constraints: ConstraintSet, excused: Array) -> Finding:
    """A finding that is strict only if a strict statistic is not excused."""
    if not finding.strict or not excused.any():
        return finding
    identities = {
        constraints.statistics[place].identity for place in np.flatnonzero(excused).tolist()
    }
    strict = [detail.statistic for detail in finding.details if detail.strict]
    return replace(
        finding, strict=any(statistic.identity not in identities for statistic in strict)
    )


def _looks_back(kept: Kept) -> bool:
    """Whether a rule reads earlier rows."""
    return any(quantity.made in _BEFORE for quantity in getattr(kept.rule, "quantities", ()))
