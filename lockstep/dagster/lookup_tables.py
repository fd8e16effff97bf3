"""Tables as assets: what look-ups and windows read."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import dagster as dg

from lockstep.checks.messages import Place
from lockstep.checks.table_deliveries import TableDelivery, checks_of, deliver, deliver_all
from lockstep.columns.markdown import to_markdown
from lockstep.columns.plain import counted
from lockstep.dagster.checked import Made, NothingMade, checked_asset, materialized
from lockstep.dagster.event_log import EventLog
from lockstep.dagster.jobs import BACKFILL_TAG
from lockstep.dagster.metadata import field_schema
from lockstep.dagster.partition_events import asset_events
from lockstep.dagster.run_reports import recording_told
from lockstep.project.declaration import PipelineAssets
from lockstep.project.home import Home
from lockstep.project.table_assets import TableAssets
from lockstep.store.parquet import Store


class TableConfig(dg.Config):
    """What a person wants of a delivery.

    Attributes:
        days: Days to read again, of a table that is delivered by day.
    """

    days: list[str] = []  # noqa: RUF012 - pydantic copies the default


def table_assets(declared: PipelineAssets) -> list[dg.AssetsDefinition]:
    """The tables of a pipeline, an asset each."""
    return [_table(declared, table) for table in declared.tables]


def _table(declared: PipelineAssets, table: TableAssets) -> dg.AssetsDefinition:
    @checked_asset(
        [declared.name, "tables", table.name],
        checks_of(declared, table),
        kinds={"parquet"},
        description=(
            f"{to_markdown((table.table.__doc__ or '').strip())} What look-ups and windows read: a "
            "ledger, to which each delivery adds the rows that are new or restated. Read from "
            f"{to_markdown(table.source.describe())}."
        ),
        metadata=field_schema(table.schema.schema),
    )
    def table_asset(
        context: dg.AssetExecutionContext, config: TableConfig, home: dg.ResourceParam[Home]
    ) -> Iterator[Made]:
        store = Store(home.data / declared.name)
        delivery = deliver(declared, table, store, context.run.run_id, config.days)
        metadata, version = _told(delivery)
        made = materialized(context, delivery.results, metadata, version)
        yield NothingMade(made) if delivery.blocked_by else made

    return table_asset


def take_in(
    declared: PipelineAssets, home: Home, instance: dg.DagsterInstance, run: dg.DagsterRun
) -> None:
    """Take in a delivery of each table before a run reads them, and have Dagster show them.

    It is done once a run, and once for all runs of a backfill. What is not taken in stops no run,
    unless nothing was ever delivered: the rows that were received before count, and all that is
    found is a warning.
    """
    store = Store(home.data / declared.name)
    delivered = deliver_all(declared, store, run.tags.get(BACKFILL_TAG, run.run_id))
    events = []
    for table in declared.tables:
        if (delivery := delivered.get(table.name)) is not None:
            place = Place("/".join([declared.name, "tables", table.name]))
            metadata, version = _told(delivery)
            checks, is_made = checks_of(declared, table), not delivery.blocked_by
            found = {name: replace(r, severity="WARN") for name, r in delivery.results.items()}
            events.append(asset_events(place, checks, found, metadata, version, is_made=is_made))
    if events:
        with recording_told(instance):
            EventLog(instance, run).report(events)


def _told(delivery: TableDelivery) -> tuple[dict[str, Any], str]:
    """The metadata of a table, and its version."""
    parts = [] if delivery.blocked_by else delivery.ledger.parts()
    version = parts[-1].version if parts else ""
    metadata = {
        **delivery.counts,
        "dagster/row_count": sum(part.rows for part in parts),
        "version": version,
        "deliveries": counted(len(parts), "part"),
        "path": dg.MetadataValue.path(str(delivery.ledger.folder)),
    }
    return metadata, version
