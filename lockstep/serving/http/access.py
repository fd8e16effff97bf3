"""Access: which address to listen at, and who is answered: with a token, or on this machine."""

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
"""Paths that need no token: the probes of load balancers, and the page that asks for a token."""
INSIDE = "/page/"
"""The beginning of the paths that show the inside of a version."""

_REFUSED = (
    b'{"error_code":"UNAUTHENTICATED","message":"Send the header Authorization: Bearer TOKEN."}'
)
_NOT_HERE = (
    b'{"error_code":"PERMISSION_DENIED","message":"Without a token, this is shown only to clients '
    b'that call this machine 127.0.0.1 or localhost."}'
)


class Guarded:
    """An application that answers only clients with the token.

    Args:
        application: The application.
        token: The token.
    """

    def __init__(self, application: Application, token: str) -> None:
        self._application, self._expected = application, b"Bearer " + token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"] in OPEN or self._is_known(scope):
            await self._application(scope, receive, send)
            return
        headers = (*JSON, (b"www-authenticate", b"Bearer"))
        await respond(send, Response(401, _REFUSED, headers))

    def _is_known(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        # In constant time: the duration does not show how much of a guess is right.
        return len(given) == 1 and hmac.compare_digest(given[0], self._expected)


class Local:
    """An application without a token: it shows the inside of a version to this machine alone.

    Only this machine reaches its address. But a browser here also reaches it for any site that
    gives this machine a name of its own: such a request has that name in its `Host`.

    Args:
        application: The application.
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
    try:
        host = urlsplit(f"//{hosts[0]}").hostname if len(hosts) == 1 else None
    except ValueError:
        return False
    return host is not None and (host == "localhost" or _is_loopback(host))


def demand_safe(host: str, token: str | None) -> None:
    """Check that a server without a token listens at this machine's own address.

    Args:
        host: The address to listen at.
        token: The token, if there is one.

    Raises:
        LockstepError: The address is public, and there is no token.
    """
    if token or host == "localhost" or _is_loopback(host):
        return
    raise LockstepError(
        f"Everyone who reaches {host} would get answers: set {TOKEN} to a secret that clients send "
        "as `Authorization: Bearer ...`, or listen at 127.0.0.1."
    )


def demand_free(host: str, port: int) -> None:
    """Check that a server can listen at an address.

    Raises:
        LockstepError: Another server listens there, or the address is not this machine's.
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
