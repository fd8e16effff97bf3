"""How the benchmark of a scoring run times commands and judges them."""

import os
import sys

import pytest

from benchmarks.run import CommandFailedError, Target, judge, report, timed

TARGET = Target(command="score", baseline="import", limit=1.5)


def test_ratios_are_taken_within_a_round() -> None:
    outcome = judge(TARGET, {"score": [2.0, 6.0, 3.0], "import": [2.0, 4.0, 1.0]})
    assert outcome.ratio.median == 1.5


def test_a_ratio_at_the_limit_meets_it() -> None:
    assert judge(TARGET, {"score": [3.0], "import": [2.0]}).met


def test_a_report_says_what_falls_short() -> None:
    outcome = judge(TARGET, {"score": [4.0], "import": [2.0]})
    assert "FALLS SHORT" in report({"score": outcome.ratio}, [outcome])


def test_a_failing_command_is_an_error_with_what_it_printed() -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no live version')"]
    with pytest.raises(CommandFailedError, match="no live version"):
        timed(command, os.environ)
