"""Syntax trees are read by several threads at a time."""

from __future__ import annotations

import subprocess
import sys

THREADS = """
import gc, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from lockstep.columns import records, syntax

gc.set_threshold(50, 2, 2)  # other threads go on while garbage is collected amid a tree
gc.callbacks.append(lambda phase, info: [records.__name__ for _ in range(100)])
sys.setswitchinterval(1e-6)
source = Path(records.__file__).read_text()

def read(number):
    return syntax.parse(source).body, syntax.source_of(records.Record)

with ThreadPoolExecutor(3) as threads:
    assert len([*threads.map(read, range(150))]) == 150
"""


def test_threads_may_read_syntax_trees_at_the_same_time() -> None:
    done = subprocess.run(
        [sys.executable, "-c", THREADS], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
