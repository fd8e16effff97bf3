"""The page for people in a real browser, which asks a real server."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from copy import copy
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from lockstep.artifacts.pointers import ListedVersion, Listing, write_listing
from lockstep.columns.schema import Schema
from lockstep.serving.http.access import Guarded, Local
from lockstep.serving.http.app import application
from lockstep.serving.http.server import Observed
from lockstep.serving.protocols.service import Service
from lockstep.serving.requestlog.log import Log
from lockstep.serving.requestlog.settings import RequestLog
from lockstep.serving.shadow.shadow import Standing
from lockstep.serving.versions.proving import RefusedVersion
from lockstep.serving.versions.request_scorer import Scorer
from tests.fixtures.asgi import Client
from tests.fixtures.browser import Browser, chromium
from tests.fixtures.servers import serving

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(chromium() is None, reason="chromium is not on the PATH"),
]

HOSTILE = "<img src=x onerror='window.hacked = 1'><b>bold</b>"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


@dataclass(frozen=True)
class Served:
    """A server that is asked, and what answers behind it."""

    url: str
    service: Service


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Starts servers of a version, with a token or without."""
    with ExitStack() as stack:

        def start(
            scorer: Scorer | None, token: str | None = None, listing: Path | None = None
        ) -> Served:
            service = Service("orders", Path("nowhere"), listing=listing)
            service.versions.scorer = scorer
            found = application(service)
            inner = Guarded(found, token) if token else Local(found)
            observed = Observed(inner, service, found.route_of)
            port = stack.enter_context(serving(observed))
            return Served(f"http://127.0.0.1:{port}/", service)

        yield start


@pytest.fixture
def opened(browser: Browser, scorer: Scorer, serve: Callable[..., Served]) -> Iterator[Browser]:
    """The page of a server, in a wide window; nothing may go wrong in it."""
    browser.errors.clear()
    browser.show(1440, 900)
    browser.open(serve(scorer).url)
    browser.until("document.querySelectorAll('.field').length")
    yield browser
    assert browser.errors == []


def predict(browser: Browser, **fields: str) -> None:
    """Fill in fields, and ask for a prediction."""
    for name, value in fields.items():
        browser.fill(f"#field-{name}", value)
    browser.run("document.getElementById('took').textContent = ''")
    browser.click("#form .primary")
    browser.until("document.getElementById('took').textContent !== ''")


def values(browser: Browser) -> dict[str, str]:
    """What the nodes of the graph show, by their columns."""
    found: dict[str, str] = browser.run(
        "Object.fromEntries([...document.querySelectorAll('.node')].map("
        "(one) => [one.dataset.column, one.querySelector('.value').innerText]))"
    )
    return found


def test_it_shows_what_serves_and_a_form_made_from_the_declaration(opened: Browser) -> None:
    assert opened.run("document.title") == "orders · Lockstep"
    assert opened.text("#state") == "version 1 serves"
    assert "golden records were replayed in this process" in opened.text("#serving")
    assert "return_probability, expected_cost: compiled." in opened.text("#serving")
    assert "kilograms" in opened.text("#field-weight-doc")
    assert "between 1 and 100" in opened.text("#field-items-doc")
    assert opened.run("document.getElementById('field-weight').placeholder") == "missing"
    assert opened.run(
        "[...document.getElementById('field-gift').options].map((one) => one.value)"
    ) == [
        "true",
        "false",
    ]
    assert float(opened.run("document.getElementById('field-price').value")) > 0


def test_a_prediction_is_the_servers_and_every_column_is_drawn(
    opened: Browser, client: Client, scorer: Scorer
) -> None:
    record = {
        "order_id": "mine",
        "sent_at": "2020-03-01T12:00:00Z",
        "price": 80.0,
        "items": 4,
        "weight": 6.5,
        "coupons": None,
        "country": "DE",
        "gift": True,
    }
    (expected,) = client.post("/invocations", {"dataframe_records": [record]}).json()["predictions"]

    predict(
        opened,
        **{
            name: json.dumps(value).strip('"').replace("null", "") for name, value in record.items()
        },
    )

    shown = values(opened)
    assert f"{expected['risk']}" in opened.text("#outputs")
    assert set(shown) == set(scorer.pipeline.graph.served)
    assert (shown["price_per_item"], shown["is_heavy"], shown["region"]) == ("20", "true", "home")
    assert shown["coupons"] == "missing"
    assert shown["will_return"] == str(expected["will_return"]).lower()


def test_pointing_at_a_column_shows_where_it_comes_from(opened: Browser) -> None:
    predict(opened, price="80", items="4")

    opened.hover('.node[data-column="price_per_item"]')

    told = opened.until(
        "document.querySelector('#details strong') && document.getElementById('details').innerText"
    )
    assert "Euros an item." in told
    assert "transforms/orders.py:" in told
    assert "price = 80" in told
    lit = opened.run("[...document.querySelectorAll('.node.on')].map((one) => one.dataset.column)")
    assert set(lit) == {
        "price",
        "items",
        "return_probability",
        "expected_cost",
        "risk",
        "will_return",
        "loss",
    }


def test_what_a_models_estimator_was_given_is_there(opened: Browser) -> None:
    predict(opened, weight="6.5", country="DE")

    opened.click('.node[data-column="return_probability"]')
    opened.click("#details summary")

    assert "region__region_home" in opened.text("#details .matrix")
    assert "ColumnTransformer → LogisticRegression, compiled" in opened.text("#details")


def test_the_keyboard_goes_along_the_graph(opened: Browser) -> None:
    opened.run("document.querySelector('.node[data-column=\"loss\"]').focus()")

    opened.press("ArrowLeft")

    assert opened.run("document.activeElement.dataset.column") == "return_probability"
    assert "Probability that it comes back." in opened.text("#details")


def test_a_second_prediction_marks_what_changed(opened: Browser) -> None:
    predict(opened, items="4", price="80", gift="false")
    predict(opened, gift="true")

    changed = opened.run(
        "[...document.querySelectorAll('.node.changed')].map((one) => one.dataset.column)"
    )
    assert {"gift", "return_probability", "loss"} <= set(changed)
    assert "price_per_item" not in changed


def test_the_same_is_there_as_a_table(opened: Browser) -> None:
    predict(opened, price="80", items="4")

    opened.click("#as-table")

    row = opened.run(
        "[...document.querySelectorAll('#table tr')].map((one) => one.innerText)"
        ".find((one) => one.startsWith('price_per_item'))"
    )
    assert "20" in row
    assert "price, items" in row


def test_an_example_is_one_click_away(opened: Browser) -> None:
    before = opened.run("document.getElementById('field-price').value")

    opened.click("#another")
    after = opened.run("document.getElementById('field-price').value")
    predict(opened)

    assert after != before
    assert "Answered" in opened.text("#took")


def refused(browser: Browser) -> list[str]:
    """The fields that are marked."""
    browser.errors[:] = [one for one in browser.errors if " 422 " not in one]  # the browser logs it
    found: list[str] = browser.run(
        "[...document.querySelectorAll('[aria-invalid=true]')].map((one) => one.name)"
    )
    return found


def test_why_a_record_is_refused_is_said_at_its_fields(opened: Browser) -> None:
    predict(opened, price="dear", items="2.5")

    assert refused(opened) == ["price", "items"]
    assert opened.text("#field-price-error") == "is text, not a number"
    assert opened.run("document.activeElement.name") == "price"

    predict(opened, price="30", items="0")

    assert refused(opened) == ["items"]
    assert opened.text("#field-items-error") == "is not between 1 and 100"

    predict(opened, items="2")

    assert refused(opened) == []
    assert opened.text("#refusal") == ""


def test_a_field_that_may_not_be_missing_says_so_where_it_is_empty(opened: Browser) -> None:
    predict(opened, price="", weight="")

    assert refused(opened) == ["price"]
    assert "missing" in opened.text("#field-price-error")


def test_numbers_are_sent_as_they_are_typed(opened: Browser) -> None:
    predict(opened, price="0.1", items="3", weight="1e1")

    exact = opened.run(
        "document.querySelector('.node[data-column=\"price_per_item\"]').getAttribute('aria-label')"
    )
    assert exact.endswith(f", {0.1 / 3}")
    assert values(opened)["weight"] == "10"


def test_requests_are_drawn_soon_after(opened: Browser) -> None:
    predict(opened)

    opened.until("document.querySelectorAll('#traffic rect.answered').length === 1")
    assert "requests\n1" in opened.text("#traffic .figures")


# A token


def test_a_token_is_asked_for_and_kept_for_the_tab(
    browser: Browser, scorer: Scorer, serve: Callable[..., Served]
) -> None:
    browser.open(serve(scorer, "s3cret").url)
    browser.until("document.getElementById('ask').open")

    browser.fill("#token", "wrong")
    browser.click("#ask-form .primary")
    browser.until("document.getElementById('ask-error').textContent !== ''")
    shown = browser.text("#ask-error")
    browser.fill("#token", "s3cret")
    browser.click("#ask-form .primary")
    browser.until("document.querySelectorAll('.field').length")
    predict(browser)
    answered = browser.text("#took")
    browser.call("Page.reload")
    browser.until("document.querySelectorAll('.field').length")

    assert shown == "The server does not know this token."
    assert answered.startswith("Answered")
    assert not browser.run("document.getElementById('ask').open")
    assert browser.run("localStorage.length + document.cookie.length") == 0
    browser.run("sessionStorage.clear()")


# Whatever a declaration or a client says is text


def hostile(scorer: Scorer) -> Scorer:
    """The version, of which a field's comment holds HTML."""
    pipeline = copy(scorer.pipeline)
    schema = pipeline.record_schema
    fields = [replace(field, doc=HOSTILE) if field.name == "price" else field for field in schema]
    pipeline.record_schema = Schema(schema.name, tuple(fields))
    return replace(scorer, compiled=replace(scorer.compiled, pipeline=pipeline))


def test_html_in_comments_values_and_reasons_is_shown_as_it_is_written(
    browser: Browser, scorer: Scorer, serve: Callable[..., Served]
) -> None:
    served = serve(hostile(scorer))
    served.service.versions.refusal = RefusedVersion(2, HOSTILE)
    browser.errors.clear()
    browser.open(served.url)
    browser.until("document.querySelectorAll('.field').length")
    predict(browser, order_id=HOSTILE)
    browser.click('.node[data-column="order_id"]')

    assert HOSTILE in browser.text("#field-price-doc")
    assert HOSTILE in browser.text("#notice")
    assert HOSTILE in browser.text("#details")
    assert browser.run("document.querySelectorAll('main img, main b').length") == 0
    assert browser.run("window.hacked ?? null") is None
    assert browser.errors == []


# Versions that come and go


def test_a_page_that_is_open_shows_a_version_as_soon_as_it_serves(
    browser: Browser, scorer: Scorer, serve: Callable[..., Served]
) -> None:
    served = serve(None)
    browser.open(served.url)
    browser.until("document.getElementById('state').textContent === 'no version serves'")
    before = browser.text("#notice")

    served.service.versions.scorer = scorer

    browser.until("document.querySelectorAll('.field').length")
    assert "lockstep promote orders" in before
    assert browser.text("#notice") == ""


def test_what_is_typed_stays_when_another_version_takes_over(
    browser: Browser, scorer: Scorer, serve: Callable[..., Served]
) -> None:
    served = serve(scorer)
    browser.open(served.url)
    browser.until("document.querySelectorAll('.field').length")
    browser.fill("#field-price", "12.25")

    loaded = replace(scorer.loaded, version=2, digest="0" * 64)
    served.service.versions.scorer = replace(scorer, loaded=loaded)

    browser.until("document.getElementById('state').textContent === 'version 2 serves'")
    browser.until("document.getElementById('serving').innerText.includes('Version 2')")
    assert browser.run("document.getElementById('field-price').value") == "12.25"


def test_another_version_can_be_asked_for_the_same_record(
    browser: Browser,
    scorer: Scorer,
    serve: Callable[..., Served],
    stored: Callable[[int], ListedVersion],
    tmp_path: Path,
) -> None:
    listing = tmp_path / "orders.json"
    write_listing(listing, Listing("orders", {2: stored(2)}))
    served = serve(scorer, listing=listing)
    asyncio.run(served.service.versions.look_beside())
    browser.show(1440, 900)
    browser.open(served.url)
    browser.until("document.querySelectorAll('#version option').length === 2")
    browser.until("document.querySelectorAll('.field').length")
    predict(browser)
    before = browser.text("#answered-by")

    browser.fill("#version", "2")
    predict(browser)

    assert before == ""
    assert browser.text("#answered-by") == "by version 2, which is not live"
    assert "Change a field" in browser.text("#computed-hint")  # it computes the same
    assert len(values(browser)) == len(scorer.pipeline.graph.served)


def test_what_other_versions_do_is_told_as_it_goes(
    opened: Browser, serve: Callable[..., Served], scorer: Scorer
) -> None:
    served = serve(scorer)
    opened.open(served.url)
    opened.until("document.querySelectorAll('.field').length")
    before = opened.text("#beside")

    served.service.shadow.standing = Standing(4, None, Counter(compared=1200, dropped=7), 3)

    opened.until("!document.getElementById('beside').hidden")
    assert before == ""
    assert "Version 4 is the challenger" in opened.text("#beside")
    assert "1,200 rows compared, 3 of them otherwise, 7 dropped." in opened.text("#beside")


def test_a_log_that_cannot_be_written_makes_the_page_red(
    browser: Browser, scorer: Scorer, serve: Callable[..., Served], tmp_path: Path
) -> None:
    served = serve(scorer)
    served.service.log = log = Log(tmp_path / "log", RequestLog())
    browser.open(served.url)
    browser.until("document.querySelectorAll('.field').length")

    log.failing, log.overdue = "No space left on device", 3

    browser.until("document.getElementById('state').textContent === 'requests are refused'")
    assert browser.run("document.getElementById('state').className") == "state bad"
    assert "cannot be written (No space left on device)" in browser.text("#notice")
    assert "that nobody has replayed: 3" in browser.text("#beside")
    log.failing = None
    browser.until("document.getElementById('state').textContent === 'version 1 serves'")
    assert browser.text("#notice") == ""


# For everybody


@pytest.mark.parametrize("width", [320, 390, 768, 1440])
def test_nothing_is_wider_than_the_window(opened: Browser, width: int) -> None:
    opened.show(width, 800)
    opened.call("Page.reload")
    opened.until("document.querySelectorAll('.field').length")
    predict(opened)

    assert opened.run("document.documentElement.scrollWidth") <= width


def test_whatever_can_be_used_has_a_name(opened: Browser) -> None:
    predict(opened)

    tree: list[dict[str, Any]] = opened.call("Accessibility.getFullAXTree")["nodes"]

    used = {"button", "textbox", "combobox", "link", "figure", "image", "region", "group"}
    nameless = [
        node["role"]["value"]
        for node in tree
        if not node.get("ignored")
        and node["role"]["value"] in used - {"figure"}
        and not node.get("name", {}).get("value")
    ]
    assert [one for one in tree if one["role"]["value"] == "textbox"]
    assert nameless == []


def test_the_documentation_fits_and_follows_the_browsers_colours(
    browser: Browser, scorer: Scorer, serve: Callable[..., Served]
) -> None:
    browser.errors.clear()
    url, colours = serve(scorer).url, []
    for width, dark in ((390, False), (1280, True)):
        browser.show(width, 800, dark=dark)
        browser.open(f"{url}docs")
        assert browser.run("document.documentElement.scrollWidth") <= width
        assert browser.text("header h1") == "orders"
        colours.append(browser.run("getComputedStyle(document.body).backgroundColor"))
    assert len({*colours}) == 2
    assert browser.errors == []


# The graph


def test_nothing_lies_over_the_graph_until_a_column_is_pointed_at(opened: Browser) -> None:
    position = "getComputedStyle(document.getElementById('details')).position"
    assert opened.run(position) == "static"
    opened.hover("[data-column='return_probability']")
    opened.until("document.querySelector('#details strong') !== null")
    assert opened.run(position) == "sticky"


def test_each_kind_of_column_has_a_colour_and_the_legend_has_those_that_there_are(
    opened: Browser, scorer: Scorer
) -> None:
    roles = {scorer.pipeline.graph.node(name).role for name in scorer.pipeline.graph.served}
    shown = opened.run(
        "[...document.querySelectorAll('#roles li:not([hidden])')].map(one => one.dataset.role)"
    )
    assert {*shown} == roles
    colours = opened.run(
        "[...document.querySelectorAll('#roles li')].map(one => "
        "getComputedStyle(one).getPropertyValue('--role'))"
    )
    assert len(colours) == len({*colours} - {""}) == 6


def test_many_depths_fit_beside_each_other_and_the_widest_give_way(opened: Browser) -> None:
    source = (files("lockstep.serving.page") / "web" / "graph.js").read_text(encoding="utf-8")
    lengths = [14, 22, 18, 15, 18, 15, 12, 16, 14]  # of the longest names of nine depths
    groups = json.dumps([[{"column": "x" * length}] for length in lengths])
    widths = opened.run(f"(() => {{ {source}; return widthsOf({groups}, 1000); }})()")
    assert sum(widths) <= 1000
    assert widths[1] == max(widths)
    assert min(widths) == widths[6]
