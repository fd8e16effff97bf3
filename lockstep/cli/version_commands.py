"""Commands about versions: train one, promote it, roll back, and show which there are."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from lockstep.cli import context
from lockstep.cli.arguments import FAILED, AsJson, Because, PipelineName, demand_reason
from lockstep.cli.ending import finish, interruption_told
from lockstep.errors import EvidenceError, LockstepError

if TYPE_CHECKING:
    from datetime import datetime

    from lockstep.dagster.run_reports import RunReport
    from lockstep.project.declaration import PipelineAssets
    from lockstep.registry.facts import VersionFacts
    from lockstep.registry.live import LiveState
    from lockstep.registry.registry import Registry
    from lockstep.registry.versions import Version


NewestVersion = Annotated[int | None, typer.Argument(help="Which version; the newest by default.")]


def train(pipeline: PipelineName, as_json: AsJson = False) -> None:
    """Fit a candidate on the pipeline's history and register it in MLflow."""
    from lockstep.cli.console import say, show_checks
    from lockstep.cli.progress import Bar

    left = f"a version is registered whole or not at all. Begin anew: lockstep train {pipeline}"
    with interruption_told(lambda: left), Bar(runs=1, steps=3, shown=not as_json) as bar:
        declared = context.pipeline(pipeline)
        from lockstep.dagster.jobs import job_name

        bar.begin(f"training {declared.name}")
        report = context.run(job_name(declared.name, "train"), on_step=bar.step)
    version = report.figure("/candidate", "version")
    if not as_json:
        if version is not None:
            say(f"Registered {declared.name} version {version}{_measured(declared, report)}.")
            for line in _left_out(declared, report):
                say(line)
        elif report.error is not None:
            say(_reached(declared, report))
        show_checks(report.checks, dagster=context.dagster())
        if report.ok:
            say(f"Promote it: lockstep promote {declared.name} {version}")
    finish([report], {"version": version}, as_json)


def _reached(declared: PipelineAssets, report: RunReport) -> str:
    """How far a training came that broke off."""
    from lockstep.columns.plain import listed

    assets = [key.rpartition("/")[2] for key in report.materialized]
    after = f"after {listed(assets)}" if assets else "before anything was written"
    return f"Training of {declared.name} broke off {after}; no version was registered."


def promote(
    pipeline: PipelineName,
    version: NewestVersion = None,
    anyway: Annotated[
        str,
        typer.Option(
            metavar="REASON",
            help="Why one is to serve whose quality failed a check when it was trained.",
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Put a version through the gate; if it passes, @champion and @live move to it."""
    declared = context.pipeline(pipeline)
    registry, seen = context.registry(), context.live(declared.name).last()
    number = version if version is not None else _newest(declared, registry)
    wanted = registry.find(declared.name, number)
    _demand_sound(wanted, registry, anyway)
    _point_champion(declared, number, seen, as_json, anyway=anyway)


def challenge(
    pipeline: PipelineName,
    version: NewestVersion = None,
    as_json: AsJson = False,
) -> None:
    """Point @challenger to a version; once it passes the gate, it may answer who asks for it.

    Servers have it score, in the shadow, the requests to the live version. Once it passes the gate,
    it may also answer as a canary, or requests that ask for it by number.
    """
    from lockstep.checks.reports import CheckReport
    from lockstep.cli.console import say, show_checks, show_json
    from lockstep.training.gate import pass_challenger

    declared, registry, home = context.pipeline(pipeline), context.registry(), context.home()
    number = version if version is not None else _newest(declared, registry)
    registry.set_alias(declared.name, "challenger", number)
    store, pointer = context.store(declared.name), home.live(declared.name)
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
        int | None,
        typer.Option(help="Which version; by default the one live before, that was not left."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Point @champion back to the version that was live before, and @live with it.

    It never goes forward: a version that somebody went back from, or past, is passed over until it
    is promoted anew.

    Where @champion did not get through the gate, it goes back to the version that is live.
    """
    declared = context.pipeline(pipeline)
    state = context.live(declared.name).state()
    known = {version.version for version in context.registry().versions(declared.name)}
    were = state.decisions.versions & known
    if to is None:
        to = _before(declared, state, were)
    elif to not in were:
        raise LockstepError(
            f"Version {to} of {declared.name} was never live; those that were: "
            f"{', '.join(map(str, sorted(were))) or 'none'}."
        )
    _point_champion(declared, to, state.key, as_json, back=True)


def versions(
    pipeline: PipelineName,
    diff: Annotated[
        tuple[int, int] | None,
        typer.Option("--diff", metavar="A B", help="What differs between two versions."),
    ] = None,
    accepted: Annotated[
        int | None,
        typer.Option(
            "--accept",
            metavar="NUMBER",
            help="Have a number mean the files that the registry has under it now.",
        ),
    ] = None,
    because: Because = "",
    as_json: AsJson = False,
) -> None:
    """Show which version of a pipeline is live since when, and which others there are."""
    from lockstep.cli.console import say, show_json, show_table
    from lockstep.columns.plain import iso
    from lockstep.registry.facts import VersionFacts

    if diff is not None:
        _show_differences(pipeline, *diff, as_json)
        return
    declared = context.pipeline(pipeline)
    if accepted is not None:
        _accept(declared.name, accepted, demand_reason(because, "--accept"), as_json)
        return
    serving = context.live(declared.name)
    registry, state = serving.registry, serving.state()
    facts = [
        VersionFacts.of(registry, version, state.decisions)
        for version in registry.versions(declared.name)
    ]
    if as_json:
        decided, since = state.decided, state.decisions.since
        live = {
            "version": state.version if decided is None else decided.version,
            "since": None if since is None else iso(since),
            "before": state.decisions.before,
            "decided": None if decided is None else asdict(decided.site),
            "here": None if state.taken is None else state.taken.version,
        }
        show_json({"live": live, "versions": [version.to_json() for version in facts]})
        return
    say(_live(declared.name, state, facts))
    if facts:
        show_table([_row(version) for version in reversed(facts)])
    for version in facts:
        if version.damage is not None:
            say(f"Version {version.version} cannot be used: {version.damage}")
        for model, how in version.differing.items():
            say(
                f"Version {version.version} serves {model} by the estimator itself, as its "
                f"compiled form differs: {how}"
            )
    for sentence in registry.mended():
        say(sentence)


def _accept(name: str, number: int, reason: str, as_json: bool) -> None:
    """Have a number mean the files that the registry has under it."""
    from lockstep.cli.console import say, show_json
    from lockstep.columns.plain import iso
    from lockstep.registry.known_versions import KnownVersions
    from lockstep.registry.sites import Site

    home = context.home()
    known = KnownVersions(home.known / f"{name}.json")
    accepted = known.accept(number, Site.here(home.path), reason)
    if as_json:
        show_json({**asdict(accepted), "at": iso(accepted.at)})
        return
    say(
        f"Version {number} of {name} is {accepted.manifest[:12]}… in this home from now on; until "
        f"now it was {accepted.before[:12]}…. What was published by that version names the same "
        f"number. That it was accepted is noted in {known.path}"
    )


def _show_differences(pipeline: str, before: int, after: int, as_json: bool) -> None:
    """Show what differs between two versions."""
    from lockstep.checks.version_differences import VersionDifferences
    from lockstep.cli.console import say, show_json, show_table

    name, registry = context.pipeline(pipeline).name, context.registry()
    digests = [_training_set(registry.find(name, number)) for number in (before, after)]
    differences = VersionDifferences.of(
        registry.load(name, before), registry.load(name, after), (digests[0], digests[1])
    )
    if as_json:
        show_json({"before": before, "after": after, **asdict(differences)})
        return
    if not differences.any:
        say(f"Versions {before} and {after} of {name} are the same in code, rows and environment.")
    changes = {"column": differences.columns, "file": differences.files}
    for title, changed in {**changes, "expectation": differences.suites}.items():
        if changed:
            show_table([{title: what, "change": change} for what, change in changed.items()])
    for diff in differences.code.values():
        say(diff)
    sides = (f"version {before}", f"version {after}")
    values = {"trained on": differences.rows, "held out": differences.metrics}
    for title, pairs in {**values, "environment of the fit": differences.environment}.items():
        if pairs:
            rows = [(what, *map(_value, pair)) for what, pair in pairs.items()]
            show_table([dict(zip((title, *sides), row, strict=True)) for row in rows])


def _training_set(version: Version) -> str | None:
    """SHA-256 of the training set of a version; None where it is not known."""
    from lockstep.registry.version_tags import read_evidence

    try:
        return read_evidence(version).training_set
    except EvidenceError:
        return None


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return "none" if value is None else str(value)


def _newest(declared: PipelineAssets, registry: Registry) -> int:
    """The version that was registered last."""
    numbers = [version.version for version in registry.versions(declared.name)]
    if not numbers:
        raise LockstepError(
            f"{declared.name} has no version yet; train one: lockstep train {declared.name}"
        )
    return max(numbers)


def _before(declared: PipelineAssets, state: LiveState, were: Collection[int]) -> int:
    """The version to go back to, of those that were live."""
    champion = context.registry().alias(declared.name, "champion")
    live = state.version if state.decided is None else state.decided.version
    if live is not None and champion is not None and champion.version != live:
        return live  # the champion did not pass the gate
    before = next((number for number in state.decisions.earlier if number in were), None)
    if before is None:
        raise LockstepError(_no_earlier(declared.name, state, were))
    return before


def _no_earlier(name: str, state: LiveState, were: Collection[int]) -> str:
    """That there is no version to go back to, and how to have another one serve, in a line."""
    from lockstep.columns.plain import listed

    left = [number for number in state.decisions.left if number in were]
    if not left:
        return f"{name} has no earlier version that was live."
    numbers, plural = listed(left), "s" * (len(left) > 1)
    return (
        f"{name} has no earlier version to go back to: version{plural} {numbers} "
        f"{'were' if plural else 'was'} gone back from. To have one serve again, name it: "
        f"lockstep rollback {name} --to {left[-1]}"
    )


def _demand_sound(version: Version, registry: Registry, anyway: str) -> None:
    """Refuse a version that failed a check when it was trained, unless a person may overrule that.

    A check of quality can be overruled, with a reason. The gate never lets a version through that
    failed one that blocks.
    """
    from lockstep.columns.plain import listed
    from lockstep.registry.version_tags import read_evidence
    from lockstep.training.gate import BLOCKING

    try:
        failed = read_evidence(version).failed
    except EvidenceError:
        return  # the gate reports it
    if final := BLOCKING.intersection(failed):
        raise LockstepError(
            f"Version {version.version} of {version.name} may not serve: {listed(sorted(final))} "
            "failed when it was trained, which nobody can overrule. Mend what it named, and train "
            f"anew: lockstep train {version.name}"
        )
    if not failed or anyway or _was_live(version):
        return
    metrics = registry.load(version.name, version.version).metrics
    figures = ", ".join(f"{title} {value:.4g}" for title, value in metrics.items())
    raise LockstepError(
        f"Version {version.version} of {version.name} failed {listed(failed)} when it was trained "
        f"({figures}). To promote it all the same, say why: "
        f"{_promotion(version.name, version.version, failed)}"
    )


def _was_live(version: Version) -> bool:
    """Whether a version was let serve before, by whoever answers for its quality."""
    return version.version in context.live(version.name).state().decisions.versions


def _promotion(name: str, version: int, failed: Collection[str] | None) -> str:
    """The command that promotes a version, with a reason where it failed checks of quality."""
    return f"lockstep promote {name} {version}" + (' --anyway "REASON"' if failed else "")


def _point_champion(
    declared: PipelineAssets,
    version: int,
    seen: str,
    as_json: bool,
    *,
    back: bool = False,
    anyway: str = "",
) -> None:
    """Put a version through the gate, unless another one was let serve since what was `seen`."""
    from lockstep.cli.console import say, show_checks
    from lockstep.cli.progress import Bar
    from lockstep.dagster.jobs import WANTED, job_name, promotion
    from lockstep.registry.live import served_here

    again = (
        f"lockstep rollback {declared.name} --to {version}"
        if back
        else f"lockstep promote {declared.name} {version}"
    )
    if anyway:
        again += f" --anyway {shlex.quote(anyway)}"
    left = (
        f"@live moves to version {version} once it has passed the gate, not before. Go on: {again}"
    )
    with interruption_told(lambda: left), Bar(runs=1, steps=1, shown=not as_json) as bar:
        bar.begin(f"proving {declared.name} version {version}")
        report = context.run(
            job_name(declared.name, "promote"),
            ops=promotion(declared.name, version, back=back, anyway=anyway, seen=seen),
            on_step=bar.step,
            tags={WANTED: str(version)},
        )
    state = context.live(declared.name).state()
    champion, live = context.registry().alias(declared.name, "champion"), state.shown
    wanted = champion.version if champion is not None else None
    if not as_json:
        aliases = f"@champion: {_numbered(wanted)}. @live: {_numbered(live)}."
        say(" ".join(filter(None, [aliases, served_here(state)])))
        show_checks(report.checks, dagster=context.dagster())
    numbers = {"champion": wanted, "live": live}
    finish([report], numbers, as_json)


def _numbered(version: int | None) -> str:
    return f"version {version}" if version is not None else "no version yet"


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
    from lockstep.registry.live import moved_by_hand, overruled, served_here

    decided, taken = state.decided, state.taken
    let = decided if decided is not None else taken
    if not facts:
        lost = (
            f" The gate let version {let.version} serve, which the registry has no more: "
            "restore the registry from a copy, or train anew."
            if let is not None
            else ""
        )
        return f"{name} has no version{' yet' * (not lost)}.{lost} Train one: lockstep train {name}"
    champion = next((version for version in facts if "champion" in version.aliases), None)
    if decided is None:
        promote = f"Promote one: lockstep promote {name} VERSION"
        damage = state.decisions.damage
        told = f" {damage[0].upper()}{damage[1:]}." if damage is not None else ""
        return f"No version of {name} is live.{told} {promote}"
    since = state.decisions.since or decided.since
    sentences = [
        f"Version {decided.version} of {name} is live since {_when(since)}, by the gate of "
        f"{decided.site}{_earlier(state)}",
        overruled(decided),
        moved_by_hand(state),
        served_here(state),
        waiting_champion(name, champion.version, champion.failed, state) if champion else "",
    ]
    return " ".join(filter(None, sentences))


def _earlier(state: LiveState) -> str:
    before, decided = state.decisions.before, state.decided
    if decided is not None and decided.back_from is not None:
        return f"; it went back from version {decided.back_from}."
    return "." if before is None else f"; before it, version {before} was."


def waiting_champion(
    name: str, champion: int, failed: Collection[str] | None, state: LiveState
) -> str:
    """A sentence if `@champion` is another version than the live one; otherwise empty.

    `failed` are the checks that it failed when it was trained; None where that is not known.
    """
    from lockstep.training.gate import BLOCKING

    if state.decided is None or champion == state.decided.version:
        return ""
    waits = f"@champion is version {champion}, which is not live"
    if final := BLOCKING.intersection(failed or ()):
        return (
            f"{waits}, and may not be: {', '.join(sorted(final))} failed when it was trained. "
            f"Point it back to the live one: lockstep rollback {name}"
        )
    return f"{waits}; what the gate says of it: {_promotion(name, champion, failed)}"


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
