"""The pages, by an HTTP client: what they say, and what they never show."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.pages.pipeline_state import Overview
from lockstep.pages.rendering import first_and_rest
from lockstep.pages.web.pages import application
from lockstep.project.project import Project
from tests.fixtures.commands import Lockstep
from tests.fixtures.orders import PROJECT, Checkout, Workplace, copied_workplace
from tests.fixtures.servers import serving
from tests.lockstep.pages.conftest import ASIDE, BLOCKED, BROKEN, DAMAGED, HOSTILE


@pytest.fixture(scope="module")
def shown(troubled_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    """The home in trouble of which the pages are read; they write nothing into it."""
    path = tmp_path_factory.mktemp("shown") / "home"
    with pytest.MonkeyPatch.context() as patch, copied_workplace(troubled_home, path, patch) as it:
        yield it


@pytest.fixture(scope="module")
def client(shown: Workplace) -> Iterator[httpx.Client]:
    """A client of its pages."""
    overview = Overview(PROJECT)
    overview.states(60)  # the registry has answered
    with ExitStack() as stack:
        port = stack.enter_context(serving(application(overview)))
        yield stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60))


def test_the_first_page_says_what_failed_where_and_what_to_type(client: httpx.Client) -> None:
    page = client.get("/").text
    lead = page[page.index('class="lead"') : page.index("Looked at")]
    assert re.search(
        rf"orders</a>: day {DAMAGED} damaged, day {BLOCKED} blocked since [-0-9: ]+ UTC", lead
    )
    assert re.search(rf"day {BROKEN} broken off since [-0-9: ]+ UTC", lead)
    assert "3 rows of 2020-03-04 set aside since" in lead
    assert f"Day {BLOCKED} blocked <span" in page
    assert "decoding failed" in page
    assert '<code class="column">price</code>' in page
    assert f"<code>lockstep score orders --day {BLOCKED}</code>" in page
    for day, meaning in (
        (BLOCKED, "blocked by a check"),
        (DAMAGED, "its record is damaged"),
        (BROKEN, "broke off"),
    ):
        assert f"{day}: {meaning}" in page
    assert "risk auc" in page
    assert "<svg" in page


def test_links_to_mlflow_open_the_view_for_models(client: httpx.Client) -> None:
    links = re.findall(r'href="http://127.0.0.1:5000/([^"]*)"', client.get("/").text)
    assert any(link.startswith("#/models/orders/versions/") for link in links)
    for link in links:
        assert link.endswith("?workflowType=machine_learning")
        assert not link.startswith("#/models?"), "the list of models drops what follows the ?"


def test_the_first_page_shows_of_rows_set_aside_what_a_check_recorded(client: httpx.Client) -> None:
    page = client.get("/").text
    assert f"/quarantine/orders/daily?partition={ASIDE}" in page
    assert "&lt;img src=x onerror=" in page
    assert "<img src=x" not in page


def test_a_tile_leads_to_the_failed_check_in_the_run_of_that_day(
    shown: Workplace, client: httpx.Client
) -> None:
    (attempt,) = shown.records().newest_first(BLOCKED)
    page = client.get("/").text
    assert f'http://127.0.0.1:3000/runs/{attempt.record.run}?logs=decoding"' in page


def test_all_links_of_the_first_page_to_others_of_it_answer(client: httpx.Client) -> None:
    links = set(re.findall(r'href="(/[^"]*)"', client.get("/").text))
    assert any(link.startswith("/finding/") for link in links)
    for link in links:
        assert client.get(link.replace("&amp;", "&")).status_code == 200, link


def test_a_finding_has_its_column_by_day_and_in_the_graph(client: httpx.Client) -> None:
    asked = {"check": "decoding", "partition": BLOCKED}
    page = client.get("/finding/orders/daily/batch", params=asked).text
    assert "Columns by day" in page
    assert page.count("stroke-width='2.5'") == 1  # the column in the graph
    assert f"{BLOCKED}: decoding" in page


def test_a_damaged_record_has_a_page(client: httpx.Client) -> None:
    asked = {"check": "record", "partition": DAMAGED}
    page = client.get("/finding/orders/daily/published", params=asked)
    assert page.status_code == 200
    assert "changed after it was published" in page.text


def test_rows_set_aside_are_listed_with_the_command_that_puts_them_back(
    client: httpx.Client,
) -> None:
    page = client.get("/quarantine/orders/daily", params={"partition": ASIDE}).text
    assert f"<code>lockstep quarantine show orders --day {ASIDE} --key {ASIDE}-0001</code>" in page
    assert "retry orders --day 2020-03-04 --key" not in page, "it would be set aside again"
    assert "items: missing" in page
    assert "Show its 8 fields as delivered" in page
    assert "<th>weight</th>" not in page


def test_the_values_of_a_row_are_shown_where_they_are_asked_for(client: httpx.Client) -> None:
    asked = {"partition": ASIDE, "row": "0"}
    page = client.get("/quarantine/orders/daily", params=asked).text
    assert page.count("<th>weight</th>") == 1
    assert HOSTILE not in page
    assert "&lt;img src=x" in page


def test_a_page_of_rows_that_are_not_there_leads_to_the_first_ones(client: httpx.Client) -> None:
    page = client.get("/quarantine/orders/daily", params={"partition": ASIDE, "from": "5000"})
    assert (page.status_code, "There is no row 5,000" in page.text) == (200, True)
    for wrong in ("9" * 23, "-1", "1e3", "²", ""):
        answer = client.get("/quarantine/orders/daily", params={"partition": ASIDE, "from": wrong})
        assert answer.status_code == 400
        assert answer.text == "`from` is the number of a row, from 0 on, of 18 digits at most."


_PATHS = ("/", "/status.json", "/style.css", "/finding/orders/daily/batch", "/nothing")
_VALUES = (
    st.text(max_size=40)
    | st.integers().map(str)
    | st.sampled_from(["9" * 5_000, "\0", "../../etc", ASIDE, BLOCKED, DAMAGED, "decoding"])
)
_PARAMETERS = st.lists(
    st.tuples(st.sampled_from(["partition", "check", "from", "row", "other"]), _VALUES), max_size=4
)


@pytest.mark.parametrize("examples", [30, pytest.param(400, marks=pytest.mark.long)])
def test_no_parameter_of_a_page_is_an_error_of_ours(client: httpx.Client, examples: int) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(st.sampled_from([*_PATHS, "/quarantine/orders/daily"]), _PARAMETERS, st.booleans())
    def ask(path: str, parameters: list[tuple[str, str]], of_rows: bool) -> None:
        first = [("partition", ASIDE)] if of_rows else []
        answer = client.get(path, params=[*parameters, *first])
        assert answer.status_code in {200, 400, 404}, (answer.url, answer.text)
        assert "Traceback" not in answer.text

    ask()


@pytest.mark.parametrize(
    "path",
    [
        "/finding/nothing/daily/batch",
        "/finding/orders/nothing",
        "/finding/orders/daily/batch?partition=2019-01-01",
        "/quarantine/orders/outcomes?partition=2020-03-01",
        "/quarantine/orders/daily?partition=../../../etc",
        "/nothing",
    ],
)
def test_what_is_not_there_is_404(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_every_answer_has_a_strict_policy(client: httpx.Client) -> None:
    for path in ("/", "/style.css", "/status.json", "/nothing"):
        headers = client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")
        assert "script-src" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
    assert "<script" not in client.get("/").text


def test_other_names_of_this_machine_and_proxies_are_refused(client: httpx.Client) -> None:
    for headers in ({"host": "evil.example"}, {"x-forwarded-for": "10.0.0.7"}):
        assert client.get("/", headers=headers).status_code == 403


def test_the_terminal_and_json_say_the_same(troubled: Workplace, lockstep: Lockstep) -> None:
    told = lockstep("status", "orders")
    assert told.status == 1
    assert re.match(
        rf"orders: day {DAMAGED} damaged, day {BLOCKED} blocked since [-0-9: ]+ UTC, ", told.out
    )
    assert "FAILED   orders/daily/batch 2020-03-03  decoding" in told.out
    assert f"Type: lockstep score orders --day {BLOCKED}" in told.out
    assert f"`lockstep score orders --day {BLOCKED}`" in told.out
    (state,) = json.loads(lockstep("status", "--json").out)
    assert state["name"] == "orders"
    tiles = {tile["partition"]: tile for tile in state["streams"][0]["tiles"]}
    assert tiles[BLOCKED]["state"] == "blocked"
    assert tiles[BLOCKED]["findings"][0]["check"] == "decoding"


def test_nothing_is_open_where_all_went_through(scored, lockstep: Lockstep) -> None:
    told = lockstep("status")
    assert (told.status, "FAILED" in told.out) == (0, False)
    assert "1 is live since" in told.out


def test_a_pipeline_that_cannot_be_imported_is_told_and_the_others_are_shown(
    troubled, lockstep: Lockstep, checkout: Checkout
) -> None:
    (checkout.folder / "assets" / "broken.py").write_text("import nothing_of_this_name\n")
    lockstep.go_to(checkout.folder, troubled.home.path)
    states = Overview(Project.find(checkout.folder)).states(60)
    assert [(state.name, state.error is None) for state in states] == [
        ("broken", False),
        ("orders", True),
    ]
    told = lockstep("status")
    assert "Pipeline broken cannot be imported" in told.out
    assert "version  1 is live" in told.out


def test_the_first_sentence_of_a_finding_does_not_end_at_its_examples() -> None:
    first, rest = first_and_rest("17 of 26 rows (67.0 %) fail; e.g. EWR (13.9). 17 are set aside.")
    assert (first, rest) == ("17 of 26 rows (67.0 %) fail; e.g. EWR (13.9).", "17 are set aside.")
