"""Parity: proving that training and serving compute the same columns.

*Parity* is the same record giving the same columns, *skew* is that it does not, and *drift* is
another population. The same rows through two paths settle parity (`compare`, `replay`,
`wire_formats`, `locality`, `column_digests`, `Environment`); distributions show the rest
(`skew`, `sudden_shift`).
"""

from parity._code import SourceError, changed_columns, column_digests
from parity._comparison import ColumnComparison, Comparison, Keys, compare
from parity._divergence import Divergence, Example, Origin
from parity._drift import Drift, skew
from parity._environment import Environment, EnvironmentDifference
from parity._exactness import BEYOND, Difference, difference, ulp_distance
from parity._golden import Coverage, GoldenError, GoldenRecords
from parity._locality import locality
from parity._profile import ColumnProfile, Profile
from parity._replay import replay, wire_formats
from parity._report import ParityReport
from parity._reproducer import Reproducer
from parity._selection import choose_golden
from parity._shift import MINIMUM_WINDOW, Shift, sudden_shift

__all__ = [
    "BEYOND",
    "MINIMUM_WINDOW",
    "ColumnComparison",
    "ColumnProfile",
    "Comparison",
    "Coverage",
    "Difference",
    "Divergence",
    "Drift",
    "Environment",
    "EnvironmentDifference",
    "Example",
    "GoldenError",
    "GoldenRecords",
    "Keys",
    "Origin",
    "ParityReport",
    "Profile",
    "Reproducer",
    "Shift",
    "SourceError",
    "changed_columns",
    "choose_golden",
    "column_digests",
    "compare",
    "difference",
    "locality",
    "replay",
    "skew",
    "sudden_shift",
    "ulp_distance",
    "wire_formats",
]
