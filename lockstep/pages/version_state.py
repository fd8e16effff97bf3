"""The wanted version of a pipeline and the live one, and why they differ."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lockstep.artifacts.pointers import LivePointer, read_live
from lockstep.errors import ArtifactError
from lockstep.pages.background import LastAnswer
from lockstep.pages.rendering import first_and_rest
from lockstep.pages.tiles import Tile
from lockstep.pages.troubles import Trouble
from lockstep.project.home import Home
from lockstep.registry.decisions import Decisions
from lockstep.registry.known_versions import KnownVersions
from lockstep.registry.live import LiveState, moved_by_hand, overruled, served_here
from lockstep.registry.versions import RegisteredModel

Models = dict[str, RegisteredModel | None]
"""What the registry holds of each pipeline."""
_RECENT = timedelta(minutes=1)
"""Age of an answer that is told with the time at which it came."""


@dataclass(frozen=True)
class VersionState:
    """The wanted version and the live one."""

    wanted: int | None = None  # the one at `@champion`; None without one, or where nobody says
    live: int | None = None
    since: datetime | None = None
    by: str = ""  # who let it serve, in which home on which machine; empty where nobody says
    # Why the wanted version is not live, or the one that the gate judged last. One that is refused
    # and not wanted is no reason to act.
    trouble: Trouble | None = None
    notes: tuple[str, ...] = ()  # where registry and home depart from one another, in sentences
    as_of: datetime | None = None  # when the registry told this, if that is a while ago


def version_state(
    name: str, home: Home, registry: LastAnswer[Models], gate: Tile | None
) -> VersionState:
    """The versions of a pipeline; the tile is what the gate found last, if it ever judged one."""
    taken, notes = _taken(name, home)
    notes += _renumbered(name, home)
    if registry.trouble is not None or registry.at is None:
        notes.append(
            f"The registry at {home.tracking_uri} does not tell which version is wanted: "
            f"{registry.trouble}"
        )
    is_known = registry.at is not None and (taken is None or registry.at >= taken.since)
    models = registry.value if is_known and registry.value is not None else {}
    model = models.get(name) or RegisteredModel({}, {})
    decisions, wanted = Decisions.of(name, model.tags), model.aliases.get("champion")
    state = LiveState(decisions, taken, model.aliases.get("live"))
    if is_known and (taken is not None or state.decided is not None):
        told = (decisions.damage, moved_by_hand(state), served_here(state))
        notes += [sentence for sentence in told if sentence]
    decision = decisions.of_key(taken.decision) if taken is not None else None
    notes += filter(None, [overruled(decision) if decision is not None else ""])
    return VersionState(
        wanted=wanted,
        live=taken.version if taken is not None else None,
        since=taken.since if taken is not None else None,
        by=str(decision.site) if decision is not None else "",
        trouble=_trouble(name, wanted, taken, gate),
        notes=tuple(notes),
        as_of=registry.at if registry.at and datetime.now(UTC) - registry.at > _RECENT else None,
    )


def _taken(name: str, home: Home) -> tuple[LivePointer | None, list[str]]:
    try:
        return read_live(home.live(name)), []
    except ArtifactError as error:
        return None, [str(error)]


def _renumbered(name: str, home: Home) -> list[str]:
    """A sentence for each number under which the registry has other files than this home knows."""
    try:
        return KnownVersions(home.known / f"{name}.json").refusals()
    except ArtifactError as error:
        return [str(error)]


def _trouble(
    name: str, wanted: int | None, taken: LivePointer | None, gate: Tile | None
) -> Trouble | None:
    """Why a version is not live that is wanted, or that the gate refused last."""
    live = taken.version if taken is not None else None
    if gate is not None and gate.state == "blocked" and gate.version != live:
        what = f"gate refused version {gate.version}"
        is_open = wanted == gate.version or (wanted is None and live is None)
        errors = [each for each in gate.findings if each.result == "failed"]
        todo = next((each.todo or "" for each in errors), "")
        found = next((first_and_rest(each.summary)[0] for each in errors), "")
        checks = ", ".join(each.check for each in errors)
        why = f"{checks} failed: {found.removesuffix('.')}. {todo}"
        command, effect = f"lockstep train {name}", "fits one that may pass; promote that."
        if live is not None:
            command, effect = f"lockstep promote {name} {live}", f"stays with version {live}."
        return Trouble(what, gate.since, is_open, command, effect, why)
    if wanted is None or wanted == live:
        return None
    command, effect = f"lockstep promote {name} {wanted}", "puts it through the gate."
    why = "It is wanted, and the gate has not judged it here."
    return Trouble(f"version {wanted} not live", command=command, effect=effect, why=why)
