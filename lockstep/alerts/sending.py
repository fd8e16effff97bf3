"""Sending: a message to a receiver, through Apprise."""

from __future__ import annotations

import logging
from typing import Any

from lockstep.columns.address import Address
from lockstep.columns.plain import one_line
from lockstep.project.alerting import Alerting


def send(settings: Alerting, receiver: str, title: str, body: str) -> str | None:
    """Send a message.

    Args:
        settings: Who is told what.
        receiver: The name of the receiver.
        title: The title of the message.
        body: Its text.

    Returns:
        Why it was not taken, without the secrets of the address; None if it was.
    """
    import apprise

    asset = apprise.AppriseAsset(app_id="Lockstep", app_desc="Lockstep", app_url="")
    service = apprise.Apprise(asset=asset)
    captured: Any = apprise.LogCapture  # it has no types
    with captured(level=logging.WARNING, fmt="%(message)s") as logged:
        if not service.add(settings.address(receiver)):
            return "its address in [tool.lockstep.alerts] is none that Apprise knows"
        if service.notify(body, title, body_format="text"):
            return None
        why = one_line(logged.getvalue(), 500)
    why = Address(settings.address(receiver)).hide_in(why)
    for secret in filter(None, settings.secrets(receiver).values()):
        why = why.replace(secret, "***")
    return why or "Apprise does not say why"
