"""The wanted version of a pipeline and the live one, and why they differ."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lockstep.artifacts.live_pointer import LivePointer, read_live
from lockstep.errors import ArtifactError
from lockstep.overview.background import LastAnswer
from lockstep.overview.open_findings import OpenFinding
from lockstep.overview.tiles import Seen
from lockstep.project.home import Home
from lockstep.registry.decisions import Decisions
from lockstep.registry.versions import RegisteredModel
from lockstep.store.live_version import LiveState, moved_by_hand, served_here


@dataclass(frozen=True)
class VersionState:
    """The wanted version and the live one.

    Attributes:
        wanted: The version that `@champion` points to; None without one, or where nobody says.
        live: The version that serves in this home; None without one.
        since: Since when it is live; None likewise.
        by: Who let it serve; empty where the registry does not say.
        where: The home and the machine of the gate that did; likewise.
        refused: Why the gate refused the wanted version; empty if it did not.
        notes: Where registry and home depart from one another, in sentences.
    """

    wanted: int | None = None
    live: int | None = None
    since: datetime | None = None
    by: str = ""
    where: str = ""
    refused: str = ""
    notes: tuple[str, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether the wanted version is the live one, and all agree."""
        return not self.refused and not self.notes and self.live is not None


Models = dict[str, RegisteredModel | None]
"""What the registry holds of each pipeline."""


def version_state(
    name: str, home: Home, registry: LastAnswer[Models], gate: Seen | None
) -> tuple[VersionState, tuple[OpenFinding, ...]]:
    """The versions of a pipeline, and the findings of the gate about the wanted one.

    Args:
        name: Name of the pipeline.
        home: The home, with the file that names the live version.
        registry: What the registry answered last.
        gate: What the gate found last; None if it never judged a version.
    """
    notes = []
    taken: LivePointer | None = None
    try:
        taken = read_live(home.live(name))
    except ArtifactError as error:
        notes.append(str(error))
    if registry.trouble is not None:
        asked = f", asked last at {registry.at:%H:%M} UTC" if registry.at is not None else ""
        notes.append(
            f"The registry at {home.tracking_uri} does not tell which version is wanted{asked}: "
            f"{registry.trouble}"
        )
    model = (registry.value or {}).get(name) or RegisteredModel({}, {})
    decisions = Decisions.of(name, model.tags)
    state = LiveState(decisions, taken, model.aliases.get("live"))
    wanted = model.aliases.get("champion")
    if registry.value is not None and not (taken is None and state.decided is None):
        notes += filter(None, (decisions.damage, moved_by_hand(state), served_here(state)))
    decision = next((each for each in decisions.log if taken and each.key == taken.decision), None)
    judged = gate.tile.version if gate is not None else None
    is_about_wanted = gate is not None and (wanted is None or judged == wanted)
    findings = gate.findings if gate is not None and is_about_wanted else ()
    errors = [each for each in findings if each.is_error]
    refused = ""
    if errors and gate is not None and gate.tile.state == "blocked":
        refused = (
            f"Version {judged} is wanted, and the gate refused it: "
            f"{', '.join(each.check for each in errors)}."
        )
    elif wanted is not None and taken is not None and wanted != taken.version:
        refused = (
            f"Version {wanted} is wanted, and the gate has not judged it here: "
            f"lockstep promote {name} {wanted}"
        )
    return VersionState(
        wanted=wanted,
        live=taken.version if taken is not None else None,
        since=taken.since if taken is not None else None,
        by=decision.site.by if decision is not None else "",
        where=f"{decision.site.home} on {decision.site.host}" if decision is not None else "",
        refused=refused,
        notes=tuple(notes),
    ), findings
