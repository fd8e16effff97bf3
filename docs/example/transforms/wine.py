"""Wine: which of three cultivars is a bottle from, by its chemistry?"""

from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lockstep import (
    Bools,
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


class Bottle(Record):
    """One analysed bottle."""

    bottle: Key[str]
    alcohol: float  # percent by volume
    flavanoids: float  # grams a litre
    phenols: float  # grams a litre
    color_intensity: float
    proline: float | None  # milligrams a litre; a slow test, not always done


class Origin(Outcome):
    """Where it turned out to be from."""

    grower: str


@feature
def flavanoid_share(flavanoids: Floats, phenols: Floats) -> Floats:
    """Share of the phenols that are flavanoids."""
    return flavanoids / phenols


@feature
def proline_or_usual(proline: Floats) -> Floats:
    """Proline, or 750 milligrams a litre where it was not measured."""
    return np.where(np.isnan(proline), 750.0, proline)


@label
def true_cultivar(grower: Texts) -> Texts:
    """The cultivar, which is known by its grower."""
    return grower


@model(
    learns=true_cultivar,
    uses=[flavanoid_share, proline_or_usual, "alcohol", "color_intensity"],
    classes=["barolo", "grignolino", "barbera"],
    ulps=64,  # logistic regression goes through BLAS
)
def cultivar() -> Any:
    """The most probable cultivar."""
    return make_pipeline(StandardScaler(), LogisticRegression())


@output
def verdict(cultivar: Texts) -> Texts:
    """The most probable cultivar."""
    return cultivar


@output
def needs_a_taster(
    cultivar_barolo: Floats, cultivar_grignolino: Floats, cultivar_barbera: Floats
) -> Bools:
    """Whether no cultivar is more probable than 0.8."""
    return np.maximum(np.maximum(cultivar_barolo, cultivar_grignolino), cultivar_barbera) < 0.8


PIPELINE = Pipeline(__name__, record=Bottle, outcome=Origin)
