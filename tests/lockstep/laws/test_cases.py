"""Cases: which combinations of values rows have, among those that training knew."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lockstep.columns.schema import Field, Schema
from lockstep.laws.cases import Cases
from lockstep.laws.rows import Rows
from lockstep.laws.terms import Term, grouped

SCHEMA = Schema(
    "Flight",
    (
        Field("carrier", "str", optional=True),
        Field("origin", "str", optional=True),
    ),
)
texts = st.sampled_from(["A", "B", "C", None])


@given(st.lists(st.tuples(texts, texts), min_size=1), st.sampled_from([1, 2]))
def test_each_row_is_of_the_case_of_its_values_wherever_some_are_missing(pairs, count):
    carrier, origin = (np.array(one, dtype=object) for one in zip(*pairs, strict=True))
    rows = Rows({"carrier": carrier, "origin": origin}, SCHEMA)
    terms = (Term("carrier"), Term("origin"))[:count]
    of_row = grouped(rows, terms)
    known = np.unique(of_row[of_row >= 0])

    cases, groups = Cases.of(rows, terms, known)

    places = cases.places(rows) if len(known) else np.full(len(rows), -1)
    assert sorted(groups) == known.tolist()
    assert np.append(groups, -1)[places].tolist() == of_row.tolist()
