"""Thresholds: how much evidence a constraint takes, and how many rows and columns are looked at.

Measured on the three tables that constraints are developed on (flights, charging sessions, hours of
bicycle rental): half or twice any of them changes the number of faults found by one or two.
"""

from __future__ import annotations

ENOUGH_ROWS = 100
"""Least number of rows that a constraint applies to."""
BROKEN = 0.002
"""Most rows, as a share, that break an exact rule in training: data has mistakes."""
STRICT_ROWS, STRICT_THINGS = 300, 30
"""Least rows, and distinct things, that a strict rule was tried on. None of so many broke it: with
95 % confidence, fewer than one in ten would (the rule of three: Hanley and Lippman-Hand, 1983)."""
BY_CHANCE = 40 * BROKEN
"""Least share of rows that would break a rule by chance; and that can be compared within a day."""
NEARLY = 0.02
"""Most rows, as a share, that break a rule which nearly holds."""
AGAIN = 0.2
"""Least share of rows whose thing had a row before, where things come again."""
TELLS = 0.15
"""Least gain over chance of a predictor of a column, or least share of its variance explained."""
SHARED = 0.8
"""Share of rows that is nearly all, such as of rows that keep an equality or share a moment."""
SAME = 0.995
"""Share of equal rows from which on two segments are the same."""
COMMON = 0.01
"""Least share of rows of a common value; and of a segment, and of its rest."""
SAMPLE = 10_000
"""Rows that a constraint is searched in: enough for shares to a hundredth."""
MOST_CATEGORIES = 24
"""Most values of a category; a column with more holds numbers or names."""
FEW = 8
"""Different values that are few, and columns that quantities of many windows are made of."""
MOST_TERMS = 12
"""Columns whose pairs are tried, and values that conditions are made of."""
HALF = 0.5
"""Share of rows that a loose rule may leave different, or that two statistics of a cause share; and
of a range beyond which a number is far."""
MOVES = 0.3
"""Least share of rows in which a rising number moves."""
BEST = 4
"""How many of the best rules of a kind are kept for a column."""
MOST_RULES = 120
"""Most rules of a kind."""
MOST_KNOWN = 50_000
"""Most values or things that are kept."""
MOST_WINDOWED = 6_000
"""Most things of an entity with windows, and most values whose absence is a statistic."""
