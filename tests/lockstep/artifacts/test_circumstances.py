"""A process whose clock is ahead runs what a pipeline's module may hold."""

import subprocess
import sys

import pytest

DECLARED = """
import datetime
from lockstep import Key, Record

class Row(Record):
    key: Key[str]
    sent_on: datetime.datetime | None

assert Row.schema()["sent_on"].declared == "datetime"
"""
LOOKED_UP = "import datetime; assert {REAL: 1}[datetime.datetime] == 1"
LOOKED_UP_BY_A_VERSION = """
from lockstep.artifacts.watched_datetime import datetime
assert {REAL: 1}[datetime] == 1
"""
TOLD = "import datetime; assert isinstance(datetime.datetime.now(), REAL)"
AHEAD = "import datetime; assert datetime.datetime.now().timestamp() > THEN + 5e8"


FRAMES = """
import inspect
from lockstep.artifacts.questions import watching

def asked():
    return inspect.currentframe().f_code.co_name, inspect.stack()[0].function

with watching():
    assert asked() == ("asked", "asked")
"""


def test_a_library_that_looks_at_the_frames_below_it_finds_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FRAMES], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("code", [DECLARED, LOOKED_UP, LOOKED_UP_BY_A_VERSION, TOLD, AHEAD])
def test_times_are_declared_looked_up_and_told_with_a_clock_that_is_ahead(code: str) -> None:
    program = (
        "import datetime, time; REAL = datetime.datetime; THEN = time.time()\n"
        "from lockstep.artifacts.circumstances import shift_clock\n"
        f"shift_clock(6e8, numpy_too=True)\n{code}"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
