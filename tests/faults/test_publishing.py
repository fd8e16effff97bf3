"""A run is killed at its writes, one after the other: consumers read the old or the new, whole.

Whatever was left behind, the next run gives what an undisturbed one gives, and no row is lost.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from pyarrow import dataset, parquet

from lockstep.columns.units import read_files
from lockstep.scoring.partition import ingest_batch, publish, score_batch
from tests.fixtures.places import FILE, Delivery, Place
from tests.fixtures.recorded import content_of, digest_of, values_of
from tests.fixtures.writes import carried_out, demanded, each_write

pytestmark = pytest.mark.long


@pytest.fixture
def before(place: Place, deliveries: tuple[Delivery, Delivery], sinks) -> Place:
    """A place in which the first delivery is published, and given to sinks."""
    place = replace(place, declared=replace(place.declared, sinks=sinks))
    place.score(deliveries[0].file)
    return place


@pytest.mark.parametrize(("first_write", "every", "least"), [(40, 45, 2), (3, 29, 4)])
def test_a_run_is_killed_at_writes_of_all_its_steps_and_the_next_loses_no_row(
    before: Place, deliveries, first_write: int, every: int, least: int
) -> None:
    first, second = deliveries
    root = before.store.root.parent
    kept = root.with_name("kept")
    shutil.copytree(root, kept)
    kills = 0
    for _ in each_write(partial(before.score, second.file), root, first=first_write, every=every):
        kills += 1
        assert content_of(before.export) in (first.content, second.content)
        demanded(carried_out(partial(before.score, second.file)))
        assert before.recorded() == second.wanted
        assert before.recorded().lost == 0
        shutil.rmtree(root)
        shutil.copytree(kept, root)
    assert kills >= least
    assert before.recorded() == second.wanted


def test_publishing_is_killed_at_every_single_write(before: Place, deliveries, sinks) -> None:
    first, second = deliveries
    root = before.store.root.parent
    schema = before.version().pipeline.record_schema
    work = before.work()
    ingest_batch(work, before.version(), read_files([second.file], schema), accept=schema.names)
    score_batch(work, before.version())
    kept = root.with_name("kept")
    shutil.copytree(root, kept)
    seen = set()
    for _ in each_write(partial(publish, work), root):
        seen.add((content_of(before.export), in_tree(sinks, before), rows_in(sinks)))
        demanded(carried_out(partial(publish, before.work())))
        assert before.recorded().published == second.wanted.published
        assert content_of(before.export) == in_tree(sinks, before) == second.content
        assert left_behind(before.export.parent, Path(sinks[0].path)) == []
        assert rows_in(sinks) == len(second.wanted.published["risk"])
        shutil.rmtree(root)
        shutil.copytree(kept, root)
    old, new = first.content, second.content
    rows = {each.content: len(each.wanted.published["risk"]) for each in deliveries}
    assert seen == {
        (old, old, rows[old]),
        (new, old, rows[old]),
        (new, new, rows[old]),
        (new, new, rows[new]),
    }


def test_all_that_counts_is_forced_to_disk_before_the_commit(before: Place, deliveries) -> None:
    """A power failure keeps what was forced to disk, and names in folders that were."""
    root = before.store.root.parent
    made = demanded(carried_out(partial(before.score, deliveries[1].file), root)).made
    commit = made.index(f"rename orders/inbox/records/{FILE}.json")
    attempt = f"orders/inbox/attempts/{FILE}/2"
    (begun,) = (at for at, write in enumerate(made) if write == f"rename {attempt}")
    assert f"fsync orders/inbox/attempts/{FILE}" in made[begun:commit]
    renamed = [at for at in range(begun, commit) if made[at].startswith(f"rename {attempt}/")]
    assert len(renamed) > 20
    for at in renamed:
        name = made[at].rpartition("/")[2]
        instead = f"rename {attempt}/.{name}.instead"  # which was forced to disk when it was made
        assert made[at - 1].startswith(f"fsync {attempt}/.") or instead in made[:at], made[at]
        assert f"fsync {attempt}" in made[at:commit], made[at]


def left_behind(*folders: Path) -> list[Path]:
    """Files of writers that were killed, as large as what they were writing."""
    return [path for folder in folders for path in folder.rglob(".*") if path.is_file()]


def in_tree(sinks, place: Place) -> str:
    """What tells the tree that consumers read."""
    names = parquet.read_schema(place.export).names
    table = dataset.dataset(f"{sinks[0].path}/current", partitioning="hive").to_table(columns=names)
    return digest_of(values_of(table))


def rows_in(sinks) -> int:
    """How many rows of the database count."""
    with closing(sqlite3.connect(sinks[1].url.removeprefix("sqlite:///"))) as database:
        (count,) = database.execute("SELECT count(*) FROM predictions WHERE is_current").fetchone()
    return int(count)
