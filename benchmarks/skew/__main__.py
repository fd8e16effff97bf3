"""Inject faults into healthy trained platforms, score their days, and tell what was found.

    python -m benchmarks.skew bikes cars         clean days, faults, legitimate changes of these
    python -m benchmarks.skew --set develop      the tables to develop on
    python -m benchmarks.skew --set second       the other ones, to be tried once at the end
    python -m benchmarks.skew --set third        without a time, one value a day, few rows a day
    python -m benchmarks.skew --only clean       their clean days alone
    python -m benchmarks.skew --only code,online what goes wrong besides data, on flights alone

With `--home FOLDER` the platforms are kept there and used again as they are; they have to be made
anew when what a version carries has changed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks._rounds import HERE, BenchmarkError
from benchmarks.skew.workers import leave_unflushed

if TYPE_CHECKING:
    from benchmarks.skew.faults import Judged

RESULTS = HERE / "benchmarks" / "results"
OF_TABLES = ("clean", "faults", "changes")
OF_SITES = ("code", "environment", "artifact", "promotion", "online")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; 0 if it went through."""
    asked = _asked(arguments)
    from lockstep.cli.process import prepare_process

    prepare_process()
    leave_unflushed()
    with nullcontext(asked.home) if asked.home else tempfile.TemporaryDirectory() as folder:
        home = Path(folder).resolve()
        home.mkdir(parents=True, exist_ok=True)
        os.environ["LOCKSTEP_HOME"] = str(home)
        for name in ("MLFLOW_TRACKING_URI", "DAGSTER_HOME"):
            os.environ.pop(name, None)
        found = run(home, asked)
    _write(json.loads(json.dumps(found).replace(str(home), "HOME")), asked)
    return 0


def run(home: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Carry out what is asked for, and give all that was found as plain data."""
    from benchmarks._report import this_machine
    from benchmarks.skew.data import make_ready
    from benchmarks.skew.report import tell

    begun = time.monotonic()
    sites = [site for site in OF_SITES if site in asked.only]
    scored = make_ready({name: home / name for name in asked.tables + ["flights"] * bool(sites)})
    found: dict[str, Any] = {"tables": {}}
    for name in asked.tables if {*asked.only} & {*OF_TABLES} else []:
        found["tables"][name] = _table(name, home / name, scored[name], asked)
        print(tell(found["tables"][name]))
    if sites:
        found["sites"] = _sites(home / "flights", sites, asked)
        print(tell(found["sites"]))
    return found | {"seconds": round(time.monotonic() - begun), "machine": this_machine()}


def _table(
    name: str, home: Path, scored: Mapping[date, Judged], asked: argparse.Namespace
) -> dict[str, Any]:
    """What was found of a table: its faults, its clean days and its legitimate changes."""
    from benchmarks.skew.data import try_faults
    from benchmarks.skew.legitimate import live_through
    from benchmarks.skew.platform import Platform
    from benchmarks.skew.report import document, heard
    from benchmarks.skew.tables import TABLES

    table = TABLES[name]
    Platform.at(home, table.declared).open_live()
    trials, outcomes, changes = home / "trials", [], []
    if "faults" in asked.only:
        faults = [fault for fault in table.faults if asked.like in fault.fault.name]
        days = table.days(asked.days), table.spare(asked.days)
        outcomes = try_faults(name, home, trials, faults, *days)
    if "changes" in asked.only and table.roles.time:
        changes = live_through(name, home, trials)
    told = {"table": table.title, "seen": table.set == "develop"}
    return told | document(outcomes) | {"clean_days": heard(scored), "changes": changes}


def _sites(home: Path, classes: Sequence[str], asked: argparse.Namespace) -> dict[str, Any]:
    """What was found of faults of other classes, each at a site of its own."""
    from benchmarks.skew.platform import Platform
    from benchmarks.skew.report import document
    from benchmarks.skew.scenes import SCENES
    from benchmarks.skew.site import prepare, try_scenes
    from benchmarks.skew.tables import TABLES

    platform = Platform.at(home, TABLES["flights"].declared)
    platform.open_live()
    named = [scene for scene in SCENES if asked.like in scene.fault.name]
    scenes = [one for one in named if one.fault.kind in classes]
    found = try_scenes(prepare(platform, home / "site"), home / "trials", scenes)
    return {"table": "Faults at sites"} | document(found)


def _asked(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What is asked for: the tables by name, and what is tried of them."""
    from benchmarks.skew.tables import SETS, TABLES

    parts, commas = (*OF_TABLES, *OF_SITES), lambda text: text.split(",")
    parser = argparse.ArgumentParser(prog="python -m benchmarks.skew", description=__doc__)
    add = parser.add_argument
    add("tables", nargs="*", metavar="TABLE", help=f"some of {', '.join(TABLES)}")
    add("--set", choices=[*SETS], help="tables to develop on, or all others")
    add("--only", type=commas, default=[*OF_TABLES], help=f"some of {','.join(parts)}, with commas")
    add("--like", default="", help="faults whose names hold this")
    add("--days", type=int, default=4, help="days to try each fault on")
    add("--home", type=Path, help="where the platforms are kept")
    add("--out", type=Path, help="where to write what was found, as JSON")
    asked = parser.parse_args(arguments)
    asked.tables += SETS.get(asked.set, [])
    for one in [*asked.tables, *asked.only]:
        if one not in (*TABLES, *parts):
            parser.error(f"{one!r} is none of {', '.join((*TABLES, *parts))}")
    if not asked.tables and not {*asked.only} & {*OF_SITES}:
        asked.tables = SETS["develop"]
    return asked


def _write(found: dict[str, Any], asked: argparse.Namespace) -> None:
    """Write what was found where it is wanted; that of a whole set among the results."""
    from benchmarks.skew.report import markdown

    paths = [asked.out] if asked.out is not None else []
    if asked.set is not None and not asked.like and {*OF_TABLES} <= {*asked.only}:
        paths.append(RESULTS / f"skew_{asked.set}.json")
    for path in paths:
        path.write_text(json.dumps(found, indent=1) + "\n")
        path.with_suffix(".md").write_text(markdown(found))


if __name__ == "__main__":
    if os.environ.get("OMP_NUM_THREADS") != "1":  # forked processes hang in OpenMP's threads
        command = [sys.executable, "-m", "benchmarks.skew", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, "OMP_NUM_THREADS": "1"})
    try:
        sys.exit(main())
    except BenchmarkError as error:
        sys.exit(f"bench-skew: {error}")
