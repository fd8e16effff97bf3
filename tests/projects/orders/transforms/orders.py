"""Orders: will a parcel come back, and what will that cost? Small, made up, and quick to fit."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from lockstep import (
    Bools,
    EventTime,
    Floats,
    Ints,
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


class Order(Record):
    """One order, as known when it is sent."""

    order_id: Key[str]
    sent_at: EventTime
    price: float  # euros
    items: int
    weight: float | None  # kilograms
    coupons: int | None
    country: str | None
    gift: bool


class Fate(Outcome):
    """What became of it."""

    returned: bool
    cost: float | None  # euros; missing if it did not come back


@feature
def price_per_item(price: Floats, items: Ints) -> Floats:
    """Euros an item."""
    return price / items


@feature
def is_heavy(weight: Floats) -> Bools:
    """More than five kilograms; no if that is not known."""
    return weight > 5


@feature
def region(country: Texts) -> Texts:
    """Part of the world; abroad if it is not known."""
    home = {"DE": "home", "AT": "home"}
    return np.array([home.get(one, "abroad") for one in country.tolist()], dtype=object)


@label
def came_back(returned: Bools) -> Bools:
    """Whether it came back."""
    return returned


@label
def return_cost(cost: Floats) -> Floats:
    """Euros; missing if it did not come back."""
    return cost


@model(learns=came_back, uses=[price_per_item, is_heavy, region, "weight", "gift"], ulps=64)
def return_probability() -> Any:
    """Probability that it comes back."""
    prepare = ColumnTransformer(
        [
            ("region", OneHotEncoder(handle_unknown="ignore"), ["region"]),
            ("weight", SimpleImputer(), ["weight"]),
        ],
        remainder="passthrough",
    )
    return make_pipeline(prepare, LogisticRegression(C=10.0, max_iter=500))


@model(learns=return_cost, uses=[return_probability, "price"], ulps=64, folds=2)
def expected_cost() -> Any:
    """Euros that it costs if it comes back; a second stage."""
    return LinearRegression()


@output
def risk(return_probability: Floats) -> Floats:
    """Probability that it comes back."""
    return return_probability


@output
def will_return(return_probability: Floats) -> Bools:
    """Whether it more likely comes back than not."""
    return return_probability >= 0.5


@output
def loss(return_probability: Floats, expected_cost: Floats) -> Floats:
    """Euros that are lost on average."""
    return return_probability * expected_cost


PIPELINE = Pipeline(__name__, record=Order, outcome=Fate)
