"""Events: what is open of a home, by its records, and what is not known."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from assets.orders import ASSETS, fates
from lockstep.checks.streams import CHAMPION, gate_records, inbox_of
from lockstep.dagster.schedules import schedules
from lockstep.pages.events import Events, open_events
from lockstep.pages.pipeline_state import Overview, Watched
from lockstep.parity.changes import CHANGES, Change, Changes
from lockstep.project.declaration import Calendar, PipelineAssets
from lockstep.project.home import Addresses, write_addresses
from lockstep.project.pipelines import Broken
from lockstep.project.quality import Quality
from lockstep.project.sources import FunctionSource
from lockstep.registry.decisions import Decisions
from lockstep.registry.version_tags import EVIDENCE
from lockstep.registry.versions import Version
from lockstep.scoring.outcomes import compare_outcomes
from lockstep.store.attempts import StepRecord
from lockstep.store.inbox import claim_files
from lockstep.store.lock import locked
from lockstep.store.partition_records import Records
from lockstep.store.status import STEPS
from lockstep.training.gate import pass_gate
from tests.fixtures.order_store import orders_of
from tests.fixtures.orders import EDITED, PROJECT, SECOND, Workplace
from tests.fixtures.ports import free_port
from tests.fixtures.receivers import http_receiver

DAY, NEXT = "2020-03-01", "2020-03-02"


def of(place: Workplace, declared: PipelineAssets = ASSETS, now: datetime | None = None) -> Events:
    overview = Overview(PROJECT)
    overview.watched = {"orders": Watched(declared, place.home)}
    return open_events(overview, now)


def in_grams(day: str) -> pd.DataFrame:
    """A day's orders whose weights came in another unit."""
    frame = orders_of(day)
    return frame.assign(weight=frame["weight"] * 1000)


@pytest.fixture
def blocked(scored: Workplace) -> Workplace:
    """A home in which two days are published, and the next one is blocked."""
    scored.deliver("2020-03-03", in_grams("2020-03-03"))
    assert not scored.publishes("2020-03-03")
    return scored


BLOCKED = "orders blocked daily/2020-03-03"


def later() -> datetime:
    return datetime.now(UTC) + timedelta(hours=2)


def test_a_home_in_order_has_no_events(scored: Workplace) -> None:
    assert of(scored) == Events()


def test_a_blocked_day_is_an_event_with_what_where_and_what_to_do(blocked: Workplace) -> None:
    (event,) = of(blocked).open.values()
    assert event.id == BLOCKED
    assert event.message.what.startswith("2020-03-03 is blocked by ")
    assert "weight" in event.message.where
    assert "lockstep score orders --day 2020-03-03" in event.message.todo


def test_a_blocked_day_stays_one_event_however_often_it_is_tried(blocked: Workplace) -> None:
    assert not blocked.publishes("2020-03-03")
    assert [*of(blocked).open] == [BLOCKED]


def test_a_blocked_day_that_is_tried_again_is_neither_open_nor_over(blocked: Workplace) -> None:
    blocked.records().begin("2020-03-03", "another run")
    for seen in (of(blocked), of(blocked, now=datetime.now(UTC) + timedelta(minutes=30))):
        assert not seen.open
        assert not seen.is_over(BLOCKED)
        assert seen.is_over("orders blocked daily/2020-03-04")


def test_a_blocked_day_is_over_once_it_is_published(blocked: Workplace) -> None:
    blocked.deliver("2020-03-03", orders_of("2020-03-03"))
    assert blocked.publishes("2020-03-03")
    assert of(blocked).is_over(BLOCKED)


def test_a_blocked_day_with_a_damaged_record_is_not_over(blocked: Workplace) -> None:
    blocked.attempt("2020-03-03").folder.joinpath("record.json").write_text("{")
    seen = of(blocked)
    assert not seen.open
    assert not seen.is_over(BLOCKED)


def test_a_damaged_day_hides_no_other(blocked: Workplace) -> None:
    blocked.attempt(DAY).folder.joinpath("record.json").write_text("{")
    assert BLOCKED in of(blocked).open


def test_a_day_that_broke_off_is_missed_after_a_while_with_the_reason(scored: Workplace) -> None:
    records = scored.records()
    records.begin("2020-03-03", "run")
    scored.attempt("2020-03-03").keep_reason("the warehouse does not answer")
    assert not of(scored).open
    (event,) = of(scored, now=later()).open.values()
    assert event.id == "orders missed daily/2020-03-03"
    assert "the warehouse does not answer" in event.message.what


def test_a_day_that_is_worked_on_is_not_missed_however_long(scored: Workplace) -> None:
    scored.records().begin("2020-03-03", "run")
    with scored.records().locked("2020-03-03"):
        seen = of(scored, now=later())
    assert not seen.open
    assert not seen.is_over("orders missed daily/2020-03-03")


def daily_since(days: int) -> PipelineAssets:
    start = datetime.now(UTC).date() - timedelta(days=days)
    return replace(ASSETS, calendar=Calendar(start))


def test_days_since_a_version_is_live_are_missed_if_nobody_tried_them(live: Workplace) -> None:
    model = live.registry.model("orders")
    assert model is not None
    now = Decisions.of("orders", model.tags).log[0].since + timedelta(days=3)
    seen = of(live, daily_since(30), now)
    ended = [
        (now - timedelta(days=back)).date().isoformat()
        for back in (3, 2, 1)
        if datetime.combine((now - timedelta(days=back - 1)).date(), datetime.min.time(), UTC)
        < now - timedelta(hours=8)
    ]
    assert [event.what for event in seen.open.values()] == [f"daily/{day}" for day in ended]
    first = seen.open[f"orders missed daily/{ended[0]}"]
    assert f"lockstep score orders --day {ended[0]}" in first.message.todo


def test_no_day_is_missed_before_a_version_was_live(workplace: Workplace) -> None:
    assert of(workplace, daily_since(30), datetime.now(UTC) + timedelta(days=3)) == Events()


def test_a_calendar_that_ended_long_ago_misses_no_day(live: Workplace) -> None:
    assert of(live, now=datetime.now(UTC) + timedelta(days=30)) == Events()


def test_the_schedule_takes_a_day_before_it_counts_as_missed() -> None:
    daily = next(each for each in schedules(ASSETS) if each.name == "orders_daily")
    assert daily.cron_schedule == "0 6 * * *"


def gate(place: Workplace, version: int) -> bool:
    """Whether the gate lets a version through that somebody pointed `@champion` to."""
    place.registry.set_alias("orders", "champion", version)
    return pass_gate(ASSETS, place.registry, place.store, place.home.live("orders")).is_open


def test_a_refused_version_is_an_event_until_another_is_wanted(three_versions: Workplace) -> None:
    assert not gate(three_versions, EDITED)
    (event,) = of(three_versions).open.values()
    assert event.id == f"orders refused version {EDITED}"
    assert "code_parity" in event.message.what
    assert "version 1 stays live" in event.message.what
    three_versions.registry.set_alias("orders", "champion", 1)
    assert of(three_versions).is_over(event.id)


def test_a_version_that_is_wanted_and_not_judged_yet_is_no_event(two_versions: Workplace) -> None:
    two_versions.registry.set_alias("orders", "champion", SECOND)
    assert of(two_versions) == Events()


def test_a_refused_version_that_passes_later_is_over(two_versions: Workplace) -> None:
    evidence = version_of(two_versions, SECOND).tags[EVIDENCE]
    two_versions.registry.tag(version_of(two_versions, SECOND), EVIDENCE, "edited")
    assert not gate(two_versions, SECOND)
    assert [*of(two_versions).open] == [f"orders refused version {SECOND}"]
    two_versions.registry.tag(version_of(two_versions, SECOND), EVIDENCE, evidence)
    assert gate(two_versions, SECOND)
    assert of(two_versions) == Events()


def test_a_damaged_record_of_the_gate_ends_no_event(three_versions: Workplace) -> None:
    assert not gate(three_versions, EDITED)
    records = gate_records(ASSETS, three_versions.store)
    next(records.newest_first(CHAMPION)).folder.joinpath("record.json").write_text("{")
    assert not of(three_versions).is_over(f"orders refused version {EDITED}")


def version_of(place: Workplace, number: int) -> Version:
    return place.registry.find("orders", number)


def test_a_registry_that_does_not_answer_ends_no_event(
    blocked: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    seen = of(blocked)
    assert [*seen.open] == [BLOCKED]
    assert not seen.is_over(f"orders refused version {SECOND}")
    assert not seen.is_over("orders missed daily/2020-03-04")
    assert seen.is_over("orders drift daily/batch 2020-03-01")


def test_a_pipeline_that_cannot_be_imported_ends_no_event(live: Workplace) -> None:
    overview = Overview(PROJECT)
    overview.watched = {}
    overview.broken = {"orders": Broken("orders", "It cannot be imported.", "")}
    seen = open_events(overview)
    assert not seen.is_over(BLOCKED)
    assert seen.is_over("wine blocked daily/2020-03-01")


def publish(records: Records, day: str, lasting: dict[str, Change], step: str = "batch") -> None:
    """Publish a partition after which changes from training go on."""
    for number, name in enumerate(STEPS):
        with records.step(day, name, f"run of {day}", after=STEPS[:number]) as attempt:
            if name == "published":
                attempt.write_columns("published", {})
            facts = {CHANGES: asdict(Changes("digest", lasting))} if name == step else {}
            attempt.keep(name, StepRecord(facts=facts))
    records.commit(attempt)


def change(since: str, begun: str | None) -> Change:
    return Change(sum=1.5, since=since, batches=3, farthest=1.2, begun=begun)


@pytest.mark.parametrize(("step", "check"), [("batch", "input"), ("scored", "prediction")])
def test_columns_that_begin_to_drift_together_are_one_event_while_any_does(
    live: Workplace, step: str, check: str
) -> None:
    price, weight = change(DAY, NEXT), change(NEXT, NEXT)
    publish(live.records(), "2020-03-04", {"price": price, "weight": weight}, step)
    (event,) = of(live).open.values()
    assert event.id == f"orders drift daily/{step} {NEXT}"
    assert "price, weight" in event.message.what
    assert DAY in event.message.what
    publish(live.records(), "2020-03-05", {"weight": weight, "items": change(DAY, None)}, step)
    assert [*of(live).open] == [event.id]
    publish(live.records(), "2020-03-06", {}, step)
    assert of(live).is_over(event.id)


def test_drift_is_not_over_while_the_last_record_is_damaged(live: Workplace) -> None:
    publish(live.records(), DAY, {"price": change(DAY, DAY)})
    (event,) = of(live).open
    live.attempt(DAY).folder.joinpath("record.json").write_text("{")
    assert not of(live).is_over(event)


def compare(place: Workplace, declared: PipelineAssets, known: int = 120) -> None:
    source = FunctionSource(lambda of: fates(of).head(known))
    compare_outcomes(declared, source, place.registry, place.store, DAY)


def demanding(threshold: float) -> PipelineAssets:
    return replace(ASSETS, quality=(Quality("risk", "came_back", "auc", threshold),))


def test_quality_that_misses_its_threshold_is_an_event_until_it_meets_it(
    scored: Workplace,
) -> None:
    compare(scored, demanding(0.999))
    (event,) = of(scored, demanding(0.999)).open.values()
    assert event.id == "orders quality risk auc"
    assert "at least 0.999" in event.message.what
    assert of(scored, demanding(0.1)) == Events()


def test_quality_of_a_day_with_few_outcomes_says_nothing(scored: Workplace) -> None:
    compare(scored, demanding(0.999), known=5)
    assert of(scored, demanding(0.999)) == Events()


def test_bias_that_lasts_is_an_event(scored: Workplace) -> None:
    compare(scored, ASSETS)
    records = Records(scored.store.root / "outcomes", lambda day: "")
    look = records.demand(DAY).record.steps["outcomes"]
    changes = asdict(Changes("digest", {"bias of risk": change(DAY, DAY)}))
    with records.step(DAY, "outcomes", "another run") as attempt:
        attempt.write_columns("outcomes", {})
        attempt.keep("outcomes", replace(look, facts={**look.facts, CHANGES: changes}))
        records.commit(attempt)
    (event,) = of(scored).open.values()
    assert event.id == "orders quality bias of risk"
    assert "off on average" in event.message.what


@contextmanager
def up(place: Workplace, port: int) -> Iterator[None]:
    """What `lockstep up` leaves in the home while it runs a server at a port."""
    write_addresses(place.home.path, Addresses.local(servers={"orders": port}))
    with locked(place.home.served, "the home"):
        yield


def test_a_server_that_does_not_answer_is_an_event(live: Workplace) -> None:
    with up(live, free_port()):
        assert not of(live).is_over("orders server of lockstep up"), "it may be starting"
        (event,) = of(live, now=later()).open.values()
        assert event.id == "orders server of lockstep up"
    assert of(live, now=later()).is_over(event.id)


@pytest.mark.parametrize(
    ("status", "shown", "message"),
    [
        (200, b'{"ready": true, "version": 1}', None),
        (503, b'{"ready": false, "refused": "its files were changed"}', "its files were changed"),
        (500, b"no JSON", "500"),
        (503, b"no JSON", "Expecting value"),
    ],
)
def test_a_server_is_asked_whether_it_is_ready(
    live: Workplace, status: int, shown: bytes, message: str | None
) -> None:
    with http_receiver() as server, up(live, server.port):
        server.status, server.shown = status, shown
        found = [*of(live, now=later()).open.values()]
    assert [message in event.message.what for event in found if message] == [True] * bool(message)
    assert len(found) == bool(message)


def test_a_blocked_file_is_an_event_until_somebody_takes_it_away(
    live: Workplace, tmp_path: Path
) -> None:
    inbox = live.home.inbox("orders")
    inbox.mkdir(parents=True)
    in_grams(DAY).to_csv(inbox / "grams.csv", index=False)
    old = datetime.now(UTC).timestamp() - 3600
    os.utime(inbox / "grams.csv", (old, old))
    (claim,) = claim_files(inbox)
    assert not live.publishes(claim.partition, stream="inbox")
    (event,) = of(live).open.values()
    assert event.id == f"orders blocked inbox/{claim.partition}"
    file = inbox_of(ASSETS, live.home).file(claim.partition)
    assert file is not None
    file.rename(tmp_path / "taken.csv")
    assert of(live).is_over(event.id)
    (state,) = Overview(PROJECT).states(0)
    assert [each.tiles for each in state.streams if each.name == "inbox"] == [()]
