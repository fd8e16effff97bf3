"""A site: a platform of a fault's own, on which it is carried out and judged."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
from pyarrow import compute

from assets.flight_delay import ASSETS, history
from benchmarks._rounds import HERE, BenchmarkError
from benchmarks.skew.faults import Fault, Outcome
from benchmarks.skew.judged import Judged, compare, judged
from benchmarks.skew.platform import Platform, copy_database, copy_home
from benchmarks.skew.workers import carry_out
from lockstep import FunctionSource
from lockstep.artifacts.artifact import MANIFEST, sha256
from lockstep.artifacts.snapshot import Snapshot
from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.results import CheckResult
from lockstep.columns.decode import decode
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.parity.wire import wire_record
from lockstep.project.declaration import PipelineAssets
from lockstep.registry.evidence import read_evidence, write_evidence
from lockstep.registry.versions import MANIFEST_TAG, Version
from lockstep.scoring.requests import replay_segment
from lockstep.serving.asked import RequestIds
from lockstep.serving.proving import prove
from lockstep.serving.requestlog.log import Log
from lockstep.serving.requestlog.segments import segment_names, segment_path
from lockstep.serving.requestlog.settings import RequestLog
from lockstep.serving.scorer import Answer, Scorer

NAME = ASSETS.name
DAY = date(2013, 4, 3)
"""The day that is scored at a site, and whose records are sent to the server."""
LAST_MONTH = datetime(2013, 3, 1, tzinfo=UTC)
_RUN = "from lockstep.cli.main import run; run()"
_TOGETHER = 8
"""Records of a request."""


def last_month() -> pa.Table:
    """The history of March alone: faults of code are tried on it, since each takes a fit."""
    table = history()
    begin = pa.scalar(LAST_MONTH, pa.timestamp("us", tz="UTC"))
    return table.filter(compute.greater_equal(table.column("scheduled_at"), begin))


DECLARED = replace(ASSETS, history=FunctionSource(last_month))
"""The pipeline as it is trained at a site."""


@dataclass(frozen=True, eq=False)
class Site:
    """A home of its own: version 1 is live, version 2 is trained and may become the champion.

    Attributes:
        platform: The platform.
    """

    platform: Platform

    @classmethod
    def at(cls, folder: Path, declared: PipelineAssets = DECLARED) -> Site:
        """The site of a home."""
        return cls(Platform.at(folder, declared))

    @property
    def home(self) -> Path:
        """Its home."""
        return self.platform.home.path

    @property
    def pointer(self) -> Path:
        """The gate's file."""
        return self.platform.home.live(NAME)

    @property
    def database(self) -> Path:
        """The registry's database."""
        return self.platform.home.mlflow / "mlflow.db"

    def version(self, number: int) -> Version:
        """A version as the registry lists it."""
        found = {one.version: one for one in self.platform.registry.versions(NAME)}
        return found[number]

    def files(self, number: int) -> Path:
        """The files of a version."""
        return self.platform.registry.files(self.version(number))

    def load(self, number: int) -> LoadedVersion:
        """A version, opened from its files anew."""
        version = self.version(number)
        return LoadedVersion.open(
            self.files(number), version.digest, name=NAME, version=version.version
        )

    def declaring(self, pipeline: Pipeline) -> Site:
        """The same site, with the columns of another checkout."""
        return Site.at(self.home, replace(DECLARED, pipeline=pipeline))

    def go_live(self) -> tuple[dict[str, CheckResult], bool]:
        """Train and promote; what the checks found, and whether the version went live."""
        results, version = self.platform.train()
        if version is None:
            return results, False
        gate = self.platform.promote(version)
        return {**results, **gate.results}, gate.live == version

    def life(self) -> Judged:
        """Train, promote and score, as far as the checks let it.

        What gets out is a published day of the version that was trained.
        """
        results, is_live = self.go_live()
        if not is_live:
            return Judged(results)
        scored = self.score()
        return replace(scored, results={**results, **scored.results})

    def score(self) -> Judged:
        """Score the day."""
        return self.platform.judge(DAY, self.platform.rows(DAY))

    def gate(self, number: int = 2) -> Judged:
        """Put a version through the gate; what gets out is that it goes live."""
        gate = self.platform.promote(number)
        return Judged(gate.results, {"live": number} if gate.live == number else {})

    def answer(self, scorer: Scorer | None = None, rows: int = 240) -> Path:
        """Have records of the day answered and logged; the segment.

        Args:
            scorer: What answers; the version that is live if it is not given.
            rows: How many records.
        """
        loaded = self.load(1)
        scorer = scorer or prove(loaded)
        schema, ids = loaded.pipeline.record_schema, RequestIds()
        columns = self._decoded(loaded)
        places = np.linspace(0, len(columns[schema.names[0]]) - 1, rows).astype(int).tolist()
        records = [wire_record(columns, row, schema) for row in places]
        folder = self.platform.home.requests(NAME)
        with Log(folder, RequestLog()) as log:
            for start in range(0, rows, _TOGETHER):
                answer = scorer.answer([records[start : start + _TOGETHER]])[0]
                if not isinstance(answer, Answer):
                    raise BenchmarkError(f"A request was not answered: {answer}")
                log.record(scorer, [(ids.ask(), answer)])
        (name,) = segment_names(folder)
        return segment_path(folder, name)

    def replay(self, segment: Path) -> Judged:
        """Replay a segment; nothing gets out that was not answered before."""
        found = replay_segment(
            self.platform.declared, self.platform.store, segment, uuid4().hex, self.load
        )
        return Judged(found.results)

    def _decoded(self, loaded: LoadedVersion) -> Columns:
        return decode(self.platform.rows(DAY), loaded.pipeline.record_schema).columns

    def edited(self, *edits: tuple[str, str]) -> Pipeline:
        """The pipeline of a checkout in which its module is edited.

        Raises:
            BenchmarkError: The module does not hold what is to be edited.
        """
        here = Snapshot.of(ASSETS.pipeline)
        source = here.modules[here.module]
        for old, new in edits:
            if source.count(old) != 1:
                raise BenchmarkError(f"The source holds {old!r} {source.count(old)} times.")
            source = source.replace(old, new)
        return replace(here, modules={**here.modules, here.module: source}).load()

    def rebind(self, number: int) -> None:
        """Make a version's manifest and tags agree with its files as they are now."""
        folder, before = self.files(number), self.version(number)
        manifest = json.loads((folder / MANIFEST).read_bytes())
        manifest["files"] = {
            name: sha256((folder / name).read_bytes())
            for name in manifest["files"]
            if (folder / name).exists()
        }
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1))
        evidence = read_evidence(before)
        registry = self.platform.registry
        registry.tag(before, MANIFEST_TAG, sha256((folder / MANIFEST).read_bytes()))
        write_evidence(registry, self.version(number), evidence)

    def command(self, *arguments: str, **environment: str) -> Judged:
        """Run a command on the site in a process of its own; what gets out is a live version."""
        kept = {name: one for name, one in os.environ.items() if name != "OMP_NUM_THREADS"}
        paths = [environment.pop("PYTHONPATH", ""), str(HERE)]
        done = subprocess.run(
            [sys.executable, "-c", _RUN, *arguments, "--json"],
            cwd=HERE,
            env={
                **kept,
                "OMP_NUM_THREADS": "1",
                **environment,
                "LOCKSTEP_HOME": str(self.home),
                "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        return Judged(reported(done.stdout or done.stderr), self._out())

    def _out(self) -> dict[str, Any]:
        live = self.platform.live.state().version
        return {"live": live} if live != 1 else {}


def reported(text: str) -> dict[str, CheckResult]:
    """What the checks of the runs of a command found, from its JSON.

    Raises:
        BenchmarkError: It gave none.
    """
    try:
        runs = json.loads(text)["runs"]
    except (ValueError, KeyError) as error:
        raise BenchmarkError(f"The command gave no report: {text.strip()[-600:]}") from error
    return {
        one["check"]: CheckResult(
            passed=one["result"] == "passed",
            summary=one["summary"],
            severity="ERROR" if one["result"] == "failed" else "WARN",
            column=one["column"],
            judged=one["result"] != "not_judged",
            where=one["where"] or "",
        )
        for run in runs
        for one in run["checks"]
    }


Play = Callable[[Site], Judged]


@dataclass(frozen=True)
class Scene:
    """A fault, and how it is carried out.

    Attributes:
        fault: The fault.
        faulted: Carries it out.
        clean: Does the same without it.
    """

    fault: Fault
    faulted: Play
    clean: Play


@dataclass(frozen=True)
class _Task:
    template: Path
    folder: Path
    name: str
    is_clean: bool


def prepare(platform: Platform, folder: Path) -> Path:
    """Make the home that sites are copied from; one that is there already is used as it is.

    Args:
        platform: A platform whose first version is live.
        folder: Where to make it.

    Raises:
        BenchmarkError: No second version can be trained.
    """
    if folder.exists():
        return folder
    unfinished = folder.with_name(f"{folder.name}-unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    platform.before(DAY, unfinished / "data")
    shutil.copytree(platform.home.path / "live", unfinished / "live")
    copy_registry(platform.home.path, unfinished)
    site = Site.at(unfinished)
    results, version = site.platform.train()
    if version != 2:
        errors = [f"{name}: {one.summary}" for name, one in results.items() if one.is_error]
        raise BenchmarkError(f"No second version was trained: {'; '.join(errors)}")
    unfinished.rename(folder)
    return folder


def copy_registry(source: Path, target: Path) -> None:
    """Copy the registry of a home."""
    shutil.copytree(
        source / "mlflow", target / "mlflow", ignore=shutil.ignore_patterns("mlflow.db")
    )
    copy_database(source / "mlflow" / "mlflow.db", target / "mlflow" / "mlflow.db")


def try_scenes(template: Path, work: Path, scenes: Sequence[Scene]) -> list[Outcome]:
    """Try faults, each at a site of its own, beside the same without it.

    Args:
        template: The home that sites are copied from.
        work: Where to work.
        scenes: The faults.
    """
    SCENES.update({one.fault.name: one for one in scenes})
    firsts = {one.clean: one.fault.name for one in reversed(scenes)}
    tasks = [_Task(template, work / f"clean-{name}", name, True) for name in firsts.values()]
    tasks += [_Task(template, work / one.fault.name, one.fault.name, False) for one in scenes]
    found = carry_out(_play, tasks, "faults at sites of their own")
    clean = dict(zip(firsts, found[: len(firsts)], strict=True))
    return [
        Outcome(one.fault, {"once": compare(one.fault, clean[one.clean], faulted)})
        for one, faulted in zip(scenes, found[len(firsts) :], strict=True)
    ]


SCENES: dict[str, Scene] = {}
"""The faults by name, for the processes that carry them out."""


def _play(task: _Task) -> Judged:
    copy_home(task.template, task.folder)
    site, scene = Site.at(task.folder), SCENES[task.name]
    found = scene.clean(site) if task.is_clean else judged(partial(scene.faulted, site))
    shutil.rmtree(task.folder)
    return found
