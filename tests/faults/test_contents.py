"""Files that are corrupt, cut off or empty: each is set aside with its reason, the others go on."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from datetime import date
from functools import partial

import pandas as pd
import pytest

from lockstep.checks.streams import inbox_of, inbox_stream
from lockstep.errors import LockstepError
from lockstep.scoring.steps import all_steps
from lockstep.scoring.work import Work
from lockstep.store.inbox import claim_files
from tests.fixtures.order_store import orders_of
from tests.fixtures.orders import Workplace

pytestmark = pytest.mark.long

ROWS = orders_of(date(2020, 3, 1))
CSV = ROWS.to_csv(index=False).encode()
JSON = ROWS.to_json(orient="records", lines=True, date_format="iso").encode()
PARQUET = ROWS.to_parquet(index=False)
FOOTER = int.from_bytes(PARQUET[-8:-4], "little")
BROKEN = {
    "empty.csv": b"",
    "header.csv": CSV[: CSV.index(b"\n") + 1],
    "cut.csv": CSV[: len(CSV) // 2],
    "empty.parquet": b"",
    "cut.parquet": PARQUET[: len(PARQUET) // 2],
    "zeros.parquet": bytes(len(PARQUET)),
    "footer.parquet": PARQUET[: -FOOTER - 8] + bytes(FOOTER) + PARQUET[-8:],
    "cut.csv.gz": gzip.compress(CSV)[:-100],
    "plain.csv.gz": CSV,
    "noise.jsonl": bytes(range(256)) * 40,
    "empty.jsonl": b"",
    "cut.jsonl": JSON[: len(JSON) // 2],
}


@pytest.fixture
def drop(live: Workplace) -> Callable[[str, bytes], None]:
    """Puts a file into the inbox, to which nobody is writing any more."""
    folder = live.home.inbox("orders")
    folder.mkdir(parents=True, exist_ok=True)

    def put(name: str, content: bytes) -> None:
        (folder / name).write_bytes(content)
        os.utime(folder / name, (0, 0))

    return put


def take_in(live: Workplace) -> None:
    """Score what is new in the inbox, one file after the other, as runs of the sensor's do."""
    stream, files = inbox_stream(live.declared), inbox_of(live.declared, live.home)
    claims = claim_files(live.home.inbox("orders"))
    for partition in files.unpublished(claim.partition for claim in claims):
        work = Work(live.declared, live.store, "inbox", partition)
        error: LockstepError | None = None
        try:
            all_steps(work, live.serving, partial(stream.read, live.home, partition))
        except LockstepError as raised:
            error = raised
        stream.tell(live.home, partition, error)


def test_broken_files_are_set_aside_with_their_reasons_and_the_others_are_published(
    live: Workplace, drop: Callable[[str, bytes], None]
) -> None:
    drop("good.csv", CSV)
    for name, content in BROKEN.items():
        drop(name, content)
    take_in(live)
    folder = live.home.inbox("orders")
    assert [path for path in folder.iterdir() if path.is_file() and path.name[0] != "."] == []
    (published,) = live.records("inbox").partitions()
    assert published.startswith("good-")
    texts = {path.name: path.read_text() for path in folder.glob("*/*.txt")}
    came = {path.name for path in folder.glob("*/*") if path.suffix != ".txt"}
    assert {f"{name}.txt" for name in came} == texts.keys()
    told = {name: text for name, text in texts.items() if not name.startswith("good-")}
    assert all(text.startswith(("rejected: ", "blocked: ", "repeated: ")) for text in told.values())

    # Delivered anew and whole, each is published like the one that was whole at once.
    wanted = pd.read_parquet(live.records("inbox").export_path(published))
    drop("cut.csv", CSV.replace(b"2020-03-01-", b"2020-03-01:"))
    take_in(live)
    (again,) = {*live.records("inbox").partitions()} - {published}
    found = pd.read_parquet(live.records("inbox").export_path(again))
    assert found["risk"].tolist() == wanted["risk"].tolist()
