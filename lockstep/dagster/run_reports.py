"""What a run in this process told: its check results, what it wrote, and why it failed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from lockstep.checks.reports import CheckReport
from lockstep.dagster.checked import OTHER_FINDINGS, message_of
from lockstep.errors import LockstepError


def report_of(evaluation: dg.AssetCheckEvaluation) -> CheckReport:
    """The report of Dagster's evaluation of a check."""
    failed = "failed" if evaluation.severity is dg.AssetCheckSeverity.ERROR else "warned"
    column = evaluation.metadata.get("column")
    message = message_of(evaluation.metadata)
    return CheckReport(
        asset=evaluation.asset_key.to_user_string(),
        check=evaluation.check_name,
        partition=evaluation.partition,
        result="passed" if evaluation.passed else failed,
        column=str(column.value) if column is not None else None,
        summary=message.what if message is not None else evaluation.description or "",
        where=None if message is None else message.where,
        todo=None if message is None else message.todo,
    )


def other_reports(made: dg.AssetMaterialization | dg.AssetObservation) -> list[CheckReport]:
    """Reports of the checks without an evaluation, such as those not judged."""
    table = made.metadata.get(OTHER_FINDINGS)
    if not isinstance(table, dg.TableMetadataValue):
        return []
    return [
        CheckReport(
            asset=made.asset_key.to_user_string(),
            check=str(row["check"]),
            partition=made.partition,
            result=str(row["result"]).replace(" ", "_"),
            column=None if row["column"] is None else str(row["column"]),
            summary=str(row["finding"]),
            where=_text(row.get("where")),
            todo=_text(row.get("what to do")),
        )
        for row in (record.data for record in table.records)
    ]


@dataclass(frozen=True)
class RunReport:
    """The result of a run.

    Attributes:
        materialized: Assets that were written, or tried in vain, each with its metadata as plain
            values.
        error: Why it broke off, in a line; None if it went through or a check stopped it.
        is_mistake: Whether the error is bad input or wrong use, rather than a fault.
    """

    run_id: str
    job: str
    partition: str | None
    materialized: Mapping[str, Mapping[str, Any]]
    checks: tuple[CheckReport, ...]
    error: str | None
    is_mistake: bool

    @classmethod
    def of(
        cls,
        run_id: str,
        job: str,
        partition: str | None,
        made: Sequence[dg.AssetMaterialization | dg.AssetObservation],
        evaluations: Iterable[dg.AssetCheckEvaluation],
        error: str | None,
        *,
        is_mistake: bool,
    ) -> RunReport:
        """The report from the events of a run; for the others see the attributes."""
        return cls(
            run_id=run_id,
            job=job,
            partition=partition,
            materialized={
                asset.asset_key.to_user_string(): {
                    name: value.value
                    for name, value in asset.metadata.items()
                    if isinstance(value.value, str | int | float | bool)
                    and not name.startswith("plot")
                }
                for asset in made
            },
            checks=(
                *(report_of(evaluation) for evaluation in evaluations),
                *(other for asset in made for other in other_reports(asset)),
            ),
            error=error,
            is_mistake=is_mistake,
        )

    @property
    def failed(self) -> tuple[CheckReport, ...]:
        """The checks in error."""
        return tuple(check for check in self.checks if check.result == "failed")

    @property
    def ok(self) -> bool:
        """Whether the run went through without a check in error."""
        return self.error is None and not self.failed

    def wrote(self, asset: str) -> bool:
        """Whether an asset was written, by the end of its key."""
        return any(key.endswith(asset) for key in self.materialized)

    def figure(self, asset: str, name: str) -> Any:
        """A metadata value of an asset, by the end of its key; None without one."""
        return next(
            (values.get(name) for key, values in self.materialized.items() if key.endswith(asset)),
            None,
        )

    @property
    def quarantined(self) -> int:
        """Number of rows of its batch that are quarantined, before scoring and after."""
        return sum(self.figure(asset, "quarantined") or 0 for asset in ("/batch", "/scored"))

    def path(self, asset: str) -> Path | None:
        """The file of an asset, by the end of its key; None if it was not written."""
        path = self.figure(asset, "path")
        return None if path is None else Path(path)

    def to_json(self, dagster: str | None = None) -> dict[str, Any]:
        """The result as plain data, with links to Dagster's UI where its address is known."""
        return {
            "run_id": self.run_id,
            "job": self.job,
            "partition": self.partition,
            "published": self.wrote("/published"),
            "materialized": {key: dict(values) for key, values in self.materialized.items()},
            "checks": [check.to_json(dagster) for check in self.checks],
            "error": self.error,
        }


@contextmanager
def recording_told(instance: dg.DagsterInstance) -> Iterator[None]:
    """Turn a failure of Dagster's to record a run into an error in a line."""
    from sqlalchemy.exc import DBAPIError

    try:
        yield
    except (DBAPIError, OSError) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error
        raise LockstepError(
            f"The run cannot be recorded in {instance.root_directory} ({reason}), and broke off. "
            "Make room, or put the folder right, and do it again."
        ) from error


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
