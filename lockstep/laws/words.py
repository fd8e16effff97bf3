"""Words of texts that are parted alike, and where they are, found in the bytes of all at once.

A regular expression takes a microsecond for each text. That texts are parted alike says that the
same signs stand in them, in one order, with words between that hold none of these signs: so the
bytes of signs are all that has to be looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from lockstep.columns.kinds import Array
from lockstep.laws.rows import Rows, Values

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK = 16_384
"""Rows that are looked at together: what is made of their bytes stays in the cache."""


@dataclass(frozen=True, eq=False)
class Parted:
    """Texts, parted by signs.

    Attributes:
        data: uint8: the texts in UTF-8, one after the other.
        marks: Where in these each text has its signs, a column each: the place before it, those of
            the bytes of the signs, and the place after it.
        alike: bool, one a row: whether it is parted so; the marks of others say nothing.
        before: How many bytes of signs there are up to each word.
    """

    data: Array
    marks: Array
    alike: Array
    before: tuple[int, ...]

    @classmethod
    def of(cls, rows: Rows, text: str, signs: Sequence[str]) -> Parted:
        """Part a column of texts.

        Args:
            rows: Some rows.
            text: The column.
            signs: What is before, between and after the words; before and after it may be nothing.
        """
        import pyarrow as pa

        _, ends, content = pa.array(rows.columns[text], type=pa.large_string()).buffers()
        bounds = np.frombuffer(ends, dtype=np.int64)[: len(rows) + 1]
        data = np.frombuffer(content or b"", dtype=np.uint8)
        encoded = [sign.encode() for sign in signs]
        small = np.int32 if len(data) < 2**31 else np.int64
        marks = np.zeros((sum(map(len, encoded)) + 2, len(rows)), dtype=small)
        marks[0], marks[-1] = bounds[:-1] - 1, bounds[1:]
        alike = np.zeros(len(rows), dtype=bool)
        for block in _blocks(len(rows)):
            own = bounds[block.start : block.stop + 1]
            at = np.flatnonzero(_are_signs(data[own[0] : own[-1]], set("".join(signs)))) + own[0]
            first = _firsts(at, own, len(marks) - 2)
            alike[block] = _mark(marks[:, block], data, first, at, encoded)
        return cls(data, marks, alike, tuple(np.cumsum([*map(len, encoded)]).tolist()))

    def words(self, start: int, end: int) -> Values:
        """Some of the words with the signs between them: the texts that there are, one a row.

        Args:
            start: The first word.
            end: The word after the last one.
        """
        import pyarrow as pa

        starts = self.marks[self.before[start]] + 1
        lengths = np.where(self.alike, self.marks[self.before[end - 1] + 1] - starts, 0)
        pieces = [self._pieces(starts[block], lengths[block]) for block in _blocks(len(starts))]
        texts = pa.chunked_array(pieces).combine_chunks().dictionary_encode()
        places = texts.indices.to_numpy().astype(np.int64)
        places[~self.alike] = -1
        return Values(places, texts.dictionary.to_numpy(zero_copy_only=False))

    def _pieces(self, starts: Array, lengths: Array) -> pa.Array:
        """Pieces of the texts."""
        import pyarrow as pa

        ends = np.concatenate([[0], np.cumsum(lengths)])
        length = int(lengths.max(initial=0))
        if length and (lengths == length).all():
            cut = sliding_window_view(self.data, length)[starts]
        else:
            cut = self.data[np.repeat(starts - ends[:-1], lengths) + np.arange(ends[-1])]
        return pa.LargeStringArray.from_buffers(len(starts), pa.py_buffer(ends), pa.py_buffer(cut))


def _firsts(at: Array, bounds: Array, count: int) -> Array:
    """Which byte of a sign is the first one of each text, and of the one after the last.

    They do not have to be looked for where each text has as many as it should.

    Args:
        at: Where the bytes of signs are.
        bounds: Where each text begins, and where the last one ends.
        count: How many bytes of signs a text should have.
    """
    first: Array = np.arange(len(bounds)) * count
    if len(at) == first[-1]:
        begins, ends = at[first[:-1]] >= bounds[:-1], at[first[1:] - 1] < bounds[1:]
        if begins.all() and ends.all():
            return first
    return np.searchsorted(at, bounds)


def _mark(marks: Array, data: Array, first: Array, at: Array, signs: Sequence[bytes]) -> Array:
    """Write down where texts have their signs, and tell which are parted alike.

    Args:
        marks: What is written to: see `Parted`.
        data: The texts.
        first: Which byte of a sign is the first one of each text, and of the one after the last.
        at: Where the bytes of signs are.
        signs: The signs, in order.
    """
    written = b"".join(signs)
    alike: Array = np.diff(first) == len(written)
    if not alike.any():
        return alike
    begin = np.where(alike, first[:-1], 0)
    for place, byte in enumerate(written):
        where = at[np.minimum(begin + place, len(at) - 1)]
        marks[place + 1] = where
        alike &= data[where] == byte
    for place, touches in enumerate(_touching(signs)):
        alike &= (marks[place + 1] - marks[place] == 1) == touches
    return alike


def _touching(signs: Sequence[bytes]) -> list[bool]:
    """Whether each mark has to be right after the one before it, rather than after a word."""
    found = [
        number == 0 or byte > 0 for number, sign in enumerate(signs) for byte in range(len(sign))
    ]
    return [*found, bool(signs[-1])]


def _are_signs(data: Array, signs: Iterable[str]) -> Array:
    """Which bytes are of signs; in UTF-8 no character begins within another one."""
    encoded = [sign.encode() for sign in signs]
    found = np.zeros(len(data), dtype=bool)
    for sign in (sign for sign in encoded if len(sign) == 1):
        found |= data == sign[0]
    for sign in (sign for sign in encoded if len(sign) > 1):
        last = max(len(data) - len(sign) + 1, 0)
        here = np.ones(last, dtype=bool)
        for place, byte in enumerate(sign):
            here &= data[place : place + last] == byte
        begins = np.flatnonzero(here)
        for place in range(len(sign)):
            found[begins + place] = True
    return found


def _blocks(count: int) -> Iterator[slice]:
    """All of so many rows in blocks; a block without rows where there are none."""
    for start in range(0, max(count, 1), _BLOCK):
        yield slice(start, min(start + _BLOCK, count))
