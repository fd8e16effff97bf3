"""What goes wrong with rows: lost, repeated, of another day, of a test, under other keys."""

from __future__ import annotations

import pandas as pd

from benchmarks.skew.deliveries import (
    Case,
    Change,
    Where,
    afternoon,
    alter,
    column_by_column,
    exchanged,
    is_number,
    local_times,
    noon,
    part,
    segment,
    thing,
    without,
)
from benchmarks.skew.transformation import (
    Transformation,
    drift,
    key_and_time,
    lookups_of,
    parts_and_time,
    wrong,
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


def _redated(case: Case) -> pd.DataFrame:
    """Yesterday's rows with today's date in their time and, where it is told there, their key.

    Where rows have no time, they come under keys of their own.
    """
    rows, roles = case.delivery.yesterday.copy(), case.roles
    if not roles.time:
        return rows.assign(**{roles.key: rows[roles.key].astype(str) + "1"})
    old = local_times(rows, roles).dt.strftime("%Y-%m-%d")
    rows[roles.time] = rows[roles.time] + pd.Timedelta(days=1)
    new = local_times(rows, roles).dt.strftime("%Y-%m-%d")
    keys = zip(rows[roles.key].astype(str), old, new, strict=True)
    redated = [key.replace(was, now) if was in key else f"{key}1" for key, was, now in keys]
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
    if not is_number(tests[case.roles.reporter]):
        tests[case.roles.reporter] = "TEST"
    return _with(tests.assign(**dict.fromkeys(case.roles.amounts, 1)), case)


@column_by_column
def _keys_of_yesterday(rows: pd.DataFrame, name: str, case: Case) -> object:
    keys = rows[name].to_numpy(dtype=object).copy()
    old = case.delivery.yesterday[name].to_numpy()[: len(keys)]
    keys[: len(old)] = old
    return keys


@column_by_column
def _in_pairs(rows: pd.DataFrame, name: str, case: Case) -> object:
    """Each second row has the key of the row before it."""
    keys = rows[name].to_numpy(dtype=object).copy()
    keys[1::2] = keys[: len(keys) - 1 : 2]
    return keys


@column_by_column
def _things_exchanged(rows: pd.DataFrame, name: str, case: Case) -> object:
    return exchanged(rows[name], case.common(name))


def _keys(values: pd.Series, case: Case) -> object:
    return values.astype(str).str.replace(r"[\W_]+", "", regex=True).radd("id-")


def _lost(name: str, story: str, where: Where) -> Transformation:
    return drift(name, story, "", without(where), beside=parts_and_time)


def _extra(name: str, story: str, change: Change) -> Transformation:
    return wrong(name, story, "", change, beside=key_and_time)


VOLUMES: tuple[Transformation, ...] = (
    _lost("some_lost", "a fifth of the rows is lost", part(0.2)),
    _lost("half_lost", "half of the rows is lost", part(0.5)),
    _lost("segment_lost", "the rows of one segment are lost", segment),
    _lost("thing_lost", "the rows of one thing are lost", thing),
    _lost("thing_lost_from_noon", "the rows of one thing are lost from noon on",
          lambda case: thing(case) & noon(case)),
    _lost("hours_lost", "the rows from 14 to 18 o'clock are lost", afternoon),
    _lost("noon_lost", "the rows from noon on are lost", noon),
    _lost("broken_off", "the delivery breaks off after a tenth of its rows",
          lambda case: pd.Series(case.rows.index >= max(len(case.rows) // 10, 1))),
    _extra("repeated", "a tenth of the rows comes twice", _repeated(0.1)),
    _extra("repeated_under_other_keys", "a tenth of the rows comes twice, under other keys",
           _repeated(0.1, "b")),
    _extra("twice_under_other_keys", "all rows come twice, under other keys", _repeated(1.1, "-2")),
    _extra("yesterday_again", "all rows are yesterday's", lambda case: case.delivery.yesterday),
    _extra("yesterday_redated", "yesterday's rows come with today's date", _redated),
    _extra("rows_of_yesterday", "some rows are yesterday's", _with_rows_of("yesterday", 0.1)),
    _extra("rows_of_tomorrow", "some rows are tomorrow's", _with_rows_of("tomorrow", 0.1)),
    wrong("rows_of_a_test", "rows of a test are among them", "", _with_tests,
          beside=parts_and_time),
    wrong("keys_of_other_form", "keys come in another form", "key", alter(_keys)),
    wrong("keys_of_yesterday", "rows come under keys of yesterday", "key", _keys_of_yesterday),
    wrong("keys_in_pairs", "each second row has the key of the one before it", "key", _in_pairs),
    wrong("things_exchanged", "two of {} have each other's names", "reporter", _things_exchanged,
          beside=lookups_of),
    wrong("lost_when_told_again", "a fifth of the rows is lost when the day comes again", "key",
          without(part(0.2)), blocks=False, again=True, beside=key_and_time),
)  # fmt: skip
