"""Erasure: what was logged of a key is gone, all else is as it was, and a note says so."""

import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lockstep.errors import LogKeyError, OpenSegmentError
from lockstep.serving.requestlog.erasure import ErasedKey, LoggedKey, erase_key
from lockstep.serving.requestlog.log import Log
from lockstep.serving.requestlog.log_blocks import Answered, BlockLayout
from lockstep.serving.requestlog.log_segments import (
    LogSegment,
    read_segment,
    segment_names,
    segment_path,
)
from lockstep.serving.requestlog.redaction import keyed_hashes, log_key
from lockstep.serving.requestlog.segment_files import SegmentFile
from lockstep.serving.requestlog.settings import RequestLog
from lockstep.serving.versions.request_scorer import Scorer
from tests.fixtures.writes import carried_out
from tests.lockstep.serving.requestlog.conftest import (
    FIELDS,
    OUTPUTS,
    answered,
    blocks,
    header,
    refused,
    some_columns,
)
from tests.lockstep.serving.requestlog.test_log import KEY, Records, ask, logged_ids, segments

PERSON = "order 4"


def key_of(text: str = PERSON, column: str = "key") -> LoggedKey:
    return LoggedKey(column, text, lambda: keyed_hashes(log_key()))


def sealed(folder: Path, number: int, *batches: list[Answered], **head: Any) -> LogSegment:
    """A sealed segment of these micro-batches."""
    known = header(**head)
    file = SegmentFile(folder / f"20200301T120000.000000Z-0000abcd-{number:06}.open", known)
    layout = BlockLayout.of(known, keyed_hashes(KEY.encode()))
    for batch in batches:
        file.append(list(layout.blocks(batch, now=1.5, wall=10_000_000)), force=False)
    path = file.seal(force=False)
    assert path is not None
    return read_segment(path)


def test_the_rows_of_a_key_are_gone_and_all_others_are_as_they_were(tmp_path: Path) -> None:
    first = answered(some_columns(6), [1, 2, 3], "a")  # the person's is the second row of a2
    second = answered(some_columns(3, first=4), [1, 2], "b")  # and is alone in b0
    whole = sealed(tmp_path, 1, first, second)
    told = erase_key(tmp_path, key_of())
    assert told == ErasedKey((whole.name,), rows=2, requests=1, torn=0, unsearched=())
    (segment,) = segments(tmp_path)
    assert segment.requests.ids == ["a0", "a1", "a2", "b1"]
    assert segment.requests.rows.tolist() == [1, 2, 2, 2]
    kept = [place for place, key in enumerate(whole.columns["key"].tolist()) if key != PERSON]
    for name, values in segment.columns.items():
        assert values.dtype == whole.columns[name].dtype
        assert repr(values.tolist()) == repr(whole.columns[name][kept].tolist())
    (path,) = tmp_path.glob("*.segment")
    assert PERSON.encode() not in path.read_bytes()
    (note,) = segment.header.erased
    assert (note.rows, note.requests) == (2, 1)


def test_a_segment_that_held_nothing_else_stays_as_its_note(tmp_path: Path) -> None:
    sealed(tmp_path, 1, answered(some_columns(1, first=4), [1]))
    erase_key(tmp_path, key_of())
    (segment,) = segments(tmp_path)
    assert (len(segment.requests), segment.rows) == (0, 0)
    assert [(note.rows, note.requests) for note in segment.header.erased] == [(1, 1)]


def test_a_second_key_leaves_a_second_note(tmp_path: Path) -> None:
    sealed(tmp_path, 1, answered(some_columns(6), [6]))
    erase_key(tmp_path, key_of())
    erase_key(tmp_path, key_of("order 5"))
    (segment,) = segments(tmp_path)
    assert [note.rows for note in segment.header.erased] == [1, 1]
    assert [*filter(None, segment.columns["key"].tolist())] == ["order 1", "order 2"]


def test_a_segment_without_the_key_is_left_alone_to_the_byte(tmp_path: Path) -> None:
    sealed(tmp_path, 1, answered(some_columns(3), [3]))
    (path,) = tmp_path.glob("*.segment")
    assert erase_key(tmp_path, key_of()).segments == ()
    assert [*tmp_path.glob("*.segment")] == [path]


def test_refused_rows_stay_with_their_requests(tmp_path: Path) -> None:
    requests = answered(some_columns(3, first=3), [1, 1, 1])
    for place in (1, 2):
        asked, answer = requests[place]
        requests[place] = (asked, type(answer)(3, answer.scored, [0], (refused(1),), 2))
    sealed(tmp_path, 1, requests)
    erase_key(tmp_path, key_of())
    (segment,) = segments(tmp_path)
    assert segment.requests.ids == ["r0", "r2"]
    assert segment.requests.rejected.tolist() == [0, 1]


def test_what_is_erased_does_not_begin_to_be_kept_anew(tmp_path: Path) -> None:
    sealed(tmp_path, 1, answered(some_columns(6), [6]))
    (path,) = tmp_path.glob("*.segment")
    os.utime(path, (1_000_000_000, 1_000_000_000))
    erase_key(tmp_path, key_of())
    (path,) = tmp_path.glob("*.segment")
    assert path.stat().st_mtime == 1_000_000_000
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_hashed_key_is_found_by_its_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed(tmp_path, 1, answered(some_columns(6), [6]), redacted={"key": "hashed"})
    monkeypatch.delenv("LOCKSTEP_LOG_KEY", raising=False)
    with pytest.raises(LogKeyError):
        erase_key(tmp_path, key_of())
    monkeypatch.setenv("LOCKSTEP_LOG_KEY", KEY)
    assert erase_key(tmp_path, key_of()).rows == 1


def test_what_cannot_be_searched_is_named(tmp_path: Path) -> None:
    fields = {name: kind for name, kind in FIELDS.items() if name != "key"}
    sealed(
        tmp_path,
        1,
        answered(some_columns(6), [6]),
        fields=fields,
        outputs=OUTPUTS,
        redacted={"key": "dropped"},
    )
    damaged = sealed(tmp_path, 2, answered(some_columns(6), [6]))
    segment_path(tmp_path, damaged.name).write_bytes(b"damaged")
    sealed(tmp_path, 3, answered(some_columns(6), [6]))
    told = erase_key(tmp_path, key_of())
    assert told.rows == 1
    dropped, changed = told.unsearched
    assert "cannot be searched by key: it does not hold it" in dropped
    assert "is not what was sealed" in changed


def test_torn_bytes_go_since_nobody_can_search_them(tmp_path: Path) -> None:
    torn = tmp_path / "torn" / "bytes"
    torn.parent.mkdir()
    torn.write_bytes(PERSON.encode())
    assert erase_key(tmp_path, key_of()).torn == 1
    assert not torn.exists()


def test_a_server_that_writes_seals_what_it_has_and_goes_on(
    scorer: Scorer, orders: Records, tmp_path: Path
) -> None:
    person = str(orders[0]["order_id"])
    with Log(tmp_path, RequestLog()) as log:
        ids = ask(log, scorer, orders[:3])
        told = erase_key(tmp_path, key_of(person, "order_id"))
        assert (told.rows, told.requests) == (1, 1)
        ids += ask(log, scorer, orders[1:3])
    assert sorted(logged_ids(tmp_path)) == sorted(ids[1:])


def test_a_segment_that_nobody_seals_is_named_and_nothing_is_erased(tmp_path: Path) -> None:
    whole = sealed(tmp_path, 1, answered(some_columns(6), [6]))
    file = SegmentFile(tmp_path / "20200301T120000.000000Z-0000abcd-000002.open", header())
    file.append(blocks(answered(some_columns(6), [6])), force=False)
    with pytest.raises(OpenSegmentError, match=r"000002\.open: the server that writes to it"):
        erase_key(tmp_path, key_of(), seal_seconds=0.3)
    assert segment_names(tmp_path) == [whole.name]


def test_a_kill_at_any_write_leaves_each_segment_as_before_or_erased(tmp_path: Path) -> None:
    expected: list[Any] = []
    for before in range(1, 80):
        folder = tmp_path / str(before)
        whole = [
            sealed(folder, number, answered(some_columns(6), [1, 2, 3], f"{number}."))
            for number in (1, 2)
        ]
        erasing = partial(erase_key, folder, LoggedKey("key", PERSON, lambda: None))
        status = carried_out(lambda work=erasing: bool(work()), folder, before).status
        left = segments(folder)
        assert len(left) == 2
        for old, new in zip(whole, left, strict=True):
            keys = new.columns["key"].tolist()
            is_old = new.name == old.name
            assert (PERSON in keys) == is_old
            assert np.array_equal(
                new.columns["size"], old.columns["size"] if is_old else [0, 1, 2, 3, 5]
            )
        erase_key(folder, key_of())
        assert len([*folder.glob("*.segment")]) == 2
        assert PERSON not in str([one.columns["key"].tolist() for one in segments(folder)])
        if status == 0:
            break
        expected.append(before)
    assert len(expected) > 6, "the process was killed at many of its writes"
    assert status == 0
