"""What goes wrong with rows: lost, repeated, of another day, of a test, under other keys."""

from __future__ import annotations

import pandas as pd

from benchmarks.skew.deliveries import (
    Case,
    Change,
    afternoon,
    alter,
    both,
    local_times,
    noon,
    part,
    segment,
    thing,
    without,
)
from benchmarks.skew.transformation import (
    Transformation,
    each,
    key_and_time,
    parts_and_time,
    rows_themselves,
)


def _with(extra: pd.DataFrame, case: Case) -> pd.DataFrame:
    return pd.concat([case.rows, extra], ignore_index=True)


def _repeated(share: float, ending: str = "") -> Change:
    """A share of the rows comes again, under their own keys or under others."""

    def change(case: Case) -> pd.DataFrame:
        again = case.rows[part(share)(case)].copy()
        if ending:
            again[case.roles.key] = again[case.roles.key].astype(str) + ending
        return _with(again, case)

    return change


def _yesterday(case: Case) -> pd.DataFrame:
    return case.delivery.yesterday


def _redated(case: Case) -> pd.DataFrame:
    """Yesterday's rows with today's date in their time and, where it is told there, their key."""
    rows, roles = case.delivery.yesterday.copy(), case.roles
    day = local_times(rows, roles).dt.strftime("%Y-%m-%d")
    rows[roles.time] = rows[roles.time] + pd.Timedelta(days=1)
    today = local_times(rows, roles).dt.strftime("%Y-%m-%d")
    keys = rows[roles.key].astype(str)
    redated = [
        key.replace(old, new) if old in key else f"{key}1"
        for key, old, new in zip(keys, day, today, strict=True)
    ]
    return rows.assign(**{roles.key: redated})


def _with_rows_of(day: str, share: float) -> Change:
    def change(case: Case) -> pd.DataFrame:
        others: pd.DataFrame = getattr(case.delivery, day)
        return _with(others.head(max(int(share * len(case.rows)), 1)), case)

    return change


def _with_tests(case: Case) -> pd.DataFrame:
    """Ten rows of a test: one row again and again, under keys and a name of their own."""
    tests = pd.concat([case.rows.head(1)] * 10, ignore_index=True)
    tests[case.roles.key] = [f"test-{number}" for number in range(10)]
    if not pd.api.types.is_numeric_dtype(tests[case.roles.reporter]):
        tests[case.roles.reporter] = "TEST"
    for name in case.roles.amounts:
        tests[name] = 1
    return _with(tests, case)


def _keys_of_yesterday(case: Case) -> pd.DataFrame:
    key = case.roles.key
    keys = case.rows[key].astype(object).to_numpy().copy()
    old = case.delivery.yesterday[key].to_numpy()[: len(keys)]
    keys[: len(old)] = old
    return case.assign(**{key: keys})


def _in_pairs(case: Case) -> pd.DataFrame:
    """Each second row has the key of the row before it."""
    key = case.roles.key
    keys = case.rows[key].astype(object).to_numpy().copy()
    keys[1::2] = keys[: len(keys) - 1 : 2]
    return case.assign(**{key: keys})


def _moved_to_other(case: Case) -> pd.DataFrame:
    """Two things that report have each other's names."""
    first, *rest = case.common(case.roles.reporter)
    names = case.rows[case.roles.reporter]
    swapped = names.replace({first: rest[0], rest[0]: first}) if rest else names
    return case.assign(**{case.roles.reporter: swapped})


def _rows(name: str, story: str, change: Change, *, blocks: bool = True) -> Transformation:
    beside = key_and_time if blocks else parts_and_time
    return Transformation(
        name, story, rows_themselves, change, blocks, population=not blocks, beside=beside
    )


def _keys(values: pd.Series, case: Case) -> object:
    return values.astype(str).str.replace(r"[\W_]+", "", regex=True).radd("id-")


VOLUMES: tuple[Transformation, ...] = (
    _rows("some_lost", "a fifth of the rows is lost", without(part(0.2)), blocks=False),
    _rows("half_lost", "half of the rows is lost", without(part(0.5)), blocks=False),
    _rows("segment_lost", "the rows of one segment are lost", without(segment), blocks=False),
    _rows("thing_lost", "the rows of one thing are lost", without(thing), blocks=False),
    _rows("thing_lost_from_noon", "the rows of one thing are lost from noon on",
          without(both(thing, noon)), blocks=False),
    _rows("hours_lost", "the rows from 14 to 18 o'clock are lost", without(afternoon),
          blocks=False),
    _rows("noon_lost", "the rows from noon on are lost", without(noon), blocks=False),
    _rows("broken_off", "the delivery breaks off after a tenth of its rows",
          lambda case: case.rows.head(max(len(case.rows) // 10, 1)), blocks=False),
    _rows("repeated", "a tenth of the rows comes twice", _repeated(0.1)),
    _rows("repeated_under_other_keys", "a tenth of the rows comes twice, under other keys",
          _repeated(0.1, "b")),
    _rows("twice_under_other_keys", "all rows come twice, under other keys",
          _repeated(1.1, "-2")),
    _rows("yesterday_again", "all rows are yesterday's", _yesterday),
    _rows("yesterday_redated", "yesterday's rows come with today's date", _redated),
    _rows("rows_of_yesterday", "some rows are yesterday's", _with_rows_of("yesterday", 0.1)),
    _rows("rows_of_tomorrow", "some rows are tomorrow's", _with_rows_of("tomorrow", 0.1)),
    Transformation("rows_of_a_test", "rows of a test are among them", rows_themselves,
                   _with_tests, beside=parts_and_time),
    Transformation("keys_of_other_form", "keys come in another form", each("key"), alter(_keys)),
    Transformation("keys_of_yesterday", "rows come under keys of yesterday", each("key"),
                   _keys_of_yesterday),
    Transformation("keys_in_pairs", "each second row has the key of the one before it", each("key"),
                   _in_pairs),
    Transformation("things_exchanged", "two of {} have each other's names", each("reporter"),
                   _moved_to_other,
                   beside=lambda roles, _: roles.lookups.get(roles.reporter, ())),
    Transformation("lost_when_told_again", "a fifth of the rows is lost when the day comes again",
                   each("key"), without(part(0.2)), blocks=False, again=True, beside=key_and_time),
)  # fmt: skip
"""What goes wrong with rows."""
