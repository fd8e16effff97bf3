"""Reports of checks: a result with its place, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from lockstep.checks.messages import Message, Place
from lockstep.columns.html import titled
from lockstep.store.results import CheckResult


@dataclass(frozen=True)
class CheckReport:
    """The result of a check.

    Attributes:
        result: `"passed"`, `"warned"`, `"failed"` or `"not_judged"`.
        where: The place in the data or the code; None if it passed or was not judged.
        key: Key of the first row that it names, if any.
    """

    asset: str
    check: str
    partition: str | None
    result: str
    column: str | None
    summary: str
    where: str | None = None
    todo: str | None = None
    key: str | None = None
    run: str | None = None

    @property
    def page(self) -> str:
        """Path of the page in Dagster's UI that shows it."""
        return Place(self.asset, self.partition).page(self.check, self.run)

    @classmethod
    def found(
        cls,
        asset: str,
        check: str,
        partition: str | None,
        result: CheckResult,
        run: str | None = None,
    ) -> CheckReport:
        """The report of a recorded check result, of a run if it is known."""
        column = result.column
        report = cls(asset, check, partition, result.result, column, result.summary, run=run)
        if result.result not in ("failed", "warned"):
            return report
        message = Message.of(check, result, Place(asset, partition))
        key = next(iter(result.keys), None)
        return replace(report, where=message.where, todo=message.todo, key=key)

    def _repr_html_(self) -> str:
        """A notebook's form of it: what was found, where, and what to do."""
        told = (self.summary, f"Where: {self.where}", f"What to do: {self.todo}")
        lines = told if self.where is not None else told[:1]
        return titled(f"{self.check} {self.result}: {Place(self.asset, self.partition)}", lines)

    def to_json(self, dagster: str | None = None) -> dict[str, Any]:
        """The report as plain data."""
        return {**asdict(self), "page": f"{dagster or ''}{self.page}"}
