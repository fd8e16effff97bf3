"""The command about what is registered: the versions of a pipeline, and which of them is live."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lockstep.cli import context
from lockstep.cli.arguments import AsJson, PipelineName

if TYPE_CHECKING:
    from datetime import datetime

    from lockstep.registry.facts import VersionFacts
    from lockstep.store.live import LiveState


def versions(pipeline: PipelineName, as_json: AsJson = False) -> None:
    """Show which version of a pipeline is live since when, and which others there are."""
    from lockstep.cli.console import say, show_json, show_table
    from lockstep.columns.plain import iso
    from lockstep.registry.facts import VersionFacts

    declared, registry = context.pipeline(pipeline), context.registry()
    found = [VersionFacts.of(registry, one) for one in registry.versions(declared.name)]
    state = context.live(declared.name).state()
    if as_json:
        since = state.allowed.since if state.allowed is not None else None
        live = {"version": state.version, "since": None if since is None else iso(since)}
        show_json({"live": live, "versions": [one.to_json() for one in found]})
        return
    say(_live(declared.name, state, found))
    if found:
        show_table([_row(one) for one in reversed(found)])
    for one in found:
        if one.damage is not None:
            say(f"Version {one.version} cannot be used: {one.damage}")


def _live(name: str, state: LiveState, found: list[VersionFacts]) -> str:
    """Which version is live, since when, and which one was before, in a sentence or two."""
    if not found:
        lost = (
            f" The gate let version {state.allowed.version} serve, which the registry has no more: "
            "restore the registry from a copy, or train anew."
            if state.allowed is not None
            else ""
        )
        return f"{name} has no version{' yet' * (not lost)}.{lost} Train one: lockstep train {name}"
    champion = next((one.version for one in found if "champion" in one.aliases), None)
    if state.allowed is None:
        promote = f"Promote one: lockstep promote {name} VERSION"
        damage = f" {state.damage}" if state.damage is not None else ""
        return f"No version of {name} is live.{damage} {promote}"
    before = state.allowed.before
    said = f"Version {state.allowed.version} of {name} is live since {_when(state.allowed.since)}"
    said += f"; before it, version {before} was." if before is not None else "."
    waiting = waiting_champion(name, champion, state)
    return f"{said} {waiting}" if waiting else said


def waiting_champion(name: str, champion: int | None, state: LiveState) -> str:
    """That `@champion` is another version than the live one, in a sentence; empty if it is not."""
    if champion is None or state.allowed is None or champion == state.allowed.version:
        return ""
    return (
        f"@champion is version {champion}, which is not live; what the gate says of it: "
        f"lockstep promote {name} {champion}"
    )


def _row(one: VersionFacts) -> dict[str, str]:
    """A version as a row of the table."""
    figures = ", ".join(
        f"{title} {value:.4g}"
        for title, value in one.metrics.items()
        if not title.endswith("of a simple baseline")
    )
    failed = "unknown" if one.failed is None else ", ".join(one.failed) or "none"
    gate = "" if one.passed is None else _when(one.passed)
    return {
        "version": str(one.version),
        "aliases": " ".join(f"@{alias}" for alias in one.aliases),
        "trained": _when(one.trained),
        "rows": "" if one.rows is None else f"{one.rows:,}",
        "held out": figures,
        "failed in training": failed,
        "passed the gate": gate if one.was_live or not gate else f"{gate}, never live",
    }


def _when(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"
