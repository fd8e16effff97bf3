"""Trials: what nearly all rows of training follow, held to all training days.

Data that were corrected since, or came late, are against it in some rows of a few days. How many
rows of a day were at most is what is usual.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from msgspec.structs import replace

from lockstep.columns.kinds import Ints
from lockstep.laws.law import ENOUGH_DAYS, Law
from lockstep.laws.recalled import MOST_BROKEN, MOST_OFF
from lockstep.laws.rows import TrainingRows

AnyLaw = TypeVar("AnyLaw", bound=Law)


def tried(training: TrainingRows, law: AnyLaw, known: Ints, off: Ints) -> AnyLaw | None:
    """A law with how training days kept it; None where too few tell it, or too many break it.

    Args:
        training: The training rows.
        law: What holds, with a `usual` share of a day's rows in which it does not.
        known: Positions of the rows that tell whether it does.
        off: Those of these in which it does not.
    """
    rows, wrong = (
        np.bincount(training.day_of[one], minlength=training.days) for one in (known, off)
    )
    days, broken = int(np.count_nonzero(rows)), int(np.count_nonzero(wrong))
    usual = float((wrong / np.maximum(rows, 1)).max())
    if days < ENOUGH_DAYS or usual > MOST_OFF or broken > MOST_BROKEN * days:
        return None
    return replace(law, days=days, broken=broken, usual=usual)
