"""Content types of bodies, by MLflow's rules."""

from __future__ import annotations

import enum
from collections.abc import Iterable

from lockstep.errors import UnsupportedError


class Content(enum.Enum):
    """The format of a body."""

    JSON = "application/json"
    CSV = "text/csv"
    PARQUET = "application/vnd.apache.parquet"


_BY_NAME = {content.value: content for content in Content}
_READ = ", ".join(_BY_NAME)


def content_of(headers: Iterable[tuple[bytes, bytes]]) -> Content:
    """The format of a body by its content type; names of headers are in lower case.

    A content type may have the parameter `charset`, which is UTF-8, and no other.
    """
    content: Content | None = None
    for name, value in headers:
        if name == b"content-type":
            content = Content.JSON if value == b"application/json" else _content(value)
        elif name == b"content-encoding" and value.strip().lower() != b"identity":
            raise UnsupportedError("A compressed body is not read here; send it as it is.")
    if content is None:
        raise UnsupportedError(f"Name the content type of the body: {_READ}.")
    return content


def _content(value: bytes) -> Content:
    name, *parameters = value.decode("latin-1").split(";")
    for parameter in parameters:
        key, _, held = parameter.strip().partition("=")
        if key.lower() != "charset":
            raise UnsupportedError("A content type has no parameter but `charset` here.")
        if held.strip('"').lower() not in ("utf-8", "utf8"):
            raise UnsupportedError("A body is in UTF-8.")
    content = _BY_NAME.get(name.strip().lower())
    if content is None:
        raise UnsupportedError(f"A body of this content type is not read here; send {_READ}.")
    return content
