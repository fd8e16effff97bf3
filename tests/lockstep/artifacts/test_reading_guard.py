"""What the code of versions is refused, and what libraries and other threads may go on to do."""

from __future__ import annotations

import builtins
import logging
import os
import posix
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import sklearn.ensemble  # noqa: F401  with its OpenMP
from hypothesis import given
from hypothesis import strategies as st

from lockstep.artifacts import modules, questions
from lockstep.artifacts.installation import is_installed
from lockstep.artifacts.modules import ModuleSet
from lockstep.artifacts.outside_readings import Reading
from lockstep.errors import FitError, OutsideReadingError
from lockstep.project.declaration import PipelineAssets
from lockstep.training.candidate import train


def readings_of(source: str, **given: object) -> list[Reading]:
    """What code reads, or is refused, that runs as that of a version does."""
    module = ModuleType("_lockstep_tried.module")
    vars(module).update(given)
    with suppress(OutsideReadingError), questions.watching() as on_guard:
        exec(compile(source, "tried/module.py", "exec"), vars(module))
    return on_guard.readings


REFUSED = {
    "file": [
        "open(FEES)",
        "import pathlib; pathlib.Path(FEES).read_bytes()",
        "import os; os.open(FEES, os.O_RDONLY)",
        "import io; io.FileIO(FEES)",
        "import linecache; linecache.getline(FEES, 1)",
        "import fileinput; list(fileinput.input([FEES]))",
        "import numpy; numpy.memmap(FEES)",
        "import numpy; numpy.load(FEES.replace('txt', 'npy'))",
        "import pandas; pandas.read_csv(FEES)",
        "import pyarrow.csv; pyarrow.csv.read_csv(FEES)",
        "import joblib; joblib.load(FEES)",
        "import zipfile; zipfile.is_zipfile(FEES)",
        "import logging; logging.FileHandler(FEES)",
        "import importlib.machinery as m; m.SourceFileLoader('x', FEES).get_data(FEES)",
        "import runpy; runpy.run_path(FEES)",
        "import shutil, tempfile; shutil.copy(FEES, tempfile.mkdtemp())",
        "import numpy; numpy.fromfile(FEES)",
        "import pyarrow; pyarrow.OSFile(FEES)",
        "import pyarrow; pyarrow.memory_map(FEES)",
        "import pyarrow.fs; pyarrow.fs.LocalFileSystem().open_input_file(FEES)",
        "import pyarrow.fs; pyarrow.fs.LocalFileSystem().get_file_info(FEES)",
        "import pyarrow.fs; pyarrow.fs.FileSystem.from_uri('file://' + FEES)",
        "import pyarrow.fs as f; f.SubTreeFileSystem(HERE, f.LocalFileSystem())",
        "import pyarrow.csv; pyarrow.csv.open_csv(FEES)",
        "import pyarrow.json; pyarrow.json.read_json(FEES)",
        "import pyarrow.parquet; pyarrow.parquet.read_table(FEES, memory_map=True)",
        "import pyarrow.parquet; pyarrow.parquet.read_metadata(FEES)",
        "import pyarrow.dataset; pyarrow.dataset.dataset([FEES])",
        "import pyarrow.fs as f; import pyarrow.dataset as d; "
        "d.ParquetFileFormat().make_fragment(FEES, f.LocalFileSystem())",
        "import pyarrow.feather; pyarrow.feather.read_table(FEES)",
        "import pyarrow.orc; pyarrow.orc.ORCFile(FEES)",
        "import pandas; pandas.read_parquet(FEES)",
    ],
    "folder": [
        "import os; os.listdir(HERE)",
        "import glob; glob.glob(HERE + '/*')",
        "import os; list(os.walk(HERE))",
        "import pkgutil; list(pkgutil.iter_modules([HERE]))",
    ],
    "module": [
        "import common_fees.rates",
        "import importlib.resources as r; r.read_text('common_fees', 'fees.json')",
        "import importlib; importlib.import_module('common_fees.rates')",
        "import pydoc; pydoc.locate('common_fees.rates.RATE')",
        "import pkgutil; pkgutil.resolve_name('common_fees.rates:RATE')",
        "import pickle; pickle.loads(b'ccommon_fees.rates\\nRATE\\n.')",
        "import runpy; runpy.run_module('common_fees.rates')",
        "import importlib.util as u; u.find_spec('common_fees.rates')",
    ],
    "database": [
        "import sqlite3; sqlite3.connect(FEES).close()",
        "import sqlite3; sqlite3.connect(':memory:').close()",
        "import pandas; pandas.read_sql('SELECT 1', 'sqlite://')",
        "from lockstep.project.sources import SqlSource; SqlSource('x://', 'SELECT 1').read()",
    ],
    "library": [
        "import ctypes; ctypes.CDLL(None)",
        "import ctypes; ctypes.CDLL('libc.so.6')",
        "import ctypes; ctypes.PyDLL(None).Py_GetVersion",
    ],
    "network": [
        "import socket; socket.create_connection(('127.0.0.1', 9))",
        "import socket; socket.getaddrinfo('localhost', 80)",
        "import urllib.request as r; r.urlopen('http://127.0.0.1:9/')",
        "import http.client as c; c.HTTPConnection('127.0.0.1', 9).connect()",
        "import smtplib; smtplib.SMTP('127.0.0.1', 9)",
        "from lockstep.project.object_stores import StoreAddress as A; A('memory://x/y').read()",
    ],
    "program": [
        "import subprocess; subprocess.run(['true'])",
        "import subprocess, sys; subprocess.run([sys.executable, '-c', ''])",
        "import os; os.system('true')",
        "import os; os.popen('true')",
        "import os; os.posix_spawn('/bin/true', ['true'], {})",
        "import multiprocessing as m; m.get_context('fork').Process(target=print).start()",
    ],
    "variable": [
        "import os; os.environ.get('FEES')",
        "import os; os.getenv('FEES')",
        "import posix; posix.environ.get(b'FEES')",
        "import os; dict(os.environb)",
    ],
    "system": [
        "import sys; sys.stdin.read()",
        "import sys; sys.__stdin__.readline()",
        "import sys; sys.stdin.buffer",
        "import sys; next(iter(sys.stdin))",
        "input()",
        "open(0).read()",
        "import os; os.read(0, 1)",
        "import os; os.read(OPEN, 1)",
        "import os; os.pread(OPEN, 1, 0)",
        "import os; os.dup(OPEN)",
        "import mmap; mmap.mmap(OPEN, 0, access=mmap.ACCESS_READ)",
        "open('/proc/self/stat')",
        "open('/dev/urandom', 'rb')",
        "import socket; socket.gethostname()",
    ],
}
"""By what is refused, code that wants it."""


@pytest.mark.parametrize(
    ("what", "source"), [(what, source) for what, sources in REFUSED.items() for source in sources]
)
def test_code_is_refused_with_its_line(what: str, source: str, outside: Path) -> None:
    with (outside / "fees.txt").open() as opened:
        given = {"FEES": opened.name, "HERE": str(outside), "OPEN": opened.fileno()}
        readings = readings_of(f"\n{source}", **given)
    assert (readings[-1].what, readings[-1].where) == (what, "tried/module.py:2")
    assert readings[-1].remedy


ALLOWED = {
    "what Arrow asks of itself": "import pyarrow as pa; pa.table({'at': [1.0]}); pa.array(['a'])",
    "modules of Python": "import wave, colorsys, this",
    "modules of libraries": "import sklearn.semi_supervised, scipy.odr, pandas.io.formats.style",
    "extension modules": "import scipy.interpolate._fitpack2",
    "time zones": "import zoneinfo; zoneinfo.ZoneInfo.no_cache('Asia/Kathmandu')",
    "time zones of pandas": "import pandas; pandas.Timestamp(0, tz='Pacific/Chatham').hour",
    "data of libraries": "from sklearn.datasets import load_wine; load_wine()",
    "resources of libraries": "import importlib.resources as r\n"
    "r.files('sklearn.datasets.data').joinpath('iris.csv').read_text()",
    "descriptions of libraries": "from importlib import metadata\n"
    "metadata.version('numpy'); list(metadata.entry_points())",
    "descriptions by a library": "import importlib_metadata as m; list(m.entry_points())",
    "fonts": "import matplotlib; matplotlib.use('agg')\nimport matplotlib.pyplot as p, io\n"
    "figure, axis = p.subplots(); axis.set_title('é'); figure.savefig(io.BytesIO()); p.close()",
    "a temporary file": "import tempfile\nwith tempfile.NamedTemporaryFile() as f:\n"
    "    f.write(b'1'); f.flush()\n"
    "    with open(f.name) as again: assert again.read() == '1'",
    "a temporary folder": "import tempfile, pathlib\nwith tempfile.TemporaryDirectory() as d:\n"
    "    p = pathlib.Path(d, 'a'); p.mkdir(); (p / 'b').write_text('1'); (p / 'b').read_text()",
    "a map of memory": "import tempfile, numpy\nwith tempfile.NamedTemporaryFile() as f:\n"
    "    numpy.memmap(f.name, dtype=float, mode='w+', shape=3)[:] = 1.0",
    "threads of joblib": "import joblib, math\n"
    "joblib.Parallel(2, backend='threading')(joblib.delayed(math.sqrt)(x) for x in range(4))",
    "processes of joblib": "import joblib, numpy\nbig = numpy.ones(400_000)\n"
    "assert joblib.Parallel(2)(joblib.delayed(numpy.sum)(big) for x in range(2)) == [4e5] * 2",
    "cores": "import joblib; joblib.cpu_count(only_physical_cores=True)",
    "BLAS": "import threadpoolctl; assert threadpoolctl.threadpool_info()",
    "a warning": "import warnings\nwith warnings.catch_warnings():\n"
    "    warnings.simplefilter('always'); warnings.warn('loud')",
    "a log": "import logging; logging.getLogger('told').warning('loud')",
    "a traceback": "import traceback, json\ntry:\n    json.loads('{')\nexcept ValueError:\n"
    "    traceback.format_exc()",
    "own pickles": "import pickle, numpy, datetime\n"
    "pickle.loads(pickle.dumps([numpy.ones(2), datetime.date(2024, 1, 1)]))",
    "timers": "import time; assert time.perf_counter() - time.monotonic() != 7",
    "settings of libraries": "import joblib.parallel as p; p.get_active_backend()",
    "an open file": "import os\nread, write = os.pipe()\nopen(write, 'wb').close()\n"
    "os.read(read, 1); open(read, 'rb').close()",
    "a copy of the output": "import os; os.close(os.dup(1)); os.close(os.dup(2))",
    "mapped memory": "import mmap; mmap.mmap(-1, 8).close()",
    "Arrow in memory": "import pyarrow, pyarrow.parquet as p, pyarrow.fs\n"
    "sink = pyarrow.BufferOutputStream(); p.write_table(TABLE, sink)\n"
    "p.read_table(pyarrow.BufferReader(sink.getvalue())); pyarrow.fs.LocalFileSystem()",
    "a temporary file of Arrow's": "import tempfile, pyarrow.parquet as p\n"
    "with tempfile.TemporaryDirectory() as d:\n"
    "    p.write_table(TABLE, d + '/a'); p.read_table(d + '/a')",
    "a terminal": "import sys; sys.stdin.encoding",
}


@pytest.mark.parametrize("name", ALLOWED)
def test_what_is_none_of_the_versions_goes_on(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    handler = logging.FileHandler(tmp_path / "log", delay=True)  # opened by the first line
    logging.getLogger("told").addHandler(handler)
    try:
        assert readings_of(ALLOWED[name], TABLE=pa.table({"a": [1]})) == []
    finally:
        logging.getLogger("told").removeHandler(handler)
        handler.close()


def test_other_threads_open_what_they_like(outside: Path) -> None:
    begin = threading.Event()

    def work() -> str:
        begin.wait()
        subprocess.run(["true"], check=True)
        return (outside / "fees.txt").read_text() + os.environ.get("NO_SUCH", "")

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        assert readings_of("BEGIN(); END()", BEGIN=begin.set, END=working.result) == []
    assert working.result() == "1\n"


def test_a_thread_that_outlasts_the_guard_is_free(outside: Path) -> None:
    go = threading.Event()
    read: list[str] = []
    source = (
        "import threading\n"
        "def work():\n    GO.wait()\n    with open(FEES) as file: READ.append(file.read())\n"
        "THREAD = threading.Thread(target=work); THREAD.start(); HELD.append(THREAD)"
    )
    held: list[threading.Thread] = []
    fees = str(outside / "fees.txt")
    assert readings_of(source, GO=go, READ=read, FEES=fees, HELD=held) == []
    go.set()
    held[0].join()
    assert read == ["1\n"]


def test_a_thread_that_code_starts_is_under_its_guard(outside: Path) -> None:
    source = (
        "import concurrent.futures as c\n"
        "with c.ThreadPoolExecutor(1) as pool:\n    pool.submit(open, FEES).result()"
    )
    (reading,) = readings_of(source, FEES=str(outside / "fees.txt"))
    assert (reading.what, reading.where) == ("file", "tried/module.py:3")


def test_a_module_is_named_by_its_source_though_it_is_compiled(outside: Path) -> None:
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(outside)], check=True)
    (reading,) = readings_of("import common_fees")
    assert reading.name == str(outside / "common_fees" / "__init__.py")


def test_an_extension_module_outside_is_refused(outside: Path) -> None:
    (extension, *_) = Path(sysconfig.get_config_var("DESTSHARED")).glob("_queue.*.so")
    (outside / "common_fees" / extension.name).write_bytes(extension.read_bytes())
    readings = readings_of(
        "import sys\nsys.modules['common_fees'] = p\nimport common_fees._queue",
        p=package_in(outside),
    )
    assert [(reading.what, reading.where) for reading in readings] == [
        ("module", "tried/module.py:3")
    ]


def package_in(folder: Path) -> ModuleType:
    """A package that is loaded already."""
    package = ModuleType("common_fees")
    package.__path__ = [str(folder / "common_fees")]
    return package


def test_what_an_installed_library_imports_from_outside_is_refused(
    outside: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path_factory.mktemp("site")
    (site / "paid_library.py").write_text("import common_fees\n")
    (site / "paid-1.dist-info").mkdir()
    (site / "paid-1.dist-info" / "METADATA").write_text("Name: paid\nVersion: 1\n")
    (site / "paid-1.dist-info" / "RECORD").write_text("paid_library.py,,\n")
    monkeypatch.syspath_prepend(str(site))
    (reading,) = readings_of("import paid_library")
    assert reading.name == str(outside / "common_fees" / "__init__.py")


def test_lockstep_may_be_read_while_a_version_runs_with_the_one_that_it_carries() -> None:
    carried = ModuleSet("_lockstep_carried_here", {"lockstep": "NAME = 'carried'"})
    carried.load("lockstep")
    try:
        source = "import lockstep, inspect; inspect.getsource(lockstep)\nopen(FILE).close()"
        assert readings_of(source, FILE=modules.__file__) == []
    finally:
        carried.unload()


def test_what_is_refused_and_caught_is_told_all_the_same(outside: Path) -> None:
    source = "try:\n    open(FEES)\nexcept Exception:\n    pass"
    assert [reading.what for reading in readings_of(source, FEES=str(outside / "fees.txt"))]


def test_a_temporary_file_of_before_is_refused(tmp_path: Path) -> None:
    path = Path("/dev/shm" if Path("/dev/shm").is_dir() else "/tmp", f"before-{os.getpid()}")
    path.write_text("1")
    try:
        assert [reading.what for reading in readings_of("open(PATH)", PATH=str(path))] == ["file"]
    finally:
        path.unlink()


NAMES = st.lists(st.sampled_from(["a", "b.py", "..", "é"]), max_size=5)


@given(names=NAMES, place=st.sampled_from(["stdlib", "purelib"]))
def test_a_file_is_installed_where_its_real_path_is(names: list[str], place: str) -> None:
    root = Path(sysconfig.get_path(place)).resolve()
    path = os.path.realpath(Path(root, *names))
    within = any(
        Path(path).is_relative_to(Path(sysconfig.get_path(name)).resolve())
        for name in ("stdlib", "platstdlib", "purelib", "platlib")
    )
    assert is_installed(path, frozenset()) == within


def test_what_is_installed_with_the_projects_packages_is_not_installed_for_them() -> None:
    folder = Path(np.__file__).parent
    assert is_installed(str(folder / "version.py"), frozenset({"pandas"}))
    assert not is_installed(str(folder / "version.py"), frozenset({"numpy"}))


def in_place() -> list[Any]:
    """What is replaced in the process while somebody watches."""
    functions = [getattr(sys.modules[module], name) for module, name in questions._OF_ARROW]
    others = [os.read, os.dup, builtins.input, sys.stdin, sys.__stdin__, threading.Thread.start]
    return [type(os.environ), id(posix.environ), *others, *functions]


def test_whoever_watches_last_puts_everything_back() -> None:
    before = in_place()
    with questions.watching():
        assert not any(now is then for now, then in zip(in_place(), before, strict=True))
        with questions.watching():
            watched = in_place()
        assert in_place() == watched
    assert in_place() == before


def test_everything_is_put_back_where_a_fit_fails(
    workplace: Any, edited_orders: Callable[..., PipelineAssets]
) -> None:
    before = in_place()
    with pytest.raises(FitError):
        train(edited_orders(("C=10.0", "C=-1.0")), workplace.store, workplace.registry)
    assert in_place() == before


def test_everything_is_put_back_where_something_cannot_be_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = in_place()
    with monkeypatch.context() as patch:
        patch.setattr(questions, "_OF_ARROW", [("pyarrow.lib", "no_such_function")])
        with pytest.raises(AttributeError), questions.watching():
            pass
    assert in_place() == before


def test_what_is_opened_while_the_process_ends_is_no_error_of_the_hook() -> None:
    code = (
        "from lockstep.artifacts import reading_guard\n"
        "class Late:\n"
        "    def __del__(self, open=open):\n"
        "        open('/dev/null').close()\n"
        "reading_guard._install()\n"
        "reading_guard.kept = Late()\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stderr == ""
