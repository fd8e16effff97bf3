"""The pages: of all pipelines, of a finding, and of the rows that a partition set aside."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from functools import lru_cache
from importlib.resources import files
from itertools import islice
from shlex import quote
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from lockstep.checks.messages import Message, Place
from lockstep.checks.pictures import Cell, divergence_picture, findings_picture
from lockstep.checks.specs import CHECKS
from lockstep.columns.aside import HELD_BACK
from lockstep.columns.graph import Graph
from lockstep.columns.markdown import PICTURE
from lockstep.columns.plain import plain
from lockstep.errors import DamagedError, LockstepError, NotStoredError
from lockstep.pages.alerts import Told
from lockstep.pages.batch_metrics import batch_metrics
from lockstep.pages.pipeline_state import Overview, Watched
from lockstep.pages.rendering import templates
from lockstep.serving.http.access import Local
from lockstep.serving.metrics import CONTENT_TYPE
from lockstep.store.partition_records import Records
from lockstep.store.quarantine import AsideRow, all_aside
from lockstep.store.results import CheckResult
from lockstep.store.status import RECORD, StepFinding, damaged_record, recorded_findings

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

WAIT_SECONDS = 0.04
"""How long a page waits for the registry and the servers; then it shows what they told last."""
_ROWS = 100
"""Rows of a quarantine on a page."""
_ROW_NUMBER = re.compile("[0-9]{1,18}")
PARTITIONS = 30
"""Partitions of a finding by column: a month of days."""
_LATER = 7
"""Days after that of a finding which are shown beside it, and not only those before."""
_TILES = 8_192
"""Tiles whose HTML is kept: a page has hundreds, most of them as before."""
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
_MEANINGS = {check.name: check.meaning for check in CHECKS}


def with_metrics(overview: Overview) -> Local:
    """The pages, and metrics for any user of this machine, as Prometheus is one."""
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Mount, Route

    def metrics(_: Request) -> Response:
        return Response(batch_metrics(overview), media_type=CONTENT_TYPE.decode())

    routes = [Route("/metrics", metrics), Mount("/", application(overview))]
    return Local(Starlette(routes=routes), overview.project.hosts)


def application(overview: Overview) -> Local:
    """The application, which answers this user's browsers on this machine alone."""
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    pages = Pages(overview)

    def failed(_: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        text = error.detail if isinstance(error, HTTPException) else str(error)
        return PlainTextResponse(text, status, headers=_HEADERS)

    routes = {
        "/": pages.overview,
        "/status.json": pages.state,
        "/style.css": pages.style,
        "/finding/{asset:path}": pages.finding,
        "/quarantine/{pipeline}/{stream}": pages.quarantine,
    }
    found = Starlette(
        routes=[Route(path, answer) for path, answer in routes.items()],
        exception_handlers={HTTPException: failed, LockstepError: failed},
    )
    return Local(found, overview.project.hosts, whole=True)


class Pages:
    """The pages of a project, which are functions of a request each."""

    def __init__(self, overview: Overview) -> None:
        self._overview = overview
        self._templates = templates(autoescape=True)
        tiles: Any = self._templates.get_template("tile.html").module
        self._tile = lru_cache(_TILES)(tiles.link)

    def overview(self, _: Request) -> Response:
        """`/`: the state of all pipelines, those first for which a person has to do something."""
        states = self._overview.states(WAIT_SECONDS)
        states.sort(key=lambda state: (not state.is_failed, not state.findings))
        told = Told.read(self._overview.home)
        return self._page("overview.html", states=states, tile=self._tile, told=told)

    def state(self, _: Request) -> Response:
        """`/status.json`: the same as data."""
        from starlette.responses import JSONResponse

        states = [plain(asdict(state)) for state in self._overview.states(WAIT_SECONDS)]
        return JSONResponse(states, headers=_HEADERS)

    def style(self, _: Request) -> Response:
        """`/style.css`: the style sheet."""
        from starlette.responses import Response

        text = (files("lockstep.serving.page") / "web" / "style.css").read_text(encoding="utf-8")
        return Response(text, media_type="text/css", headers=_HEADERS)

    def finding(self, request: Request) -> Response:
        """`/finding/ASSET?check=NAME&partition=NAME`: what a check found, and all around it."""
        asset, query = request.path_params["asset"], request.query_params
        watched = self._watched(asset.partition("/")[0])
        found = watched.find(asset)
        if found is None:
            raise NotStoredError(f"Nothing is recorded of {asset}.")
        history, step = found
        known = {*history.records.attempted(), *history.records.partitions()}
        partition = query.get("partition") or max(known, default="")
        if partition not in known:
            raise NotStoredError(f"There was no attempt at {partition} of {asset}.")
        place, check = history.place(step, partition), query.get("check", RECORD)
        try:
            attempt, _, findings = recorded_findings(
                history.records, partition, history.steps, history.runs
            )
        except DamagedError as error:
            attempt, findings = None, [damaged_record(partition, error, history.steps)]
        result = _result(findings, step, check)
        notes = {title: PICTURE.fullmatch(note) for title, note in result.notes.items()}
        pictures = {title: match[1] for title, match in notes.items() if match is not None}
        graph = watched.declared.pipeline.graph
        has_graph = not pictures and result.column is not None and result.column in graph
        return self._page(
            "finding.html",
            check=check,
            place=place,
            result=result,
            message=Message.of(check, result, place),
            attempt=attempt,
            meaning=_MEANINGS.get(check, ""),
            pictures=pictures,
            texts={title: result.notes[title] for title, match in notes.items() if match is None},
            graph=Markup(divergence_picture(graph, result.column)) if has_graph else None,
            columns=_columns(history.records, partition, graph),
            page=place.page(check, attempt.record.run if attempt is not None else None),
        )

    def quarantine(self, request: Request) -> Response:
        """`/quarantine/PIPELINE/STREAM?partition=NAME`: the rows that were set aside.

        With `row=NUMBER`, that row's values, too; with `from=NUMBER`, the rows from there on.
        """
        name, stream = request.path_params["pipeline"], request.path_params["stream"]
        watched, partition = self._watched(name), request.query_params.get("partition", "")
        if stream not in ("daily", "inbox") or stream not in watched.histories:
            raise NotStoredError(f"{name} has no stream {stream}.")
        records = watched.histories[stream].records
        attempts = records.newest_first(partition) if partition in records.attempted() else ()
        attempt = next((each for each in attempts if "batch" in each.record.steps), None)
        if attempt is None:
            raise NotStoredError(f"No attempt at {partition} of {name} set rows aside.")
        first, shown = _row_number(request, "from") or 0, _row_number(request, "row")
        schema = watched.declared.pipeline.record_schema
        rows = [*islice(all_aside(attempt, schema), first, first + _ROWS + 1)]
        place = Place(f"{name}/{stream}/batch", partition)
        return self._page(
            "quarantine.html",
            place=place,
            attempt=attempt,
            first=first,
            rows=[(at, row, *_put_back(place, row)) for at, row in enumerate(rows[:_ROWS], first)],
            shown=shown,
            next=first + _ROWS if len(rows) > _ROWS else None,
        )

    def _watched(self, name: str) -> Watched:
        if name not in self._overview.watched:
            raise NotStoredError(f"There is no pipeline {name}.")
        return self._overview.watched[name]

    def _page(self, template: str, **values: Any) -> Response:
        from starlette.responses import HTMLResponse

        html = self._templates.get_template(template).render(
            project=self._overview.project.name,
            addresses=self._overview.home.addresses,
            now=datetime.now(UTC),
            **values,
        )
        return HTMLResponse(html, headers=_HEADERS)


def _result(findings: list[StepFinding], step: str, check: str) -> CheckResult:
    """The result of a check in the last attempt."""
    results = [each for each in findings if each.check == check]
    results.sort(key=lambda each: each.step != step)
    nothing = CheckResult(True, "The last attempt has no such finding.")
    return results[0].result if results else nothing


def _columns(records: Records, partition: str, graph: Graph) -> Markup | None:
    """The columns by days or files, of a stream of rows to score."""
    if records.stream not in ("daily", "inbox"):
        return None
    shown = last_partitions(records, partition)
    if records.holds_days and partition in (days := records.attempted()):
        shown = days[: days.index(partition) + 1 + _LATER][-PARTITIONS:]
    cells = [cell for name in shown for cell in findings_by_column(records, name, graph)]
    return Markup(findings_picture(cells, shown))


def last_partitions(records: Records, partition: str) -> list[str]:
    """A partition and those attempted before it, with whatever result, the oldest first."""
    return [*records.attempted_before(partition, PARTITIONS - 1), partition]


def findings_by_column(records: Records, partition: str, graph: Graph) -> Iterator[Cell]:
    """The results of the last attempt at a partition, by column.

    Fields and outputs without a finding have passed, where any check was judged. A finding of
    several columns counts for each. One without a column has the name of its check in brackets.
    """
    try:
        attempt = records.last(partition)
    except DamagedError:
        yield Cell("(record)", partition, "failed", "damaged record")
        return
    steps = attempt.record.steps if attempt is not None else {}
    for name, columns in (("batch", graph.record.names), ("scored", graph.outputs)):
        results = steps[name].results.values() if name in steps else ()
        looked = any(result.judged for result in results)
        yield from (
            Cell(column, partition, "passed" if looked else "not_judged") for column in columns
        )
    for step in steps.values():
        for check, result in step.results.items():
            if result.judged and not result.passed:
                yield Cell(result.column or f"({check})", partition, result.result, check)
                for column in result.also:
                    yield Cell(column, partition, result.result, check, is_beside=True)


def _put_back(place: Place, row: AsideRow) -> tuple[str, str]:
    """The command that puts a row back as it is, or shows what to correct, and what follows it."""
    of = f"{place.pipeline} {place.option}"
    if row.fate == HELD_BACK:
        return place.again, "Once its day is put right; with `--accept NAME`, if it is meant so."
    if row.fate != "duplicate" and row.key is not None and row.acceptable is not False:
        return f"lockstep quarantine retry {of} --key {quote(row.key)}", ""
    shown = f"show {of} --key {quote(row.key)}" if row.key is not None else f"list {of} --json"
    back = f"lockstep quarantine retry {of} --rows FILE --row {row.row}"
    return f"lockstep quarantine {shown}", f"Write the record to FILE, corrected; then `{back}`"


def _row_number(request: Request, name: str) -> int | None:
    """The number of a row that is asked for; None where none is."""
    from starlette.exceptions import HTTPException

    given = request.query_params.get(name)
    if given is None or _ROW_NUMBER.fullmatch(given):
        return None if given is None else int(given)
    raise HTTPException(400, f"`{name}` is the number of a row, from 0 on, of 18 digits at most.")
