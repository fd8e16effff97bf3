"""The sensors that follow @champion, and that tell the receivers of alerts what begins."""

import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace

import dagster as dg
import httpx
import pytest
import requests

from assets.orders import ASSETS
from lockstep.dagster.definitions import built
from lockstep.dagster.jobs import WANTED, job_name
from lockstep.dagster.runs import run_job
from lockstep.dagster.sensors import alert_sensor, sensors
from lockstep.dagster.tries import MOST_TRIES, PROCESS
from lockstep.errors import RegistryUnreachableError
from lockstep.pages.pipeline_state import Overview
from lockstep.pages.web.pages import application
from lockstep.project.alerting import Alerting
from lockstep.project.project import Project
from lockstep.registry.live import Live
from tests.fixtures.mlflow_server import running_mlflow
from tests.fixtures.order_store import orders_of
from tests.fixtures.orders import PROJECT, SECOND, Workplace
from tests.fixtures.ports import free_port
from tests.fixtures.receivers import HttpReceiver
from tests.fixtures.registries import Killed, killed_after
from tests.fixtures.servers import serving
from tests.fixtures.ticks import look, record_run, skipped

PROMOTE = job_name("orders", "promote")
CHAMPION, *_ = sensors(ASSETS)
Status = dg.DagsterRunStatus


# Following @champion


@dataclass
class Follower:
    """The champion sensor, with a cursor that it keeps from tick to tick."""

    place: Workplace
    cursor: str | None = None

    def tick(self, becomes: dg.DagsterRunStatus = Status.SUCCESS) -> list[str | None]:
        """The keys of the runs that it asks for, which Dagster makes and which end so."""
        found = look(CHAMPION, self.place, self.cursor)
        self.cursor = found.cursor
        asked = list(found.run_requests or ())
        for request in asked:
            record_run(self.place, PROMOTE, becomes, tags=request.tags)
        return [request.run_key for request in asked]

    def want(self, version: int) -> None:
        """Move `@champion`."""
        self.place.registry.set_alias("orders", "champion", version)

    def let_through(self, version: int) -> None:
        """Want a version, and do what the run does that is asked for."""
        self.want(version)
        self.tick()
        self.place.let_serve(version)

    @property
    def live(self) -> int:
        """The version that `@live` points to."""
        shown = self.place.registry.alias("orders", "live")
        assert shown is not None
        return shown.version


@pytest.fixture
def follower(two_versions: Workplace) -> Follower:
    """The sensor before its first tick, two versions trained, nothing wanted and nothing live."""
    for run in two_versions.instance.get_runs(dg.RunsFilter(job_name=PROMOTE)):
        two_versions.instance.delete_run(run.run_id)
    registry, pointer = two_versions.registry, two_versions.home.live("orders")
    for alias in ("champion", "live"):
        registry._connection.client.delete_registered_model_alias("orders", alias)
    for decision in two_versions.serving.state().decisions.log:
        registry.untag_model("orders", decision.key)
    pointer.unlink()
    return Follower(two_versions)


def test_nothing_is_requested_before_there_is_a_champion(follower: Follower) -> None:
    assert follower.tick() == []


def test_a_moved_champion_requests_the_run_that_puts_it_live_once(follower: Follower) -> None:
    follower.want(1)
    assert len(follower.tick()) == 1
    assert follower.tick() == []
    assert run_job(PROJECT, PROMOTE, follower.place.instance).ok
    assert follower.live == 1


@pytest.fixture
def server(two_versions: Workplace, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a running MLflow server with both versions, which this process uses."""
    two_versions.registry.open()
    home = two_versions.home
    with running_mlflow(home.path, home.tracking_uri.full) as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        yield address


def test_a_promotion_on_mlflows_own_pages_is_noticed_and_goes_live(
    two_versions: Workplace, server: str
) -> None:
    follower = Follower(Workplace(two_versions.instance))
    assert (follower.tick(), follower.live) == ([], 1)
    moved = requests.post(
        f"{server}/api/2.0/mlflow/registered-models/alias",
        json={"name": "orders", "alias": "champion", "version": str(SECOND)},
        timeout=60,
    )
    moved.raise_for_status()
    assert len(follower.tick()) == 1
    assert run_job(PROJECT, PROMOTE, two_versions.instance).ok
    assert (follower.tick(), follower.live) == ([], SECOND)


def test_a_gate_that_was_killed_before_it_wrote_anything_is_asked_again_a_few_times(
    follower: Follower,
) -> None:
    follower.want(1)
    keys = [key for _ in range(9) for key in follower.tick(Status.FAILURE)]
    assert keys[0] == "move 1 to version 1"
    assert len(set(keys)) == len(keys) == MOST_TRIES


def test_a_gate_is_asked_again_once_its_process_is_gone(follower: Follower) -> None:
    instance = follower.place.instance
    follower.want(1)
    follower.tick(Status.STARTED)
    assert follower.tick() == []
    (run,) = instance.get_runs(dg.RunsFilter(job_name=PROMOTE))
    gone = subprocess.Popen(["true"])
    gone.wait()
    instance.add_run_tags(run.run_id, {PROCESS: f"{gone.pid} another host"})
    assert follower.tick() == []
    instance.add_run_tags(run.run_id, {PROCESS: f"{gone.pid} {socket.gethostname()}"})
    assert len(follower.tick()) == 1
    killed = instance.get_run_by_id(run.run_id)
    assert killed is not None
    assert killed.status is Status.FAILURE


def test_there_and_back_again_requests_a_run_of_its_own_each_time(follower: Follower) -> None:
    keys, live = [], []
    for version in (1, 2, 1, 2):
        follower.want(version)
        keys += follower.tick()
        follower.place.let_serve(version)
        live.append(follower.live)
    assert live == [1, 2, 1, 2]
    assert len(set(keys)) == len(keys) == 4


def test_nothing_is_requested_for_a_version_that_was_promoted_by_hand(follower: Follower) -> None:
    follower.want(1)
    follower.place.let_serve(1)
    assert follower.tick() == []


@pytest.mark.parametrize("status", [Status.STARTED, Status.SUCCESS])
def test_a_version_that_a_command_puts_through_the_gate_is_not_put_through_it_again(
    follower: Follower, status: dg.DagsterRunStatus
) -> None:
    """Whether the command is at work, or its version was not let through."""
    follower.let_through(1)
    record_run(follower.place, PROMOTE, status, tags={WANTED: "2"})
    follower.want(2)
    assert follower.tick() == []


def test_a_version_that_was_not_let_through_is_asked_again_once_people_come_back_to_it(
    follower: Follower,
) -> None:
    follower.want(2)
    assert len(follower.tick()) == 1
    follower.let_through(1)
    follower.want(2)
    assert len(follower.tick()) == 1


def test_a_champion_that_returns_before_it_was_seen_leaving_requests_nothing(
    follower: Follower,
) -> None:
    follower.let_through(1)
    follower.want(2)
    follower.want(1)
    assert follower.tick() == []


def test_a_tick_carries_a_move_to_its_end_that_a_killed_gate_began(follower: Follower) -> None:
    follower.want(1)
    follower.place.let_serve(1)
    registry = killed_after(PROJECT.home.registry(), 1)
    live = Live(registry, "orders", PROJECT.home.live("orders"))
    with pytest.raises(Killed):
        live.move(registry.load("orders", 2))
    follower.tick()
    assert follower.live == 2


def test_a_registry_that_does_not_answer_is_one_clear_error_of_the_tick(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.setattr("time.sleep", lambda _: None)  # between one attempt and the next
    with pytest.raises(RegistryUnreachableError, match=f"{address} does not answer"):
        Follower(workplace).tick()


# Telling the receivers of alerts

DAY = "2020-03-03"
ALERT = f"orders: orders blocked daily/{DAY}"


def told_to(receiver: HttpReceiver) -> Project:
    return replace(PROJECT, alerts=Alerting({"team": receiver.address}))


def deliver(place: Workplace, weight: float = 1) -> bool:
    """Have a day delivered in which weights are so many times too large; is it published?"""
    rows = orders_of(DAY)
    place.deliver(DAY, rows.assign(weight=rows["weight"] * weight))
    return place.publishes(DAY)


def alerted(place: Workplace, project: Project) -> str:
    """What a tick of the sensor of alerts says."""
    return skipped(look(alert_sensor(project), place, project=project))


def test_an_event_is_sent_once_when_it_begins_and_once_when_it_is_over(
    scored: Workplace, receiver: HttpReceiver
) -> None:
    project = told_to(receiver)
    assert alerted(scored, project) == "0 events open"
    assert not deliver(scored, weight=1000)
    assert alerted(scored, project) == f"told team: {ALERT}. 1 event open"
    assert alerted(scored, project) == "1 event open"
    assert deliver(scored)
    assert alerted(scored, project) == f"told team: Over: {ALERT}. 0 events open"
    assert receiver.titles == [ALERT, f"Over: {ALERT}"]


def test_a_tick_fails_and_the_page_says_so_while_a_receiver_refuses(
    scored: Workplace, receiver: HttpReceiver
) -> None:
    project = told_to(receiver)
    assert not deliver(scored, weight=1000)
    receiver.status = 500
    for _ in range(2):
        with pytest.raises(Exception, match=r"1 alert to team missed\. The last reason: .*500"):
            alerted(scored, project)
    with serving(application(Overview(project))) as port:
        assert "1 alert to team missed" in httpx.get(f"http://127.0.0.1:{port}/").text
    receiver.status = 200
    assert alerted(scored, project) == f"told team: {ALERT}. 1 event open"


def test_it_runs_by_default_only_where_alerts_are_declared(receiver: HttpReceiver) -> None:
    found = []
    for project in (PROJECT, told_to(receiver)):
        every = built(project).definitions.sensors or ()
        (sensor,) = (each for each in every if each.name == "lockstep_alerts")
        found.append(sensor.default_status)
    assert found == [dg.DefaultSensorStatus.STOPPED, dg.DefaultSensorStatus.RUNNING]
