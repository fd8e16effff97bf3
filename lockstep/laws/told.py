"""What the other coordinates of a row tell of each of them, and how far it is from that.

All are told at once by the inverse of their Gram matrix, as by a linear regression of each on all
others (Whittaker, "Graphical Models in Applied Multivariate Statistics", 1990). Where some of a row
are missing, the rest tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lockstep.columns.kinds import Array, Floats
from lockstep.laws.ranks import ranks

MOST_PATTERNS = 30
"""Ways in which coordinates of a row may be missing: rows with rarer ones are not looked at."""


@dataclass(frozen=True, eq=False)
class Told:
    """What others tell of the coordinates of rows; all is rows by coordinates.

    Attributes:
        found: The coordinates; NaN where one is missing, or its row is not looked at.
        told: What the others tell of each.
        scores: How far it is from that, in standard deviations of what these leave, but for one
            factor that all have.
    """

    found: Floats
    told: Floats
    scores: Floats

    def agreement(self, place: int) -> float:
        """The rank correlation of a coordinate with what others tell of it.

        Spearman, "The proof and measurement of association between two things", 1904.

        Args:
            place: Which one.
        """
        found, told = self.known(place)
        return float(ranks(found) @ ranks(told)) if len(found) >= 3 else 0.0

    def known(self, place: int) -> tuple[Floats, Floats]:
        """A coordinate, and what others tell of it, where both are known.

        Args:
            place: Which one.
        """
        is_known = ~np.isnan(self.scores[:, place])
        return self.found[is_known, place], self.told[is_known, place]


def told(found: Floats, within: Floats, gram: Floats) -> Told:
    """What others tell of the coordinates of new rows.

    Args:
        found: Float64, rows by coordinates; NaN where one is missing.
        within: The same as they count where they tell of others.
        gram: The Gram matrix of known rows, coordinates by coordinates.
    """
    left = np.full(found.shape, np.nan)
    units = np.full(found.shape, np.nan)
    for rows, known, inverse in _patterns(within, gram):
        own = np.diag(inverse)
        place = np.ix_(rows, known)
        left[place] = within[place] @ inverse / own + (found - within)[place]
        units[place] = np.sqrt(own)
    return Told(found, found - left, np.abs(left) * units)


def left_out(found: Floats, gram: Floats) -> Told:
    """What others tell of the coordinates of known rows, each told by all other rows.

    Without a row the inverse is another one by a matrix of rank one (Sherman and Morrison, 1950).

    Args:
        found: Float64, rows by coordinates; NaN where one is missing.
        gram: Their Gram matrix, coordinates by coordinates.
    """
    left = np.full(found.shape, np.nan)
    units = np.full(found.shape, np.nan)
    for rows, known, inverse in _patterns(found, gram):
        own = np.diag(inverse)
        place = np.ix_(rows, known)
        sums = found[place] @ inverse
        others = 1 - np.einsum("ij,ij->i", sums, found[place])[:, None]
        left[place] = sums / (others * own + sums**2)
        units[place] = np.sqrt(own)
    return Told(found, found - left, np.abs(left) * units)


def _patterns(found: Floats, gram: Floats) -> Iterator[tuple[Array, Array, Floats]]:
    """Rows of which the same coordinates are known, these, and the inverse of their Gram matrix."""
    patterns, codes, counts = np.unique(
        ~np.isnan(found), axis=0, return_inverse=True, return_counts=True
    )
    codes = codes.ravel()  # of rows by axis: one each, in a column in some versions of NumPy
    for code in np.argsort(-counts, kind="stable")[:MOST_PATTERNS].tolist():
        known = np.flatnonzero(patterns[code])
        if len(known) > 1:
            inverse = np.linalg.inv(gram[np.ix_(known, known)]).astype(np.float64, copy=False)
            yield np.flatnonzero(codes == code), known, inverse
