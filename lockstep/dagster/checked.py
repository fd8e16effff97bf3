"""Assets with their checks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from functools import wraps
from numbers import Integral
from time import monotonic
from typing import Any, Concatenate, ParamSpec
from warnings import catch_warnings, simplefilter

import dagster as dg
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log import SqlEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable as Executions

from lockstep.checks.messages import Message, Place, told_of
from lockstep.checks.specs import Check
from lockstep.columns.markdown import note_markdown, to_markdown
from lockstep.dagster.narrow import fitted
from lockstep.dagster.tags import hidden
from lockstep.dagster.tries import FROM_OUTSIDE, retry_later, sign
from lockstep.errors import LockstepError
from lockstep.store.disks import disk_error
from lockstep.store.results import CheckResult

FILE_TAG = hidden("file")
"""Tag of a run that scores a file: its name in the command."""
_MESSAGE = "message"
"""Metadata of a failed check: what, where, and what to do."""
MISSED = "checks that did not pass"
"""Metadata of what was made: a row a check, with its whole message."""
DATA_VERSION = "dagster/data_version"
"""Dagster's tag of what was made: what tells this state of an asset from others."""
_ASIDE = "quarantined"
_RUN_TAGS = {"version": "version", "wanted": "wanted", "live": "live", "dagster/row_count": "rows"}
"""Metadata of what a run made, and the tag of the run that holds the same."""
OTHER_FINDINGS = "other findings"
"""Metadata of a materialization: results without an evaluation of Dagster's, a row a check."""
_MOST_ROWS = 50
"""Rows shown in a table: Dagster's event log keeps them forever and shows them to everybody."""


class Blocked(dg.Failure):
    """Ends a run at blocking checks in error.

    Their messages are told, since Dagster gives only their names.
    """

    def __init__(self, place: Place, failed: Mapping[str, str]) -> None:
        super().__init__(
            "\n\n".join(f"{name} of {place}: {message}" for name, message in failed.items()),
            metadata={name: dg.MetadataValue.url(place.page(name)) for name in failed},
            allow_retries=False,
        )


@dataclass(frozen=True)
class NothingMade:
    """The result of a step that a check blocked.

    Its partition is not materialized: Dagster shows it as failed.
    """

    result: dg.MaterializeResult[Any]  # what would have been made


class DaysFailed(dg.Failure):
    """Ends a run of several days, of which some were blocked or broke off."""

    def __init__(self, failed: Mapping[str, str]) -> None:
        lines = "\n\n".join(f"{day}: {what}" for day, what in failed.items())
        super().__init__(f"Not all days went through.\n\n{lines}", allow_retries=False)


TOLD = (Blocked.__name__, DaysFailed.__name__)
"""Errors of runs that say no more than the checks and the results of days do."""

Arguments = ParamSpec("Arguments")
Made = dg.MaterializeResult[Any] | NothingMade
Materialized = Iterator[Made]


def checked_asset(
    key: Iterable[str],
    checks: Iterable[Check] = (),
    *,
    deps: Iterable[Iterable[str]] = (),
    partitions: dg.PartitionsDefinition[str] | None = None,
    backfill_policy: dg.BackfillPolicy | None = None,
    pool: str | None = None,
    **spec: Any,
) -> Callable[
    [Callable[Concatenate[dg.AssetExecutionContext, Arguments], Materialized]], dg.AssetsDefinition
]:
    """Make an asset of a function that yields what `materialized` returns.

    Dagster demands a result of every check, unless an asset can be made in part; so all of them
    can. It shows a check without a result as skipped, and goes on.
    """
    name = dg.AssetKey(list(key))

    def decorate(
        make: Callable[Concatenate[dg.AssetExecutionContext, Arguments], Materialized],
    ) -> dg.AssetsDefinition:
        @wraps(make)
        def whole(
            context: dg.AssetExecutionContext,
            *arguments: Arguments.args,
            **options: Arguments.kwargs,
        ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
            if not context.selected_asset_keys:
                raise LockstepError(
                    f"The checks of {name.to_user_string()} are carried out when it is "
                    "materialized; materialize it."
                )
            sign(context.instance, context.run)
            begun, title = monotonic(), name.to_user_string()
            try:
                for made in make(context, *arguments, **options):
                    context.log.info("%s made in %.1f s", title, monotonic() - begun)
                    result = made.result if isinstance(made, NothingMade) else made
                    if isinstance(made, NothingMade):
                        context.log_event(_observation(context, result))
                        yield from result.check_results or ()
                    else:
                        yield result
                    _stop_if_blocked(context, result, blocking)
            except (Blocked, DaysFailed):
                _withdraw_unjudged(context)
                raise
            except FROM_OUTSIDE as error:
                retry_later(context, error)
                refused = disk_error(error) if isinstance(error, OSError) else None
                if refused is None:
                    raise
                raise refused from error

        upstream = [dg.AssetKey(list(dep)) for dep in deps]
        declared = specs(checks, name, partitions)
        blocking = {spec.name for spec in declared if spec.blocking}
        return dg.multi_asset(
            name="__".join(name.path),
            specs=[dg.AssetSpec(name, deps=upstream, **spec)],
            check_specs=declared,
            partitions_def=partitions,
            backfill_policy=backfill_policy,
            pool=pool,
            can_subset=bool(declared),
        )(whole)

    return decorate


def materialized(
    context: dg.AssetExecutionContext,
    results: Mapping[str, CheckResult],
    metadata: Mapping[str, Any],
    data_version: str | None = None,
) -> dg.MaterializeResult[Any]:
    """The result of making an asset, with its check results.

    Without a data version, Dagster makes one up.
    """
    _tell(context, results, metadata)
    _tag(context, metadata)
    declared = {key.name for key in context.selected_asset_check_keys}
    evaluated, whole = evaluated_and_told(results, declared, _place(context), metadata)
    return dg.MaterializeResult(
        metadata=whole,
        check_results=evaluated,
        data_version=None if data_version is None else dg.DataVersion(data_version),
    )


def evaluated_and_told(
    results: Mapping[str, CheckResult],
    declared: Set[str],
    place: Place,
    metadata: Mapping[str, Any],
) -> tuple[list[dg.AssetCheckResult], dict[str, Any]]:
    """The results of declared checks, and all metadata of the asset.

    The page of a partition shows metadata alone, so it begins with the checks that did not pass.
    Results that were not judged are metadata only, and so are those of checks that the asset does
    not declare: the version that serves may be checked otherwise than the checkout declares.
    """
    evaluated = {
        name: result for name, result in results.items() if result.judged and name in declared
    }
    others = _same_keys(
        [_row(name, result, place) for name, result in results.items() if name not in evaluated]
    )
    missed = [
        {"check": name, "finding": f"{result.result}: {Message.of(name, result, place)}"}
        for name, result in evaluated.items()
        if not result.passed
    ]
    return (
        [to_result(name, result, place) for name, result in evaluated.items()],
        {**tables({MISSED: missed}), **metadata, **tables({OTHER_FINDINGS: others})},
    )


def nothing_made(
    place: Place, metadata: Mapping[str, Any], data_version: str
) -> dg.AssetObservation:
    """The observation of a partition that a check blocked, and that is not materialized."""
    return dg.AssetObservation(
        place.asset.split("/"),
        partition=place.partition,
        description="Blocked: none of its rows goes on.",
        metadata=metadata,
        tags={DATA_VERSION: data_version},
    )


def _observation(
    context: dg.AssetExecutionContext, result: dg.MaterializeResult[Any]
) -> dg.AssetObservation:
    version = result.data_version
    assert version is not None, "a step's result has a data version"
    return nothing_made(_place(context), result.metadata or {}, version.value)


def _row(name: str, result: CheckResult, place: Place) -> dict[str, str | None]:
    row = {
        "check": name,
        "result": result.result.replace("_", " "),
        "finding": result.summary,
        "column": result.column,
    }
    if result.passed or not result.judged:
        return row
    message = Message.of(name, result, place)
    return {**row, "where": message.where, "what to do": message.todo}


def _same_keys(rows: list[dict[str, str | None]]) -> list[dict[str, str | None]]:
    keys = dict.fromkeys(key for row in rows for key in row)
    return [{key: row.get(key) for key in keys} for row in rows]


def _stop_if_blocked(
    context: dg.AssetExecutionContext, made: dg.MaterializeResult[Any], blocking: Set[str]
) -> None:
    """End the run where a blocking check is in error, with the whole message."""
    failed = {
        str(result.check_name): str(message_of(result.metadata))
        for result in made.check_results or ()
        if result.check_name in blocking
        and not result.passed
        and result.severity is dg.AssetCheckSeverity.ERROR
    }
    if failed:
        raise Blocked(_place(context), failed)


def _withdraw_unjudged(context: dg.AssetExecutionContext) -> None:
    """Take back the checks that a blocked run planned and that nothing judged.

    Dagster shows those of a run that succeeds as skipped, and of one that fails as if their own
    execution had failed.
    """
    storage = context.instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return  # as of a Dagster that others run
    planned = Executions.c.execution_status == AssetCheckExecutionRecordStatus.PLANNED.value
    with storage.index_connection() as connection:
        connection.execute(
            Executions.delete().where(planned, Executions.c.run_id == context.run.run_id)
        )


def _place(context: dg.AssetExecutionContext) -> Place:
    (asset,) = context.selected_asset_keys
    has_partition = context.has_partition_key and context.assets_def.partitions_def is not None
    partition = context.partition_key if has_partition else None
    return Place(asset.to_user_string(), partition, context.run.tags.get(FILE_TAG))


def _tag(context: dg.AssetExecutionContext, metadata: Mapping[str, Any]) -> None:
    """Tag the run with what runs are told apart by; what its steps set aside adds up."""
    run = context.instance.get_run_by_id(context.run.run_id) or context.run
    tags = {tag: str(metadata[name]) for name, tag in _RUN_TAGS.items() if name in metadata}
    if _ASIDE in metadata:
        tags[_ASIDE] = str(metadata[_ASIDE] + int(run.tags.get(_ASIDE, 0)))
    context.instance.add_run_tags(run.run_id, tags)


def _tell(
    context: dg.AssetExecutionContext,
    results: Mapping[str, CheckResult],
    metadata: Mapping[str, Any],
) -> None:
    """Log figures, numbers of check results, and errors."""
    figures = {name: value for name, value in metadata.items() if isinstance(value, int | float)}
    if figures:
        shown = (f"{name.removeprefix('dagster/')} {value}" for name, value in figures.items())
        context.log.info("; ".join(shown))
    if results:
        counts = Counter(result.result.replace("_", " ") for result in results.values())
        context.log.info(
            "checks: " + ", ".join(f"{count} {result}" for result, count in counts.items())
        )
    for name, result in results.items():
        if result.is_error:
            context.log.error("%s: %s", name, result.summary)


def specs(
    checks: Iterable[Check],
    asset: dg.AssetKey,
    partitions: dg.PartitionsDefinition[str] | None = None,
) -> list[dg.AssetCheckSpec]:
    """Dagster's declarations of checks on an asset."""
    place = Place(asset.to_user_string())
    with catch_warnings():
        # Partitioned checks are in preview; tests/upstream pins how they behave.
        simplefilter("ignore", dg.PreviewWarning)
        return [
            dg.AssetCheckSpec(
                check.name,
                asset=asset,
                description=f"{check.meaning}\n\n**When it fails:** {told_of(check.remedy, place)}",
                blocking=check.blocking,
                partitions_def=partitions,
            )
            for check in checks
        ]


def to_result(name: str, result: CheckResult, place: Place) -> dg.AssetCheckResult:
    """A check result for Dagster; for a check that did not pass, with the whole message."""
    metadata: dict[str, Any] = {
        title: _plain(value) for title, value in result.numbers.items() if math.isfinite(value)
    }
    if result.column is not None:
        metadata["column"] = result.column
    if result.table:
        metadata["details"] = table_metadata(fitted(result.table))
    if result.unjudged:
        lacking = [{"column": name, "lacking": why} for name, why in result.unjudged.items()]
        metadata["not judged"] = table_metadata(fitted(lacking))
    metadata |= {
        title: dg.MetadataValue.md(note_markdown(note)) for title, note in result.notes.items()
    }
    message = None if result.passed else Message.of(name, result, place)
    if message is not None:
        metadata[_MESSAGE] = dg.MetadataValue.json(asdict(message))
    return dg.AssetCheckResult(
        check_name=name,
        passed=result.passed,
        severity=dg.AssetCheckSeverity[result.severity],
        description=to_markdown(result.summary if message is None else str(message)),
        metadata=metadata,
    )


def message_of(metadata: Mapping[str, Any]) -> Message | None:
    """The message of a check from its metadata; None if it passed."""
    stored = metadata.get(_MESSAGE)
    return None if stored is None else Message(**stored.value)


def _plain(number: Any) -> float:
    """A number as a Python number: Dagster stores none of NumPy's."""
    return int(number) if isinstance(number, Integral) else float(number)


def tables(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, dg.TableMetadataValue]:
    """Tables as metadata, by title: Dagster shows them at once, and pictures behind a button."""
    return {title: table_metadata(held) for title, held in rows.items() if held}


def table_metadata(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """A table for Dagster's UI, cut to a bounded number of rows."""
    records = [dg.TableRecord({key: _cell(value) for key, value in row.items()}) for row in rows]
    columns = [dg.TableColumn(key, _type(rows, key)) for key in rows[0]]
    return dg.MetadataValue.table(records[:_MOST_ROWS], dg.TableSchema(columns))


def _cell(value: Any) -> str | int | float | bool | None:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else str(value)
    return str(value)


def _type(rows: Sequence[Mapping[str, Any]], key: str) -> str:
    types = {type(row[key]) for row in rows if row[key] is not None}
    if types in ({int}, {bool}):
        return types.pop().__name__
    return "float" if types and types <= {int, float} else "string"
