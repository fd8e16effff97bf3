"""Commands about versions: train one, promote it, roll back, and show which there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from lockstep.cli import context
from lockstep.cli.arguments import FAILED, AsJson, PipelineName
from lockstep.cli.ending import finish, interruption_told

if TYPE_CHECKING:
    from datetime import datetime

    from lockstep.dagster.runs import RunReport
    from lockstep.project.declaration import PipelineAssets
    from lockstep.registry.facts import VersionFacts
    from lockstep.registry.registry import Registry
    from lockstep.registry.versions import Version
    from lockstep.store.live_version import LiveState


NewestVersion = Annotated[int | None, typer.Argument(help="Which version; the newest by default.")]


def train(pipeline: PipelineName, as_json: AsJson = False) -> None:
    """Fit a candidate on the pipeline's history and register it in MLflow."""
    from lockstep.cli.console import say, show_checks
    from lockstep.cli.progress import Bar

    left = f"a version is registered whole or not at all. Begin anew: lockstep train {pipeline}"
    with interruption_told(lambda: left), Bar(runs=1, steps=3, shown=not as_json) as bar:
        declared = context.pipeline(pipeline)
        from lockstep.dagster.jobs import train_job_name

        bar.begin(f"training {declared.name}")
        report = context.run(train_job_name(declared.name), on_step=bar.step)
    version = report.figure("/candidate", "version")
    if not as_json:
        if version is not None:
            say(f"Registered {declared.name} version {version}{_measured(declared, report)}.")
            for line in _left_out(declared, report):
                say(line)
        show_checks(report.checks, dagster=context.dagster())
        if report.ok:
            say(f"Promote it: lockstep promote {declared.name} {version}")
    finish([report], {"version": version}, as_json)


def promote(
    pipeline: PipelineName,
    version: NewestVersion = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Also one that failed a check when it was trained.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Point @champion to a version and, if it passes the gate, @live too."""
    declared = context.pipeline(pipeline)
    registry = context.registry()
    registered = {stored.version: stored for stored in registry.versions(declared.name)}
    number = version if version is not None else _newest(declared, registry)
    if number in registered and not anyway:
        _demand_sound(registered[number], registry)
    _point_champion(declared, registry, number, as_json)


def challenge(
    pipeline: PipelineName,
    version: NewestVersion = None,
    as_json: AsJson = False,
) -> None:
    """Point @challenger to a version; once it passes the gate, it may answer who asks for it.

    Servers have it score, in the shadow, the requests to the live version. Once it passes the gate,
    it may also answer as a canary, or requests that ask for it by number.
    """
    from lockstep.cli.console import say, show_checks, show_json
    from lockstep.dagster.runs import CheckReport
    from lockstep.store.parquet import Store
    from lockstep.training.gate import pass_challenger

    declared, registry, home = context.pipeline(pipeline), context.registry(), context.home()
    number = version if version is not None else _newest(declared, registry)
    registry.set_alias(declared.name, "challenger", number)
    store, pointer = Store(home.data / declared.name), home.live(declared.name)
    left = (
        f"@challenger points to version {number}, which answers nobody before it has passed the "
        f"gate. Go on: lockstep challenge {declared.name} {number}"
    )
    with interruption_told(lambda: left):
        gate = pass_challenger(declared, registry, store, pointer)
    asset = f"{declared.name}/champion"  # whose checks they are
    checks = [CheckReport.found(asset, name, None, result) for name, result in gate.results.items()]
    if as_json:
        shown = [check.to_json() for check in checks]
        show_json({"challenger": number, "proven": gate.is_open, "checks": shown})
    else:
        may = "It may answer" if gate.is_open else "It scores in the shadow, and answers nobody"
        say(f"@challenger: version {number}. {may}.")
        show_checks(checks)
    if not gate.is_open:
        raise typer.Exit(FAILED)


def rollback(
    pipeline: PipelineName,
    to: Annotated[
        int | None, typer.Option(help="Which version; the one live before by default.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Point @champion back to the version that was live before, and @live with it.

    Where @champion did not get through the gate, it goes back to the version that is live.
    """
    from lockstep.errors import LockstepError
    from lockstep.registry.version_tags import proven_at, was_live

    declared = context.pipeline(pipeline)
    registry = context.registry()
    passed_at = {
        version.version: proven_at(version)
        for version in registry.versions(declared.name)
        if was_live(version)
    }
    if to is None:
        to = _before(declared, registry, passed_at)
    elif to not in passed_at:
        raise LockstepError(
            f"Version {to} of {declared.name} was never live; those that were: "
            f"{', '.join(map(str, passed_at)) or 'none'}."
        )
    _point_champion(declared, registry, to, as_json)


def versions(pipeline: PipelineName, as_json: AsJson = False) -> None:
    """Show which version of a pipeline is live since when, and which others there are."""
    from lockstep.cli.console import say, show_json, show_table
    from lockstep.columns.plain import iso
    from lockstep.registry.facts import VersionFacts

    declared, registry = context.pipeline(pipeline), context.registry()
    facts = [VersionFacts.of(registry, version) for version in registry.versions(declared.name)]
    state = context.live(declared.name).state()
    if as_json:
        since = state.allowed.since if state.allowed is not None else None
        live = {"version": state.version, "since": None if since is None else iso(since)}
        show_json({"live": live, "versions": [version.to_json() for version in facts]})
        return
    say(_live(declared.name, state, facts))
    if facts:
        show_table([_row(version) for version in reversed(facts)])
    for version in facts:
        if version.damage is not None:
            say(f"Version {version.version} cannot be used: {version.damage}")


def _newest(declared: PipelineAssets, registry: Registry) -> int:
    """The version that was registered last."""
    from lockstep.errors import LockstepError

    numbers = [version.version for version in registry.versions(declared.name)]
    if not numbers:
        raise LockstepError(
            f"{declared.name} has no version yet; train one: lockstep train {declared.name}"
        )
    return max(numbers)


def _before(declared: PipelineAssets, registry: Registry, passed_at: Mapping[int, datetime]) -> int:
    """The version to go back to."""
    from lockstep.errors import LockstepError

    live = context.live(declared.name).state().version
    champion = registry.alias(declared.name, "champion")
    if live is not None and champion is not None and champion.version != live:
        return live  # the champion did not pass the gate
    earlier = [number for number in passed_at if number != live]
    if not earlier:
        raise LockstepError(f"{declared.name} has no earlier version that was live.")
    return max(earlier, key=lambda number: passed_at[number])


def _demand_sound(version: Version, registry: Registry) -> None:
    """Refuse a version that failed a check when it was trained."""
    from lockstep.errors import EvidenceError, LockstepError
    from lockstep.registry.version_tags import read_evidence

    try:
        failed = ", ".join(read_evidence(version).failed)
    except EvidenceError:
        return  # the gate reports it
    if not failed:
        return
    metrics = registry.load(version.name, version.version).metrics
    figures = ", ".join(f"{title} {value:.4g}" for title, value in metrics.items())
    raise LockstepError(
        f"Version {version.version} of {version.name} failed {failed} when it "
        f"was trained ({figures}). To promote it all the same: lockstep promote {version.name} "
        f"{version.version} --anyway"
    )


def _point_champion(
    declared: PipelineAssets, registry: Registry, version: int, as_json: bool
) -> None:
    from lockstep.cli.console import say, show_checks
    from lockstep.cli.progress import Bar
    from lockstep.dagster.jobs import promote_job_name

    registry.set_alias(declared.name, "champion", version)
    left = (
        f"@champion points to version {version}, and @live moves to it once it has passed the "
        f"gate, not before. Go on: lockstep promote {declared.name} {version}"
    )
    with interruption_told(lambda: left), Bar(runs=1, steps=1, shown=not as_json) as bar:
        bar.begin(f"proving {declared.name} version {version}")
        report = context.run(promote_job_name(declared.name), on_step=bar.step)
    live = context.live(declared.name).state().version
    if not as_json:
        serves = f"version {live}" if live is not None else "no version yet"
        say(f"@champion: version {version}. @live: {serves}.")
        show_checks(report.checks, dagster=context.dagster())
    numbers = {"champion": version, "live": live}
    finish([report], numbers, as_json)


def _measured(declared: PipelineAssets, report: RunReport) -> str:
    """The metrics of a candidate, in brackets."""
    measured = [
        (metric.title, report.figure("/candidate", metric.title)) for metric in declared.quality
    ]
    shown = ", ".join(f"{title} {value:.4g}" for title, value in measured if value is not None)
    return f" ({shown})" if shown else ""


def _left_out(declared: PipelineAssets, report: RunReport) -> Iterator[str]:
    """By model whose fit left rows out, a sentence."""
    from lockstep.columns.plain import counted
    from lockstep.training.checks import unlabelled_in

    for name in declared.pipeline.graph.models:
        rows = int(report.figure("/candidate", unlabelled_in(name)) or 0)
        if rows:
            yield f"Left out of the fit of {name}, without a label: {counted(rows, 'row')}."


def _live(name: str, state: LiveState, facts: list[VersionFacts]) -> str:
    """Which version is live, since when, and which was before, in a sentence or two."""
    if not facts:
        lost = (
            f" The gate let version {state.allowed.version} serve, which the registry has no more: "
            "restore the registry from a copy, or train anew."
            if state.allowed is not None
            else ""
        )
        return f"{name} has no version{' yet' * (not lost)}.{lost} Train one: lockstep train {name}"
    champion = next((version.version for version in facts if "champion" in version.aliases), None)
    if state.allowed is None:
        promote = f"Promote one: lockstep promote {name} VERSION"
        damage = f" {state.damage}" if state.damage is not None else ""
        return f"No version of {name} is live.{damage} {promote}"
    before = state.allowed.before
    sentence = (
        f"Version {state.allowed.version} of {name} is live since {_when(state.allowed.since)}"
    )
    sentence += f"; before it, version {before} was." if before is not None else "."
    waiting = waiting_champion(name, champion, state)
    return f"{sentence} {waiting}" if waiting else sentence


def waiting_champion(name: str, champion: int | None, state: LiveState) -> str:
    """A sentence if `@champion` is another version than the live one; otherwise empty."""
    if champion is None or state.allowed is None or champion == state.allowed.version:
        return ""
    return (
        f"@champion is version {champion}, which is not live; what the gate says of it: "
        f"lockstep promote {name} {champion}"
    )


def _row(facts: VersionFacts) -> dict[str, str]:
    figures = ", ".join(
        f"{title} {value:.4g}"
        for title, value in facts.metrics.items()
        if not title.endswith("of a simple baseline")
    )
    failed = "unknown" if facts.failed is None else ", ".join(facts.failed) or "none"
    gate = "" if facts.passed is None else _when(facts.passed)
    return {
        "version": str(facts.version),
        "aliases": " ".join(f"@{alias}" for alias in facts.aliases),
        "trained": _when(facts.trained),
        "rows": "" if facts.rows is None else f"{facts.rows:,}",
        "held out": figures,
        "failed in training": failed,
        "passed the gate": gate if facts.was_live or not gate else f"{gate}, never live",
    }


def _when(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"
