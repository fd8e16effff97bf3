"""Faults of the environment: what serves is not what it was fitted in."""

from __future__ import annotations

from importlib import metadata

from benchmarks.skew.faults import Fault
from benchmarks.skew.judged import Judged
from benchmarks.skew.site import NAME, Play, Scene, Site

CHECKS = ("environment_parity", "golden_replay", "compiled_parity")
PROMOTE = ("promote", NAME, "2")


def clean_promotion(site: Site) -> Judged:
    """Promote version 2 where it was fitted."""
    return site.command(*PROMOTE)


def promoted_with(**environment: str) -> Play:
    """Promote version 2 in a process with another environment."""
    return lambda site: site.command(*PROMOTE, **environment)


def promoted_with_release(library: str, release: str | None = None) -> Play:
    """Promote version 2 where another release of a library is installed."""

    def play(site: Site) -> Judged:
        major, minor, *_ = metadata.version(library).split(".")
        other = release or f"{major}.{int(minor) + 1}.0"
        folder = site.home / "installed"
        info = folder / f"{library.replace('-', '_')}-{other}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {library}\nVersion: {other}\n"
        )
        return site.command(*PROMOTE, PYTHONPATH=str(folder))

    return play


def _environment(
    name: str, story: str, where: tuple[str, ...], faulted: Play, *, blocks: bool = False
) -> Scene:
    fault = Fault(name, "environment", story, where, CHECKS, blocks)
    return Scene(fault, faulted, clean_promotion)


ENVIRONMENT_SCENES: tuple[Scene, ...] = (
    *(
        _environment(
            f"release_of_{library.replace('-', '_')}",
            f"another minor release of {library} is installed",
            (library,),
            promoted_with_release(library),
            blocks=library in ("numpy", "pandas", "scikit-learn", "skops"),
        )
        for library in ("numpy", "pandas", "scikit-learn", "skops", "scipy", "pyarrow", "treelite")
    ),
    _environment(
        "timezone", "the process has another time zone", ("timezone",),
        promoted_with(TZ="Asia/Kolkata"),
    ),
    _environment(
        "locale", "the process has another locale and encoding", ("locale", "encoding"),
        promoted_with(LC_ALL="POSIX", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0"),
    ),
    _environment(
        "threads", "OpenMP has other threads", ("threads", "threads.openmp", "threads.cores"),
        promoted_with(OMP_NUM_THREADS="2"),
    ),
    _environment(
        "blas_kernel", "BLAS takes the code for another processor", ("blas",),
        promoted_with(OPENBLAS_CORETYPE="Prescott"),
    ),
    _environment(
        "simd", "NumPy may not use the processor's vectors", ("instructions",),
        promoted_with(NPY_DISABLE_CPU_FEATURES="X86_V3 X86_V4 AVX512_ICL"),
    ),
)  # fmt: skip
