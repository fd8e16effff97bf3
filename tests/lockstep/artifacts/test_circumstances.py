"""A process whose clock is ahead runs what a pipeline's module may hold."""

import subprocess
import sys

import pytest

AHEAD = """
import datetime, time
REAL, THEN = datetime.datetime, time.time()
from lockstep.artifacts.circumstances import shift_clock
shift_clock(6e8, numpy_too=True)
"""
CODE = {
    "declared": """
import datetime
from lockstep import Key, Record

class Row(Record):
    key: Key[str]
    sent_on: datetime.datetime | None

assert Row.schema()["sent_on"].declared == "datetime"
""",
    "looked up": "import datetime; assert {REAL: 1}[datetime.datetime] == 1",
    "looked up by a version": """
from lockstep.artifacts.watched_datetime import datetime
assert {REAL: 1}[datetime] == 1
""",
    "told": "import datetime; assert isinstance(datetime.datetime.now(), REAL)",
    "ahead": "import datetime; assert datetime.datetime.now().timestamp() > THEN + 5e8",
}
FRAMES = """
import inspect
from lockstep.artifacts.questions import watching

def asked():
    return inspect.currentframe().f_code.co_name, inspect.stack()[0].function

with watching():
    assert asked() == ("asked", "asked")
"""


def errors_of(program: str) -> str:
    """What a new process says on its standard error."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    return done.stderr or f"ended with {done.returncode}" * bool(done.returncode)


@pytest.fixture(scope="module")
def failures() -> str:
    """What failed of all code in one process with a clock that is ahead."""
    tried = (
        f"import traceback\nfor name, code in {CODE!r}.items():\n"
        "    try:\n        exec(code, {'REAL': REAL, 'THEN': THEN, '__name__': '__main__'})\n"
        "    except Exception:\n        print(f'<{name}>', traceback.format_exc(), file=sys.stderr)"
    )
    return errors_of(f"import sys\n{AHEAD}{tried}")


@pytest.mark.parametrize("name", CODE)
def test_times_are_declared_looked_up_and_told_with_a_clock_that_is_ahead(
    name: str, failures: str
) -> None:
    assert not failures or (failures.startswith("<") and f"<{name}>" not in failures), failures


def test_a_library_that_looks_at_the_frames_below_it_finds_its_own() -> None:
    assert errors_of(FRAMES) == ""
