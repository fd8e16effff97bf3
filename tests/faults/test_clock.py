"""A clock that was ahead, and is set back: the last delivery counts, and reruns are alike."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import Mock

import pandas as pd
import pytest

from lockstep.store import partition_records
from lockstep.store.inbox import claim_files, left_alone
from lockstep.store.partition_records import Records
from tests.fixtures.places import FILE, Delivery, Place
from tests.fixtures.recorded import content_of
from tests.fixtures.writes import carried_out

pytestmark = pytest.mark.long

AHEAD = timedelta(days=2)


@pytest.fixture
def ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], object]:
    """Gives a context in which the clock is ahead, and files are written at its times."""

    @contextmanager
    def clock() -> Iterator[None]:
        before = set(tmp_path.rglob("*"))
        with monkeypatch.context() as patch:
            now = Mock(side_effect=lambda zone: datetime.now(zone) + AHEAD)
            patch.setattr(partition_records, "datetime", Mock(wraps=datetime, now=now))
            yield
        for path in {*tmp_path.rglob("*")} - before:
            written = path.stat().st_mtime
            if written < datetime.now(UTC).timestamp() + 60:
                os.utime(path, (written + AHEAD.total_seconds(),) * 2)

    return clock


def test_what_was_committed_and_not_exported_is_exported_though_the_clock_was_set_back(
    place: Place, deliveries: tuple[Delivery, Delivery], ahead, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = deliveries
    with ahead():
        place.score(first.file)
    with monkeypatch.context() as patch:
        patch.setattr(Records, "_export", lambda *_: os.kill(os.getpid(), 9))
        assert carried_out(lambda: place.score(second.file)).was_killed
    assert content_of(place.export) == first.content
    place.records.export_what_is_missing()
    assert content_of(place.export) == second.content
    assert place.recorded() == second.wanted


def test_of_a_key_that_came_in_two_files_the_last_one_counts_though_the_clock_was_set_back(
    tmp_path: Path, ahead
) -> None:
    records = Records(tmp_path / "inbox", str, exported="published")
    with ahead():
        commit(records, "first.csv")
    commit(records, "second.csv")
    commit(records, "third.csv")
    came = [records.came_at(name) for name in ("first.csv", "second.csv", "third.csv")]
    assert came == sorted(came)
    assert records.before("third.csv", 5) == ["first.csv", "second.csv"]


def commit(records: Records, partition: str) -> None:
    import pyarrow as pa

    from lockstep.store.attempts import StepRecord

    with records.step(partition, "published", f"of {partition}") as attempt:
        attempt.write("published", pa.table({"x": [1]}))
        attempt.keep("published", StepRecord())
        records.commit(attempt)


def test_a_rerun_after_the_clock_was_set_back_is_like_an_undisturbed_run(
    place: Place, deliveries: tuple[Delivery, Delivery], ahead
) -> None:
    first, second = deliveries
    with ahead():
        place.score(first.file)
    for delivery in (second, first):
        place.score(delivery.file)
        assert place.recorded() == delivery.wanted
        assert content_of(place.export) == delivery.content
    assert place.records.numbers(FILE) == [1, 2, 3]


def test_a_file_of_the_future_waits_with_the_reason_beside_it_until_the_clock_is_right(
    tmp_path: Path,
) -> None:
    file = tmp_path / "orders.csv"
    pd.DataFrame({"order_id": ["a"]}).to_csv(file, index=False)
    later = (datetime.now(UTC) + AHEAD).timestamp()
    os.utime(file, (later, later))
    assert claim_files(tmp_path) == []
    (left,) = left_alone(tmp_path)
    assert "ahead of this machine's clock" in left.why
    os.utime(file, (0, 0))
    (claim,) = claim_files(tmp_path)
    assert claim.partition.startswith("orders-")
