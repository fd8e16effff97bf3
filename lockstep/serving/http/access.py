"""Access: which address to listen at, and who is answered: with a token, or on this machine.

Behind a proxy every client has the proxy's address, and `Host` is what the client says. So a server
behind one is told so, and has a token.
"""

from __future__ import annotations

import hmac
import ipaddress
import os
import socket
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

import msgspec

from lockstep.columns.plain import show
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
STATUSES = frozenset({"/ping", "/health", "/v2/health/live", "/v2/health/ready"})
"""Probes that tell a status and nothing else: load balancers may call the server as they like."""
INSIDE = ("/page/", "/tables/")
"""The beginnings of the paths that show the inside of a version, or add to the tables it reads."""

_REFUSED = (
    b'{"error_code":"UNAUTHENTICATED","message":"Send the header Authorization: Bearer TOKEN."}'
)
_NOT_HERE = (
    b'{"error_code":"PERMISSION_DENIED","message":"Without a token, this is open only to clients '
    b'of this user on this machine, who call it 127.0.0.1 or localhost, and not through a proxy."}'
)
_FORWARDED = frozenset(
    (
        *(b"forwarded", b"via", b"x-real-ip", b"cf-connecting-ip", b"true-client-ip"),
        *(b"x-forwarded", b"x-client-ip", b"x-cluster-client-ip", b"fastly-client-ip"),
    )
)
"""Headers that proxies add, beside those that begin with `X-Forwarded-`."""
_NAMES_KEPT = 256
"""How many values of `Host` are remembered with what they mean."""
_CONNECTIONS = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
"""Where Linux lists connections, each end with the user whose process it belongs to."""
_ADDRESSES, _USER = slice(1, 3), 7
"""Where the addresses and the user are in a line of it."""


class Guarded:
    """An application that answers only clients with the token."""

    def __init__(self, application: Application, token: str) -> None:
        self._application, self._expected = application, token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"] in OPEN or self._is_known(scope):
            await self._application(scope, receive, send)
            return
        headers = (*JSON, (b"www-authenticate", b"Bearer"))
        await respond(send, Response(401, _REFUSED, headers))

    def _is_known(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(given) != 1:
            return False
        scheme, _, token = given[0].partition(b" ")
        # In constant time: the duration does not show how much of a guess is right.
        is_right = hmac.compare_digest(token.strip(b" "), self._expected)
        return is_right and scheme.lower() == b"bearer"  # RFC 9110: schemes are of any case


class Local:
    """An application without a token: it answers to this machine's names alone.

    Only this machine reaches its address. But a browser here also reaches it for any site that
    gives this machine a name of its own (DNS rebinding): such a request has that name in its
    `Host`, and gets no answer. The inside of a version is shown to this user alone: a proxy here
    reaches the application for anybody, and adds a header, or runs as another user.

    Args:
        hosts: Names of this machine beside `localhost` and its addresses, as `hosts` in
            `[tool.lockstep]` declares them.
        whole: Whether all of it is shown to this user alone.
    """

    def __init__(
        self, application: Application, hosts: Sequence[str] = (), *, whole: bool = False
    ) -> None:
        self._application, self._whole = application, whole
        self._is_named = lru_cache(_NAMES_KEPT)(lambda host: names_this_machine(host, hosts))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            given = [value for name, value in scope["headers"] if name == b"host"]
            is_named = len(given) == 1 and self._is_named(given[0])
            if not is_named and (self._whole or scope["path"] not in STATUSES):
                await respond(send, Response(403, _misnamed(given)))
                return
            if (self._whole or _asks_inside(scope)) and not _is_at_home(scope):
                await respond(send, Response(403, _NOT_HERE))
                return
        await self._application(scope, receive, send)


def names_this_machine(given: bytes, hosts: Sequence[str] = ()) -> bool:
    """Whether a header `Host` has a name or an address of this machine, with or without a port."""
    try:
        host = urlsplit(f"//{given.decode('latin-1')}").hostname
    except ValueError:
        return False
    return host is not None and (host == "localhost" or host in hosts or _is_loopback(host))


def _misnamed(given: Sequence[bytes]) -> bytes:
    """The response to whoever calls this machine by none of its names."""
    named = show(given[0].decode("latin-1")) if len(given) == 1 else "no name, or several"
    message = (
        "Without a token, this answers only to the names 127.0.0.1, localhost and those declared; "
        f"the header Host has {named}. If that is a name of this machine, declare it: "
        'hosts = ["NAME"] in [tool.lockstep] of pyproject.toml.'
    )
    return msgspec.json.encode({"error_code": "PERMISSION_DENIED", "message": message})


def _asks_inside(scope: Scope) -> bool:
    query = scope["query_string"]
    return (query and b"explain" in unquote_to_bytes(query)) or scope["path"].startswith(INSIDE)


def _is_at_home(scope: Scope) -> bool:
    return not _is_forwarded(scope) and _is_of_this_user(scope)


def _is_forwarded(scope: Scope) -> bool:
    return any(
        name in _FORWARDED or name.startswith(b"x-forwarded-") for name, _ in scope["headers"]
    )


def _is_of_this_user(scope: Scope) -> bool:
    """Whether the system says that the caller is a process of this user; if it says so of any."""
    client, server = scope.get("client"), scope.get("server")
    tables = [path for path in _CONNECTIONS if path.exists()]
    if not client or not server or not tables:
        return True
    wanted = [f":{port:04X}" for _, port in (client, server)]
    lines = (line.split() for path in tables for line in path.read_text().splitlines()[1:])
    users = (
        int(fields[_USER])
        for fields in lines
        if [address[-5:] for address in fields[_ADDRESSES]] == wanted
    )
    return next(users, None) == os.geteuid()


def demand_safe(host: str, token: str | None, proxies: Sequence[str] = ()) -> None:
    """Check that a server without a token listens at this machine's own address, to this machine.

    Raises LockstepError, also where a proxy is neither an address nor a network.
    """
    for proxy in proxies:
        try:
            ipaddress.ip_network(proxy)
        except ValueError as error:
            raise LockstepError(
                f"{proxy!r} is no proxy's address ({error}): give one such as 10.0.0.7, or a "
                "network such as 10.0.0.0/24."
            ) from None
    if proxies and not token:
        raise LockstepError(
            f"Everyone who reaches the proxy {proxies[0]} would get answers: set {TOKEN} to a "
            "secret that clients send as `Authorization: Bearer ...`."
        )
    if token or host == "localhost" or _is_loopback(host):
        return
    raise LockstepError(
        f"Everyone who reaches {host} would get answers: set {TOKEN} to a secret that clients send "
        "as `Authorization: Bearer ...`, or listen at 127.0.0.1."
    )


def demand_free(host: str, port: int) -> None:
    """Check that no other server listens at an address, and that it is this machine's."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no name of a host"
        raise LockstepError(
            f"Nothing can listen at {host}, port {port} ({why}): stop what does, or "
            "choose another port or address."
        ) from error


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
