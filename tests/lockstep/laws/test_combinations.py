"""Categories go together as they did in training; a few new ways are usual, many are not."""

import numpy as np
import pytest

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws.combinations import KnownPairs, discover
from lockstep.laws.rows import Rows, TrainingRows

SCHEMA = Schema(
    "Visit",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("ward", "str"),
        Field("reason", "str", optional=True),
        Field("door", "str"),
    ),
)


def visits(seed: int = 0, days: int = 40, rows: int = 100) -> Columns:
    """Visits to wards, each for three of eight reasons, and by any door."""
    generator = np.random.default_rng(seed)
    count = days * rows
    wards = generator.integers(0, 6, count)
    reasons = (wards + generator.integers(0, 3, count)) % 8
    return {
        "id": np.array([f"{number}" for number in range(count)], dtype=object),
        "at": np.datetime64("2020-01-01", "us") + (np.arange(count) // rows).astype("m8[D]"),
        "ward": np.array([f"w{ward}" for ward in wards], dtype=object),
        "reason": np.array([f"r{reason}" for reason in reasons], dtype=object),
        "door": np.array([f"d{door}" for door in generator.integers(0, 3, count)], dtype=object),
    }


@pytest.fixture(scope="module")
def law() -> KnownPairs:
    (found,) = discover(TrainingRows.of(Rows(visits(), SCHEMA)))
    return found


def changed(rows: int) -> Rows:
    """A day in which some reasons are another ward's."""
    columns = visits(1, days=1)
    wards = np.array([int(ward[1]) for ward in columns["ward"][:rows]])
    columns["reason"][:rows] = [f"r{(ward + 4) % 8}" for ward in wards]
    return Rows(columns, SCHEMA)


def test_only_columns_that_go_together_in_few_ways_are_looked_at(law) -> None:
    assert law.columns == ("ward", "reason")
    assert len(law.pairs) == 18


@pytest.mark.parametrize(("rows", "strict"), [(0, None), (2, None), (6, False), (40, True)])
def test_the_more_new_ways_the_worse(law, rows: int, strict: bool | None) -> None:
    broken = law.find(changed(rows))
    assert (broken.strict if broken is not None else None) is strict
    if broken is not None:
        assert broken.rows.tolist() == list(range(rows))


def moved(places: np.ndarray) -> Rows:
    """A long day in which some rows, no more than are usual, have a reason of another ward."""
    columns = visits(1, days=1, rows=2_000)
    wards = np.array([int(ward[1]) for ward in columns["ward"][places]])
    shifts = 3 + np.arange(len(places)) % 5
    columns["reason"][places] = [f"r{one}" for one in (wards + shifts) % 8]
    return Rows(columns, SCHEMA)


def test_many_new_ways_in_neighbouring_rows_are_worse_than_here_and_there(law) -> None:
    close = law.find(moved(np.arange(600, 620)))
    apart = law.find(moved(np.arange(20) * 90))

    assert close is not None
    assert close.strict
    assert apart is None


def test_values_that_training_never_saw_and_missing_ones_are_not_judged(law) -> None:
    columns = visits(1, days=1)
    columns["ward"][:50], columns["reason"][50:] = "new", None
    assert law.find(Rows(columns, SCHEMA)) is None


def test_where_new_ways_come_up_all_the_time_there_is_no_law() -> None:
    columns = visits()
    later = np.flatnonzero(np.arange(4_000) // 100 >= 30)[::10]
    columns["reason"][later] = "r7"
    columns["ward"][later] = "w0"
    assert discover(TrainingRows.of(Rows(columns, SCHEMA))) == []
