"""Thresholds: how much it takes until something is held to be so, and how much is looked at.

Measured on the three tables that constraints are developed on (flights, charging sessions, hours of
bicycle rental): half or twice as much of any of them moves what is found by a fault or two.
"""

from __future__ import annotations

ENOUGH_ROWS = 100
"""Rows that something applies to, at least."""
BROKEN = 0.002
"""Share of the rows that may break what is held to be exact: data has mistakes."""
BY_CHANCE = 40 * BROKEN
"""Share of the rows that would break it by chance, at least; and that can be compared within a
day."""
NEARLY = 0.02
"""Share of the rows that may break what nearly holds."""
AGAIN = 0.2
"""Share of the rows that have one of the same thing before, at least, where things come again."""
TELLS = 0.15
"""How much more often than chance something tells a column, at least; or of how much of its
variance."""
SHARED = 0.8
"""Share of the rows that is nearly all: of those that keep an equality, or share a moment."""
SAME = 0.995
"""Share of the rows that are the same, from which on two parts of the rows are one."""
COMMON = 0.01
"""Share of the rows that a common value has, or a segment and what is beside it, at least."""
SAMPLE = 10_000
"""Rows that are looked at to find something: enough for shares to a hundredth."""
MOST_CATEGORIES = 24
"""Values of a category that are looked at one by one; more are numbers, or names."""
FEW = 8
"""Different values that are few, and columns that much is made of."""
MOST_TERMS = 12
"""Columns of which pairs are tried, and values that conditions are made of."""
HALF = 0.5
"""Share of what differs by chance that a loose rule may leave, of what two causes have in common,
and of a range by which what is far lies beyond it."""
MOVES = 0.3
"""Share of the rows in which a number moves that is said to rise, at least."""
BEST = 4
"""How many of a kind are kept of a column, the best."""
MOST_RULES = 120
"""Rules of a kind that are kept, at most."""
MOST_KNOWN = 50_000
"""Values or things that are known, at most: what is kept is bounded."""
MOST_WINDOWED = 6_000
"""Things of an entity that windows are summed for, and whose absence is told."""
