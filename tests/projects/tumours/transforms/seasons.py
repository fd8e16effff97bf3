"""Parts of a year."""

from __future__ import annotations

import numpy as np

from lockstep import Ints, Times


def quarter_of(time: Times) -> Ints:
    """Quarter of the year, 1 to 4."""
    month = time.astype("datetime64[M]").astype(np.int64) % 12
    return month // 3 + 1
