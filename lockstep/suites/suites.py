"""Suites: the expectations of a pipeline's data, and the plain form in which they are stored."""

from __future__ import annotations

import inspect
import json
import re
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from lockstep.columns.plain import PERSONAL, did_you_mean, listed, one_line
from lockstep.columns.setting_checks import Allowed, declaration
from lockstep.errors import SuiteError
from lockstep.rules.row_rules import columns_of

if TYPE_CHECKING:
    import great_expectations as gx

SuiteJson = dict[str, Any]
"""A suite as plain JSON, in Great Expectations' own form."""

SuiteFunction: TypeAlias = Annotated[
    Callable[[], Any], Allowed(meant="a function that returns an ExpectationSuite, by its name")
]
_BOUNDS = ("min_value", "max_value")
_REGEX_PARTS = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\$", re.DOTALL)
"""An escaped character, a set of characters, or `$`."""
_BY_LINES = re.compile(r"\(\?[aiLsux]*m")
"""An inline flag that makes `$` the end of each line."""


def _nothing() -> gx.ExpectationSuite:
    """A suite without an expectation."""
    import great_expectations as gx

    return gx.ExpectationSuite(name="nothing is expected")


@declaration
@dataclass(frozen=True)
class Suites:
    """What a pipeline expects of its data, at three places.

    Each suite is a function, so that Great Expectations is imported only when one is called; by
    default it expects nothing.

    Attributes:
        input: The suite of the incoming records. Its critical expectations about rows are also
            compiled into row rules.
        features: The suite of the columns that the models are given.
        outputs: The suite of the published columns.
    """

    input: SuiteFunction = _nothing
    features: SuiteFunction = _nothing
    outputs: SuiteFunction = _nothing

    def expects(self, role: str) -> bool:
        """Whether there is a suite; see `to_json` for the role."""
        return getattr(self, role) is not _nothing

    def to_json(
        self, role: str, known: Iterable[str] | None = None, personal: Set[str] = frozenset()
    ) -> SuiteJson:
        """A suite, by its role (`input`, `features` or `outputs`), in its plain form.

        Args:
            known: The columns that it may be about; None for any.
            personal: Those whose values no result shows.

        Raises:
            SuiteError: It cannot be made or stored, or is about another column; the message names
                the line at fault.
        """
        make: Callable[[], gx.ExpectationSuite] = getattr(self, role)
        suite = suite_json(_made(make, role))
        for expectation in suite["expectations"]:
            if not personal.isdisjoint(columns_of(expectation["kwargs"])):
                expectation["meta"] = {**(expectation.get("meta") or {}), PERSONAL: True}
        if known is not None:
            _demand_columns(suite, tuple(known), make, role)
        return suite


def _made(make: Callable[[], gx.ExpectationSuite], role: str) -> gx.ExpectationSuite:
    import great_expectations as gx

    try:
        suite = make()
    except Exception as error:
        raise SuiteError(f"{_line_of(make, error)}: {_reason(error)}") from error
    if not isinstance(suite, gx.ExpectationSuite):
        code = inspect.unwrap(make).__code__
        raise SuiteError(
            f"{code.co_filename}:{code.co_firstlineno}: the {role} suite is {type(suite).__name__};"
            " return an ExpectationSuite(name=..., expectations=[...])."
        )
    return suite


def _demand_columns(
    suite: SuiteJson, known: Sequence[str], make: Callable[[], object], role: str
) -> None:
    for expectation in suite["expectations"]:
        for name in columns_of(expectation["kwargs"]):
            if name not in known:
                code = inspect.unwrap(make).__code__
                hint = did_you_mean(str(name), known) or f" There are {listed(known)}."
                raise SuiteError(
                    f"{code.co_filename}:{code.co_firstlineno}: the {role} suite "
                    f"({suite['name']}): {expectation['type']} is about {name!r}, and there is no "
                    f"such column.{hint}"
                )


def _line_of(make: Callable[[], object], error: Exception) -> str:
    """The file and line that raised: of a suite's function, or of a function beside it."""
    file = inspect.unwrap(make).__code__.co_filename
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file
    ]
    return f"{file}:{frames[-1].lineno}" if frames else file


def _reason(error: Exception) -> str:
    """Why Great Expectations refuses an expectation, in a line."""
    if isinstance(error, AttributeError) and error.name is not None:
        close = get_close_matches(error.name, dir(error.obj), n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        return f"there is no {error.name}.{hint}"
    listed = getattr(error, "errors", None)
    if isinstance(error, ValueError) and callable(listed):  # pydantic's
        return "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {one_line(str(problem['msg']))}"
            for problem in listed()
        )
    return f"{type(error).__name__}: {one_line(str(error))}"


def suite_json(suite: gx.ExpectationSuite) -> SuiteJson:
    r"""The suite as plain JSON, to be stored with a model; SuiteError if JSON cannot hold a value.

    Dates and times without a zone are taken to be UTC, like every time in a canonical column
    (Great Expectations cannot compare such a column with a time that has no zone). A regular
    expression's `$` becomes `\Z`: its author means the end of the text, and Python's `$` also
    matches before a line break at the end.
    """
    try:
        plain: SuiteJson = json.loads(json.dumps(suite.to_json_dict(), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise SuiteError(
            f"suite {suite.name!r} cannot be stored: {error}. Give finite numbers, texts and "
            "times; leave out a bound that does not bound."
        ) from error
    for expectation in plain["expectations"]:
        kwargs = expectation["kwargs"]
        for bound in _BOUNDS:
            if isinstance(kwargs.get(bound), str):
                kwargs[bound] = _in_utc(kwargs[bound])
        if isinstance(kwargs.get("regex"), str):
            kwargs["regex"] = _to_the_end(kwargs["regex"])
        if isinstance(kwargs.get("regex_list"), list):
            kwargs["regex_list"] = [_to_the_end(str(regex)) for regex in kwargs["regex_list"]]
    return plain


def from_json(suite: Mapping[str, Any]) -> gx.ExpectationSuite:
    """The suite that `suite_json` wrote; SuiteError where Great Expectations cannot read it."""
    import great_expectations as gx
    from great_expectations.exceptions.exceptions import GreatExpectationsError

    name = suite.get("name")
    try:
        read = gx.ExpectationSuite(**suite)
    except (GreatExpectationsError, TypeError, ValueError) as error:
        why = " ".join(str(error).split())
        raise SuiteError(f"suite {name!r} cannot be read: {why}") from error
    # Great Expectations leaves out what it cannot make, with only a line in the log.
    wanted = Counter(expectation["type"] for expectation in suite["expectations"])
    dropped = wanted - Counter(expectation.expectation_type for expectation in read.expectations)
    if dropped:
        raise SuiteError(
            f"suite {name!r} cannot be read: Great Expectations cannot make {', '.join(dropped)} "
            "of what is written. Correct the type, the severity or the arguments."
        )
    return read


def _in_utc(written: str) -> str:
    """An ISO 8601 date or time with its zone: UTC where it has none."""
    moment = datetime.fromisoformat(written)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


def _to_the_end(regex: str) -> str:
    """A regular expression whose `$` is the very end of the text."""
    if _BY_LINES.search(regex):
        return regex
    return _REGEX_PARTS.sub(lambda part: r"\Z" if part[0] == "$" else part[0], regex)
