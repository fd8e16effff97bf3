"""Sequences of ordinary steps: what is published is what was checked, whatever came in between."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pandas as pd
import pytest
from pyarrow import parquet

from lockstep.scoring.earlier import earlier_batches
from lockstep.store.attempts import Attempt
from lockstep.store.inbox import claim_copy
from lockstep.store.results import CheckResult
from tests.fixtures.order_store import orders_of
from tests.fixtures.orders import Workplace
from tests.fixtures.registries import Killed

DAY, NEXT = "2020-03-01", "2020-03-02"
FIELDS = ["order_id", "sent_at", "price", "items", "weight", "coupons", "country", "gift"]


def in_grams(day: str) -> pd.DataFrame:
    return orders_of(day).assign(weight=orders_of(day)["weight"] * 1000)


def result(attempt: Attempt, check: str) -> CheckResult:
    return next(
        step.results[check] for step in attempt.record.steps.values() if check in step.results
    )


def published(live: Workplace, partition: str = DAY, stream: str = "daily") -> bytes | None:
    """The bytes that consumers read; None if there are none."""
    path = live.store.path(f"{stream}/published", partition)
    return path.read_bytes() if path.exists() else None


def window_of(live: Workplace) -> list[object]:
    """What is kept of the days that the next one is compared with."""
    digest = live.registry.load("orders", "live").digest
    batches = earlier_batches(live.records(), NEXT, digest, 0).batches
    return [msgspec.msgpack.encode(one) for one in batches]  # a mean may be NaN


@contextmanager
def killed_at(function: str) -> Iterator[None]:
    """Scoring that ends where it calls this function, as far as its own code goes."""

    def die(*arguments: object, **options: object) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"lockstep.scoring.partition.{function}", die)
        yield


def test_a_day_that_is_blocked_when_scored_again_hides_no_jump_of_the_next(live: Workplace) -> None:
    assert live.publishes(DAY)
    live.deliver(DAY, in_grams(DAY))
    assert not live.publishes(DAY)
    live.deliver(NEXT, in_grams(NEXT))
    assert result(live.work_off(NEXT), "sudden_shift").is_error
    assert published(live, NEXT) is None


def test_a_published_day_that_is_delivered_again_without_a_column_stays_until_it_is_right(
    live: Workplace,
) -> None:
    assert live.publishes(DAY)
    before, window = published(live), window_of(live)
    live.deliver(DAY, orders_of(DAY).drop(columns="price"))
    assert [*live.work_off(DAY).record.steps["batch"].blocked_by] == ["decoding"]
    assert not live.materialize("scored", DAY)
    assert not live.materialize("published", DAY)
    assert (published(live), window_of(live)) == (before, window)
    live.deliver(DAY, orders_of(DAY).head(60))
    assert live.publishes(DAY, *FIELDS)
    assert len(parquet.read_table(live.store.path("daily/published", DAY))) == 60


def test_a_column_that_did_not_jump_goes_on_being_compared_though_it_was_accepted(
    live: Workplace,
) -> None:
    assert live.publishes(DAY, "weight")
    live.deliver(NEXT, in_grams(NEXT))
    assert result(live.work_off(NEXT), "sudden_shift").is_error


def test_a_version_that_is_damaged_after_the_batch_scores_once_it_is_restored(
    live: Workplace,
) -> None:
    path = live.registry.load("orders", "live").directory / "profile.json"
    whole = path.read_bytes()
    assert live.materialize("batch", DAY)
    path.write_bytes(whole[:-1])
    assert not live.materialize("scored", DAY)
    assert set(live.attempt(DAY).record.steps["scored"].blocked_by) == {"golden_replay"}
    path.write_bytes(whole)
    assert not live.materialize("published", DAY)
    assert live.materialize("scored", DAY)
    assert live.materialize("published", DAY)


def test_rows_of_a_run_that_broke_off_are_not_published_alone(live: Workplace) -> None:
    assert live.publishes(DAY)
    before = published(live)
    live.deliver(DAY, orders_of(DAY).head(50))
    with killed_at("check_replay"), pytest.raises(Killed):
        live.work_off(DAY, *FIELDS)
    assert not live.materialize("published", DAY)
    assert published(live) == before


def test_rows_of_one_run_are_not_published_after_the_batch_of_another(live: Workplace) -> None:
    assert live.publishes(DAY)
    before = published(live)
    live.deliver(DAY, orders_of(DAY).assign(price=(orders_of(DAY)["price"] + 0.01).round(2)))
    assert live.materialize("batch", DAY)
    assert not live.materialize("published", DAY)
    assert published(live) == before
    assert live.materialize("scored", DAY)
    assert live.materialize("published", DAY)
    assert published(live) != before


def test_a_run_that_is_killed_leaves_the_inbox_as_it_was_for_later_files(
    live: Workplace, tmp_path: Path
) -> None:
    files = [drop(live, tmp_path / f"{day}.csv", day) for day in (DAY, NEXT)]
    with killed_at("blocking"), pytest.raises(Killed):
        live.work_off(files[0], stream="inbox")
    assert live.publishes(files[1], stream="inbox")
    assert live.publishes(files[0], stream="inbox")
    assert published(live, files[0], "inbox") is not None


def test_scored_rows_that_were_edited_are_not_published(live: Workplace) -> None:
    assert live.publishes(DAY)
    before = published(live)
    path = live.attempt(DAY).path("scored.parquet")
    table = parquet.read_table(path)
    risk = table.column_names.index("risk")
    parquet.write_table(table.set_column(risk, "risk", [[0.5] * len(table)]), path)
    assert not live.materialize("published", DAY)
    assert published(live) == before


def drop(live: Workplace, file: Path, day: str) -> str:
    """Claim a file with a day's rows for the inbox; the name of its partition."""
    orders_of(day, 40).to_csv(file, index=False)
    return claim_copy(live.home.inbox("orders"), file)
