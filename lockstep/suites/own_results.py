"""Own results: those of Great Expectations' results that counts of the rows are enough for.

That they are the same is tested, field by field, in `tests/lockstep/suites`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pandas as pd

from lockstep.columns.kinds import Columns
from lockstep.columns.tables import to_frame
from lockstep.rules.column_states import figures_of
from lockstep.rules.row_rules import columns_of
from lockstep.rules.suite_counts import RowCounts, SuiteCounts

ROW_COUNT = "expect_table_row_count_to_be_between"
_NULLS = ("expect_column_values_to_not_be_null", "expect_column_values_to_be_null")
"""They look at every row, and tell nothing of missing ones."""
_NOTHING_RAISED: Mapping[str, Any] = {
    "raised_exception": False,
    "exception_traceback": None,
    "exception_message": None,
}


@dataclass(frozen=True)
class Found:
    """What is found of an expectation, as Great Expectations tells it."""

    success: bool
    result: Mapping[str, Any]
    examples: Columns | None = None  # some failing rows, if it is not met
    is_estimate: bool = False
    exception_info: Mapping[str, Any] = field(default_factory=lambda: {**_NOTHING_RAISED})


def own_result(asked: Mapping[str, Any], counts: SuiteCounts, place: int) -> Found | None:
    """What is found of an expectation in a suite's JSON, by what is counted of all rows.

    None where Great Expectations has to be asked.
    """
    kwargs = asked["kwargs"]
    if kwargs.get("row_condition") is not None:
        return None
    if (tests := counts.tests.get(place)) is not None:
        return _of_rows(asked, counts.rows, tests)
    if asked["type"] == ROW_COUNT:
        return _of_figures(kwargs, [counts.rows])
    if asked["type"] == "expect_table_row_count_to_equal":
        return Found(counts.rows == kwargs["value"], {"observed_value": counts.rows})
    return _of_figures(kwargs, figures_of(asked, counts.states))


def _of_rows(asked: Mapping[str, Any], rows: int, counts: RowCounts) -> Found | None:
    kwargs, of_nulls = asked["kwargs"], asked["type"] in _NULLS
    names = columns_of(kwargs)
    if len(set(names)) != len(names):
        return None
    seen = rows if of_nulls else rows - counts.left_out
    unexpected = _percent(counts.refused, seen)
    frame = to_frame({name: counts.examples[name] for name in names})
    listed = [*(frame[names[0]] if len(names) == 1 else zip(*map(frame.get, names), strict=True))]
    result = {
        "element_count": rows,
        "unexpected_count": counts.refused,
        "unexpected_percent": unexpected,
        "partial_unexpected_list": listed,
    }
    if not of_nulls:
        result |= {
            "missing_count": counts.left_out,
            "missing_percent": _percent(counts.left_out, rows),
            "unexpected_percent_total": _percent(counts.refused, rows),
            "unexpected_percent_nonmissing": unexpected,
        }
    success = not seen or (seen - counts.refused) / seen >= kwargs.get("mostly", 1)
    if success:
        return Found(True, result)
    with suppress(TypeError):  # values that have no order are not counted
        ordered = sorted(Counter(listed).items(), key=lambda found: (-found[1], found[0]))
        result["partial_unexpected_counts"] = [
            {"value": value, "count": count} for value, count in ordered
        ]
    return Found(False, result, counts.examples)


def _percent(rows: int, of: int) -> float | None:
    return rows / of * 100 if of else None


def _of_figures(kwargs: Mapping[str, Any], figures: Sequence[Any]) -> Found | None:
    """Whether a figure lies within bounds; by several, the likely value and its limits, it may."""
    try:
        verdicts = [_is_within(kwargs, figure) for figure in figures]
    except (TypeError, ValueError):  # Great Expectations says why they cannot be compared
        return None
    if not verdicts:
        return None
    observed = figures[0] if not pd.isna(figures[0]) or figures[0] is pd.NaT else None
    return Found(any(verdicts), {"observed_value": observed}, is_estimate=len(figures) > 1)


def _is_within(kwargs: Mapping[str, Any], figure: Any) -> bool:
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    if isinstance(figure, datetime):
        low, high = (
            datetime.fromisoformat(bound) if isinstance(bound, str) else bound
            for bound in (low, high)
        )
    elif pd.isna(figure):
        return False
    above = low is None or (figure > low if kwargs.get("strict_min") else figure >= low)
    below = high is None or (figure < high if kwargs.get("strict_max") else figure <= high)
    return bool(above and below)
