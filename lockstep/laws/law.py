"""Laws: what each says of a batch's rows, how often training days broke it, and what breaks it.

A law is found in the training rows, by its own kind of search, and never from the name of a
column. It holds how many training days it was tried on, each left out in turn while it was learnt
from the others, and how many of these broke it. One that none of them broke is strict: a batch
that breaks it is not published. One that a few broke tells what is unusual.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import msgspec
import numpy as np

from lockstep.columns.kinds import Array
from lockstep.laws.rows import Rows

ENOUGH_DAYS = 20
"""Training days that it takes until what none of them broke is held to be a law."""


@dataclass(frozen=True, eq=False)
class Broken:
    """A law that a batch breaks.

    Attributes:
        law: The law.
        columns: The columns to look at, the first suspect first: those of the law that may be at
            fault, and others that stray in the same batch and that no broken law names.
        message: What was found, for a person, with figures of both sides.
        rows: Positions of the rows that break it; empty where it is about the batch as a whole.
        strict: Whether that cannot be: an error. Otherwise it is merely unusual: a warning.
        numbers: Figures to plot, by title.
        cases: What of the law is broken, and how much: of what the batches that follow may have as
            well, once it was accepted; empty where each batch is to be looked at.
    """

    law: Law
    columns: tuple[str, ...]
    message: str
    rows: Array = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    strict: bool = True
    numbers: dict[str, float] = field(default_factory=dict)
    cases: dict[str, float] = field(default_factory=dict)


class Law(msgspec.Struct, frozen=True, kw_only=True, tag_field="law"):
    """What holds for the rows of a batch.

    Attributes:
        columns: The fields that it is about.
        days: Training days on which it was tried, each left out in turn; or what else it was.
        broken: How many of these broke it.
    """

    binds: ClassVar[bool] = True
    """Whether any of its columns, with its values at other rows, breaks it."""

    pins: ClassVar[bool] = False
    """Whether it tells of each row by itself that its columns belong together: while it is kept,
    none of them is at fault."""

    tried_on: ClassVar[str] = "training days"
    """What `days` are."""

    lacks: ClassVar[str] = "the batch has no day as large as those of training"
    """What a batch lacks in which the law has nothing to compare."""

    columns: tuple[str, ...]
    days: int
    broken: int = 0

    @property
    def is_strict(self) -> bool:
        """Whether training never broke it, on enough days to tell."""
        return self.broken == 0 and self.days >= ENOUGH_DAYS

    @property
    def digest(self) -> str:
        """Tells the law apart from all others: 16 hexadecimal digits of a SHA-256."""
        return self._digest_of(self.says)

    def _digest_of(self, what: object) -> str:
        """The digest of a law of this kind and these columns, by what else tells it apart."""
        told = (type(self).__struct_config__.tag, self.columns, what)
        return hashlib.sha256(msgspec.json.encode(told)).hexdigest()[:16]

    @property
    @abstractmethod
    def says(self) -> str:
        """What it says, in a sentence."""

    @abstractmethod
    def find(self, rows: Rows) -> Broken | None:
        """What breaks it in a batch; None if nothing does, or if the batch cannot tell.

        Args:
            rows: The rows of the batch, each of them with all fields.
        """

    def looks_at(self, rows: Rows) -> int:
        """How many rows of a batch it looks at; 0 where the batch has nothing to compare.

        Args:
            rows: The rows of the batch.
        """
        return len(rows)
