"""ConstraintSet: stored, of tables that tell little, and of a batch beside it."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.columns.schema import Field, Schema
from lockstep.constraints.constraint_set import FORMAT, ConstraintSet, discover
from lockstep.constraints.findings import findings_of
from lockstep.constraints.rules import Rules
from tests.lockstep.constraints.tables import (
    EVENT,
    FIRST,
    KEY,
    changed,
    days_of,
    judged_days,
    orders,
    remembered_days,
    texts,
)

# --- stored ---


def test_constraints_that_were_stored_judge_the_same(shops):
    rows, stored = changed(shops.day(), "weight", slice(0, 9), -1.0), shops.constraints.to_bytes()
    read = ConstraintSet.from_bytes(stored)
    one, other = (
        judged_days(of, of.view(rows, days_of(rows), ()))[0] for of in (shops.constraints, read)
    )
    for name in ("values", "sizes", "evidence", "blocks", "low", "high"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    assert read.to_bytes() == stored


def test_the_same_rows_give_the_same_bytes():
    rows = {"id": texts(range(60)), "x": np.random.default_rng(0).normal(size=60)}
    schema = Schema("Row", (KEY, Field("x", "float")))
    assert discover(rows, schema).to_bytes() == discover(rows, schema).to_bytes()


@given(st.floats(0, 1, exclude_max=True))
@settings(max_examples=20)
def test_a_part_of_what_was_stored_is_refused(share):
    with pytest.raises(msgspec.MsgspecError):
        ConstraintSet.from_bytes(SMALL[: int(share * len(SMALL))])


@pytest.mark.parametrize("what", [b"layout", b"<f8", b"key", b"rows", b"dtype", b"shape", b"UTC"])
def test_what_is_damaged_is_refused(what):
    damaged = b"\xff" if what in (b"dtype", b"shape", b"UTC") else b"?"
    assert what in SMALL
    with pytest.raises(msgspec.MsgspecError):
        ConstraintSet.from_bytes(SMALL.replace(what, what[:-1] + damaged))


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"format": FORMAT + 1}, "format"),
        ({"features": ()}, "do not agree"),
        ({"rules": Rules(())}, "do not agree"),
        ({"features": (), "rules": Rules(())}, "do not agree"),
    ],
)
def test_another_format_and_parts_that_do_not_belong_together_are_refused(shops, parts, why):
    other = msgspec.structs.replace(shops.constraints, **parts)
    with pytest.raises(msgspec.ValidationError, match=why):
        ConstraintSet.from_bytes(other.to_bytes())


# --- tables that tell little ---


def little(rows, days, *, event=True, own=0):
    """Columns of all kinds, with nothing to be learnt; some are missing, constant or infinite."""
    random = np.random.default_rng(own)
    start = np.datetime64(FIRST + own, "D").astype("datetime64[us]")
    micros = np.sort(random.integers(0, days * 86_400_000_000, rows)).astype("timedelta64[us]")
    none = random.random(rows) < 0.1
    fields = {
        "id": (KEY, texts([f"k{number:05d}" for number in range(rows)])),
        "at": (EVENT, start + micros),
        "x": ("float", np.where(none, np.nan, random.normal(size=rows))),
        "constant": ("float", np.ones(rows)),
        "lacking": ("float", np.full(rows, np.nan)),
        "silent": ("str", texts([None] * rows)),
        "letter": ("str", texts(np.where(none, None, random.choice([*"abc"], rows)).tolist())),
        "word": ("str", texts([f"u{one}" for one in random.integers(0, 10**6, rows)])),
        "then": ("datetime", np.where(none, np.datetime64("NaT"), start + 2 * micros)),
        "date": ("str", texts((start + micros).astype("datetime64[D]").tolist())),
        "few": ("int", random.integers(0, 5, rows).astype(float)),
        "yes": ("bool", (random.random(rows) < 0.5).astype(float)),
        "huge": ("float", np.where(none, np.inf, 1e300 * random.random(rows))),
        "least": ("float", np.where(none, -np.inf, random.random(rows))),
    }
    if not event:
        del fields["at"]
    declared = [
        one if isinstance(one, Field) else Field(name, one, optional=True)
        for name, (one, _) in fields.items()
    ]
    return {name: values for name, (_, values) in fields.items()}, Schema("T", tuple(declared))


def batches_of(found, schema, *, event):
    """Judge batches of none, one and some rows, each after those before it."""
    past = []
    for ahead, rows in enumerate((0, 1, 20)):
        columns, _ = little(rows, 1, event=event, own=100 + ahead)
        view = found.view(columns, np.full(rows, FIRST + 100 + ahead), past)
        judged = judged_days(found, view)
        for day in judged:
            assert all(one.what for one in findings_of(found, view, day))
        past += remembered_days(found, view, judged, "p")
    return past


SIZES = [(0, 1), (1, 1), (3, 1), (49, 7), (50, 2), (60, 30), (400, 40), (500, 1)]


@pytest.mark.parametrize("event", [True, False], ids=["event time", "none"])
@pytest.mark.parametrize(("rows", "days"), SIZES)
def test_tables_that_tell_little_are_judged_without_an_error(rows, days, event):
    columns, schema = little(rows, days, event=event)
    found = discover(columns, schema, "America/New_York")
    found = ConstraintSet.from_bytes(found.to_bytes())
    assert len(batches_of(found, schema, event=event)) == 2


@pytest.mark.parametrize("kept", ["constant", "lacking", "silent", "letter", "then", "huge", None])
def test_a_single_column_is_judged_without_an_error(kept):
    columns, schema = little(400, 40)
    names = [one for one in schema if one.name in ("id", "at", kept)]
    schema = Schema("T", tuple(names))
    assert len(batches_of(discover(columns, schema), schema, event=True)) == 2


SMALL = discover(*little(60, 3)).to_bytes()


@pytest.mark.parametrize(
    ("rows", "days", "event", "why"),
    [
        (49, 7, True, {"all": "training has 49 rows, and it takes 50"}),
        (1, 1, True, {"all": "training has 1 row, and it takes 50"}),
        (60, 1, True, {"statistics": "training has 1 day, and it takes 20"}),
        (2000, 1, False, {"history": "rows have no event time"}),
        (400, 40, True, {}),
    ],
)
def test_it_says_what_could_not_be_judged(rows, days, event, why):
    assert discover(*little(rows, days, event=event)).unjudged == why


def test_training_rows_without_a_time_are_left_out():
    columns, schema = little(60, 2)
    columns["at"][:5] = np.datetime64("NaT")
    assert discover(columns, schema).rows == 55


# --- a batch beside it ---


def test_what_no_training_row_had_blocks_in_half_of_a_batch_of_three_hundred(shops):
    rows = orders(120, growth=3.95)
    count = len(rows["id"])
    assert 280 < count < 320
    found = shops.findings(changed(rows, "note", slice(0, int(0.47 * count)), "NULL"))
    assert [one.blocks for one in found if one.columns[0] == "note"] == [True]


def test_the_order_of_rows_changes_nothing(shops):
    rows = changed(shops.day(), "weight", slice(0, 9), -1.0)
    dealt = np.random.default_rng(0).permutation(len(rows["id"]))
    found = shops.findings({name: values[dealt] for name, values in rows.items()})
    assert [one.what for one in found] == [one.what for one in shops.findings(rows)]


def test_a_batch_without_rows_has_no_days(shops):
    assert shops.findings({name: values[:0] for name, values in shops.day().items()}) == []
