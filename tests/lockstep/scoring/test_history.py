"""The last days of the history: kept by the training that counts, and read from nowhere else."""

from dataclasses import replace

import pytest

from assets.orders import ASSETS, history
from lockstep.project.sources import FunctionSource
from lockstep.scoring.attempts import DamagedError
from lockstep.scoring.history import CANDIDATE, read_days, training_records
from lockstep.training.training_set import ingest_history


def test_the_days_of_the_history_are_those_that_the_last_candidate_was_trained_on(
    workplace,
) -> None:
    before = read_days(ASSETS, workplace.store)
    assert len(before) == 14
    other = replace(ASSETS, history=FunctionSource(lambda: history().assign(weight=1.0)))
    ingest_history(other, workplace.store, "a run that goes no further")
    assert read_days(ASSETS, workplace.store) == before


def test_days_of_the_history_that_were_edited_are_not_used(workplace) -> None:
    attempt = training_records(ASSETS, workplace.store).demand(CANDIDATE)
    path = attempt.path("history_days.json")
    path.write_text(path.read_text().replace("1", "2", 1))
    with pytest.raises(DamagedError, match="lockstep train orders"):
        read_days(ASSETS, workplace.store)


def test_without_a_calendar_there_are_no_days(workplace) -> None:
    declared = replace(ASSETS, calendar=None, daily=None, outcomes=None)
    ingest_history(declared, workplace.store, "a run")
    attempt = next(training_records(declared, workplace.store).newest_first(CANDIDATE))
    assert "history_days.json" not in attempt.files
