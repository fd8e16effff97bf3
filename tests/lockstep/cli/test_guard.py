"""What runs beside a process ends with it, also if that one is killed: real processes."""

import subprocess
import sys
from pathlib import Path

from tests.fixtures.processes import await_end, is_running
from tests.fixtures.waiting import wait_until

STARTS = """
import os, sys, time
from pathlib import Path
from lockstep.cli.supervision import Program, ending_together

with ending_together(os.environ, Path()) as processes:
    processes.start(Program("Ox", [sys.executable, "-c", sys.argv[1]], Path("ox.log")))
    time.sleep(600)
"""
STUBBORN = """
import os, signal, time

for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
os.fork()
os.open(f"{os.getpid()}.runs", os.O_CREAT)
time.sleep(600)
"""
POLITE = """
import os, time

try:
    os.open(f"{os.getpid()}.runs", os.O_CREAT)
    time.sleep(600)
finally:
    os.open("has.tidied", os.O_CREAT)
"""


def killed(folder: Path, code: str, count: int) -> list[int]:
    """The processes of a program whose starter was killed once all of them ran."""
    starter = subprocess.Popen([sys.executable, "-c", STARTS, code], cwd=folder)
    wait_until(lambda: len([*folder.glob("*.runs")]) == count, pause=0.01)
    starter.kill()
    starter.wait()
    return [int(file.stem) for file in folder.glob("*.runs")]


def test_a_program_that_ignores_every_request_ends_with_what_it_started(tmp_path: Path) -> None:
    processes = killed(tmp_path, STUBBORN, 2)
    assert all(map(is_running, processes))
    await_end(processes)


def test_a_program_has_the_time_to_tidy(tmp_path: Path) -> None:
    await_end(killed(tmp_path, POLITE, 1))
    assert (tmp_path / "has.tidied").exists()
