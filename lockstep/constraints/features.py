"""Row features: numbers of each row, of which a batch has the means.

A feature of 0 and 1 says whether something holds for a row; NaN says that it does not apply.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from lockstep.columns.kinds import Array


class Feature(msgspec.Struct, frozen=True):
    """A number of each row, or of a batch as a whole."""

    family: str
    kind: str  # what it is, in a word or two; features of a kind share their limits
    columns: tuple[str, ...]  # the fields to look at, the first suspect first
    says: str = ""  # what holds for a row where it is 1, after "rows that"; or what is measured
    # whether single rows may be at fault, such as a value that never was before
    by_row: bool = False
    # whether it is a rule that no training row broke, on enough distinct things
    strict: bool = False
    of_day: bool = False  # whether it is the one number that all rows of a day have in a column

    @property
    def identity(self) -> str:
        """A text that no other feature has, the same in all versions that find the feature."""
        return f"{self.kind}:{','.join(self.columns)}:{self.says}"


class Measured(NamedTuple):
    """A feature with its value in each row."""

    feature: Feature
    values: Array  # its values; NaN where it does not apply, or is not known
    # which rows have no value since rows before them are not known: bool; None for none
    lacks: Array | None = None
