"""Batches of flights, from a Parquet file to another: a bare script, Lockstep, and MLflow's pyfunc.

The bare script reads the file, predicts by the very pipeline of the version, and writes outputs; it
checks nothing. Lockstep scores the file like one that came into the inbox, with every check: in its
own process, by a pool of two and on a Ray cluster of two. All of them look up weather, aircraft and
landings. The year is repeated with fresh keys. Each system is a process of its own, and peak memory
is that of the process with all that it starts, looked at twenty times a second. The days that the
demonstration scores are one backfill of a home.

    python -m benchmarks.batch [--sizes 340000,3400000,10000000] [--systems script,process,pool]

`$LOCKSTEP_HOME` is used where it is set, and has to hold a platform of the skew benchmark's;
otherwise a model is trained in a home of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pyarrow as pa
from pyarrow import parquet

from assets.flight_delay import ASSETS, FIRST_SCORED
from assets.flight_delay import LAST as LAST_SCORED
from benchmarks._report import Outcome, this_machine
from benchmarks._rounds import HERE, BenchmarkError
from benchmarks.checks import home_of
from benchmarks.skew.platform import Platform, build
from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.streams import stream_records
from lockstep.cli.process import start_command
from lockstep.columns.decode import decode
from lockstep.columns.units import read_files
from lockstep.project.home import Home
from lockstep.scoring.executors import executor_of
from lockstep.scoring.work import Work
from lockstep.store.parquet import Store
from lockstep.store.pinned_tables import PinnedTables
from tests.fixtures.places import score_rows

RESULTS = HERE / "benchmarks" / "results" / "batch.json"
SIZES = (340_000, 3_400_000, 10_000_000)
SYSTEMS = ("script", "process", "pool", "ray", "pyfunc")
FIRST, DAYS = date(2013, 1, 1), 365
WORKERS = 2
SCORED_DAYS = (LAST_SCORED - FIRST_SCORED).days + 1
"""Days of the year that the demonstration scores: it trains on those before."""
MOST_MB, MOST_RATIO, MOST_DAY_SECONDS = 1_536, 1.0, 360 / 365
_GROUP = 100_000
"""Rows of a row group of the file."""
_LEAST_LEFT = 0.03
"""Share of the machine's memory at which a system that goes on taking it is ended."""


@dataclass(frozen=True)
class Run:
    """What a system took for a batch.

    Attributes:
        system: The system.
        rows: Rows of the batch.
        seconds: Wall time, with the start of the process.
        peak_mb: Most memory of the process and all that it started, in MiB.
        driver_s: Processor time of the process itself.
        workers_s: Processor time of the processes that it started and waited for; a cluster's are
            not among them.
        outputs: SHA-256 of the published keys and outputs; None where nothing is published.
        killed: Whether the system ended it, as where memory does not suffice.
    """

    system: str
    rows: int
    seconds: float
    peak_mb: float
    driver_s: float
    workers_s: float
    outputs: str | None
    killed: bool = False

    def to_json(self) -> dict[str, Any]:
        """The run as the results hold it."""
        return {
            "system": self.system,
            "rows": self.rows,
            "wall_s": None if self.killed else round(self.seconds, 1),
            "rows_per_s": None if self.killed else round(self.rows / self.seconds),
            "peak_rss_mb": round(self.peak_mb),
            "driver_cpu_s": None if self.killed else round(self.driver_s, 1),
            "workers_cpu_s": None if self.killed else round(self.workers_s, 1),
            **({"killed": "memory did not suffice"} if self.killed else {}),
        }


def write_batch(days: Sequence[pd.DataFrame], rows: int, path: Path) -> None:
    """Write the year again and again, with fresh keys, until there are enough rows."""
    left, around = rows, 0
    year = pd.concat(days, ignore_index=True)
    keys = year["flight_id"].str.split(" ", n=3, expand=True)
    with parquet.ParquetWriter(path, pa.Table.from_pandas(year).schema) as file:
        while left:
            # a day, a carrier, a flight number, where and when
            number = (int(1e4) * around + keys[2].astype(int)).astype(str)
            fresh = keys[0] + " " + keys[1] + " " + number + " " + keys[3]
            part = year.assign(flight_id=fresh if around else year["flight_id"]).head(left)
            file.write_table(pa.Table.from_pandas(part, file.schema, preserve_index=False), _GROUP)
            left, around = left - len(part), around + 1


def by_script(live: LoadedVersion, path: Path, folder: Path) -> Path:
    """Read, predict and write, as a script that checks nothing."""
    frame = pd.read_parquet(path)
    written = folder / "outputs.parquet"
    live.compiled.pipeline.predict(frame).to_parquet(written)
    return written


def by_pyfunc(live: LoadedVersion, path: Path, folder: Path) -> Path:
    """The same by MLflow's `python_function`, as it is logged with the version.

    It takes what is looked up with the rows, so that is looked up here.
    """
    import mlflow

    frame = pd.read_parquet(path)
    names = tuple(name for node in live.pipeline.reading for name in node.gives)
    columns = decode(frame, live.pipeline.record_schema).columns
    frame = frame.assign(**live.pipeline.evaluate(columns, names))
    outputs = mlflow.pyfunc.load_model(str(live.directory.parent)).predict(frame)
    written = folder / "outputs.parquet"
    pd.DataFrame(outputs).to_parquet(written)
    return written


def by_lockstep(live: LoadedVersion, path: Path, folder: Path, home: Home) -> Path | None:
    """Score the file as one of the inbox, with every check; findings of any field are accepted."""
    schema = live.pipeline.record_schema
    with executor_of(home) as executor:
        work = Work(ASSETS, Store(folder / "data"), "inbox", "batch.parquet", executor=executor)
        rows = read_files([path], schema)
        score_rows(work, live, rows)
    return work.records.export_path("batch.parquet")


def outputs_of(path: Path, live: LoadedVersion) -> str:
    """SHA-256 of keys and outputs, in the order of the file."""
    digest = hashlib.sha256()
    names = [live.pipeline.key, *live.pipeline.graph.outputs]
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(_GROUP, columns=names):
            for name in names:
                digest.update(repr(batch.column(name).to_pylist()).encode())
    return digest.hexdigest()


def carry_out(system: str, files: Path, manifest: str, path: Path, folder: Path) -> None:
    """Have a system work on a batch; a process of its own runs this."""
    start_command()
    live = LoadedVersion.open(files, manifest, name=ASSETS.name, version=1)
    live = live.with_tables(PinnedTables.now(Store(folder / "data"), live.pipeline))
    if system == "script":
        by_script(live, path, folder)
    elif system == "pyfunc":
        by_pyfunc(live, path, folder)
    else:
        os.environ.setdefault("RAY_worker_niceness", "0")  # as the processes of a pool have
        workers = 1 if system == "process" else WORKERS
        ray = "local" if system == "ray" else None
        by_lockstep(live, path, folder, Home(folder, workers=workers, ray=ray))
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        used = resource.getrusage(who)
        print(used.ru_utime + used.ru_stime)


def run(system: str, live: LoadedVersion, ledgers: Path, path: Path, rows: int) -> Run:
    """Run a system on a batch, and say what that took.

    It is ended before it takes all memory: the machine would end another process otherwise.

    Args:
        system: The system.
        live: The version.
        ledgers: The ledgers of its tables.
        path: The batch.
        rows: Its rows.

    Raises:
        BenchmarkError: It ended with an error.
    """
    least_left = psutil.virtual_memory().total * _LEAST_LEFT
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        shutil.copytree(ledgers, Path(folder) / "data" / ledgers.name, copy_function=os.link)
        arguments = [system, str(live.directory), live.digest, str(path), folder]
        program = (
            "import sys; from pathlib import Path; from benchmarks.batch import carry_out; "
            "system, files, manifest, path, folder = sys.argv[1:]; "
            "carry_out(system, Path(files), manifest, Path(path), Path(folder))"
        )
        begun, peak = time.perf_counter(), 0.0
        process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            cwd=HERE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        killed = False
        while process.poll() is None:
            peak = max(peak, _memory(process.pid))
            if psutil.virtual_memory().available < least_left:
                process.kill()
                killed = True
            time.sleep(0.05)
        seconds = time.perf_counter() - begun
        if killed:
            return Run(system, rows, seconds, peak, 0.0, 0.0, None, killed=True)
        if process.returncode:
            last = process.stderr.read().strip()[-500:] if process.stderr else ""
            raise BenchmarkError(f"{system}, {rows:,} rows: status {process.returncode}: {last}")
        published = next(Path(folder).rglob("published/*.parquet"), Path(folder, "outputs.parquet"))
        outputs = outputs_of(published, live) if system != "pyfunc" else None
        driver, workers = map(float, process.stdout.read().split()[-2:] if process.stdout else ())
    return Run(system, rows, seconds, peak, driver, workers, outputs)


def _memory(pid: int) -> float:
    """Memory of a process and all that it started, in MiB; pages that they share count once."""
    total = 0.0
    try:
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            total += process.memory_full_info().pss / 2**20
    except psutil.NoSuchProcess:
        pass
    return total


def year(home: Path) -> float:
    """Seconds of a backfill of all days that the demonstration scores, by the command.

    Raises:
        BenchmarkError: Some days were not even tried.
    """
    first, last = FIRST_SCORED.isoformat(), LAST_SCORED.isoformat()
    command = [str(Path(sys.executable).with_name("lockstep")), "score", ASSETS.name]
    begun = time.perf_counter()
    ended = subprocess.run(
        [*command, "--from", first, "--to", last],
        cwd=HERE,
        env={**os.environ, "LOCKSTEP_HOME": str(home)},
        check=False,  # that a check blocks some days is told by its status
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    seconds = time.perf_counter() - begun
    records = stream_records(ASSETS, Store(Home(home).data / ASSETS.name), "daily")
    tried = sum(first <= day <= last for day in records.attempted())
    if tried != SCORED_DAYS:
        said = ended.stderr.strip()[-500:]
        raise BenchmarkError(f"{tried} of {SCORED_DAYS} days were tried: {said}")
    return seconds


def report(told: Mapping[str, Any]) -> Iterator[str]:
    """What was measured, for people."""
    yield "| system | rows | seconds | rows/s | most memory, MiB |"
    yield "| --- | --- | --- | --- | --- |"
    for row in told["rows"]:
        took = row["killed"] if "killed" in row else f"{row['wall_s']:,.1f} | {row['rows_per_s']:,}"
        took += " |" * ("killed" in row)
        yield f"| {row['system']} | {row['rows']:,} | {took} | {row['peak_rss_mb']:,} |"


def page(told: Mapping[str, Any]) -> str:
    """The results as a page."""
    return "\n".join(
        [
            "# Batches of flights\n",
            f"`make bench-batch`, {told['date']}. {__doc__.split(chr(10) * 2)[1]}\n",
            *report(told),
            "",
            *(f"- {line}" for line in targets(told)),
            f"\n{told['machine']}\n",
        ]
    )


def targets(told: Mapping[str, Any]) -> Iterator[str]:
    """What was to be reached, and what was."""
    for size, ratio in told["ratio_to_script"].items():
        yield str(Outcome(f"{size}: wall time, of the script's", ratio, MOST_RATIO))
    for row in told["rows"]:
        if row["system"] in ("process", "pool", "ray"):
            name = f"{row['system']}, {row['rows']:,} rows: MiB"
            yield str(Outcome(name, row["peak_rss_mb"], MOST_MB))
    if told["year_backfill_s"] is not None:
        a_day = told["year_backfill_s"] / SCORED_DAYS
        yield str(Outcome(f"{SCORED_DAYS} days of the year, seconds each", a_day, MOST_DAY_SECONDS))


def measure(home: Path, sizes: Sequence[int], systems: Sequence[str]) -> dict[str, Any]:
    """Measure, in a home with a live version."""
    whole: Platform = build(home, ASSETS, print)
    live = whole.live.load(whole.live.state())
    days = [whole.rows(FIRST + timedelta(at)) for at in range(DAYS)]
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(dir=home) as folder:
        for size in sizes:
            path = Path(folder, f"{size}.parquet")
            write_batch(days, size, path)
            for system in systems:
                runs.append(run(system, live, whole.store.root / "ledgers", path, size))
                print(json.dumps(runs[-1].to_json()), flush=True)
            path.unlink()
    by_size = {
        f"{size / 1e6:.3g}M": {each.system: each for each in runs if each.rows == size}
        for size in sizes
    }
    alike = [
        {each.outputs for each in found.values() if each.system in ("process", "pool", "ray")}
        for found in by_size.values()
    ]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": this_machine(),
        "rows": [each.to_json() for each in runs],
        "ratio_to_script": {
            size: round(
                min(found[name].seconds for name in ("process", "pool", "ray") if name in found)
                / found["script"].seconds,
                3,
            )
            for size, found in by_size.items()
            if "script" in found and not found["script"].killed and len(found) > 1
        },
        "year_backfill_s": None,
        "identical": all(len(outputs) == 1 for outputs in alike),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a report and write `benchmarks/results/batch.json`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch", description=__doc__)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--systems", default=",".join(SYSTEMS))
    asked = parser.parse_args(arguments)
    sizes, systems = [int(size) for size in asked.sizes.split(",")], asked.systems.split(",")
    start_command()
    with home_of() as home:
        told = measure(home, sizes, systems)
        if tuple(systems) == SYSTEMS:
            told["year_backfill_s"] = round(year(home), 1)
    for line in report(told):
        print(line)
    print("\nTargets")
    for line in targets(told):
        print(f"  {line}")
    if tuple(sizes) == SIZES and tuple(systems) == SYSTEMS:
        RESULTS.write_text(json.dumps(told, indent=1) + "\n")
        RESULTS.with_suffix(".md").write_text(page(told))
        print(f"Written to {RESULTS} and {RESULTS.with_suffix('.md').name}")


if __name__ == "__main__":
    main()
