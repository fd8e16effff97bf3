"""Shapes of cell nuclei."""

from __future__ import annotations

import numpy as np

from lockstep import Floats


def roundness(radius: Floats, area: Floats) -> Floats:
    """Area as a share of the disc of that radius."""
    return area / (np.pi * radius**2)
