"""Turns: numbers that go round, such as directions and times of the day.

From 350 degrees to 10 it is 20 degrees, and not 340. A number goes round where it takes all of a
usual turn and no more, and steps from one value to the next lead over its end: most steps of more
than half a turn are short ones the other way. It also passes through the middle of the turn in
short steps, as a load that is mostly 0 or 1 does not. Means, steps and spreads are those of angles
(Mardia and Jupp, "Directional Statistics", 2000, chapter 2).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.laws.bands import training_days
from lockstep.laws.glance import Glance, Segments, as_numbers, categories, glance
from lockstep.laws.rows import Rows, TrainingRows

TURNS = (1.0, 2 * np.pi, 24.0, 360.0)
"""What a turn is, in turns, radians, hours or degrees."""
FULL = 0.95
"""Share of a turn from its smallest to its largest value, at least."""
SHORT = 1 / 8
"""Of a turn, how long steps over its end are at most, most of them: an eighth is from north to
north-east."""
MOST = 0.5
"""Share of the steps of more than half a turn that are short ones the other way, at least: of
values without an order a sixteenth is, and in light winds vanes turn anywhere."""
ENOUGH_STEPS = 20
"""Steps over the end that it takes."""
ENOUGH_VALUES = 3
"""Different values on either side of the end that they begin or end at: what is switched between
the smallest and the largest one, such as a flag, does not go round."""
PASSED = 0.05
"""Short steps over the middle of a turn for each one over its end, at least: of a number that goes
all around there are as many, of winds mostly from the north fewer."""


def turn_of(column: str, training: TrainingRows) -> float:
    """What a turn is of a column that goes round; 0 if it does not.

    Args:
        column: A column of numbers.
        training: The training rows.
    """
    return training.rows.once(("turn", column), lambda: _turn_of(column, training))


def begins_at(turn: float, lowest: float) -> float:
    """The smallest number of a turn: 0, or half a turn back where there are negative ones.

    Args:
        turn: What a turn is.
        lowest: The smallest number of training.
    """
    return 0.0 if lowest >= 0 else -turn / 2


def _turn_of(column: str, training: TrainingRows) -> float:
    rows = training.rows
    numbers = as_numbers(rows.values(column).found)
    numbers = numbers[~np.isnan(numbers)]
    if rows.schema.event_time is None or len(numbers) < 2 * ENOUGH_VALUES:
        return 0.0
    lowest, highest = float(numbers.min()), float(numbers.max())
    for turn in TURNS:
        begin = begins_at(turn, lowest)
        if lowest >= begin and FULL * turn <= highest - lowest and highest <= begin + turn:
            parts = [Segments(None, ()), *(one for one in categories(rows) if one.column != column)]
            days = training_days(training)
            ends = (begin, begin + turn)
            return turn if any(_goes_round(column, ends, days, one) for one in parts) else 0.0
    return 0.0


def _goes_round(
    column: str, ends: tuple[float, float], days: Sequence[Rows], parted: Segments
) -> bool:
    """Whether steps from one value of a segment to the next lead over the end of a turn."""
    turn, middle = ends[1] - ends[0], sum(ends) / 2
    steps = np.concatenate(
        [np.zeros((0, 2)), *(_steps(glance(day), column, parted) for day in days)]
    )
    long = steps[:, 1] - steps[:, 0]
    over = steps[long > (1 - SHORT) * turn]
    if len(over) < max(ENOUGH_STEPS, MOST * np.count_nonzero(long > turn / 2)):
        return False
    passes = (steps[:, 0] < middle) & (steps[:, 1] >= middle) & (long < SHORT * turn)
    if np.count_nonzero(passes) < PASSED * len(over):
        return False
    return all(len(np.unique(side)) >= ENOUGH_VALUES for side in over.T)


def _steps(seen: Glance, column: str, parted: Segments) -> Floats:
    """Steps within the segments of a day, the smaller value of each before the larger one."""
    order = seen.order
    assert order is not None, "a table of moments"
    codes = np.zeros(len(seen), dtype=np.int64) if parted.column is None else parted.codes(seen)
    order = order[np.argsort(codes[order], kind="stable")]
    order = order[~np.isnan(seen.numbers(column)[order])]
    numbers, codes = seen.numbers(column)[order], codes[order]
    together = codes[1:] == codes[:-1]
    return np.sort(np.column_stack([numbers[:-1][together], numbers[1:][together]]), axis=1)


def around(differences: Floats, turn: float) -> Floats:
    """Differences the shorter way round: from half a turn back to half a turn on.

    Args:
        differences: Some differences.
        turn: What a turn is; 0 of numbers that do not go round, of which they are as they are.
    """
    if not turn:
        return differences
    found: Floats = differences - turn * np.round(differences / turn)
    return found


def unrolled(values: Sequence[float], turn: float) -> Floats:
    """Values that follow each other, each the shorter way from the one before.

    Args:
        values: The values.
        turn: What a turn is; 0 of numbers that do not go round.
    """
    numbers = np.asarray(values, dtype=np.float64)
    return np.unwrap(numbers, period=turn) if turn else numbers


def means(numbers: Floats, known: Array | None, starts: Ints, turn: float) -> Floats:
    """The mean of each run of numbers, of those that are known; NaN of none.

    Args:
        numbers: The numbers.
        known: Where they are; None where all are.
        starts: Where each run begins.
        turn: What a turn is; 0 of numbers that do not go round.
    """
    if not len(starts):
        return np.empty(0)
    if known is None and not turn:
        of_all: Floats = np.add.reduceat(numbers, starts) / np.diff(starts, append=len(numbers))
        return of_all
    if known is None:
        known = np.ones(len(numbers), dtype=bool)
    sizes = np.add.reduceat(known, starts, dtype=np.int64)
    told = np.where(known, numbers, 0.0)
    if not turn:
        sums = np.add.reduceat(told, starts)
        mean: Floats = np.divide(sums, sizes, out=np.full(len(sums), np.nan), where=sizes > 0)
        return mean
    angles = np.add.reduceat(np.where(known, np.exp(2j * np.pi / turn * told), 0.0), starts)
    found: Floats = np.where(sizes > 0, np.angle(angles) * turn / (2 * np.pi) % turn, np.nan)
    return found


def deviation(values: Floats, turn: float) -> float:
    """The standard deviation of values: how far they lie from their mean, the shorter way round.

    Args:
        values: Some values, one at least.
        turn: What a turn is; 0 of numbers that do not go round.
    """
    if not turn:
        return float(np.std(values))
    middle = means(values, None, np.zeros(1, dtype=np.int64), turn)
    return float(np.sqrt(np.mean(around(values - middle, turn) ** 2)))
