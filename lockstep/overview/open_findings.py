"""Open findings: what a person has to look at, with what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from lockstep.checks.check_results import CheckResult, Result
from lockstep.checks.messages import Message, Place
from lockstep.store.status import RECORD

_SAYS: dict[Result, str] = {
    "failed": "failed",
    "warned": "warns",
    "not_judged": "is not judged",
    "passed": "passed",
}
_BY_WEIGHT = list(_SAYS)


@dataclass(frozen=True)
class OpenFinding:
    """A check in error, or one that warns, in the last attempt at something.

    Attributes:
        pipeline: Name of the pipeline.
        asset: The asset, such as `flight_delay/daily/batch`.
        partition: The day, file or segment; None where the asset has none.
        check: Name of the check; `RECORD` of what no check finds.
        title: What happened, in a few words.
        result: `"failed"` or `"warned"`.
        column: The first column that it names, if any.
        key: The key of the first row that it names, if any.
        what: The finding in a line.
        where: The place in the data or the code.
        todo: What to do, with the command to type.
        page: Path of the page in Dagster's UI that shows it.
        others: Other partitions in which the check finds this of the column, too.
    """

    pipeline: str
    asset: str
    partition: str | None
    check: str
    title: str
    result: Result
    column: str | None
    key: str | None
    what: str
    where: str
    todo: str
    page: str
    others: tuple[str, ...] = ()

    @classmethod
    def of(cls, place: Place, check: str, result: CheckResult, state: str) -> OpenFinding:
        """The finding of a check's result.

        Args:
            place: The asset and partition that it ran on.
            check: Name of the check, or `RECORD`.
            result: Its result.
            state: The state of the partition in words, which is what `RECORD` finds.
        """
        message = Message.of(check, result, place)
        return cls(
            pipeline=place.pipeline,
            asset=place.asset,
            partition=place.partition,
            check=check,
            title=state if check == RECORD else f"{check} {_SAYS[result.result]}",
            result=result.result,
            column=result.column,
            key=next(iter(result.keys), None),
            what=message.what,
            where=message.where,
            todo=message.todo,
            page=place.page(check),
        )

    @property
    def is_error(self) -> bool:
        """Whether the check is in error."""
        return self.result == "failed"


def joined(findings: Iterable[OpenFinding]) -> tuple[OpenFinding, ...]:
    """Findings, the errors first; those of one check and column are one, of the newest partition.

    Args:
        findings: The findings, those of earlier partitions first.
    """
    same: dict[tuple[str, str, str, str | None], list[OpenFinding]] = {}
    for each in findings:
        same.setdefault((each.result, each.asset, each.check, each.column), []).append(each)
    newest = [
        replace(group[-1], others=tuple(each.partition or "" for each in reversed(group[:-1])))
        for group in same.values()
    ]
    return tuple(sorted(newest, key=lambda each: _BY_WEIGHT.index(each.result)))
