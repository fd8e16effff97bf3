"""Templates of the page and of the terminal, and the filters that they share."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from lockstep.columns.plain import counted, to_the_minute
from lockstep.pages.tiles import SIGNS
from lockstep.pages.troubles import Trouble, what
from lockstep.registry.versions import experiments_page, version_page

_END = re.compile(r"(?<=[a-z0-9)%`])(?<!e\.g)\. (?=[A-Z0-9])")
_CODE = re.compile(r"`([^`]+)`")


def templates(**options: Any) -> Environment:
    """The templates, in an environment of Jinja with these options."""
    environment = Environment(
        loader=PackageLoader("lockstep.pages.web"),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        **options,
    )
    environment.filters |= {
        "code": with_code,
        "counted": counted,
        "minute": to_the_minute,
        "sentences": first_and_rest,
        "headline": headline,
        "headlines": lambda troubles: ", ".join(map(headline, troubles)),
        "moment": moment,
        "begun": lambda text: text[:1].upper() + text[1:],
        "what": what,
    }
    environment.globals |= {
        "experiments_page": experiments_page,
        "signs": SIGNS,
        "version_page": version_page,
    }
    return environment


def moment(stored: str) -> str:
    """A time in ISO 8601 in a headline, without the day if that is today: `05:44 UTC`."""
    at = datetime.fromisoformat(stored).astimezone(UTC)
    is_today = at.date() == datetime.now(UTC).date()
    return f"{at:%H:%M} UTC" if is_today else to_the_minute(stored)


def headline(trouble: Trouble) -> str:
    """What is wrong and since when: `3 files blocked since 05:44 UTC`."""
    return f"{trouble.what} since {moment(trouble.since)}" if trouble.since else trouble.what


def with_code(text: str) -> Markup:
    """A text as HTML, whose words between backticks are code."""
    parts = [
        Markup("<code>{}</code>").format(part) if at % 2 else escape(part)
        for at, part in enumerate(_CODE.split(text))
    ]
    return Markup("").join(parts)


def first_and_rest(text: str) -> tuple[str, str]:
    """The first sentence of a text, which names the finding, and the others."""
    end = _END.search(text)
    return (text[: end.start() + 1], text[end.end() :]) if end is not None else (text, "")
