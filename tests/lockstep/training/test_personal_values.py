"""Personal values: nothing that is kept to be shown holds one, from the history to a request."""

import json
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pandas as pd
import pytest
from pyarrow import parquet

from assets.orders import history, orders
from expectations.orders import input_suite
from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.streams import stream_records
from lockstep.columns.decode import decode
from lockstep.columns.plain import PERSONAL
from lockstep.dagster.assets import training_assets
from lockstep.dagster.definitions import resources
from lockstep.pages.events import open_events
from lockstep.pages.pipeline_state import Overview, Watched
from lockstep.pages.web.pages import application
from lockstep.project.declaration import PipelineAssets
from lockstep.project.sources import FunctionSource
from lockstep.scoring.trace import trace_row
from lockstep.scoring.work import Work
from lockstep.serving.http.app import application as application_of
from lockstep.serving.protocols.service import Service
from lockstep.serving.requestlog.log import Log
from lockstep.serving.requestlog.log_segments import segment_names, segment_path
from lockstep.serving.versions.asked import RequestIds
from lockstep.serving.versions.proving import prove
from lockstep.store.attempts import Attempt
from lockstep.store.quarantine import all_aside
from lockstep.store.results import CheckResult
from lockstep.training.candidate import train
from lockstep.training.gate import pass_gate
from tests.fixtures.asgi import Client
from tests.fixtures.orders import PROJECT, Workplace, copied_workplace
from tests.fixtures.scored import score
from tests.fixtures.servers import serving

DAY = "2020-03-01"
SECRET = "Secretland"
"""What each personal text begins with, and none other holds."""
BROKEN, UNFIT, SCORED = (f"{DAY}-{number:04}" for number in (3, 7, 9))
"""Keys of a row that a critical expectation refuses, of one that does not fit, and of one more."""
MARKED = (
    ("from typing import Any\n", "from typing import Annotated, Any\n"),
    ("    Outcome,\n", "    Outcome,\n    Personal,\n"),
    ("    country: str | None\n", "    country: Annotated[str | None, Personal]\n"),
    ("    weight: float | None ", "    weight: Annotated[float | None, Personal] "),
)


def secret(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(country=[f"{SECRET}-{number}" for number in range(len(frame))])


def strict_suite() -> Any:
    """That of orders; one country is refused, and most are unusual."""
    from great_expectations import ExpectationSuite
    from great_expectations import expectations as gxe

    refused = [
        gxe.ExpectColumnValuesToNotMatchRegex(column="country", regex=regex, severity=severity)
        for regex, severity in (("-3$", "critical"), ("-[4-6]$", "warning"))
    ]
    known = gxe.ExpectColumnDistinctValuesToBeInSet(
        column="country", value_set=["DE"], severity="warning"
    )
    expected = [*input_suite().expectations, *refused, known]
    return ExpectationSuite(name="orders input", expectations=expected)


@dataclass(frozen=True)
class Kept:
    """A home in which a pipeline with personal fields is live, and a day of it is scored."""

    declared: PipelineAssets
    place: Workplace
    results: dict[str, CheckResult]
    version: LoadedVersion
    attempt: Attempt


@pytest.fixture(scope="module")
def kept(
    live_home: Path,
    edited_orders: Callable[..., PipelineAssets],
    tmp_path_factory: pytest.TempPathFactory,
) -> Any:
    declared = edited_orders(*MARKED)
    declared = replace(
        declared,
        history=FunctionSource(lambda: secret(history()).head(2400)),
        suites=replace(declared.suites, input=strict_suite),
        max_quarantined=0.5,
    )
    path = tmp_path_factory.mktemp("personal") / "home"
    with (
        pytest.MonkeyPatch.context() as patch,
        copied_workplace(live_home, path, patch) as place,
    ):
        trained = train(declared, place.store, place.registry)
        assert trained.candidate is not None, trained.results
        assert trained.candidate.version is not None, trained.results
        number = trained.candidate.version.version
        gate = pass_gate(
            declared, place.registry, place.store, place.home.live("orders"), wanted=number
        )
        assert gate.live == number, gate.results
        version = place.registry.load("orders", number)
        frame = secret(orders(date.fromisoformat(DAY)))
        frame["weight"] = frame["weight"].astype(object)
        frame.loc[7, "weight"] = f"{SECRET} kilograms"
        work = Work(declared, place.store, "daily", DAY)
        score(work, version, decode(frame, version.pipeline.record_schema), accept=["price"])
        attempt = stream_records(declared, place.store, "daily").last(DAY)
        assert attempt is not None
        steps = attempt.record.steps
        results = {**trained.results, **gate.results}
        results |= {
            f"{step} {name}": r for step in steps for name, r in steps[step].results.items()
        }
        yield Kept(declared, place, results, version, attempt)


def test_no_check_tells_a_personal_value(kept: Kept) -> None:
    assert len(kept.results) > 30
    shown = {name: json.dumps(result.to_json()) for name, result in kept.results.items()}
    assert [name for name, text in shown.items() if SECRET in text] == []
    refused = kept.results["batch decoding"]
    assert (refused.column, refused.keys) == ("weight", (UNFIT,))
    assert "such as row 7" in refused.summary
    suite = kept.results["batch input_suite"]
    assert BROKEN in suite.keys
    assert "country" in suite.summary


def test_no_document_of_an_attempt_holds_one(kept: Kept) -> None:
    documents = [path for path in kept.attempt.folder.iterdir() if path.suffix == ".json"]
    assert {path.name for path in documents} >= {"record.json", "input_suite.json"}
    assert [path.name for path in documents if SECRET in path.read_text()] == []


def test_a_version_holds_none_but_in_what_was_fitted_to_it(kept: Kept) -> None:
    golden = kept.version.golden
    assert set(golden.records["country"].tolist()) == {None}
    assert set(golden.trace.columns["region"].tolist()) == {"abroad"}
    assert len(golden) > 250
    assert {"country", "weight", "region", "is_heavy"}.isdisjoint(kept.version.profile.columns)
    assert {"country", "weight"}.isdisjoint(kept.version.constraints.layout.fields)
    files = [path for path in kept.version.directory.parent.rglob("*") if path.is_file()]
    assert len(files) > 20
    assert [path.name for path in files if SECRET in _content(path)] == []


def _content(path: Path) -> str:
    if path.suffix == ".parquet":
        return str(parquet.read_table(path).to_pydict())
    data = path.read_bytes()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            data = b"".join(map(archive.read, archive.namelist()))
    return data.decode(errors="replace")


def test_the_gate_counts_what_is_kept_out(kept: Kept) -> None:
    assert kept.results["evidence"].numbers["personal columns kept out"] == 4


def test_golden_records_with_personal_values_are_no_evidence(kept: Kept) -> None:
    from lockstep.training.gate import check_evidence

    golden = kept.version.golden
    countries = golden.records["country"].copy()
    countries[0] = SECRET
    records = {**golden.records, "country": countries}
    loaded = replace(kept.version, golden=replace(golden, records=records))
    (wanted,) = (
        version
        for version in kept.place.registry.versions("orders")
        if version.version == kept.version.version
    )
    refused = check_evidence(wanted, loaded)
    assert refused.is_error
    assert "golden records hold personal values of country" in refused.summary


def test_rows_set_aside_are_listed_without_them(kept: Kept) -> None:
    schema = kept.declared.pipeline.record_schema
    rows = {row.key: row for row in all_aside(kept.attempt, schema)}
    assert {*rows} == {BROKEN, UNFIT}
    for row in rows.values():
        assert SECRET not in json.dumps(asdict(row))
        assert (row.record["country"], row.record["weight"]) == (PERSONAL, PERSONAL)
        assert row.record["order_id"] == row.key
        assert row.digest


@pytest.mark.parametrize(("key", "is_aside"), [(SCORED, False), (BROKEN, True)])
def test_a_trace_shows_none(kept: Kept, key: str, is_aside: bool) -> None:
    place = kept.place
    row = trace_row(kept.declared, place.home, place.registry, DAY, key)
    assert (row.aside is not None) is is_aside
    text = json.dumps(row.to_json())
    assert SECRET not in text
    assert PERSONAL in text


def test_no_page_no_status_and_no_alert_shows_one(kept: Kept) -> None:
    overview = Overview(PROJECT)
    overview.watched["orders"] = Watched(kept.declared, kept.place.home)
    status = json.dumps([asdict(state) for state in overview.states(60)], default=str)
    alerts = json.dumps([asdict(event) for event in open_events(overview).open.values()])
    batch = f"/finding/orders/daily/batch?partition={DAY}&check="
    paths = (
        *("/", "/status.json", f"/quarantine/orders/daily?partition={DAY}&row=0"),
        *(f"{batch}{check}" for check in ("decoding", "input_suite")),
    )
    with serving(application(overview)) as port:
        pages = [httpx.get(f"http://127.0.0.1:{port}{path}", timeout=60) for path in paths]
    assert [page.status_code for page in pages] == [200] * len(paths)
    assert UNFIT in pages[3].text
    shown = [status, alerts, *(page.text for page in pages)]
    assert [text for text in shown if SECRET in text] == []


@pytest.mark.filterwarnings("ignore:AssetExecutionContext.run_id is deprecated")
def test_dagster_is_told_none(kept: Kept) -> None:
    result = dg.materialize(
        training_assets(kept.declared),
        selection=[dg.AssetKey(["orders", "history"])],
        instance=kept.place.instance,
        resources=resources(PROJECT),
        raise_on_error=False,
    )
    shown = "".join(str(event) for event in result.all_events)
    assert result.success
    assert "first rows" in shown
    assert SECRET not in shown


def test_an_answer_by_http_and_the_log_of_the_server_show_none(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    records = secret(orders(date.fromisoformat(DAY)).head(2)).assign(coupons=1)
    records = records.assign(sent_at="2020-03-01T00:00:00Z", weight=[1.0, f"{SECRET} kilograms"])
    service = Service("orders", Path("nowhere"))
    service.versions.scorer = prove(kept.version)
    with Client(application_of(service)) as client:
        answers = [
            client.post("/invocations", {"dataframe_records": [record]}, headers={})
            for record in records.to_dict("records")
        ]
        page = client.get("/")
    assert [answer.status for answer in answers] == [200, 422]
    shown = [*(answer.content.decode() for answer in answers), page.content.decode(), caplog.text]
    assert "weight" in shown[1]
    assert [text for text in shown if SECRET in text] == []


def test_the_log_of_requests_holds_none(kept: Kept, tmp_path: Path) -> None:
    settings = kept.declared.request_log
    assert settings is not None
    assert settings.redacted == {"country": "dropped", "weight": "dropped"}
    record = {**secret(orders(date.fromisoformat(DAY)).head(1)).iloc[0].to_dict(), "coupons": 1}
    record["sent_at"] = "2020-03-01T00:00:00Z"
    scorer = prove(kept.version)
    with Log(tmp_path, settings) as log:
        answer = scorer.answer([[record]])[0]
        log.record(scorer, [(RequestIds().ask(), answer)])
    (name,) = segment_names(tmp_path)
    logged = segment_path(tmp_path, name).read_bytes()
    assert b"risk" in logged
    assert SECRET.encode() not in logged
