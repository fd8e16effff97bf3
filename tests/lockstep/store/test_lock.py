"""Locks: one at a time, and a process that is killed leaves none behind."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from socket import gethostname

import pytest

from lockstep.errors import LockedError
from lockstep.store.lock import holder, locked


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "locks" / "day.lock"


@pytest.fixture
def other(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until it is killed."""
    script = textwrap.dedent(
        f"""
        import sys
        from pathlib import Path
        from lockstep.store.lock import locked

        with locked(Path({str(path)!r}), "daily/day"):
            print("held", flush=True)
            sys.stdin.read()
        """
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", script, "score"], **pipes) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_one_is_told_who_holds_it(path: Path, other: subprocess.Popen[str]) -> None:
    by = f"process {other.pid} on {gethostname()}"
    held = rf"daily/day is being worked on by {by} since [-:+T\d]+; wait"  # and no command line
    with pytest.raises(LockedError, match=held), locked(path, "daily/day", wait=0.1):
        pass


def test_a_killed_process_leaves_none_behind(path: Path, other: subprocess.Popen[str]) -> None:
    other.kill()
    other.wait()
    with locked(path, "daily/day", wait=0):
        assert holder(path).pid == os.getpid()


def test_a_second_one_goes_on_as_soon_as_the_first_ends(
    path: Path, other: subprocess.Popen[str]
) -> None:
    other.stdin.close()
    with locked(path, "daily/day", wait=30):
        assert holder(path).pid == os.getpid()


def test_threads_of_one_process_keep_each_other_out(path: Path) -> None:
    with locked(path, "daily/day"), pytest.raises(LockedError), locked(path, "daily/day", wait=0):
        pass


def test_nobody_holds_what_was_given_back_or_never_taken(path: Path) -> None:
    assert holder(path) is None
    with locked(path, "daily/day"):
        pass
    assert holder(path) is None
