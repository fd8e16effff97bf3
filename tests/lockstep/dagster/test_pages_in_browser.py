"""Dagster's pages of a failed day in a real browser, served by a real webserver."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pandas as pd
import pytest

from lockstep.checks.messages import Place
from tests.fixtures.browser import Browser, chromium
from tests.fixtures.order_store import orders_of
from tests.fixtures.orders import PROJECT, Workplace
from tests.fixtures.ports import free_port
from tests.fixtures.waiting import wait_until

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(chromium() is None, reason="chromium is not on the PATH"),
]

DAY, SOUND, REFUSED = "2020-03-02", "2020-03-03", "2020-03-04"
WIDTH = 1280
CUT_OFF = f"""[...document.querySelectorAll('.dagster-markdown p, td, th, button')]
    .filter((shown) => shown.getBoundingClientRect().right > {WIDTH})
    .map((shown) => shown.innerText)"""
LIVE = """[...document.querySelectorAll('.dagster-markdown :is(a, img, iframe)')]
    .map((shown) => shown.outerHTML)
    .filter((shown) => !shown.includes('src="data:image/svg+xml;base64,'))"""


class Trap(ThreadingHTTPServer):
    """A server that nobody should ask; it keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), Asked)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"


class Asked(BaseHTTPRequestHandler):
    """Notes each request."""

    server: Trap

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


@pytest.fixture
def trap() -> Iterator[Trap]:
    with Trap() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@contextmanager
def webserver(home: Path) -> Iterator[str]:
    """Dagster's webserver of a home; its address."""
    port = free_port()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port)),
            *("-w", "workspace.yaml", "--log-level", "error"),
        ],
        cwd=PROJECT.root,
        env={**os.environ, "LOCKSTEP_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: answers(port), 180, 0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/server_info"):
            return True
    except URLError:
        return False


def hostile(url: str) -> list[str]:
    """Values that Markdown or HTML would make something of."""
    return [
        f"![a]({url}/a.png)",
        f"<img src={url}/b.png>",
        f"{url}/c",
        f"`d` ![d]({url}/d.png)",
        f"[e]({url}/e)",
        "www.example.org/f",
        "g@example.org",
    ]


def rows_of(day: str, values: list[str]) -> pd.DataFrame:
    """A day's orders with these values in keys and countries."""
    rows = orders_of(day)
    texts = [values[row % len(values)] for row in range(len(rows))]
    keys = [f"{text}-{row}" for row, text in enumerate(texts)]
    return rows.assign(order_id=keys, country=texts)


def test_a_failed_day_fetches_nothing_fits_and_is_not_green(
    live: Workplace, trap: Trap, tmp_path: Path
) -> None:
    values = hostile(trap.url)
    live.deliver(REFUSED, rows_of(REFUSED, values).assign(items=1.5))
    live.deliver(DAY, rows_of(DAY, values).assign(price=lambda rows: rows.price * 1000))
    refused, sound, failed = (live.score(day) for day in (REFUSED, SOUND, DAY))
    assert (refused.ok, sound.ok, failed.ok) == (False, True, False)
    batch = "/assets/orders/daily/batch"
    with webserver(live.home.path) as url, Browser(tmp_path / "browser") as browser:
        browser.show(WIDTH, 900)
        for check in ("constraints", "sudden_shift", "input_drift", "input_suite"):
            browser.open(url + Place("orders/daily/batch").page(check))
            browser.until("document.body.innerText.includes('Latest execution')")
            browser.until("document.querySelectorAll('.dagster-markdown').length > 1")
            assert browser.run(CUT_OFF) == []
            assert browser.run(LIVE) == []
            browser.screenshot(tmp_path / f"{check}.png")
        keys = next(one for one in failed.checks if one.check == "constraints").where or ""
        assert all(f"{value}-{row}" in keys for row, value in enumerate(values[:5]))
        browser.open(url + Place("orders/daily/batch").page("constraints"))
        for value in values[:3]:
            browser.until(f"document.body.innerText.includes({value!r})")

        page = next(one.page for one in refused.checks if one.check == "decoding")
        assert page == f"{batch}?view=events&partitions%5B0%5D={REFUSED}"
        browser.open(url + page)
        browser.until("document.body.innerText.includes('Blocked: none of its rows goes on.')")
        browser.until("document.body.innerText.includes('checks that did not pass')")

        browser.open(f"{url}{batch}?view=partitions&partition={DAY}")
        browser.until("document.body.innerText.includes('did not materialize this asset')")
        browser.until("document.body.innerText.includes('Failed (2)')")
        browser.until("document.body.innerText.includes('Materialized (1)')")
        (attempt,) = live.records().newest_first(REFUSED)
        page = Place("orders/daily/batch", REFUSED).page("decoding", attempt.record.run)
        browser.open(url + page)
        browser.until("document.body.innerText.includes('decoding failed for materialization')")

        browser.open(url + next(one.page for one in failed.checks if one.check == "constraints"))
        browser.until("document.body.innerText.includes('checks that did not pass')")
        assert "order_id holds its day" in browser.text()
        browser.screenshot(tmp_path / "partition.png")
        time.sleep(1)  # for what a page would still fetch
    assert trap.asked == []
