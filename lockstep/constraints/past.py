"""The past: what is kept of a batch, for the constraints of the batches that follow.

The last row of each thing, how many rows it had and their sums; digests of keys and contents; the
counts and statistics of the batch. It is bounded, and numbers are the only values in the clear.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np

from lockstep.columns.digests import Digests, held_by
from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.constraints.thresholds import MOST_KNOWN
from lockstep.stats.number_runs import Runs

DAYS = 35
"""Days that are kept: four weeks before each day of the last week."""
NONE_LACK = Digests(b"", True)
"""No thing lacks rows."""
ANY_LACKS = Digests(bytes(8), False)
"""Any thing may lack rows: a set of digests that cannot tell of a single one."""
UNDATED = np.iinfo(np.int64).min
"""The day of rows whose day cannot be read."""


def may_lack(lacking: Digests, codes: Array) -> Array:
    """Which things, digests or 0 for none, may lack rows: bool."""
    if lacking == NONE_LACK:
        return np.zeros(len(codes), dtype=bool)
    return np.asarray((held_by([lacking], codes) != 0) & (codes != 0))


@dataclass(frozen=True)
class Lacking:
    """The things that lack rows; those of two parts of a batch add up."""

    # their digests, by day and entity
    days: Mapping[int, Mapping[str, Digests]] = field(default_factory=dict)

    def __add__(self, other: Lacking) -> Lacking:
        """The things of both."""
        return Lacking(
            {
                day: {
                    name: self.of(day, name) + other.of(day, name)
                    for name in {**self.days.get(day, {}), **other.days.get(day, {})}
                }
                for day in sorted({*self.days, *other.days})
            }
        )

    def of(self, day: int, name: str) -> Digests:
        """The things of an entity, its columns joined by `+`, that lack rows of a day."""
        return self.days.get(day, {}).get(name, NONE_LACK)

    def between(self, first: int, last: int) -> Lacking:
        """Those of some days in a row."""
        return Lacking({day: own for day, own in self.days.items() if first <= day <= last})

    def dated(self, days: Iterable[int]) -> Lacking:
        """The same, where rows whose day cannot be read may be of any of these days."""
        left = dict(self.days)
        undated = left.pop(UNDATED, {})
        return Lacking(left) + Lacking(dict.fromkeys(days, undated))


class Things(msgspec.Struct, frozen=True):
    """The things of a batch: arrays in the order of their digests, as little-endian bytes."""

    codes: bytes  # uint64, a digest of each thing
    complete: bool  # whether the batch had no other things
    times: bytes  # int64, the time of the last row of each, in microseconds since 1970
    counts: bytes  # float64, how many rows each had
    last: dict[str, bytes]  # by column, float64, the value in the last row; NaN where it had none
    # by column, uint32, a digest of the value in the last row; 0 where it had none
    texts: dict[str, bytes]
    sums: dict[str, bytes]  # by column, float64, the sum over the rows
    # digests of the things that lack rows: some were set aside, or the batch is held back
    lacking: Digests = ANY_LACKS

    @classmethod
    def of(
        cls,
        codes: Array,
        times: Ints,
        last: Mapping[str, Floats],
        texts: Mapping[str, Array],
        summed: Mapping[str, Floats],
        lacking: Digests = NONE_LACK,
    ) -> Things:
        """Keep the last row, the count and the sums of each thing; `codes` is 0 for none."""
        order = np.lexsort((times, codes))
        order = order[codes[order] != 0]
        things, first, counts = np.unique(codes[order], return_index=True, return_counts=True)
        kept = slice(0, MOST_KNOWN)
        ends = order[(first + counts - 1)[kept]]
        place = np.repeat(np.arange(len(things)), counts)
        sums = {}
        for name, values in summed.items():  # in the order in which training adds up
            total = np.bincount(place, np.nan_to_num(values)[order], len(things))
            sums[name] = _bytes(total[kept], "<f8")
        return cls(
            codes=_bytes(things[kept], "<u8"),
            complete=len(things) <= MOST_KNOWN,
            times=_bytes(times[ends], "<i8"),
            counts=_bytes(counts[kept], "<f8"),
            last={name: _bytes(values[ends], "<f8") for name, values in last.items()},
            texts={name: _bytes(values[ends], "<u4") for name, values in texts.items()},
            sums=sums,
            lacking=lacking,
        )

    def __add__(self, other: Things) -> Things:
        """The things of two parts of a batch."""
        both = (self, other)
        codes = np.concatenate([each.known for each in both])
        times = np.concatenate([np.frombuffer(each.times, dtype="<i8") for each in both])
        last = min(
            (each.known[-1] for each in both if not each.complete), default=codes.max(initial=0)
        )
        order = np.lexsort((times, codes))
        things, first, counts = np.unique(codes[order], return_index=True, return_counts=True)
        kept = np.flatnonzero(things <= last)[:MOST_KNOWN]
        ends, place = order[first + counts - 1][kept], np.searchsorted(things, codes)

        def newest(name: str, column: str, form: str) -> bytes:
            parts = [np.frombuffer(getattr(each, name)[column], dtype=form) for each in both]
            return _bytes(np.concatenate(parts)[ends], form)

        def total(parts: Iterable[bytes]) -> bytes:
            values = np.concatenate([np.frombuffer(part, dtype="<f8") for part in parts])
            return _bytes(np.bincount(place, values, len(things))[kept], "<f8")

        return Things(
            codes=_bytes(things[kept], "<u8"),
            complete=self.complete and other.complete and len(kept) == len(things),
            times=_bytes(times[ends], "<i8"),
            counts=total(each.counts for each in both),
            last={column: newest("last", column, "<f8") for column in self.last},
            texts={column: newest("texts", column, "<u4") for column in self.texts},
            sums={column: total(each.sums[column] for each in both) for column in self.sums},
            lacking=self.lacking + other.lacking,
        )

    @property
    def known(self) -> Array:
        """Digests of the things, in order."""
        return np.frombuffer(self.codes, dtype="<u8")

    @property
    def not_known(self) -> Digests:
        """Digests of the things of which it is not known which rows they had."""
        if self.complete:
            return self.lacking
        return self.lacking + Digests(self.codes[-8:], False)

    def place(self, codes: Array) -> Ints:
        """The places of other things among these: int64; -1 where a thing is not there."""
        known = self.known
        if not len(known):
            return np.full(len(codes), -1)
        at = np.minimum(np.searchsorted(known, codes), len(known) - 1)
        return np.where((known[at] == codes) & (codes != 0), at, -1)


class PastBatch(msgspec.Struct, frozen=True):
    """What is kept of a batch of one day, or of the rows of one day of a file."""

    partition: str
    day: int  # the day, counted from 1970; of rows without an event time, a number of its own
    rows: int
    things: dict[str, Things]  # by entity, its columns joined by `+`
    keys: Digests
    contents: dict[str, Digests]  # digests of contents, by the columns that they are made of
    # float64, rows of each cell; and by column, rows of each value whose absence counts
    counts: dict[str, bytes]
    values: bytes = b""  # float32, the value of each statistic; NaN where it has none
    sizes: bytes = b""  # float32, how many independent rows each value has
    low: bytes = b""  # float64, the least of each number; NaN where it has none
    high: bytes = b""
    middle: float = float("nan")  # the mean number in its keys; NaN where they have none
    blocked: bool = False  # whether it was held back, so that its figures may be wrong
    # findings that a person accepted, by identity, each with its extent
    accepted: dict[str, float] = {}
    # the runs of the numbers of all keys that came, also of rows that were set aside; None
    # where they are not known
    runs: Runs | None = None

    def __add__(self, other: PastBatch) -> PastBatch:
        """What is kept of the rows of two parts of a day."""
        low, high = (
            widest(*(np.frombuffer(getattr(part, end), dtype="<f8") for part in (self, other)))
            for end, widest in (("low", np.fmin), ("high", np.fmax))
        )
        return msgspec.structs.replace(
            self,
            rows=self.rows + other.rows,
            things={name: things + other.things[name] for name, things in self.things.items()},
            keys=self.keys + other.keys,
            contents={name: held + other.contents[name] for name, held in self.contents.items()},
            low=_bytes(low, "<f8"),
            high=_bytes(high, "<f8"),
        )

    def whole(self) -> PastBatch:
        """The batch, of which no row is lacking."""
        return self._lacking(dict.fromkeys(self.things, NONE_LACK))

    def held_back(self, doubted: Collection[str] | None) -> PastBatch:
        """The batch where it is held back: the things of its rows lack them.

        Args:
            doubted: Fields whose values may be wrong: which things they name is not known. None
                where rows may have been lost, or nothing tells what is wrong.
        """
        return self._lacking(
            {
                name: ANY_LACKS
                if doubted is None or {*name.split("+")} & {*doubted}
                else things.lacking + Digests(things.codes, things.complete)
                for name, things in self.things.items()
            },
            blocked=True,
        )

    def _lacking(self, lacking: Mapping[str, Digests], **facts: bool) -> PastBatch:
        things = {
            name: msgspec.structs.replace(things, lacking=lacking[name])
            for name, things in self.things.items()
        }
        return msgspec.structs.replace(self, things=things, **facts)

    def counted(self, name: str) -> Floats:
        """How many rows each cell, or value of a column, had: float64; empty where not counted."""
        return np.frombuffer(self.counts.get(name, b""), dtype="<f8")


def _bytes(values: Array, form: str) -> bytes:
    return values.astype(form).tobytes()
