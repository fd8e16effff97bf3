"""Objects in a notebook: a pipeline, a version, a trace and findings have an HTML form."""

from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from assets.orders import ASSETS
from lockstep.checks.pictures import COLORS
from lockstep.checks.reports import CheckReport
from lockstep.columns.html import table, titled
from lockstep.columns.svg import drawing, in_markdown, text
from lockstep.scoring.trace import TracedRow, trace_row
from lockstep.store.quarantine import AsideRow
from lockstep.store.results import CheckResult
from tests.fixtures.orders import PROJECT

GRAPH = ASSETS.pipeline.graph
SVG = "{http://www.w3.org/2000/svg}"


class Read(HTMLParser):
    """The elements and the texts of some HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, _: object) -> None:
        self.elements.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@given(title=st.text(min_size=1), line=st.text(min_size=1), value=st.text(min_size=1, max_size=120))
def test_whatever_a_text_holds_it_is_text(title: str, line: str, value: str) -> None:
    read = Read(titled(title, [line], table([["a", value]], [(0, 1)])))
    assert read.elements == ["div", "strong", "p", "div", "table", "tr", "td", "td"]
    lines = "".join(read.texts).replace("\r\n", "\n").replace("\r", "\n")
    expected = f"{title}{line}a{value}".replace("\r\n", "\n").replace("\r", "\n")
    assert lines == expected


def test_a_pipelines_drawing_has_every_column_and_a_line_from_each_it_comes_from() -> None:
    drawn = ElementTree.fromstring(ASSETS.pipeline._repr_html_()).iter
    assert {each.text for each in drawn(f"{SVG}text")} >= {*GRAPH.order, "fields", "outputs"}
    lines = [
        (source, name)
        for node in GRAPH.nodes.values()
        for source in (*node.inputs, *filter(None, [node.learns]))
        for name in node.gives
    ]
    assert len([*drawn(f"{SVG}path")]) == len(lines)


def test_a_version_shows_its_figures_and_its_graph(live) -> None:
    loaded = live.registry.load("orders", 1)
    read = Read(loaded._repr_html_())
    assert {*loaded.metrics, f"{loaded.rows}", "return_probability"} <= {*read.texts}
    assert "script" not in read.elements


def test_a_trace_shows_the_first_rows_of_every_column_that_may_be_shown(live) -> None:
    loaded = live.registry.load("orders", 1)
    trace = loaded.pipeline.trace(loaded.golden.records)
    texts = Read(trace._repr_html_()).texts
    assert {*trace.columns, *map(str, trace.keys[:5])} <= {*texts}
    hidden = replace(trace, roles={name: "field" for name in trace.roles if name != "country"})
    shown = Read(hidden.take([0])._repr_html_()).texts
    assert "country" not in shown
    assert "price" in shown


def test_a_scored_row_shows_what_is_stored_beside_what_is_computed_now(scored) -> None:
    table_of_day = scored.store.read("daily/published", "2020-03-01")
    key = table_of_day.column("order_id")[0].as_py()
    row = trace_row(ASSETS, PROJECT.home, scored.registry, "2020-03-01", key)
    texts = Read(row._repr_html_()).texts
    assert {key, "stored", "computed now", row.summary, *row.stored} <= {*texts}


def test_a_row_that_was_set_aside_says_why_and_nothing_of_it_differs() -> None:
    aside = AsideRow("one", "batch", "quarantined", "price is negative", {"price": -1.0})
    row = TracedRow("one", 1, None, {}, {"price": -1.0}, GRAPH, aside=aside)
    html = row._repr_html_()
    assert row.summary in Read(html).texts
    assert "background" not in html
    assert COLORS["failed"] not in html


def test_a_finding_shows_its_message_its_picture_and_the_first_value_that_differs() -> None:
    picture = in_markdown(drawing(9, 9, [text(0, 9, "a")]), "around <b>")
    found = CheckResult(
        False,
        "column `risk` differs: <b>",
        column="risk",
        table=[{"key": key, "expected": "1", "actual": "2"} for key in "ab"],
        notes={"the columns around it": picture, "one record": "```json\n{}\n```"},
    )
    html = found._repr_html_()
    assert html.count("background") == 1
    assert [each for each in Read(html).elements if each in ("img", "b")] == ["img"]
    told = CheckReport.found("orders/daily/scored", "reference_sample", "2020-03-01", found)
    lines = "".join(Read(told._repr_html_()).texts)
    assert "reference_sample failed: orders/daily/scored 2020-03-01" in lines
    assert "column `risk` differs: <b>" in lines
    assert "What to do: " in lines
