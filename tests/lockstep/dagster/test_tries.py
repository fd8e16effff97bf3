"""Retries: a scheduled run is tried again where the cause is outside, and only there."""

import os
import socket
from collections.abc import Iterator

import dagster as dg
import pytest

from lockstep.dagster import tries
from lockstep.dagster.checked import checked_asset, materialized
from lockstep.dagster.tries import OUTSIDE_TAG, PROCESS, signature
from lockstep.errors import LockstepError, UnavailableError, UnreadableError

SCHEDULED = {"dagster/schedule_name": "orders_daily"}


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tries, "_FIRST_WAIT_SECONDS", 0.001)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def attempts(
    instance: dg.DagsterInstance, errors: list[Exception], tags: dict[str, str]
) -> tuple[int, dg.DagsterRun]:
    """How often an asset is tried whose first attempts raise these errors, and its run."""
    left, count = iter(errors), []

    @checked_asset(["orders", "batch"])
    def batch(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        count.append(1)
        error = next(left, None)
        if error is not None:
            raise error
        yield materialized(context, {}, {})

    result = dg.materialize([batch], instance=instance, tags=tags, raise_on_error=False)
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    return len(count), run


@pytest.mark.parametrize("error", [OSError("disk"), UnavailableError("not delivered yet")])
def test_a_scheduled_run_survives_what_fails_twice_from_outside(instance, error) -> None:
    count, run = attempts(instance, [error] * 2, SCHEDULED)
    assert (count, run.status) == (3, dg.DagsterRunStatus.SUCCESS)


def test_a_run_is_signed_by_its_process(instance) -> None:
    _, run = attempts(instance, [], {})
    assert run.tags[PROCESS] == signature()[PROCESS]
    assert run.tags[PROCESS].startswith(f"{os.getpid()} {socket.gethostname()} ")


def test_a_scheduled_run_that_fails_for_good_says_that_the_cause_is_outside(instance) -> None:
    count, run = attempts(instance, [OSError("disk")] * 9, SCHEDULED)
    assert (count, run.status) == (4, dg.DagsterRunStatus.FAILURE)
    assert run.tags[OUTSIDE_TAG] == "OSError"
    again = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_UP_FOR_RETRY)
    waits = [each.dagster_event.step_retry_data.seconds_to_wait for each in again]
    assert waits == [0.001, 0.002, 0.004]


@pytest.mark.parametrize(
    ("error", "tags"),
    [
        (LockstepError("blocked"), SCHEDULED),
        (UnreadableError("half a file"), SCHEDULED),
        (OSError("disk"), {}),
    ],
)
def test_what_is_not_from_outside_or_not_scheduled_is_tried_once(instance, error, tags) -> None:
    count, run = attempts(instance, [error] * 9, tags)
    assert (count, run.status) == (1, dg.DagsterRunStatus.FAILURE)
    assert OUTSIDE_TAG not in run.tags
