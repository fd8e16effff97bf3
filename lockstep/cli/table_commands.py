"""Commands about tables: which rows look-ups and windows read, and taking in deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from lockstep.cli import context
from lockstep.cli.arguments import AsJson, Because, PipelineName, demand_reason, to_day
from lockstep.cli.ending import finish, interruption_told
from lockstep.errors import LockstepError

if TYPE_CHECKING:
    import numpy as np

    from lockstep.columns.kinds import Columns
    from lockstep.project.declaration import PipelineAssets
    from lockstep.project.table_assets import TableAssets
    from lockstep.tables.rows import TableRows

_EAST = timedelta(hours=14)
"""By how much the day may be ahead of UTC's, where its days are another place's."""


def tables(
    pipeline: PipelineName,
    is_delivered: Annotated[
        bool, typer.Option("--deliver", help="First take in a delivery of each table.")
    ] = False,
    days: Annotated[
        list[str] | None,
        typer.Option(
            "--day",
            metavar="YYYY-MM-DD",
            help="With --deliver: a day to read again, of each table that is delivered by day; "
            "repeatable.",
        ),
    ] = None,
    lossy: Annotated[
        str | None,
        typer.Option(
            "--accept-loss",
            metavar="TABLE",
            help="Go on without the rows that a table's ledger has lost, such as after a restore.",
        ),
    ] = None,
    because: Because = "",
    as_json: AsJson = False,
) -> None:
    """List the tables that look-ups and windows read, or take in a delivery of each."""
    from lockstep.cli.console import say, show_json, show_table

    declared = context.pipeline(pipeline)
    if not declared.tables:
        raise LockstepError(f"{declared.name} reads no table: it has no look-ups and windows.")
    if days and not is_delivered:
        raise LockstepError("--day goes with --deliver: it says which days to read again.")
    if lossy is not None:
        _accept_loss(declared, lossy, demand_reason(because, "--accept-loss"), as_json=as_json)
        return
    if is_delivered:
        _deliver(declared, _days_again(declared, days or ()), as_json=as_json)
        return
    rows = [_described(declared, table) for table in declared.tables]
    if as_json:
        show_json(rows)
    else:
        shown = [{**row, "version": (row["version"] or "")[:12]} for row in rows]
        show_table([{name: str(value or "") for name, value in row.items()} for row in shown])
        say(f"Take in a delivery of each: lockstep tables {declared.name} --deliver")


def withdraw(
    pipeline: PipelineName,
    table: Annotated[str, typer.Argument(metavar="TABLE", help="The table.")],
    key: Annotated[
        list[str], typer.Argument(metavar="KEY...", help="The row's key, each of its fields.")
    ],
    reason: Annotated[str, typer.Option(help="Why it counts no longer; it is kept with it.")],
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="From when it is valid, in ISO form (UTC).")
    ] = None,
) -> None:
    """Withdraw a row of a table: it counts no longer, from now on."""
    from lockstep.cli.console import say
    from lockstep.columns.plain import counted
    from lockstep.store.ledgers import ledger_of
    from lockstep.tables.layered import LayeredRows

    declared = context.pipeline(pipeline)
    assets = next((each for each in declared.tables if each.name == table), None)
    if assets is None:
        known = ", ".join(each.name for each in declared.tables) or "none"
        raise LockstepError(f"{declared.name} reads no table {table!r}; there is {known}.")
    if not reason.strip():
        raise LockstepError("Say why the row is withdrawn: --reason.")
    time = None if at is None else _to_time(at)
    ledger = ledger_of(context.home().data / declared.name, assets.schema)
    found = _standing(ledger.rows(), key, time)
    ledger.post(
        found,
        lambda version: LayeredRows(ledger.rows(version)).of_keys(found),
        withdrawn=reason.strip(),
    )
    say(f"{table}: {counted(len(found[assets.schema.keys[0]]), 'row')} withdrawn, from now on.")


def _to_time(text: str) -> np.datetime64:
    """A time from its ISO form; without a zone, it is in UTC."""
    from lockstep.columns.kinds import utc  # loads NumPy

    try:
        time = datetime.fromisoformat(text)
        return utc(time.replace(tzinfo=time.tzinfo or UTC))
    except (ValueError, OverflowError):
        raise LockstepError(
            f"--at {text!r} is not a time such as 2013-04-01T12:30 or 2013-04-01T12:30+02:00."
        ) from None


def _standing(rows: TableRows, key: list[str], at: np.datetime64 | None) -> Columns:
    """The rows of a key, and of a time, that count."""
    from lockstep.columns.plain import listed
    from lockstep.columns.tables import take_rows

    schema, title = rows.schema, f"{rows.schema.name} {' '.join(key)}"
    if len(key) != len(schema.keys):
        raise LockstepError(f"The key of {schema.name} is {listed(schema.keys)}: give each of it.")
    places = rows.standing
    for name, value in zip(schema.keys, key, strict=True):
        places = places[rows.columns[name][places].astype(str) == value]
    if schema.valid is not None:
        times = rows.columns[schema.valid]
        if at is not None:
            places = places[times[places] == at]
        if len(distinct := sorted({f"{each}Z" for each in times[places]})) > 1:
            raise LockstepError(
                f"{title} has rows of {len(distinct):,} times; say of which by --at, "
                f"such as --at {distinct[-1]}"
            )
    if not len(places):
        raise LockstepError(
            f"There is no row of {title}{'' if at is None else f' at {at}'} that counts."
        )
    return take_rows(rows.columns, places)


def _days_again(declared: PipelineAssets, given: Sequence[str]) -> list[str]:
    """The days to read again, in ISO form."""
    days = [to_day(text) for text in given]
    first = min((table.since for table in declared.tables if table.since), default=None)
    if days and first is None:
        raise LockstepError(f"No table of {declared.name} is delivered by day: leave --day out.")
    last = (datetime.now(UTC) + _EAST).date()
    for day in days:
        if first is not None and not first <= day <= last:
            raise LockstepError(
                f"No table of {declared.name} is delivered on {day}: they are by day from {first} "
                "until today. Give one of these days."
            )
    return [day.isoformat() for day in days]


def _deliver(declared: PipelineAssets, days: list[str], *, as_json: bool) -> None:
    """Take in a delivery of each table, in a run, and show what came of them."""
    from lockstep.cli.console import say, show_checks

    left = (
        "what a delivery added is kept whole or not at all. Begin anew: lockstep tables "
        f"{declared.name} --deliver"
    )
    with interruption_told(lambda: left):
        report = context.deliver(declared, days)
    if not as_json:
        for table in declared.tables:
            key = f"/tables/{table.name}"
            if (rows := report.figure(key, "dagster/row_count")) is not None:
                new, restated = (report.figure(key, name) or 0 for name in ("new", "restated"))
                say(f"{table.name}: {rows:,} rows, {new:,} new, {restated:,} restated")
        show_checks(report.checks, dagster=context.dagster())
    finish([report], {}, as_json)


def _accept_loss(declared: PipelineAssets, name: str, reason: str, *, as_json: bool) -> None:
    """Have a table go on from the rows that its ledger still has."""
    from lockstep.cli.console import say, show_json
    from lockstep.columns.plain import iso, listed
    from lockstep.registry.sites import user
    from lockstep.store.ledgers import ledger_of

    table = next((table for table in declared.tables if table.name == name), None)
    if table is None:
        names = listed([table.name for table in declared.tables])
        raise LockstepError(f"{declared.name} reads no table {name}; it reads {names}.")
    ledger = ledger_of(context.home().data / declared.name, table.schema)
    loss = ledger.accept_loss(user(), reason)
    if as_json:
        show_json({"table": name, **msgspec.structs.asdict(loss), "at": iso(loss.at)})
        return
    say(
        f"{name} goes on with the version {loss.kept[:12]}; that it lost the rows up to "
        f"{loss.lost[:12]} is noted in {ledger.high_water.path}. Days and requests that read them "
        "cannot be computed anew."
    )


def _described(declared: PipelineAssets, table: TableAssets) -> dict[str, Any]:
    from lockstep.columns.plain import iso
    from lockstep.store.ledgers import ledger_of

    ledger = ledger_of(context.home().data / declared.name, table.schema)
    parts = ledger.parts()
    newest = [part.newest for part in parts if part.newest is not None]
    return {
        "table": table.name,
        "rows": sum(part.rows for part in parts),
        "restated": sum(part.restated for part in parts),
        "newest": iso(max(newest)) if newest else None,
        "received": iso(parts[-1].received_at) if parts else None,
        "version": parts[-1].version if parts else None,
        "source": table.source.describe(),
    }
