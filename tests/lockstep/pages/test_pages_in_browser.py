"""The pages in a real browser: nothing is cut off, and nothing comes from elsewhere."""

from collections.abc import Iterator

import pytest

from lockstep.pages.pipeline_state import Overview
from lockstep.pages.web.pages import application
from tests.fixtures.browser import Browser, chromium
from tests.fixtures.orders import PROJECT
from tests.fixtures.servers import serving
from tests.lockstep.pages.conftest import ASIDE, BLOCKED, BROKEN

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(chromium() is None, reason="chromium is not on the PATH"),
]

PATHS = (
    "/",
    f"/finding/orders/daily/batch?check=decoding&partition={BLOCKED}",
    f"/quarantine/orders/daily?partition={ASIDE}&row=0",
)
CUT_OFF = """
[...document.querySelectorAll('main *')].filter(one => !one.closest('.scroll, .hidden, svg')
  && (one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflowX !== 'visible'
      || one.getBoundingClientRect().right > innerWidth + 1))
  .map(one => one.outerHTML.slice(0, 200))
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture
def url(troubled) -> Iterator[str]:
    """The address of the pages of a home in trouble."""
    overview = Overview(PROJECT)
    overview.states(60)
    with serving(application(overview)) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False)])
def test_no_text_is_cut_off_and_nothing_overflows(
    browser: Browser, url: str, width: int, dark: bool
) -> None:
    browser.errors.clear()
    browser.show(width, 900, dark=dark)
    for path in PATHS:
        browser.open(f"{url}{path}")
        assert browser.run("document.documentElement.scrollWidth <= innerWidth"), path
        assert browser.run(CUT_OFF) == [], path
    assert browser.errors == []
    assert browser.run("window.hacked ?? null") is None


def test_all_that_a_page_loads_comes_from_it(browser: Browser, url: str) -> None:
    browser.open(f"{url}/")
    loaded = browser.run("performance.getEntriesByType('resource').map(one => one.name)")
    assert loaded
    assert [name for name in loaded if not name.startswith((f"{url}/", "data:"))] == []


def test_the_colours_follow_the_browsers_scheme(browser: Browser, url: str) -> None:
    shown = []
    for dark in (False, True):
        browser.show(1280, 900, dark=dark)
        browser.open(f"{url}/")
        shown.append(browser.run("getComputedStyle(document.body).backgroundColor"))
    assert len({*shown}) == 2


def test_a_person_reads_what_failed_on_which_column_and_what_to_do_without_scrolling(
    browser: Browser, url: str
) -> None:
    browser.show(1280, 900)
    browser.open(f"{url}/")
    text = browser.run(
        "[...document.querySelectorAll('main h3, main h3 + p, main .todo')]"
        ".filter(one => one.getBoundingClientRect().bottom < innerHeight)"
        ".map(one => one.innerText).join('\\n')"
    )
    assert "decoding failed on column price" in text
    assert f"lockstep score orders --day {BLOCKED}" in text
    assert f"lockstep score orders --day {BROKEN}" in text
