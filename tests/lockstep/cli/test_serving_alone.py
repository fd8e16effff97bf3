"""A server where only what `deploy/requirements.txt` names is installed."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import httpx
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.fixtures.order_store import ORDER
from tests.fixtures.orders import Checkout
from tests.fixtures.ports import free_port
from tests.fixtures.waiting import await_ready

ROOT = Path(__file__).parents[3]
REQUIREMENTS = [
    Requirement(line)
    for line in (ROOT / "deploy" / "requirements.txt").read_text().splitlines()
    if not line.startswith("#")
]
SERVE = "from lockstep.cli.main import run; run()"


@dataclass
class Served:
    """A server that answers.

    Attributes:
        url: Where.
        said: What it writes to standard output.
        log: What it writes to standard error, each module that it imports among it.
    """

    url: str
    said: Path
    log: Path

    @property
    def imported(self) -> set[str]:
        """The packages that it has imported."""
        return set(re.findall(r"^import time:.*\| +(\w+)", self.log.read_text(), re.MULTILINE))


def required(names: list[str]) -> set[str]:
    """Distributions, with all that they require in turn."""
    found: set[str] = set()
    while names:
        name = canonicalize_name(names.pop())
        if name not in found:
            found.add(name)
            others = map(Requirement, metadata.requires(name) or ())
            names += [
                one.name for one in others if not one.marker or one.marker.evaluate({"extra": ""})
            ]
    return found


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has these distributions of this one, and Lockstep."""
    folder = tmp_path_factory.mktemp("alone")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    for name in required([one.name for one in REQUIREMENTS]):
        distribution = metadata.distribution(name)
        tops = {path.parts[0] for path in distribution.files or ()} - {"..", "__pycache__"}
        for top in tops:
            (packages / top).symlink_to(str(distribution.locate_file(top)))
    (packages / "lockstep").symlink_to(ROOT / "lockstep")
    about = packages / "lockstep_scoring-0.dist-info" / "METADATA"
    about.parent.mkdir()
    about.write_text("Metadata-Version: 2.1\nName: lockstep-scoring\nVersion: 0\n")
    return folder / "bin" / "python"


@pytest.fixture
def served(python: Path, live_checkout: Checkout, tmp_path: Path) -> Iterator[Served]:
    """A server of `orders` in that environment."""
    port = free_port()
    found = Served(f"http://127.0.0.1:{port}", tmp_path / "said", tmp_path / "log")
    with found.said.open("w") as said, found.log.open("w") as log:
        process = subprocess.Popen(
            [python, "-X", "importtime", "-c", SERVE, "serve", "orders", "--port", str(port)],
            cwd=live_checkout.folder,
            env=live_checkout.environment(PYTHONPATH="", PYTHONUNBUFFERED="1"),
            stdout=said,
            stderr=log,
        )
    try:
        await_ready(found.url)
        yield found
    finally:
        process.terminate()
        process.wait()


def test_it_answers_every_protocol_and_tells_of_itself(served: Served) -> None:
    record: dict[str, Any] = {"dataframe_records": [ORDER]}
    table = ",".join(ORDER) + "\na,2020-03-01T12:00:00Z,20.0,2,1.5,,DE,false\n"
    answers = [
        httpx.post(f"{served.url}/invocations", json=record),
        httpx.post(f"{served.url}/invocations?explain=trace", json=record),
        httpx.post(
            f"{served.url}/invocations", content=table, headers={"content-type": "text/csv"}
        ),
        *(
            httpx.get(f"{served.url}{path}")
            for path in ("/", "/docs", "/metrics", "/openapi.json", "/page/version", "/version")
        ),
        httpx.get(f"{served.url}/v2/models/orders"),
    ]

    assert [one.status_code for one in answers] == [200] * len(answers)
    assert answers[0].json() == answers[2].json()
    assert "MLflow is not installed here" in served.said.read_text()
    assert "Traceback" not in served.log.read_text()


def test_it_imports_each_of_them_and_nothing_else(served: Served) -> None:
    httpx.post(f"{served.url}/invocations", json={"dataframe_records": [ORDER]})
    modules = {"scikit-learn": "sklearn"}
    asked = {modules.get(one.name, one.name.replace("-", "_")) for one in REQUIREMENTS}

    assert asked - served.imported == {"treelite"}  # this pipeline has no trees
    assert not {"dagster", "great_expectations", "matplotlib", "mlflow"} & served.imported
