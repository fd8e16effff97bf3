"""Tumour: is a breast mass malignant, judging from the cell nuclei of a fine needle aspirate?

The records are made from scikit-learn's copy of the Wisconsin diagnostic data.
"""

from __future__ import annotations

import numpy as np
from measures.shape import roundness
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

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
from transforms import seasons
from transforms.units import to_millimetres

from .bounds import LARGE_AREA


class Sample(Record):
    """One aspirate under the microscope."""

    sample_id: Key[str]
    taken_at: EventTime  # UTC
    radius: float  # mean distance from the centre to the perimeter, micrometres
    area: float  # square micrometres
    texture: float | None  # standard deviation of grey values
    cells: int  # counted in the picture
    grade: int | None  # by a first reader, 1 to 3
    screened: bool | None  # whether it came from a screening programme
    site: str | None  # quadrant of the breast


class Diagnosis(Outcome):
    """What the pathologist found."""

    malignant: bool


@feature
def radius_mm(radius: Floats) -> Floats:
    """Mean radius, millimetres."""
    return to_millimetres(radius)


@feature
def is_large(area: Floats) -> Bools:
    """Whether the area is beyond the usual."""
    return area > LARGE_AREA


@feature
def disc_share(radius: Floats, area: Floats) -> Floats:
    """Area, as a share of a disc of the same radius."""
    return roundness(radius, area)


@feature
def quarter(taken_at: Times) -> Ints:
    """Quarter of the year in which the sample was taken, 1 to 4."""
    return seasons.quarter_of(taken_at)


@feature
def grade_known(grade: Floats) -> Bools:
    """Whether a first reader gave a grade."""
    return ~np.isnan(grade)


@feature
def quadrant(site: Texts) -> Texts:
    """Quadrant of the breast, "unknown" where nobody wrote it down."""
    return np.array(["unknown" if name is None else name for name in site], dtype=object)


@label
def is_malignant(malignant: Bools) -> Bools:
    """Whether the mass is malignant."""
    return malignant


@model(
    learns=is_malignant,
    uses=[radius_mm, is_large, disc_share, "texture", "cells", quarter, grade_known, "screened"],
)
def tree_probability() -> object:
    """Probability of malignancy, by boosted trees."""
    return HistGradientBoostingClassifier(max_iter=20, random_state=0)


@model(learns=is_malignant, uses=[radius_mm, "texture", quadrant, "grade"], ulps=16)
def linear_probability() -> object:
    """Probability of malignancy, by logistic regression."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = ColumnTransformer(
        [
            ("numbers", numbers, ["radius_mm", "texture", "grade"]),
            ("texts", OneHotEncoder(handle_unknown="ignore"), ["quadrant"]),
        ]
    )
    return make_pipeline(columns, LogisticRegression())


@output
def probability(tree_probability: Floats, linear_probability: Floats) -> Floats:
    """Probability of malignancy: the mean of both models."""
    return (tree_probability + linear_probability) / 2


@output
def verdict(probability: Floats) -> Texts:
    """What the reader is told."""
    return np.where(probability >= 0.5, "refer", "reassure").astype(object)


@output
def sampled_at(taken_at: Times) -> Times:
    """When the sample was taken."""
    return taken_at


PIPELINE = Pipeline(__name__, record=Sample, outcome=Diagnosis)
