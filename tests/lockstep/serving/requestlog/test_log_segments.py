"""Segments: what is written is what is read, and nothing else is taken for it."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lockstep.columns.kinds import Columns, Kind
from lockstep.errors import DamagedSegmentError, LateError, MissingSegmentError
from lockstep.serving.requestlog.log_segments import (
    Block,
    End,
    Frame,
    LogSegment,
    beginning,
    digest,
    framed,
    read_segment,
    scan,
    segment_names,
    segment_path,
)
from lockstep.serving.requestlog.segment_files import SegmentFile, recover
from tests.lockstep.serving.requestlog.conftest import (
    answered,
    blocks,
    header,
    refused,
    some_columns,
)

NAME = "20200301T120000.000000Z-0000abcd-000001.open"
TEXTS = st.none() | st.text()


def column(kind: Kind, rows: int) -> st.SearchStrategy[np.ndarray]:
    if kind is Kind.TEXT:
        return st.lists(TEXTS, min_size=rows, max_size=rows).map(
            lambda values: np.array([*values, None], dtype=object)[:-1]
        )
    if kind is Kind.TIME:
        return arrays.arrays(np.int64, rows).map(lambda values: values.view("datetime64[us]"))
    return arrays.arrays(kind.dtype, rows)


@st.composite
def batches(draw: st.DrawFn) -> tuple[dict[str, Kind], list[tuple[Columns, list[int]]]]:
    """Columns of any kinds, and micro-batches of requests that hold them."""
    kinds = draw(st.dictionaries(st.text(min_size=1), st.sampled_from(Kind), min_size=1))
    found = []
    for counts in draw(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=4), max_size=4)):
        rows = sum(counts)
        found.append(({name: draw(column(kind, rows)) for name, kind in kinds.items()}, counts))
    return kinds, found


def same(one: np.ndarray, other: np.ndarray) -> bool:
    if one.dtype == object:
        return one.tolist() == other.tolist()
    return one.dtype == other.dtype and one.tobytes() == other.tobytes()


@given(batches())
def test_any_typed_rows_are_read_as_they_were_written_to_the_last_bit(told) -> None:
    kinds, found = told
    head = header(kinds)
    with tempfile.TemporaryDirectory() as folder:
        file = SegmentFile(Path(folder) / NAME, head)
        for columns, counts in found:
            file.append(blocks(answered(columns, counts), head), force=False)
        path = file.seal(force=False)
        if not found:
            assert path is None
            return
        segment = read_segment(path)
    assert segment.requests.rows.tolist() == [one for _, counts in found for one in counts]
    assert segment.columns.keys() == kinds.keys()
    for name in kinds:
        assert same(segment.columns[name], np.concatenate([one[name] for one, _ in found]))


def sealed(file: SegmentFile) -> LogSegment:
    path = file.seal(force=True)
    assert path is not None
    return read_segment(path)


def test_what_is_told_of_a_request_is_when_it_came_and_what_it_was_answered(open_file) -> None:
    late = (answered({}, [0])[0][0], LateError("The request waited for too long."))
    (asked, answer), other = answered(some_columns(3), [1, 2])
    rejecting = (asked, type(answer)(3, answer.scored, [1], (refused(0),), 2))
    open_file.append(blocks([rejecting, other, late]), force=False)

    requests = sealed(open_file).requests

    assert requests.ids == ["r0", "r1", "r0"]
    assert requests.at.tolist() == [9_500_000] * 3
    assert requests.latency.tolist() == [500_000] * 3
    assert requests.status.tolist() == [422, 200, 503]
    assert requests.rows.tolist() == [1, 2, 0]
    assert requests.rejected.tolist() == [1, 0, 0]


def test_reasons_are_logged_without_the_values_that_they_are_about(open_file) -> None:
    asked, answer = answered(some_columns(1), [1])[0]
    rejecting = type(answer)(3, answer.scored, [0], (refused(1),), 2)
    (block,) = blocks([(asked, rejecting)])
    assert block.rejected == [(0, 1, [("price", "type")])]


def written(folder: Path, batch_count: int) -> tuple[Path, list[int]]:
    """A segment that nobody sealed, as a killed process leaves it, and where its blocks end."""
    file = SegmentFile(folder / NAME, header())
    ends = [file.size]
    for number in range(batch_count):
        file.append(blocks(answered(some_columns(2, 2 * number), [1, 1])), force=False)
        ends.append(file.size)
    data = file.path.read_bytes()
    file.seal(force=False)
    for path in folder.glob("*.segment"):
        path.unlink()
    (folder / NAME).write_bytes(data)
    return folder / NAME, ends


def recovered(folder: Path) -> LogSegment | None:
    found = [read_segment(segment_path(folder, name)) for name in segment_names(folder)]
    assert len(found) <= 1
    return found[0] if found else None


def test_torn_at_any_byte_a_segment_keeps_what_is_whole_and_nothing_else(tmp_path) -> None:
    path, ends = written(tmp_path, 2)
    data = path.read_bytes()
    for size in (*range(0, ends[1], 20), *range(ends[1], len(data) + 1)):
        folder = tmp_path / str(size)
        folder.mkdir()
        (folder / NAME).write_bytes(data[:size])
        (told,) = recover(folder)
        whole = sum(end <= size for end in ends[1:])
        segment = recovered(folder)
        assert (segment.rows if segment else 0) == 2 * whole == told.requests
        torn = data[max((end for end in ends if end <= size), default=0) : size]
        assert (told.aside.read_bytes() if told.aside else b"") == torn
        assert not list(folder.glob("*.open"))


def test_zeros_in_place_of_a_block_are_no_block(tmp_path) -> None:
    """What a file system may leave of bytes that it had no time to write."""
    path, ends = written(tmp_path, 3)
    data = path.read_bytes()
    path.write_bytes(data[: ends[1]] + bytes(ends[3] - ends[1]))
    (told,) = recover(tmp_path)
    assert (told.requests, told.torn) == (2, ends[3] - ends[1])


def test_recovery_that_is_killed_goes_on_the_next_time(tmp_path) -> None:
    path, ends = written(tmp_path, 2)
    data = path.read_bytes()
    path.write_bytes(data[: ends[1] + 5])
    recover(tmp_path)
    (name,) = segment_names(tmp_path)
    whole = segment_path(tmp_path, name).read_bytes()
    for size in range(ends[1], len(whole) + 1):
        folder = tmp_path / str(size)
        folder.mkdir()
        (folder / NAME).write_bytes(whole[:size])
        recover(folder)
        found = recovered(folder)
        assert found is not None
        assert found.rows == 2


def test_a_segment_that_is_being_written_is_left_alone(open_file) -> None:
    open_file.append(blocks(answered(some_columns(1), [1])), force=False)
    assert recover(open_file.path.parent) == []
    assert sealed(open_file).rows == 1


def test_a_segment_without_requests_is_none(open_file) -> None:
    assert open_file.seal(force=True) is None
    assert list(open_file.path.parent.glob("*.*")) == [open_file.path.parent / ".lock"]


@pytest.fixture
def sealed_path(open_file) -> Path:
    open_file.append(blocks(answered(some_columns(40), [1] * 40)), force=False)
    path = open_file.seal(force=True)
    assert path is not None
    return path


def test_a_sealed_segment_that_was_changed_anywhere_is_refused(sealed_path) -> None:
    data = sealed_path.read_bytes()
    for place in range(0, len(data), 7):
        changed = bytearray(data)
        changed[place] ^= 1
        sealed_path.write_bytes(changed)
        with pytest.raises(DamagedSegmentError, match="is not what was sealed"):
            read_segment(sealed_path)


def test_a_segment_that_is_shorter_than_it_was_is_refused_whatever_its_name_says(
    sealed_path,
) -> None:
    data = sealed_path.read_bytes()
    for size in (0, 10, len(data) - 1, len(data) - 30):
        path = sealed_path.with_name(f"{NAME[:-5]}-{digest(data[:size])}.segment")
        path.write_bytes(data[:size])
        with pytest.raises(DamagedSegmentError, match="is no sealed segment"):
            read_segment(path)


def resealed(path: Path, change: Callable[[list[Frame]], list[Frame]]) -> Path:
    """A segment of other frames, whose checksums and digest agree."""
    head, _, frames = scan(path.read_bytes())
    assert head is not None
    data = beginning(head) + b"".join(map(framed, change([frame for _, frame in frames])))
    again = path.with_name(f"{NAME[:-5]}-{digest(data)}.segment")
    again.write_bytes(data)
    return again


def test_a_segment_that_was_sealed_without_requests_is_none(sealed_path) -> None:
    path = resealed(sealed_path, lambda _: [End(0, 0, None)])
    with pytest.raises(DamagedSegmentError, match="holds no requests"):
        read_segment(path)


def test_rows_that_are_rejected_of_a_request_that_is_not_there_are_damage(sealed_path) -> None:
    def rejecting(frames: list[Frame]) -> list[Frame]:
        return [
            msgspec.structs.replace(one, rejected=[(len(one.ids), 0, [])])
            if isinstance(one, Block)
            else one
            for one in frames
        ]

    with pytest.raises(DamagedSegmentError, match="rejects rows of a request"):
        read_segment(resealed(sealed_path, rejecting))


def test_a_folder_in_the_place_of_a_segment_is_damage(sealed_path) -> None:
    sealed_path.unlink()
    sealed_path.mkdir()
    with pytest.raises(DamagedSegmentError, match="it is a folder"):
        read_segment(sealed_path)


def test_a_segment_that_is_kept_no_longer_is_one_clear_error(tmp_path) -> None:
    with pytest.raises(MissingSegmentError, match="kept for as long as"):
        read_segment(segment_path(tmp_path, "20200301T120000.000000Z-0000abcd-000001-0123456789ab"))
