"""The pages: of all pipelines, of a finding, and of the rows that a partition set aside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from importlib.resources import files
from itertools import islice
from shlex import quote as quoted
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from lockstep.checks.check_results import CheckResult
from lockstep.checks.messages import Message, Place
from lockstep.checks.pictures import column_picture, findings_picture
from lockstep.checks.specs import CHECKS
from lockstep.columns.plain import counted, plain, to_the_minute
from lockstep.errors import DamagedError, LockstepError, NotStoredError
from lockstep.overview.open_findings import OpenFinding
from lockstep.overview.pipeline_state import Overview, Watched
from lockstep.overview.tiles import StreamHistory, Tile, TileState
from lockstep.overview.web.drawings import quality_chart
from lockstep.serving.http.access import Local
from lockstep.store.attempts import Attempt
from lockstep.store.by_column import PARTITIONS, last_partitions
from lockstep.store.by_column import findings as by_column
from lockstep.store.quarantine import AsideRow, all_aside
from lockstep.store.status import RECORD, recorded_findings

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

WAIT_SECONDS = 0.04
"""How long a page waits for the registry and the servers; then it shows what they told last."""
_ROWS = 100
"""Rows of a quarantine on a page."""
_LATER = 7
"""Days after that of a finding which are shown beside it, and not only those before."""
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
SIGNS: dict[TileState, str] = {
    "published": "✓",
    "not_judged": "?",
    "warned": "!",
    "failed": "✕",
    "blocked": "■",
    "broken_off": "⚡",
    "damaged": "☠",
    "under_way": "…",
    "not_tried": "–",
}
_END = re.compile(r"(?<=[a-z0-9)%`])\. (?=[A-Z])")
_CODE = re.compile(r"`([^`]+)`")
_PICTURE = re.compile(r"!\[([^][]*)\]\((data:image/(?:png|svg\+xml);base64,[\w+/=]*)\)", re.ASCII)
_MEANINGS = {check.name: check.meaning for check in CHECKS}


def application(overview: Overview) -> Local:
    """The application, which answers this user's browsers on this machine alone."""
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Route

    pages = Pages(overview)

    def style(_: Request) -> Response:
        text = (files("lockstep.overview.web") / "overview.css").read_text(encoding="utf-8")
        return Response(text, media_type="text/css", headers=_HEADERS)

    def failed(_: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        return PlainTextResponse(str(error), status, headers=_HEADERS)

    return Local(
        Starlette(
            routes=[
                Route("/", pages.overview),
                Route("/status.json", pages.state),
                Route("/overview.css", style),
                Route("/finding/{asset:path}", pages.finding),
                Route("/quarantine/{pipeline}/{stream}", pages.quarantine),
            ],
            exception_handlers={HTTPException: failed, LockstepError: failed},
        ),
        whole=True,
    )


@dataclass(frozen=True)
class _CheckAsked:
    """The check that a page is about.

    Attributes:
        watched: The pipeline.
        history: The records of the asset.
        partition: The partition.
        step: The step that makes the asset.
        check: The check.
    """

    watched: Watched
    history: StreamHistory
    partition: str
    step: str
    check: str

    @property
    def place(self) -> Place:
        """Where the check ran."""
        return self.history.place(self.step, self.partition)


class Pages:
    """The pages of a project, which are functions of a request each.

    Args:
        overview: The state of its pipelines.
    """

    def __init__(self, overview: Overview) -> None:
        self._overview = overview
        self._templates = Environment(
            loader=PackageLoader("lockstep.overview.web"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=StrictUndefined,
        )
        self._templates.filters |= {
            "minute": to_the_minute,
            "code": _with_code,
            "counted": counted,
            "sentences": _first_and_rest,
            "chart": quality_chart,
            "finding_path": finding_path,
            "quarantine_path": quarantine_path,
            "pairs": _pairs,
            "tile": tile_link,
        }

    def overview(self, _: Request) -> Response:
        """`/`: the state of all pipelines, those first for which a person has to do something."""
        states = self._overview.states(WAIT_SECONDS)
        states.sort(key=lambda state: (not state.is_failed, not state.findings))
        return self._page("overview.html", states=states)

    def state(self, _: Request) -> Response:
        """`/status.json`: the same as data."""
        from starlette.responses import JSONResponse

        states = [plain(asdict(state)) for state in self._overview.states(WAIT_SECONDS)]
        return JSONResponse(states, headers=_HEADERS)

    def finding(self, request: Request) -> Response:
        """`/finding/ASSET?check=NAME&partition=NAME`: what a check found, and all around it."""
        asked = self._asked(request)
        result, attempt = _result(asked)
        notes = {title: _PICTURE.fullmatch(note) for title, note in result.notes.items()}
        pictures = {title: match[2] for title, match in notes.items() if match is not None}
        graph = asked.watched.declared.pipeline.graph
        has_graph = not pictures and result.column is not None and result.column in graph
        return self._page(
            "finding.html",
            asked=asked,
            place=asked.place,
            result=result,
            message=Message.of(asked.check, result, asked.place),
            attempt=attempt,
            meaning=_MEANINGS.get(asked.check, ""),
            pictures=pictures,
            texts={title: result.notes[title] for title, match in notes.items() if match is None},
            graph=Markup(column_picture(graph, result.column or "")) if has_graph else None,
            columns=self._columns(asked),
            page=asked.place.page(asked.check),
        )

    def quarantine(self, request: Request) -> Response:
        """`/quarantine/PIPELINE/STREAM?partition=NAME`: the rows that were set aside.

        With `row=NUMBER`, that row's values, too; with `from=NUMBER`, the rows from there on.
        """
        name, stream = request.path_params["pipeline"], request.path_params["stream"]
        watched = self._watched(name)
        if stream not in ("daily", "inbox") or stream not in watched.histories:
            raise NotStoredError(f"{name} has no stream {stream}.")
        records = watched.histories[stream].records
        partition = request.query_params.get("partition", "")
        attempts = records.newest_first(partition) if partition in records.attempted() else ()
        attempt = next((each for each in attempts if "batch" in each.record.steps), None)
        if attempt is None:
            raise NotStoredError(f"No attempt at {partition} of {name} set rows aside.")
        first, shown = _number(request, "from") or 0, _number(request, "row")
        rows = [*islice(all_aside(attempt), first, first + _ROWS + 1)]
        place = Place(f"{name}/{stream}/batch", partition)
        return self._page(
            "quarantine.html",
            place=place,
            attempt=attempt,
            rows=[*enumerate(rows[:_ROWS], first)],
            shown=shown,
            next=first + _ROWS if len(rows) > _ROWS else None,
            back=lambda row: _put_back(place, row),
        )

    def _asked(self, request: Request) -> _CheckAsked:
        asset, query = request.path_params["asset"], request.query_params
        watched = self._watched(asset.partition("/")[0])
        found = watched.find(asset)
        if found is None:
            raise NotStoredError(f"Nothing is recorded of {asset}.")
        history, step = found
        history.look()
        partition = query.get("partition") or next(iter(history.newest(1)), "")
        if partition not in history.partitions:
            raise NotStoredError(f"There was no attempt at {partition} of {asset}.")
        return _CheckAsked(watched, history, partition, step, query.get("check", RECORD))

    def _watched(self, name: str) -> Watched:
        if name not in self._overview.watched:
            raise NotStoredError(f"There is no pipeline {name}.")
        return self._overview.watched[name]

    def _columns(self, asked: _CheckAsked) -> Markup | None:
        """The columns by days or files, of a stream of rows to score."""
        records, graph = asked.history.records, asked.watched.declared.pipeline.graph
        if records.stream not in ("daily", "inbox"):
            return None
        shown = last_partitions(records, asked.partition)
        if records.holds_days:
            days = records.attempted()
            shown = days[: days.index(asked.partition) + 1 + _LATER][-PARTITIONS:]
        cells = [cell for name in shown for cell in by_column(records, name, graph)]
        return Markup(findings_picture(cells, shown))

    def _page(self, template: str, **values: Any) -> Response:
        from starlette.responses import HTMLResponse

        home = self._overview.home
        shared = {
            "project": self._overview.project.name,
            "addresses": home.addresses,
            "signs": SIGNS,
            "now": datetime.now(UTC),
        }
        html = self._templates.get_template(template).render(**shared, **values)
        return HTMLResponse(html, headers=_HEADERS)


def finding_path(finding: OpenFinding, partition: str | None = None) -> str:
    """Path of the page of a finding, in another partition if that is given."""
    wanted = {"check": finding.check, "partition": partition or finding.partition}
    query = urlencode({name: value for name, value in wanted.items() if value is not None})
    return f"/finding/{quote(finding.asset)}?{query}"


@lru_cache(maxsize=8_192)
def tile_link(tile: Tile, dagster: str, label: str) -> Markup:
    """A tile that leads to its page in Dagster; a page has hundreds, most of them as before."""
    told = [
        f"{tile.partition}: {tile.word}",
        counted(tile.rows, "row") if tile.rows else "",
        f"{counted(tile.quarantined, 'row')} set aside" if tile.quarantined else "",
        f"version {tile.version}" if tile.version is not None else "",
        f"{counted(tile.unjudged, 'check')} not judged" if tile.unjudged else "",
    ]
    share = f"{tile.share:.0%}" if tile.share >= 0.01 else "<1%"
    aside = Markup("<span class='aside'>{}</span>").format(share) if tile.quarantined else ""
    return Markup(
        "<a class='tile {}' href='{}' title='{}'><span class='hidden'>{}</span>"
        "<span class='day' aria-hidden='true'>{}</span>"
        "<span class='sign' aria-hidden='true'>{}</span>{}</a>"
    ).format(
        tile.state,
        f"{dagster}{tile.page}",
        ", ".join(filter(None, told)),
        told[0],
        label,
        SIGNS[tile.state],
        aside,
    )


def quarantine_path(tile: Tile, pipeline: str) -> str:
    """Path of the page of the rows that a partition set aside."""
    query = urlencode({"partition": tile.partition})
    return f"/quarantine/{quote(pipeline)}/{quote(tile.stream)}?{query}"


def _result(asked: _CheckAsked) -> tuple[CheckResult, Attempt | None]:
    """The result of a check in the last attempt, or that of the records themselves."""
    try:
        attempt, found = recorded_findings(
            asked.history.records, asked.partition, asked.history.steps
        )
    except DamagedError as error:
        return CheckResult(False, str(error), where=f"the files of {asked.partition}"), None
    results = {(each.step, each.check): each.result for each in found}
    if (asked.step, asked.check) in results:
        return results[asked.step, asked.check], attempt
    of_record = [result for (_, check), result in results.items() if check == asked.check]
    nothing = CheckResult(True, f"The last attempt at {asked.partition} has no such finding.")
    return (of_record[0] if asked.check == RECORD and of_record else nothing), attempt


def _put_back(place: Place, row: AsideRow) -> str:
    """The command that puts a row back: accepted as it is, or corrected in a file."""
    how = f"--rows FILE --row {row.row}"
    if row.fate != "duplicate" and row.key is not None:
        how = f"--key {quoted(row.key)}"
    return f"lockstep quarantine retry {place.pipeline} {place.option} {how}"


def _number(request: Request, name: str) -> int | None:
    given = request.query_params.get(name, "")
    return int(given) if given.isdecimal() and given.isascii() else None


def _with_code(text: str) -> Markup:
    """A text whose words between backticks are code."""
    parts = _CODE.split(text)
    shown = (
        Markup("<code>{}</code>").format(part) if at % 2 else escape(part)
        for at, part in enumerate(parts)
    )
    return Markup("").join(shown)


def _first_and_rest(text: str) -> tuple[str, str]:
    """The first sentence of a text, which names the finding, and the others."""
    end = _END.search(text)
    return (text[: end.start() + 1], text[end.end() :]) if end is not None else (text, "")


def _pairs(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name, "no value" if value is None else str(value)) for name, value in record.items()]
