"""`lockstep new`: what it says, and what it says to wrong use."""

import json
import sys
from pathlib import Path

import pytest
from pyarrow import parquet

from lockstep.cli.main import main
from tests.fixtures.commands import Lockstep

TABLE = "order,size,paid\n" + "".join(
    f"A{number},{number % 7},{'yes' if number % 7 > 3 else 'no'}\n" for number in range(50)
)


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs the command in an empty folder, or one below it: its exit status and what it prints."""

    def run(*arguments: str, folder: str = ".") -> tuple[int, str]:
        monkeypatch.chdir(tmp_path / folder)
        monkeypatch.setattr(sys, "argv", ["lockstep", "new", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        found = capsys.readouterr()
        return int(stop.value.code or 0), found.out + found.err

    return run


def test_a_new_project_says_what_to_do_next(said, tmp_path: Path) -> None:
    status, out = said("shop")
    assert status == 0
    assert "cd shop\n  lockstep train wine\n" in out
    assert (tmp_path / "shop" / "transforms" / "wine.py").is_file()


def test_a_pipeline_for_a_table_says_what_was_proposed(said, tmp_path: Path) -> None:
    said("shop")
    (tmp_path / "orders.csv").write_text(TABLE)
    status, out = said("--pipeline", "orders", "--from", "../orders.csv", folder="shop")
    assert status == 0, out
    assert "Predicted is paid, whether it is yes (another: --label COLUMN).\norder tells" in out
    assert "lockstep train orders" in out


def test_a_column_that_only_could_be_the_key_is_named(said, tmp_path: Path) -> None:
    said("shop")
    rows = [line.split(",") for line in TABLE.splitlines()]
    table = "\n".join(f"{size},{order},{paid}" for order, size, paid in rows)
    (tmp_path / "lines.csv").write_text(table.replace("order", "line"))
    status, out = said("--pipeline", "lines", "--from", "../lines.csv", folder="shop")
    assert status == 0, out
    assert "numbered within each file, from 0 (different in each row: --key line)." in out


def test_a_pipeline_is_added_from_any_folder_of_the_project(said, tmp_path: Path) -> None:
    said("shop")
    status, out = said("--pipeline", "parcels", folder="shop/transforms")
    assert status == 0, out
    assert "Wrote expectations/parcels.py" in out
    assert (tmp_path / "shop" / "assets" / "parcels.py").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Say what to write"),
        (("shop", "--pipeline", "orders"), "Say what to write"),
        (("shop", "--from", "orders.csv"), "first `lockstep new shop`, then there"),
        (("--pipeline", "orders", "--label", "paid"), "say which with --from FILE"),
        (("--pipeline", "orders"), "There is no Lockstep project in"),
        (("--pipeline", "orders", "--from", "orders.csv"), "There is no Lockstep project in"),
    ],
    ids=["nothing", "both", "table without pipeline", "label alone", "nowhere", "table, nowhere"],
)
def test_wrong_use_is_one_clear_line(said, arguments: tuple[str, ...], message: str) -> None:
    status, out = said(*arguments)
    assert status == 2
    (line,) = out.splitlines()
    assert message in line


def test_a_table_that_is_not_there_is_one_clear_line(said) -> None:
    said("shop")
    status, out = said("--pipeline", "orders", "--from", "nowhere.csv", folder="shop")
    assert (status, out) == (2, "error: nowhere.csv: no such file.\n")


def test_a_table_of_ones_own_goes_from_file_to_published_predictions(
    lockstep: Lockstep, tmp_path: Path
) -> None:
    rows = ["Order No.,Größe,class,sent on,paid?"]
    for number in range(120):
        size = "" if number % 11 == 0 else f"{number % 17 / 4}"
        paid = "yes" if number % 17 > 8 else "no"
        rows.append(f"A{number:03},{size},{'xyz'[number % 3]},2024-01-{number % 28 + 1:02},{paid}")
    (tmp_path / "orders.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    shop = tmp_path / "shop"
    lockstep.go_to(tmp_path, shop / ".lockstep")
    assert lockstep("new", "shop").status == 0
    lockstep.go_to(shop, shop / ".lockstep")
    for command in (
        ("new", "--pipeline", "orders", "--from", "../orders.csv"),
        ("train", "orders"),
        ("promote", "orders"),
    ):
        answer = lockstep(*command)
        assert answer.status == 0, answer
    scored = lockstep("score", "orders", "--file", "../orders.csv", "--json")
    assert scored.status == 0, scored
    (run,) = json.loads(scored.out)["runs"]
    published = parquet.read_table(run["materialized"]["orders/inbox/published"]["path"])
    assert published.num_rows == 120
    assert set(published.column("predicted_paid").to_pylist()) == {"yes", "no"}
