"""Prometheus' rules and Grafana's dashboard: they ask for metrics that there are, and are valid."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from lockstep.cli.servers import Ports
from lockstep.pages.batch_metrics import GAUGES
from lockstep.serving.metrics import Metrics

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
RULES = [
    rule
    for group in yaml.safe_load((DEPLOY / "prometheus-rules.yaml").read_text())["groups"]
    for rule in group["rules"]
]
EXPRESSIONS = [
    target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())
]
_ENDS = re.compile(r"_(total|bucket|sum|count)$")
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed"
)


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)


def metrics() -> set[str]:
    """The metrics of a server and of batches."""
    of_server = re.findall(r"^# TYPE (\S+)", Metrics("orders").text().decode(), re.MULTILINE)
    return {_ENDS.sub("", name) for name in of_server} | {f"lockstep_{name}" for name in GAUGES}


@pytest.mark.parametrize("expression", [*EXPRESSIONS, *(rule["expr"] for rule in RULES)])
def test_each_metric_that_is_asked_for_exists(expression: str) -> None:
    asked = set(re.findall(r"\blockstep_\w+", expression))
    assert {_ENDS.sub("", name) for name in asked} <= metrics()


def test_each_metric_of_batches_is_on_the_dashboard() -> None:
    shown = " ".join(EXPRESSIONS)
    assert [name for name in GAUGES if f"lockstep_{name}{{" not in shown] == []


def test_each_alert_says_what_and_what_to_do() -> None:
    assert all({"summary", "description"} == {*rule["annotations"]} for rule in RULES)
    assert {rule["labels"]["severity"] for rule in RULES} == {"critical", "warning"}


def test_prometheus_asks_the_page_where_up_serves_it() -> None:
    jobs = yaml.safe_load((DEPLOY / "prometheus.yaml").read_text())["scrape_configs"]
    (batches,) = (job for job in jobs if job["job_name"] == "lockstep-batches")
    assert batches["static_configs"] == [{"targets": [f"127.0.0.1:{Ports().overview}"]}]


@needs_promtool
def test_prometheus_takes_the_settings() -> None:
    checked = promtool("check", "config", "--syntax-only", DEPLOY / "prometheus.yaml")
    assert checked.returncode == 0, checked.stderr


@needs_promtool
def test_prometheus_takes_what_the_dashboard_asks(tmp_path: Path) -> None:
    fixed = [
        each.replace("$__rate_interval", "5m").replace("$pipeline", ".*") for each in EXPRESSIONS
    ]
    rules = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(fixed)]
    (tmp_path / "rules.yaml").write_text(
        yaml.safe_dump({"groups": [{"name": "a", "rules": rules}]})
    )
    checked = promtool("check", "rules", tmp_path / "rules.yaml")
    assert checked.returncode == 0, checked.stderr


CASES = {
    "a blocked day": (
        {'lockstep_events_open{pipeline="orders",kind="blocked"}': "1x150"},
        "LockstepEventOpen",
        {"pipeline": "orders", "kind": "blocked", "severity": "critical"},
    ),
    "drift": (
        {'lockstep_events_open{pipeline="orders",kind="drift"}': "1x150"},
        "LockstepPopulationChanged",
        {"pipeline": "orders", "kind": "drift", "severity": "warning"},
    ),
    "a record that stays damaged": (
        {'lockstep_events_unknown{pipeline="orders"}': "1x150"},
        "LockstepUnknown",
        {"pipeline": "orders", "severity": "warning"},
    ),
    "a page that is down": (
        {'up{job="lockstep-batches",instance="a"}': "0x150"},
        "LockstepPageDown",
        {"job": "lockstep-batches", "instance": "a", "severity": "critical"},
    ),
    "a server that is down": (
        {'up{job="lockstep-servers",instance="a"}': "0x150"},
        "LockstepServerDown",
        {"job": "lockstep-servers", "instance": "a", "severity": "critical"},
    ),
    "a server without a version": (
        {'lockstep_version{pipeline="orders",instance="a"}': "0x150"},
        "LockstepServerNotReady",
        {"pipeline": "orders", "instance": "a", "severity": "critical"},
    ),
    "a server that refuses the live version": (
        {'lockstep_version_refused{pipeline="orders",instance="a"}': "1x150"},
        "LockstepVersionRefusedByServer",
        {"pipeline": "orders", "instance": "a", "severity": "critical"},
    ),
    "a server with another version": (
        {
            'lockstep_version{pipeline="orders",instance="a"}': "1x150",
            'lockstep_version{pipeline="orders",instance="b"}': "2x150",
            'lockstep_live_version{pipeline="orders",instance="page"}': "2x150",
        },
        "LockstepOtherVersionServed",
        {"pipeline": "orders", "instance": "a", "severity": "warning"},
    ),
    "failing requests": (
        {
            'lockstep_requests_total{pipeline="orders",status="200"}': "0+60x150",
            'lockstep_requests_total{pipeline="orders",status="500"}': "0+6x150",
        },
        "LockstepServerErrors",
        {"pipeline": "orders", "severity": "critical"},
    ),
    "slow requests": (
        {
            'lockstep_request_seconds_bucket{pipeline="orders",le="0.5"}': "0+57x150",
            'lockstep_request_seconds_bucket{pipeline="orders",le="1"}': "0+60x150",
            'lockstep_request_seconds_bucket{pipeline="orders",le="+Inf"}': "0+60x150",
        },
        "LockstepServerSlow",
        {"pipeline": "orders", "severity": "warning"},
    ),
    "a full disk": (
        {'lockstep_request_log_failing{pipeline="orders",instance="a"}': "1x150"},
        "LockstepRequestLogFailing",
        {"pipeline": "orders", "instance": "a", "severity": "critical"},
    ),
    "a registry that cannot be read": (
        {'lockstep_registry_failing{pipeline="orders",instance="a"}': "1x150"},
        "LockstepRegistryFailing",
        {"pipeline": "orders", "instance": "a", "severity": "warning"},
    ),
}


def test_each_alert_has_a_case() -> None:
    assert [rule["alert"] for rule in RULES] == [name for _, name, _ in CASES.values()]


@needs_promtool
@pytest.mark.parametrize("case", CASES)
def test_an_alert_fires_in_its_case_and_the_others_are_silent(case: str, tmp_path: Path) -> None:
    series, name, labels = CASES[case]
    tests = {
        "rule_files": [str(DEPLOY / "prometheus-rules.yaml")],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": each, "values": told} for each, told in series.items()],
                "promql_expr_test": [
                    {
                        "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                        "eval_time": "150m",
                        "exp_samples": [
                            {"labels": f'{{alertname="{name}"}}', "value": 1},
                        ],
                    },
                    {
                        "expr": f'ALERTS{{alertname="{name}",alertstate="firing"}}',
                        "eval_time": "150m",
                        "exp_samples": [
                            {
                                "labels": _labels(alertname=name, alertstate="firing", **labels),
                                "value": 1,
                            }
                        ],
                    },
                ],
            }
        ],
    }
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(tests))
    checked = promtool("test", "rules", tmp_path / "tests.yaml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def _labels(**labels: str) -> str:
    named = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return f"ALERTS{{{named}}}"


def test_grafana_knows_every_setting_of_the_dashboard() -> None:
    register_default_plugins()
    read = Dashboard.from_json(DASHBOARD)
    assert _lost(DASHBOARD, json.loads(JSONEncoder().encode(read))) == []


def _lost(given: Any, read: Any, path: str = "") -> list[str]:
    """The settings that are not read as they are given."""
    if isinstance(given, dict) and isinstance(read, dict):
        pairs = [(name, value, read.get(name)) for name, value in given.items()]
    elif isinstance(given, list) and isinstance(read, list) and len(given) == len(read):
        pairs = [(str(place), *both) for place, both in enumerate(zip(given, read, strict=True))]
    else:
        return [] if given == read else [path]
    return [lost for name, value, other in pairs for lost in _lost(value, other, f"{path}/{name}")]
