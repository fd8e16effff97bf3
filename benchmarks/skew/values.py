"""What goes wrong with numbers: units, signs, digits, frozen sensors, values that are missing."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.skew.deliveries import (
    Case,
    Change,
    How,
    Where,
    alter,
    in_groups,
    in_part,
    missing,
    noon,
    part,
    put,
    segment,
    thing,
)
from benchmarks.skew.transformation import Transformation, each, like_pairs


def _numbers(values: pd.Series) -> pd.Series:
    found: pd.Series = pd.to_numeric(values).astype(float)
    return found


def _other_unit(values: pd.Series, case: Case) -> object:
    unit = case.roles.units[str(values.name)]
    return (_numbers(values) + unit.offset) * unit.factor


def _times(factor: float) -> How:
    return lambda values, _: _numbers(values) * factor


def _step(values: pd.Series, share: float) -> float:
    """The power of ten next above a share of how far values lie apart."""
    spread = float(np.nanstd(_numbers(values)))
    return float(10.0 ** np.ceil(np.log10(max(spread, 1e-9) * share)))


def _rounded(values: pd.Series, case: Case) -> object:
    step = _step(case.rows[str(values.name)], 0.2)
    return (_numbers(values) / step).round() * step


def _truncated(values: pd.Series, case: Case) -> object:
    step = _step(case.rows[str(values.name)], 0.1)
    return np.trunc(_numbers(values) / step) * step


def _clipped(values: pd.Series, case: Case) -> object:
    return _numbers(values).clip(upper=float(_numbers(values).quantile(0.85)))


def _noisy(values: pd.Series, case: Case) -> object:
    spread = float(_numbers(case.rows[str(values.name)]).std())
    return _numbers(values) + 0.25 * spread * case.chance.standard_normal(len(values))


def _offset(values: pd.Series, case: Case) -> object:
    return _numbers(values) + 0.5 * float(_numbers(case.rows[str(values.name)]).std())


def _sorted(values: pd.Series, case: Case) -> object:
    return values.sort_values().to_numpy()


def _first(values: pd.Series, case: Case) -> object:
    known = values.dropna()
    return [known.iloc[0] if len(known) else None] * len(values)


def _constant(values: pd.Series, case: Case) -> object:
    return values.where(values.isna(), values.median())


def swapped(case: Case) -> pd.DataFrame:
    """Two columns in each other's place."""
    first, second = case.columns
    return case.assign(**{first: case.rows[second], second: case.rows[first]})


def permuted(within: bool = False) -> Change:
    """Values dealt to other rows: of all, or of the same segment."""

    def change(case: Case) -> pd.DataFrame:
        rows, chance = case.rows.copy(), case.chance
        for name in case.columns:
            values = rows[name].to_numpy(dtype=object).copy()
            for places in in_groups(rows, case.roles.parts if within else None):
                values[places] = values[chance.permutation(places)]
            rows[name] = pd.Series(values, rows.index).infer_objects()
        return rows

    return change


def of_row_before(case: Case) -> pd.DataFrame:
    """Each row has the value of the row before it; the first one that of the last."""
    rows = case.rows.copy()
    for name in case.columns:
        rows[name] = np.roll(rows[name].to_numpy(dtype=object), 1)
    return rows.infer_objects()


def frozen(where: Where) -> Change:
    """Some rows of each thing have the value of the first of them."""

    def change(case: Case) -> pd.DataFrame:
        rows, mask = case.rows.copy(), where(case).to_numpy()
        for name in case.columns:
            firsts = rows[mask].groupby(case.source)[name].transform("first")
            rows[name] = rows[name].astype(object).mask(mask, firsts.reindex(rows.index))
        return rows.infer_objects()

    return change


def _averaged(case: Case) -> pd.DataFrame:
    rows = case.rows.copy()
    for name in case.columns:
        means = rows.groupby(case.roles.parts)[name].transform("mean")
        rows[name] = means.where(rows[name].notna())
    return rows


def _of_other_thing(case: Case) -> pd.DataFrame:
    """The values of two things are exchanged, row by row."""
    rows, reporter = case.rows.copy(), case.source
    places = [np.flatnonzero(rows[reporter] == one) for one in case.common(reporter)[:2]]
    count = min(map(len, places)) if len(places) == 2 else 0
    for name in case.columns if count else ():
        values = rows[name].to_numpy(dtype=object).copy()
        first, second = (one[:count] for one in places)
        values[first], values[second] = values[second], values[first]
        rows[name] = pd.Series(values, rows.index).infer_objects()
    return rows


def _bad_rows(count: int) -> Change:
    def change(case: Case) -> pd.DataFrame:
        rows, name = case.rows.copy(), case.columns[0]
        known = np.flatnonzero(rows[name].notna())
        values = _numbers(rows[name]).to_numpy().copy()
        chosen = case.chance.permutation(known)[:count]
        values[chosen] = -1000.0 * (np.abs(values[chosen]) + 1.0)
        return case.assign(**{name: values})

    return change


_SOME = part(0.1)
_MEASURED, _AMOUNTS, _SENSED = each("measured"), each("amounts"), each("sensed")
VALUES: tuple[Transformation, ...] = (
    Transformation("other_unit", "{} comes in another unit", each("units"), alter(_other_unit)),
    Transformation("other_unit_of_segment", "{} comes in another unit in one segment",
                   each("units"), alter(_other_unit, segment)),
    Transformation("other_unit_from_noon", "{} comes in another unit from noon on",
                   each("units"), alter(_other_unit, noon)),
    Transformation("other_unit_of_some", "{} comes in another unit in a tenth of the rows",
                   each("units"), alter(_other_unit, _SOME)),
    Transformation("percent", "{} comes in percent", each("shares"), alter(_times(100.0))),
    Transformation("cents", "{} comes in cents", each("money"), alter(_times(100.0))),
    Transformation("other_sign", "{} has the other sign", _AMOUNTS, alter(_times(-1.0))),
    Transformation("other_sign_of_some", "{} has the other sign in a tenth of the rows",
                   _AMOUNTS, alter(_times(-1.0), _SOME)),
    Transformation("rounded", "{} is rounded coarser", _MEASURED, alter(_rounded), blocks=False),
    Transformation("truncated", "digits of {} are cut off", _MEASURED, alter(_truncated),
                   blocks=False),
    Transformation("swapped", "{} are swapped", like_pairs, swapped),
    Transformation("swapped_of_segment", "{} are swapped in one segment", like_pairs,
                   in_part(swapped, segment)),
    Transformation("swapped_from_noon", "{} are swapped from noon on", like_pairs,
                   in_part(swapped, noon)),
    Transformation("dealt", "{} is dealt to other rows", _AMOUNTS, permuted()),
    Transformation("dealt_within", "{} is dealt to other rows of the segment", _AMOUNTS,
                   permuted(within=True)),
    Transformation("row_before", "{} is that of the row before", _AMOUNTS, of_row_before),
    Transformation("frozen_from_noon", "{} stands still from noon on", _SENSED, frozen(noon)),
    Transformation("frozen_of_thing", "{} stands still all day for one thing", _SENSED,
                   frozen(thing)),
    Transformation("zero_in_some", "{} is 0 in a fifth of the rows", _AMOUNTS,
                   put(0.0, part(0.2)), population=True),
    Transformation("zero_for_missing", "{} is 0 where it is missing", each("sparse_amounts"),
                   put(0.0, missing)),
    Transformation("sentinel_in_some", "{} is -999 in a twentieth of the rows", _AMOUNTS,
                   put(-999.0, part(0.05))),
    Transformation("sentinel_for_missing", "{} is -999 where it is missing",
                   each("sparse_amounts"), put(-999.0, missing)),
    Transformation("missing_in_some", "{} is missing in a third of the rows", _AMOUNTS,
                   put(None, part(0.33)), blocks=False, population=True),
    Transformation("missing_of_segment", "{} is missing in one segment", _AMOUNTS,
                   put(None, segment), blocks=False, population=True),
    Transformation("missing", "{} is missing", _AMOUNTS, put(None), blocks=False,
                   population=True),
    Transformation("clipped", "{} is clipped at its 85th percentile", _MEASURED, alter(_clipped),
                   blocks=False, population=True),
    Transformation("sorted", "{} is sorted by itself", _AMOUNTS, alter(_sorted)),
    Transformation("constant", "{} is its median everywhere", _MEASURED, alter(_constant)),
    Transformation("averaged", "{} is the mean of the segment", _MEASURED, _averaged),
    Transformation("noisy", "noise is added to {}", _MEASURED, alter(_noisy), blocks=False,
                   population=True),
    Transformation("offset_of_thing", "{} of one thing reads too high", _MEASURED,
                   alter(_offset, thing), population=True),
    Transformation("scaled_5_of_thing", "{} of one thing reads 5 % too high", _MEASURED,
                   alter(_times(1.05), thing), blocks=False, population=True),
    Transformation("scaled_20_of_thing", "{} of one thing reads 20 % too low", _MEASURED,
                   alter(_times(0.8), thing), population=True),
    Transformation("doubled_of_segment", "{} is counted twice in one segment", each("counts"),
                   alter(_times(2.0), segment)),
    Transformation("exchanged_things", "{} of two things are exchanged", _SENSED,
                   _of_other_thing),
    Transformation("bad_row", "{} of one row is out of all bounds", _AMOUNTS, _bad_rows(1)),
    Transformation("bad_rows", "{} of two rows is out of all bounds", _AMOUNTS, _bad_rows(2)),
    Transformation("restated", "{} of a tenth of the rows is another one when the day comes again",
                   _MEASURED, alter(_times(1.1), _SOME), again=True),
)  # fmt: skip
"""What goes wrong with numbers."""
