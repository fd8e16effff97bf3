"""Suite results: Great Expectations' results of a batch, for a person to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, Literal

from lockstep.columns.plain import counted, percentage, verb
from lockstep.rules.row_rules import columns_of
from lockstep.rules.wording import quoted, shown

Severity = Literal["critical", "warning", "info"]

EXPECTED, ROW_RULE, LOOKED_AT, ESTIMATED = "expected", "row_rule", "looked_at", "estimated"
"""What Lockstep notes in the `meta` of a result: the expectation in words, if it is not met;
whether it is also a row rule; the number of rows, where it was asked of a sample; and that the
observed value is an estimate, where it is one."""
_EXAMPLES = 3
_SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "info")


@dataclass(frozen=True)
class ExpectationResult:
    """The result of an expectation: what Great Expectations told, as plain JSON."""

    told: Mapping[str, Any]

    @property
    def expectation(self) -> str:
        """Its type, such as `"expect_column_values_to_be_between"`."""
        return str(self._asked["type"])

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it is about; none if it is about the table."""
        return columns_of(self._asked["kwargs"])

    @property
    def column(self) -> str | None:
        """The columns as a text; None if there are none."""
        return ", ".join(self.columns) or None

    @property
    def severity(self) -> Severity:
        """Its severity if it is not met."""
        severity: Severity = self._asked.get("severity", "critical")
        return severity

    @property
    def success(self) -> bool:
        """Whether it is met."""
        return bool(self.told["success"])

    @property
    def checked(self) -> int | None:
        """Number of rows that were checked; None if it is about the batch."""
        rows: int | None = self._result.get("element_count")
        return None if rows is None else rows - (self._result.get("missing_count") or 0)

    @property
    def unexpected_count(self) -> int:
        """Number of checked rows that do not meet it."""
        return self._result.get("unexpected_count") or 0

    @property
    def observed(self) -> Any:
        """The observed value of the batch; for sets, what is in only one of them."""
        mismatched = self._result.get("details", {}).get("mismatched") or {
            name: self._result[f"partial_{name}_list"]
            for name in ("unexpected", "missing")
            if self._result.get(f"partial_{name}_list")
        }
        return mismatched or self._result.get("observed_value")

    @property
    def failing_rows(self) -> list[dict[str, Any]]:
        """A few rows that do not meet it: their keys, and their values in its columns."""
        return self._result.get("partial_unexpected_index_list") or []

    @property
    def failing_keys(self) -> tuple[Any, ...]:
        """The keys of the failing rows."""
        rows = self.failing_rows
        return tuple(row[self._result["unexpected_index_column_names"][0]] for row in rows)

    @property
    def error(self) -> str | None:
        """Why it could not be evaluated, and so is not met; None if it could."""
        info = self.told["exception_info"]  # of the expectation, or of each of its metrics
        each = [info] if "raised_exception" in info else info.values()
        raised = (info["exception_message"] for info in each if info["raised_exception"])
        return "; ".join(dict.fromkeys(str(message).strip() for message in raised)) or None

    @property
    def row_level(self) -> bool:
        """Whether it is also a row rule, which sets failing rows aside."""
        return bool(self.told["meta"][ROW_RULE])

    @property
    def looked_at(self) -> int | None:
        """Number of rows that it was asked of, where these are a sample."""
        rows: int | None = self.told["meta"].get(LOOKED_AT)
        return rows

    @property
    def estimated(self) -> bool:
        """Whether the observed value is an estimate."""
        return bool(self.told["meta"].get(ESTIMATED))

    @property
    def summary(self) -> str:
        """The result, in a line for someone who has never seen the suite."""
        subject = f"{self.column}: " if self.columns else ""
        if self.error is not None:
            return f"{subject}cannot be checked: {self.error}"
        outcome = f"{subject}met" if self.success else self.told["meta"][EXPECTED]
        return "; ".join((outcome, *self.counts()))

    def counts(self) -> Iterator[str]:
        """The number of failing rows, with some of them; or the observed value of the batch."""
        if self.checked is None:
            value = "nothing" if self.observed is None else shown(self.observed)
            yield f"observed about {value}, an estimate" if self.estimated else f"observed {value}"
            return
        rows, missing = counted(self.checked, "row"), self._result.get("missing_count")
        if self.unexpected_count:
            share = percentage(self._result["unexpected_percent"])
            fail = verb(self.unexpected_count, "fails", "fail")
            yield f"{self.unexpected_count:,} of {rows} ({share}) {fail}"
        else:
            yield f"none of {rows} fails" if self.checked else "no row to look at"
        if missing:
            yield f"{missing:,} more without a value"
        if self.failing_rows:
            yield f"e.g. {', '.join(islice(self._examples(), _EXAMPLES))}"

    def record(self) -> dict[str, str | int | float | None]:
        """The result as a row of a table for people."""
        percent = self._result.get("unexpected_percent")
        notes = self._asked.get("notes")
        return {
            "result": "met" if self.success else self.severity,
            "column": self.column,
            "finding": self.summary,
            "failing rows": self._result.get("unexpected_count"),
            "failing %": None if percent is None else round(percent, 2),
            "severity": self.severity,
            "sets rows aside": "yes" if self.row_level else "no",
            "expectation": self.expectation,
            "notes": " ".join(notes) if isinstance(notes, list) else notes,
        }

    @property
    def _asked(self) -> Mapping[str, Any]:
        asked: Mapping[str, Any] = self.told["expectation_config"]
        return asked

    @property
    def _result(self) -> Mapping[str, Any]:
        result: Mapping[str, Any] = self.told["result"]
        return result

    def _examples(self) -> Iterator[str]:
        for key, row in zip(self.failing_keys, self.failing_rows, strict=True):
            values = [row[name] for name in self.columns if name in row]
            shown_values = (
                f" ({', '.join(map(quoted, values))})" if values not in ([], [None]) else ""
            )
            yield f"{shown(key)}{shown_values}"


@dataclass(frozen=True)
class SuiteResult:
    """The result of a suite on a batch.

    Attributes:
        validation: Great Expectations' results, as plain JSON: of each expectation in the order of
            the suite, with a few failing rows. The number of rows is always expected; it comes
            first where the suite does not name it.
        looked_at: Number of rows of the sample that some expectations were asked of, if there is
            one.
    """

    validation: Mapping[str, Any]
    rows: int
    looked_at: int | None = None

    @property
    def sampled(self) -> str:
        """A sentence about what was asked of a sample, with a space before it; or nothing."""
        drawn = sum(finding.looked_at is not None for finding in self.findings)
        if self.looked_at is None or not drawn:
            return ""
        return (
            f" {drawn} of {counted(len(self.findings), 'expectation')} "
            f"{verb(drawn, 'is', 'are')} about {self.looked_at:,} rows, drawn by their keys, and "
            f"{'the others' if drawn < len(self.findings) else 'none'} about all rows."
        )

    @cached_property
    def findings(self) -> tuple[ExpectationResult, ...]:
        """The result of each expectation."""
        return tuple(map(ExpectationResult, self.validation["results"]))

    @property
    def ok(self) -> bool:
        """Whether every expectation is met."""
        return not self.failed()

    def failed(self, *severities: Severity) -> tuple[ExpectationResult, ...]:
        """The unmet expectations of these severities; of any, if none is given."""
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
        """The results in a line: how many expectations are met, and the worst unmet one."""
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
        """A table for people, as records: unmet expectations first, the worst on top."""
        met = (finding for finding in self.findings if finding.success)
        findings = (*self.failed(), *met)
        if self.looked_at is None:
            return [finding.record() for finding in findings]
        return [
            {**finding.record(), "rows looked at": finding.looked_at or self.rows}
            for finding in findings
        ]
