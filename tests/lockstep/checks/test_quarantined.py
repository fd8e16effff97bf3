"""What is missing because its rows were quarantined is told where it shows."""

import numpy as np
import pytest

from lockstep.checks.ingest import QuarantinedValues
from lockstep.columns.aside import Aside
from lockstep.columns.decode import Reason, Rejected
from lockstep.columns.schema import Field, Schema

TABLE = Schema("Row", (Field("id", "str", role="key"), Field("city", "str", alias="the city")))
REASON = Reason("price", "type", "is no number: 'n/a'", "is no number")


def rejected(count: int, **record: str) -> list[Rejected]:
    return [Rejected(row, f"Q-{row}", (REASON,), dict(record)) for row in range(count)]


@pytest.mark.parametrize(
    ("count", "kept", "is_told"), [(20, 0, True), (20, 20, True), (20, 30, False), (2, 0, False)]
)
@pytest.mark.parametrize("named", ["city", "the city"])
def test_a_value_most_of_whose_rows_were_quarantined_is_told(count, kept, is_told, named):
    columns = {"city": np.array(["London"] * kept + ["Rome"] * 50, dtype=object)}
    rows = rejected(count, **{named: "London"})
    told = QuarantinedValues(Aside.of(rows), columns, TABLE).told(["city"])

    assert ("20 of" in told and "city London were quarantined" in told) is is_told
    assert bool(told) is is_told
