"""A few flights, and what is expected of them."""

from __future__ import annotations

import numpy as np
import pytest

from transforms import Columns

_HOUR = np.timedelta64(1, "h")


@pytest.fixture
def flights() -> Columns:
    """Six flights; the temperature of the third is missing, that of the fifth impossible."""
    return {
        "flight_id": np.array([f"EV-{number}" for number in range(1, 7)], dtype=object),
        "carrier": np.array(["UA", "DL", None, "UA", "XX", "DL"], dtype=object),
        "temp": np.array([39.0, 41.5, np.nan, 18.0, 212.0, 55.0]),
        "dewp": np.array([28.0, 41.5, np.nan, 20.0, 14.0, np.nan]),
        "hour": np.array([5, 6, 6, 7, 8, 23]),
        "scheduled_at": np.datetime64("2013-01-01T05:00", "us") + np.arange(6) * _HOUR,
    }
