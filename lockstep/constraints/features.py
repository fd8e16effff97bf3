"""Row features: one number a row each, of which a batch has a mean.

A feature of 0 and 1 says of a row whether something holds; NaN that it does not apply.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from lockstep.columns.kinds import Array


class Feature(msgspec.Struct, frozen=True):
    """What is told of each row, or of a batch as a whole.

    Attributes:
        family: Which family of constraints it is of.
        kind: What it is, in a word or two: features of a kind have limits in common.
        columns: The fields to look at, the first suspect first.
        says: What holds for a row of which it is 1, or what is measured; after "rows that".
        by_row: Whether a single row may be at fault, as where something never was.
        strict: Whether no training row broke it, and on enough distinct things to tell.
    """

    family: str
    kind: str
    columns: tuple[str, ...]
    says: str = ""
    by_row: bool = False
    strict: bool = False

    @property
    def identity(self) -> str:
        """Tells it apart from all others, in every version that finds it again."""
        return f"{self.kind}:{','.join(self.columns)}:{self.says}"


class Measured(NamedTuple):
    """A feature with its value in each row."""

    feature: Feature
    values: Array
