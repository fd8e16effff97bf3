"""What runs beside a process ends with it, also if that one is killed: real processes."""

import os
import subprocess
import sys
import time
from pathlib import Path

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
    while len(found := [int(file.stem) for file in folder.glob("*.runs")]) < count:
        assert starter.poll() is None
        time.sleep(0.01)
    starter.kill()
    starter.wait()
    return found


def await_end(processes: list[int]) -> None:
    deadline = time.monotonic() + 60
    while any(map(is_running, processes)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{process}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def test_a_program_that_ignores_every_request_ends_with_what_it_started(tmp_path: Path) -> None:
    processes = killed(tmp_path, STUBBORN, 2)
    assert all(map(is_running, processes))
    await_end(processes)


def test_a_program_has_the_time_to_tidy(tmp_path: Path) -> None:
    await_end(killed(tmp_path, POLITE, 1))
    assert (tmp_path / "has.tidied").exists()
