"""Results: what a validation found, small enough to be stored and read by a person."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Literal

from lockstep.columns.plain import counted, verb
from lockstep.rules.wording import batch_wording, percentage, quoted, row_wording, shown

Severity = Literal["critical", "warning", "info"]

_EXAMPLES = 3
_SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "info")


@dataclass(frozen=True)
class Finding:
    """What became of one expectation. All its values are plain JSON.

    Attributes:
        expectation: Its type, such as `"expect_column_values_to_be_between"`.
        columns: The columns that it is about; none if it is about the table.
        severity: How bad it is if it is not met.
        success: Whether it is met.
        kwargs: Its arguments.
        observed: What was observed, if it is about one value of the whole batch.
        checked: Number of rows that were looked at, if it is about rows.
        missing_count: Number of rows that were left out because they have no value.
        unexpected_count: How many of these rows do not meet it.
        unexpected_percent: The same in per cent of `checked`.
        failing_keys: Keys of a few of them, if it is not met.
        failing_values: The values of these rows, by column.
        error: Why it could not be evaluated, in which case it is not met.
        row_level: Whether it is also a row rule, which sets the rows aside that do not meet it.
        notes: What its author noted.
    """

    expectation: str
    columns: tuple[str, ...]
    severity: Severity
    success: bool
    kwargs: dict[str, Any]
    observed: Any
    checked: int | None
    missing_count: int | None
    unexpected_count: int | None
    unexpected_percent: float | None
    failing_keys: tuple[Any, ...]
    failing_values: tuple[dict[str, Any], ...]
    error: str | None
    row_level: bool
    notes: str | None

    @property
    def column(self) -> str | None:
        """The columns that it is about, in a word; None if it is about the table."""
        return ", ".join(self.columns) or None

    @property
    def summary(self) -> str:
        """What was found, in a line for someone who has never seen the suite."""
        if self.error is not None:
            said = f"cannot be checked: {self.error}"
        elif self.checked is None:
            said = batch_wording(self.expectation, self.kwargs, self.observed, met=self.success)
        else:
            said = self._of_rows(self.checked)
        subject = self.kwargs.get("column_A", self.column)  # the wording names the other column
        return f"{subject}: {said}" if subject else said

    def _of_rows(self, checked: int) -> str:
        wording = row_wording(self.expectation, self.kwargs)
        if self.unexpected_count:
            share = percentage(self.unexpected_percent or 0)
            mostly = self.kwargs.get("mostly", 1)
            if mostly != 1:
                share += f", {100 - 100 * mostly:.4g} % allowed"
            said = (
                f"{self.unexpected_count:,} of {counted(checked, 'row')} ({share}) {wording.unmet}"
            )
        else:
            rows = "the one row" if checked == 1 else f"all {checked:,} rows"
            said = f"{rows} {wording.met}" if checked else "no row to look at"
        if self.missing_count:
            said += f"; {self.missing_count:,} more without a value"
        if self.kwargs.get("row_condition") is not None:
            said += "; only rows that its condition picks"
        if self.failing_keys:
            said += f"; e.g. {', '.join(self._examples())}"
        return said

    def _examples(self) -> list[str]:
        rows = zip(self.failing_keys, self.failing_values, strict=True)
        return [_example(key, list(values.values())) for key, values in islice(rows, _EXAMPLES)]


@dataclass(frozen=True)
class SuiteResult:
    """What a suite found in a batch.

    Attributes:
        suite: Name of the suite.
        rows: Number of rows in the batch.
        findings: One for each expectation, in the order of the suite; the number of rows, which
            is always among them, comes first where the suite does not name it.
    """

    suite: str
    rows: int
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether every expectation is met."""
        return not self.failed()

    def failed(self, *severities: Severity) -> tuple[Finding, ...]:
        """The expectations of these severities (of any, if none is given) that are not met."""
        return tuple(
            finding
            for severity in _SEVERITIES
            for finding in self.findings
            if finding.severity == severity
            and not finding.success
            and severity in (severities or _SEVERITIES)
        )

    @property
    def summary(self) -> str:
        """All of it in a line: how many are met, and the worst that is not."""
        failed = self.failed()
        count, all_of_them = len(self.findings) - len(failed), len(self.findings)
        met = f"{count} of {counted(all_of_them, 'expectation')} {verb(count, 'is', 'are')} met"
        if not failed:
            return f"{met} by {counted(self.rows, 'row')}"
        more = f"; and {len(failed) - 1} more" if len(failed) > 1 else ""
        return (
            f"{met} by {counted(self.rows, 'row')}; {failed[0].severity}: {failed[0].summary}{more}"
        )

    def records(self) -> list[dict[str, str | int | float | None]]:
        """A table for people, as records: what is not met first, the worst on top."""
        met = tuple(finding for finding in self.findings if finding.success)
        return [
            {
                "result": "met" if finding.success else finding.severity,
                "column": finding.column,
                "finding": finding.summary,
                "failing rows": finding.unexpected_count,
                "failing %": _rounded(finding.unexpected_percent),
                "severity": finding.severity,
                "sets rows aside": "yes" if finding.row_level else "no",
                "expectation": finding.expectation,
                "notes": finding.notes,
            }
            for finding in (*self.failed(), *met)
        ]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return {"ok": self.ok, **asdict(self)}


def _example(key: Any, values: list[Any]) -> str:
    if values == [None]:
        return shown(key)
    return f"{shown(key)} ({', '.join(map(quoted, values))})"


def _rounded(percent: float | None) -> float | None:
    return None if percent is None else round(percent, 2)
