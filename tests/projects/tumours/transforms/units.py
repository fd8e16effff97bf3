"""Units of length."""

from __future__ import annotations

from lockstep import Floats

MICROMETRES = 1000.0


def to_millimetres(micrometres: Floats) -> Floats:
    """Convert from micrometres."""
    return micrometres / MICROMETRES
