"""Keys that several units of a batch have, found in bounded memory.

Each unit leaves the digests of its keys, in order, in a file. These are gone through a range of
digests at a time, over all units. Equal digests are compared by their keys, so that no row is lost
to chance.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from lockstep.columns.digests import digests_of
from lockstep.columns.kinds import Array, Ints
from lockstep.store.disks import as_private_as_folder

_AT_A_TIME = 4_000_000
"""Digests in memory at a time: some 100 MB with what it takes to sort them."""
_KEYS = np.dtype([("digest", "<u8"), ("row", "<i8")])


def write_keys(folder: Path, unit: int, keys: Array, rows: Ints) -> None:
    """Leave the digests of a unit's accepted keys, with their rows' numbers in the input."""
    digests = digests_of(keys)
    order = np.argsort(digests, kind="stable")
    stored = np.empty(len(keys), dtype=_KEYS)
    stored["digest"], stored["row"] = digests[order], rows[order]
    np.save(_path(folder, unit), stored)
    as_private_as_folder(_path(folder, unit), folder)


def read_keys(folder: Path, unit: int) -> Array:
    """What `write_keys` left of a unit: `digest` and `row`, in order of the digests."""
    stored: Array = np.load(_path(folder, unit), mmap_mode="r")
    return stored


def forget_keys(folder: Path, units: int) -> None:
    """Remove what so many units left."""
    for unit in range(units):
        _path(folder, unit).unlink(missing_ok=True)


def repeated_keys(
    folder: Path, units: int, keys_of: Callable[[int, Ints], Sequence[object]]
) -> Mapping[int, Mapping[int, int]]:
    """The rows whose key a row of an earlier unit has: by unit, by row, the first row of its key.

    Rows are told by their number in the input. `keys_of` returns the keys of rows of a unit, given
    its number and the rows' places among its rows.
    """
    stored = [read_keys(folder, unit) for unit in range(units)]
    candidates = [_alike(stored, low, high) for low, high in _ranges(sum(map(len, stored)))]
    row, unit = (np.concatenate(found) for found in zip(*candidates, strict=True))
    if not len(row):
        return {}
    keys: dict[int, object] = {}
    for number in np.unique(unit).tolist():
        own = np.sort(row[unit == number])
        places = np.searchsorted(np.sort(stored[number]["row"]), own)
        keys.update(zip(own.tolist(), keys_of(number, places), strict=True))
    first: dict[object, int] = {}
    repeated: dict[int, dict[int, int]] = defaultdict(dict)
    for at in np.argsort(row, kind="stable").tolist():
        number = int(row[at])
        earlier = first.setdefault(keys[number], number)
        if earlier != number:
            repeated[int(unit[at])][number] = earlier
    return dict(repeated)


def _ranges(total: int) -> list[tuple[int, int]]:
    count = max(-(-total // _AT_A_TIME), 1)
    edges = [2**64 * number // count for number in range(count + 1)]
    return list(pairwise(edges))


def _alike(stored: Sequence[Array], low: int, high: int) -> tuple[Ints, Ints]:
    """The rows that share a digest of a range with others, and their units."""
    digests, rows, units = [], [], []
    for number, keys in enumerate(stored):
        of_unit = keys["digest"]
        begin = np.searchsorted(of_unit, np.uint64(low))
        end = len(of_unit) if high == 2**64 else np.searchsorted(of_unit, np.uint64(high))
        digests.append(np.array(of_unit[begin:end]))
        rows.append(np.array(keys["row"][begin:end]))
        units.append(np.full(end - begin, number))
    digest, row, unit = (np.concatenate(found) for found in (digests, rows, units))
    order = np.argsort(digest, kind="stable")
    ordered = digest[order]
    same = np.zeros(len(ordered) + 1, dtype=bool)
    same[1:-1] = ordered[1:] == ordered[:-1]
    alike = order[same[1:] | same[:-1]]
    return row[alike], unit[alike]


def _path(folder: Path, unit: int) -> Path:
    return folder / f".keys-{unit}.npy"
