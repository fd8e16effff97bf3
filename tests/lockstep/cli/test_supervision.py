"""Programs that stop by themselves: real processes, and a clock that the test sets."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockstep.cli.supervision import Processes, Program, Supervisor, ending_together
from lockstep.serving.pauses import FIRST_PAUSE, LONGEST_PAUSE
from tests.fixtures.waiting import once, wait_until

STOPS = "print('no disk'); raise SystemExit(3)"
RUNS = "import time; time.sleep(600)"


class Watched:
    """A program under supervision."""

    def __init__(self, processes: Processes, folder: Path, code: str) -> None:
        self.now = 0.0
        self.processes = processes
        self.program = Program("Parrot", [sys.executable, "-c", code], folder / "parrot.log")
        processes.start(self.program)
        self.supervisor = Supervisor(processes, [self.program], clock=lambda: self.now)

    def await_stop(self) -> None:
        wait_until(lambda: self.processes.status(self.program) is not None, pause=0.01)

    def lines(self, seconds: float = 0.0) -> list[str]:
        """What is told after a while."""
        self.now += seconds
        return list(self.supervisor.lines())


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with ending_together(os.environ, tmp_path) as found:
        yield found


def test_one_that_runs_is_nothing_to_tell(processes: Processes, tmp_path: Path) -> None:
    assert Watched(processes, tmp_path, RUNS).lines() == []


@pytest.mark.parametrize("status", [0, 3])
def test_one_that_stopped_is_told_with_what_it_said_last(
    processes: Processes, tmp_path: Path, status: int
) -> None:
    watched = Watched(processes, tmp_path, STOPS.replace("3", str(status)))
    watched.await_stop()
    what, last = watched.lines()
    assert f"Parrot stopped (status {status}); it starts again in 1 s." in what
    assert str(watched.program.log) in what
    assert last == "no disk"
    assert watched.lines() == []


def test_one_that_is_killed_runs_again_after_the_pause(
    processes: Processes, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    watched = Watched(processes, tmp_path, signing(pids))
    os.kill(await_pids(pids, 1)[0], signal.SIGKILL)
    watched.await_stop()
    assert "Parrot stopped (signal 9)" in watched.lines()[0]
    watched.lines(FIRST_PAUSE / 2)
    assert processes.status(watched.program) is not None
    watched.lines(FIRST_PAUSE / 2)
    assert processes.status(watched.program) is None
    await_pids(pids, 2)


def test_one_that_hangs_is_started_anew_and_one_that_waits_at_once(
    processes: Processes, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    watched = Watched(processes, tmp_path, signing(pids))
    first = await_pids(pids, 1)[0]
    os.kill(first, signal.SIGSTOP)
    assert [*watched.supervisor.start_anew(["Canary"])] == []
    (line,) = watched.supervisor.start_anew(["Parrot"])
    assert line.endswith("Parrot is started anew.")
    second = await_pids(pids, 2)[1]
    os.kill(second, signal.SIGKILL)
    watched.await_stop()
    assert watched.lines(), "it waits"
    assert [*watched.supervisor.start_anew(["Parrot"])]
    await_pids(pids, 3)
    assert watched.lines() == []


def test_one_that_keeps_stopping_is_started_ever_less_often(
    processes: Processes, tmp_path: Path
) -> None:
    watched = Watched(processes, tmp_path, STOPS)
    pauses = []
    for _ in range(8):
        watched.await_stop()
        said = watched.lines()
        pauses.append(float(said[0].partition("again in ")[2].partition(" s.")[0]))
        watched.lines(pauses[-1])
    assert pauses == [1, 2, 4, 8, 16, 32, LONGEST_PAUSE, LONGEST_PAUSE]


def test_one_that_ran_long_enough_is_started_soon_again(
    processes: Processes, tmp_path: Path
) -> None:
    watched = Watched(processes, tmp_path, STOPS)
    for seconds in (0, 0, 600):
        watched.await_stop()
        said = watched.lines(seconds)
        watched.lines(LONGEST_PAUSE)
    assert "again in 1 s" in said[0]


def signing(file: Path) -> str:
    """The code of a program that writes its number into a file, and runs."""
    return f"import os; open({str(file)!r}, 'a').write(f'{{os.getpid()}} '); " + RUNS


def await_pids(file: Path, count: int) -> list[int]:
    def look() -> list[int] | None:
        found = [int(one) for one in file.read_text().split()] if file.exists() else []
        return found if len(found) == count else None

    return once(look, pause=0.01)
