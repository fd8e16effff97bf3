"""A partition that two machines score is published by one of them."""

from dataclasses import replace
from functools import partial

import pytest

from lockstep.checks.streams import streams
from lockstep.errors import SupersededError
from lockstep.registry.live import KeptLive
from lockstep.scoring.partition import publish
from lockstep.scoring.steps import all_steps, batch_step, scored_step
from lockstep.scoring.work import Work
from tests.fixtures.orders import Workplace

DAY = "2020-03-01"
TOLD = (
    r"daily/2020-03-01 is published already, by process \d+ on \S+ at .* "
    r"\(attempt 1, run second\)"
)


class Two:
    """Two runs of a day, as a schedule starts them."""

    def __init__(self, place: Workplace) -> None:
        daily, _ = streams(place.declared)
        self.first = Work(place.declared, place.store, "daily", DAY, "first", once=True)
        self.second = replace(self.first, run="second")
        self.serving, self.records = place.serving, place.records()
        self.read = partial(daily.read, place.home, DAY)
        self._kept = KeptLive(place.registry, "orders", place.home.live("orders"))

    def score(self, work: Work) -> None:
        all_steps(work, self._kept, self.read)


@pytest.fixture
def two(live: Workplace) -> Two:
    return Two(live)


def test_a_run_that_begins_when_the_other_has_published_begins_nothing(two: Two) -> None:
    two.score(two.second)
    with pytest.raises(SupersededError, match=TOLD):
        batch_step(two.first, two.serving, two.read)
    assert two.records.numbers(DAY) == [1]


def test_of_two_runs_at_once_the_first_to_publish_does_and_the_other_leaves_nothing(
    two: Two,
) -> None:
    batch_step(two.first, two.serving, two.read)
    scored_step(two.first, two.serving)
    two.score(two.second)
    published = two.records.export_path(DAY).read_bytes()
    with pytest.raises(SupersededError, match=TOLD.replace("attempt 1", "attempt 2")):
        publish(two.first)
    assert two.records.numbers(DAY) == [2]
    assert two.records.demand(DAY).record.run == "second"
    assert two.records.export_path(DAY).read_bytes() == published


def test_a_run_that_a_person_starts_publishes_again(two: Two) -> None:
    two.score(two.second)
    two.score(replace(two.first, once=False))
    assert two.records.demand(DAY).record.run == "first"


def test_a_run_may_publish_again_what_it_published(two: Two) -> None:
    two.score(two.second)
    two.score(two.second)
    assert two.records.demand(DAY).number == 2


def test_a_damaged_record_of_the_other_does_not_stand_in_the_way(two: Two) -> None:
    two.score(two.second)
    attempt = two.records.demand(DAY)
    (attempt.folder / "record.json").write_text("{")
    two.score(two.first)
    assert two.records.demand(DAY).record.run == "first"
