"""Depots: how many pieces of an article a depot will need, by what was known when it asked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

import numpy as np
from sklearn.tree import DecisionTreeRegressor

from lockstep import (
    Asked,
    Event,
    EventTime,
    Floats,
    Ints,
    Key,
    Outcome,
    Pipeline,
    Record,
    Table,
    Texts,
    Times,
    feature,
    label,
    lookup,
    model,
    output,
    window,
)


class Need(Record):
    """A depot asks for an article."""

    need_id: Key[str]
    depot: Literal["north", "south", "west"]
    article: int
    asked_at: EventTime


class Delivered(Outcome):
    """What became of it."""

    pieces: float


class Climate(Table, known_after=timedelta(hours=1)):
    """The weather at a depot for one hour."""

    depot: Key[Literal["north", "south", "west"]]
    hour: EventTime
    degrees: float | None  # Celsius


class Article(Table, static=True):
    """An article."""

    article: Key[int]
    weight: float  # kilograms
    ware: str


class Sale(Event, known_after=timedelta(minutes=30)):
    """A sale at a depot."""

    depot: Key[str]
    article: Key[int]
    sold_at: EventTime
    sold: float | None  # pieces


@lookup(Climate, within=timedelta(hours=6))
def climate(depot: Texts, asked_at: Times) -> Asked:
    """The weather at the depot, as known when it asks."""
    return Asked(depot, as_of=asked_at)


@lookup(Article)
def ware(article: Ints) -> Asked:
    """The article."""
    return Asked(article)


@window(Sale, over=timedelta(days=2), of="sold", how=("count", "sum", "max"))
def sales(depot: Texts, article: Ints, asked_at: Times) -> Asked:
    """Sales of two days."""
    return Asked(depot, article, as_of=asked_at)


@feature
def cold(climate_degrees: Floats) -> Floats:
    """Degrees below ten."""
    return np.maximum(10.0 - np.nan_to_num(climate_degrees, nan=10.0), 0.0)


@feature
def lately(sales_sum: Floats, sales_count: Ints) -> Floats:
    """Pieces sold of late, or none."""
    return np.where(sales_count > 0, np.nan_to_num(sales_sum), 0.0)


@feature
def heavy(ware_weight: Floats) -> Floats:
    """Whether the article is heavy."""
    return (ware_weight > 5.0).astype(np.float64)


@label
def needed(pieces: Floats) -> Floats:
    """Pieces."""
    return pieces


@model(learns=needed, uses=[cold, lately, heavy])
def expected() -> Any:
    """Pieces that it will need."""
    return DecisionTreeRegressor(max_depth=5, random_state=0)


@output
def forecast(expected: Floats) -> Floats:
    """Pieces that it will need."""
    return expected


PIPELINE = Pipeline(__name__, record=Need, outcome=Delivered)
