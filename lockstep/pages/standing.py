"""Standing findings: what checks found in published days and files, until somebody saw to it.

What is in error or warns in a published partition stays open until

- a person acknowledges it (`acknowledged.json` beside the records of the stream says who and when),
- a person accepts it: the attempt that counts says so,
- a later partition, or a later attempt at the same one, was judged since by the same check, and
  every column that the finding leads to was usual there. One that could not be judged closes none.

A finding is acknowledged by the digest of what it says: one that says something else is open again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from lockstep.checks.reports import CheckReport
from lockstep.columns.plain import listed
from lockstep.errors import DamagedError, LockstepError, NotStoredError
from lockstep.pages.troubles import OpenFinding
from lockstep.registry.sites import Site
from lockstep.store.attempts import Attempt
from lockstep.store.lock import locked
from lockstep.store.partition_records import Records
from lockstep.store.results import CheckResult
from lockstep.store.state_files import read_state, state_or, write_state
from lockstep.store.status import STEPS

FILE = "acknowledged.json"
"""The file beside the records of a stream that says what people acknowledged."""
_NAME = 8
"""Characters of a digest by which a person names a finding."""


@dataclass(frozen=True)
class JudgedCheck:
    """What a check found in an attempt that counts, or counted before."""

    order: tuple[str, str, int]  # orders the partitions of a stream, and then the attempts at each
    at: str  # when it was judged, in ISO form
    step: str
    check: str
    partition: str
    usual: bool  # whether all columns that it does not name are usual
    unjudged: frozenset[str]  # columns that could not be judged all the same
    suspects: frozenset[str | None]  # columns that its findings lead to; None: one without any
    report: CheckReport | None

    @property
    def digest(self) -> str:
        """The digest of what the finding says, by which it is acknowledged."""
        assert self.report is not None, "what is acknowledged is a finding"
        suspects = sorted(column or "" for column in self.suspects)
        says = [self.report.asset, self.check, self.partition, suspects, self.report.summary]
        return sha256(json.dumps(says).encode()).hexdigest()

    @property
    def name(self) -> str:
        """The name by which a person acknowledges it."""
        return self.digest[:_NAME]

    @property
    def group(self) -> tuple[str, str, str | None]:
        """The step, check and first column, by which findings are shown together."""
        return self.step, self.check, self.report.column if self.report is not None else None

    @property
    def finding(self) -> OpenFinding:
        """The finding as one that is open."""
        assert self.report is not None, "what is open is a finding"
        kind = "warnings" if self.report.result == "warned" else "errors"
        pipeline = self.report.asset.partition("/")[0]
        return OpenFinding(
            **vars(self.report),
            state=f"published with {kind}" if self.step in STEPS else f"with {kind}",
            since=self.at,
            command=f"lockstep checks {pipeline} --acknowledge {self.name}",
            effect="says that you saw to it.",
            name=self.name,
        )

    def closes(self, earlier: JudgedCheck, column: str | None) -> bool:
        """Whether an earlier finding on a column is no longer open by this one."""
        if self.at <= earlier.at or self.order <= earlier.order:
            return False
        is_again = self.partition == earlier.partition and column in self.suspects
        is_usual = self.usual and column not in self.unjudged and column not in self.suspects
        return is_again or is_usual


@dataclass(frozen=True)
class Acknowledged:
    """That a person acknowledged a finding."""

    at: datetime  # in UTC
    by: str
    host: str


def judged_of(
    records: Records, partition: str, assets: Mapping[str, str], named: str | None
) -> tuple[JudgedCheck, ...]:
    """What checks found in the published attempts at a partition.

    The assets are those of the steps, in their order; reports name the partition by `named`.
    """
    commit = records.commit_of(partition)
    if commit is None:
        return ()
    found: list[JudgedCheck] = []
    came = partition if records.holds_days else commit.first_at
    for number in records.numbers(partition):
        if number > commit.attempt:
            break  # it does not count
        if number == commit.attempt:
            attempt = records.demand(partition)
        else:
            try:
                attempt = records.attempt(partition, number)
            except (DamagedError, NotStoredError):
                continue  # it counts no longer, and may be removed meanwhile
        if {*assets} <= {*attempt.record.steps}:
            found += _judged_in(attempt, (came, partition, number), assets, named)
    return tuple(found)


def _judged_in(
    attempt: Attempt, order: tuple[str, str, int], assets: Mapping[str, str], named: str | None
) -> Iterator[JudgedCheck]:
    """What the checks of an attempt found that had something to judge."""
    for step, asset in assets.items():
        done = attempt.record.steps[step]
        for check, result in done.results.items():
            if not result.judged:
                continue
            report, suspects = None, suspects_of(result)
            if suspects:
                report = CheckReport.found(asset, check, named, result, attempt.record.run)
            yield JudgedCheck(
                order=order,
                at=done.finished_at,
                step=step,
                check=check,
                partition=attempt.record.partition,
                usual=_names_all(result),
                unjudged=frozenset(result.unjudged),
                suspects=suspects,
                report=report,
            )


def suspects_of(result: CheckResult) -> frozenset[str | None]:
    """The first column of each finding of a result that nobody accepted; None for no column."""
    if not result.judged or result.passed:
        return frozenset()
    findings = _findings(result)
    waiting = [row for row in findings.values() if row["is"] != "accepted"]
    if findings and not waiting:
        return frozenset()
    return frozenset({result.column, *(row["columns"].split(", ")[0] or None for row in waiting)})


def _findings(result: CheckResult) -> dict[str, Mapping[str, Any]]:
    """The first row of each finding in a table of findings, by name; none in another table."""
    rows = [row for row in result.table if row.get("finding") and "is" in row]
    return {row["finding"]: row for row in reversed(rows)}


def _names_all(result: CheckResult) -> bool:
    """Whether a result of some rows names each column that is not usual."""
    lists_all = result.is_table_whole or not result.table[-1].get("finding")
    return result.numbers.get("rows", 1) > 0 and (
        result.passed or (bool(_findings(result)) and lists_all)
    )


def standing(judged: Iterable[JudgedCheck], acknowledged: Iterable[str] = ()) -> list[JudgedCheck]:
    """The findings that are open, in the order of their partitions.

    Those acknowledged are told by their digests.
    """
    by_check: dict[tuple[str, str], list[JudgedCheck]] = {}
    for each in judged:
        by_check.setdefault((each.step, each.check), []).append(each)
    known, found = {*acknowledged}, []
    for group in by_check.values():
        group.sort(key=lambda each: each.order)
        for at, each in enumerate(group):
            later = group[at + 1 :] if each.report is not None else ()
            is_open = each.report is not None and not all(
                any(other.closes(each, column) for other in later) for column in each.suspects
            )
            if is_open and each.digest not in known:
                found.append(each)
    return sorted(found, key=lambda each: each.order)


def acknowledged(records: Records) -> dict[str, Acknowledged]:
    """What people acknowledged of a stream, by digest; if that is lost, it is all open again."""
    return state_or(records.root / FILE, dict[str, Acknowledged], {})


def acknowledge(
    waiting: Sequence[tuple[Records, Sequence[JudgedCheck]]], names: Sequence[str], site: Site
) -> list[JudgedCheck]:
    """Acknowledge findings, each with those that its check had on the same column before it.

    Args:
        waiting: The records of each stream, with its open findings.
        names: The findings, by their eight digits.
        site: Who acknowledges them, and where.

    Returns:
        What is acknowledged by this; nothing where it was before.

    Raises:
        LockstepError: No finding has such a name; none is acknowledged then.
        DamagedError: A file that says what is acknowledged is damaged.
    """
    open_now = [each for _, found in waiting for each in found]
    before = {digest[:_NAME] for records, _ in waiting for digest in acknowledged(records)}
    for name in names:
        if name not in before and not any(each.name == name for each in open_now):
            raise LockstepError(
                f"No finding {name!r} is open: `lockstep status` shows those that are, "
                f"{listed([each.name for each in open_now], 5) or 'none at present'}."
            )
    done: list[JudgedCheck] = []
    for records, found in waiting:
        named = [each for each in found if each.name in names]
        if seen := [each for each in found if any(_goes_with(each, other) for other in named)]:
            _keep(records, seen, Acknowledged(datetime.now(UTC), site.by, site.host))
            done += seen
    return done


def _goes_with(finding: JudgedCheck, named: JudgedCheck) -> bool:
    """Whether a person who saw one finding saw the other beside it: of the same check and column.

    One that was made since nobody may have seen.
    """
    return finding.group == named.group and finding.at <= named.at


def _keep(records: Records, seen: Sequence[JudgedCheck], by: Acknowledged) -> None:
    """Write down what is acknowledged; who was the first to do so stays."""
    path = records.root / FILE
    fails = "does not tell what people acknowledged"
    todo = "remove it, and all of that is open again"
    with locked(path.with_suffix(".lock"), f"what is acknowledged of {records.stream}"):
        known = read_state(path, dict[str, Acknowledged], fails, todo) or {}
        write_state(path, {**{each.digest: by for each in seen}, **known})
