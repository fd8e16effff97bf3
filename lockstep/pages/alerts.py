"""Alerts: a message to each receiver when an event begins, and one when it is over.

What each receiver was told is in `alerts.json` of a home, replaced after each message. A process
that is killed between sending and writing sends that message again: better told twice than never.
A message that is refused is tried again at every look, after those that were not tried yet.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from lockstep.columns.address import Address
from lockstep.columns.plain import counted, meant, one_line
from lockstep.pages.events import Events, OpenEvent
from lockstep.pages.troubles import Trouble, earliest
from lockstep.project.alerting import Alerting
from lockstep.project.home import Home
from lockstep.project.project import Project
from lockstep.store.lock import locked
from lockstep.store.state_files import state_or, write_state

_FILE = "alerts.json"
_MOST_SECONDS = 20.0
"""Seconds after which no further message is begun: Dagster ends a tick of a sensor after 60."""
_MOST_SENT = 200
"""Messages that the file remembers."""


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


def send(settings: Alerting, receiver: str, title: str, body: str) -> str | None:
    """Send a message; returns why it was not taken, without the secrets of the address."""
    import apprise

    asset = apprise.AppriseAsset(app_id="Lockstep", app_desc="Lockstep", app_url="")
    service = apprise.Apprise(asset=asset)
    captured: Any = apprise.LogCapture  # it has no types
    with captured(level=logging.WARNING, fmt="%(message)s") as logged:
        if not service.add(settings.address(receiver)):
            return unknown_address(settings.address(receiver))
        if service.notify(body, title, body_format="text"):
            return None
        why = one_line(logged.getvalue(), 500)
    why = Address(settings.address(receiver)).hide_in(why)
    for secret in filter(None, settings.secrets(receiver).values()):
        why = why.replace(secret, "***")
    return why or "Apprise does not say why"


def unknown_address(address: str) -> str:
    """What to do about an address that Apprise does not take, without what is secret in it."""
    import apprise

    scheme, sign, _ = address.partition("://")
    services = apprise.Apprise().details()["schemas"]
    known = sorted({name for service in services for name in _schemes(service)})
    if not sign or scheme not in known:
        shown = f"{scheme}://" if sign else "no scheme before ://"
        return (
            f"its address in [tool.lockstep.alerts] has {shown}, which Apprise does not know"
            f"{meant(scheme, known) if sign else ''}; write one such as slack://, mailto:// or "
            "json://"
        )
    return (
        f"its address in [tool.lockstep.alerts] is not what Apprise takes after {scheme}://; see "
        f"Apprise's page about {scheme}"
    )


def _schemes(service: dict[str, Any]) -> Iterable[str]:
    return (*(service["protocols"] or ()), *(service["secure_protocols"] or ()))


def tell(
    project: Project,
    events: Events,
    now: datetime | None = None,
    send: Callable[[Alerting, str, str, str], str | None] = send,
) -> Told:
    """Tell each receiver what began and what is over since it was told last.

    Args:
        project: The project, with its settings.
        events: The events that go on.
        now: The time; the clock's by default.
        send: Sends a receiver a title and a text, and returns why it was refused.

    Raises:
        LockedError: Another process is telling.
    """
    home, settings, until = project.home, project.alerts, time.monotonic() + _MOST_SECONDS
    chosen = {name: event for name, event in events.open.items() if event.kind in settings.events}
    events, lacking = replace(events, open=chosen), settings.lacking()
    with locked(home.path / "alerts.lock", "what is told", wait=0):
        told = before = Told.read(home)
        known = {name: told.receivers.get(name, Recipient()) for name in settings.receivers}
        for name, one in known.items():
            kept = {key: each for key, each in one.told.items() if each.kind in settings.events}
            waiting = Recipient(kept).waiting(events)
            known[name] = one.only(kept, waiting)
        told = replace(told, receivers=dict(known))
        if told != before:
            told.write(home)
        for name in sorted(known.keys() - lacking, key=lambda name: len(known[name].refused)):
            for event in known[name].waiting(events).values():
                if time.monotonic() > until:
                    break
                title, text = f"{project.name}: {event.id}", str(event.message)
                if event.id in known[name].told:
                    title, text = f"Over: {title}", f"Over: {event.message.what}"
                why = send(settings, name, title, text)
                at = now or datetime.now(UTC)
                sent = ((at, name, title),) if why is None else ()
                known[name] = known[name].after(event, why, at)
                told = Told(dict(known), (*told.sent, *sent)[-_MOST_SENT:])
                told.write(home)
    return told
