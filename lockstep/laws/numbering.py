"""Numbering: keys count on from day to day, such as numbers of cases, receipts and orders.

Where keys are given out in order, those of a day come after those of the days before it. Rows whose
keys begin anew, or are those of another system, may all be new by their keys, and of their day by
their time: what gives them away is the order. Keys are compared as people sort them, by the numbers
in them and what stands between (natural order: Pool, "Natural Order String Comparison", 2000). A
few may be given out before their day, as a case that is opened earlier: of each day its middle key
tells where the count was.
"""

from __future__ import annotations

import re
from itertools import compress
from typing import ClassVar

import numpy as np

from lockstep.columns.kinds import Array, Ints
from lockstep.columns.plain import counted, show
from lockstep.laws.copies import MORE, TIMES
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.rows import Rows, TrainingRows

MOST_ROWS = 1_000
"""Rows of a day whose keys are looked at, spread evenly over it."""
MOST_USUAL = 0.05
"""Share of a training day's keys that come before the middle one of the day before, at most."""
MANY = 0.2
"""Share of a batch's keys beyond what is usual that cannot come before."""
_NUMBERS = re.compile(r"(\d{1,400})", re.ASCII)
"""Numbers in a key: of more digits than that none is read, what follows is another one."""

Order = tuple[str | int, ...]
"""A key as it is compared: texts and numbers in turn."""


class CountsOn(Law, frozen=True, kw_only=True, tag="counts on"):
    """Keys of a day come after the middle one of the day before.

    Attributes:
        last_day: The last training day, in ISO form.
        last: Its middle key.
        usual: Largest share of a training day's keys that came before.
    """

    binds: ClassVar[bool] = False
    lacks: ClassVar[str] = "it is of no day that follows those of training"

    last_day: str
    last: str
    usual: float

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"{self.columns[0]} counts on from day to day."

    def find(self, rows: Rows) -> Broken | None:
        """The keys that come before those of the day before; see `Law.find`.

        Numbers of a new series, such as of another year behind them, begin anew: that warns.
        """
        before = self._before(rows)
        if before is None or not len(rows):
            return None
        day, middle = before
        looked, keys = _ordered(rows)
        last = _order(middle)
        is_behind = [key < last for key in keys]
        behind = looked[is_behind]
        share = len(behind) / len(looked)
        is_chance = self.usual > 0 and len(behind) <= MORE  # of a batch of few rows
        if share <= TIMES * self.usual + MANY or is_chance:
            return None
        first = show(rows.columns[self.columns[0]][behind[0]])
        of = f" of {counted(len(looked), 'row')} that were looked at" * (len(looked) < len(rows))
        return Broken(
            law=self,
            columns=self.columns,
            message=f"{100 * share:.3g} % of the keys{of}, such as {first}, come before "
            f"{show(middle)}, the middle one of {day}; on training days at most "
            f"{100 * self.usual:.3g} % came before that of the day before: they are counted anew, "
            "or by something else",
            rows=behind,
            strict=self.is_strict and not _begin_series(list(compress(keys, is_behind)), middle),
            numbers={"share of keys that come before": share},
            cases={"share": share},
        )

    def looks_at(self, rows: Rows) -> int:
        """See `Law.looks_at`."""
        return 0 if self._before(rows) is None else min(len(rows), MOST_ROWS)

    def _before(self, rows: Rows) -> tuple[str, str] | None:
        """The last day before that of a batch whose middle key is known, and that key."""
        if rows.day is None or rows.day <= self.last_day:
            return None
        for batch in reversed(rows.earlier):
            if self.last_day < batch.partition < rows.day and batch.middle_key is not None:
                return batch.partition, batch.middle_key
        return self.last_day, self.last


def _begin_series(keys: list[Order], middle: str) -> bool:
    """Whether a number in keys is one and the same, and larger than that of a key before them."""
    before = _order(middle)
    if any(len(one) != len(before) for one in keys):
        return False
    return any(
        place % 2 and len({*now}) == 1 and now[0] > number
        for place, (number, *now) in enumerate(zip(before, *keys, strict=True))
    )


def middle_key(rows: Rows) -> str | None:
    """The middle one of the keys of some rows, as text; None where there are none.

    Args:
        rows: The rows.
    """
    looked, keys = _ordered(rows)
    if not keys:
        return None
    middle = sorted(range(len(keys)), key=keys.__getitem__)[len(keys) // 2]
    return str(rows.columns[_key(rows)][looked[middle]])


def _key(rows: Rows) -> str:
    key = rows.schema.key
    assert key is not None, "rows that are scored have a key"
    return key


def _order(key: str) -> Order:
    parts: list[str | int] = list(_NUMBERS.split(key))
    parts[1::2] = map(int, parts[1::2])
    return tuple(parts)


def _ordered(rows: Rows) -> tuple[Ints, list[Order]]:
    """Positions of the rows whose keys are looked at, and these as they are compared."""
    return rows.once("keys in order", lambda: _find_ordered(rows))


def _find_ordered(rows: Rows) -> tuple[Ints, list[Order]]:
    looked = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_ROWS)).astype(np.int64))
    keys: Array = rows.columns[_key(rows)][looked]
    return looked, [_order(str(key)) for key in keys.tolist()]


def discover(training: TrainingRows) -> list[CountsOn]:
    """Whether keys count on from each training day to the next.

    Args:
        training: The training rows.
    """
    key = training.rows.schema.key
    if key is None or not training.has_days or training.days < ENOUGH_DAYS:
        return []
    middle: str | None = None
    usual, day = 0.0, ""
    for rows in training.each():
        if middle is not None:
            last, (_, keys) = _order(middle), _ordered(rows)
            usual = max(usual, float(np.mean([one < last for one in keys])))
            if usual > MOST_USUAL:
                return []
        middle, day = middle_key(rows), str(rows.day)
    assert middle is not None, "training days have rows"
    return [CountsOn(columns=(key,), days=training.days, last_day=day, last=middle, usual=usual)]
