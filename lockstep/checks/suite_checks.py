"""Checks of suites: what one finds of rows, given that rows are set aside for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lockstep.checks.check_results import CheckResult, coverage
from lockstep.columns.kinds import Columns
from lockstep.columns.plain import counted, percentage, verb
from lockstep.rules.row_rules import compile_rules

if TYPE_CHECKING:
    from lockstep.suites.suite_results import SuiteResult

Keep = Callable[[Mapping[str, Any]], object]
"""Keeps a document, such as a file of an attempt."""


@dataclass(frozen=True)
class Quarantined:
    """How many rows of a batch or of the history are quarantined, and how many may be.

    Attributes:
        rows: Number of rows that are quarantined so far, for whatever reason.
        total: Number of rows that came in.
        left: Number of rows that go on.
        limit: Largest share of the rows that may be quarantined.
    """

    rows: int
    total: int
    left: int
    limit: float

    @property
    def too_many(self) -> bool:
        """Whether so many are that the rest says little of the whole.

        A single row never is too many, unless none is left.
        """
        return self.room < 0 or (self.rows > 0 and not self.left)

    @property
    def room(self) -> int:
        """How many more rows may be quarantined; less than nothing where too many are."""
        return int(max(1.0, self.limit * self.total)) - self.rows

    @property
    def excess(self) -> str:
        """What is said where too many are: how many, and how many may be; else nothing."""
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
) -> CheckResult:
    """Whether computed rows meet a suite, given that some are set aside for breaking it.

    Args:
        suite: The suite, as plain JSON.
        columns: All rows that are computed, those that are set aside among them.
        key: Name of the column that tells the rows apart.
        quarantined: How many rows are quarantined.
        keep: Is given what Great Expectations tells of it, as JSON.

    Raises:
        SuiteError: The suite asks something that the columns cannot answer.
    """
    from lockstep.suites.validation import validate

    if not suite["expectations"]:
        return CheckResult.not_judged("The suite expects nothing.")
    rules = compile_rules(suite)
    refused = rules.counts(columns)
    broken = int(rules.apply(columns).mask.sum()) if any(refused) else 0
    result = validate(columns, suite, key=key)
    keep(result.validation)
    return suite_result(result, broken, quarantined, disagreement(result, refused))


def suite_result(
    result: SuiteResult, broken: int, quarantined: Quarantined, disagreed: str | None
) -> CheckResult:
    """What a suite found, as a check result.

    A critical expectation that is not met is an error if it is about the whole batch. If it is
    about single rows these are set aside, and it is an error only if they are too many.

    Args:
        result: What Great Expectations found.
        broken: How many rows the suite's row rules refuse.
        quarantined: How many rows are quarantined, those among them.
        disagreed: Where the two do not refuse the same rows; None if they do.
    """
    failed = result.failed("critical", "warning")
    critical = [finding for finding in failed if finding.severity == "critical"]
    blocking = [finding for finding in critical if not finding.row_level]
    aside = [finding for finding in critical if finding.row_level]
    worst = (blocking or aside or failed)[:3]
    all_rows = counted(quarantined.total, "row")
    said = [
        f"Nothing can be relied on: {disagreed}; please report it, this is a fault of Lockstep's"
        if disagreed is not None
        else "",
        "; ".join(finding.summary for finding in worst)
        + (f". {broken:,} of {all_rows} {verb(broken, 'is', 'are')} quarantined" if aside else "")
        + (quarantined.excess if aside else ""),
    ]
    looked_at = {column for finding in result.findings for column in finding.columns}
    is_error = blocking or (aside and quarantined.too_many) or disagreed is not None
    return CheckResult(
        passed=not failed and disagreed is None,
        summary="; ".join(filter(None, said)) or f"{result.summary}.",
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


def disagreement(result: SuiteResult, refused: Sequence[int]) -> str | None:
    """Where Great Expectations and the row rules of one suite do not refuse as many rows.

    Args:
        result: What Great Expectations found.
        refused: How many rows each row rule refuses, in the order of the suite.
    """
    findings = [finding for finding in result.findings if finding.row_level]
    unlike = [
        f"{finding.summary} by Great Expectations, while its row rule refuses "
        f"{counted(count, 'row')}"
        for finding, count in zip(findings, refused, strict=True)
        if finding.error is not None or (finding.unexpected_count or 0) != count
    ]
    return "; ".join(unlike) or None
