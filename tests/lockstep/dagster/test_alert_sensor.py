"""The sensor of alerts on a real instance: what is sent, and what a receiver refuses."""

from dataclasses import replace

import dagster as dg
import httpx
import pytest

from lockstep.dagster.definitions import built, resources
from lockstep.dagster.sensors import alert_sensor
from lockstep.overview.pipeline_state import Overview
from lockstep.overview.web.pages import application
from lockstep.project.alerting import Alerting
from lockstep.project.project import Project
from tests.fixtures.order_store import orders_of
from tests.fixtures.orders import PROJECT, Workplace
from tests.fixtures.receivers import HttpReceiver
from tests.fixtures.servers import serving

DAY = "2020-03-03"
ALERT = f"orders: orders blocked daily/{DAY}"


def told_to(receiver: HttpReceiver) -> Project:
    return replace(PROJECT, alerts=Alerting({"team": receiver.address}))


def rows(**changed: float) -> object:
    frame = orders_of(DAY)
    return frame.assign(**{name: frame[name] * factor for name, factor in changed.items()})


def tick(place: Workplace, project: Project) -> str:
    """What a tick of the sensor says."""
    with dg.build_sensor_context(instance=place.instance, resources=resources(project)) as context:
        return str(alert_sensor(project).evaluate_tick(context).skip_message)


def test_an_event_is_sent_once_when_it_begins_and_once_when_it_is_over(
    scored: Workplace, receiver: HttpReceiver
) -> None:
    project = told_to(receiver)
    assert tick(scored, project) == "0 events open"
    scored.deliver(DAY, rows(weight=1000))
    assert not scored.publishes(DAY)
    assert tick(scored, project) == f"told team: {ALERT}. 1 event open"
    assert tick(scored, project) == "1 event open"
    scored.deliver(DAY, rows())
    assert scored.publishes(DAY)
    assert tick(scored, project) == f"told team: Over: {ALERT}. 0 events open"
    assert receiver.titles == [ALERT, f"Over: {ALERT}"]


def test_a_tick_fails_and_the_page_says_so_while_a_receiver_refuses(
    scored: Workplace, receiver: HttpReceiver
) -> None:
    project = told_to(receiver)
    scored.deliver(DAY, rows(weight=1000))
    assert not scored.publishes(DAY)
    receiver.status = 500
    for _ in range(2):
        with pytest.raises(Exception, match=r"1 alert to team missed\. The last reason: .*500"):
            tick(scored, project)
    with serving(application(Overview(project))) as port:
        assert "1 alert to team missed" in httpx.get(f"http://127.0.0.1:{port}/").text
    receiver.status = 200
    assert tick(scored, project) == f"told team: {ALERT}. 1 event open"


def status_of(project: Project) -> dg.DefaultSensorStatus:
    (sensor,) = (
        each for each in built(project).definitions.sensors or () if each.name == "lockstep_alerts"
    )
    return sensor.default_status


def test_it_runs_by_default_only_where_alerts_are_declared(receiver: HttpReceiver) -> None:
    assert status_of(PROJECT) is dg.DefaultSensorStatus.STOPPED
    assert status_of(told_to(receiver)) is dg.DefaultSensorStatus.RUNNING
