"""The examples in `deploy/`: their figures go with the server's own, and with one another."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from lockstep.serving.http.access import OPEN
from lockstep.serving.http.server import KEEP_SECONDS, STOP_SECONDS
from lockstep.serving.versions.request_limits import RequestLimits

DEPLOY = Path(__file__).parents[2] / "deploy"
LIMITS = RequestLimits()


@pytest.fixture(scope="module")
def nginx() -> dict[str, str]:
    """The settings of nginx that there is one of."""
    text = re.sub(r"#.*", "", (DEPLOY / "nginx.conf").read_text())
    return dict(re.findall(r"^\s*(\w+)\s+([^;{]+);", text, re.MULTILINE))


@pytest.fixture(scope="module")
def pod() -> dict[str, Any]:
    parts = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
    (deployment,) = (part for part in parts if part["kind"] == "Deployment")
    found: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return found


def seconds(value: str) -> int:
    assert value.endswith("s")
    return int(value[:-1])


def drain_of(arguments: list[str]) -> int:
    return int(arguments[arguments.index("--drain") + 1])


def dockerfile_command() -> list[str]:
    (command,) = re.findall(r"^CMD \[(.*)\]$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    return re.findall(r'"([^"]*)"', command)


def test_the_image_has_the_libraries_of_the_project_s_own_ranges() -> None:
    project = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text())["project"]
    lines = (DEPLOY / "requirements.txt").read_text().splitlines()
    required = [line for line in lines if not line.startswith("#")]

    assert required == [one for one in project["dependencies"] if one in required]


def test_what_the_image_is_made_of_is_let_into_its_build() -> None:
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", (DEPLOY / "Dockerfile").read_text(), re.M)
    let_in = (DEPLOY / "Dockerfile.dockerignore").read_text().split()

    names = {name.rstrip("/") for line in copied for name in line.split()}
    assert {f"!{name}" for name in names} == {one for one in let_in if one.startswith("!")}
    assert all((DEPLOY.parent / name).exists() for name in names)


def test_nginx_takes_the_bodies_that_a_server_takes(nginx: dict[str, str]) -> None:
    assert nginx["client_max_body_size"] == f"{LIMITS.body_bytes // 2**20}m"
    assert seconds(nginx["client_body_timeout"]) <= LIMITS.read_seconds
    assert seconds(nginx["proxy_send_timeout"]) <= LIMITS.read_seconds


def test_nginx_waits_for_longer_than_an_answer_takes(nginx: dict[str, str]) -> None:
    assert seconds(nginx["proxy_read_timeout"]) > LIMITS.seconds


def test_what_is_slow_is_not_sent_again_and_what_finds_no_server_is(nginx: dict[str, str]) -> None:
    until = seconds(nginx["proxy_next_upstream_timeout"])

    assert seconds(nginx["proxy_connect_timeout"]) < until < seconds(nginx["proxy_read_timeout"])


def test_nginx_lets_connections_go_before_a_server_does(nginx: dict[str, str]) -> None:
    assert seconds(nginx["keepalive_timeout"]) < KEEP_SECONDS


def test_nginx_leaves_a_server_alone_for_less_than_the_other_one_drains() -> None:
    (drain, also) = re.findall(r"--port \d+ --drain (\d+)", (DEPLOY / "README.md").read_text())
    failing = re.findall(r"fail_timeout=(\d+)s", (DEPLOY / "nginx.conf").read_text())

    assert int(drain) == int(also) > max(map(int, failing))


def test_a_pod_is_given_the_time_in_which_its_server_leaves(pod: dict[str, Any]) -> None:
    (container,) = pod["containers"]

    assert pod["terminationGracePeriodSeconds"] > drain_of(container["args"]) + STOP_SECONDS


def test_a_pod_is_probed_where_no_token_is_asked_for(pod: dict[str, Any]) -> None:
    (container,) = pod["containers"]
    probes = [container[f"{kind}Probe"] for kind in ("startup", "readiness", "liveness")]

    assert {probe["httpGet"]["path"] for probe in probes} <= OPEN


def test_an_image_runs_what_its_pod_does(pod: dict[str, Any]) -> None:
    (container,) = pod["containers"]

    assert container["args"] == dockerfile_command()
