"""Addresses of servers, databases and stores, which may hold a password or a token."""

from __future__ import annotations

from urllib.parse import unquote, unquote_plus

_HIDDEN = "***"
_SHORT = 4
"""Characters of a value of a query up to which no text is searched for it."""


class Address:
    """An address, whose text for people, `str` and `repr`, is without what is secret in it.

    `full` is the text with its secrets, for the library that opens it. Libraries read an address
    that is not escaped in different ways: a password may hold any of `/@:?#`. What may be a part of
    one is hidden, and so is all behind the `?`, where tokens are. It is no `str`, of which JSON
    would hold the text as it is.
    """

    __slots__ = ("full",)

    def __init__(self, full: str) -> None:
        self.full = full

    def __str__(self) -> str:
        scheme, credentials, place = self._parts()
        if not credentials:
            return f"{scheme}{place}"
        if not place:
            return f"{scheme}{_HIDDEN}"
        user, colon, _ = credentials.partition(":")
        known = f"{user}:{_HIDDEN}" if colon else user
        return f"{scheme}{_HIDDEN if self.is_http else known}@{place}"  # a token may be the user

    def __repr__(self) -> str:
        return f"Address({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Address) and self.full == other.full

    def __hash__(self) -> int:
        return hash(self.full)

    @property
    def is_http(self) -> bool:
        """Whether it is of a server of HTTP, rather than of a database or a store."""
        return self.full.lower().startswith(("http://", "https://"))

    @property
    def has_password(self) -> bool:
        """Whether it holds a password, or what may be one."""
        return ":" in self._parts()[1]

    @property
    def link(self) -> str:
        """The address for a browser, without a name and a password."""
        scheme, _, place = self._parts()
        return f"{scheme}{place}".rstrip("/")

    def hide_in(self, text: str) -> str:
        """A text of a library about it, such as of an error, with each secret hidden."""
        for secret in self._secrets():
            text = text.replace(secret, _HIDDEN)
        return text

    def _parts(self) -> tuple[str, str, str]:
        """The scheme with `://`, the credentials, and the place, empty where it is unclear."""
        scheme, separator, rest = self.full.partition("://")
        if not separator:
            scheme, rest = "", self.full
        before, at, place = rest.rpartition("@")
        is_path = any(mark in before for mark in "/?#")
        if not at or (":" not in before and is_path):
            before, place = "", rest
        elif "?" in before or "#" in before:  # of the password, or the `@` is of the query
            return scheme + separator, before, ""
        return scheme + separator, before, place.partition("?")[0].partition("#")[0]

    def _secrets(self) -> list[str]:
        """What is not shown of it, as it is written and as it is meant; the longest first."""
        _, credentials, _ = self._parts()
        user, _, password = credentials.partition(":")
        query = self.full.partition("?")[2]
        ends = [at for at in range(len(query) + 1) if query[at : at + 1] in ("&", "#", "")]
        values = [
            query[at + 1 : end]
            for at in range(len(query))
            if query[at] == "="
            for end in ends
            if end - at > _SHORT
        ]
        found = [self.full, query, password, *values, *([user] if self.is_http else [])]
        every = {form for each in found for form in (each, unquote(each), unquote_plus(each))}
        return sorted(filter(None, every), key=len, reverse=True)
