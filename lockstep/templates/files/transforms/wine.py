"""Wine: which of three cultivars is a bottle from, by its chemistry?"""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline as Steps
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

CULTIVARS = ["barolo", "grignolino", "barbera"]


class Bottle(Record):
    """What is known of a bottle when its cultivar is asked for."""

    bottle: Key[str]
    alcohol: float  # percent by volume
    flavanoids: float  # grams a litre
    phenols: float  # grams a litre
    color_intensity: float
    proline: float | None  # milligrams a litre; a slow test, not always done


class Origin(Outcome):
    """What becomes known later."""

    cultivar: str


@feature
def flavanoid_share(flavanoids: Floats, phenols: Floats) -> Floats:
    """Share of the phenols that are flavanoids."""
    return flavanoids / phenols


@feature
def proline_or_usual(proline: Floats) -> Floats:
    """Proline, or 750 milligrams a litre where it was not measured."""
    return np.where(np.isnan(proline), 750.0, proline)


@label
def true_cultivar(cultivar: Texts) -> Texts:
    """The cultivar, known by the grower."""
    return cultivar


@model(
    learns=true_cultivar,
    uses=[flavanoid_share, proline_or_usual, "alcohol", "color_intensity"],
    classes=CULTIVARS,
    ulps=64,  # the last digits of a linear model depend on how many rows come together
)
def likely_cultivar() -> Steps:
    """The most probable cultivar."""
    return make_pipeline(StandardScaler(), LogisticRegression())


@output
def predicted_cultivar(likely_cultivar: Texts) -> Texts:
    """The most probable cultivar."""
    return likely_cultivar


@output
def needs_a_taster(
    likely_cultivar_barolo: Floats,
    likely_cultivar_grignolino: Floats,
    likely_cultivar_barbera: Floats,
) -> Bools:
    """Whether no cultivar is more probable than 0.8."""
    most = np.maximum(likely_cultivar_barolo, likely_cultivar_grignolino)
    return np.maximum(most, likely_cultivar_barbera) < 0.8


PIPELINE = Pipeline(__name__, record=Bottle, outcome=Origin)
