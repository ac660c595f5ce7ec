"""``compose.yaml`` says what the rendered workloads say, and nothing that compose would read otherwise."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.core.compose import FILES_LABEL, compose
from components.core.context import Context
from components.core.rendered import SECRETS_DIRECTORY, HealthCheck, Mount, Rendered, Workload
from components.development.secrets import FOLDER_VARIABLE, secrets_folder
from components.targets.docker import _host_path
from tests.harness.cdc_command import copy_of_repository

CONTEXT = Context(environment="trial", tier="production", target="docker")
WORKER = Workload(
    component="workers",
    name="worker-0",
    image="example/worker:1.0",
    command=("sh", "-c", "echo $HOME ${X:-y}"),
    environment={"B": "2", "A": "$1"},
    files={"/etc/worker/settings.yaml": "a: $b\n"},
    mounts=(
        Mount("/data", volume="worker-0-data"),
        Mount("/run/secrets/worker", host_path="${CDC_SECRETS_DIR:-../../secrets}/worker-0", read_only=True),
    ),
    ports=((18080, 8080),),
    tmpfs=("/tmp:exec,size=1m", "/run"),
    user="1000:1000",
    memory_bytes=64 << 20,
    cpu_millicores=1500,
    health=HealthCheck(("curl", "localhost"), interval_seconds=7, timeout_seconds=3, retries=2, start_period_seconds=9),
    depends_on=("database",),
)
BARE = Workload(component="data", name="database", image="example/database:1.0", command=("database",), read_only=False)
ENVIRONMENT = Rendered(workloads=(WORKER, BARE), volumes=("worker-0-data",), network="cdc-trial")


def document(rendered: Rendered = ENVIRONMENT) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(compose(rendered, CONTEXT))
    return loaded


def test_a_service_is_its_workload_completely() -> None:
    service = document()["services"]["worker-0"]
    files = service["labels"].pop(FILES_LABEL)
    assert len(files) == 64
    assert service == {
        "image": "example/worker:1.0",
        "container_name": "worker-0",
        "hostname": "worker-0",
        "entrypoint": ["sh", "-c", "echo $$HOME $${X:-y}"],
        "environment": {"A": "$$1", "B": "2"},
        "user": "1000:1000",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "tmpfs": ["/tmp:exec,size=1m", "/run"],
        "ports": ["127.0.0.1:18080:8080"],
        "networks": ["cdc-trial"],
        "depends_on": {"database": {"condition": "service_healthy"}},
        "healthcheck": {
            "test": ["CMD", "curl", "localhost"],
            "interval": "7s",
            "timeout": "3s",
            "retries": 2,
            "start_period": "9s",
        },
        "labels": CONTEXT.labels("workers"),
        "logging": {"driver": "json-file", "options": {"max-file": "5", "max-size": "20m"}},
        "restart": "unless-stopped",
        "stop_grace_period": "120s",
        "mem_limit": 64 << 20,
        "cpus": 1.5,
        "volumes": [
            {
                "type": "bind",
                "source": "./workers/worker-0/settings.yaml",
                "target": "/etc/worker/settings.yaml",
                "read_only": True,
                "bind": {"create_host_path": False},
            },
            {"type": "volume", "source": "worker-0-data", "target": "/data"},
            {
                "type": "bind",
                "source": "${CDC_SECRETS_DIR:-../../secrets}/worker-0",
                "target": "/run/secrets/worker",
                "read_only": True,
                "bind": {"create_host_path": False},
            },
        ],
    }


def test_what_a_workload_has_not_is_left_out() -> None:
    absent = {"environment", "tmpfs", "ports", "depends_on", "healthcheck", "volumes", "mem_limit", "cpus"}
    service = document()["services"]["database"]
    assert not absent & set(service)
    assert service["read_only"] is False
    assert service["cap_drop"] == ["ALL"]


def test_the_names_are_those_of_the_other_ways_to_run_it() -> None:
    """Compose would put its project's name before them."""
    found = document()
    assert found["name"] == "cdc-trial"
    assert found["networks"] == {"cdc-trial": {"name": "cdc-trial"}}
    assert found["volumes"] == {"worker-0-data": {"name": "worker-0-data"}}
    assert list(found["services"]) == ["database", "worker-0"]


def test_no_port_is_open_to_the_network() -> None:
    for service in document()["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_a_changed_file_changes_its_service() -> None:
    """Compose makes a container anew only when its service is not what it was."""
    changed = replace(WORKER, files={"/etc/worker/settings.yaml": "a: c\n"})
    before, after = document(), document(replace(ENVIRONMENT, workloads=(changed, BARE)))
    assert before["services"]["worker-0"] != after["services"]["worker-0"]
    assert before["services"]["database"] == after["services"]["database"]


def test_an_environment_without_volumes_declares_none() -> None:
    assert "volumes" not in document(Rendered(workloads=(BARE,)))


def test_an_image_that_is_built_here_says_where_its_sources_are() -> None:
    built = replace(BARE, build="sink_$worker")
    service = document(replace(ENVIRONMENT, workloads=(built,)))["services"]["database"]
    assert service["build"] == {"context": "${CDC_PROJECT_DIR:-../..}/sink_$$worker"}
    assert service["image"] == "example/database:1.0"
    assert "build" not in document()["services"]["database"]


def test_compose_pulumi_and_cdc_look_for_secrets_in_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    tree = tmp_path / "rendered" / "dev"
    by_compose = (tree / SECRETS_DIRECTORY.removeprefix("${CDC_SECRETS_DIR:-").removesuffix("}")).resolve()
    assert by_compose == secrets_folder(tmp_path) == Path(_host_path(SECRETS_DIRECTORY))
    (tmp_path / "Pulumi.yaml").write_text("name: cdc-platform\nruntime: python\n")
    done = copy_of_repository(tmp_path).cdc("secrets", "make", "dev")
    assert done.code == 0, done.text
    assert (by_compose / "mariadb" / "app.password").is_file()
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "elsewhere"))
    assert secrets_folder(tmp_path) == Path(_host_path(SECRETS_DIRECTORY)) == tmp_path / "elsewhere"
