"""What each receiver was told: the file `alerts.json` of a home.

What goes on and was not told begins; what was told and goes on no longer is over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from lockstep.artifacts.state_files import state_or, write_state
from lockstep.columns.plain import counted
from lockstep.pages.events import Events, OpenEvent
from lockstep.pages.troubles import Trouble, earliest
from lockstep.project.home import Home

_FILE = "alerts.json"


@dataclass(frozen=True)
class Recipient:
    """What a receiver was told."""

    # By id, the events that it was told, and not yet that they are over.
    told: dict[str, OpenEvent] = field(default_factory=dict)
    # By id, why it refused the next message about an event; the last one is last.
    refused: dict[str, str] = field(default_factory=dict)
    # By id, since when it does, in ISO form; empty where that was not kept.
    since: dict[str, str] = field(default_factory=dict)

    def waiting(self, events: Events) -> dict[str, OpenEvent]:
        """The events to tell, by id: what is over, what began, and then what was refused."""
        over = {name: event for name, event in self.told.items() if events.is_over(name)}
        begun = {name: event for name, event in events.open.items() if name not in self.told}
        every = {**over, **begun}
        again = {name: every.pop(name) for name in self.refused if name in every}
        return {**every, **again}

    def after(self, event: OpenEvent, why: str | None, now: datetime) -> Recipient:
        """What it was told once the next message about an event was sent, or refused now."""
        told, refused, since = dict(self.told), dict(self.refused), dict(self.since)
        was_refused, before = refused.pop(event.id, None), since.pop(event.id, "")
        if why is not None:
            refused[event.id] = why
            since[event.id] = before if was_refused else now.isoformat(timespec="seconds")
        elif told.pop(event.id, None) is None:
            told[event.id] = event
        return Recipient(told, refused, since)

    def only(self, told: Mapping[str, OpenEvent], refused: Iterable[str]) -> Recipient:
        """The same, without what nobody has to be told any longer."""
        kept = set(refused)
        return Recipient(
            dict(told),
            {name: why for name, why in self.refused.items() if name in kept},
            {name: at for name, at in self.since.items() if name in kept},
        )


@dataclass(frozen=True)
class Told:
    """The file of what was told."""

    receivers: dict[str, Recipient] = field(default_factory=dict)
    # The last messages: a time, the receiver and a title.
    sent: tuple[tuple[datetime, str, str], ...] = ()

    @classmethod
    def read(cls, home: Home) -> Told:
        """Read it; a file that is missing or damaged says nothing: what goes on is told anew."""
        return state_or(home.path / _FILE, cls, cls())

    def write(self, home: Home) -> None:
        """Replace the file."""
        write_state(home.path / _FILE, self)

    @property
    def troubles(self) -> list[Trouble]:
        """The receivers that were not told of events, each with the command that tries it."""
        effect = "tries each receiver; once it is reached, what was missed is sent."
        return [
            Trouble(
                f"{counted(len(one.refused), 'alert')} to {receiver} missed",
                earliest(one.since.get(name, "") for name in one.refused),
                command="lockstep alerts test",
                effect=effect,
                why=f"The last reason: {[*one.refused.values()][-1]}.",
            )
            for receiver, one in self.receivers.items()
            if one.refused
        ]

    @property
    def refusals(self) -> list[str]:
        """The same in a sentence or two each."""
        return [f"{each.what}. {each.why}" for each in self.troubles]
