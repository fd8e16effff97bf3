"""Numbering: keys whose numbers run without gaps, so that a number that lacks is a lost row.

The key `2024-03-01-0017` is number 17 of the series `2024-03-01-`. Where digits in front of the
number stand together with it, such as those of a date, they are of the series.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
import pandas as pd

from lockstep.columns.digests import digests_of
from lockstep.columns.kinds import Array, Bools, Ints
from lockstep.columns.plain import cut
from lockstep.constraints.past import DAYS, PastBatch
from lockstep.constraints.thresholds import HALF, NEARLY, SAMPLE
from lockstep.constraints.view import View
from lockstep.stats.limits import ENOUGH_DAYS
from lockstep.stats.number_runs import Gap, Runs

KIND = "lost rows"
_ROWS, _NUMBERS = 300, 30
"""Least rows that come after another one, and different numbers, of a numbering."""
_FEWEST_DIGITS, _MOST_DIGITS = 2, 18
_NAMED = 3
"""Gaps that are named."""


class Numbering(msgspec.Struct, frozen=True):
    """How the keys of training rows are numbered."""

    width: int  # how many of the last digits of a key are its number; 0 for all that stand together
    digits: int  # how many digits each number has; 0 where they have more and fewer
    step: int  # the distance of a number from the one before it
    start: int | None  # the number that a series begins with; None where that is not known
    gaps: int  # how many rows of training come after a gap

    @property
    def form(self) -> str:
        """What its series and numbers are made of."""
        return f"{self.width}/{self.step}"

    def runs(self, keys: Array) -> Runs:
        """The runs of keys; those without a number are left out."""
        series, numbers, known = _parts(keys, self.width)
        return Runs.of(self.form, self.step, series[known], numbers[known])

    def lost(
        self, own: Runs, past: Sequence[PastBatch], day: int, came: Runs | None = None
    ) -> list[Gap]:
        """The numbers that lack in a batch, and between it and the batches before.

        Where the numbers of the last batch are not known, gaps within the batch count alone.
        """
        known = [runs for batch in past if (runs := batch.runs) and runs.form == self.form]
        before = next((batch.runs for batch in reversed(past) if batch.day < day), None)
        is_known = before is not None and before.form == self.form
        gaps = own.gaps([*known, *([came] if came else [])], self.start if is_known else None)
        if is_known:
            return gaps
        series, first, _ = (part[::-1].tolist() for part in own.spans)
        least = dict(zip(series, first, strict=True))
        return [gap for gap in gaps if gap.first > least[gap.series]]

    def rows_of(self, gaps: Sequence[Gap]) -> int:
        """How many rows the gaps are of."""
        return sum((gap.last - gap.first) // self.step + 1 for gap in gaps)

    def named(self, view: View, gaps: Sequence[Gap]) -> str:
        """The keys that lack, for a person."""
        assert view.layout.key is not None, "a numbering is of keys"
        keys = view.columns[view.layout.key]
        series, numbers, _ = _parts(keys, self.width)

        def shown(gap: Gap) -> str:
            after = np.flatnonzero((series == gap.series) & (numbers == gap.last + self.step))
            like = str(keys[after[0]]) if len(after) else "0"
            ends = dict.fromkeys(self._key(like, number) for number in (gap.first, gap.last))
            return " to ".join(cut(key, 40) for key in ends)

        more = len(gaps) - _NAMED
        found = ", ".join(map(shown, gaps[:_NAMED]))
        return f"{found} and {more} more" if more > 0 else found

    def _key(self, like: str, number: int) -> str:
        """The key of another number of a series."""
        return re.sub(
            rf"[0-9]{{1,{self.width or _MOST_DIGITS}}}(?=[^0-9]*$)",
            str(number).zfill(self.digits),
            like,
            count=1,
        )


def discover(view: View) -> Numbering | None:
    """Learn how the keys of training rows are numbered; None where their numbers have gaps.

    Of several numbers of digits, the one with the fewest gaps counts.
    """
    if view.layout.key is None:
        return None
    keys = view.columns[view.layout.key]
    newest = np.sort(np.argsort(view.day, kind="stable")[-SAMPLE:])
    best: Numbering | None = None
    for width in _widths(keys[newest]):
        found = _learnt(keys[newest], view.day[newest], width)
        if found is not None and (best is None or found.gaps < best.gaps):
            best = found
    return None if best is None else _learnt(keys, view.day, best.width)


def _learnt(keys: Array, day: Ints, width: int) -> Numbering | None:
    """The numbering of training rows, with so many digits; None where there are too many gaps."""
    series, numbers, known = _parts(keys, width)
    rows = pd.DataFrame({"series": series, "number": numbers, "day": day})[known]
    rows = rows.sort_values(["series", "number", "day"]).drop_duplicates(["series", "number"])
    code, number, day = (rows[name].to_numpy() for name in ("series", "number", "day"))
    same = code[1:] == code[:-1]
    steps = np.diff(number)[same]
    if len(steps) < max(_ROWS, HALF * len(keys)) or rows["number"].nunique() < _NUMBERS:
        return None
    step = int(np.median(steps))
    # as batches are held against those before them: what comes on a later day lacks until then
    follows = (steps == step) & (day[:-1][same] <= day[1:][same])
    gaps = int(np.count_nonzero(~follows))
    if gaps > NEARLY * len(steps):
        return None
    digits = {len(str(each)) for each in (int(number.min()), int(number.max()))}
    texts = {len(text) for text in _digits_of(keys[:SAMPLE], width)}
    widths = {*texts} if len(texts) == 1 else digits
    return Numbering(
        width=width,
        digits=widths.pop() if len(widths) == 1 else 0,
        step=step,
        start=_start(rows),
        gaps=gaps,
    )


def _start(rows: pd.DataFrame) -> int | None:
    """The number that series begin with; None where one may rest for longer than is looked back.

    One that is short beside the training, such as of a day, would have been seen to go on.
    """
    begun = rows.groupby("series").agg(
        number=("number", "min"), day=("day", "min"), last=("day", "max")
    )
    first_day, last_day = begun["day"].min(), begun["last"].max()
    if (begun["last"] - begun["day"]).max() >= min(DAYS, HALF * (last_day - first_day)):
        return None
    starts = begun.loc[begun["day"] > first_day, "number"]
    is_one = len(starts) >= ENOUGH_DAYS and starts.nunique() == 1
    return int(starts.iloc[0]) if is_one else None


def _widths(keys: Array) -> Iterator[int]:
    """The numbers of digits to try: all, then fewer and fewer where all keys have as many."""
    yield 0
    lengths = {len(text) for text in _digits_of(keys, 0)}
    if len(lengths) == 1:
        yield from range(min(lengths.pop() - 1, _MOST_DIGITS), _FEWEST_DIGITS - 1, -1)


def _digits_of(keys: Array, width: int) -> Iterator[str]:
    """The digits of the numbers of keys."""
    pattern = re.compile(rf"([0-9]{{1,{width or 10**6}}})[^0-9]*$")
    found = (pattern.search(str(key)) for key in keys.tolist())
    return (match[1] for match in found if match is not None)


def _parts(keys: Array, width: int) -> tuple[Array, Ints, Bools]:
    """The series of each key, a digest; its number; and whether it has any."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = pa.array(keys).cast(pa.string())
    digits = f"[0-9]{{{width}}}" if width else f"[0-9]{{1,{_MOST_DIGITS}}}"
    least = "?" if not width else ""
    pattern = rf"^(?s:(?P<series>.*{least})(?P<number>{digits})(?P<rest>[^0-9]*))$"
    matches = pc.extract_regex(texts, pattern)
    known = np.asarray(pc.is_valid(matches))
    number = pc.fill_null(pc.struct_field(matches, "number").cast(pa.int64()), 0)
    named = pc.binary_join_element_wise(
        pc.struct_field(matches, "series"), pc.struct_field(matches, "rest"), "0"
    )
    series = digests_of(pc.fill_null(named, "").to_numpy(zero_copy_only=False))
    return series, number.to_numpy(), known
