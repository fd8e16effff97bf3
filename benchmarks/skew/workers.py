"""Work in processes of their own, two at a time: what a task does to its process ends with it."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

from rich.progress import track

from lockstep.cli.console import ERR

WORKERS = int(os.environ.get("LOCKSTEP_BENCH_WORKERS", "2"))
Given = TypeVar("Given")
Found = TypeVar("Found")


def carry_out(work: Callable[[Given], Found], tasks: Sequence[Given], title: str) -> list[Found]:
    """What came of each task, in their order; each has a process of its own.

    Processes are forked, so that none of them has to load the libraries again: nothing may have
    started threads before.
    """
    with multiprocessing.get_context("fork").Pool(WORKERS, maxtasksperchild=1) as pool:
        found = pool.imap(work, tasks, chunksize=1)
        return list(track(found, f"{len(tasks)} {title}", len(tasks), console=ERR, transient=True))


def leave_unflushed() -> None:
    """Flush no file to disk from now on, in this process and those that are forked of it.

    None of what faults are tried on has to outlast a power failure, and a faulted day waits for the
    disk seven times: a tenth of its time.
    """
    os.fsync = lambda fd: None


def say(text: str) -> None:
    """Tell whoever waits how far it is."""
    print(text, file=sys.stderr, flush=True)
