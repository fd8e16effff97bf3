"""Tables whose constraints are found once."""

import pytest

from tests.lockstep.constraints.tables import (
    METERS,
    ORDERS,
    READINGS,
    Known,
    days_of,
    meter_columns,
    only,
    orders,
    readings,
)

DAYS = 120


@pytest.fixture(scope="session")
def shops() -> Known:
    return Known.of(orders, ORDERS, DAYS)


@pytest.fixture(scope="session")
def sensors() -> Known:
    return Known.of(readings, READINGS, DAYS)


@pytest.fixture(scope="session")
def meters() -> Known:
    rows = meter_columns(DAYS + 7)
    first = days_of(rows).min()
    return Known.of(lambda day: only(rows, days_of(rows) == first + day), METERS, DAYS)
