"""Sending: a message to a receiver, through Apprise."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from lockstep.columns.address import Address
from lockstep.columns.plain import meant, one_line
from lockstep.project.alerting import Alerting


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
