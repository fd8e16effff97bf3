"""Random kills: of runs, deliveries, processes of a pool, and Dagster's daemon; then a rerun.

A file of some hundred rows is scored in units, and published to consumers, to a Parquet tree and to
a database. A process is killed (SIGKILL) at a write drawn at random, or after a time drawn at
random:

    run       a run that works on its units by itself
    pool      a run whose units are worked on by a pool of two
    worker    a process of that pool; its run goes on
    look      a look into the inbox, and the run in Dagster that it asks for
    daemon    Dagster's own daemon, with its code server and the runs that it started
    delivery  a delivery of a table
    restore   who finds an older copy of a table's ledger in its place, or none: a delivery that is
              refused, or somebody who accepts the loss
    sink      a run while one of the sinks is down, or who hands over what that lacks once it is up

Two deliveries replace each other by turns, so that a mixture would show, and others read all the
time. After each kill everything is read, and the rerun is compared with an undisturbed run: to the
bit, but for times. Every row that came in has to be published or set aside. At last 1,000 read at
once while the file is replaced.

    python -m benchmarks.faults [--kills 300] [--seed 24]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from pyarrow import dataset, parquet

from benchmarks._ledgers import DeliveredTable
from benchmarks._report import this_machine
from benchmarks._rounds import HERE, BenchmarkError
from lockstep import ParquetSink, SqlSink
from lockstep.artifacts.pointers import open_live
from lockstep.project.declaration import PipelineAssets
from lockstep.project.home import Home
from lockstep.project.pipelines import pipelines
from lockstep.project.project import Project
from lockstep.store import inbox
from lockstep.store.parquet import Store
from lockstep.store.parts import read_delivery
from tests.fixtures.places import FILE, UNIT_ROWS, Delivery, Place, orders, two_deliveries
from tests.fixtures.readers import Marks, Reads, crowd, read_by_many
from tests.fixtures.recorded import Recorded, content_of, digest_of, values_of
from tests.fixtures.writes import Interrupting, carried_out, demanded, start

RESULTS = HERE / "benchmarks" / "results" / "faults.json"
PROJECT = HERE / "tests" / "projects" / "orders"
KILLS, SEED = 300, 24
SHARES = {
    "run": 18,
    "pool": 5,
    "worker": 5,
    "look": 8,
    "daemon": 1,
    "delivery": 9,
    "restore": 7,
    "sink": 7,
}
"""How many of 60 kills are of each kind."""
READERS, REPLACED = 1_000, 20
_OF_WORKER = 20
"""Writes of a process of the pool, one of which it is killed at."""
_LONGEST = 7_200
"""Seconds after which nobody reads any more, and nothing is killed."""
_TRIES = 50
"""How often something is begun to be killed, which may be over before."""
_OF_HANDING_OVER = 8
"""Writes of handing over what a sink lacks, before one of which it is killed."""
_LOOKS = 2
"""How often somebody looks into the inbox after a kill."""
_DAEMON = "from dagster._daemon.cli import main; main()"
_DAEMON_LIVES = (5.0, 30.0)
"""Seconds after which a daemon is killed: it needs some to begin with."""
_DAEMON_SECONDS = 300.0
"""Seconds after which the last daemon has taken in what those before it left."""


@dataclass
class Tally:
    """What came of kills.

    Attributes:
        kills: Their number.
        identical: After how many the rerun was like an undisturbed run.
        lost_rows: Rows that were neither published nor set aside, or twice.
        partial_reads: How often something else was read than one whole delivery.
        problems: What was wrong, and after which kill.
    """

    kills: int = 0
    identical: int = 0
    lost_rows: int = 0
    partial_reads: int = 0
    problems: list[str] = field(default_factory=list)

    def compare(self, kill: str, found: Recorded, wanted: Recorded) -> None:
        """Count a kill, and compare what the rerun recorded."""
        self.count(kill, is_identical=found == wanted, lost=abs(found.lost))

    def count(self, kill: str, *, is_identical: bool, lost: int) -> None:
        """Count a kill, and what the rerun left."""
        self.kills += 1
        self.lost_rows += lost
        if is_identical:
            self.identical += 1
        else:
            self.problems.append(f"{kill}: the rerun differs")

    def look(self, kill: str, seen: str) -> None:
        """Count what was read where that is nothing whole."""
        if seen:
            self.partial_reads += 1
            self.problems.append(f"{kill}: {seen}")

    def __add__(self, other: Tally) -> Tally:
        """Both."""
        mine, others = asdict(self), asdict(other)
        return Tally(**{name: mine[name] + others[name] for name in mine})


# --- what consumers read ---


@dataclass(frozen=True)
class Site:
    """A home in which a version is live, whose files are published to several consumers.

    Attributes:
        project: The project.
        home: The home.
        place: Where files are scored.
    """

    project: Project
    home: Home
    place: Place

    @classmethod
    def of(cls, project: Project, declared: PipelineAssets) -> Site:
        """The site of a project's home."""
        home = project.home
        sinks = (
            ParquetSink(str(home.path / "predictions")),
            SqlSink(f"sqlite:///{home.path / 'predictions.db'}"),
            SqlSink(f"sqlite:///{home.path / 'beside' / 'predictions.db'}"),
        )
        (home.path / "beside").mkdir(exist_ok=True)
        version = partial(open_live, home.live(declared.name))
        store = Store(home.data / declared.name)
        return cls(project, home, Place(replace(declared, sinks=sinks), store, version))

    def read_file(self) -> str:
        """What tells the published file."""
        return content_of(self.place.export)

    def read_tree(self) -> str:
        """What tells the published tree."""
        names = parquet.read_schema(self.place.export).names
        tree = dataset.dataset(self.home.path / "predictions" / "current", partitioning="hive")
        return digest_of(values_of(tree.to_table(columns=names)))

    @contextmanager
    def without_sink(self) -> Iterator[None]:
        """Have the sink beside the others be down meanwhile."""
        beside = self.home.path / "beside"
        away = beside.rename(beside.with_name("away"))
        beside.touch()
        try:
            yield
        finally:
            beside.unlink()
            away.rename(beside)

    def hand_over(self) -> None:
        """Give the sinks what they lack of the file that is scored, as the next run does."""
        records = self.place.records
        with records.locked(FILE):
            self.place.work().handovers.hand_over(records.demand(FILE))

    def read_beside(self) -> str:
        """What tells the rows of the sink that is down at times."""
        return self.read_database("beside/predictions.db")

    def read_database(self, name: str = "predictions.db") -> str:
        """What tells the rows of a database that count."""
        with closing(sqlite3.connect(self.home.path / name, timeout=60)) as connection:
            found = connection.execute("SELECT order_id, risk FROM predictions WHERE is_current")
            return told_of_rows(found.fetchall())

    def read(self, deliveries: Sequence[Delivery]) -> str:
        """Read in every way: what is none of some deliveries; an empty text where all is whole."""
        contents = {each.content for each in deliveries}
        rows = {told_of_rows(risks(each)) for each in deliveries}
        seen = {
            "file": (self.read_file(), contents),
            "tree": (self.read_tree(), contents),
            "database": (self.read_database(), rows),
        }
        return "; ".join(
            f"{way}: {found}" for way, (found, whole) in seen.items() if found not in whole
        )

    def drop(self, file: Path) -> None:
        """Put a file into the inbox, to which nobody is writing any more."""
        folder = self.home.inbox(self.place.declared.name)
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(file, (0, 0))
        shutil.move(file, folder / file.name)

    def look_into_inbox(self) -> None:
        """Look, and carry out what is asked for; files are worked on in as small units."""
        from benchmarks._daemon import take_in

        vars(inbox)["read_delivery"] = partial(read_delivery, rows=UNIT_ROWS)
        take_in(self.project, self.place.declared.name)

    def partition(self, file: Path) -> str | None:
        """The partition of a dropped file; None before it is scored."""
        names = self.place.records.attempted()
        return next((name for name in names if name.startswith(f"{file.stem}-")), None)

    def are_published(self, files: Sequence[Path]) -> bool:
        """Whether all of some dropped files are published, and nobody is at work on them."""
        names = [self.partition(file) for file in files]
        records = self.place.records
        done = set(records.partitions())
        return (
            all(
                name in done and records.export_path(name).exists() and records.holder(name) is None
                for name in names
                if name is not None
            )
            and None not in names
        )

    @contextmanager
    def daemon(self) -> Iterator[None]:
        """Dagster's daemon at work, killed at the end with all that it started."""
        from lockstep.dagster.workspace import workspace_file

        command = [sys.executable, "-c", _DAEMON, "run", "-w", str(workspace_file(self.project))]
        environment = {**os.environ, "DAGSTER_HOME": str(self.home.dagster)}
        with (self.home.path / "daemon.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=self.project.root,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield
        finally:
            _kill_with_all(process)

    def recorded(self, file: Path) -> Recorded:
        """What is recorded of a dropped file."""
        partition = self.partition(file)
        if partition is None:
            raise BenchmarkError(f"{file.name} was never scored.")
        return Recorded.of(self.place.records, partition)

    def read_dropped(self, file: Path, delivery: Delivery) -> str:
        """Read what is published of a dropped file; an empty text where that is all or nothing."""
        partition = self.partition(file)
        export = self.place.records.export_path(partition or "")
        if partition is None or not export.exists():
            return ""
        seen = content_of(export)
        return "" if seen == delivery.content else seen


def _kill_with_all(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all that it started, at once."""
    started = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    for child in started:
        with suppress(psutil.NoSuchProcess):
            child.kill()


def told_of_rows(rows: Sequence[tuple[str, float]]) -> str:
    """What tells rows of keys and risks, in any order."""
    return hashlib.sha256(repr(sorted(rows)).encode()).hexdigest()[:12]


def risks(delivery: Delivery) -> list[tuple[str, float]]:
    """Keys and risks of a delivery's published rows."""
    values = delivery.wanted.published
    keys = (key[1:-1] for key in values["order_id"])
    return list(zip(keys, map(float, values["risk"]), strict=True))


# --- kills ---


@dataclass(frozen=True)
class Course:
    """The course of work that nobody disturbs.

    Attributes:
        writes: What each of its writes is, in order.
        seconds: How long it takes.
    """

    writes: Sequence[str]
    seconds: float

    @classmethod
    def of(cls, work: Callable[[], object], folder: Path) -> Course:
        """Carry work out, and watch it."""
        begun = time.perf_counter()
        made = demanded(carried_out(work, folder)).made
        return cls(made, time.perf_counter() - begun)


@dataclass(frozen=True)
class Kills:
    """Kills at a site.

    Attributes:
        site: The site.
        deliveries: What is scored, by turns.
        courses: By kind, the course of what is killed.
        files: Files for the inbox, each once.
        table: A table that is delivered.
        chance: What is drawn from.
        scratch: A folder for marks.
    """

    site: Site
    deliveries: Sequence[Delivery]
    courses: Mapping[str, Course]
    files: Iterator[Path]
    table: DeliveredTable
    chance: random.Random
    scratch: Path

    def until_killed(self, kind: str, number: int, tally: Tally) -> None:
        """Kill once; what was over before it was killed is begun anew.

        Raises:
            BenchmarkError: It is always over before.
        """
        for _ in range(_TRIES):
            if self.carry_out(kind, number, tally):
                return
        raise BenchmarkError(f"{kind} {number} was over before it was killed, {_TRIES} times.")

    def carry_out(self, kind: str, number: int, tally: Tally) -> bool:
        """Kill once, look at what is left, and compare the rerun; whether anything was killed."""
        if kind == "look":
            return self._look(tally)
        if kind in ("delivery", "restore"):
            return self._table(kind, number, tally)
        place, delivery = self.site.place, self.deliveries[number % len(self.deliveries)]
        if kind == "sink":
            return self._sink(number, delivery, tally)
        if kind == "worker":
            kill = self._worker(delivery)
        else:
            work = place.score if kind == "run" else place.score_by_pool
            kill = self._killed(kind, partial(work, delivery.file))
        if kill is None:
            return False
        name = f"{kind} {number}, killed {kill}"
        tally.look(name, value_of(partial(self.site.read, self.deliveries)))
        if kind != "worker":  # whose run went on
            demanded(carried_out(partial(place.score, delivery.file)))
        tally.compare(name, value_of(place.recorded), delivery.wanted)
        tally.look(f"{name}, then rerun", value_of(partial(self.site.read, [delivery])))
        return True

    def _table(self, kind: str, number: int, tally: Tally) -> bool:
        """Kill a delivery of the table, or who finds an older copy of its ledger."""
        table = self.table
        found = table.kill_delivery() if kind == "delivery" else table.restore_older()
        if found is None:
            return False
        what, seen, held = found
        name = f"{kind} {number}, killed {what}"
        tally.look(name, seen)
        tally.count(name, is_identical=held == table.ever, lost=len(held ^ table.ever))
        return True

    def _sink(self, number: int, delivery: Delivery, tally: Tally) -> bool:
        """Kill a run while a sink is down, or who hands over to it once it is up."""
        site, work = self.site, partial(self.site.place.score, delivery.file)
        is_of_run = self.chance.random() < 0.5
        with site.without_sink():
            kill = self._killed("run", work) if is_of_run else None
            demanded(carried_out(work))
            is_open = value_of(lambda: bool(site.place.work().handovers.left(FILE)))
        if not is_of_run:
            last = self.chance.randint(1, _OF_HANDING_OVER)
            if carried_out(site.hand_over, site.home.path, last).was_killed:
                kill = f"at write {last} of handing over"
        demanded(carried_out(site.hand_over))
        name = f"sink {number}, killed {kill}"
        told_of = told_of_rows(risks(delivery))
        seen = value_of(site.read_beside)
        tally.look(name, "" if is_open else "it is not told that a sink lacks rows")
        tally.look(name, "" if seen == told_of else f"the sink that was down holds {seen}")
        tally.look(f"{name}, then rerun", value_of(partial(site.read, [delivery])))
        if kill is not None:
            tally.compare(name, value_of(site.place.recorded), delivery.wanted)
        return kill is not None

    def _worker(self, delivery: Delivery) -> str | None:
        last = self.chance.randint(1, _OF_WORKER)
        mark = Path(tempfile.mkdtemp(dir=self.scratch)) / "killed"
        place = self.site.place
        interrupting = partial(Interrupting, folder=place.store.root, last=last, mark=mark)
        demanded(carried_out(partial(place.score_by_pool, delivery.file, interrupting)))
        return f"at its write {last}" if mark.exists() else None

    def _look(self, tally: Tally) -> bool:
        file = next(self.files)
        delivery = self.site.place.undisturbed(file, Path(tempfile.mkdtemp(dir=self.scratch)))
        self.site.drop(file)
        kill = self._killed("look", self.site.look_into_inbox)
        name = f"look, {file.name}, killed {kill}"
        tally.look(name, value_of(partial(self.site.read_dropped, file, delivery)))
        for _ in range(_LOOKS):  # that the last of them changes nothing shows, too
            demanded(carried_out(self.site.look_into_inbox))
        if kill is not None:
            tally.compare(name, value_of(partial(self.site.recorded, file)), delivery.wanted)
        return kill is not None

    def daemons(self, kills: int, tally: Tally) -> None:
        """Kill daemons one after the other, each of which has one more file to take in."""
        files: dict[Path, Delivery] = {}
        for _ in range(kills):
            file = next(self.files)
            scratch = Path(tempfile.mkdtemp(dir=self.scratch))
            files[file] = self.site.place.undisturbed(file, scratch)
            self.site.drop(file)
            seconds = self.chance.uniform(*_DAEMON_LIVES)
            with self.site.daemon():
                time.sleep(seconds)
            for dropped, delivery in files.items():
                seen = value_of(partial(self.site.read_dropped, dropped, delivery))
                tally.look(f"daemon, {file.name}, killed after {seconds:.1f} s", seen)
        until = time.monotonic() + _DAEMON_SECONDS
        with self.site.daemon():
            while not value_of(partial(self.site.are_published, list(files))):
                if time.monotonic() > until:
                    raise BenchmarkError("The daemon has not taken in all files.")
                time.sleep(2.0)
        for file, delivery in files.items():
            found = value_of(partial(self.site.recorded, file))
            tally.compare(f"daemon, {file.name}", found, delivery.wanted)

    def _killed(self, kind: str, work: Callable[[], object]) -> str | None:
        """Kill work at a write or after a time; tells which, or None where it was over before."""
        course = self.courses[kind]
        if self.chance.random() < 0.5:
            last = self.chance.randint(1, len(course.writes))
            ended = carried_out(work, self.site.home.path, last)
            what = f"at write {last}: {course.writes[last - 1]}"
        else:
            seconds = self.chance.uniform(0, course.seconds)
            process = start(work)
            time.sleep(seconds)
            process.kill()
            ended, what = process.end(), f"after {seconds:.2f} s"
        if ended.was_killed:
            return what
        demanded(ended)
        return None


def value_of(work: Callable[[], Any]) -> Any:
    """What work returns that a forked process carries out: this one has to stay without threads."""
    return demanded(carried_out(work)).value


def order_of(kills: int) -> list[str]:
    """The kinds of so many kills, by turns as they are shared."""
    order: list[str] = []
    for number in range(1, kills + 1):
        part = number / sum(SHARES.values())
        late = {kind: share * part - order.count(kind) for kind, share in SHARES.items()}
        order.append(max(late, key=lambda kind: late[kind]))
    return order


@contextmanager
def reading(site: Site, deliveries: Sequence[Delivery], scratch: Path) -> Iterator[Counter[str]]:
    """Read in every way while something else goes on; what was seen, filled in at the end."""
    seen: Counter[str] = Counter()
    marks = Marks(scratch / "reading", scratch / "reading-again", ended=scratch / "read")
    look = partial(crowd, partial(site.read, deliveries), 1, marks, 0.1)
    process = start(look, seconds=_LONGEST)
    try:
        yield seen
    finally:
        marks.ended.touch()
        seen.update(demanded(process.end()).value)


def read_at_once(place: Place, deliveries: Sequence[Delivery], scratch: Path) -> Reads:
    """Have many read the published file while it is replaced."""

    def replace_it(number: int) -> None:
        delivery = deliveries[number % len(deliveries)]
        demanded(carried_out(partial(place.score, delivery.file)))

    return read_by_many(
        partial(content_of, place.export),
        {each.content for each in deliveries},
        replace_it,
        scratch=Path(tempfile.mkdtemp(dir=scratch)),
        readers=READERS,
        times=REPLACED,
    )


# --- the whole ---


@contextmanager
def prepared() -> Iterator[Site]:
    """A home of its own in which a version of a small pipeline is live."""
    with tempfile.TemporaryDirectory(prefix="lockstep-faults-") as folder:
        os.environ["LOCKSTEP_HOME"] = folder
        project = Project.find(PROJECT)
        project.activate()
        site = Site.of(project, pipelines(project).get("orders"))
        demanded(carried_out(partial(_make, site)))
        yield site


def _make(site: Site) -> None:
    from benchmarks.skew.platform import build

    build(site.home.path, site.place.declared, print)
    site.look_into_inbox()  # Dagster's instance is made


def files_of_days(declared: PipelineAssets, folder: Path) -> Iterator[Path]:
    """A file of each day of some months."""
    for number in range(3, 180):
        path = folder / f"day{number}.csv"
        orders(declared, number, 1).to_csv(path, index=False)
        yield path


def measure(site: Site, kills: int, seed: int, scratch: Path) -> dict[str, Any]:
    """Kill, and read while that goes on."""
    begun, place = time.perf_counter(), site.place
    deliveries = two_deliveries(place, scratch)
    files = files_of_days(place.declared, scratch)
    site.drop(next(files))
    file, root = deliveries[0].file, site.home.path
    courses = {
        "run": Course.of(partial(place.score, file), root),
        "pool": Course.of(partial(place.score_by_pool, file), root),
        "look": Course.of(site.look_into_inbox, root),
    }
    chance = random.Random(seed)
    table = DeliveredTable(place.declared, Store(root / "data" / "prices"), chance)
    done = Kills(site, deliveries, courses, files, table, chance, scratch)
    tallies = {kind: Tally() for kind in SHARES}
    with reading(site, deliveries, scratch) as reads:
        order = order_of(kills)
        for number, kind in enumerate(order):
            if kind != "daemon":
                done.until_killed(kind, number, tallies[kind])
            if time.perf_counter() - begun > _LONGEST:
                raise BenchmarkError(f"It took too long: {number} of {kills} were killed.")
        done.daemons(order.count("daemon"), tallies["daemon"])
    at_once = read_at_once(place, deliveries, scratch)
    total = sum(tallies.values(), Tally())
    total.partial_reads += sum(count for seen, count in reads.items() if seen) + at_once.partial
    total.problems += [f"meanwhile: {seen}" for seen in reads if seen]
    total.problems += [f"{READERS} at once: {seen}" for seen in at_once.examples]
    return {
        **asdict(total),
        "by_kind": {kind: asdict(tally) for kind, tally in tallies.items()},
        "reads_meanwhile": reads.total(),
        "at_once": {
            "readers": at_once.readers,
            "reads": at_once.reads,
            "replaced": REPLACED,
            "partial_reads": at_once.partial,
        },
        "writes": {kind: len(course.writes) for kind, course in courses.items()},
        "seed": seed,
        "seconds": round(time.perf_counter() - begun),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": this_machine(),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Kill, print what came of it, and write `benchmarks/results/faults.json`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--seed", type=int, default=SEED)
    asked = parser.parse_args(arguments)
    from benchmarks import _warm  # noqa: F401 - all that is forked finds the libraries loaded

    with prepared() as site, tempfile.TemporaryDirectory(prefix="lockstep-faults-") as scratch:
        found = measure(site, asked.kills, asked.seed, Path(scratch))
    print(json.dumps(found, indent=1))
    if asked.kills >= KILLS:
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")
        print(f"Written to {RESULTS}")
    if found["problems"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
