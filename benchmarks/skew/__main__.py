"""Inject faults into a healthy trained platform, score a normal year, and tell what was found.

    python -m benchmarks.skew --half tuning --only data     faults of data, the half to tune on
    python -m benchmarks.skew --only clean                  the clean days to tune on
    python -m benchmarks.skew --only peers                  other tools on the same
    python -m benchmarks.skew --only groceries              another table, its faults and days
    python -m benchmarks.skew --final                       everything; the other parts too
    python -m benchmarks.skew --tables                      the tables that are seen

Tables that checks have been tuned on since they were looked at are no part of the final run: they
are tried by themselves, and told in a file of their own.

The other half, the third part (`--half fresh`) and tables that are not seen yet are for the very
end: nobody tunes on them.

With `--home FOLDER` the platform is kept there and used again as it is; it has to be made anew when
what a version carries has changed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks._rounds import HERE, BenchmarkError
from benchmarks.skew.workers import leave_unflushed, say

if TYPE_CHECKING:
    from benchmarks.skew.faults import Half, Outcome

RESULTS = HERE / "benchmarks" / "results"
PARTS = (
    "data",
    "clean",
    "code",
    "environment",
    "artifact",
    "promotion",
    "online",
    "runs",
    "bikes",
    "groceries",
    "hotels",
    "meters",
    "turbines",
    "bakeries",
    "stops",
    "cars",
    "orders",
    "peers",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; 0 if it went through."""
    asked = _parser().parse_args(arguments)
    from lockstep.cli.process import prepare_process

    prepare_process()
    leave_unflushed()
    with _home(asked.home) as home:
        os.environ["LOCKSTEP_HOME"] = str(home)
        for name in ("MLFLOW_TRACKING_URI", "DAGSTER_HOME"):
            os.environ.pop(name, None)
        found = run(home, asked)
    _write(_without(str(home), found), asked)
    return 0


def run(home: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Carry out what is asked for, and give all that was found as plain data."""
    from benchmarks._report import this_machine
    from benchmarks.skew.report import document, tell
    from benchmarks.skew.tables import OTHERS

    begun = time.monotonic()
    parts = asked.only or _parts_of(asked)
    outcomes: list[Outcome] = []
    clean: dict[str, Any] = {}
    others: dict[str, Any] = {}
    if {*parts} - {*OTHERS, "peers"}:  # the others need no platform of flights
        outcomes, clean, others = _flights(home, parts, asked)
    names = [name for name in OTHERS if name in parts]
    if names:
        others["tables"] = _tables(home, names, asked)
    peers = _peers(home, asked) if "peers" in parts else {}
    others |= {"seconds": round(time.monotonic() - begun), "machine": this_machine()}
    found = document(outcomes, clean, others, peers)
    print(tell(found))
    return found


def _parts_of(asked: argparse.Namespace) -> list[str]:
    """What is tried where no part is named."""
    from benchmarks.skew.tables import OTHERS

    seen = [name for name, table in OTHERS.items() if table.seen]
    return seen if asked.tables else [name for name in PARTS if name not in seen]


def _flights(
    home: Path, parts: Sequence[str], asked: argparse.Namespace
) -> tuple[list[Outcome], dict[str, Any], dict[str, Any]]:
    """What came of faults, what was said of clean days, and what else was tried, on flights."""
    from benchmarks.skew.clean import heard
    from benchmarks.skew.data import try_faults
    from benchmarks.skew.faults import HALVES, half_of_day
    from benchmarks.skew.faults import PARTS as ALL_HALVES
    from benchmarks.skew.platform import BEFORE, build, score_days
    from benchmarks.skew.scenes import scenes_of
    from benchmarks.skew.site import prepare, try_scenes
    from benchmarks.skew.tables import FLIGHTS

    halves = ALL_HALVES if asked.final else (asked.half,)
    platform = build(home, FLIGHTS.declared, say)
    platform.open_live()
    days = {half: FLIGHTS.days(half, asked.days) for half in halves if {"data", "runs"} & {*parts}}
    spare = {half: FLIGHTS.spare(half, asked.days) for half in halves if "data" in parts}
    scenes = [one for one in scenes_of(parts) if asked.like in one.fault.name]
    needed = {*FLIGHTS.calendar[:2]} if scenes else set()  # the days before that of the sites
    for day in (day for chosen in (*days.values(), *spare.values()) for day in chosen):
        needed |= {day - timedelta(number) for number in range(BEFORE + 1)}
    calendar = [day for day in FLIGHTS.calendar if "clean" in parts or day in needed]
    scored = score_days(platform, calendar, say)
    outcomes = []
    if scenes:
        outcomes += try_scenes(prepare(platform, home / "site"), home / "trials", scenes)
    for half, to_spare in spare.items():
        faults = [one for one in FLIGHTS.of(half) if asked.like in one.fault.name]
        outcomes += try_faults("flights", home, home / "trials", faults, days[half], to_spare)
    told = {day: one for day, one in scored.items() if half_of_day(day) in halves}
    clean = heard(told).to_json() if "clean" in parts else {}
    others: dict[str, Any] = {}
    if "runs" in parts:
        others["as_runs"] = _as_runs(
            home, {half: days[half][len(days[half]) // 2] for half in HALVES if half in days}
        )
    return outcomes, clean, others


def _as_runs(home: Path, days: Mapping[Half, date]) -> list[dict[str, Any]]:
    """A tenth of the faults of data as runs of Dagster, beside what was judged in process."""
    from benchmarks.skew.runs import compare_runs, tenth
    from benchmarks.skew.tables import FLIGHTS

    told = []
    for half, day in days.items():
        told += compare_runs(home, home / "trials", tenth(FLIGHTS.of(half)), day)
    say(f"{sum(one.agrees for one in told)} of {len(told)} runs say what was judged in process.")
    for one in told:
        if not one.agrees:
            say(f"  {one.fault}: {one.in_process} in process, {one.as_run} as a run")
    return [one.to_json() for one in told]


def _tables(home: Path, names: Sequence[str], asked: argparse.Namespace) -> dict[str, Any]:
    """The same on tables of other kinds: their clean days, and all of their faults."""
    from benchmarks.skew.clean import heard
    from benchmarks.skew.data import try_faults
    from benchmarks.skew.platform import Platform
    from benchmarks.skew.report import document, tell
    from benchmarks.skew.sequence import make_ready
    from benchmarks.skew.tables import OTHERS

    told = {}
    for name, scored in make_ready({name: home / name for name in names}).items():
        table = OTHERS[name]
        Platform.at(home / name, table.declared).open_live()
        faults = [one for one in table.faults if asked.like in one.fault.name]
        days, spare = table.days("fresh", asked.days), table.spare("fresh", asked.days)
        outcomes = try_faults(name, home / name, home / name / "trials", faults, days, spare)
        found = document(outcomes, heard(scored).to_json(), {}, {})
        print(f"{table.title}:\n{tell(found)}\n")
        told[name] = {"table": table.title, "seen": table.seen, **found}
    return told


def _peers(home: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """The faults of both halves, or of one, and their clean days, given to other tools."""
    from benchmarks.skew.compared import try_tools
    from benchmarks.skew.faults import HALVES, half_of_day
    from benchmarks.skew.tables import FLIGHTS

    halves = HALVES if asked.final else (asked.half,)
    days = {half: FLIGHTS.days(half, asked.days) for half in halves}
    clean = [day for day in FLIGHTS.calendar if half_of_day(day) in halves]
    return try_tools(FLIGHTS, home, home / "trials" / "peers", days, clean, say)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.skew", description=__doc__)
    parser.add_argument("--half", choices=("tuning", "fresh"), default="tuning")
    parser.add_argument("--final", action="store_true", help="what is not tuned on, too")
    parser.add_argument("--tables", action="store_true", help="the tables that are seen, alone")
    parser.add_argument("--only", type=_parts, help=f"some of {', '.join(PARTS)}, with commas")
    parser.add_argument("--like", default="", help="faults whose names hold this")
    parser.add_argument("--days", type=int, default=10, help="days to try faults of data on")
    parser.add_argument("--home", type=Path, help="where the platform is kept")
    parser.add_argument("--out", type=Path, help="where to write what was found, as JSON")
    return parser


def _parts(text: str) -> list[str]:
    """The parts that a text with commas names."""
    named = text.split(",")
    unknown = [one for one in named if one not in PARTS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(PARTS)}")
    return named


@contextmanager
def _home(named: Path | None) -> Iterator[Path]:
    if named is not None:
        named.mkdir(parents=True, exist_ok=True)
        yield named.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="lockstep-skew-") as folder:
        yield Path(folder)


def _without(folder: str, found: dict[str, Any]) -> dict[str, Any]:
    """What was found, with a folder of this machine that messages name called HOME."""
    told: dict[str, Any] = json.loads(json.dumps(found).replace(folder, "HOME"))
    return told


def _write(found: dict[str, Any], asked: argparse.Namespace) -> None:
    from benchmarks.skew.report import markdown

    text = json.dumps(found, indent=1) + "\n"
    if asked.out is not None:
        asked.out.write_text(text)
    if (asked.final or asked.tables) and not asked.only:
        name = "skew_tables" if asked.tables else "skew"
        (RESULTS / f"{name}.json").write_text(text)
        (RESULTS / f"{name}.md").write_text(markdown(found))


if __name__ == "__main__":
    if os.environ.get("OMP_NUM_THREADS") != "1":  # forked processes hang in OpenMP's threads
        command = [sys.executable, "-m", "benchmarks.skew", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, "OMP_NUM_THREADS": "1"})
    try:
        sys.exit(main())
    except BenchmarkError as error:
        sys.exit(f"bench-skew: {error}")
