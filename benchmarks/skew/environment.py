"""Faults of the environment: what serves is not what it was fitted in."""

from __future__ import annotations

from functools import partial
from importlib import metadata

from benchmarks.skew.faults import Judged
from benchmarks.skew.site import NAME, Play, Scene, Site, scene


def _promoted(site: Site, **environment: str) -> Judged:
    """Promote version 2 in a process of its own."""
    return site.command("promote", NAME, "2", **environment)


def _in(**environment: str) -> Play:
    return lambda site: _promoted(site, **environment)


def _with_release(library: str) -> Play:
    """Promote version 2 where another release of a library is installed."""

    def play(site: Site) -> Judged:
        major, minor, *_ = metadata.version(library).split(".")
        release = f"{major}.{int(minor) + 1}.0"
        folder = site.home / "installed"
        info = folder / f"{library.replace('-', '_')}-{release}.dist-info"
        info.mkdir(parents=True)
        told = f"Metadata-Version: 2.1\nName: {library}\nVersion: {release}\n"
        (info / "METADATA").write_text(told)
        return _promoted(site, PYTHONPATH=str(folder))

    return play


CHECKS = ("environment_parity", "golden_replay", "compiled_parity")
_environment = partial(scene, "environment", CHECKS, _promoted, blocks=False)
ENVIRONMENT_SCENES: tuple[Scene, ...] = (
    *(
        _environment(
            f"release_of_{library.replace('-', '_')}",
            f"another minor release of {library} is installed",
            library,
            _with_release(library),
            blocks=library in ("numpy", "pandas", "scikit-learn", "skops"),
        )
        for library in ("numpy", "pandas", "scikit-learn", "skops", "scipy", "pyarrow", "treelite")
    ),
    _environment("timezone", "the process has another time zone", "timezone",
                 _in(TZ="Asia/Kolkata")),
    _environment("locale", "the process has another locale and encoding", "locale encoding",
                 _in(LC_ALL="POSIX", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0")),
    _environment("threads", "OpenMP has other threads", "threads threads.openmp threads.cores",
                 _in(OMP_NUM_THREADS="2")),
    _environment("blas_kernel", "BLAS takes the code for another processor", "blas",
                 _in(OPENBLAS_CORETYPE="Prescott")),
    _environment("simd", "NumPy may not use the processor's vectors", "instructions",
                 _in(NPY_DISABLE_CPU_FEATURES="X86_V3 X86_V4 AVX512_ICL")),
)  # fmt: skip
