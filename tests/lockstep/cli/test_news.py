"""News: who watches is told of each file once, with what to do where that is anything."""

from pathlib import Path

import pytest

from lockstep.checks.fates import Inbox
from lockstep.cli.servers import News
from lockstep.store.partition_records import Records

FILE = "monday-0123456789ab.csv"


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    """An inbox with a file that was claimed."""
    again = "lockstep score orders --file {}".format
    records = Records(tmp_path / "data" / "orders" / "inbox", again, exported="published")
    path = tmp_path / "inbox" / "orders" / "claimed" / FILE
    path.parent.mkdir(parents=True)
    path.write_text("name\na\n")
    return Inbox("orders", tmp_path / "inbox" / "orders", records)


def news_of(news: News) -> list[str]:
    """The lines without the time."""
    return [line[10:] for line in news.lines("http://127.0.0.1:3000")]


def test_a_file_that_arrives_is_news_once(inbox: Inbox) -> None:
    news = News([inbox])
    list(inbox.untold())
    assert news_of(news) == [f"orders  waiting: {FILE}: it is complete and will be scored."]
    assert news_of(news) == []


def test_what_was_told_before_somebody_watched_is_no_news(inbox: Inbox) -> None:
    list(inbox.untold())
    assert news_of(News([inbox])) == []


def test_what_went_wrong_is_told_with_where_and_what_to_do(inbox: Inbox) -> None:
    news = News([inbox])
    inbox.tell(FILE, OSError("the disk is full"))
    assert news_of(news) == [
        f"orders  failed: {FILE}: it could not be scored: the disk is full",
        f"Where: inbox/orders/claimed/{FILE}",
        f"What to do: Put that right; then: `lockstep score orders --file {FILE}`",
    ]


def test_what_is_never_scored_is_told_once(inbox: Inbox) -> None:
    (inbox.folder / "rows.xlsx").write_bytes(b"PK")
    (inbox.folder / "link.csv").symlink_to(inbox.folder / "claimed" / FILE)
    news = News([inbox])
    inbox.tell_left()
    assert [line for line in news_of(news) if ": " in line and "left" in line] == [
        "orders  left: link.csv is a link; it is left alone.",
        "orders  left: rows.xlsx is none of .csv, .parquet, .jsonl; it is left alone.",
    ]
    assert news_of(news) == []
