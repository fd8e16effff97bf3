"""Check of suites: their results on rows, some of which are set aside for breaking them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lockstep.checks.check_results import coverage
from lockstep.columns.kinds import Columns
from lockstep.columns.plain import counted, percentage, verb
from lockstep.rules.suite_counts import SuiteCounts
from lockstep.store.results import CheckResult

if TYPE_CHECKING:
    pass

Keep = Callable[[Mapping[str, Any]], object]
"""Stores a document, such as a file of an attempt."""


@dataclass(frozen=True)
class Quarantined:
    """The number of quarantined rows of a batch or of the history, and its limit.

    Attributes:
        rows: Number of rows quarantined so far, for any reason.
        left: Number of rows that go on.
        limit: Largest share of the rows that may be quarantined.
    """

    rows: int
    total: int
    left: int
    limit: float

    @property
    def too_many(self) -> bool:
        """Whether too many rows are quarantined; a single one never is, unless none is left."""
        return self.room < 0 or (self.rows > 0 and not self.left)

    @property
    def room(self) -> int:
        """How many more rows may be quarantined; negative where too many are."""
        return int(max(1.0, self.limit * self.total)) - self.rows

    @property
    def excess(self) -> str:
        """A message with the number and its limit where too many are quarantined; else empty."""
        if not self.too_many:
            return ""
        share = percentage(100 * self.rows / self.total)
        return (
            f"; at most {100 * self.limit:.4g} % of the rows may be quarantined (max_quarantined), "
            f"and {self.rows:,} of {self.total:,} are ({share})"
        )


def check_suite(
    suite: Mapping[str, Any],
    columns: Columns,
    key: str,
    quarantined: Quarantined,
    keep: Keep,
    counts: SuiteCounts | None = None,
) -> CheckResult:
    """Check that computed rows meet a suite; some are set aside for breaking it.

    Args:
        columns: All computed rows, with those that are set aside; of a large batch, a sample.
        counts: What is counted of all rows, without those that a person accepted; by default,
            `columns` are all.

    Raises:
        SuiteError: The suite asks something that the columns cannot answer.
    """
    if not suite["expectations"]:
        return CheckResult.not_judged("The suite expects nothing.")
    counts = counts or SuiteCounts.of(suite, columns, key)
    return suite_result(suite, columns, key, quarantined, keep, counts, counts.broken)


def suite_result(
    suite: Mapping[str, Any],
    columns: Columns,
    key: str,
    quarantined: Quarantined,
    keep: Keep,
    counts: SuiteCounts,
    broken: int,
) -> CheckResult:
    """The check result of a suite.

    A critical expectation about the whole batch is an error if it is not met. One about single
    rows sets these aside, and is an error only if they are too many; the one that most rows break
    is told first.
    """
    from lockstep.suites.validation import validate

    result = validate(columns, suite, key=key, counts=counts)
    keep(result.validation)
    failed = result.failed("critical", "warning")
    critical = [finding for finding in failed if finding.severity == "critical"]
    blocking = [finding for finding in critical if not finding.row_level]
    aside = [finding for finding in critical if finding.row_level]
    aside.sort(key=lambda finding: finding.unexpected_count or 0, reverse=True)
    worst = (blocking or aside or failed)[:3]
    all_rows = counted(quarantined.total, "row")
    summary = "; ".join(finding.summary for finding in worst)
    if aside:
        summary += f". {broken:,} of {all_rows} {verb(broken, 'is', 'are')} quarantined"
        summary += quarantined.excess
    looked_at = {column for finding in result.findings for column in finding.columns}
    is_error = blocking or (aside and quarantined.too_many)
    return CheckResult(
        passed=not failed,
        summary=(summary or f"{result.summary}.") + result.sampled,
        severity="ERROR" if is_error else "WARN",
        column=next(iter(worst[0].columns), None) if worst else None,
        also=tuple(worst[0].columns[1:]) if worst else (),
        keys=tuple(map(str, worst[0].failing_keys)) if worst else (),
        numbers={
            **coverage(result.rows, len(looked_at), {}),
            "failed": len(failed),
            "expectations": len(result.findings),
            "set aside": broken,
        },
        table=result.records(),
    )
