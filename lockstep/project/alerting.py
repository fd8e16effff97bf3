"""Alerting: who is told what, by `[tool.lockstep.alerts]`.

[tool.lockstep.alerts]
events = ["blocked", "missed"]  # all kinds by default

[tool.lockstep.alerts.receivers]  # addresses of Apprise, with secrets from the environment
team = "slack://${SLACK_TOKENS}/#models"
"""

from __future__ import annotations

import os
import re
from typing import Any, Literal, get_args

import msgspec

from lockstep.columns.plain import listed
from lockstep.errors import ProjectError

Kind = Literal["blocked", "missed", "refused", "drift", "quality", "server"]
"""A kind of events: a day or file that a check blocks; one that nobody tried or that broke off; a
wanted version that the gate refuses; columns that drift; quality outside of its band; a server that
is not ready."""
_VARIABLE = re.compile(r"\$\{(\w+)\}")


class Alerting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is told what."""

    # addresses by name, with `${VARIABLES}` of the environment; nobody by default
    receivers: dict[str, str] = {}
    events: tuple[Kind, ...] = get_args(Kind)

    @classmethod
    def read(cls, settings: Any, where: str) -> Alerting:
        """The settings of a section; `where` is its place.

        Raises:
            ProjectError: It has an unknown name, or a value of the wrong kind.
        """
        try:
            return msgspec.convert(settings, cls)
        except msgspec.ValidationError as error:
            raise ProjectError(
                f"{where}: {error}. It has receivers, an address by name, and events, of "
                f"{listed(get_args(Kind))}."
            ) from error

    def secrets(self, receiver: str) -> dict[str, str]:
        """The variables in the address of a receiver; those that are not set are empty."""
        names = _VARIABLE.findall(self.receivers[receiver])
        return {name: os.environ.get(name, "") for name in names}

    def lacking(self) -> dict[str, str]:
        """The receivers that cannot be told, since a secret is not set: why, in a sentence."""
        lacking = {}
        for receiver in self.receivers:
            if unset := [name for name, value in self.secrets(receiver).items() if not value]:
                lacking[receiver] = (
                    f"Alerts to {receiver} are not sent: {listed(unset)} is not set, which its "
                    "address in [tool.lockstep.alerts] needs."
                )
        return lacking

    def address(self, receiver: str) -> str:
        """The address of a receiver, with its secrets."""
        secrets = self.secrets(receiver)
        return _VARIABLE.sub(lambda match: secrets[match[1]], self.receivers[receiver])
