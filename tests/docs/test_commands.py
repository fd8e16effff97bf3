"""Every command that the documents show is carried out, or at least read by the program it is for.

Commands stand in blocks of `sh` or, with their output, of `console`. Those about the flights of the
demonstration, which takes minutes, are carried out in the projects `orders` and `depots`.
"""

import argparse
import ast
import re
import runpy
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from lockstep.cli.main import app
from lockstep.templates.project_writing import write_project
from orchestration.skews import SKEWS
from tests.fixtures.commands import Lockstep
from tests.fixtures.depots import DEPOTS, deliver_everything
from tests.fixtures.homes import use_home
from tests.fixtures.orders import Checkout, copied_workplace
from tests.fixtures.ports import free_port

ROOT = Path(__file__).parents[2]
PAGES = {
    path.name: path.read_text() for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
}
CLI: Any = typer.main.get_command(app)
DAY, NEXT = "2020-03-01", "2020-03-02"
INSTEAD = {  # what orders and depots have, of what the demonstration or a site of its own has
    "flight_delay": "orders",
    "PIPELINE": "orders",
    "2024-06-03": DAY,
    "2024-06-04": NEXT,
    "2013-04-01": DAY,
    "2013-05-08": DAY,
    "4": "2",  # the second version
    "8f3a01bc": "price",  # a finding that can be accepted
}
KEPT = {  # what is only read by its program, by how it begins, and why
    "python3 -m venv": "test_wheel.py makes an environment",
    ".venv/bin/pip install": "test_wheel.py installs the wheel, without the index of packages",
    "lockstep train": "it takes long: test_demonstration.py carries out that of README.md",
    "lockstep promote": "it needs the version: test_demonstration.py carries out that of README.md",
    "lockstep score wine": "it needs the version: test_demonstration.py carries it out",
    "pytest": "test_wheel.py carries it out in the project that is written",
    "lockstep up": "it runs until Ctrl-C: test_servers.py starts it",
    "lockstep serve": "it runs until Ctrl-C: test_server_commands.py starts it",
    "lockstep log forget": "it needs a server's log: test_server_commands.py carries it out",
    "lockstep withdraw": "it needs such a row: test_table_commands.py carries it out",
    "make": "it trains on all flights, or measures, for minutes",
    "python -m benchmarks": "it measures for minutes",
    "curl": "it needs a server at that very port, and a record in place of {...}",
    "mlflow server": "it needs the site's database and object store",
    "cd": "it is for the shell that goes on",
    "source": "it is for the shell that goes on",
    "export": "it is for the shell that goes on",
    "unset": "it is for the shell that goes on",
    "cp": "it repairs what the demonstration leaves",
    "diff": "it compares what the demonstration leaves",
}


def shown(page: str) -> list[str]:
    """The commands of a page, in order, without their comments."""
    blocks = re.findall(r"^```(sh|console)\n(.*?)^```", PAGES[page], re.MULTILINE | re.DOTALL)
    lines = [
        line.removeprefix("$ ")
        for language, block in blocks
        for line in block.replace("\\\n", " ").splitlines()
        if line and (language == "sh" or line.startswith("$ "))
    ]
    return [re.sub(r"\s+#\s.*", "", line).strip() for line in lines]


SHOWN = {command: page for page in PAGES for command in shown(page)}
READ = [command for command in SHOWN if command.startswith(tuple(KEPT))]
RUN = [command for command in SHOWN if command not in READ]


def test_every_command_stands_in_a_block() -> None:
    beside = re.compile(r"^ {4,}(?:\$ )?(?:lockstep|make|python) .*$", re.MULTILINE)
    assert [line for page in PAGES.values() for line in beside.findall(page)] == []


def test_what_is_kept_from_being_carried_out_is_still_shown() -> None:
    assert [start for start in KEPT if not any(each.startswith(start) for each in READ)] == []
    named = {name for why in KEPT.values() for name in re.findall(r"test_\w+\.py", why)}
    assert named <= {path.name for path in (ROOT / "tests").rglob("test_*.py")}


@dataclass(frozen=True)
class Places:
    """Where commands are carried out: folders of projects with their homes, and a row's key."""

    projects: dict[str, tuple[Path, Path]]
    key: str


@pytest.fixture(scope="module")
def places(second_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Places:
    """A checkout of `orders` with two versions, a day scored and a receiver; and `depots`."""
    folder = tmp_path_factory.mktemp("documents")
    homes = {name: folder / name for name in ("new", "orders", "depots")}
    with pytest.MonkeyPatch.context() as patch:
        with copied_workplace(second_home, homes["orders"], patch) as orders:
            assert orders.score(DAY).ok
            key = orders.store.read("daily/published", DAY).column("order_id")[0].as_py()
        use_home(homes["depots"], patch)
        deliver_everything(homes["depots"] / "upstream")
    checkout = Checkout(folder / "checkout", homes["orders"])
    with (checkout.folder / "pyproject.toml").open("a") as settings:
        address = f"json://127.0.0.1:{free_port()}"
        settings.write(f'[tool.lockstep.alerts.receivers]\nnobody = "{address}"\n')
    (folder / "clone").mkdir()
    roots = {"new": folder / "clone", "orders": checkout.folder, "depots": DEPOTS.root}
    return Places({name: (roots[name], homes[name]) for name in homes}, key)


@pytest.mark.parametrize("command", RUN)
def test_a_command_runs(
    command: str,
    lockstep: Lockstep,
    places: Places,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = shlex.split(command.removeprefix("time "))
    while "=" in words[0]:
        monkeypatch.setenv(*words.pop(0).split("="))
    assert words.pop(0).rpartition("/")[2] == "lockstep", "run it, or keep it with the reason"
    project = {"new": "new", "tables": "depots"}.get(words[0], "orders")
    words = [INSTEAD.get(word, word).replace("orders", project) for word in words]
    if "--key" in words:
        words[words.index("--key") + 1] = places.key
    lockstep.go_to(*places.projects[project])
    if "--pipeline" in words:
        write_project(tmp_path / "bottles")
        lockstep.go_to(tmp_path / "bottles", tmp_path / "home")
        lines = (f"c{at},{at % 70},{at % 7 / 2},{at % 3 == 0}" for at in range(300))
        Path("customers.csv").write_text("\n".join(("id,age,visits,left", *lines)))
    answer = lockstep(*words)
    assert answer.status == (1 if words == ["alerts", "test"] else 0), answer  # nobody listens


def test_the_notebook_shows_each_of_its_objects(lockstep: Lockstep, places: Places) -> None:
    lockstep.go_to(*places.projects["orders"])
    blocks = re.findall(r"```python\n(.*?)```", PAGES["running.md"], re.DOTALL)
    (notebook,) = (each for each in blocks if "trace_row" in each)
    notebook = notebook.replace('"wine"', '"orders"').replace('"KEY"', repr(places.key))
    names: dict[str, Any] = {}
    shown = []
    for line in ast.parse(notebook).body:
        if isinstance(line, ast.Expr) and not ast.unparse(line).startswith("project."):
            shown.append(eval(ast.unparse(line), names)._repr_html_())
        else:
            exec(ast.unparse(line), names)
    assert ["<svg" in html for html in shown] == [True, True, False, True]


@pytest.mark.filterwarnings("ignore::UserWarning")  # MLflow's, of its own hints, at import
@pytest.mark.parametrize("command", READ)
def test_a_command_is_read_by_its_program(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program, *words = shlex.split(command)
    match program:
        case "lockstep":
            parsed(CLI, words)
        case "make":
            assert re.search(rf"^{words[0]}: ", (ROOT / "Makefile").read_text(), re.MULTILINE)
        case "mlflow":
            from mlflow.cli import cli

            parsed(cli, words)
        case "python":
            monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_and_stop)
            monkeypatch.setattr(sys, "argv", words[1:])
            monkeypatch.delitem(sys.modules, f"{words[1]}.__main__", raising=False)
            with pytest.raises(SystemExit) as stop:
                runpy.run_module(words[1], run_name="__main__")
            assert stop.value.code == 0
        case "cp" | "diff":  # beside a copy of the project, in .lockstep/demo/NAME/project
            assert (ROOT / words[0].removeprefix("../../../../")).is_file()
            assert (ROOT / words[1]).exists()
        case "cd" if "project" in words[0]:
            assert Path(words[0]).parent.name in {skew.name for skew in SKEWS}
        case "export":
            assert re.fullmatch(r"(?:LOCKSTEP|OMP|MLFLOW)_\w+=\S+", words[0])
        case _:
            assert words or program == "pytest"


def parse_and_stop(parser: argparse.ArgumentParser, given: Any = None) -> None:
    """Read arguments as `parse_args` does, and end the program there; 2 if it knows one not."""
    _, unknown = parser.parse_known_args(given)
    raise SystemExit(2 if unknown else 0)


def parsed(command: Any, words: list[str]) -> None:
    """Read words as a command of click's does, which raises for what it does not know."""
    context = command.make_context(command.name, list(words))
    if isinstance(getattr(command, "commands", None), dict):
        name, inner, rest = command.resolve_command(
            context, [*context._protected_args, *context.args]
        )
        inner.make_context(name, rest, parent=context)


def known(words: list[str]) -> Any:
    """The innermost command that words name."""
    command = CLI
    for word in words:
        if word not in getattr(command, "commands", {}):
            break
        command = command.commands[word]
    return command


def test_what_the_text_says_of_a_command_is_known_to_it() -> None:
    """Commands within sentences and lists, which may lack arguments: their options exist."""
    pattern = re.compile(r"(?:`|^)lockstep ((?:[^`\n]|(?<=\w)\n)+?)(?:`|  |$)", re.MULTILINE)
    for name, page in PAGES.items():
        for words in (match.split() for match in pattern.findall(page)):
            options = re.findall(r"--[a-z-]+", " ".join(words))
            has = [each for parameter in known(words).params for each in parameter.opts]
            unknown = {*options} - {*has, "--json", "--help", "--install-completion"}
            assert known(words) is not CLI or words[0].startswith("--"), f"{name}: {words}"
            assert not unknown, f"{name}: {words}"


def test_the_tutorial_goes_through_every_skew_of_the_demonstration() -> None:
    tutorial = PAGES["tutorial.md"]
    for skew in SKEWS:
        assert f"✓ {skew.story}\n" in tutorial
        assert re.search(rf"^\| {skew.name} \| .* \| `{skew.column}` \|", tutorial, re.MULTILINE)
        command = " ".join(word for word in skew.command if word != "--json")
        assert f"$ lockstep {command}\n" in tutorial
