"""Access: the address to listen at, a token in front of all but the probes, or this machine."""

from __future__ import annotations

import hmac
import ipaddress
import socket
from urllib.parse import unquote_to_bytes, urlsplit

from lockstep.errors import LockstepError
from lockstep.serving.protocols.asgi import (
    JSON,
    Application,
    Receive,
    Response,
    Scope,
    Send,
    respond,
)

TOKEN = "LOCKSTEP_TOKEN"
"""The environment variable that holds the token."""
OPEN = frozenset({"/", "/ping", "/health", "/ready", "/v2/health/live", "/v2/health/ready"})
"""What is answered without a token: what a load balancer asks, and the page that asks for one."""

INSIDE = "/page/"
"""What paths begin with at which the inside of a version is told."""

_REFUSED = (
    b'{"error_code":"UNAUTHENTICATED","message":"Send the header Authorization: Bearer TOKEN."}'
)
_NOT_HERE = (
    b'{"error_code":"PERMISSION_DENIED","message":"Without a token, this is told to those alone '
    b'who call this machine 127.0.0.1 or localhost."}'
)


class Guarded:
    """An application that answers those alone who know the token.

    Args:
        application: What answers.
        token: The token.
    """

    def __init__(self, application: Application, token: str) -> None:
        self._application = application
        self._expected = b"Bearer " + token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"] in OPEN or self._is_known(scope):
            await self._application(scope, receive, send)
            return
        headers = (*JSON, (b"www-authenticate", b"Bearer"))
        await respond(send, Response(401, _REFUSED, headers))

    def _is_known(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        # In constant time: how long it takes tells nothing of how much of a guess is right.
        return len(given) == 1 and hmac.compare_digest(given[0], self._expected)


class Local:
    """An application without a token: it tells of the inside of a version on this machine alone.

    It listens at an address that only this machine reaches; so does a browser on it, for any site
    that gives this machine a name of its own. Such a request has that name in its `Host`.

    Args:
        application: What answers.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and _asks_inside(scope) and not _names_this_machine(scope):
            await respond(send, Response(403, _NOT_HERE))
            return
        await self._application(scope, receive, send)


def _asks_inside(scope: Scope) -> bool:
    query = scope["query_string"]
    return (query and b"explain" in unquote_to_bytes(query)) or scope["path"].startswith(INSIDE)


def _names_this_machine(scope: Scope) -> bool:
    hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    return len(hosts) == 1 and _is_here(hosts[0])


def _is_here(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name == "localhost" or _is_loopback(name)


def demand_safe(host: str, token: str | None) -> None:
    """Check that nobody but this machine is answered without a token.

    Args:
        host: The address to listen at.
        token: The token, if there is one.

    Raises:
        LockstepError: The address is a public one, and there is no token.
    """
    if token or host == "localhost" or _is_loopback(host):
        return
    raise LockstepError(
        f"Everyone who reaches {host} would be answered: set {TOKEN} to a secret that clients send "
        "as `Authorization: Bearer ...`, or listen at 127.0.0.1."
    )


def demand_free(host: str, port: int) -> None:
    """Check that a server can listen at an address.

    Raises:
        LockstepError: It cannot: another one does, or the address is not this machine's.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise LockstepError(
            f"Nothing can listen at {host}, port {port} ({error.strerror}): stop what does, or "
            "choose another port or address."
        ) from error


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
