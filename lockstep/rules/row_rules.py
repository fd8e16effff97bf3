"""Row rules: a suite's critical expectations about single rows, compiled for arrays.

Great Expectations validates a suite, and row rules enforce it; both refuse the same rows. A single
record passes through in microseconds, without Great Expectations and pandas. A batch and a single
request go through the same functions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from lockstep.columns.kinds import Array, Columns, Kind, kind_of_dtype, picker
from lockstep.columns.plain import PERSONAL
from lockstep.columns.tables import take_rows
from lockstep.errors import SuiteError
from lockstep.refusals import Reason
from lockstep.rules.expectations import PAIR_TESTS, VALUE_TESTS
from lockstep.rules.rowtests import (
    Interval,
    Intervals,
    Mask,
    NoRowTestError,
    PairTest,
    ValueTest,
    value_at,
)
from lockstep.rules.wording import Kwargs, Wording, quoted, row_wording

Test = ValueTest | PairTest

_TESTS: Mapping[str, Callable[[Kwargs], Callable[..., Test]]] = {**VALUE_TESTS, **PAIR_TESTS}

_ACCEPTED = np.zeros(1, dtype=np.bool_)
_REFUSED = np.ones(1, dtype=np.bool_)
_ACCEPTED.flags.writeable = _REFUSED.flags.writeable = False

Dtypes = tuple[np.dtype[Any], ...]


@dataclass(frozen=True)
class Rule:
    """An expectation about each row."""

    expectation: str  # its type
    columns: tuple[str, ...]  # the column that it is about, or the two that it compares
    wording: Wording
    test: Callable[..., Test]  # by the kinds of the columns; raises `NoRowTestError`
    is_told: bool = True  # whether its reasons show the refused values: not personal ones


@dataclass(frozen=True)
class _CompiledTests:
    """The tests of all rules, for columns of certain kinds."""

    tests: tuple[Test, ...]
    # For each column (its position): the tests of a value, and whether it must be there.
    values: tuple[tuple[int, tuple[Callable[[Any], object], ...], bool], ...]
    pairs: tuple[tuple[int, int, Callable[[Any, Any], object]], ...]  # for each two columns
    times: tuple[int, ...]  # the columns that hold times
    # Functions that give masks of refused rows, and the columns that they take.
    refused: tuple[tuple[Callable[..., Mask], tuple[int, ...]], ...]


class Refusals:
    """The rows that the row rules refuse, by `mask` (bool, one a row), and why."""

    __slots__ = ("_columns", "_rules", "mask")

    def __init__(self, mask: Mask, rules: RowRules, columns: Columns) -> None:
        self.mask = mask
        self._rules = rules
        self._columns = columns

    @property
    def rows(self) -> list[int]:
        """Positions of the refused rows, in order."""
        if self.mask is _ACCEPTED:  # as for most single rows
            return []
        return self.mask.nonzero()[0].tolist()

    def reasons(self, row: int) -> tuple[Reason, ...]:
        """All that is wrong with a row, in the order of the suite; empty for an accepted row."""
        return self._rules.reasons(self._columns, row)


class RowRules:
    """Rules that each row must keep by itself, of a suite and in its order.

    `columns` are the names of those that the rules need.
    """

    def __init__(self, suite: str, rules: tuple[Rule, ...]) -> None:
        self.suite = suite
        self.rules = rules
        self.columns = tuple(dict.fromkeys(name for rule in rules for name in rule.columns))
        self._pick = picker(self.columns)
        self._position = {name: position for position, name in enumerate(self.columns)}
        self._plans: dict[Dtypes, _CompiledTests] = {}

    def apply(self, columns: Columns) -> Refusals:
        """Test rows, whose unneeded columns are ignored.

        Raises:
            SuiteError: A column that a rule needs is absent, or holds what the rule cannot test.
        """
        arrays = self._arrays(columns)
        rows = len(arrays[0]) if arrays else len(next(iter(columns.values()), ()))
        plan = self._plan(arrays)
        if rows == 1:
            mask = _REFUSED if _refuses(plan, _values(plan, arrays)) else _ACCEPTED
        else:
            mask = np.zeros(rows, dtype=np.bool_)
            for test, positions in plan.refused:
                mask |= test(*[arrays[position] for position in positions])
        return Refusals(mask, self, columns)

    def refuses_row(self, kinds: Mapping[str, Kind]) -> Callable[[Sequence[Any]], bool]:
        """The function that says whether any rule refuses a single row, as `apply` does.

        It takes the values of `columns`, in order, as `value_at` gives them.
        """
        none = {name: np.empty(0, dtype=kind.dtype) for name, kind in kinds.items()}
        return partial(_refuses, self._plan(self._arrays(none)))

    def masks(self, columns: Columns) -> tuple[Mask, Mask]:
        """The rows that the only rule refuses, and those that it leaves out; as `apply`."""
        arrays = self._arrays(columns)
        (rule,), (test,) = self.rules, self._plan(arrays).tests
        own = [arrays[self._position[name]] for name in rule.columns]
        return test.refused(*own), test.left_out(*own)

    def check(self, kinds: Mapping[str, Kind]) -> None:
        """Raise the `SuiteError` that `apply` would raise for columns of these kinds."""
        self.apply({name: np.empty(0, dtype=kind.dtype) for name, kind in kinds.items()})

    def reasons(self, columns: Columns, row: int) -> tuple[Reason, ...]:
        """All that is wrong with a row; empty if the rules accept it."""
        return tuple(
            _reason(rule, [_readable(value, columns[name]) for name, value in values.items()])
            for rule, values in self._broken(columns, row)
        )

    def wrong(self, columns: Columns, row: int) -> frozenset[str]:
        """The columns of the rules that a row breaks; as `reasons`."""
        return frozenset(name for rule, _ in self._broken(columns, row) for name in rule.columns)

    def about(self, columns: Collection[str]) -> RowRules:
        """The rules that are about some columns, and about no others."""
        own = tuple(rule for rule in self.rules if all(name in columns for name in rule.columns))
        return RowRules(self.suite, own)

    def _broken(self, columns: Columns, row: int) -> Iterator[tuple[Rule, dict[str, Any]]]:
        """The rules that a row breaks, each with the values of its columns."""
        arrays = self._arrays(columns)
        values = dict(zip(self.columns, [value_at(array, row) for array in arrays], strict=True))
        for rule, test in zip(self.rules, self._plan(arrays).tests, strict=True):
            if not _passes(test, [values[name] for name in rule.columns]):
                yield rule, {name: values[name] for name in rule.columns}

    def _arrays(self, columns: Columns) -> Sequence[Array]:
        try:
            return self._pick(columns)
        except KeyError as error:
            name = error.args[0]
            rule = next(rule for rule in self.rules if name in rule.columns)
            raise SuiteError(
                f"suite {self.suite!r}: {rule.expectation} is about column {name!r}, which the "
                f"records do not have. They have: {', '.join(columns)}. Correct the suite."
            ) from None

    def _plan(self, arrays: Sequence[Array]) -> _CompiledTests:
        dtypes = tuple([array.dtype for array in arrays])
        plan = self._plans.get(dtypes)
        if plan is None:
            plan = self._plans[dtypes] = self._bind(dtypes)
        return plan

    def _bind(self, dtypes: Dtypes) -> _CompiledTests:
        """Choose each rule's test by the kinds of its columns."""
        kinds = [_kind(name, dtype) for name, dtype in zip(self.columns, dtypes, strict=True)]
        tests: list[Test] = []
        values: dict[int, list[ValueTest]] = {}
        pairs = []
        intervals: list[tuple[int, Interval]] = []
        refused: list[tuple[Callable[..., Mask], tuple[int, ...]]] = []
        for rule in self.rules:
            positions = tuple(self._position[name] for name in rule.columns)
            try:
                test = rule.test(*(kinds[position] for position in positions))
            except NoRowTestError as error:
                raise SuiteError(
                    f"suite {self.suite!r}: {rule.expectation} cannot be asked of "
                    f"{' and '.join(map(repr, rule.columns))}: {error}. Correct the suite."
                ) from None
            tests.append(test)
            if isinstance(test, PairTest):
                pairs.append((positions[0], positions[1], test.accepts))
            else:
                values.setdefault(positions[0], []).append(test)
            if isinstance(test, ValueTest) and test.interval is not None:
                intervals.append((positions[0], test.interval))
            else:
                refused.append((test.refused, positions))
        if intervals:
            columns, bounds = zip(*intervals, strict=True)
            refused.append((Intervals(bounds).refused, columns))
        return _CompiledTests(
            tests=tuple(tests),
            values=tuple(
                (
                    position,
                    tuple(test.accepts for test in own if test.accepts is not None),
                    any(test.refuses_missing for test in own),
                )
                for position, own in values.items()
            ),
            pairs=tuple(pairs),
            times=tuple(place for place, kind in enumerate(kinds) if kind is Kind.TIME),
            refused=tuple(refused),
        )


def compile_rules(suite: Mapping[str, Any]) -> RowRules:
    """Compile the row rules of a suite, without importing Great Expectations.

    Critical expectations about single rows are compiled: missing, between, in a set, a regular
    expression, a length, a comparison of two columns. Those that let some rows fail (`mostly`),
    have a row condition, or look at the whole batch are left out.
    """
    rules = []
    for expectation in suite["expectations"]:
        with suppress(NoRowTestError):
            rules.append(compile_rule(expectation))
    return RowRules(suite["name"], tuple(rules))


def compile_rule(expectation: Mapping[str, Any]) -> Rule:
    """The row rule of an expectation in a suite's JSON.

    Raises:
        NoRowTestError: It is not critical, is not about single rows, or cannot be tested on them.
    """
    severity = expectation.get("severity", "critical")
    if severity != "critical":
        raise NoRowTestError(f"it is of severity {severity}: it is reported, and refuses no row")
    rule = _row_level(expectation)
    mostly = expectation["kwargs"].get("mostly", 1)
    if mostly != 1:
        raise NoRowTestError(f"it lets some rows fail (mostly {mostly})")
    return rule


def compile_tests(suite: Mapping[str, Any]) -> dict[int, tuple[RowRules, bool]]:
    """The test of each expectation about single rows, by place, and whether it is a row rule.

    The others are only reported: they let some rows fail (`mostly`), or are not critical.
    """
    tests = {}
    for place, expectation in enumerate(suite["expectations"]):
        with suppress(NoRowTestError):
            tests[place] = (
                RowRules(suite["name"], (_row_level(expectation),)),
                is_row_rule(expectation),
            )
    return tests


def is_row_rule(expectation: Mapping[str, Any]) -> bool:
    """Whether an expectation in a suite's JSON sets rows aside that do not meet it."""
    try:
        compile_rule(expectation)
    except NoRowTestError:
        return False
    return True


def _row_level(expectation: Mapping[str, Any]) -> Rule:
    """The test of an expectation about single rows, whether it refuses them or not."""
    kwargs, name = expectation["kwargs"], expectation["type"]
    if any(isinstance(value, Mapping) and "$PARAMETER" in value for value in kwargs.values()):
        raise NoRowTestError("it has a parameter that only a validation of a batch is given")
    if kwargs.get("row_condition") is not None:
        raise NoRowTestError("it has a row condition")
    if name not in _TESTS:
        raise NoRowTestError("there is no row rule for its type")
    test, is_told = _TESTS[name](kwargs), PERSONAL not in (expectation.get("meta") or {})
    return Rule(name, columns_of(kwargs), row_wording(name, kwargs), test, is_told)


def columns_of(kwargs: Kwargs) -> tuple[str, ...]:
    """The columns that an expectation is about; none if it is about the table."""
    named = [kwargs[key] for key in ("column", "column_A", "column_B") if key in kwargs]
    return (*named, *kwargs.get("column_list", ()))


def _kind(name: str, dtype: np.dtype[Any]) -> Kind:
    kind = kind_of_dtype(dtype)
    if kind is None:
        raise SuiteError(
            f"row rules take canonical columns, and {name!r} is an array of {dtype}: decode the "
            "records first."
        )
    return kind


def _values(plan: _CompiledTests, arrays: Sequence[Array]) -> list[Any]:
    """The values of a single row, as `value_at` gives them, but three times as fast."""
    values = [None if (value := array.item()) != value else value for array in arrays]
    for place in plan.times:
        values[place] = value_at(arrays[place], 0)
    return values


def _refuses(plan: _CompiledTests, values: Sequence[Any]) -> bool:
    """Whether any rule refuses a row, given as values."""
    for position, accepts, needed in plan.values:
        value = values[position]
        if value is None:
            if needed:
                return True
            continue
        for accept in accepts:
            if not accept(value):
                return True
    for first, second, accepts_pair in plan.pairs:
        if not accepts_pair(values[first], values[second]):
            return True
    return False


def _passes(test: Test, values: list[Any]) -> bool:
    if isinstance(test, PairTest):
        return bool(test.accepts(*values))
    if values[0] is None:
        return not test.refuses_missing
    return test.accepts is None or bool(test.accepts(values[0]))


def _reason(rule: Rule, values: list[Any]) -> Reason:
    refusal = rule.wording.refusal
    match values:
        case _ if not rule.is_told:
            message = refusal
        case [None]:
            message = refusal
        case [value]:
            message = f"{quoted(value)} {refusal}"
        case [first, second]:
            message = f"{quoted(first)} {refusal} ({quoted(second)})"
    return Reason(rule.columns[0], rule.expectation, message, refusal)


def _readable(value: Any, array: Array) -> Any:
    """A value as a person reads it; rules compute with the microseconds of a time."""
    if value is not None and array.dtype.kind == "M":
        return np.datetime64(value, "us")
    return value


@dataclass(frozen=True)
class Parted:
    """Rows, split by row rules."""

    kept: Columns  # the rows that all rules accept, in order
    # by position of each other row, all that is wrong with it
    refused: Mapping[int, tuple[Reason, ...]]


def part(columns: Columns, rules: Iterable[RowRules], accepted: Collection[int] = ()) -> Parted:
    """Split rows by the row rules of suites, in whose order a row's reasons come.

    No rule refuses the rows at `accepted` positions.

    Raises:
        SuiteError: A column that a rule needs is absent, or holds what the rule cannot test.
    """
    refused: dict[int, tuple[Reason, ...]] = {}
    for suite in rules:
        refusals = suite.apply(columns)
        for row in refusals.rows:
            if row in accepted:
                continue
            refused[row] = (*refused.get(row, ()), *refusals.reasons(row))
    if not refused:
        return Parted(columns, {})
    keep = np.ones(len(next(iter(columns.values()))), dtype=np.bool_)
    keep[list(refused)] = False
    return Parted(take_rows(columns, keep), dict(sorted(refused.items())))


def applicable_rules(
    suites: Iterable[Mapping[str, Any]], kinds: Mapping[str, Kind]
) -> tuple[RowRules, ...]:
    """The row rules of the suites that can be applied to columns of these kinds.

    A suite that cannot is left out whole: its validation says why.
    """
    applicable = []
    for rules in map(compile_rules, suites):
        with suppress(SuiteError):
            rules.check(kinds)
            applicable.append(rules)
    return tuple(applicable)
