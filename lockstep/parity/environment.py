"""The environment in which a pipeline is fitted and served, as far as it can change a result."""

from __future__ import annotations

import locale
import os
import platform
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Literal

LIBRARIES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "pandas",
    "pyarrow",
    "skops",
    "joblib",
    "threadpoolctl",
    "treelite",
)
"""Distributions that compute, hold or load what any pipeline is made of."""
_OURS = "lockstep-scoring"
"""Lockstep itself, whose modules are compared by their code."""
TIME_ZONES = "tzdata"
"""The rules of time zones, as the system has them, or else as this distribution does."""

Severity = Literal["error", "warning"]

_ESTIMATORS_CHANGE = (
    "estimators are loaded from its internals, and their results may change with it"
)
_WHY = {
    "python": "compiled libraries differ, and hashing, parsing and mathematics may",
    "system": "elementary functions such as exp and log may come from another C library",
    "processor": "BLAS and NumPy choose their code by processor: the last digits may differ",
    "instructions": "NumPy chooses its loops by instruction set: the last digits may differ",
    "blas": "sums and matrix products are taken in another order: the last digits may differ",
    "threads": "BLAS and OpenMP split sums among threads: the last digits and the speed may differ",
    "timezone": "code that reads local time gets other hours",
    "locale": "code that parses, sorts or formats text by locale gets other results",
    "encoding": "files that are opened without naming an encoding are read otherwise",
    "numpy": "every column is computed with it",
    "pandas": "estimators are given its tables, whose dtypes follow its rules",
    "scikit-learn": _ESTIMATORS_CHANGE,
    "skops": "estimators are stored and loaded with it",
    TIME_ZONES: "local hours of some days may be others",
}
_FILES = ".files"
"""End of the name under which the content of a distribution is compared."""
_COMPILED_OF = "compiled modules of"
_OF_CODE = (_COMPILED_OF, "package ", "variable ", "file ")
"""Beginnings of the names under which the closure of code is compared."""
COMPILED = (".so", ".pyd", ".dylib", ".dll")
"""Ends of files that differ from machine to machine."""
_LARGE = 1 << 22
"""Bytes of a file for which its size stands."""
_VERSION = re.compile("^Version:(.*)$", re.MULTILINE)
_RELEASES_THAT_MATTER = frozenset({"python", "numpy", "pandas", "scikit-learn", "skops"})
"""Where another major or minor release is an error."""


@dataclass(frozen=True)
class EnvironmentDifference:
    """One way in which an environment is not what was expected."""

    what: str  # what differs, such as `python`, `numpy` or `threads.blas`
    # None where there is none, as for a library that is not installed; so `actual`
    expected: str | None
    actual: str | None
    severity: Severity  # `"error"` where results may well differ, `"warning"` elsewhere
    why: str
    # whether it is one of the code with which a version computes, as its own is
    is_code: bool = False

    def __str__(self) -> str:
        expected, actual = self.expected or "none", self.actual or "none"
        return f"{self.what} is {actual}, not {expected}: {self.why}"


@dataclass(frozen=True)
class InstalledPackage:
    """An installed package that decides values as a version's own code does.

    Attributes:
        distributions: The distributions that it is installed with; none where no record tells.
        files: SHA-256 of its files, and of those of these distributions.
        compiled: The same of compiled ones, which differ from machine to machine; empty of none.
        runs_anew: Whether it can be imported twice in a process.
    """

    distributions: tuple[str, ...]
    version: str
    files: str
    compiled: str
    runs_anew: bool

    def __str__(self) -> str:
        return f"{self.version} (files {self.files[:16]})".lstrip()


@dataclass(frozen=True)
class Closure:
    """What a version's code reaches beside its own modules and public libraries.

    Attributes:
        variables: Digests of environment variables that these ask for, by name.
        files: Digests of files elsewhere that they read when they are imported, by path.
    """

    packages: Mapping[str, InstalledPackage]
    variables: Mapping[str, str]
    files: Mapping[str, str]

    @property
    def facts(self) -> dict[str, str]:
        """The facts that are compared, by name."""
        packages = self.packages.items()
        compiled = {name: package.compiled[:16] for name, package in packages if package.compiled}
        return {
            **{f"package {name}": str(package) for name, package in packages},
            **{f"{_COMPILED_OF} {name}": digest for name, digest in compiled.items()},
            **{f"variable {name}": digest[:16] for name, digest in self.variables.items()},
            **{f"file {path}": digest[:16] for path, digest in self.files.items()},
        }


@dataclass(frozen=True)
class Environment:
    """Everything around the code that can change what it computes.

    Attributes:
        python: Version, such as `3.11.7`, after the implementation if that is not CPython.
        libraries: Version by installed distribution, of `LIBRARIES`, of what the code imports, and
            of the rules of time zones.
        blas: Each BLAS in the process: name, version, and the processor that it chose code for.
        threads: Cores that the process may use, and threads of BLAS and OpenMP.
        timezone: Names of the local time, and its offset from UTC.
        closure: What the code reaches beside that; None in versions that do not tell.
        contents: In these: SHA-256 of the files of what the code imports, by distribution.
    """

    python: str
    libraries: Mapping[str, str]
    system: str
    processor: str
    instructions: tuple[str, ...]
    blas: tuple[str, ...]
    threads: Mapping[str, int]
    timezone: str
    locale: str
    encoding: str
    closure: Closure | None = None
    contents: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def capture(
        cls,
        distributions: Iterable[str] = (),
        closure: Closure | None = None,
        contents: Iterable[str] = (),
    ) -> Environment:
        """Capture the environment of this process. Loads scikit-learn, with its BLAS and OpenMP.

        Args:
            distributions: What a pipeline's code imports beside `LIBRARIES`.
            contents: Distributions whose files are looked at without one.
        """
        blas, threads = _native_libraries()
        return cls(
            python=_python(),
            libraries=_installed(distributions),
            system=_system(),
            processor=_processor(),
            instructions=_instructions(),
            blas=blas,
            threads=threads,
            timezone=_timezone(),
            locale=_locale(),
            encoding=locale.getencoding(),
            closure=closure,
            contents=_contents(contents),
        )

    def compare(self, actual: Environment) -> tuple[EnvironmentDifference, ...]:
        """List how `actual` differs from this environment, errors first.

        Another major or minor release of Python, NumPy, pandas, scikit-learn or skops is an error;
        scikit-learn in particular promises nothing about estimators stored by another release
        ("Model persistence", scikit-learn's user guide). So is whatever differs in the closure of
        the code, of which compiled modules are compared on machines of one kind. Everything else is
        a warning. Libraries on which only some pipelines depend are compared if this environment
        has them.
        """
        expected_facts, actual_facts = self.facts, actual.facts
        for name in actual.libraries.keys() - self.libraries.keys() - {*LIBRARIES}:
            del actual_facts[name]
        for name in self.contents:  # another version tells enough
            if self.libraries.get(name) != actual.libraries.get(name):
                expected_facts.pop(f"{name}{_FILES}")
                actual_facts.pop(f"{name}{_FILES}", None)
        if (self.python, self.system) != (actual.python, actual.system):
            for facts in (expected_facts, actual_facts):
                for name in [name for name in facts if name.startswith(_COMPILED_OF)]:
                    del facts[name]
        differences = [
            _difference(what, expected_facts.get(what), actual_facts.get(what))
            for what in dict.fromkeys([*expected_facts, *actual_facts])
            if expected_facts.get(what) != actual_facts.get(what)
        ]
        return tuple(sorted(differences, key=lambda difference: difference.severity))

    @property
    def facts(self) -> dict[str, str]:
        """The facts that are compared, by name."""
        return {
            "python": self.python,
            **self.libraries,
            **{f"{name}{_FILES}": digest[:16] for name, digest in self.contents.items()},
            **(self.closure.facts if self.closure is not None else {}),
            "blas": "; ".join(self.blas),
            **{f"threads.{name}": str(count) for name, count in self.threads.items()},
            "processor": self.processor,
            "instructions": ", ".join(self.instructions),
            "system": self.system,
            "timezone": self.timezone,
            "locale": self.locale,
            "encoding": self.encoding,
        }


def _difference(what: str, expected: str | None, actual: str | None) -> EnvironmentDifference:
    other_release = _release(expected) != _release(actual)
    is_code = what.endswith(_FILES) or what.startswith(_OF_CODE)
    is_grave = is_code or (what in _RELEASES_THAT_MATTER and other_release)
    severity: Severity = "error" if is_grave else "warning"
    why = _WHY.get(what.partition(".")[0], "results that pass through it may change")
    return EnvironmentDifference(what, expected, actual, severity, why, is_code)


def _release(version: str | None) -> tuple[str, ...]:
    """Major and minor of a version: `3.11` of `3.11.7`."""
    return tuple((version or "").split(".")[:2])


def _python() -> str:
    implementation = platform.python_implementation()
    version = platform.python_version()
    return version if implementation == "CPython" else f"{implementation} {version}"


def _installed(distributions: Iterable[str]) -> dict[str, str]:
    versions = {}
    others = sorted({*distributions} - {*LIBRARIES, _OURS, TIME_ZONES})
    for name in (*LIBRARIES, *others):
        try:
            versions[name] = _version(name)
        except metadata.PackageNotFoundError:
            continue
    if (rules := _time_zones()) is not None:
        versions[TIME_ZONES] = rules
    return versions


def _contents(distributions: Iterable[str]) -> dict[str, str]:
    """By distribution, the SHA-256 of its files."""
    return {name: digest for name in distributions if (digest := _content(name)) is not None}


def _content(distribution: str) -> str | None:
    """SHA-256 of a distribution's files, as far as they are the same on all machines."""
    try:
        files = metadata.distribution(distribution).files or []
    except metadata.PackageNotFoundError:
        return None
    digest = sha256()
    for file in sorted(files):
        path = Path(str(file.locate()))
        is_local = file.parts[0] == ".." or file.parts[0].endswith(".dist-info")
        if not is_local and file.suffix not in (".pyc", *COMPILED) and path.is_file():
            is_large = path.stat().st_size > _LARGE
            content = str(path.stat().st_size).encode() if is_large else path.read_bytes()
            digest.update(f"{file}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _time_zones() -> str | None:
    """The release of the rules of time zones, such as `2026a`; None where it is not known.

    Python looks for them in folders of the system first (`zoneinfo.TZPATH`).
    """
    import zoneinfo

    for folder in zoneinfo.TZPATH:
        rules = Path(folder, "tzdata.zi")
        if rules.is_file():
            with rules.open(encoding="utf-8") as lines:
                return lines.readline().removeprefix("# version ").strip()
    try:
        return _version(TIME_ZONES)
    except metadata.PackageNotFoundError:
        return None


def _version(distribution: str) -> str:
    """A distribution's version; reading a line of its metadata takes a tenth of parsing them."""
    installed = metadata.distribution(distribution)
    line = _VERSION.search(installed.read_text("METADATA") or "")
    return line[1].strip() if line is not None else installed.version


def _system() -> str:
    library = " ".join(part for part in platform.libc_ver() if part)
    return ", ".join(part for part in (platform.system(), platform.machine(), library) if part)


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _instructions() -> tuple[str, ...]:
    import numpy as np

    extensions = np.show_config(mode="dicts")["SIMD Extensions"]
    return (*extensions.get("baseline", ()), *extensions.get("found", ()))


def _native_libraries() -> tuple[tuple[str, ...], dict[str, int]]:
    """The BLAS libraries of this process, and the threads of BLAS and OpenMP."""
    import sklearn  # noqa: F401  loads NumPy's and SciPy's BLAS, and OpenMP
    from threadpoolctl import threadpool_info

    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    blas, threads = set(), {"cores": cores}
    for library in threadpool_info():
        api = library["user_api"]
        threads[api] = max(threads.get(api, 0), library["num_threads"])
        if api == "blas":
            name = f"{library['internal_api']} {library['version']}"
            architecture = library.get("architecture")
            blas.add(f"{name} for {architecture}" if architecture else name)
    return tuple(sorted(blas)), threads


def _locale() -> str:
    """The locale of the process: one name, or the categories that are not the plain C locale."""
    categories = locale.setlocale(locale.LC_ALL).split(";")
    return ";".join(part for part in categories if not part.endswith("=C")) or "C"


def _timezone() -> str:
    hours, minutes = divmod(abs(time.timezone) // 60, 60)
    sign = "-" if time.timezone > 0 else "+"
    return f"{'/'.join(dict.fromkeys(time.tzname))}, UTC{sign}{hours:02d}:{minutes:02d}"
