"""What the rows before tell, from what is kept of batches and from all rows at once: bit for bit.

The first is what scoring sees, the second what training sees.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)

from lockstep.columns.kinds import Array, Columns, Ints
from lockstep.columns.schema import Field, Schema
from lockstep.columns.tables import take_rows
from lockstep.constraints.arithmetic import Equal
from lockstep.constraints.constraint_set import ConstraintSet, counted_batch, discover, light_batch
from lockstep.constraints.entities import Entities
from lockstep.constraints.history import History
from lockstep.constraints.past import ANY_LACKS, DAYS, Lacking, PastBatch, Things
from lockstep.constraints.quantities import Entity, Quantity
from lockstep.constraints.quantity_values import evaluate
from lockstep.constraints.rows_before import previous_code, rows_before
from lockstep.constraints.rules import Kept, Rules
from lockstep.constraints.statistics import states_of
from lockstep.constraints.view import View
from tests.lockstep.constraints.tables import EVENT, FIRST, KEY, joined, texts, times

THINGS: tuple[Entity, ...] = ((), ("thing",), ("thing", "place"), ("number",))
WINDOWS = (1, 7, 14)
SCHEMA = Schema(
    "Row",
    (
        KEY,
        EVENT,
        Field("thing", "str", optional=True),
        Field("place", "str", optional=True),
        Field("number", "int", optional=True),
        Field("amount", "float", optional=True),
    ),
)
QUANTITIES = [
    *(Quantity("previous", (name,), thing) for thing in THINGS for name in ("amount", "number")),
    *(Quantity("elapsed", (), thing) for thing in THINGS),
    *(Quantity("today", (), thing) for thing in THINGS),
    *(Quantity("count", (), thing, window) for thing in THINGS for window in WINDOWS),
    *(
        Quantity(made, ("amount",), thing, window)
        for made in ("sum", "mean")
        for thing in THINGS
        for window in WINDOWS
    ),
]


Row = tuple[float, str | None, str | None, float, float]
"""The hour, the thing, the place, a number and an amount."""


def rows_of(amounts: st.SearchStrategy[float]) -> st.SearchStrategy[list[Row]]:
    """Rows of a day, of which several may be of one thing, and of one moment."""
    return st.lists(
        st.tuples(
            st.sampled_from([0.0, 1.5, 1.5, 8.25, 23.9]),
            st.sampled_from(["a", "b", "c", None]),
            st.sampled_from(["x", "y", None]),
            st.sampled_from([1.0, 2.0, np.nan]),
            amounts,
        ),
        min_size=1,
        max_size=12,
    )


ASIDE = st.just(set[int]()) | st.sets(st.integers(0, 11), max_size=3)
"""Places of rows that are set aside."""
QUARTERS = st.integers(-4000, 4000).map(lambda number: number / 4) | st.just(np.nan)
"""Amounts whose sums are exact, in any order."""


def table(day: int, rows: list[Row]) -> Columns:
    """The rows of a day."""
    hours, thing, place, number, amount = zip(*rows, strict=True) if rows else [()] * 5
    return {
        "id": texts([f"{day}-{position}" for position in range(len(rows))]),
        "at": times(np.full(len(rows), FIRST + day), np.array(hours, dtype=float)),
        "thing": texts(thing),
        "place": texts(place),
        "number": np.array(number, dtype=float),
        "amount": np.array(amount, dtype=float),
    }


def looking_back() -> ConstraintSet:
    """Constraints that found nothing, and look back for all quantities."""
    entities = Entities(THINGS, (), None, THINGS)
    kept = [Kept(Equal(one, one, 1.0, 0.0, 0.0), 0, 0, 0) for one in QUANTITIES]
    return msgspec.structs.replace(
        discover(table(0, []), SCHEMA),
        entities=entities,
        rules=Rules(tuple(kept)),
        history=History(entities, ("thing", "place"), ("number", "amount")),
    )


CONSTRAINTS = looking_back()


def days_in(columns: Columns) -> Array:
    return columns["at"].astype("datetime64[D]").astype(np.int64)


def told(view: View, last: int) -> dict[str, Array]:
    """What the rows before tell of the last rows of a view."""
    found = {one.title: evaluate(view, one)[-last:] for one in QUANTITIES}
    for thing in THINGS:
        for name in {"thing", "place", "number", "amount"} - {*thing}:
            codes = previous_code(view, thing, name)
            found[f"whether {name} is as before of {thing}"] = codes[-last:]
    return found


class Batches:
    """Batches that follow each other, of which only what is kept is known."""

    def __init__(self) -> None:
        self.past: list[PastBatch] = []
        self.rows: list[Columns] = []

    def add(self, days: list[Columns]) -> tuple[dict[str, Array], dict[str, Array]]:
        """Add a batch; gives what its rows are told of the past, and what all rows tell of them."""
        columns = joined(days)
        view = CONSTRAINTS.view(columns, days_in(columns), self.past)
        states, _, _ = states_of([], view, CONSTRAINTS.values, CONSTRAINTS.aggregates)
        kept = CONSTRAINTS.remembered(view, "batch")
        self.past += map(counted_batch, kept, states)
        self.rows += days
        columns = joined(self.rows)
        everything = View(columns, CONSTRAINTS.layout, days_in(columns))
        return told(view, len(view)), told(everything, len(view))


def differing(kept: dict[str, Array], full: dict[str, Array]) -> list[str]:
    return [name for name in full if kept[name].tobytes() != full[name].tobytes()]


FIELDS = ("thing", "place", "number")
NAMES = (*FIELDS, "amount")


class Histories(RuleBasedStateMachine):
    """Days of which rows are set aside, which are blocked, corrected since, or have no rows.

    What is told of a row is the truth or not known, and known where nothing of its thing lacks.
    """

    def __init__(self) -> None:
        super().__init__()
        self.past: dict[int, list[PastBatch]] = {}
        self.rows: list[Columns] = []
        self.lost: dict[int, tuple[Columns, Collection[str] | None]] = {}
        self.blocked: dict[int, Columns] = {}
        self.today = self.empty = 0

    def _day(self, rows: list[Row]) -> Columns:
        self.today += 1
        return table(self.today, rows)

    def _kept(self, columns: Columns, lacking: Lacking | None = None) -> list[PastBatch]:
        view = CONSTRAINTS.view(columns, days_in(columns), [], lacking=lacking)
        return CONSTRAINTS.remembered(view, "batch")

    def _add(self, days: list[Columns], aside: Collection[int], unread: Collection[str]) -> None:
        """Judge the rows of a batch that are not set aside, and keep them."""
        columns, before = joined(days), sum(len(day["id"]) for day in self.rows)
        is_lost = np.isin(np.arange(len(columns["id"])), [*aside])
        own, lost = take_rows(columns, ~is_lost), take_rows(columns, is_lost)
        self.rows += days
        lacking = CONSTRAINTS.lacking(lost, days_in(lost), [{*unread}] * is_lost.sum())
        for day in {*days_in(columns).tolist()}:
            self.lost[day] = take_rows(lost, days_in(lost) == day), unread
            if day not in days_in(own):  # it is blocked, and nothing is kept of it
                self.past[day], self.lost[day] = [light_batch(day, 0)], (columns, None)
        if not len(own["id"]):
            return
        past = [batch for day in sorted(self.past) for batch in self.past[day]]
        view = CONSTRAINTS.view(own, days_in(own), past, lacking=lacking)
        self._compare(view, before + np.flatnonzero(~is_lost))
        for batch in CONSTRAINTS.remembered(view, "batch"):
            self.past[batch.day] = [batch]

    def _compare(self, view: View, places: Ints) -> None:
        """Hold what is told of the rows of a view against what all rows tell of them."""
        everything = joined(self.rows)
        truth = View(everything, CONSTRAINTS.layout, days_in(everything))
        kept, full = told(view, len(view)), told(truth, len(truth))
        for thing in THINGS:
            lacks = self._lacks(thing, truth.codes(thing)[places])
            before = rows_before(truth, thing).own[places]
            since = np.where(before >= 0, truth.day[before], view.day)
            spans = {f"whether {name} is as before of {thing}": (since, view.day) for name in NAMES}
            for one in QUANTITIES:
                if one.entity == thing:
                    first = view.day if one.made == "today" else since
                    window = view.day - one.window, view.day - 1
                    spans[one.title] = window if one.window else (first, view.day)
            for title, (first, last) in spans.items():
                if title not in kept:
                    continue
                own, true = kept[title], full[title][places]
                is_same = (own == true) | (np.isnan(own) & np.isnan(true))
                is_known = (own != 0) if title.startswith("whether") else ~np.isnan(own)
                assert is_same[is_known].all(), title
                lacked = [(lacks[day] & (first <= day) & (day <= last)) for day in lacks]
                if not (self.empty and "before, same" in title):  # a day that is not known
                    assert (is_same | np.any(lacked, axis=0)).all(), title

    def _lacks(self, thing: Entity, codes: Array) -> dict[int, Array]:
        """Which things lack rows, by day."""
        lacks = {}
        for day, (columns, unread) in self.lost.items():
            if unread is None or ({*thing} & {*unread} and len(columns["id"])):
                lacks[day] = np.ones(len(codes), dtype=bool)
            else:
                gone = View(columns, CONSTRAINTS.layout, days_in(columns)).codes(thing)
                lacks[day] = np.isin(codes, gone)
        return lacks

    @rule(rows=rows_of(QUARTERS), aside=ASIDE, unread=st.sets(st.sampled_from(FIELDS)))
    @precondition(lambda self: self.today < DAYS)
    def a_day(self, rows: list[Row], aside: set[int], unread: set[str]) -> None:
        self._add([self._day(rows)], aside, unread)

    @rule(first=rows_of(QUARTERS), second=rows_of(QUARTERS), aside=ASIDE)
    @precondition(lambda self: self.today < DAYS - 1)
    def two_days_in_one_batch(self, first: list[Row], second: list[Row], aside: set[int]) -> None:
        self._add([self._day(first), self._day(second)], aside - {0, len(first)}, ())

    @rule(rows=rows_of(QUARTERS), doubted=st.none() | st.sets(st.sampled_from(FIELDS)))
    @precondition(lambda self: self.today < DAYS)
    def a_blocked_day(self, rows: list[Row], doubted: set[str] | None) -> None:
        """A day that lacks rows, or whose doubted fields are wrong."""
        day = self._day(rows)
        number = int(days_in(day)[0])
        came = take_rows(day, slice(1, None)) if doubted is None and len(rows) > 1 else day
        came = came | {name: np.roll(came[name], 1) for name in doubted or ()}
        self.rows.append(day)
        self.blocked[number], self.lost[number] = day, (day, doubted)
        self.past[number] = [batch.held_back(doubted) for batch in self._kept(came)]

    @rule()
    @precondition(lambda self: self.blocked)
    def a_blocked_day_is_corrected(self) -> None:
        number, day = self.blocked.popitem()
        self.past[number], self.lost[number] = self._kept(day), (take_rows(day, slice(0)), ())

    @rule(count=st.integers(1, 9))
    @precondition(lambda self: self.rows)
    def days_without_rows(self, count: int) -> None:
        self.today += count
        self.empty += count


PHASES = [Phase.explicit, Phase.generate, Phase.shrink]


@pytest.mark.parametrize("examples", [10, pytest.param(100, marks=pytest.mark.long)])
def test_whatever_lacks_what_is_told_is_the_truth_or_not_known(examples: int) -> None:
    profile = settings(max_examples=examples, stateful_step_count=12, phases=PHASES)
    run_state_machine_as_test(Histories, settings=profile)


def weeks(rows: list[Row]) -> Batches:
    batches = Batches()
    for day in range(15):
        batches.add([table(day, rows)])
    return batches


@given(rows_of(QUARTERS))
@settings(max_examples=10, phases=PHASES)
def test_windows_of_days_that_all_have_rows_are_told(rows):
    kept, full = weeks(rows).add([table(15, rows)])
    assert not differing(kept, full)


def test_sums_of_cents_of_many_rows_a_day_are_the_same():
    batches = weeks([(0.0, "a", "x", 1.0, cents / 100) for cents in range(1, 20)])
    kept, full = batches.add([table(15, [(0.0, "a", "x", 1.0, 0.1)])])
    assert not differing(kept, full)


def test_sums_of_cents_are_the_same_however_long_before_training_began():
    batches = Batches()
    for day in range(DAYS + 25):
        kept, full = batches.add([table(day, [(0.0, "a", "x", 1.0, (10 * (day % 7) + 3) / 100)])])
    assert not differing(kept, full)


def test_a_window_in_which_nothing_is_known_is_told_of_training_rows_neither():
    batches, row = Batches(), (0.0, "a", "x", 1.0, 1.0)
    batches.add([table(0, [row])])
    kept, full = batches.add([table(2, [row])])
    assert not differing(kept, full)


ROWS_OF_THINGS = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 50), st.integers(-9, 9)),
    min_size=2,
    max_size=30,
    unique_by=lambda row: row[:2],  # a thing has a row at a time
)


def kept_things(rows: list[tuple[int, int, int]]) -> Things:
    codes, moments, numbers = (
        np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)
    )
    values = {"amount": numbers.astype(np.float64)}
    texts = {"place": numbers.astype(np.uint32)}
    return Things.of(codes.astype(np.uint64), moments, values, texts, values)


@given(rows=ROWS_OF_THINGS, data=st.data())
def test_things_of_two_parts_add_up_to_those_of_all_rows(rows, data):
    cut = data.draw(st.integers(1, len(rows) - 1))
    assert kept_things(rows[:cut]) + kept_things(rows[cut:]) == kept_things(rows)


def test_of_things_that_were_stored_before_it_is_not_known_which_lack_rows():
    kept = msgspec.to_builtins(kept_things([(3, 1, 1)]))
    del kept["lacking"]
    assert msgspec.convert(kept, Things).not_known == ANY_LACKS
