"""Metrics of batches: what Prometheus reads of a home, at the page's address."""

import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from assets.orders import ASSETS, fates
from lockstep.columns.decode import decode
from lockstep.pages.batch_metrics import batch_metrics
from lockstep.pages.pipeline_state import Overview, Watched
from lockstep.pages.web.pages import with_metrics
from lockstep.project.pipelines import Broken, pipelines
from lockstep.project.quality import Quality
from lockstep.project.sources import FunctionSource
from lockstep.scoring.outcomes import compare_outcomes
from lockstep.store.ledgers import ledger_of
from tests.fixtures.asgi import Client
from tests.fixtures.depots import DEPOTS
from tests.fixtures.order_store import orders_of
from tests.fixtures.orders import PROJECT, Workplace

LINE = re.compile(r"(?P<name>\w+)\{(?P<labels>[^}]*)\} (?P<value>\S+)")
NEXT = "2020-03-03"


def figures(text: str) -> dict[str, float]:
    """The value of each gauge, by its name and labels beside the pipeline's."""
    found = (LINE.fullmatch(line) for line in text.splitlines())
    return {
        f"{each['name'].removeprefix('lockstep_')} {each['labels']}": float(each["value"])
        for each in found
        if each is not None
    }


def of(*labels: str) -> str:
    pairs = zip(labels[1::2], labels[2::2], strict=True)
    named = [*(f'{name}="{value}"' for name, value in pairs), 'pipeline="orders"']
    return f"{labels[0]} {','.join(sorted(named))}"


@pytest.fixture
def measured(scored: Workplace) -> Overview:
    """A home of which two days are published, the first compared, and the third is blocked."""
    source = FunctionSource(fates)
    compare_outcomes(ASSETS, source, scored.registry, scored.store, "2020-03-01")
    rows = orders_of(NEXT)
    scored.deliver(NEXT, rows.assign(weight=rows["weight"] * 1000))
    assert not scored.publishes(NEXT)
    return Overview(PROJECT)


def test_metrics_tell_what_was_published_last_and_what_is_open(
    measured: Overview, scored: Workplace
) -> None:
    found = figures(batch_metrics(measured).decode())
    published = scored.records().demand("2020-03-02").record.steps["published"].finished_at
    stream = ("stream", "daily")
    assert found[of("published_timestamp_seconds", *stream)] == pytest.approx(
        datetime.fromisoformat(published).timestamp()
    )
    assert found[of("published_rows", *stream)] == 120
    assert found[of("published_aside_rows", *stream)] == 0
    end = datetime(2020, 3, 3, tzinfo=UTC).timestamp()
    assert found[of("published_day_end_timestamp_seconds")] == end
    assert found[of("events_open", "kind", "blocked")] == 1
    assert found[of("events_open", "kind", "drift")] == 0
    assert found[of("events_unknown")] == 0


def test_metrics_tell_the_live_version_and_its_quality(
    measured: Overview, scored: Workplace
) -> None:
    found = figures(batch_metrics(measured).decode())
    assert found[of("live_version")] == 1
    since = scored.serving.state().taken
    assert since is not None
    assert found[of("live_since_timestamp_seconds")] == since.since.timestamp()
    assert 0.5 < found[of("live_quality", "figure", "risk auc")] < 1


def test_metrics_tell_the_newest_time_in_a_table(home_path: Path) -> None:
    (sale,) = (table for table in pipelines(DEPOTS).get("depots").tables if table.name == "sale")
    row = {"depot": "north", "article": 1, "sold_at": "2020-03-01T11:00:00+00:00", "sold": 1.0}
    ledger = ledger_of(DEPOTS.home.data / "depots", sale.schema)
    ledger.add(decode([row], sale.schema.schema).columns, datetime.now(UTC))
    found = figures(batch_metrics(Overview(DEPOTS)).decode())
    newest = found['table_newest_timestamp_seconds pipeline="depots",table="sale"']
    assert newest == datetime(2020, 3, 1, 11, tzinfo=UTC).timestamp()


def test_a_pipeline_that_cannot_be_imported_is_unknown(live: Workplace) -> None:
    overview = Overview(PROJECT)
    overview.watched = {}
    overview.broken = {"orders": Broken("orders", "It cannot be imported.", "")}
    found = figures(batch_metrics(overview).decode())
    assert found[of("events_unknown")] == 1
    assert of("live_version") not in found


def test_a_damaged_record_is_unknown_and_hides_nothing_else(
    measured: Overview, scored: Workplace
) -> None:
    scored.attempt(NEXT).folder.joinpath("record.json").write_text("{")
    found = figures(batch_metrics(measured).decode())
    assert found[of("events_unknown")] > 0
    assert found[of("published_rows", "stream", "daily")] == 120


def test_the_page_has_them_for_any_user_of_the_machine_and_shows_nothing_else(
    measured: Overview, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lockstep.serving.http.access._is_of_this_user", lambda scope: False)
    with Client(with_metrics(measured)) as client:
        here, there = {"host": "localhost:4000"}, {"host": "evil.example"}
        answer, refused, kept = (
            client.request("GET", path, headers=headers)
            for path, headers in (("/metrics", here), ("/metrics", there), ("/status.json", here))
        )
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert figures(answer.content.decode()) == figures(batch_metrics(measured).decode())
    assert kept.status == refused.status == 403


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_has_nothing_against_them(measured: Overview) -> None:
    text = batch_metrics(measured)
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stderr.decode()


def test_quality_is_what_was_measured_last(measured: Overview, scored: Workplace) -> None:
    declared = replace(ASSETS, quality=(Quality("expected_cost", "return_cost", "mae", 5.0),))
    later = datetime.now(UTC) + timedelta(days=1)
    source = FunctionSource(fates)
    compare_outcomes(declared, source, scored.registry, scored.store, "2020-03-02", now=later)
    measured.watched = {"orders": Watched(declared, scored.home)}
    found = figures(batch_metrics(measured).decode())
    assert found[of("live_quality", "figure", "expected_cost mae")] > 0
