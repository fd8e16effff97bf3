"""What begins in a closed thread and outlasts it: in a process whose pools have not begun."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from pyarrow import parquet

from lockstep.artifacts.closed_files import can_close_files

READING = """
import io, sys
import pyarrow as pa
from pyarrow import csv, parquet
from lockstep.artifacts.closed_files import closed
from lockstep.artifacts.questions import watching

def work():
    csv.read_csv(io.BytesIO(b"a,b\\n" + b"1,2\\n" * 300_000), csv.ReadOptions(block_size=1 << 14))

pa.set_cpu_count(4)
with watching():
    closed(work, [])
assert (pa.cpu_count(), pa.io_thread_count()) == (4, 8)
for _ in range(5):
    print(parquet.read_table(sys.argv[1]).num_rows)
"""


@pytest.mark.skipif(not can_close_files(), reason="this system has no Landlock")
def test_the_pools_of_arrow_read_files_after_a_closed_thread_used_them() -> None:
    with TemporaryDirectory(dir="/var/tmp") as folder:  # those of tests may lie in /dev/shm
        for number in range(8):
            parquet.write_table(pa.table({"a": range(100)}), Path(folder, f"{number}.parquet"))
        done = subprocess.run(
            [sys.executable, "-c", READING, folder], capture_output=True, text=True, check=False
        )
    assert done.stdout.split() == ["800"] * 5, done.stderr
