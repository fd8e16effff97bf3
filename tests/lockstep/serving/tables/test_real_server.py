"""Real servers of a version that reads tables: asked under load, killed, and in two processes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest

from lockstep.serving.requestlog.log_segments import read_segment, segment_names, segment_path
from lockstep.store.ledger_parts import PartFiles
from tests.fixtures.depots import SCORED, needs
from tests.fixtures.servers import Server
from tests.fixtures.waiting import wait_until

from .conftest import Depots
from .test_answers import NOON, need, versions
from .test_posts import sale

Start = Callable[..., Server]

KILLS = """
import os, signal
from lockstep.store.ledger_tails import Tail
append = Tail.append
def killed(self, *arguments):
    append(self, *arguments)
    os.kill(os.getpid(), signal.SIGKILL)
Tail.append = killed
"""


def is_ready(answer: httpx.Response) -> bool:
    return answer.status_code == 200


def ask(server: Server, records: Any, client: httpx.Client | None = None) -> Any:
    """Answers, over a connection of its own unless a client is given."""
    return sent(server, "/invocations", {"dataframe_records": records}, client)


def post(server: Server, rows: Any) -> Any:
    return sent(server, "/tables/sale", rows)


def sent(server: Server, path: str, body: Any, client: httpx.Client | None = None) -> Any:
    with nullcontext(client) if client else httpx.Client(verify=False) as used:
        answer = used.post(f"{server.url}{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def wait_for_both(server: Server, folder: Path) -> None:
    """Wait until both of its workers serve: each then keeps its metrics below a folder."""
    server.wait(is_ready)
    wait_until(lambda: len([*folder.glob("lockstep-metrics-*/gauge_livesum_*.db")]) == 2)


def forecasts(answered: Any) -> list[float]:
    return [row["forecast"] for row in answered["predictions"]]


def test_every_answer_under_load_is_that_of_the_batch_path_at_the_versions_that_it_names(
    depots: Depots, start: Start, tmp_path: Path
) -> None:
    """While rows are posted and delivered, nothing is refused and no version is left again."""
    records, answers, done = needs(SCORED)[:8], [[], [], []], Event()
    server = start(log_folder=str(tmp_path / "log"))
    server.wait(is_ready)

    def load(own: list[Any]) -> None:
        with httpx.Client(verify=False) as client:
            while not done.is_set():
                own.append(ask(server, records, client))

    threads = [Thread(target=load, args=(own,)) for own in answers]
    for thread in threads:
        thread.start()
    for number in range(12):
        record = records[number % len(records)]
        where = {"depot": record["depot"], "article": record["article"]}
        sold = {**where, "sold_at": "2020-02-29T20:00:00Z", "sold": 30.0 + number}
        if number % 4 == 3:
            delivered = depots.add("sale", [{**sold, "sold": float(n)} for n in range(300)])
            server.wait(lambda answer, v=delivered: answer.json()["tables"]["sale"]["version"] == v)
        else:
            version = post(server, sold)["version"]
            assert ask(server, records)["tables"]["sale"] == version
    done.set()
    for thread in threads:
        thread.join()

    order = {
        version: place for place, version in enumerate(dict.fromkeys(_versions_in_order(depots)))
    }
    expected: dict[str, list[float]] = {}
    for own in answers:
        read = [answer["tables"]["sale"] for answer in own]
        places = [order[version] for version in read]
        assert places == sorted(places)
        for answer, version in zip(own, read, strict=True):
            if version not in expected:
                expected[version] = depots.batch(records, answer["tables"])
            assert forecasts(answer) == expected[version]
    assert len(expected) > 5
    server.stop()
    logged = [
        read_segment(segment_path(tmp_path / "log", name))
        for name in segment_names(tmp_path / "log")
    ]
    seen = {tables["sale"] for segment in logged for tables in segment.requests.tables}
    assert seen >= set(expected)


def _versions_in_order(depots: Depots) -> list[str]:
    ledger = depots.ledger("sale")
    found = []
    for part in ledger.parts():
        inside: list[str] = []
        if part.posted and part.sha256:
            _, inside = PartFiles(ledger.folder, ledger.schema).columns_and_versions(part)
        found += [*inside, part.version]
    return found


@pytest.mark.long
def test_a_server_that_is_killed_before_it_answers_has_posted_the_row(
    depots: Depots, start: Start
) -> None:
    before = versions(depots)["sale"]
    server = start(before=KILLS)
    server.wait(is_ready)
    with pytest.raises(httpx.TransportError):
        post(server, sale())
    server.end()
    assert versions(depots)["sale"] != before

    server = start()
    server.wait(is_ready)

    again = post(server, sale())
    assert (again["new"], again["repeated"]) == (0, 1)
    assert ask(server, [need()])["tables"]["sale"] == again["version"]


def test_what_one_process_takes_the_others_count_with_the_next_request(
    depots: Depots, start: Start, tmp_path: Path
) -> None:
    server = start(workers=2, TMPDIR=str(tmp_path))
    wait_for_both(server, tmp_path)
    for number in range(20):
        version = post(server, sale(number))["version"]
        read = {ask(server, [need()])["tables"]["sale"] for _ in range(6)}  # a connection each
        assert read == {version}
    later = [need(at=NOON + timedelta(hours=1))]
    answered = ask(server, later)
    assert forecasts(answered) == depots.batch(later, answered["tables"])


def test_a_server_becomes_ready_with_the_first_delivery(depots: Depots, start: Start) -> None:
    folder = depots.ledger("sale").folder
    depots.ledger("sale").high_water.path.unlink()
    folder.rename(folder.with_name("away"))
    server = start()
    server.wait(lambda answer: "--deliver" in str(answer.json()["refused"]))

    folder.with_name("away").rename(folder)

    assert server.wait(is_ready).json()["tables"]["sale"]["trouble"] is None
    assert forecasts(ask(server, [need()])) == depots.batch([need()], versions(depots))
