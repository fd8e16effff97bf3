"""Telling: a message to each receiver when an event begins, and one when it is over.

The file of what was told is replaced after each message. A process that is killed between sending
and writing sends that message again: better told twice than never. A message that is refused is
tried again at every look, after those that were not tried yet.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from lockstep.artifacts.lock import locked
from lockstep.pages.events import Events
from lockstep.pages.sending import send
from lockstep.pages.told import Recipient, Told
from lockstep.project.alerting import Alerting
from lockstep.project.project import Project

_MOST_SECONDS = 20.0
"""Seconds after which no further message is begun: Dagster ends a tick of a sensor after 60."""
_MOST_SENT = 200
"""Messages that the file remembers."""


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
