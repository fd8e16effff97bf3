"""The state of pipelines: from records alone, whatever does not answer."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

import pytest

from assets.orders import orders
from lockstep.checks.streams import CHAMPION, gate_records
from lockstep.pages.background import LastAnswer, Question
from lockstep.pages.pipeline_state import Overview, PipelineState, Watched, last_days
from lockstep.pages.troubles import OpenFinding
from lockstep.pages.version_state import version_state
from lockstep.project.declaration import Calendar
from lockstep.project.home import Addresses, write_addresses
from lockstep.project.sinks import ParquetSink
from lockstep.registry.versions import RegisteredModel
from lockstep.training.gate import pass_gate
from tests.fixtures.orders import PROJECT, SECOND
from tests.lockstep.pages.conftest import ASIDE, BLOCKED, BROKEN, DAMAGED, WARNED

HEAVY = ("return weight > 5", "return weight > 6")


def state_of(wait: float = 60.0) -> PipelineState:
    (state,) = Overview(PROJECT).states(wait)
    return state


@pytest.mark.usefixtures("troubled")
def test_days_that_went_wrong_are_tiles_and_findings() -> None:
    state = state_of()
    daily = next(stream for stream in state.streams if stream.name == "daily")
    states = {tile.partition: tile.state for tile in daily.tiles}
    assert states[BLOCKED] == "blocked"
    assert states[DAMAGED] == "damaged"
    assert states[BROKEN] == "broken_off"
    aside = next(tile for tile in daily.tiles if tile.partition == ASIDE)
    assert (aside.rows, aside.quarantined) == (120, 3)
    failed = {(each.partition, each.check): each for each, _ in state.together("failed")}
    assert {(BLOCKED, "decoding"), (DAMAGED, "record"), (BROKEN, "record")} <= {*failed}
    assert failed[BLOCKED, "decoding"].column == "price"
    assert f"--day {BLOCKED}" in (failed[BLOCKED, "decoding"].todo or "")
    assert state.is_failed


def open_warnings() -> dict[tuple[str | None, str], str]:
    """The names of the open warnings of days and files, by partition and check."""
    return {(each.partition, each.check): each.name for each, _ in state_of().together("warned")}


def test_a_warning_outlasts_the_batches_that_follow_until_it_is_acknowledged(
    troubled, lockstep
) -> None:
    known, decoding = open_warnings(), (ASIDE, "decoding")
    assert decoding in known, "another day has begun since"
    answer = lockstep("status", "orders")
    assert f"Type: lockstep checks orders --acknowledge {known[decoding]}  says" in answer.out
    assert lockstep("checks", "orders", "--acknowledge", known[decoding]).status == 0
    assert open_warnings() == {key: name for key, name in known.items() if key != decoding}


def test_a_warning_ends_with_a_day_on_which_its_column_is_usual(scored) -> None:
    rows = orders(date(2020, 3, 3)).assign(currency="EUR")
    scored.deliver("2020-03-03", rows)
    assert scored.publishes("2020-03-03")
    scored.records().begin("2020-03-04", "a run that is killed")
    assert ("2020-03-03", "decoding") in open_warnings()
    assert scored.publishes("2020-03-04")
    assert ("2020-03-03", "decoding") not in open_warnings()


@pytest.mark.usefixtures("troubled")
def test_quality_has_its_figures_by_day() -> None:
    series = {each.title: each for each in state_of().quality}
    assert series["risk auc"].rule == "at least 0.6"
    (value, _, _) = series["risk auc"].figures[WARNED]
    assert value is not None
    assert 0.5 < value <= 1


def test_a_version_that_the_gate_refused_is_told_with_the_check(
    two_versions, edited_orders
) -> None:
    declared, pointer = edited_orders(HEAVY), two_versions.home.live("orders")
    two_versions.registry.set_alias("orders", "champion", SECOND)
    pass_gate(declared, two_versions.registry, two_versions.store, pointer)
    versions = state_of().versions
    assert (versions.wanted, versions.live) == (SECOND, 1)
    assert versions.trouble is not None
    assert versions.trouble.what == f"gate refused version {SECOND}"
    assert versions.trouble.why.startswith("code_parity failed: The code of is_heavy ")
    assert "code_parity" in {each.check for each, _ in state_of().together("failed")}
    two_versions.registry.set_alias("orders", "champion", 1)
    assert (state_of().is_failed, state_of().together("failed")) == (False, [])


def test_what_the_gate_found_is_recorded_and_counts_where_it_let_the_version_serve(live) -> None:
    records = gate_records(live.declared, live.store)
    (attempt,) = records.newest_first(CHAMPION)
    assert attempt.record.steps[CHAMPION].results["golden_replay"].passed
    assert records.partitions() == [CHAMPION]


def test_a_registry_that_told_before_the_live_version_went_live_contradicts_nothing(live) -> None:
    model = live.registry.model("orders")
    before = LastAnswer({"orders": RegisteredModel({}, {})}, datetime(2020, 1, 1, tzinfo=UTC), None)
    now = LastAnswer({"orders": model}, datetime.now(UTC), None)
    old, new = (version_state("orders", live.home, told, None) for told in (before, now))
    assert (old.live, old.wanted, old.notes, old.as_of) == (1, None, (), before.at)
    assert (new.live, new.wanted, new.notes, new.as_of) == (1, 1, (), None)


def test_days_that_a_sink_lacks_are_open(scored, tmp_path: Path) -> None:
    declared = replace(scored.declared, sinks=[ParquetSink(str(tmp_path / "elsewhere"))])
    state = Watched(declared, scored.home).state(LastAnswer(), time.monotonic())
    ((finding, others),) = state.together("failed")
    assert (finding.check, finding.asset) == ("sinks", "orders/daily/published")
    assert (finding.partition, others) == ("2020-03-02", ["2020-03-01"])


@contextmanager
def silence() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.usefixtures("troubled")
def test_a_registry_that_does_not_answer_is_told_and_all_else_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with silence() as port:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
        overview = Overview(PROJECT)
        begun = time.monotonic()
        (state,) = overview.states(0.1)
        assert time.monotonic() - begun < 10  # a machine may be busy; the registry waits minutes
    (note,) = state.versions.notes
    assert "does not tell which version is wanted" in note
    assert (state.versions.live, state.versions.wanted) == (1, None)
    assert state.together("failed")


def test_a_server_that_does_not_answer_holds_nothing_up(live, monkeypatch) -> None:
    monkeypatch.setattr("lockstep.pages.outages.is_held", lambda _: True)
    with silence() as port:
        write_addresses(live.home.path, Addresses.local(servers={"orders": port}))
        server = state_of(20.0).server
    assert server is not None
    assert not server.is_ready
    assert server.message.startswith("It does not answer")


def test_a_question_gives_its_last_answer_while_the_next_one_is_open() -> None:
    answers, go_on = iter((1, 2)), Event()
    go_on.set()

    def ask() -> int:
        assert go_on.wait(60)
        return next(answers)

    question = Question(ask)
    assert question.answer(0).trouble == "it has not answered yet"
    question.begin()
    assert question.answer(time.monotonic() + 60).value == 1
    go_on.clear()
    question.begin()
    assert question.answer(time.monotonic() + 0.01).value == 1
    go_on.set()
    assert question.answer(time.monotonic() + 60).value == 2
    question.begin()
    failed = question.answer(time.monotonic() + 60)
    assert (failed.value, failed.trouble) == (2, "StopIteration")


def test_an_old_answer_is_shown_only_if_no_other_comes_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = iter((1, 2))

    def ask() -> int:
        time.sleep(0.2)
        return next(answers)

    question = Question(ask)
    question.begin()
    assert question.answer(time.monotonic() + 60).value == 1
    question.begin()
    monkeypatch.setattr("lockstep.pages.background._OLD", timedelta(0))
    monkeypatch.setattr("lockstep.pages.background._LONGER_SECONDS", 60.0)
    assert question.answer(time.monotonic()).value == 2


def test_two_who_look_at_once_both_get_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    start = Thread.start
    question = Question(lambda: 1)

    def start_while_another_looks(thread: Thread) -> None:
        question.answer(time.monotonic())
        start(thread)

    monkeypatch.setattr(Thread, "start", start_while_another_looks)
    question.begin()
    assert question.answer(time.monotonic() + 60).value == 1


def test_days_of_a_calendar_that_goes_on_are_the_last_thirty() -> None:
    today = date.today()  # noqa: DTZ011 - as near as the test needs it
    days = last_days(Calendar(today - timedelta(days=100)), [])
    assert len(days) == 30
    assert days[-1] >= (today - timedelta(days=2)).isoformat()


def test_days_of_a_calendar_that_has_ended_are_those_up_to_the_last_one_tried() -> None:
    calendar = Calendar(date(2020, 1, 1), date(2020, 12, 31))
    assert last_days(calendar, []) == []
    assert last_days(calendar, ["2020-01-02"]) == ["2020-01-01", "2020-01-02"]
    days = last_days(calendar, ["2020-03-01", "2020-04-30"])
    assert (len(days), days[0], days[-1]) == (30, "2020-04-01", "2020-04-30")


def test_findings_of_one_check_and_column_are_told_once() -> None:
    def found(day: str, column: str) -> OpenFinding:
        asset = "orders/daily/batch"
        return OpenFinding(asset, "constraints", day, "failed", column, "It broke.", since=day)

    days = ("2020-03-01", "2020-03-02", "2020-03-03")
    findings = (*(found(day, "price") for day in days), found(days[0], "items"))
    state = PipelineState("orders", findings=findings)
    (price, others), (items, none) = state.together("failed")
    assert (price.partition, price.since, others) == (days[2], days[0], [days[1], days[0]])
    assert (items.column, none) == ("items", [])
