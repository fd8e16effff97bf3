"""What is shown of checks: the worst last, whole in a pipe, and cut with a word on a terminal."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO

import pytest

from lockstep.checks.reports import CheckReport
from lockstep.cli import console
from lockstep.dagster.run_reports import RunReport

DAY = "2020-03-01"


def check(name: str, result: str, summary: str = "Found.", partition: str = DAY) -> CheckReport:
    return CheckReport("orders/daily/batch", name, partition, result, None, summary)


def run_of(partition: str, *checks: CheckReport) -> RunReport:
    return RunReport("a run", "a job", partition, {}, checks, None, is_mistake=False)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """A terminal of 60 columns."""
    screen = StringIO()
    out = console.PlainConsole(file=screen, force_terminal=True, width=60, color_system=None)
    monkeypatch.setattr(console, "OUT", out)
    return screen


def test_passed_checks_are_a_line_and_the_worst_is_last(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console.show_checks(
        [
            check("broken", "failed", "It broke."),
            check("one", "passed"),
            check("odd", "warned", "It is odd."),
            check("young", "not_judged", "There are 3 batches."),
            check("small", "not_judged", "There are 3 batches."),
            check("two", "passed"),
        ]
    )
    assert capsys.readouterr().out.splitlines() == [
        "2 checks passed",
        "not judged  orders/daily/batch  young, small",
        "        There are 3 batches.",
        "warned  orders/daily/batch  odd",
        "        It is odd.",
        "FAILED  orders/daily/batch  broken",
        "        It broke.",
    ]


def test_what_passed_checks_found_is_shown_when_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console.show_checks([check("one", "passed", "All is well.")], passed_too=True, partitions=True)
    assert capsys.readouterr().out.splitlines() == [
        f"passed  orders/daily/batch {DAY}  one",
        "        All is well.",
    ]


def test_a_finding_in_a_pipe_is_one_line_however_long(capsys: pytest.CaptureFixture[str]) -> None:
    long = "word " * 2000 + "[end]"
    console.show_checks([check("broken", "failed", long)])
    assert capsys.readouterr().out.splitlines()[1] == f"        {long}"


def test_controls_of_a_value_are_shown_and_not_sent_to_the_terminal(terminal: StringIO) -> None:
    console.show_checks([check("broken", "failed", "Found \x1b]0;title, \x9b5m, \x7f.")])
    assert "Found ␛]0;title, �5m, ␡." in terminal.getvalue()


def test_a_long_finding_on_a_terminal_is_cut_and_says_where_the_rest_is(
    terminal: StringIO,
) -> None:
    console.show_checks([check("broken", "failed", "word " * 2000)])
    lines = terminal.getvalue().splitlines()
    assert max(map(len, lines)) <= 60
    shown = " ".join(line.strip() for line in lines)
    assert shown.endswith(f"… (9,200 more characters: lockstep checks orders --day '{DAY}' --json)")


def test_warnings_of_many_runs_are_counted_with_their_days_and_failures_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console.show_many_checks(
        [
            run_of("2020-03-01", check("odd", "warned"), check("one", "passed")),
            run_of("2020-03-01", check("young", "not_judged")),
            run_of("2020-03-02", check("odd", "warned"), check("broken", "failed", "It broke.")),
        ]
    )
    assert capsys.readouterr().out.splitlines() == [
        "1 check passed",
        "not judged  orders/daily/batch  young  once",
        f"warned  orders/daily/batch  odd  2 times: {DAY}, {DAY}",
        f"FAILED  orders/daily/batch {DAY}  broken",
        "        It broke.",
    ]


def test_json_is_strict_whatever_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    console.show_json({"auc": float("nan"), "at": datetime(2020, 3, 1, tzinfo=UTC)})
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail) == {
        "auc": None,
        "at": "2020-03-01T00:00:00Z",
    }


def test_a_failure_is_told_with_where_what_to_do_and_its_page(
    capsys: pytest.CaptureFixture[str],
) -> None:
    failed = replace(check("decoding", "failed", "It broke."), where="key a1", todo="Mend it.")
    console.show_checks([failed], dagster="http://127.0.0.1:3000")
    assert capsys.readouterr().out.splitlines() == [
        "FAILED  orders/daily/batch  decoding",
        "        It broke.",
        "        Where: key a1",
        "        What to do: Mend it.",
        "        http://127.0.0.1:3000/assets/orders/daily/batch?view=events&partitions%5B0%5D=2020-03-01",
    ]
