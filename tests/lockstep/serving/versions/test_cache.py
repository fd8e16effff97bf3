"""The cache: the same answers as without it, for as many rows as it may keep."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.columns.decode import decode
from lockstep.columns.kinds import Kind
from lockstep.serving.metrics import Metrics
from lockstep.serving.versions.cache import Cache
from lockstep.serving.versions.request_scorer import Answer, Scorer

Records = list[dict[str, Any]]


def told(answers: Sequence[object]) -> list[Answer]:
    return [answer for answer in answers if isinstance(answer, Answer)]


@given(
    batches=st.lists(
        st.lists(st.lists(st.integers(0, 11), max_size=4), min_size=1, max_size=4), max_size=6
    ),
    kept=st.integers(1, 12),
)
@settings(max_examples=60, deadline=None)
def test_answers_are_those_without_a_cache(
    scorer: Scorer, orders: Records, batches: list[list[list[int]]], kept: int
) -> None:
    records = [*orders[:10], {**orders[10], "price": -1.0}, {**orders[11], "items": "many"}]
    remembering = scorer.remembering(kept)
    assert remembering.cache is not None

    for batch in batches:
        requests = [[records[place] for place in request] for request in batch]
        found, plain = told(remembering.answer(requests)), told(scorer.answer(requests))

        assert len(found) == len(plain) == len(requests)
        for one, other in zip(found, plain, strict=True):
            assert (one.rows, one.total) == (other.rows, other.total)
            assert [str(row) for row in one.rejected] == [str(row) for row in other.rejected]
            for name, values in other.columns.items():
                assert one.columns[name].dtype == values.dtype
                if values.dtype.kind == "f":  # alone and among others, a sum may end otherwise
                    np.testing.assert_allclose(one.columns[name], values, rtol=1e-12)
                else:
                    np.testing.assert_array_equal(one.columns[name], values)
        assert len(remembering.cache) <= kept


def test_a_row_that_was_scored_is_not_computed_again_whatever_its_key(
    scorer: Scorer, orders: Records
) -> None:
    remembering = scorer.remembering(100)
    assert remembering.cache is not None
    seen: list[tuple[int, int]] = []
    remembering.cache.looked_up.append(lambda known, unknown: seen.append((known, unknown)))

    (first,) = told(remembering.answer([orders[:3]]))
    (again,) = told(remembering.answer([[{**orders[1], "order_id": "another"}, orders[5]]]))

    assert seen == [(0, 3), (1, 1)]
    assert again.columns["order_id"].tolist() == ["another", orders[5]["order_id"]]
    for name in scorer.pipeline.graph.outputs:
        assert again.columns[name][0] == first.columns[name][1]


def test_a_record_that_is_written_in_another_way_is_the_same_row(
    scorer: Scorer, orders: Records
) -> None:
    schema = scorer.pipeline.record_schema
    cache = Cache.of(scorer.pipeline.graph, 1, scorer.wanted)
    record = {**orders[0], "price": 3.0}

    assert cache.rows_of(decode([record], schema).columns) == cache.rows_of(
        decode([{**record, "price": 3}], schema).columns
    )


def test_rows_that_differ_by_a_bit_are_different_rows() -> None:
    cache = Cache(2, {"x": Kind.FLOAT, "flag": Kind.BOOL, "name": Kind.TEXT}, {"y": Kind.FLOAT})
    columns = {
        "x": np.array([0.0, -0.0, np.nextafter(0, 1), 0.0, 0.0, np.nan]),
        "flag": np.array([False, False, False, True, False, False]),
        "name": np.array(["a", "a", "a", "a", None, "a"], dtype=object),
    }

    assert len(set(cache.rows_of(columns))) == 6


def test_the_row_that_was_not_asked_for_longest_goes_first() -> None:
    cache = Cache(2, {"x": Kind.FLOAT}, {"y": Kind.FLOAT})
    first, second, third = cache.rows_of({"x": np.array([1.0, 2.0, 3.0])})
    cache.keep([first, second], {"y": np.array([10.0, 20.0])})
    cache.look_up([first])

    cache.keep([third], {"y": np.array([30.0])})

    assert cache.look_up([first, second, third]) == [(10.0,), None, (30.0,)]


def test_metrics_count_the_rows_that_were_known_and_those_that_were_computed(
    scorer: Scorer, orders: Records
) -> None:
    remembering, metrics = scorer.remembering(9), Metrics("orders")
    metrics.follow_cache(remembering)

    remembering.answer([orders[:3]])
    remembering.answer([orders[:4]])

    text = metrics.text().decode()
    assert 'lockstep_cache_rows_total{outcome="known",pipeline="orders"} 3.0' in text
    assert 'lockstep_cache_rows_total{outcome="computed",pipeline="orders"} 4.0' in text
