"""Bakeries: how much of a product will a shop sell on the day that follows? A table of sales.

What the 35 shops of a chain in Germany sold of three products on each day, with holidays,
promotions and the weather, as the package ddop ships it (BSD licence). What was sold before is
joined as a store of features would: the day before, the week before, and the mean of four weeks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from lockstep import (
    Bools,
    EventTime,
    Floats,
    Key,
    Outcome,
    Pipeline,
    Record,
    Texts,
    feature,
    label,
    model,
    output,
)


class Sale(Record):
    """What is known of a product in a shop when a day is over."""

    sale_id: Key[str]  # such as "2018-01-05 17-101"
    sold_on: EventTime  # midnight at which the day begins, taken for UTC
    shop: int
    product: int  # 101, 109 or 110
    weekday: str  # such as "FRI"
    is_holiday: bool  # shops are closed then
    is_holiday_soon: bool  # in the next two days
    is_school_holiday: bool  # where the shop is
    is_promoted: bool  # in this week, in all shops
    was_promoted: bool  # in the week before
    rain: float  # where the shop is, mm
    temp: float  # where the shop is, mean of the day, degrees Celsius
    sold: float  # pieces; 0 where the shop was closed
    sold_day_before: float
    sold_week_before: float  # on the same day of it
    sold_on_average: float  # a day, in the 28 days before


class Sold(Outcome):
    """What became of it."""

    sold_next: float  # on the day that follows, pieces


@feature
def growth(sold: Floats, sold_week_before: Floats) -> Floats:
    """How much more was sold than a week before, pieces."""
    return sold - sold_week_before


@feature
def against_average(sold: Floats, sold_on_average: Floats) -> Floats:
    """What was sold, as a share of the mean of four weeks."""
    return sold / np.maximum(sold_on_average, 1.0)


@feature
def is_wet(rain: Floats) -> Bools:
    """Whether more than a millimetre of rain fell."""
    return np.asarray(rain > 1.0, dtype=np.bool_)


@feature
def day(weekday: Texts) -> Texts:
    """The day of the week, as a category."""
    return weekday


@label
def demand(sold_next: Floats) -> Floats:
    """Pieces sold on the day that follows."""
    return sold_next


_NUMBERS = [
    *("shop", "product", "temp", "sold", "sold_day_before", "sold_week_before", "sold_on_average"),
    *("growth", "against_average"),
]
_FLAGS = [
    *("is_holiday", "is_holiday_soon", "is_school_holiday", "is_promoted", "was_promoted"),
    "is_wet",
]


@model(learns=demand, uses=["day", *_FLAGS, *_NUMBERS])
def expected_demand() -> Any:
    """Pieces expected to be sold on the day that follows."""
    encode = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    prepare = ColumnTransformer(
        [
            ("day", encode, ["day"]),
            ("flags", "passthrough", _FLAGS),
            ("numbers", "passthrough", _NUMBERS),
        ]
    )
    return make_pipeline(prepare, HistGradientBoostingRegressor(max_iter=60, random_state=0))


@output
def pieces(expected_demand: Floats) -> Floats:
    """Pieces expected to be sold, none below 0."""
    return np.maximum(expected_demand, 0.0)


PIPELINE = Pipeline(__name__, record=Sale, outcome=Sold)
