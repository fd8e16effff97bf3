"""The demonstration: the main job on real flights, a server, and four kinds of skew caught."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any, TypeVar

from rich.padding import Padding
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from lockstep.checks.messages import Place
from lockstep.checks.reports import CheckReport
from lockstep.cli.console import ERR, OUT, show_error, times
from lockstep.cli.process import prepare_process
from lockstep.columns.plain import cut
from lockstep.dagster.backfill import PartitionWatch
from lockstep.dagster.instance import open_instance
from lockstep.dagster.jobs import (
    backfill_op,
    job_name,
)
from lockstep.dagster.partitions import request_partitions
from lockstep.dagster.run_reports import RunReport
from lockstep.dagster.runs import run_job
from lockstep.errors import LockstepError
from lockstep.project.pipelines import pipelines
from lockstep.store.disks import replace_text
from lockstep.store.parquet import Store
from orchestration.answers import Answers, ask_server
from orchestration.skews import PIPELINE, PROJECT, SKEWS, Catch, SkewedCopy

DAYS = [(date(2013, 4, 1) + timedelta(number)).isoformat() for number in range(30)]
LAST_WEEK = DAYS[-7:]
Item = TypeVar("Item")


@dataclass(frozen=True)
class Story:
    """What happened: the runs by their job, and what came of the skews."""

    trained: RunReport
    promoted: RunReport
    scored: list[RunReport]
    compared: list[RunReport]
    answers: Answers
    replayed: list[RunReport]
    catches: list[Catch]

    @property
    def checks(self) -> list[CheckReport]:
        """All checks of all runs."""
        runs = [self.trained, self.promoted, *self.scored, *self.compared, *self.replayed]
        return [check for run in runs for check in run.checks]


def main() -> int:
    """Run the demonstration; 0 if all agrees, every check passed and every skew was caught."""
    prepare_process()
    started = time.monotonic()
    try:
        with _progress() as progress:
            story = carry_out(progress)
    except LockstepError as error:
        show_error(str(error))
        return 2
    summary = summarise(story, time.monotonic() - started)
    replace_text(PROJECT.home.path / "demo.json", json.dumps(summary, indent=1) + "\n")
    tell(story, summary)
    caught = all(catch.check is not None for catch in story.catches)
    served = summary["served"]
    agrees = served["agrees"] and served["replayed"] == served["requests"]
    return 0 if agrees and caught and summary["checks"]["failed"] == 0 else 1


def carry_out(progress: Progress) -> Story:
    """Train, promote, score a month, compare a week with what came, serve, and try four skews.

    Raises:
        LockstepError: A run broke off, or no version went live.
    """
    home = PROJECT.home
    with _step(progress, "Train on January to March and register in MLflow"):
        training = _demand_success(_run(job_name(PIPELINE, "train")))
    registry = home.mlflow / "mlflow.db"
    before_promotion = home.path / "demo" / "registry-before-promotion.db"
    before_promotion.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(registry, before_promotion)
    with _step(progress, "Promote: replay the golden records, then go live"):
        home.registry().set_alias(PIPELINE, "champion", training.figure("/candidate", "version"))
        promotion = _demand_success(_run(job_name(PIPELINE, "promote")))
    scored = _score_days(progress)
    compare = job_name(PIPELINE, "monitor")
    days = _each(progress, LAST_WEEK, "Compare the last week with what came of it")
    compared = [_run(compare, day) for day in days]
    with _step(progress, "Ask a server about the last day, a flight a request"):
        answers = ask_server(home, DAYS[-1])
    segments = _each(progress, answers.segments, "Replay what it logged")
    replayed = [_replay(segment) for segment in segments]
    copies = [
        SkewedCopy(skew, home, registry if skew.needs_history else before_promotion)
        for skew in SKEWS
    ]
    tried = _each(progress, copies, "Try four kinds of skew, on copies")
    catches = [copy.catch() for copy in tried]
    return Story(training, promotion, scored, compared, answers, replayed, catches)


def _begin(progress: Progress, title: str, total: int) -> TaskID:
    """Begin a step; where no bar is shown, as in a file, a line says so."""
    if not progress.console.is_terminal:
        progress.console.print(f"{title} ...")
    return progress.add_task(title, total=total)


def _each(progress: Progress, items: Sequence[Item], title: str) -> Iterator[Item]:
    yield from progress.track(items, task_id=_begin(progress, title, len(items)))


@contextmanager
def _step(progress: Progress, title: str) -> Iterator[None]:
    task = _begin(progress, title, 1)
    yield
    progress.update(task, completed=1)


def _run(job: str, partition: str | None = None) -> RunReport:
    report = run_job(PROJECT, job, open_instance(PROJECT.home), partition=partition)
    if report.error is not None:
        raise LockstepError(f"{job}: {report.error}")
    return report


def _score_days(progress: Progress) -> list[RunReport]:
    """Score all days in one run."""
    task = _begin(progress, "Score the days of April", len(DAYS))
    reports: list[RunReport] = []

    def tell(report: RunReport) -> None:
        reports.append(report)
        progress.advance(task)

    whole = run_job(
        PROJECT,
        job_name(PIPELINE, "backfill"),
        open_instance(PROJECT.home),
        ops={backfill_op(PIPELINE): {"config": {"first": DAYS[0], "last": DAYS[-1]}}},
        resources={"watch": PartitionWatch(on_report=tell)},
    )
    for report in (whole, *reports):
        if report.error is not None:
            raise LockstepError(f"{report.job}: {report.error}")
    return reports


def _replay(segment: str) -> RunReport:
    """Send logged requests through the batch path."""
    partitions = request_partitions(PIPELINE).name or ""
    open_instance(PROJECT.home).add_dynamic_partitions(partitions, [segment])
    return _run(job_name(PIPELINE, "replay"), segment)


def _demand_success(report: RunReport) -> RunReport:
    """Without a version that is live there is nothing to go on with."""
    if report.failed:
        found = "; ".join(f"{check.check}: {check.summary}" for check in report.failed)
        raise LockstepError(f"{report.job}: {found}")
    return report


def _progress() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=ERR,
    )


def summarise(story: Story, seconds: float) -> dict[str, Any]:
    """What happened, as `demo.json` records it."""
    of_candidate = partial(story.trained.figure, "/candidate")
    results = Counter(check.result for check in story.checks)
    return {
        "trained": {
            "version": of_candidate("version"),
            "auc": of_candidate("late_probability auc"),
            "rows": of_candidate("dagster/row_count"),
        },
        "tables": {
            table.name: story.trained.figure(f"/tables/{table.name}", "dagster/row_count")
            for table in pipelines(PROJECT).get(PIPELINE).tables
        },
        "scored": {
            "partitions": sum(run.wrote("/published") for run in story.scored),
            "rows": sum(run.figure("/scored", "dagster/row_count") for run in story.scored),
            "quarantined": sum(run.quarantined for run in story.scored),
        },
        "served": {
            "day": story.answers.day,
            "requests": story.answers.flights,
            "p50_ms": round(story.answers.milliseconds, 2),
            "agrees": story.answers.comparison.ok,
            "replayed": sum(run.figure("/requests", "requests") or 0 for run in story.replayed),
        },
        "checks": {name: results[name] for name in ("passed", "not_judged", "warned", "failed")},
        "caught": [catch.to_json() for catch in story.catches],
        "seconds": round(seconds, 1),
    }


def tell(story: Story, summary: dict[str, Any]) -> None:
    """Print what happened, and what to do next."""
    trained, scored, results = summary["trained"], summary["scored"], summary["checks"]
    served, comparison = summary["served"], story.answers.comparison
    tables = summary["tables"].items()
    lines = {
        "Tables": ", ".join(f"{rows:,} rows of {name}" for name, rows in tables),
        "Trained": f"version {trained['version']} on {trained['rows']:,} flights; AUC "
        f"{trained['auc']:.3f} on the newest fifth, held out",
        "Scored": f"{scored['rows']:,} flights of {scored['partitions']} days, published; "
        f"{scored['quarantined']} rows quarantined",
        "Served": f"{served['requests']:,} flights of {served['day']} by HTTP, one a request, "
        f"{served['p50_ms']:.1f} ms each (p50)",
        "": f"as published of that day: {comparison.summary}",
        "Replayed": f"{served['replayed']:,} requests of its log: "
        f"{_found_of_replay(story.replayed)}",
        "Checks": f"{results['passed']} passed, {results['not_judged']} not judged, "
        f"{results['warned']} warned, {results['failed']} in error",
    }
    OUT.print()
    for title, line in lines.items():
        OUT.print(f"[bold]{title:10}[/]{line}")
    for line in _warnings(story.checks):
        OUT.print(f"{'':10}{line}")
    OUT.print("\n[bold]Skew, tried on copies and caught by name:[/]")
    for catch in story.catches:
        _tell_catch(catch)
    OUT.print(f"\n[bold]Done in {summary['seconds']:.0f} seconds. What next?[/]")
    for title, command in _next_steps():
        OUT.print(f"  {title + ':':16}{command}", soft_wrap=True)


def _found_of_replay(runs: Sequence[RunReport]) -> str:
    """What the replay of requests found, in a line."""
    found = [check for run in runs for check in run.checks if check.check == "request_replay"]
    return "; ".join(check.summary for check in found) or "nothing was judged"


def _warnings(checks: Iterable[CheckReport]) -> list[str]:
    """The warnings by check, with the columns that they name most."""
    columns: dict[str, Counter[str]] = {}
    for check in checks:
        if check.result == "warned":
            columns.setdefault(check.check, Counter())[_column(check)] += 1
    return [
        f"{name} warned {times(counts.total())} ("
        + ", ".join(f"{column} {count}" for column, count in counts.most_common(4))
        + ")"
        for name, counts in columns.items()
    ]


def _column(check: CheckReport) -> str:
    """The column that a finding names, of a table with the table; the asset where it names none."""
    if check.column is None:
        return check.asset
    if Place(check.asset).is_table:
        return f"{check.asset.rpartition('/')[2]}.{check.column}"
    return check.column


def _tell_catch(catch: Catch) -> None:
    mark = "[green]✓[/]" if catch.check is not None and not catch.published else "[red]✗[/]"
    outcome = "published all the same" if catch.published else "nothing published"
    OUT.print(f"{mark} {catch.skew.story}", soft_wrap=True)
    OUT.print(f"  [bold]{catch.check}[/] on {catch.asset}: {outcome}", soft_wrap=True)
    OUT.print(Padding.indent(Text(cut(catch.summary, 240), style="dim"), 2))


def _next_steps() -> Sequence[tuple[str, str]]:
    day = DAYS[0]
    published = Store(PROJECT.home.data / PIPELINE).read("daily/published", day)
    key = published.column(0)[0].as_py()
    return (
        ("Every finding", f".venv/bin/lockstep checks {PIPELINE} --all"),
        ("One flight", f".venv/bin/lockstep trace {PIPELINE} --day {day} --key '{key}'"),
        ("Your own table", "README.md, “A pipeline of your own”"),
        ("Kept in", str(PROJECT.home.path)),
        ("Look around", f"make up, then {PROJECT.home.addresses.overview}"),
    )


if __name__ == "__main__":
    sys.exit(main())
