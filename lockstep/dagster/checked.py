"""Assets with their checks, of which each finds something or has nothing to compare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from functools import wraps
from time import monotonic
from typing import Any, Concatenate, ParamSpec

import dagster as dg

from lockstep.artifacts.disks import DiskError
from lockstep.checks.messages import Message, Place
from lockstep.checks.results import CheckResult
from lockstep.checks.specs import Check
from lockstep.columns.errors import LockstepError
from lockstep.dagster.checks import message_of, specs, table_metadata, to_result
from lockstep.dagster.retries import FROM_OUTSIDE, retry_later
from lockstep.dagster.tries import sign

FILE_TAG = "lockstep/file"
"""Tag of a run that was asked to score a file: the file, as whoever asked named it."""
OTHER_FINDINGS = "other findings"
"""Metadata of a materialization: what Dagster records no evaluation for, a row a check."""


class Blocked(dg.Failure):
    """A run that ends here, since a blocking check is in error: Dagster itself tells only which."""

    def __init__(self, place: Place, failed: Mapping[str, str]) -> None:
        """Tell of each check in error what was found, where, and what to do.

        Args:
            place: What was checked.
            failed: The message of each, by the name of the check.
        """
        super().__init__(
            "\n\n".join(f"{name} of {place}: {message}" for name, message in failed.items()),
            metadata={name: dg.MetadataValue.url(place.page(name)) for name in failed},
            allow_retries=False,
        )


Arguments = ParamSpec("Arguments")
Materialized = Iterator[dg.MaterializeResult[Any]]


def checked_asset(
    key: Iterable[str],
    checks: Iterable[Check] = (),
    *,
    deps: Iterable[Iterable[str]] = (),
    partitions: dg.PartitionsDefinition[str] | None = None,
    **spec: Any,
) -> Callable[
    [Callable[Concatenate[dg.AssetExecutionContext, Arguments], Materialized]], dg.AssetsDefinition
]:
    """Make an asset of a function that yields what `materialized` returns.

    Dagster shows a check as skipped whose asset was made without a result of it, and goes on. It
    demands a result of every check unless an asset can be made in part; so all of them can.

    Args:
        key: The asset's key.
        checks: Its checks.
        deps: Keys of the assets that it is made of.
        partitions: Its partitions, and those of its checks.
        spec: What else describes it: see `dagster.AssetSpec`.
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
        ) -> Materialized:
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
                    yield made
                    _stop_if_blocked(context, made, blocking)
            except FROM_OUTSIDE as error:
                retry_later(context, error)
                refused = DiskError.of(error) if isinstance(error, OSError) else None
                if refused is None:
                    raise
                raise refused from error

        upstream = [dg.AssetKey(list(one)) for one in deps]
        declared = specs(checks, name, partitions)
        blocking = {spec.name for spec in declared if spec.blocking}
        return dg.multi_asset(
            name="__".join(name.path),
            specs=[dg.AssetSpec(name, deps=upstream, **spec)],
            check_specs=declared,
            partitions_def=partitions,
            can_subset=bool(declared),
        )(whole)

    return decorate


def materialized(
    context: dg.AssetExecutionContext,
    results: Mapping[str, CheckResult],
    metadata: Mapping[str, Any],
) -> dg.MaterializeResult[Any]:
    """An asset that was made, with what its checks found.

    What was not judged is metadata, and so is what a check found that is not declared on the
    asset: the version that serves may be checked in ways in which the checkout's would not be.

    Args:
        context: The run.
        results: What the checks found, by name.
        metadata: What else is told of the asset.
    """
    place = _place(context)
    _tell(context, results, metadata)
    declared = {key.name for key in context.selected_asset_check_keys}
    evaluated = {
        name: found for name, found in results.items() if found.judged and name in declared
    }
    others = _same_keys(
        [_row(name, found, place) for name, found in results.items() if name not in evaluated]
    )
    return dg.MaterializeResult(
        metadata={**metadata, **({OTHER_FINDINGS: table_metadata(others)} if others else {})},
        check_results=[to_result(name, found, place) for name, found in evaluated.items()],
    )


def _row(name: str, found: CheckResult, place: Place) -> dict[str, str | None]:
    """What a check without an evaluation found, as a row of a table."""
    row = {
        "check": name,
        "result": found.result.replace("_", " "),
        "finding": found.summary,
        "column": found.column,
    }
    if found.passed or not found.judged:
        return row
    message = Message.of(name, found, place)
    return {**row, "where": message.where, "what to do": message.todo}


def _same_keys(rows: list[dict[str, str | None]]) -> list[dict[str, str | None]]:
    """The rows of a table, each with the keys of all."""
    keys = dict.fromkeys(key for row in rows for key in row)
    return [{key: row.get(key) for key in keys} for row in rows]


def _stop_if_blocked(
    context: dg.AssetExecutionContext, made: dg.MaterializeResult[Any], blocking: Set[str]
) -> None:
    """End the run where a blocking check is in error, as Dagster would, with the whole message.

    Raises:
        Blocked: One is.
    """
    failed = {
        str(one.check_name): str(message_of(one.metadata))
        for one in made.check_results or ()
        if one.check_name in blocking
        and not one.passed
        and one.severity is dg.AssetCheckSeverity.ERROR
    }
    if failed:
        raise Blocked(_place(context), failed)


def _place(context: dg.AssetExecutionContext) -> Place:
    (asset,) = context.selected_asset_keys
    partition = context.partition_key if context.has_partition_key else None
    return Place(asset.to_user_string(), partition, context.run.tags.get(FILE_TAG))


def _tell(
    context: dg.AssetExecutionContext,
    results: Mapping[str, CheckResult],
    metadata: Mapping[str, Any],
) -> None:
    """Say in the run's log what was made, how its checks came out, and what is wrong."""
    figures = {name: value for name, value in metadata.items() if isinstance(value, int | float)}
    if figures:
        told = (f"{name.removeprefix('dagster/')} {value}" for name, value in figures.items())
        context.log.info("; ".join(told))
    if results:
        counts = Counter(found.result.replace("_", " ") for found in results.values())
        context.log.info(
            "checks: " + ", ".join(f"{count} {result}" for result, count in counts.items())
        )
    for name, found in results.items():
        if found.is_error:
            context.log.error("%s: %s", name, found.summary)
