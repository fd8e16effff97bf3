"""The servers of pipelines that `lockstep up` runs: whether each is ready, and since when not."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from lockstep.artifacts.pointers import read_live
from lockstep.errors import ArtifactError
from lockstep.pages.background import Question
from lockstep.pages.troubles import Trouble
from lockstep.project.home import Home
from lockstep.store.lock import holder, is_held
from lockstep.store.state_files import state_or, write_state

_READY_SECONDS = 2.0
"""Seconds after which a server that does not answer is not there."""
_STARTS = timedelta(minutes=1)
"""How long servers may take to start."""


@dataclass(frozen=True)
class ServerState:
    """The HTTP server of a pipeline."""

    address: str = ""  # empty where `lockstep up` does not run
    is_ready: bool = False
    is_loading: bool = False  # whether it has loaded no version yet, and refuses none
    is_silent: bool = False  # whether it gives no answer at all
    version: int | None = None
    message: str = ""  # what is wrong with it, or what to do
    trouble: Trouble | None = None  # the same in a few words, with the command

    @property
    def is_well(self) -> bool:
        """Whether nobody has to do anything about it."""
        return self.is_ready or self.is_loading


def server_state(home: Home, name: str) -> ServerState:
    """Ask the server of a pipeline whether it is ready."""
    address = home.addresses.servers.get(name, "")
    if not address or not is_held(home.served):
        return _not_running(home, address)
    out = Outages.read(home).get(name)
    state = _asked(address) if out is None else out.state(address)
    try:
        live = read_live(home.live(name))
    except ArtifactError as error:
        return replace(state, message=str(error))  # which the versions tell
    if state.is_well or live is None or is_starting(home, datetime.now(UTC)):
        return state
    what, command, effect = "server does not answer", "lockstep up", "starts it anew."
    why = f"{state.message} Its log: {home.server_log(name)}"
    if not state.is_silent:
        why = state.message
        what, command = "server not ready", f"lockstep promote {name} {live.version}"
        effect = f"has the gate judge version {live.version} anew."
    since = out.since if out is not None else ""
    trouble = Trouble(what, since, command=command, effect=effect, why=why)
    return replace(state, trouble=trouble)


def _asked(address: str) -> ServerState:
    try:
        try:
            with urlopen(f"{address}/ready", timeout=_READY_SECONDS) as response:
                answer = json.load(response)
        except HTTPError as error:
            answer = json.load(error) if error.code == 503 else {"refused": str(error)}
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)  # of what urllib wraps
        reason = getattr(reason, "strerror", None) or reason
        return ServerState(address, is_silent=True, message=f"It does not answer: {reason}.")
    if answer.get("ready"):
        return ServerState(address, is_ready=True, version=answer.get("version"))
    if refused := answer.get("refused"):
        return ServerState(address, message=str(refused))
    return ServerState(address, is_loading=True, message="No version is live yet.")


def _not_running(home: Home, address: str) -> ServerState:
    """The state where `lockstep up` does not run: killed, it leaves its name in its lock."""
    if not address or not home.served.exists() or not home.served.stat().st_size:
        return ServerState(message="Not started: `lockstep up`")
    what, why, effect = "server not running", "`lockstep up` was killed.", "starts it again."
    since = Outages.last_look(home)
    trouble = Trouble(what, since, command="lockstep up", effect=effect, why=why)
    return ServerState(message=why, trouble=trouble)


def is_starting(home: Home, now: datetime) -> bool:
    """Whether `lockstep up` began a moment ago."""
    up = holder(home.served)
    return up is not None and now < datetime.fromisoformat(up.since) + _STARTS


@dataclass(frozen=True)
class Outage:
    """A server that is not ready."""

    since: str  # in ISO form
    message: str
    is_silent: bool = False  # whether it gives no answer at all

    def state(self, address: str) -> ServerState:
        """The state of the server, which is not asked again."""
        return ServerState(address, is_silent=self.is_silent, message=self.message)


class Outages:
    """The servers that are not ready, as `lockstep up` sees them: the file `outages.json`."""

    def __init__(self, home: Home, names: Iterable[str]) -> None:
        self._home, self._out = home, dict[str, Outage]()
        self._asked = {name: Question(partial(_out, home, name)) for name in names}
        write_state(_file(home), self._out)

    def look(self) -> None:
        """See what was answered since the last look, and ask anew."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        for name, question in self._asked.items():
            out, known = question.answer(0).value, self._out.pop(name, None)
            if out is not None:
                since = known.since if known is not None else now
                self._out[name] = Outage(since, out.message, out.is_silent)
            question.begin()
        write_state(_file(self._home), self._out)  # whose time is that of the last look

    @staticmethod
    def read(home: Home) -> dict[str, Outage]:
        """The servers that are not ready, by pipeline; a file that is damaged says nothing."""
        return state_or(_file(home), dict[str, Outage], {})

    @staticmethod
    def last_look(home: Home) -> str:
        """When somebody looked last; empty if nobody did."""
        try:
            at = _file(home).stat().st_mtime
        except FileNotFoundError:
            return ""
        return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _out(home: Home, name: str) -> ServerState | None:
    """The state of a server that is not ready; None if it is, or if it has no version to load."""
    state = _asked(home.addresses.servers[name])
    return None if state.is_well or not home.live(name).exists() else state


def _file(home: Home) -> Path:
    return home.path / "outages.json"
