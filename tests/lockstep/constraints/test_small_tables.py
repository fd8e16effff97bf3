"""Small tables whose rows have no time: blocks of a few rows stand for days, in any order."""

import numpy as np
import pytest
from sklearn.datasets import load_wine

from lockstep.columns.schema import Field, Schema
from lockstep.constraints.aggregates import Expected
from lockstep.constraints.constraint_set import discover
from lockstep.constraints.dependencies import OfDay
from lockstep.constraints.drift import drift
from lockstep.constraints.findings import findings_of
from lockstep.stats.limits import ENOUGH_DAYS
from lockstep.stats.states import Frequent
from tests.lockstep.constraints.tables import KEY, judged_days, only, texts

WINE = load_wine()
SCHEMA = Schema("Wine", (KEY, *(Field(name, "float") for name in WINE.feature_names)))
ROWS = {
    "id": texts(range(len(WINE.data))),
    **dict(zip(WINE.feature_names, WINE.data.T, strict=True)),
}


def halves(seed: int, by: str | None = None):
    """The constraints of 120 rows, and the 58 others; both in order of a column, if given."""
    order = np.random.default_rng(seed).permutation(len(WINE.data))
    trained, others = (only(ROWS, rows) for rows in (order[:120], order[120:]))
    if by is not None:
        trained, others = (only(rows, np.argsort(rows[by])) for rows in (trained, others))
    return discover(trained, SCHEMA), others


def found(constraints, rows):
    """What a file with these rows breaks."""
    view = constraints.view(rows, np.full(len(rows["id"]), constraints.days), ())
    (day,) = judged_days(constraints, view)
    return findings_of(constraints, view, day)


@pytest.mark.parametrize("by", [None, "proline"], ids=["any order", "sorted"])
def test_files_of_any_size_and_order_are_as_usual(by):
    files = [(*halves(seed, by), size) for seed in range(5) for size in (12, 30, 58)]
    wrong = [
        finding.what
        for constraints, others, size in files
        for finding in found(constraints, only(others, np.arange(58) % (58 // size) == 0))
    ]
    assert len(wrong) <= 1, wrong


@pytest.mark.parametrize("change", [lambda own: own * 1000, lambda own: own * 0, lambda own: -own])
def test_a_column_in_another_unit_is_found_by_each_check(change):
    constraints, others = halves(1)
    bad = {**others, "magnesium": change(others["magnesium"])}
    first = found(constraints, bad)[0]
    assert first.columns[0] == "magnesium"
    assert first.blocks
    assert [each.column for each in drift(constraints, bad) if each.is_far] == ["magnesium"]


def test_what_needs_days_is_not_learnt_of_blocks():
    rows = {**only(ROWS, np.argsort(ROWS["proline"])), "lot": np.sort(np.arange(178) // 15 * 1.0)}
    constraints = discover(rows, Schema("Wine", (*SCHEMA, Field("lot", "float"))))
    assert constraints.days == 22
    assert not constraints.layout.dated
    assert not [kept for kept in constraints.rules.rules if isinstance(kept.rule, OfDay)]
    kinds = {statistic.feature.kind for statistic in constraints.statistics}
    assert not kinds & {"volume", "count", "lacking", "numbering", "row to row"}


@pytest.mark.parametrize(
    ("rows", "blocks"), [(99, 19), (100, 20), (360, 20), (1_999, 39), (2_000, 40)]
)
def test_blocks_are_cut_to_the_rows(rows, blocks):
    constraints = discover({"id": texts(range(rows))}, Schema("T", (KEY,)))
    assert constraints.days == blocks
    assert ("statistics" in constraints.unjudged) == (blocks < ENOUGH_DAYS)


@pytest.mark.parametrize("rows", [1, 60, 120, 240])
def test_rows_that_all_differ_are_expected_to_differ(rows):
    expected = Expected.of(Frequent.of(np.arange(1, 121, dtype=np.uint64)), ())
    assert np.exp(expected.at(rows)) == pytest.approx(rows)


@pytest.mark.parametrize(("rows", "is_strict"), [(400, False), (4_000, True)])
def test_a_look_up_is_strict_where_few_of_its_pairs_were_seen_on_one_day(rows, is_strict):
    random = np.random.default_rng(4)
    zone = np.floor(130 * random.random(rows) ** 2)
    rates = random.integers(5, size=130)
    table = {
        "id": texts(range(rows)),
        "zone": texts(zone.astype(int)),
        "rate": texts(rates[zone.astype(int)]),
    }
    schema = Schema("Lots", (KEY, Field("zone", "str"), Field("rate", "str")))
    rules = {kept.rule.says: kept for kept in discover(table, schema).rules.rules}
    kept = rules["zone tells rate"]
    assert (kept.broken, kept.rows >= 300, kept.things >= 30) == (0, True, True)
    assert kept.feature.strict == is_strict
