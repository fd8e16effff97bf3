"""The command as its own process: on a terminal, in a pipe, interrupted, and asked by a shell."""

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.fixtures.commands import Lockstep
from tests.fixtures.orders import Checkout

DAY = "2020-03-01"
COMMAND = str(Path(sys.executable).with_name("lockstep"))
LONGEST_SECONDS = 120


def on_terminal(
    arguments: list[str], folder: Path, environment: Mapping[str, str]
) -> tuple[int, str]:
    """Run a command on a terminal of its own; its exit status, and what the terminal got."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, *arguments],
        cwd=folder,
        env={**environment, "TERM": "xterm", "COLUMNS": "200"},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    screen = b""
    try:
        while chunk := os.read(ours, 65536):
            screen += chunk
    except OSError:  # how the other end of a terminal is closed
        pass
    os.close(ours)
    return process.wait(LONGEST_SECONDS), screen.decode()


def test_the_version_is_that_of_the_distribution(lockstep: Lockstep) -> None:
    answer = lockstep("--version")
    assert (answer.status, answer.out) == (0, f"lockstep {version('lockstep-scoring')}\n")


def test_without_arguments_it_tells_where_to_begin(lockstep: Lockstep) -> None:
    answer = lockstep()
    assert answer.status == 0
    assert "lockstep demo" in answer.out
    assert "lockstep new NAME" in " ".join(answer.out.split())


@pytest.mark.long
def test_progress_is_shown_on_a_terminal_and_gone_at_the_end(live_checkout: Checkout) -> None:
    status, screen = on_terminal(
        ["score", "orders", "--day", DAY], live_checkout.folder, live_checkout.environment()
    )
    assert status == 0, screen
    steps = re.findall(rf"scoring {DAY}: (\w+)", screen)
    assert list(dict.fromkeys(steps)) == ["batch", "scored", "published"]
    assert f"{DAY}: 120 rows scored" in screen
    after = screen.rpartition("scoring")[2]
    assert after.index("\x1b[2K") < after.index("checks passed")  # its line is erased


@pytest.mark.long
def test_nothing_of_progress_is_written_into_a_pipe(live_checkout: Checkout) -> None:
    answer = live_checkout.lockstep("score", "orders", "--day", DAY, TTY_INTERACTIVE="1")
    assert answer.returncode == 0
    assert answer.stderr == ""
    scored, checks = answer.stdout.splitlines()
    assert scored.startswith(f"{DAY}: 120 rows scored")
    assert checks.endswith("checks passed")


@pytest.mark.parametrize(("setting", "is_red"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_errors_are_red_on_a_terminal_unless_the_user_wants_no_colour(
    checkout: Checkout, setting: dict[str, str], is_red: bool
) -> None:
    environment = {k: v for k, v in checkout.environment().items() if k != "NO_COLOR"}
    status, screen = on_terminal(["train", "ordres"], checkout.folder, {**environment, **setting})
    assert status == 2
    assert "Did you mean 'orders'?" in screen
    assert ("\x1b[31m" in screen) == is_red


@pytest.mark.parametrize(
    "arguments", [["list"], ["score", "orders", "--from", DAY, "--to", "2020-03-02"]]
)
@pytest.mark.long
def test_a_pipe_that_is_closed_ends_it_without_a_traceback(
    live_checkout: Checkout, arguments: list[str]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.Popen(
        [COMMAND, *arguments],
        cwd=live_checkout.folder,
        env=live_checkout.environment(),
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writing)
    _, said = process.communicate(timeout=LONGEST_SECONDS)
    assert (process.returncode, said) == (141, "")


@pytest.mark.long
def test_an_interrupt_ends_all_runs_with_status_130_and_a_line_on_how_to_go_on(
    live_checkout: Checkout,
) -> None:
    command = ("score", "orders", "--from", DAY, "--to", "2020-03-31")
    process = live_checkout.start_lockstep(*command, PYTHONUNBUFFERED="1")
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    others, errors = process.communicate(timeout=LONGEST_SECONDS)
    assert first.startswith(f"{DAY}: 120 rows scored")
    assert process.returncode == 130
    assert "2020-03-31" not in others
    assert re.fullmatch(
        r"interrupted: of (2020-03-\d\d), what is new is kept whole or not at all\. "
        r"\d of 31 (is|are) through, which is kept\. "
        r"Go on: lockstep score orders --from \1 --to 2020-03-31\n",
        errors,
    )


@pytest.mark.parametrize(
    ("typed", "proposed"),
    [
        ("lockstep tr", ["train", "trace"]),
        ("lockstep train o", ["orders"]),
        ("lockstep train x", []),
        ("lockstep checks orders --p", ["--passed"]),
    ],
)
def test_a_shell_completes_commands_pipelines_and_options(
    lockstep: Lockstep, monkeypatch: pytest.MonkeyPatch, typed: str, proposed: list[str]
) -> None:
    monkeypatch.setenv("_LOCKSTEP_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split()) - 1))
    assert lockstep().out.split() == proposed


def test_no_pipeline_is_imported_to_complete_its_name(checkout: Checkout) -> None:
    checkout.edit(
        "assets/orders.py", "FIRST, LAST =", "raise SystemExit('imported')\nFIRST, LAST ="
    )
    answer = checkout.lockstep(
        _LOCKSTEP_COMPLETE="complete_bash", COMP_WORDS="lockstep train o", COMP_CWORD="2"
    )
    assert answer.stdout.split() == ["orders"]
