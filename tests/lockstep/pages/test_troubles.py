"""Troubles: what is wrong, since when, and the command, of the page and of the terminal."""

import json
import re
import socket
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta

import pytest

from assets.orders import orders
from lockstep.checks.messages import Message
from lockstep.checks.reports import CheckReport
from lockstep.pages.alerts import Recipient, Told
from lockstep.pages.background import LastAnswer
from lockstep.pages.events import OpenEvent
from lockstep.pages.outages import Outages
from lockstep.pages.pipeline_state import Overview, PipelineState
from lockstep.pages.troubles import OpenFinding, Trouble, troubles_of, what
from lockstep.project.home import Addresses, write_addresses
from lockstep.store.lock import Holder, locked
from lockstep.training.gate import pass_gate
from tests.fixtures.commands import Lockstep
from tests.fixtures.orders import EDITED, PROJECT, Workplace
from tests.fixtures.receivers import http_receiver
from tests.fixtures.waiting import wait_until

DAY = "2020-03-03"
LONG_AGO = "2020-05-01T05:44:00+00:00"


def state_of(place: Workplace) -> PipelineState:
    (state,) = Overview(PROJECT).states(60)
    return state


def found(asset: str, partition: str | None, state: str, since: str = LONG_AGO) -> OpenFinding:
    report = CheckReport(f"orders/{asset}", "decoding", partition, "failed", None, "It broke.")
    return OpenFinding.of(report, state, since)


def test_what_is_wrong_is_counted_since_the_first_of_it() -> None:
    later = "2020-05-01T06:00:00+00:00"
    findings = [
        found("inbox/batch", "a.csv", "blocked", later),
        found("inbox/scored", "b.csv", "blocked"),
        found("inbox/batch", "b.csv", "blocked"),
        found("inbox/batch", "c.csv", "broken off"),
        found("tables/weather", None, "blocked", later),
        found("daily/batch", DAY, "damaged", ""),
        found("champion", None, "refused version 2"),
    ]
    assert [*troubles_of(findings)] == [
        Trouble("2 files blocked", LONG_AGO),
        Trouble("file c.csv broken off", LONG_AGO),
        Trouble("table weather blocked", later),
        Trouble(f"day {DAY} damaged"),
        Trouble("gate refused version 2", LONG_AGO),
    ]
    state = PipelineState("orders", findings=(*findings[:1], *findings[2:3]))
    ((last, others),) = state.together("failed")
    assert (what(last, others), last.since) == ("2 files blocked", LONG_AGO)


def test_since_when_is_not_known_of_several_if_it_is_not_of_one() -> None:
    findings = [
        found("daily/batch", DAY, "blocked"),
        found("daily/batch", "2020-03-04", "blocked", ""),
    ]
    assert [each.since for each in troubles_of(findings)] == [""]


def test_a_day_is_blocked_since_the_first_attempt_that_was(scored: Workplace) -> None:
    scored.deliver(DAY, orders(date.fromisoformat(DAY)).drop(columns="price"))
    assert not scored.publishes(DAY)
    (first,) = (step.finished_at for step in scored.attempt(DAY).record.steps.values())
    assert not scored.publishes(DAY)
    (trouble,) = state_of(scored).troubles
    assert trouble == Trouble(f"day {DAY} blocked", first)


@pytest.fixture
def refused(three_versions: Workplace) -> Workplace:
    """A home in which a version is wanted that the gate refuses."""
    place = three_versions
    place.registry.set_alias("orders", "champion", EDITED)
    gate = pass_gate(place.declared, place.registry, place.store, place.home.live("orders"))
    assert not gate.is_open
    return place


def test_a_refused_version_tells_since_when_and_the_command_that_ends_it(
    refused: Workplace, lockstep: Lockstep
) -> None:
    told = lockstep("status")
    assert re.match(rf"orders: gate refused version {EDITED} since [0-9:]+ UTC\n", told.out)
    (command,) = set(re.findall(r"Type: lockstep (.*?)  stays with version 1\.", told.out))
    assert command == "promote orders 1"
    assert lockstep(*command.split()).status == 0
    told = lockstep("status")
    assert told.out.startswith("Nobody has to do anything."), told.out


def test_a_version_that_is_refused_and_not_wanted_is_told_without_alarm(
    refused: Workplace, lockstep: Lockstep
) -> None:
    refused.registry.set_alias("orders", "champion", 1)
    told = lockstep("status")
    assert told.status == 0
    assert "Nobody has to do anything." in told.out
    assert f"orders: gate refused version {EDITED} since" in told.out
    assert "Type: lockstep promote orders 1" in told.out
    unanswered = Overview(PROJECT).watched["orders"].state(LastAnswer(), 0.0)
    assert not unanswered.is_failed, "which version is wanted is not known yet"


def test_a_server_that_is_not_ready_tells_since_when_and_the_command(
    live: Workplace, lockstep: Lockstep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lockstep.pages.outages.is_starting", lambda *_: False)
    with socket.create_server(("127.0.0.1", 0)) as silent, ExitStack() as stack:
        port = silent.getsockname()[1]
        write_addresses(live.home.path, Addresses.local(servers={"orders": port}))
        stack.enter_context(locked(live.home.served, "the home"))
        outages = Outages(live.home, ["orders"])

        def is_seen() -> bool:
            outages.look()
            return [*Outages.read(live.home)] == ["orders"]

        wait_until(is_seen, 60)
        since = Outages.read(live.home)["orders"].since
        outages.look()
        assert Outages.read(live.home)["orders"].since == since
        (trouble,) = state_of(live).troubles
        told = lockstep("status")
    assert (trouble.what, trouble.since) == ("server does not answer", since)
    assert trouble.command == "lockstep up"
    log = live.home.server_log("orders")
    assert trouble.why == f"It does not answer: timed out. Its log: {log}"
    assert told.status == 1
    assert told.out.startswith("orders: server does not answer since ")


def test_a_server_that_is_ready_again_is_out_no_longer(live: Workplace) -> None:
    with http_receiver() as server:
        write_addresses(live.home.path, Addresses.local(servers={"orders": server.port}))
        outages = Outages(live.home, ["orders"])
        server.status, server.shown = 503, b'{"ready": false, "refused": "its files were changed"}'

        def sees(names: list[str]) -> bool:
            outages.look()
            return [*Outages.read(live.home)] == names

        wait_until(lambda: sees(["orders"]), 60)
        assert Outages.read(live.home)["orders"].message == "its files were changed"
        server.shown = b'{"ready": false, "refused": null}'  # it loads the version
        wait_until(lambda: sees([]), 60)
        server.shown = b'{"ready": false, "refused": "its files were changed"}'
        wait_until(lambda: sees(["orders"]), 60)
        server.status, server.shown = 200, b'{"ready": true, "version": 1}'
        wait_until(lambda: sees([]), 60)
    assert Outages.read(live.home) == {}


def test_a_server_whose_version_is_refused_is_judged_anew_by_the_command(
    live: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lockstep.pages.outages.is_starting", lambda *_: False)
    with http_receiver() as server, locked(live.home.served, "the home"):
        server.status, server.shown = 503, b'{"ready": false, "refused": "its files were changed"}'
        write_addresses(live.home.path, Addresses.local(servers={"orders": server.port}))
        (trouble,) = state_of(live).troubles
    assert trouble.what == "server not ready"
    assert (trouble.command, trouble.why) == ("lockstep promote orders 1", "its files were changed")


def test_servers_that_a_person_stopped_are_no_trouble_and_those_killed_are(
    live: Workplace,
) -> None:
    write_addresses(live.home.path, Addresses.local(servers={"orders": 1}))
    Outages(live.home, ["orders"])
    with locked(live.home.served, "the home"):
        pass
    assert state_of(live).troubles == ()
    live.home.served.write_text(json.dumps(vars(Holder.here())))  # and nobody holds the lock
    (trouble,) = state_of(live).troubles
    assert (trouble.what, trouble.command) == ("server not running", "lockstep up")
    assert datetime.now(UTC) - datetime.fromisoformat(trouble.since) < timedelta(minutes=5)


def test_an_alert_is_missed_since_it_was_refused_first(live: Workplace, lockstep: Lockstep) -> None:
    event = OpenEvent("orders", "blocked", f"daily/{DAY}", Message("It is blocked", "", ""))
    first = datetime(2020, 5, 1, 5, 44, tzinfo=UTC)
    one = Recipient().after(event, "it is down", first)
    one = one.after(event, "it is down", first + timedelta(minutes=1))
    Told({"team": one}).write(live.home)
    told = lockstep("status")
    assert told.status == 1
    assert told.out.startswith("Alerts: 1 alert to team missed since 2020-05-01 05:44 UTC\n")
    assert "Type: lockstep alerts test" in told.out
    assert not Told({"team": one.after(event, None, first)}).troubles


def test_what_was_refused_before_times_were_kept_is_missed_since_nobody_knows_when() -> None:
    event = OpenEvent("orders", "blocked", f"daily/{DAY}", Message("It is blocked", "", ""))
    old = Recipient(refused={event.id: "it is down"})
    (trouble,) = Told({"team": old.after(event, "it is down", datetime.now(UTC))}).troubles
    assert (trouble.what, trouble.since) == ("1 alert to team missed", "")
