"""The rows of a batch by day, some thousand at a time: constraints are calibrated for a day.

Each unit leaves its accepted rows in the order of their days, in a file that nobody needs once the
batch is judged. A *block* is days that follow upon each other with about as many rows as others. It
is read at the cost of its rows, however its days are spread over the units.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lockstep.columns.kinds import Columns, Ints, Kind
from lockstep.columns.tables import from_arrow, stacked, take_rows, to_arrow
from lockstep.store.disks import as_private_as_folder

LOOKED_AT = 25_000
"""Rows of a block that statistics are of: each quantity of them is an array of so many numbers."""
WHOLE = 100_000
"""Rows of a block, and of a day up to which it is looked at whole; larger ones are in several."""


@dataclass(frozen=True)
class DayBlock:
    """Days that follow upon each other, which are looked at together."""

    number: int
    days: tuple[int, ...]  # counted from 1970, in order
    # Of each unit with rows of them: its number, and the places of the first row and of the one
    # after the last, in the order of days.
    parts: tuple[tuple[int, int, int], ...]
    of_day: int = 0  # rows of its day, where it is a part of one

    def read(self, folder: Path, kinds: Mapping[str, Kind]) -> Columns:
        """Its rows, unit by unit, each unit's in the order of days."""
        import pyarrow as pa

        found = []
        for unit, begin, end in self.parts:
            with pa.memory_map(str(_path(folder, unit))) as file, pa.ipc.open_file(file) as table:
                found.append(from_arrow(table.read_all().slice(begin, end - begin), kinds))
        return stacked(found)


def write_days(folder: Path, unit: int, columns: Columns, days: Ints) -> None:
    """Leave a unit's accepted rows for `DayBlock.read`; days are counted from 1970."""
    import pyarrow as pa

    table = to_arrow(take_rows(columns, np.argsort(days, kind="stable")))
    path = str(_path(folder, unit))
    with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, table.schema) as stream:
        stream.write_table(table)
    as_private_as_folder(_path(folder, unit), folder)


def forget_days(folder: Path, units: int) -> None:
    """Remove what so many units left."""
    for unit in range(units):
        _path(folder, unit).unlink(missing_ok=True)


def blocks_of(
    units: Sequence[Mapping[int, int]], of_day: int, looked_at: int = LOOKED_AT, whole: int = WHOLE
) -> list[DayBlock]:
    """The blocks of a batch, in the order of their days.

    Args:
        units: By unit, how many of its rows are of each day, counted from 1970.
        of_day: Most rows of a day that statistics are of.
        looked_at: Most rows of several days together that statistics are of.
        whole: Most rows of a block, and of a day that is in one block.
    """
    sizes: Counter[int] = sum((Counter(days) for days in units), Counter())
    begun = [0] * len(units)
    blocks: list[DayBlock] = []
    for days in _together(sizes, of_day, looked_at, whole):
        ends = [
            begin + sum(of_unit.get(day, 0) for day in days)
            for begin, of_unit in zip(begun, units, strict=True)
        ]
        spans = zip(range(len(units)), begun, ends, strict=True)
        parts = tuple((unit, begin, end) for unit, begin, end in spans if end > begin)
        begun = ends
        if sizes[days[0]] <= whole:
            blocks.append(DayBlock(len(blocks), days, parts))
            continue
        for unit, first, end in parts:
            for begin in range(first, end, whole):
                part = (unit, begin, min(begin + whole, end))
                blocks.append(DayBlock(len(blocks), days, (part,), sizes[days[0]]))
    return blocks


def _together(
    sizes: Mapping[int, int], of_day: int, looked_at: int, whole: int
) -> Iterator[tuple[int, ...]]:
    """Days that follow upon each other, of no more rows together than a block may have."""
    held: list[int] = []
    for day in sorted(sizes):
        together = [sizes[each] for each in (*held, day)]
        is_many = sum(min(size, of_day) for size in together) > looked_at
        if held and (is_many or sum(together) > whole):
            yield tuple(held)
            held = []
        held.append(day)
    if held:
        yield tuple(held)


def _path(folder: Path, unit: int) -> Path:
    return folder / f".days-{unit}.arrow"
