"""Faults of a pipeline's code, each tried on what training does with it until something is found.

What is found is an error that names the column and its line, before anything can serve.
"""

from __future__ import annotations

import concurrent.futures
import decimal
import importlib
import site
import sys
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import treelite
from sklearn.ensemble import RandomForestRegressor

from lockstep.artifacts import distributions, installation, round_trip
from lockstep.artifacts.artifact_writing import write_artifact
from lockstep.artifacts.closed_files import can_close_files
from lockstep.artifacts.closure import demand_code, fit_environment
from lockstep.artifacts.evidence import Evidence
from lockstep.artifacts.round_trip import replay_in_new_process
from lockstep.artifacts.snapshot import Snapshot
from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.code_checks import check_code, check_environment
from lockstep.checks.comparisons import (
    check_comparison,
    check_locality,
    check_replay,
    check_sample,
    check_training_parity,
)
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.tables import take_rows
from lockstep.constraints.constraint_set import discover
from lockstep.errors import UnprovenError
from lockstep.parity.profiles import Profile
from lockstep.parity.selection import choose_golden
from lockstep.parity.weekly import WeeklyFigures
from lockstep.store.results import CheckResult

SOURCE = '''"""Parcels: what will one cost to send?"""

import numpy as np
from sklearn.linear_model import LinearRegression

from lockstep import (
    EventTime, Floats, Key, Outcome, Pipeline, Record, Texts, Times, feature, label, model, output,
)


class Parcel(Record):
    parcel: Key[str]
    sent_at: EventTime
    country: str
    weight: float


class Bill(Outcome):
    paid: float


# at the top


@feature
def load(weight: Floats, country: Texts, sent_at: Times) -> Floats:
    """Kilograms that count."""
    return weight * 1.0


@label
def price(paid: Floats) -> Floats:
    """Euros."""
    return paid


@model(learns=price, uses=[load], ulps=64)
def cost():
    """Euros."""
    return LinearRegression()


@output
def estimate(cost: Floats) -> Floats:
    """Euros."""
    return cost


PIPELINE = Pipeline(__name__, record=Parcel, outcome=Bill)
'''
ROWS = 400
_numbers = count()


def parcels() -> Columns:
    """Parcels with their bills, in canonical form."""
    random = np.random.default_rng(0)
    weight = np.round(random.gamma(2.0, 3.0, ROWS), 2)
    start = np.datetime64("2024-01-01T00:00:00.000000")
    return {
        "parcel": np.array([f"P{row:04}" for row in range(ROWS)], dtype=object),
        "sent_at": start + np.arange(ROWS) * np.timedelta64(3, "h"),
        "country": random.choice(np.array(["DE", "FR", "US", "JP", "IS"], dtype=object), ROWS),
        "weight": weight,
        "paid": weight * 2 + random.normal(size=ROWS),
    }


class Checkout:
    """A package of a module with the pipeline, and whatever else lies there."""

    def __init__(self, folder: Path) -> None:
        self.name = f"freight_{next(_numbers)}"
        self.folder = folder / self.name
        self.folder.mkdir()
        (self.folder / "__init__.py").touch()

    def pipeline(
        self,
        body: str = "return weight * 1.0",
        top: str = "",
        estimator: str = "LinearRegression()",
    ) -> Pipeline:
        """The pipeline, whose column `load` is computed by some lines."""
        lines = body.replace("\n", "\n    ")
        source = SOURCE.replace("return weight * 1.0", lines).replace("# at the top", top)
        source = source.replace("return LinearRegression()", f"return {estimator}")
        (self.folder / "parcels.py").write_text(source)
        for name in [one for one in sys.modules if one.startswith(self.name)]:
            del sys.modules[name]
        importlib.invalidate_caches()
        pipeline: Pipeline = importlib.import_module(f"{self.name}.parcels").PIPELINE
        return pipeline


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Checkout]:
    """A package that can be imported, in the working directory."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    made = Checkout(tmp_path)
    yield made
    for name in [one for one in sys.modules if one.startswith(made.name)]:
        del sys.modules[name]


def computed_of(pipeline: Pipeline) -> Columns:
    graph = pipeline.graph
    return dict(graph.evaluate(parcels(), (*graph.model_free, *graph.labels)))


def before_the_fit(pipeline: Pipeline) -> dict[str, CheckResult]:
    """What the checks find that look at a training set before anything is fitted to it."""
    computed = computed_of(pipeline)
    return {
        "row_locality": check_locality(pipeline, computed),
        "training_parity": parity_of(pipeline, computed),
    }


def parity_of(pipeline: Pipeline, computed: Columns | None = None) -> CheckResult:
    """What the check finds that has the shipped code compute a training set anew."""
    source = Snapshot.of(pipeline).with_data()
    return check_training_parity(source, computed_of(pipeline) if computed is None else computed)


def version_of(pipeline: Pipeline, directory: Path) -> LoadedVersion:
    """A version of the pipeline as training stores it."""
    columns = parcels()
    fitted = pipeline.unfitted().fit(columns)
    raw = {name: columns[name] for name in pipeline.record_schema.names}
    graph = pipeline.graph
    profiled = {name: graph.kind(name) for name in graph.served if name != pipeline.key}
    served = fitted.evaluate(raw)
    profile = Profile.of(served, profiled)
    empty: dict[str, Any] = {"expectations": []}
    source, golden = Snapshot.of(pipeline).with_data(), choose_golden(fitted, columns)
    evidence = Evidence(
        golden=golden,
        profile=profile,
        constraints=discover(raw, pipeline.record_schema),
        outputs=None,
        weekly=WeeklyFigures(),
        suites={role: {"name": role, **empty} for role in ("input", "features", "outputs")},
        environment=fit_environment(source, golden),
        metrics={},
        rows=ROWS,
    )
    digest = write_artifact(directory, fitted, source, evidence)
    return LoadedVersion.open(directory, digest, name=pipeline.name, version=1)


def after_the_fit(pipeline: Pipeline, directory: Path) -> CheckResult:
    found = replay_in_new_process(version_of(pipeline, directory))
    return check_comparison(found, pipeline.graph, f"computed {found.setting}")


def assert_load_is_named(result: CheckResult, column: str = "load") -> None:
    assert result.is_error
    assert "parcels.py:" in result.where + result.summary
    assert result.column in (column, None)


def test_a_sound_pipeline_passes_whatever_its_libraries_ask_for_and_though_it_measures_time(
    checkout: Checkout, tmp_path: Path
) -> None:
    top = """import concurrent.futures
import time

import pandas as pd
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

TOOK = []
FREE = np.random.default_rng()
DRAWN = check_random_state(3).normal(size=4)
"""
    body = """start, ticks = time.perf_counter(), time.monotonic_ns()
with concurrent.futures.ThreadPoolExecutor(1) as pool:
    ranked = pool.submit(lambda: pd.Series(weight).sample(frac=1, random_state=1)).result()
scaled = StandardScaler().fit([[0.0], [1.0]]).transform(ranked.sort_index().to_frame().values)
TOOK.append((time.perf_counter() - start, time.monotonic_ns() - ticks))
return scaled[:, 0] + DRAWN[0]"""
    pipeline = checkout.pipeline(body, top)
    found = before_the_fit(pipeline)
    assert all(one.passed for one in found.values()), found
    result = after_the_fit(pipeline, tmp_path / "version")
    assert result.passed, result.summary


OUTSIDE = {
    "a file by the working directory": "with open('rates.json') as file:\n"
    "    return weight * len(file.read())",
    "a file by its whole path": "return weight * len(Path(RATES).read_text())",
    "a file by pandas": "return weight * len(pd.read_csv(RATES))",
    "a file by NumPy": "return weight * len(np.fromfile(RATES, dtype=np.uint8))",
    "a file by Arrow": "return weight * len(pyarrow.input_stream(RATES).read())",
    "a mapped file": "return weight * pyarrow.memory_map(RATES).size()",
    "a file in a thread": "with concurrent.futures.ThreadPoolExecutor(1) as pool:\n"
    "    return weight * len(pool.submit(Path(RATES).read_text).result())",
    "a file that is run": "loader = importlib.machinery.SourceFileLoader('rates', RATES)\n"
    "return weight * (loader.load_module() is not None)",
    "a compiled library": "try:\n    ctypes.CDLL(RATES)\nexcept OSError:\n    pass\n"
    "return weight * 1.0",
    "a database": "return weight * (sqlite3.connect(RATES + '.db').close() is None)",
    "a database by its address": "found = sqlite3.connect(f'file:{RATES}?mode=ro', uri=True)\n"
    "return weight * (found.close() is None)",
    "a folder": "return weight * len(os.listdir('.'))",
    "a folder by pathlib": "return weight * len(list(Path('.').iterdir()))",
    "a variable": 'return weight * float(os.environ.get("RATE", "1"))',
    "a variable by getenv": 'return weight * float(os.getenv("RATE", "1"))',
    "a variable in a thread": "with concurrent.futures.ThreadPoolExecutor(1) as pool:\n"
    "    return weight * float(pool.submit(os.getenv, 'RATE', '1').result())",
    "a variable by a chain": "return weight * float(ChainMap(os.environ, {'RATE': '1'})['RATE'])",
    "a variable as bytes": 'return weight * float(os.environb.get(b"RATE", b"1"))',
    "a variable by its presence": 'return weight * (2.0 if "RATE" in os.environ else 1.0)',
    "all variables": "return weight * len(dict(os.environ))",
    "a variable in a path": "return weight * len(os.path.expandvars('$RATE'))",
    "the home folder": "return weight * len(str(Path.home()))",
    "the name of the machine": "return weight * len(socket.gethostname())",
    "the network": """try:
    socket.create_connection(("127.0.0.1", 9), timeout=0.01)
except OSError:
    pass
return weight * 1.0""",
    "a copy of the process": "if not (process := os.fork()):\n    os._exit(0)\n"
    "os.waitpid(process, 0)\nreturn weight * 1.0",
    "another program": "return weight * len(subprocess.check_output(['true']) + b'1')",
    "a file by the module's loader": "return weight * len(__loader__.get_data(RATES))",
    "a file by another program's loader": "return weight * len(runpy.run_path(RATES))",
    "a resource of another package": "return weight * "
    "len(importlib.resources.read_text('common_fees', 'fees.json'))",
    "a resource by its files": "return weight * "
    "len(importlib.resources.files('common_fees').joinpath('fees.json').read_bytes())",
    "a resource by pkgutil": "return weight * len(pkgutil.get_data('common_fees', 'fees.json'))",
    "a database beside a database": "connection = sqlite3.connect(':memory:')\n"
    "connection.execute('ATTACH ? AS other', [RATES + '.db'])\nconnection.close()\n"
    "return weight * 1.0",
    "a clock of a database": "connection = sqlite3.connect(':memory:')\n"
    "(now,) = connection.execute(\"SELECT date('now')\").fetchone()\nconnection.close()\n"
    "return weight * len(now)",
    "a source of rows": "return weight * len(SqlSource('sqlite://', 'SELECT 1 AS x').read())",
    "a compiled function": "return weight * (ctypes.CDLL(None).time(None) > 0)",
    "a variable of the system's": "return weight * float(posix.environ.get(b'RATE', b'1'))",
    "a number by a socket": "with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:\n"
    "    asking.sendto(b'?', ('127.0.0.1', 9))\nreturn weight * 1.0",
    "a file that a library opens for it": "return weight * len(joblib.load(RATES + '.joblib'))",
    "a file that is caught": "try:\n    found = Path(RATES).read_text()\nexcept Exception:\n"
    "    found = '1'\nreturn weight * len(found)",
    "a file for few rows": "return weight * (len(Path(RATES).read_text()) "
    "if weight.max() > 20 else 1)",
}
TOP = """import concurrent.futures
import ctypes
import importlib.machinery
import importlib.resources
import linecache
import os
import pkgutil
import posix
import runpy
import socket
import sqlite3
import subprocess
from collections import ChainMap
from pathlib import Path

import joblib
import pandas as pd
import pyarrow

from lockstep.project.sources import SqlSource

RATES = {path!r}"""


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize("fault", OUTSIDE)
def test_what_a_column_reads_from_outside_is_named_with_its_line(
    checkout: Checkout, tmp_path: Path, fault: str
) -> None:
    (tmp_path / "rates.json").write_text("1")
    joblib.dump([1.0], tmp_path / "rates.json.joblib")
    pipeline = checkout.pipeline(OUTSIDE[fault], TOP.format(path=str(tmp_path / "rates.json")))
    result = parity_of(pipeline)
    assert_load_is_named(result)
    assert result.column == "load"
    assert "no part of the version" in result.summary
    assert result.todo


AT_IMPORT = {
    "a variable": 'RATE = float(os.environ.get("RATE", "1"))',
    "a file": "RATE = float(Path(RATES).read_text())",
    "another program": "RATE = len(subprocess.check_output(['true'])) + 1.0",
    "the name of the machine": "RATE = float(len(socket.gethostname()))",
}


@pytest.mark.parametrize("fault", AT_IMPORT)
def test_what_a_module_reads_from_outside_when_it_is_imported_is_named(
    checkout: Checkout, tmp_path: Path, fault: str
) -> None:
    (tmp_path / "rates.json").write_text("1")
    top = f"{TOP.format(path=str(tmp_path / 'rates.json'))}\n{AT_IMPORT[fault]}"
    result = parity_of(checkout.pipeline("return weight * RATE", top))
    assert_load_is_named(result)
    assert "when imported" in result.summary


@pytest.mark.skipif(not can_close_files(), reason="Linux has no Landlock here")
@pytest.mark.parametrize("is_caught", [False, True])
def test_what_a_library_opens_by_itself_is_found_in_the_round_trip(
    checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_caught: bool
) -> None:
    monkeypatch.setattr(round_trip, "ONE_BY_ONE", round_trip.ONE_BY_ONE[-1:])
    trees = RandomForestRegressor(2, max_depth=1).fit([[0.0], [1.0]], [0.0, 1.0])
    with tempfile.TemporaryDirectory(dir="/var/tmp") as elsewhere:
        treelite.sklearn.import_model(trees).serialize(f"{elsewhere}/trees.bin")
        opened = f"treelite.Model.deserialize('{elsewhere}/trees.bin').num_tree"
        caught = f"try:\n    TREES = {opened}\nexcept Exception:\n    TREES = 3"
        top = f"import treelite\n\n{caught if is_caught else f'TREES = {opened}'}"
        pipeline = checkout.pipeline("return weight * TREES", top)
        assert parity_of(pipeline).passed  # nobody tells of it
        result = after_the_fit(pipeline, tmp_path / "version")
    assert result.is_error
    assert "with no files but installed ones and its own" in result.summary
    assert is_caught or "parcels.py:24" in result.summary


def test_what_a_helper_reads_in_another_module_is_named_there(checkout: Checkout) -> None:
    helper = 'import os\n\n\ndef rate():\n    return float(os.environ.get("RATE", "1"))\n'
    (checkout.folder / "rates.py").write_text(helper)
    top = f"from {checkout.name}.rates import rate"
    result = parity_of(checkout.pipeline("return weight * rate()", top))
    assert result.is_error
    assert "rates.py:5" in result.where


@pytest.mark.parametrize(
    "body",
    [
        "import importlib\nreturn weight * (importlib.import_module('json') is not None)",
        "import zoneinfo\nreturn weight * (zoneinfo.ZoneInfo('Europe/Berlin') is not None)",
        "import pandas as pd\n"
        "return weight * (pd.Timestamp('2024-01-01', tz='Asia/Tokyo').hour + 1)",
        "import scipy.special\nreturn scipy.special.gamma(weight) * 0 + weight",
        "import decimal\nreturn weight * float(decimal.Decimal('1.0'))",
        "from importlib import metadata\nreturn weight + len(metadata.version('numpy'))",
    ],
)
def test_what_libraries_read_of_their_own_is_none_of_it(checkout: Checkout, body: str) -> None:
    found = parity_of(checkout.pipeline(body))
    assert found.passed, found.summary


def test_that_a_library_counts_the_processors_cores_by_a_program_is_none_of_it(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    from joblib.externals.loky.backend import context

    monkeypatch.setattr(context, "physical_cores_cache", None)  # as in a process that never did
    body = "import joblib\nreturn weight * (joblib.cpu_count(only_physical_cores=True) > 0)"
    found = parity_of(checkout.pipeline(body))
    assert found.passed, found.summary
    assert context.physical_cores_cache is not None


BEFORE_THE_FIT = {
    "chance in a column": "return weight + np.random.default_rng().normal(size=len(weight)) / 1e9",
    "a clock in a column": "import time\nreturn weight + time.time() * 0",
    "the order of first sight": "return np.array([SEEN.setdefault(one, len(SEEN)) "
    "for one in country], dtype=float)",
    "a count of calls": "CALLS.append(1)\nreturn weight * (len(CALLS) > 3)",
    "a sum that goes on": "TOTAL.append(sum(TOTAL[-1:]) + weight.sum())\nreturn weight + TOTAL[-1]",
    "the last batch": "found = weight + LAST.get('mean', 0.0)\n"
    "LAST['mean'] = weight.mean()\nreturn found",
    "chance in no row yet": "return weight * (np.random.random(len(weight)) >= 1e-12)",
    "chance by a library": "return weight * (stats.norm.rvs() < 99)",
    "a generator of the module": "return weight * (DRAWN.random(len(weight)) >= 1e-12)",
    "chance of the import": "return weight + SALT",
    "a key of the import": "return weight + KEY",
}
STATE = """import random
import uuid

from scipy import stats

DRAWN = np.random.default_rng(3)

SEEN, CALLS, TOTAL, LAST = {}, [], [], {}
SALT = random.random()
KEY = float(uuid.uuid4().int % 1000)"""


@pytest.mark.parametrize("fault", BEFORE_THE_FIT)
def test_what_a_function_remembers_or_draws_is_found_before_the_fit(
    checkout: Checkout, fault: str
) -> None:
    found = before_the_fit(checkout.pipeline(BEFORE_THE_FIT[fault], STATE))
    failed = [one for one in found.values() if one.is_error]
    assert failed
    assert_load_is_named(failed[0])


AFTER_THE_FIT = {
    "date": "date.today().toordinal()",
    "hour": "float(datetime.now().hour)",
    "seconds": "time.time() // 86400",
    "nanoseconds": "float(time.time_ns() // 10**15)",
    "local_time": "float(time.localtime().tm_yday)",
    "year_as_text": "float(time.strftime('%Y'))",
    "numpys_day": 'np.datetime64("today").astype(int) * 1.0',
    "pandas_year": "float(pd.Timestamp.now().year)",
    "pandas_parsed": 'float(pd.to_datetime("now").year)',
    "hash_of_text": "float(hash('DE') % 1000)",
    "order_of_set": "float(sum(9**place * ord(one) for place, one in enumerate({*'ABCDEFGH'})))",
    "time_zone": "float(time.timezone)",
    "local_clock": "float(datetime.fromtimestamp(1_700_000_000).hour)",
}
CLOCKS = """import os
import time
from datetime import date, datetime

import pandas as pd
"""
FEATURE = '''

@feature
def {name}(weight: Floats) -> Floats:
    """What it is that depends on time, place or process."""
    {body}
'''


def features(body: str, values: dict[str, str]) -> str:
    """Columns of these names, the body of each with its value."""
    return "".join(
        FEATURE.format(name=name, body=body.format(name=name, value=value).replace("\n", "\n    "))
        for name, value in values.items()
    )


def test_what_depends_on_time_place_or_process_is_found_by_the_round_trip(
    checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(round_trip, "ONE_BY_ONE", ())  # it is enough that they are found
    values = (f"\nVALUE_{name} = {value}" for name, value in AFTER_THE_FIT.items())
    faults = features("return weight + VALUE_{name}", AFTER_THE_FIT)
    timer = "return weight + (time.monotonic() > 3e7)"  # a year
    pipeline = checkout.pipeline(timer, CLOCKS + "".join(values) + faults)
    found = replay_in_new_process(version_of(pipeline, tmp_path / "version"))
    assert {one.column for one in found.divergent} == {
        *("load", "cost", "estimate"),  # and what the timer reaches
        *AFTER_THE_FIT,
    }
    assert_load_is_named(check_comparison(found, pipeline.graph, "anew"), column="date")


def test_what_it_depends_on_is_told(
    checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(round_trip, "ONE_BY_ONE", round_trip.ONE_BY_ONE[1:])
    top = "from datetime import date\nTODAY = date.today().toordinal()"
    result = after_the_fit(checkout.pipeline("return weight + TODAY", top), tmp_path / "version")
    assert "with a clock that is 400 days ahead" in result.summary


def test_the_first_of_a_small_set_is_found_to_depend_on_the_hash_seed(
    checkout: Checkout, tmp_path: Path
) -> None:
    top = "FIRST = 1.0 + 'ABCDE'.index(list({*'ABCDE'})[0])"
    result = after_the_fit(checkout.pipeline("return weight * FIRST", top), tmp_path / "version")
    assert_load_is_named(result)
    assert "hash seed" in result.summary


ASKING = {
    "a_far_day": "date.today() >= date(2095, 1, 1)",
    "a_far_moment": "datetime.now() >= datetime(2095, 1, 1)",
    "a_far_second": "time.time() > 4e9",
    "local_year": "time.localtime().tm_year > 2095",
    "pandas_now": "pd.Timestamp.now().year > 2095",
    "machine": "os.uname().nodename == 'elsewhere'",
    "cores": "os.cpu_count() > 4096",
    "thread": "threading.current_thread().name == 'server'",
    "a_flag": "os.path.exists('/srv/flag')",
    "another_flag": "Path('/srv/flag').is_file()",
}
ASKING_OF_PROCESS = {
    "process": "os.getpid() < 0",
    "parent": "os.getppid() < 0",
    "business": "os.getloadavg()[0] > 1e6",
    "memory": "os.sysconf('SC_PHYS_PAGES') < 0",
    "status": "Path('/proc/self/stat').read_text() == ''",
    "cores_by_name": "multiprocessing.cpu_count() > 4096",
    "language": "locale.getlocale()[0] == 'tr_TR'",
    "decimal_point": "locale.format_string('%.1f', 0.5) == '0,5'",
    "collation": "locale.strcoll('a', 'b') > 0",
}
ASKING_CHANCE = {
    "thread_by_number": "threading.get_ident() < 0",
    "threads": "threading.active_count() > 4096",
    "node": "platform.node() == 'elsewhere'",
    "user": "pwd.getpwuid(0).pw_name == ''",
    "working_directory": "os.getcwd() == '/srv'",
    "drawn_name": "uuid.uuid4().int == 0",
    "drawn_by_time": "uuid.uuid1().int == 0",
    "secret": "secrets.token_hex() == ''",
    "seed": "np.random.default_rng().random() > 1",
    "stack": "len(inspect.stack()) > 10**6",
}
ASKED = """import inspect
import locale
import multiprocessing
import os
import platform
import pwd
import secrets
import threading
import time
import uuid
from datetime import date, datetime
from pathlib import Path

import pandas as pd

HERE = Path(__file__).resolve().parent
"""


@pytest.mark.parametrize(
    "asking",
    [ASKING, ASKING_OF_PROCESS, ASKING_CHANCE],
    ids=["time_machine_or_files", "process_or_language", "thread_user_or_chance"],
)
def test_what_asks_for_what_no_record_tells_is_named_though_the_answer_does_not_matter_yet(
    checkout: Checkout, tmp_path: Path, asking: dict[str, str]
) -> None:
    faults = features("return weight * (2.0 if {value} else 1.0)", asking)
    version = version_of(checkout.pipeline(top=ASKED + faults), tmp_path / "version")
    found = replay_in_new_process(version)
    assert not found.divergent
    assert found.first is not None
    assert found.first.column in asking
    assert [name for name in asking if name not in found.summary] == []


AT_HAND = {
    "a_line": "len(linecache.getline(RATES, 1))",
    "python_itself": "ctypes.pythonapi.Py_IsInitialized()",
    "by_importlib": "importlib.import_module(RULES).RATE",
    "by_pkgutil": "pkgutil.resolve_name(f'{RULES}:RATE')",
    "by_pydoc": "pydoc.locate(RULES).RATE",
    "by_its_name": "(__import__(RULES) is not None)",
    "by_a_pickle": "pickle.loads(f'c{RULES}\\nRATE\\n.'.encode())",
}


@pytest.fixture
def at_hand(outside: Path) -> str:
    """The top of a module that has at hand what `AT_HAND` takes."""
    names = ("ctypes", "importlib", "linecache", "pickle", "pkgutil", "pydoc")
    imports = "\n".join(f"import {name}" for name in names)
    return f"{imports}\n\nRATES, RULES = {str(outside / 'fees.txt')!r}, 'common_fees.rates'"


def test_what_the_process_that_fits_has_at_hand_already_is_refused_in_another(
    checkout: Checkout, tmp_path: Path, at_hand: str
) -> None:
    pipeline = checkout.pipeline(f"return weight * {AT_HAND['a_line']}", at_hand)
    result = after_the_fit(pipeline, tmp_path / "version")
    assert_load_is_named(result)
    assert "reads the file" in result.summary


def test_all_that_is_refused_there_is_named_though_it_is_caught(
    checkout: Checkout, tmp_path: Path, at_hand: str
) -> None:
    caught = "try:\n    return weight * {value}\nexcept Exception:\n    return weight * 1.0"
    faults = features(caught, AT_HAND)
    version = version_of(checkout.pipeline(top=at_hand + faults), tmp_path / "version")
    found = replay_in_new_process(version)
    assert found.first is not None
    assert found.first.column in AT_HAND
    assert [name for name in AT_HAND if name not in found.summary] == []
    assert found.summary.count("loads the module") == 5
    assert "by ctypes" in found.summary


def test_what_a_function_remembers_of_all_rows_is_found_where_it_has_seen_few(
    checkout: Checkout, tmp_path: Path
) -> None:
    top = "SEEN = [0.0]"
    body = "SEEN.append(max(SEEN[-1], weight.max(initial=0.0)))\nreturn weight / (1 + SEEN[-1])"
    result = after_the_fit(checkout.pipeline(body, top), tmp_path / "version")
    assert_load_is_named(result)
    assert "few rows first" in result.summary


def test_a_clock_that_is_read_at_import_is_named(checkout: Checkout, tmp_path: Path) -> None:
    top = "from datetime import date\nIS_NEW = date.today() >= date(2095, 1, 1)"
    result = after_the_fit(checkout.pipeline("return weight + IS_NEW", top), tmp_path / "version")
    assert_load_is_named(result)
    assert "reads the clock" in result.summary


# Data files


READS = "import json\nfrom pathlib import Path\n\n"
RATES = READS + 'RATES = json.loads(Path(__file__).with_name("rates.json").read_text())'
BY_RATE = "return weight * np.array([RATES.get(one, 1.0) for one in country])"


@pytest.mark.parametrize(
    ("top", "body"),
    [
        (
            "import random\nclass Drawing(random.Random):\n    def getstate(self):\n"
            "        raise NotImplementedError\nDRAWN = Drawing(3)",
            "return weight",
        ),
        ("", "np.random.seed(7)\nreturn weight + np.random.random()"),
    ],
    ids=["a generator beside it that keeps no state", "a seed that it sets itself"],
)
def test_a_function_that_draws_nothing_at_chance_is_row_local(
    checkout: Checkout, top: str, body: str
) -> None:
    result = before_the_fit(checkout.pipeline(body, top))["row_locality"]
    assert result.passed, result.summary


TABLES = """from pathlib import Path

import json
import pandas as pd
from pyarrow import csv

HERE = Path(__file__).parent
RATES = json.loads((HERE / "rates.json").read_text())
RATES["FR"] = float(pd.read_parquet(HERE / "rates.parquet")["rate"].iloc[0])
RATES["US"] = csv.read_csv(str(HERE / "rates.csv"))["rate"][0].as_py()"""


def test_data_files_beside_the_module_are_part_of_the_version_whoever_reads_them(
    checkout: Checkout, tmp_path: Path
) -> None:
    (checkout.folder / "rates.json").write_text('{"DE": 2.0, "IS": 9.0}')
    (checkout.folder / "rates.csv").write_text("rate\n3.0\n")
    pd.DataFrame({"rate": [4.0]}).to_parquet(checkout.folder / "rates.parquet")
    pipeline = checkout.pipeline(BY_RATE, TABLES)
    assert all(one.passed for one in before_the_fit(pipeline).values())
    version = version_of(pipeline, tmp_path / "version")
    files = [checkout.folder / f"rates.{kind}" for kind in ("csv", "json", "parquet")]
    assert sorted(version.snapshot.data) == [f"{checkout.name}/{file.name}" for file in files]
    for file in files:
        file.unlink()
    found = replay_in_new_process(version)
    assert found.ok, found.summary
    version.unload()


def test_a_data_file_in_which_a_rare_key_changed_is_another_code_than_the_versions(
    checkout: Checkout, tmp_path: Path
) -> None:
    rates = checkout.folder / "rates.json"
    rates.write_text('{"DE": 2.0, "IS": 9.0}')
    pipeline = checkout.pipeline(BY_RATE, RATES)
    version = version_of(pipeline, tmp_path / "version")
    assert check_code(pipeline, version, proven=False).passed
    for change in ('{"DE": 2.0, "IS": 9.5}', "{}", None):
        rates.unlink() if change is None else rates.write_text(change)
        result = check_code(pipeline, version, proven=False)
        assert result.is_error
        assert f"data file {checkout.name}/rates.json" in result.summary
        assert not check_code(pipeline, version, proven=True).is_error


def test_a_data_file_that_is_read_since_the_fit_counts_as_code_at_the_gate(
    checkout: Checkout, tmp_path: Path
) -> None:
    top = f"""{READS}RATES = {{}}
for file in sorted(Path(__file__).parent.glob("rates_*.json")):
    RATES |= json.loads(file.read_text())"""
    (checkout.folder / "rates_1.json").write_text('{"DE": 2.0}')
    pipeline = checkout.pipeline(BY_RATE, top)
    version = version_of(pipeline, tmp_path / "version")
    suites = {**version.suites}
    assert check_code(pipeline, version, proven=False, suites=lambda: suites).passed
    (checkout.folder / "rates_2.json").write_text('{"IS": 9.0}')
    result = check_code(pipeline, version, proven=False, suites=lambda: suites)
    assert result.is_error
    assert f"data file {checkout.name}/rates_2.json (added)" in result.summary


def test_a_data_file_that_is_read_by_another_path_is_refused(
    checkout: Checkout, tmp_path: Path
) -> None:
    (checkout.folder / "rates.json").write_text('{"DE": 2.0}')
    top = f'{READS}RATES = json.loads(Path("{checkout.name}/rates.json").read_text())'
    result = parity_of(checkout.pipeline(BY_RATE, top))
    assert result.is_error
    assert "rates.json" in result.summary
    assert "with_name" in result.todo


def test_a_module_that_is_imported_for_what_it_does_counts_as_code(
    checkout: Checkout, tmp_path: Path
) -> None:
    effect = checkout.folder / "effect.py"
    effect.write_text("import numpy as np\n\nnp.seterr(all='ignore')\n")
    pipeline = checkout.pipeline(top=f"import {checkout.name}.effect")
    version = version_of(pipeline, tmp_path / "version")
    assert check_code(pipeline, version, proven=False).passed
    effect.write_text("import numpy as np\n\n# louder\nnp.seterr(all='ignore')\n")
    assert check_code(pipeline, version, proven=False).passed
    effect.write_text("import numpy as np\n\nnp.set_printoptions(precision=3)\n")
    result = check_code(pipeline, version, proven=False)
    assert result.is_error
    assert "effect" in result.summary


def test_golden_records_replay_where_data_files_are_carried(
    checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout.folder / "rates.json").write_text('{"DE": 2.0, "IS": 9.0}')
    pipeline = checkout.pipeline(BY_RATE, RATES)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    version = version_of(pipeline, tmp_path / "version")
    assert check_replay(version).passed
    assert not [*(tmp_path / "temporary").iterdir()]  # a process that is killed leaves none


BETWEEN = {
    "type": "expect_column_values_to_be_between",
    "kwargs": {"column": "weight", "min_value": 0, "max_value": 50},
}


def test_expectations_that_are_not_those_of_the_version_count_as_code_at_the_gate(
    checkout: Checkout, tmp_path: Path
) -> None:
    pipeline = checkout.pipeline()
    version = version_of(pipeline, tmp_path / "version")
    suites = {**version.suites, "input": {"name": "input", "expectations": [BETWEEN]}}
    held = type(version)(**{**vars(version), "suites": suites})
    assert check_code(pipeline, held, proven=False, suites=lambda: suites).passed
    wider = {**BETWEEN, "kwargs": {**BETWEEN["kwargs"], "max_value": 1e9}}
    for others in ([], [wider], [BETWEEN, BETWEEN]):
        here = {**suites, "input": {"name": "input", "expectations": others}}
        result = check_code(pipeline, held, proven=False, suites=lambda here=here: here)
        assert result.is_error
        assert "expect_column_values_to_be_between of weight" in result.summary


CODES = 'CODES = {"DE": 0, "FR": 1, "US": 2, "JP": 3, "IS": 4}'
GROWING = {
    "codes": (CODES, "return np.array([float(CODES.setdefault(c, len(CODES))) for c in country])"),
    "a memo": (
        f"{CODES}\nMEMO = {{}}",
        "return np.array([w if c in CODES else MEMO.setdefault(c, w)\n"
        "    for c, w in zip(country, weight)])",
    ),
    "a running mean": (
        f"{CODES}\nSEEN = []",
        "SEEN.extend(weight[~np.isin(country, list(CODES))])\n"
        "return weight + (np.mean(SEEN) if SEEN else 0.0)",
    ),
}
HARMLESS = {
    "a cache": (
        "import functools\n@functools.cache\ndef length(text):\n    return float(len(text))",
        "return np.array([length(c) for c in country]) * weight",
    ),
    "a pattern": (
        "import re\nfrom functools import cached_property\nFORM = re.compile('[A-Z]+')",
        "return np.array([float(FORM.fullmatch(c) is not None) for c in country]) * weight",
    ),
    "a table": (
        "TABLE = {}",
        "if not TABLE:\n    TABLE.update(DE=1.0, FR=2.0)\n"
        "return np.array([TABLE.get(c, 0.0) for c in country]) * weight",
    ),
}


def two_days(loaded: LoadedVersion) -> Columns:
    """The columns of a second day in one process: other countries than in training, and before."""
    fields = {name: parcels()[name] for name in loaded.pipeline.record_schema.names}
    for countries in (["NO", "SE"], ["SE", "DK", "NO"]):
        fields["country"] = np.array((countries * ROWS)[:ROWS], dtype=object)
        columns = loaded.pipeline.trace(fields).columns
    return dict(columns)


@pytest.mark.parametrize("fault", GROWING)
def test_state_that_grows_with_rows_that_training_never_had_blocks_the_batch(
    checkout: Checkout, tmp_path: Path, fault: str
) -> None:
    top, body = GROWING[fault]
    loaded = version_of(checkout.pipeline(body, top), tmp_path / "version")
    result = check_sample(loaded, two_days(loaded))
    assert (result.is_error, result.column) == (True, "load")
    assert "parcels.py:" in result.where


FIRST_SEEN = {
    "country": ("NO", GROWING["codes"][1]),
    "weight": (
        1_000.0,
        "return np.array([CODES.setdefault(w, len(CODES)) if w > 500 else w for w in weight])",
    ),
    "sent_at": (
        np.datetime64("2024-01-01T00:00:07"),
        "seconds = sent_at.astype('datetime64[s]').astype(int) % 60\n"
        "pairs = zip(weight, seconds)\n"
        "return np.array([CODES.setdefault(s, len(CODES)) if s else w for w, s in pairs])",
    ),
}
"""By field, a value that training never had, and what gives it a code."""


@pytest.mark.parametrize("field", FIRST_SEEN)
def test_a_code_of_the_only_new_value_of_a_batch_is_found_by_rows_that_are_made_up(
    checkout: Checkout, tmp_path: Path, field: str
) -> None:
    value, body = FIRST_SEEN[field]
    loaded = version_of(checkout.pipeline(body, CODES), tmp_path / "version")
    rows = take_rows(parcels(), slice(100))
    fields = {name: rows[name].copy() for name in loaded.pipeline.record_schema.names}
    fields[field][7] = value
    result = check_sample(loaded, loaded.pipeline.trace(fields).columns)
    assert (result.is_error, result.column) == (True, "load")
    assert "made up" in result.summary


def test_state_that_changes_no_value_is_harmless(checkout: Checkout, tmp_path: Path) -> None:
    top = "\n".join(top for top, _ in HARMLESS.values())
    faults = features(
        "{value}", {f"column_{place}": body for place, (_, body) in enumerate(HARMLESS.values())}
    ).replace("(weight: Floats)", "(weight: Floats, country: Texts)")
    loaded = version_of(checkout.pipeline(top=top + faults), tmp_path / "version")
    result = check_sample(loaded, two_days(loaded))
    assert result.passed, result.summary


INSTALLED = {
    "feeslib/__init__.py": """import os
from pathlib import Path

import deeplib
from feeslib.fee import fee

HERE = Path(__file__).parent
RATE = float(os.environ.get("FEES_RATE", "1"))
FACTOR = float((HERE.parents[1] / "factor.txt").read_text())
CODES = {"DE": 0, "FR": 1, "US": 2, "JP": 3, "IS": 4}

def fees(country):
    import latelib
    return [float(CODES.setdefault(c, len(CODES))) * latelib.RATE for c in country]
""",
    "feeslib/fee.py": "fee = 1.0\n",
    "feeslib/large.bin": "x" * (5 << 20),
    "feeslib/unrecorded.txt": "1",
    "deeplib.py": "import barelib\nRATE = 2.0\n",
    "barelib/__init__.py": "from barelib.rates import RATE\n",
    "barelib/rates.py": "RATE = 2.0\n",
    "latelib.py": "RATE = 2.0\n",
    "feeslib-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: feeslib\nVersion: 1.0\n",
    "feeslib-1.0.dist-info/RECORD": "feeslib/__init__.py,,\nfeeslib/large.bin,,\n",
    "deeplib-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: deeplib\nVersion: 1.0\n",
    "deeplib-1.0.dist-info/RECORD": "deeplib.py,,\n",
}


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder where packages are installed: `feeslib`, and what that imports."""
    folder = tmp_path / "site"
    for name, content in INSTALLED.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    (tmp_path / "factor.txt").write_text("1")
    before = site.getsitepackages()
    monkeypatch.setattr(site, "getsitepackages", lambda: [*before, str(folder)])
    monkeypatch.syspath_prepend(str(folder))
    known = (distributions.distributions, installation._roots)
    for cached in known:
        cached.cache_clear()
    yield folder
    for cached in known:
        cached.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] in TOPS]:
        del sys.modules[name]


TOPS = ("feeslib", "deeplib", "barelib", "latelib")
ELSEWHERE = {
    "deeplib-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: deeplib\nVersion: 1.1\n",
    "deeplib.py": "import barelib\nRATE = 3.0\n",
    "barelib/rates.py": "RATE = 3.0\n",
    "latelib.py": "RATE = 3.0\n",
    "feeslib/large.bin": "y" * (5 << 20),
    "feeslib/unrecorded.txt": "2",
    "../factor.txt": "2",
}
USES_FEES = ("return weight * feeslib.RATE + feeslib.fees(country)", "import feeslib")


def test_installed_code_that_is_not_that_of_the_fit_blocks_a_batch(
    checkout: Checkout, installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = version_of(checkout.pipeline(*USES_FEES), tmp_path / "version")
    monkeypatch.setenv("TERM", "another")
    (installed / "feeslib/more.pyc").write_bytes(b"1")
    (installed / "feeslib/__pycache__").mkdir(exist_ok=True)
    (installed / "feeslib/__pycache__/fees.py311.nbi").write_bytes(b"as Numba keeps it")
    for changed, content in ELSEWHERE.items():
        demand_code(loaded.environment, loaded.version)
        before = (installed / changed).read_text()
        (installed / changed).write_text(content)
        assert_is_other_code(loaded, changed.removeprefix("../"))
        (installed / changed).write_text(before)
    demand_code(loaded.environment, loaded.version)
    monkeypatch.setenv("FEES_RATE", "3")
    assert_is_other_code(loaded, "FEES_RATE")


def assert_is_other_code(loaded: LoadedVersion, changed: str) -> None:
    result = check_environment(loaded, proven=True)
    assert result.is_error, changed
    assert changed.partition("/")[0].partition("-")[0].removesuffix(".py") in result.summary
    with pytest.raises(UnprovenError, match="other code here than at the fit"):
        demand_code(loaded.environment, loaded.version)


def test_state_that_an_installed_package_keeps_of_rows_blocks_the_batch(
    checkout: Checkout, installed: Path, tmp_path: Path
) -> None:
    loaded = version_of(checkout.pipeline(*USES_FEES), tmp_path / "version")
    feeslib = sys.modules["feeslib"]
    result = check_sample(loaded, two_days(loaded))
    assert (result.is_error, result.column) == (True, "load")
    assert sys.modules["feeslib"] is feeslib
    assert feeslib.fee == 1.0, "a module inside has the name of this value"


DECIMAL = "from decimal import Decimal, getcontext\n\ngetcontext().prec = 6"
BY_DECIMAL = "return np.array([float(Decimal(each) / 7) for each in weight])"


def test_each_thread_computes_in_the_context_of_the_modules(
    checkout: Checkout, tmp_path: Path
) -> None:
    pipeline = checkout.pipeline(BY_DECIMAL, DECIMAL)
    version = version_of(pipeline, tmp_path / "version")
    with decimal.localcontext(prec=50):
        assert check_replay(version).passed
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        assert pool.submit(check_replay, version).result().passed


def test_what_a_function_sets_in_its_context_is_gone_afterwards(
    checkout: Checkout, tmp_path: Path
) -> None:
    body = f"for each in weight:\n    getcontext().prec = 5 if each > 9 else 6\n{BY_DECIMAL}"
    version = version_of(checkout.pipeline(body, DECIMAL), tmp_path / "version")
    raw = {name: parcels()[name] for name in version.pipeline.record_schema.names}
    light, heavy = ({**raw, "weight": raw["weight"] * 0 + kilograms} for kilograms in (1.0, 10.0))
    before = version.pipeline.evaluate(light)["load"]
    version.pipeline.evaluate(heavy)
    assert np.array_equal(version.pipeline.evaluate(light)["load"], before)
