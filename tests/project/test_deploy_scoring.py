"""The examples in `deploy/` of Dagster on PostgreSQL, and of scoring in Kubernetes."""

import re
import shutil
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._config import process_config

from assets.flight_delay import ASSETS
from lockstep.dagster.instance import lacking_settings, open_instance, prepare_instance
from lockstep.project.home import Home
from tests.fixtures.homes import use_home
from tests.fixtures.postgres import Postgres, running_postgres

DEPLOY = Path(__file__).parents[2] / "deploy"
HOME = "/home/lockstep/home"


def objects(file: str) -> list[dict[str, Any]]:
    """The objects of a file for Kubernetes."""
    return list(yaml.safe_load_all((DEPLOY / file).read_text()))


def named(kind: str, name: str) -> dict[str, Any]:
    """An object of the scoring example."""
    every = objects("kubernetes-scoring.yaml")
    (found,) = (each for each in every if (each["kind"], each["metadata"]["name"]) == (kind, name))
    return found


def templates() -> dict[str, dict[str, Any]]:
    """The pods of the scoring example by name, as their owners have them."""
    pods: dict[str, dict[str, Any]] = {}
    for each in objects("kubernetes-scoring.yaml"):
        if each["kind"] == "Deployment":
            pods[each["metadata"]["name"]] = each["spec"]["template"]
        elif each["kind"] == "RayCluster":
            pods["head"] = each["spec"]["headGroupSpec"]["template"]
            for group in each["spec"]["workerGroupSpecs"]:
                pods[group["groupName"]] = group["template"]
    return pods


def arguments(pod: str) -> list[str]:
    (container,) = templates()[pod]["spec"]["containers"]
    found: list[str] = container["args"]
    return found


def settings() -> dict[str, str]:
    """The environment variables of the pods that carry out runs."""
    found: dict[str, str] = named("ConfigMap", "lockstep-settings")["data"]
    return found


def of_kubernetes(file: str) -> dict[str, Any]:
    """A file of Dagster's in the scoring example."""
    found: dict[str, Any] = yaml.safe_load(named("ConfigMap", "lockstep-dagster")["data"][file])
    return found


def added(whole: dict[str, Any], part: dict[str, Any], place: str = "") -> set[str]:
    """The settings of one document that another one lacks; what both have has to be alike."""
    assert part.keys() <= whole.keys(), place
    for name, value in part.items():
        if not isinstance(value, dict):
            assert whole[name] == value, f"{place}{name}"
    return {f"{place}{name}" for name in whole.keys() - part.keys()}.union(
        *(
            added(whole[name], value, f"{place}{name}.")
            for name, value in part.items()
            if isinstance(value, dict)
        )
    )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    use_home(tmp_path, monkeypatch)
    return Home(tmp_path)


def test_dagster_on_postgresql_has_all_settings_of_a_new_home(home: Home) -> None:
    own = yaml.safe_load(prepare_instance(home).joinpath("dagster.yaml").read_text())
    shared = yaml.safe_load((DEPLOY / "dagster.yaml").read_text())

    assert added(shared, own) == {"storage", "retention"}


def test_lockstep_leaves_that_file_as_it_is_and_misses_nothing(home: Home) -> None:
    home.dagster.mkdir()
    file = Path(shutil.copy(DEPLOY / "dagster.yaml", home.dagster))
    prepare_instance(home)  # which refuses a driver by which Dagster fails

    assert file.read_bytes() == (DEPLOY / "dagster.yaml").read_bytes()
    assert lacking_settings(home) == []


def test_dagster_in_kubernetes_differs_in_what_is_of_kubernetes() -> None:
    shared = yaml.safe_load((DEPLOY / "dagster.yaml").read_text())

    assert added(of_kubernetes("dagster.yaml"), shared) == {
        "compute_logs",
        "run_launcher",
        "run_monitoring.max_resume_run_attempts",
        "run_monitoring.start_timeout_seconds",
    }


def test_the_launcher_of_runs_takes_its_settings() -> None:
    launcher = pytest.importorskip("dagster_k8s", reason="dagster-k8s is not installed")
    declared = of_kubernetes("dagster.yaml")["run_launcher"]

    taken = process_config(getattr(launcher, declared["class"]).config_type(), declared["config"])

    assert taken.success, taken.errors


def test_pods_have_the_home_and_dagster_where_their_image_has_them() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    (in_image,) = set(re.findall(r"LOCKSTEP_HOME=(\S+)", text))
    (dagster,) = re.findall(r"DAGSTER_HOME=(\S+)", text)
    launcher = of_kubernetes("dagster.yaml")["run_launcher"]["config"]
    (made,) = re.findall(r"install --directory .*\\\n\s+(.*)\n", text)

    assert in_image == HOME
    assert set(made.split()) == {HOME, dagster}
    assert launcher["dagster_home"] == dagster
    for pod in templates().values():
        (container,) = pod["spec"]["containers"]
        claims = {
            volume["name"]: volume["persistentVolumeClaim"]["claimName"]
            for volume in pod["spec"]["volumes"]
            if "persistentVolumeClaim" in volume
        }
        for mount in container["volumeMounts"]:
            if claims.get(mount["name"]) == "lockstep-home":
                assert mount["mountPath"] == HOME
            elif mount.get("subPath") == "dagster.yaml":
                assert mount["mountPath"] == f"{dagster}/dagster.yaml"
    (code,) = templates()["lockstep-code"]["spec"]["containers"]
    assert launcher["volume_mounts"] == code["volumeMounts"]
    assert launcher["volumes"] == templates()["lockstep-code"]["spec"]["volumes"]


def test_what_pods_refer_to_is_there() -> None:
    made = {
        (each["kind"], each["metadata"]["name"])
        for file in ("kubernetes.yaml", "kubernetes-scoring.yaml")
        for each in objects(file)
    }
    secrets = set(
        re.findall(r"secret generic (\S+)", (DEPLOY / "kubernetes-scoring.yaml").read_text())
    )
    launcher = of_kubernetes("dagster.yaml")["run_launcher"]["config"]

    for name, pod in templates().items():
        spec = pod["spec"]
        (container,) = spec["containers"]
        sources = container.get("envFrom", [])
        wanted = {
            ("ConfigMap", source["configMapRef"]["name"])
            for source in sources
            if "configMapRef" in source
        }
        wanted |= {
            ("ConfigMap", each["configMap"]["name"])
            for each in spec["volumes"]
            if "configMap" in each
        }
        wanted |= {
            ("PersistentVolumeClaim", each["persistentVolumeClaim"]["claimName"])
            for each in spec["volumes"]
            if "persistentVolumeClaim" in each
        }
        wanted |= {("ServiceAccount", spec[key]) for key in ("serviceAccountName",) if key in spec}
        assert wanted <= made, name
        assert {
            source["secretRef"]["name"] for source in sources if "secretRef" in source
        } <= secrets
        assert pod["metadata"]["labels"]["app.kubernetes.io/part-of"] == "lockstep"
    assert ("ServiceAccount", launcher["service_account_name"]) in made
    assert ("ConfigMap", launcher["instance_config_map"]) in made
    assert launcher["env_config_maps"] == ["lockstep-settings"]
    assert set(launcher["env_secrets"]) <= secrets


def test_all_pods_are_of_the_image_in_which_runs_are() -> None:
    containers = [pod["spec"]["containers"][0] for pod in templates().values()]
    (image,) = {container["image"] for container in containers}
    (code,) = templates()["lockstep-code"]["spec"]["containers"]

    assert {"name": "DAGSTER_CURRENT_IMAGE", "value": image} in code["env"]
    assert "FROM project AS scoring\n" in (DEPLOY / "Dockerfile").read_text()


def test_pods_find_one_another() -> None:
    (location,) = of_kubernetes("workspace.yaml")["load_from"]
    server = location["grpc_server"]
    cluster = named("RayCluster", "lockstep-ray")
    mlflow = settings()["MLFLOW_TRACKING_URI"].removeprefix("http://")
    (job,) = objects("kubernetes-backfill.yaml")

    assert (
        server["location_name"]
        == tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text())["tool"]["lockstep"]["name"]
    )
    assert serves(server["host"], server["port"])
    assert str(server["port"]) in arguments("lockstep-code")
    assert serves(*mlflow.split(":"))
    assert f"--port={mlflow.split(':')[1]}" in arguments("lockstep-mlflow")
    assert any(mlflow in each for each in arguments("lockstep-mlflow") if "--allowed-hosts" in each)
    # KubeRay names the service of a cluster's head so, and clients are let in at this port.
    assert settings()["LOCKSTEP_RAY"] == f"ray://{cluster['metadata']['name']}-head-svc:10001"
    assert job["spec"]["clusterSelector"] == {"ray.io/cluster": cluster["metadata"]["name"]}


def serves(host: str, port: str | int) -> bool:
    """Whether a service leads to a pod that listens at this port."""
    service = named("Service", host)["spec"]
    (way,) = service["ports"]
    (container,) = templates()[host]["spec"]["containers"]
    listens = {each["name"]: each["containerPort"] for each in container["ports"]}
    labels = templates()[host]["metadata"]["labels"]
    return (
        way["port"] == listens[way["targetPort"]] == int(port)
        and service["selector"].items() <= labels.items()
    )


def test_the_cluster_is_told_the_version_of_ray_in_the_image() -> None:
    (installed,) = re.findall(r"^ARG RAY=(\S+)$", (DEPLOY / "Dockerfile").read_text(), re.M)

    assert named("RayCluster", "lockstep-ray")["spec"]["rayVersion"] == installed
    assert tuple(map(int, installed.split("."))) >= (2, 53)  # else KubeRay asks by wget


def test_a_cluster_has_as_many_processes_from_the_beginning_as_it_will_have() -> None:
    """A run has twice as many units under way as there are processors when it begins."""
    for group in named("RayCluster", "lockstep-ray")["spec"]["workerGroupSpecs"]:
        assert group["replicas"] == group["minReplicas"] == group["maxReplicas"]


def test_no_password_is_where_units_are_worked_on() -> None:
    (container,) = templates()["units"]["spec"]["containers"]

    assert "env" not in container
    assert "envFrom" not in container


def test_the_backfill_is_a_command_for_days_that_there_are() -> None:
    (job,) = objects("kubernetes-backfill.yaml")
    words = job["spec"]["entrypoint"].split()
    options = dict(zip(words[-4::2], words[-3::2], strict=True))
    (project,) = re.findall(r"^WORKDIR (/srv/\S+)$", (DEPLOY / "Dockerfile").read_text(), re.M)

    assert words[:3] == ["env", f"--chdir={project}", "LOCKSTEP_RAY=auto"]
    assert words[3:6] == ["lockstep", "score", ASSETS.name]
    assert ASSETS.calendar is not None
    assert all(
        ASSETS.calendar.has(date.fromisoformat(options[name])) for name in ("--from", "--to")
    )


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    pytest.importorskip("dagster_postgres", reason="dagster-postgres is not installed")
    with running_postgres() as server:
        server.create("dagster")
        yield server


@dg.asset(check_specs=[dg.AssetCheckSpec("sound", asset="rows")])
def rows(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
    """Rows, and a check of them."""
    if context.run.tags.get("fail"):
        raise ValueError("no rows")
    yield dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)])


@pytest.mark.long
def test_what_old_runs_logged_is_forgotten_and_what_they_made_is_not(
    postgres: Postgres, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    psycopg2 = pytest.importorskip("psycopg2")
    text = (DEPLOY / "dagster.yaml").read_text()
    text = text.replace("5432", str(postgres.port)).replace(
        "username: dagster", "username: postgres"
    )
    home.dagster.mkdir()
    (home.dagster / "dagster.yaml").write_text(text)
    monkeypatch.setenv("DAGSTER_PG_HOST", "127.0.0.1")
    monkeypatch.setenv("DAGSTER_PG_PASSWORD", "none")

    with open_instance(home) as instance:
        assert isinstance(instance, dg.DagsterInstance)
        went_through = dg.materialize([rows], instance=instance)
        failed = dg.materialize([rows], instance=instance, tags={"fail": "1"}, raise_on_error=False)
        before = len(instance.all_logs(failed.run_id))

        connection = psycopg2.connect(postgres.url("dagster", driver="postgresql"))
        forget = (DEPLOY / "retention.sql").read_text()
        with connection, connection.cursor() as cursor:
            cursor.execute(forget)
            assert cursor.rowcount == 0
            cursor.execute(forget.replace("90 days'", "0 days'"))
            assert cursor.rowcount > 0
        connection.close()

        kinds = {entry.dagster_event_type for entry in instance.all_logs(went_through.run_id)}
        assert dg.DagsterEventType.ASSET_MATERIALIZATION in kinds
        assert dg.DagsterEventType.ASSET_CHECK_EVALUATION in kinds
        assert dg.DagsterEventType.STEP_SUCCESS not in kinds
        assert instance.get_latest_materialization_event(dg.AssetKey("rows")) is not None
        assert len(instance.all_logs(failed.run_id)) == before
        assert instance.get_run_stats(failed.run_id).steps_failed == 1
