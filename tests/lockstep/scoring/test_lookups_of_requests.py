"""Requests of a pipeline that looks its columns up, looked up again: what differs has a name."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lockstep.artifacts.snapshot import Snapshot
from lockstep.artifacts.version import LoadedVersion
from lockstep.columns.tables import take_rows
from lockstep.scoring.request_replay import replay_segment
from lockstep.serving.requestlog.log import Log
from lockstep.serving.requestlog.log_segments import segment_names, segment_path
from lockstep.serving.requestlog.settings import RequestLog
from lockstep.serving.versions.asked import RequestIds
from lockstep.serving.versions.proving import prove
from lockstep.serving.versions.served_tables import ServedTables
from lockstep.store.ledgers import ledger_of
from lockstep.store.results import CheckResult
from tests.fixtures.depots import PLACES, SCORED, articles, needs
from tests.lockstep.scoring.conftest import DepotStore

NIGHT = {"need_id": "night", "depot": "north", "article": 3, "asked_at": "2020-03-07T03:00:00Z"}
"""Asked when the last rows of the tables are some hours old."""
ASKED = [*needs(SCORED), NIGHT]


@pytest.fixture(scope="module")
def segment(delivered: DepotStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Requests that a server has answered."""
    folder = tmp_path_factory.mktemp("requests")
    tables = ServedTables(delivered.store.root).of(delivered.version.pipeline)
    scorer, ids = prove(delivered.version, tables=tables), RequestIds()
    with Log(folder, RequestLog()) as log:
        for need in ASKED:
            log.record(scorer, [(ids.ask(), scorer.answer([[need]])[0])])
    (name,) = segment_names(folder)
    return segment_path(folder, name)


def replayed(
    depots: DepotStore, segment: Path, version: LoadedVersion | None = None
) -> Mapping[str, CheckResult]:
    loaded = version or depots.version
    return replay_segment(depots.declared, depots.store, segment, "run", lambda _: loaded).results


def words(results: Mapping[str, CheckResult]) -> dict[str, str]:
    names = ("request_replay", "lookup_replay", "lookup_hindsight", "table_freshness")
    return {name: results[name].result for name in names}


ALL_PASS = dict.fromkeys(
    ("request_replay", "lookup_replay", "lookup_hindsight", "table_freshness"), "passed"
)


def test_requests_are_looked_up_again_as_they_were(depots: DepotStore, segment: Path) -> None:
    results = replayed(depots, segment)
    assert words(results) == ALL_PASS, results
    assert results["lookup_replay"].numbers["rows"] == len(ASKED)
    assert results["request_replay"].numbers["rows"] == len(ASKED)


CAUSES: dict[str, tuple[str, list[dict[str, Any]], str, int]] = {
    "late": (
        "climate",
        [{"depot": "north", "hour": "2020-03-07T00:30:00Z", "degrees": 3.0}],
        "climate",
        1,
    ),
    "backdated": (
        "sale",
        [
            {"depot": depot, "article": 3, "sold_at": f"{SCORED}T00:00:01Z", "sold": 1.5}
            for depot in PLACES
        ],
        "sales",
        sum(need["article"] == 3 and need["asked_at"][11:16] > "00:30" for need in needs(SCORED)),
    ),
    "restated": (
        "article",
        [{**row, "weight": 10 * row["weight"]} for row in articles()],
        "ware",
        len(ASKED),
    ),
}
"""By cause: a table, rows that it is given since, what reads them, and how many records differ."""


@pytest.mark.parametrize("cause", CAUSES)
def test_a_row_that_came_since_is_told_with_its_cause_and_what_was_answered_stays_right(
    depots: DepotStore, segment: Path, cause: str
) -> None:
    table, rows, reads, count = CAUSES[cause]
    depots.add(table, *rows)
    results = replayed(depots, segment)
    assert words(results) == {**ALL_PASS, "lookup_hindsight": "warned"}
    hindsight = results["lookup_hindsight"]
    assert {(row["read by"], row["cause"]) for row in hindsight.table} == {(reads, cause)}
    assert hindsight.numbers[cause] == count
    if cause == "late":
        assert hindsight.keys[0].startswith("night (request ")


def test_rows_of_another_ledger_are_gone_and_nothing_can_be_replayed(
    depots: DepotStore, segment: Path
) -> None:
    schema = depots.declared.pipeline.tables["climate"]
    ledger = ledger_of(depots.store.root, schema)
    rows = ledger.rows()
    shutil.rmtree(ledger.folder)
    ledger.accept_loss("ada", "the disk broke")
    kept = take_rows(rows.columns, rows.columns["depot"] != "north")
    ledger.add(kept, datetime.now(UTC))

    results = replayed(depots, segment)

    assert words(results)["lookup_replay"] == words(results)["request_replay"] == "failed"
    assert "The ledger of climate has no version" in results["lookup_replay"].summary
    hindsight = results["lookup_hindsight"]
    asked = sum(need["depot"] == "north" for need in ASKED)
    assert (hindsight.result, hindsight.numbers["gone"]) == ("warned", asked)
    assert set(hindsight.unjudged) == {"sales_count", "sales_sum", "sales_max"}


def test_another_rule_is_told_by_the_replay_alone(depots: DepotStore, segment: Path) -> None:
    here = Snapshot.of(depots.declared.pipeline)
    source = here.modules[here.module]
    assert source.count("within=timedelta(hours=6)") == 1
    shorter = source.replace("within=timedelta(hours=6)", "within=timedelta(minutes=100)")
    edited = replace(here, modules={**here.modules, here.module: shorter}).load()
    pipeline = edited.with_models(depots.version.pipeline.models_)
    results = replayed(depots, segment, replace(depots.version, pipeline=pipeline))
    lookups = results["lookup_replay"]
    assert (lookups.result, lookups.column) == ("failed", "climate_degrees")
    assert "Lookup climate (transforms/depots.py:" in lookups.summary
