"""Settings are held against their annotations: what fits, and what is said of what does not."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import pytest

from lockstep.columns.setting_checks import Allowed, checked, misfit, wanted
from lockstep.errors import DeclarationError
from lockstep.project.quality import Quality
from lockstep.project.sinks import ParquetSink, SqlSink
from lockstep.project.sources import CsvSource, SqlSource

DAY, TIME, SPAN = date(2024, 1, 31), datetime(2024, 1, 31, tzinfo=UTC), timedelta(days=1)
SHARE = Annotated[float, Allowed(above=0, most=1)]


@pytest.mark.parametrize(
    ("hint", "fitting", "others"),
    [
        (int, [0, -1, 10**30], [True, 1.0, "1", None, np.float64(1)]),
        (float, [0, 1.5, float("nan"), np.float64(1)], [True, "1", None]),
        (bool, [True], [0, "True", None]),
        (str, ["", np.str_("a")], [b"", 1, None]),
        (date, [DAY], [TIME, "2024-01-31"]),
        (datetime, [TIME, pd.Timestamp(TIME)], [DAY]),
        (timedelta, [SPAN, pd.Timedelta(SPAN)], [1, "1d"]),
        (timedelta | None, [SPAN, None], [1]),
        (str | Path, ["a", Path("a")], [1]),
        (Literal["a", 1], ["a", 1], ["b", True]),
        (Sequence[str], [[], ["a"], ("a",)], ["a", {"a"}, [1], {"a": 1}, iter("a")]),
        (Iterable[date], [[DAY], {DAY}, iter([DAY])], ["2024", [TIME], DAY]),
        (Mapping[str, SHARE], [{}, {"a": 0.5}], [{"a": 2}, {1: 0.5}, ["a"]]),
        (Sequence[str] | Mapping[str, float], [["a"], {"a": 1}], ["a", {"a": "b"}]),
        (type[int] | type[str], [bool, str], [1, float]),
        (Callable[..., Any], [print, int], ["print"]),
        (SHARE, [1, 0.5], [0, 1.5, float("nan"), "85%"]),
        (Annotated[timedelta, Allowed(least=SPAN, below=3 * SPAN)], [SPAN], [3 * SPAN, 0 * SPAN]),
        (Any, [None, object()], []),
    ],
)
def test_a_value_fits_its_annotation_or_does_not(
    hint: Any, fitting: list[Any], others: list[Any]
) -> None:
    assert [value for value in fitting if misfit(value, hint) is not None] == []
    assert [value for value in others if misfit(value, hint) is None] == []


def test_the_innermost_value_is_named() -> None:
    wrong = misfit({"a": 0.5, "b": "half"}, Sequence[str] | Mapping[str, SHARE] | None)
    assert (wrong.place, wrong.given, wanted(wrong.hint, wrong.given)) == (
        *("['b']", "half"),
        "a number above 0 and up to 1",
    )


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: Quality("a", "b", "auc", "85%"), "threshold is '85%'; give a number, such as"),
        (lambda: Quality("a", "b", "accuracy", 85), "accuracy goes from 0 to 1"),
        (lambda: Quality("a", "b", "auc", float("nan")), "threshold is NaN; give a value between"),
        (lambda: Quality("a", "b", "mae", -1), "mae goes from 0 to inf"),
        (lambda: Quality("a", "b", "neg_log_loss", 0.5), "neg_log_loss goes from -"),
        (lambda: Quality("a", "b", "auc"), "missing a required argument: 'threshold'; it takes c"),
        (lambda: Quality("a", "b", "auc", 0.5, 1), "too many positional arguments; it takes"),
        (lambda: Quality("a", "b", "auc", treshold=1), "takes no 'treshold'; did you mean 'thre"),
    ],
)
def test_a_quality_that_is_none_is_refused(call: Callable[[], Quality], said: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        call()
    assert said in str(refused.value)


def test_each_of_several_arguments_is_checked() -> None:
    @checked
    def marked(*texts: str, at: date | None = None) -> int:
        return len(texts)

    assert marked("a", "b", at=DAY) == 2
    with pytest.raises(DeclarationError, match=r"@marked: texts\[1\] is 3; give a text\."):
        marked("a", 3)
    with pytest.raises(DeclarationError, match=r"give a day, such as date\(2015, 7, 1\) or None"):
        marked(at="2015-07-01")


@pytest.mark.parametrize(
    "declare",
    [
        lambda given: SqlSource(given, "SELECT 1"),
        SqlSink,
        lambda given: CsvSource("a.csv", options=given),
        lambda given: ParquetSink("s3://bucket", options=given),
    ],
)
@pytest.mark.parametrize("given", [b"postgresql://me:secret@db/x", ["secret"], {1: "secret"}])
def test_what_may_hold_a_password_is_not_shown(declare: Callable[[Any], Any], given: Any) -> None:
    with pytest.raises(DeclarationError, match="is of the type") as refused:
        declare(given)
    assert "secret" not in str(refused.value)
