"""Any record is computed by two sides: a version, and its server, the checkout or another one."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assets.orders import ASSETS
from lockstep.checks.pictures import COLORS, Cell, divergence_picture, findings_picture
from lockstep.columns.graph import Graph
from lockstep.columns.nodes import Column
from lockstep.columns.svg import CHARACTER
from lockstep.errors import LockstepError
from lockstep.scoring.sides import TwoSides, read_record, two_sides
from tests.fixtures.orders import PROJECT

ORDER = {
    "order_id": "one",
    "sent_at": "2020-03-01T10:00:00Z",
    "price": 120.0,
    "items": 3,
    "weight": 6.5,
    "coupons": None,
    "country": "DE",
    "gift": False,
}
HEAVIER = ("return weight > 5", "return weight > 7")


Compute = Callable[..., TwoSides]


@pytest.fixture
def computed(live, tmp_path: Path) -> Compute:
    """Computes the order by the live version and something else."""

    def compute(declared=ASSETS, **options: object) -> TwoSides:
        file = tmp_path / "order.json"
        file.write_text(json.dumps(ORDER))
        record = read_record(file, declared.pipeline, None)
        return two_sides(declared, live.registry, record, **options)

    return compute


@pytest.fixture
def heavier(computed: Compute, edited_orders) -> TwoSides:
    """The order, computed by a checkout in which a column is edited, too."""
    return computed(edited_orders(HEAVIER), against="checkout")


def test_a_version_and_its_server_compute_the_same(computed: Compute) -> None:
    found = computed()
    assert found.agrees
    assert found.values["price_per_item"] == (40.0, 40.0)
    assert found.impact == "No output differs."


def test_an_edited_column_is_the_first_to_differ_and_the_outputs_tell_what_it_costs(
    heavier: TwoSides,
) -> None:
    first = heavier.comparison.first
    assert first is not None
    assert first.column == "is_heavy"
    assert first.origin is not None
    assert first.origin.file.endswith("orders.py")
    assert heavier.values["is_heavy"] == (True, False)
    assert "risk" in heavier.outputs
    assert heavier.impact.startswith("Outputs: risk 0.")


def test_the_test_of_a_models_difference_fails_as_printed_in_the_projects_folder(
    live, computed: Compute, edited_orders, monkeypatch: pytest.MonkeyPatch
) -> None:
    stronger = live.fit(edited_orders(("LogisticRegression(C=10.0", "LogisticRegression(C=0.01")))
    first = computed(against=stronger).comparison.first
    assert first is not None
    assert first.reproducer is not None
    assert first.column == "return_probability"
    monkeypatch.chdir(PROJECT.root)
    names: dict[str, Any] = {}
    exec(compile(first.reproducer.test, "reproducer", "exec"), names)
    with pytest.raises(AssertionError, match="expected "):
        names["test_return_probability_is_as_expected"]()


def test_a_model_that_no_version_has_is_told(computed: Compute, edited_orders) -> None:
    head = "@model(learns=came_back, uses=['price'])"
    body = "def spare() -> Any:\n    return LogisticRegression()"
    declared = edited_orders(("PIPELINE = ", f"{head}\n{body}\n\n\nPIPELINE = "))
    with pytest.raises(LockstepError, match="no model for spare"):
        computed(declared, against="checkout")


@pytest.mark.parametrize(
    ("file", "text", "key", "said"),
    [
        ("a.json", json.dumps({**ORDER, "price": "dear"}), None, "price: 'dear' is text"),
        ("a.jsonl", "\n".join(json.dumps({**ORDER, "order_id": k}) for k in "ab"), None, "--key a"),
        ("a.jsonl", json.dumps(ORDER), "two", "holds no record 'two'; it has one"),
        ("a.json", "[]", None, "holds no record"),
        ("a.txt", "one", None, "its kind is not known"),
    ],
)
def test_a_file_without_one_such_record_is_told(
    tmp_path: Path, file: str, text: str, key: str | None, said: str
) -> None:
    (tmp_path / file).write_text(text)
    with pytest.raises(LockstepError, match=said):
        read_record(tmp_path / file, ASSETS.pipeline, key)


def test_a_record_of_a_table_is_found_by_its_key(tmp_path: Path) -> None:
    lines = [json.dumps({**ORDER, "order_id": key, "items": n}) for n, key in enumerate("abc", 1)]
    (tmp_path / "orders.jsonl").write_text("\n".join(lines))
    record = read_record(tmp_path / "orders.jsonl", ASSETS.pipeline, "b")
    assert record["items"].tolist() == [2]


def test_the_first_divergent_column_is_marked_with_the_values_of_both_sides(
    heavier: TwoSides, edited_orders
) -> None:
    graph, first = edited_orders(HEAVIER).pipeline.graph, heavier.comparison.first
    assert first is not None
    drawn = divergence_picture(graph, first.column, heavier.values, heavier.names, heavier.key)
    assert drawn.count("stroke-width='2.5'") == 1
    assert ">True → False<" in drawn
    assert "weight: 6.5" in drawn
    assert ">country<" not in drawn  # is_heavy neither comes from it nor goes into it


def test_a_picture_of_a_wide_graph_is_of_bounded_size() -> None:
    about = {"inputs": ("price",), "function": lambda price: price * 2, "kind": None}
    nodes = [Column(name=f"f{number}", role="feature", **about) for number in range(500)]
    graph = Graph(nodes, ASSETS.pipeline.record_schema, None)
    values = dict.fromkeys(graph.order, (1.0, 1.0))
    drawn = divergence_picture(graph, "price", values, ("a", "b"), "one")
    assert drawn.count("<g>") == 24
    assert "other columns are not drawn" in drawn


def test_a_line_to_a_column_further_down_leads_round_the_boxes_between() -> None:
    graph = ASSETS.pipeline.graph
    values = dict.fromkeys(graph.order, (1.0, 1.0))
    drawn = divergence_picture(graph, graph.outputs[0], values, ("a", "b"), "")
    found = re.findall(r"<rect x='([\d.]+)' y='([\d.]+)' width='190'", drawn)
    boxes = [(float(left), float(top)) for left, top in found]
    feet = re.findall(r"([\d.]+) [\d.]+ V([\d.]+)", drawn)  # of a row
    assert feet
    for x, y in ((float(x), float(y)) for x, y in feet):
        assert not [
            box for box in boxes if box[1] < y <= box[1] + 46 and box[0] <= x <= box[0] + 190
        ]


def test_a_caption_is_as_wide_as_its_picture() -> None:
    graph = ASSETS.pipeline.graph
    sides = ("version 1", "this checkout with the models of version 1, and with its own suites")
    drawn = divergence_picture(graph, "weight", {}, sides, "one")
    width = float(re.findall(r"width='([\d.]+)'", drawn)[0])
    lines = re.findall(r">([^<]*)</text>", drawn)
    assert any("above it" in line for line in lines)
    assert max(map(len, lines)) * CHARACTER < width


def test_of_several_findings_of_a_column_and_day_the_worst_is_shown() -> None:
    days = [f"2020-03-0{number}" for number in range(1, 8)]
    cells = [
        Cell("items", days[0], "passed"),
        Cell("items", days[1], "passed"),
        Cell("price", days[0], "warned", "input_drift"),
        Cell("price", days[0], "failed", "<jumped>"),
    ]
    drawn = findings_picture(cells, days)
    assert "2020-03-01: input_drift, &lt;jumped&gt;" in drawn
    assert drawn.index(">price<") < drawn.index(">items<")
    assert drawn.count(COLORS["warned"]) == 1  # in the legend
    assert drawn.count(COLORS["passed"]) == 2  # days side by side are one piece
    assert re.findall(r">(2020-03-0\d)<", drawn) == [days[0], days[5]]  # which there is room for


def test_a_column_that_a_finding_names_beside_another_is_drawn_paler() -> None:
    day = "2020-03-01"
    cells = [Cell("order_id", day, "warned", "restated")]
    cells += [Cell("price", day, "warned", "restated", is_beside=True)]
    drawn = findings_picture([Cell("price", day, "passed"), *cells], [day])
    assert drawn.count(COLORS["warned"]) == drawn.count(COLORS["warned beside"]) == 2
    assert ">no finding<" in drawn


def test_of_many_columns_those_with_findings_are_drawn_first() -> None:
    day = "2020-03-01"
    cells = [Cell(f"c{number}", day, "passed") for number in range(2000)]
    drawn = findings_picture([*cells, Cell("c1999", day, "warned", "constraints")], [day])
    assert drawn.index(">c1999<") < drawn.index(">c0<")
    assert "1960 other columns: passed at worst" in drawn
    assert len(drawn) < 10_000


def test_a_notebook_marks_the_first_value_that_differs_and_draws_the_columns_around_it(
    heavier: TwoSides,
) -> None:
    html = heavier._repr_html_()
    (row,) = re.findall(r"<tr>((?:(?!</tr>).)*background(?:(?!</tr>).)*)</tr>", html)
    assert re.findall(r">([^<]+)</td>", row) == ["is_heavy", "feature", "True", "False"]
    assert re.search(r"<td style='[^']*background[^']*'>False</td>$", row)
    assert "stroke-width='2.5'" in html
