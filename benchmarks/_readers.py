"""Readers: many at a time of what is published, while it is replaced."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks._writes import start

_EXAMPLES = 5
_BEHIND = 19
"""By how much readers give way to who replaces what they read: there are hundreds for each core."""


@dataclass(frozen=True)
class Reads:
    """What readers saw.

    Attributes:
        readers: Number of readers.
        reads: How often they read, all together.
        seen: How often each whole content was seen.
        partial: How often something else was seen: nothing, a part, or a mixture.
        examples: What that was, a few times.
    """

    readers: int
    reads: int
    seen: Counter[str]
    partial: int
    examples: Sequence[str]


def read_by_many(
    read: Callable[[], str],
    whole: Collection[str],
    replace: Callable[[int], object],
    *,
    scratch: Path,
    readers: int = 1_000,
    processes: int = 4,
    times: int = 50,
) -> Reads:
    """Have many read while something is replaced again and again.

    Each reader reads at least once before the first replacement, once since, and once after the
    last.

    Args:
        read: Reads, and returns what tells the content, in any thread.
        whole: What it returns of each content that is ever whole.
        replace: Replaces the content, given how often it was replaced before.
        scratch: A folder for marks.
        readers: Number of readers, threads of processes.
        processes: Number of processes.
        times: How often to replace.
    """
    ended = scratch / "ended"
    marks = [
        Marks(scratch / f"begun-{number}", scratch / f"again-{number}", ended)
        for number in range(processes)
    ]
    crowds = [start(partial(crowd, read, readers // processes, own)) for own in marks]
    _await(own.begun for own in marks)
    for number in range(times):
        replace(number)
    _await(own.again for own in marks)
    ended.touch()
    seen: Counter[str] = Counter()
    for process in crowds:
        found = process.end()
        assert found.status == 0, found.error
        seen.update(found.value)
    others = {content: count for content, count in seen.items() if content not in whole}
    return Reads(
        readers=readers // processes * processes,
        reads=seen.total(),
        seen=Counter({content: seen[content] for content in whole}),
        partial=sum(others.values()),
        examples=list(others)[:_EXAMPLES],
    )


@dataclass(frozen=True)
class Marks:
    """Files by which readers and who replaces what they read tell each other how far they are.

    Attributes:
        begun: Made by the readers when each has read once.
        again: Made by them when each has begun and ended a second read since.
        ended: Made by who replaces, when it is enough.
    """

    begun: Path
    again: Path
    ended: Path


def crowd(read: Callable[[], str], count: int, marks: Marks, pause: float = 0.0) -> Counter[str]:
    """Read in so many threads until a mark is there, and once more; how often each saw what.

    Args:
        read: See `read_by_many`.
        count: Number of threads.
        marks: Where to say how far the threads are, and the mark that ends it.
        pause: Seconds between two reads of a thread.
    """
    os.nice(_BEHIND)
    seen: list[Counter[str]] = [Counter() for _ in range(count)]
    first = threading.Barrier(count, action=marks.begun.touch)
    second = threading.Barrier(count, action=marks.again.touch)

    def look(own: Counter[str]) -> None:
        own[_seen(read)] += 1
        first.wait()
        own[_seen(read)] += 1
        second.wait()
        is_last = False
        while not is_last:
            is_last = marks.ended.exists()
            own[_seen(read)] += 1
            time.sleep(pause)

    threads = [threading.Thread(target=look, args=(own,)) for own in seen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(seen, Counter())


def _await(marks: Iterable[Path]) -> None:
    for mark in marks:
        while not mark.exists():
            time.sleep(0.01)


def _seen(read: Callable[[], str]) -> str:
    try:
        return read()
    except Exception as error:  # noqa: BLE001 - what a reader gets instead of rows
        return f"{type(error).__name__}: {error}"
