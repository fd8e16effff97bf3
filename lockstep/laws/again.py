"""What is delivered again: rows without a day that were there before, under other keys.

A file may hold the rows of training, or of a file before it, as they were. Under their own keys
they are those very rows, scored once more; under other keys they are not what they are said to be.
How many rows agree by chance follows from how many of training agree with another one: see
`lockstep.laws.selection`. Rows of days are held against the days before them: see
`lockstep.laws.identity`.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd

from lockstep.columns.kinds import Array
from lockstep.columns.plain import counted, listed, verb
from lockstep.laws.copies import MOST_USUAL, WINDOW, repeats
from lockstep.laws.earlier import Digests, held_by, mixed
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.selection import SELECTED, improbability, levels

FEWEST = 10
"""Rows from which on it can be an error: a few may be a trial, taken from training by hand."""


class NewRows(Law, frozen=True, kw_only=True, tag="new rows"):
    """Rows were not there before under another key.

    Attributes:
        contents: Digests of the values of training's rows, but for their keys.
        known: Digests of the same with their keys.
        alike: How many rows of training agree with another one.
        has_keys: Whether rows come with their keys, rather than being counted.
        unusual: From which improbability on it warns: see `lockstep.laws.selection`.
        impossible: From which on it cannot be.
    """

    binds: ClassVar[bool] = False
    tried_on: ClassVar[str] = "training rows"
    lacks: ClassVar[str] = "the batch has so few rows that chance may do that"

    contents: Digests
    known: Digests
    alike: int
    has_keys: bool
    unusual: float
    impossible: float

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return "rows do not come again under other keys"

    def find(self, rows: Rows) -> Broken | None:
        """See `Law.find`."""
        contents = rows.digests_without()
        of_training, is_told = self.contents.hold(contents)
        earlier = rows.earlier[-WINDOW:]
        published = held_by([one.contents for one in earlier], contents)
        of_training &= ~self.known.hold(_with_keys(rows))[0]
        published &= ~held_by([one.keys for one in earlier], rows.key_digests)
        within = repeats(contents)
        again = of_training | published | within
        told, count = int(np.count_nonzero(is_told | again)), int(np.count_nonzero(again))
        if improbability(self.days, self.alike, told, count) < self.unusual:
            return None
        where = ["the training rows"] if of_training.any() else []
        files = (one for one in earlier[::-1] if one.contents.hold(contents[published])[0].any())
        where += [one.partition for one in files]
        where += ["rows before them"] if within.any() else []
        impossible = improbability(self.days, self.alike, told, count, SELECTED) >= self.impossible
        return Broken(
            law=self,
            columns=self.columns,
            message=f"{counted(count, 'row')} of {len(rows):,} {verb(count, 'has', 'have')}, but "
            f"for {self.columns[0]}, all values of {listed(where, 3)}; of {self.days:,} training "
            f"rows {self.alike:,} {verb(self.alike, 'agrees', 'agree')} with another one",
            rows=np.flatnonzero(again),
            strict=self.is_strict and self.has_keys and count >= FEWEST and impossible,
            numbers={"copies": count},
        )

    def looks_at(self, rows: Rows) -> int:
        """See `Law.looks_at`."""
        count = len(rows)
        return count if improbability(self.days, self.alike, count, count) >= self.unusual else 0


def discover(training: TrainingRows) -> list[NewRows]:
    """What training says of rows without days that come again.

    Args:
        training: The training rows.
    """
    rows = training.rows
    if training.has_days or rows.schema.key is None or len(rows) < ENOUGH_DAYS:
        return []
    contents = rows.digests_without()
    alike = int(pd.Series(contents).duplicated(keep=False).sum())
    if alike > MOST_USUAL * len(rows):
        return []
    unusual, impossible = levels(1)
    key = next(one for one in rows.schema if one.role == "key")
    law = NewRows(
        columns=(key.name,),
        days=len(rows),
        contents=Digests.of(contents),
        known=Digests.of(_with_keys(rows)),
        alike=alike,
        has_keys=not key.is_row_number,
        unusual=unusual,
        impossible=impossible,
    )
    return [law]


def _with_keys(rows: Rows) -> Array:
    """A digest of each row's values and its key."""
    return mixed((rows.digests_without(), rows.key_digests), len(rows))
