"""Tables as assets: what look-ups and windows read."""

from collections.abc import Iterator

import dagster as dg

from lockstep.checks.markdown import to_markdown
from lockstep.columns.plain import counted
from lockstep.dagster.checked import Made, NothingMade, checked_asset, materialized
from lockstep.dagster.metadata import field_schema
from lockstep.project.declaration import PipelineAssets
from lockstep.project.home import Home
from lockstep.project.table_assets import TableAssets
from lockstep.store.parquet import Store
from lockstep.store.table_deliveries import checks_of, deliver


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
        group_name=declared.name,
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
        delivery = deliver(declared, table, store, context.run_id, config.days)
        parts = [] if delivery.blocked_by else delivery.ledger.parts()
        version = parts[-1].version if parts else ""
        made = materialized(
            context,
            delivery.results,
            {
                **delivery.counts,
                "dagster/row_count": sum(part.rows for part in parts),
                "version": version,
                "deliveries": counted(len(parts), "part"),
                "path": dg.MetadataValue.path(str(delivery.ledger.folder)),
            },
            version,
        )
        yield NothingMade(made) if delivery.blocked_by else made

    return table_asset
