"""Environments: what is captured, and which differences matter."""

import json
import platform
import time
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path

import msgspec
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from lockstep.parity.environment import Closure, Environment, InstalledPackage


@pytest.fixture(scope="module")
def here() -> Environment:
    return Environment.capture()


def test_the_process_is_described(here: Environment) -> None:
    assert here.python == platform.python_version()
    assert here.libraries["scikit-learn"] == metadata.version("scikit-learn")
    assert here.libraries["numpy"] == np.__version__
    assert here.blas
    assert here.instructions
    assert here.threads["cores"] >= 1
    assert {"blas", "openmp"} <= set(here.threads)


def test_what_the_code_imports_and_the_rules_of_time_zones_count() -> None:
    found = Environment.capture(["pytest", "lockstep-scoring", "none-such"]).libraries
    assert found["pytest"] == metadata.version("pytest")
    assert found["tzdata"]
    assert not {"lockstep-scoring", "none-such"} & found.keys()


def without(environment: Environment, library: str) -> Environment:
    rest = {name: version for name, version in environment.libraries.items() if name != library}
    return replace(environment, libraries=rest)


def test_what_an_older_lockstep_did_not_look_at_is_not_compared(here: Environment) -> None:
    assert without(here, "tzdata").compare(here) == ()


def test_an_environment_has_no_difference_from_itself(here: Environment) -> None:
    assert here.compare(here) == ()


def test_it_comes_back_from_json_as_it_was(here: Environment) -> None:
    assert msgspec.json.decode(json.dumps(asdict(here)), type=Environment) == here


@pytest.mark.parametrize(
    ("library", "release", "severity"),
    [
        *((name, "0.1.2", "error") for name in ("numpy", "pandas", "scikit-learn", "skops")),
        ("numpy", f"{np.__version__.rpartition('.')[0]}.99", "warning"),
        ("tzdata", "2013a", "warning"),
    ],
)
def test_another_release_is_an_error_where_estimators_are_made_of_it_but_for_patches(
    here: Environment, library: str, release: str, severity: str
) -> None:
    before = replace(here, libraries={**here.libraries, library: release})
    (difference,) = before.compare(here)
    assert (difference.what, difference.severity) == (library, severity)
    assert (difference.expected, difference.actual) == (release, here.libraries[library])
    assert difference.why


def test_another_minor_release_of_python_is_an_error(here: Environment) -> None:
    (difference,) = replace(here, python="3.9.1").compare(here)
    assert (difference.what, difference.severity) == ("python", "error")
    assert str(difference).startswith(f"python is {here.python}, not 3.9.1: ")


def test_a_library_that_is_no_longer_installed_is_a_difference(here: Environment) -> None:
    (difference,) = here.compare(without(here, "skops"))
    assert (difference.what, difference.actual, difference.severity) == ("skops", None, "error")


AROUND = {
    "system": "Plan 9, arm64",
    "processor": "Another",
    "instructions": ("NEON",),
    "blas": ("mkl 2025.1",),
    "timezone": "CET/CEST, UTC+01:00",
    "locale": "de_DE.UTF-8",
    "encoding": "latin-1",
}


@pytest.mark.parametrize("field", AROUND)
def test_everything_around_the_libraries_is_a_warning(here: Environment, field: str) -> None:
    (difference,) = here.compare(replace(here, **{field: AROUND[field]}))
    assert (difference.what, difference.severity) == (field, "warning")
    assert difference.why


def test_errors_come_first(here: Environment) -> None:
    actual = replace(here, processor="Another", libraries={**here.libraries, "pandas": "1.0.0"})
    assert [one.what for one in here.compare(actual)] == ["pandas", "processor"]


def test_a_changed_timezone_is_seen(here: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "EST5EDT")
    time.tzset()
    try:
        differences = here.compare(Environment.capture())
    finally:
        monkeypatch.undo()
        time.tzset()
    (difference,) = differences
    assert (difference.what, difference.actual) == ("timezone", "EST/EDT, UTC-05:00")


def test_changed_threads_are_seen(here: Environment) -> None:
    with threadpool_limits(limits=here.threads["blas"] + 1, user_api="blas"):
        differences = here.compare(Environment.capture())
    (difference,) = differences
    assert (difference.what, difference.severity) == ("threads.blas", "warning")


def test_what_a_version_of_before_tells_of_files_is_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "feeslib.py").write_text("RATE = 2.0\n")
    described = tmp_path / "feeslib-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: feeslib\nVersion: 1.0\n")
    (described / "RECORD").write_text("feeslib.py,,\nfeeslib-1.0.dist-info/METADATA,,\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    def here() -> Environment:
        return Environment.capture(["feeslib"], contents=["feeslib"])

    before = here()
    assert msgspec.json.decode(json.dumps(asdict(before)), type=Environment) == before
    (tmp_path / "feeslib.py").write_text("RATE = 3.0\n")
    (difference,) = before.compare(here())
    assert (difference.what, difference.severity) == ("feeslib.files", "error")
    assert difference.is_code
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: feeslib\nVersion: 1.1\n")
    (difference,) = before.compare(here())
    assert (difference.what, difference.severity) == ("feeslib", "warning")


def test_compiled_modules_are_compared_on_machines_of_one_kind(here: Environment) -> None:
    package = InstalledPackage(("fees",), "1.0", "f" * 64, "a" * 64, runs_anew=False)
    other = replace(package, compiled="b" * 64)
    before, after = (
        replace(here, closure=Closure({"fees": each}, {}, {})) for each in (package, other)
    )
    assert [each.what for each in before.compare(after)] == ["compiled modules of fees"]
    assert [each.what for each in before.compare(replace(after, system="Plan 9"))] == ["system"]
    assert msgspec.json.decode(json.dumps(asdict(before)), type=Environment) == before
