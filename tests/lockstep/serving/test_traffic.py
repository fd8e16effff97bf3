"""Traffic: the last minutes' requests, counted by intervals."""

import pytest

from lockstep.serving.traffic import INTERVALS, SECONDS, Traffic


class Clock:
    def __init__(self) -> None:
        self.now = 1000.5

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def traffic(clock: Clock) -> Traffic:
    return Traffic(clock)


def test_requests_are_counted_in_the_interval_in_which_they_were_answered(
    traffic: Traffic, clock: Clock
) -> None:
    traffic.answered(200, 0.001)
    clock.now += 2 * SECONDS
    for status in (200, 422, 503, 500):
        traffic.answered(status, 0.001)

    counts = [one.counts for one in traffic.last()]

    assert counts == [[0, 0, 0]] * (INTERVALS - 3) + [[1, 0, 0], [0, 0, 0], [1, 1, 2]]


def test_what_is_older_than_is_kept_is_forgotten_also_if_nothing_came_since(
    traffic: Traffic, clock: Clock
) -> None:
    traffic.answered(200, 0.001)
    clock.now += (INTERVALS - 1) * SECONDS
    assert traffic.last()[0].counts == [1, 0, 0]
    clock.now += SECONDS
    assert all(one.counts == [0, 0, 0] for one in traffic.last())


@pytest.mark.parametrize("scale", [1e-6, 3.7e-4, 1.0, 63.9])
def test_quantiles_are_right_to_two_percent(traffic: Traffic, scale: float) -> None:
    for number in range(1, 1001):
        traffic.answered(200, scale * number / 1000)

    now = traffic.last()[-1]

    assert now.quantile(0.5) == pytest.approx(scale * 0.5, rel=0.02)
    assert now.quantile(0.99) == pytest.approx(scale * 0.99, rel=0.02)


def test_an_interval_without_requests_has_no_latency(traffic: Traffic) -> None:
    assert traffic.last()[0].quantile(0.5) is None
