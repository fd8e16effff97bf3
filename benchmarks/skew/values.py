"""What goes wrong with numbers: units, signs, digits, frozen sensors, values that are missing."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from benchmarks.skew.deliveries import (
    Case,
    Change,
    How,
    Where,
    alter,
    column_by_column,
    in_part,
    missing,
    noon,
    part,
    put,
    segment,
    thing,
)
from benchmarks.skew.transformation import Transformation, drift, in_parts, shift, wrong


def _numbers(values: pd.Series) -> pd.Series:
    found: pd.Series = pd.to_numeric(values).astype(float)
    return found


def _other_unit(values: pd.Series, case: Case) -> object:
    unit = case.roles.units[str(values.name)]
    return (_numbers(values) + unit.offset) * unit.factor


def _times(factor: float) -> How:
    return lambda values, _: _numbers(values) * factor


def _spread(values: pd.Series, case: Case) -> float:
    """The standard deviation of a column over all rows."""
    return float(_numbers(case.rows[str(values.name)]).std())


def _step(values: pd.Series, case: Case, share: float) -> float:
    """The power of ten next above a share of how far values lie apart; of one value, its size."""
    numbers = _numbers(case.rows[str(values.name)])
    spread = float(np.nanstd(numbers)) or abs(float(np.nanmedian(numbers)))
    return float(10.0 ** np.ceil(np.log10(max(spread, 1e-9) * share)))


def _rounded(values: pd.Series, case: Case) -> object:
    step = _step(values, case, 0.2)
    return (_numbers(values) / step).round() * step


def _truncated(values: pd.Series, case: Case) -> object:
    step = _step(values, case, 0.1)
    return np.trunc(_numbers(values) / step) * step


def _clipped(values: pd.Series, case: Case) -> object:
    return _numbers(values).clip(upper=float(_numbers(values).quantile(0.85)))


def _noisy(values: pd.Series, case: Case) -> object:
    noise = 0.25 * _spread(values, case) * case.chance.standard_normal(len(values))
    return _numbers(values) + noise


def _swapped(case: Case) -> pd.DataFrame:
    """Two columns in each other's place."""
    first, second = case.columns
    return case.assign(**{first: case.rows[second], second: case.rows[first]})


def _dealt_within(case: Case) -> pd.DataFrame:
    """Values dealt to other rows of the same segment."""
    rows, chance = case.rows.copy(), case.chance
    for name in case.columns:
        values = rows[name].to_numpy(dtype=object).copy()
        for _, places in sorted(rows.groupby(case.roles.parts).indices.items(), key=str):
            values[places] = values[chance.permutation(places)]
        rows[name] = pd.Series(values, rows.index)
    return rows.infer_objects()


@column_by_column
def dealt(rows: pd.DataFrame, name: str, case: Case) -> object:
    """Values dealt to other rows."""
    return rows[name].to_numpy(dtype=object)[case.chance.permutation(len(rows))]


@column_by_column
def of_row_before(rows: pd.DataFrame, name: str, case: Case) -> object:
    """Each row has the value of the row before it; the first one that of the last."""
    return np.roll(rows[name].to_numpy(dtype=object), 1)


@column_by_column
def _averaged(rows: pd.DataFrame, name: str, case: Case) -> object:
    return rows.groupby(case.roles.parts)[name].transform("mean").where(rows[name].notna())


def _frozen(where: Where) -> Change:
    """Some rows of each thing have the value of the first of them."""

    def of_first(rows: pd.DataFrame, name: str, case: Case) -> object:
        mask = where(case).to_numpy()
        firsts = rows[mask].groupby(case.source)[name].transform("first")
        return rows[name].astype(object).mask(mask, firsts.reindex(rows.index))

    return column_by_column(of_first)


@column_by_column
def _of_other_thing(rows: pd.DataFrame, name: str, case: Case) -> object:
    """The values of two things are exchanged, row by row."""
    things = case.common(case.source)[:2]
    places = [np.flatnonzero(rows[case.source] == one) for one in things]
    values = rows[name].to_numpy(dtype=object).copy()
    if len(places) == 2:
        count = min(map(len, places))
        first, second = (place[:count] for place in places)
        values[first], values[second] = values[second], values[first]
    return values


def _bad_rows(count: int) -> Change:
    def out_of_bounds(rows: pd.DataFrame, name: str, case: Case) -> object:
        values = _numbers(rows[name]).to_numpy().copy()
        chosen = case.chance.permutation(np.flatnonzero(rows[name].notna()))[:count]
        values[chosen] = -1000.0 * (np.abs(values[chosen]) + 1.0)
        return values

    return column_by_column(out_of_bounds)


VALUES: tuple[Transformation, ...] = (
    *in_parts("other_unit", "{} comes in another unit", "units", partial(alter, _other_unit),
              "_of_segment", "_from_noon", "_of_some"),
    wrong("percent", "{} comes in percent", "shares", alter(_times(100.0))),
    wrong("cents", "{} comes in cents", "money", alter(_times(100.0))),
    *in_parts("other_sign", "{} has the other sign", "amounts", partial(alter, _times(-1.0)),
              "_of_some"),
    wrong("rounded", "{} is rounded coarser", "measured", alter(_rounded), blocks=False),
    wrong("truncated", "digits of {} are cut off", "measured", alter(_truncated), blocks=False),
    *in_parts("swapped", "{} are swapped", "alike", partial(in_part, _swapped), "_of_segment",
              "_from_noon"),
    wrong("dealt", "{} is dealt to other rows", "amounts", dealt),
    wrong("dealt_within", "{} is dealt to other rows of the segment", "amounts", _dealt_within),
    wrong("row_before", "{} is that of the row before", "amounts", of_row_before),
    wrong("frozen_from_noon", "{} stands still from noon on", "sensed", _frozen(noon)),
    wrong("frozen_of_thing", "{} stands still all day for one thing", "sensed", _frozen(thing)),
    shift("zero_in_some", "{} is 0 in a fifth of the rows", "amounts", put(0.0, part(0.2))),
    wrong("zero_for_missing", "{} is 0 where it is missing", "sparse_amounts", put(0.0, missing)),
    wrong("sentinel_in_some", "{} is -999 in a twentieth of the rows", "amounts",
          put(-999.0, part(0.05))),
    wrong("sentinel_for_missing", "{} is -999 where it is missing", "sparse_amounts",
          put(-999.0, missing)),
    drift("missing_in_some", "{} is missing in a third of the rows", "amounts",
          put(None, part(0.33))),
    drift("missing_of_segment", "{} is missing in one segment", "amounts", put(None, segment)),
    drift("missing", "{} is missing", "amounts", put(None)),
    drift("clipped", "{} is clipped at its 85th percentile", "measured", alter(_clipped)),
    wrong("sorted", "{} is sorted by itself", "amounts",
          alter(lambda values, _: values.sort_values().to_numpy())),
    wrong("constant", "{} is its median everywhere", "measured",
          alter(lambda values, _: values.where(values.isna(), values.median()))),
    wrong("averaged", "{} is the mean of the segment", "measured", _averaged),
    drift("noisy", "noise is added to {}", "measured", alter(_noisy)),
    shift("offset_of_thing", "{} of one thing reads too high", "measured",
          alter(lambda values, case: _numbers(values) + 0.5 * _spread(values, case), thing)),
    drift("scaled_5_of_thing", "{} of one thing reads 5 % too high", "measured",
          alter(_times(1.05), thing)),
    shift("scaled_20_of_thing", "{} of one thing reads 20 % too low", "measured",
          alter(_times(0.8), thing)),
    wrong("doubled_of_segment", "{} is counted twice in one segment", "counts",
          alter(_times(2.0), segment)),
    wrong("exchanged_things", "{} of two things are exchanged", "sensed", _of_other_thing),
    wrong("bad_row", "{} of one row is out of all bounds", "amounts", _bad_rows(1)),
    wrong("bad_rows", "{} of two rows is out of all bounds", "amounts", _bad_rows(2)),
    wrong("restated", "{} of a tenth of the rows is another one when the day comes again",
          "measured", alter(_times(1.1), part(0.1)), again=True),
)  # fmt: skip
