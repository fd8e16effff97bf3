"""Servers whose tables are on disk answer as those that have them in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest

from lockstep.serving.versions.served_tables import ServedTables
from lockstep.store.ledger_databases import FOLDER
from tests.fixtures.depots import SCORED, needs

from .conftest import Depots, DepotsClient
from .test_answers import need, versions
from .test_posts import sale
from .test_real_server import Start, ask, forecasts, wait_for_both
from .test_real_server import post as posted

TABLES = ("climate", "article", "sale")


@pytest.fixture
def client(depots: Depots) -> Iterator[DepotsClient]:
    """A client of a server in this process, whose tables are on disk."""
    service = depots.service(tables=ServedTables(depots.tables, TABLES))
    with DepotsClient(service) as found:
        found.look()
        yield found


def databases(depots: Depots) -> list[Path]:
    return [
        path for name in TABLES for path in (depots.ledger(name).folder / FOLDER).glob("*.sqlite")
    ]


def test_a_day_has_the_answers_of_the_batch_path_alone_and_together(
    depots: Depots, client: DepotsClient
) -> None:
    records = needs(SCORED)
    expected = depots.batch(records, versions(depots))
    assert client.forecasts(records) == expected
    assert [client.forecasts([record])[0] for record in records[:9]] == expected[:9]
    assert len(databases(depots)) == 3


def test_posted_and_delivered_rows_count(depots: Depots, client: DepotsClient) -> None:
    told = client.post("/tables/sale", [sale(0), sale(1)])
    assert (told.status, told.json()["new"]) == (200, 2)
    assert client.post("/tables/sale", [sale(1)]).json()["repeated"] == 1
    answered = client.ask([need()]).json()
    assert answered["tables"]["sale"] == told.json()["version"] == versions(depots)["sale"]
    delivered = depots.add("sale", [sale(2)])
    client.look()
    after = client.ask([need()]).json()
    assert after["tables"]["sale"] == delivered
    for answer in (answered, after):
        assert forecasts(answer) == depots.batch([need()], answer["tables"])


def test_the_processes_of_a_server_share_a_database(
    depots: Depots, start: Start, tmp_path: Path
) -> None:
    server = start(workers=2, on_disk=TABLES, TMPDIR=str(tmp_path))
    wait_for_both(server, tmp_path)
    assert len(databases(depots)) == 3
    for number in range(5):
        version = posted(server, sale(number))["version"]
        answers = [ask(server, [need()]) for _ in range(4)]  # a connection each
        assert {answer["tables"]["sale"] for answer in answers} == {version}
        assert forecasts(answers[0]) == depots.batch([need()], answers[0]["tables"])
    assert len(databases(depots)) == 3


def test_a_database_is_opened_once_while_the_rows_behind_it_are_posted_ones(
    depots: Depots, client: DepotsClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lockstep.tables.layered._LEAST_TOP", 5)
    client.post("/tables/sale", [sale(number) for number in range(40)])
    table = depots.ledger("sale").folder / FOLDER
    before = [*table.glob("*.sqlite")]
    digest = Mock(wraps=hashlib.file_digest)
    monkeypatch.setattr(hashlib, "file_digest", digest)
    for _ in range(3):
        client.look()
    assert digest.call_count == 0
    assert [*table.glob("*.sqlite")] == before
