"""What was found of which column is told of the last partitions, whatever became of them."""

from assets.orders import ASSETS
from lockstep.pages.web.pages import findings_by_column, last_partitions
from tests.fixtures.order_store import orders_of

GRAPH = ASSETS.pipeline.graph
DAYS = ("2020-03-01", "2020-03-02")


def test_days_that_were_blocked_are_among_the_last_ones(scored) -> None:
    frame = orders_of("2020-03-03")
    scored.deliver(
        "2020-03-03", frame.assign(price=frame["price"] * 1000, weight=frame["weight"] * 1000)
    )
    assert not scored.publishes("2020-03-03")
    records = scored.records()
    assert last_partitions(records, "2020-03-03") == [*DAYS, "2020-03-03"]
    found = list(findings_by_column(records, "2020-03-03", GRAPH))
    assert "price" in {one.column for one in found if one.result == "failed"}
    assert any(one.is_beside for one in found)
    outputs = {one.result for one in found if one.column in GRAPH.outputs}
    assert outputs == {"not_judged"}


def test_days_after_it_are_no_days_before_it(scored) -> None:
    assert last_partitions(scored.records(), DAYS[0]) == [DAYS[0]]


def test_a_day_whose_record_is_damaged_is_told(scored) -> None:
    attempt = scored.attempt(DAYS[0])
    (attempt.folder / "record.json").write_text("{")
    (found,) = findings_by_column(scored.records(), DAYS[0], GRAPH)
    assert (found.column, found.result) == ("(record)", "failed")
