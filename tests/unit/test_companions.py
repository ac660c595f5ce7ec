"""The exporters of Redis, PostgreSQL and backups: where they are, what they may reach, and how they go on after a rotation."""

import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.core.compose import compose
from components.core.rendered import Manifest, Rendered, Workload
from components.environment import EnvironmentSpec
from components.loading import build_environment
from components.observability.alerts import alerts
from components.observability.companions import begun_anew, companions
from components.observability.scraping import jobs
from components.platform import render
from components.vault.uses import uses
from policies.model import Subject
from policies.rules import ALL
from tests.harness.observed import observed
from tests.harness.processes import wait_until

NAMES = ("redis-exporter", "postgres-exporter", "backup-exporter")
STORES = {"redis", "postgres", "backup"}
SECONDS = 120


def changed(stack: str, **changes: Any) -> EnvironmentSpec:
    return build_environment(observed(stack).published() | changes, stack, stack)


def containers(rendered: Rendered) -> dict[str, Workload]:
    return {workload.name: workload for workload in rendered.workloads if workload.name in NAMES}


def of_kind(rendered: Rendered, kind: str) -> dict[str, Manifest]:
    return {manifest.name: manifest for manifest in rendered.manifests if manifest.kind == kind}


def test_each_is_there_by_default_where_it_has_something_to_tell_of() -> None:
    assert set(containers(render(observed("docker")))) == set(NAMES)
    assert [one.name for one in companions(observed("prod"))] == ["redis-exporter"]
    assert {job.name for job in jobs(observed("prod"))} & STORES == {"redis", "postgres"}


def test_one_that_is_off_takes_its_alerts_and_jobs_with_it() -> None:
    off = {f"{name}Exporter": {"enabled": False} for name in STORES}
    for stack in ("docker", "prod"):
        spec = changed(stack, observability=off)
        assert companions(spec) == ()
        assert not {job.name for job in jobs(spec)} & STORES
        lost = {alert.name for alert in alerts(observed(stack))} - {alert.name for alert in alerts(spec)}
        assert {"RedisDown", "PostgresqlDown"} <= lost
        assert ("BackupTooOld" in lost) == (stack == "docker")


def test_an_existing_server_is_asked_by_an_exporter_on_kubernetes_too() -> None:
    spec = changed("prod", postgres={"external": {"host": "db.example.org", "port": 6432}})
    rendered = render(spec)
    [pod] = [one.body["spec"]["template"]["spec"] for one in of_kind(rendered, "Deployment").values() if one.name == NAMES[1]]
    [container] = pod["containers"]
    environment = {entry["name"]: entry["value"] for entry in container["env"]}
    ca = "/run/secrets/postgres-exporter/postgres-ca.pem"
    assert environment["DATA_SOURCE_URI"].startswith("db.example.org:6432/postgres?")
    assert environment["DATA_SOURCE_URI"].endswith(f"sslmode=verify-full&sslrootcert={ca}")
    assert of_kind(rendered, "NetworkPolicy")["postgres-exporter"].body["spec"]["egress"] == [
        {"ports": [{"port": 6432, "protocol": "TCP"}]}
    ]
    [monitor] = [one.body["spec"] for one in of_kind(rendered, "PodMonitor").values() if one.name == "postgres"]
    assert monitor["selector"]["matchLabels"] == {"app.kubernetes.io/name": "postgres-exporter"}


def test_every_node_and_sentinel_is_asked_and_lets_nobody_else_in() -> None:
    rendered = render(observed("prod"))
    probe = of_kind(rendered, "Probe")["redis"].body["spec"]
    hosts = [f"rediss://redis-{number}.redis.cdc.svc:6379" for number in range(3)]
    hosts += [f"rediss://redis-sentinel-{number}.redis-sentinel.cdc.svc:26379" for number in range(3)]
    assert probe["targets"]["staticConfig"]["static"] == hosts
    assert probe["prober"] == {"url": "redis-exporter.cdc.svc:9121", "path": "/scrape"}
    policies = of_kind(rendered, "NetworkPolicy")
    for name, port in (("redis", 6379), ("redis-sentinel", 26379)):
        body = policies[f"redis-exporter-{name}"].body["spec"]
        assert body["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": name}
        assert body["ingress"] == [
            {
                "ports": [{"port": port, "protocol": "TCP"}],
                "from": [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "redis-exporter"}}}],
            }
        ]


@pytest.mark.parametrize("stack", ["docker", "prod"])
def test_no_secret_of_theirs_is_rendered_and_somebody_answers_for_each(stack: str) -> None:
    found = {use.workload: {file.name for file in use.files} for use in uses(observed(stack))}
    assert found["redis-exporter"] - {"redis-ca.pem"} == {"exporter.redis-password"}
    if stack == "docker":
        assert found["postgres-exporter"] == {"cdc_monitor.password"}
        assert all(
            "PASS" not in name.replace("PGPASSFILE", "")
            for one in containers(render(observed(stack))).values()
            for name in one.environment
        )


def test_the_folder_of_figures_is_all_that_a_container_sees_of_the_machine_and_docker_makes_it() -> None:
    [rule] = [rule for rule in ALL if rule.id == "workload-node-access"]
    spec = observed("docker")
    rendered = render(spec)
    [mount] = containers(rendered)["backup-exporter"].mounts
    assert (mount.host_path, mount.target, mount.read_only) == ("/var/backups/cdc/.metrics", "/metrics", True)
    text = compose(rendered, spec.context)
    assert text.count("create_host_path: true") == 1
    subject = Subject(spec, rendered)
    assert list(rule.check(subject)) == []
    for other in (replace(mount, host_path="/var/backups/cdc"), replace(mount, read_only=False)):
        workloads = [replace(one, mounts=(other,)) if one.name == "backup-exporter" else one for one in rendered.workloads]
        [violation] = rule.check(Subject(spec, replace(rendered, workloads=tuple(workloads))))
        assert violation.resource == "Container/backup-exporter"


def started(folder: Path, program: str) -> "subprocess.Popen[bytes]":
    """The script around ``program``, which notices a change at once."""
    script = begun_anew(str(folder / "secrets"), ["prepared=yes"], program).replace("sleep 5", "sleep 0.05")
    return subprocess.Popen(["sh", "-c", script], cwd=folder, start_new_session=True)


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "password").write_text("one")
    return tmp_path


def lines(folder: Path) -> Callable[[], int]:
    return lambda: len((folder / "log").read_text().splitlines()) if (folder / "log").exists() else 0


def test_a_program_is_begun_anew_when_its_password_has_changed_and_ends_when_it_is_told_to(folder: Path) -> None:
    process = started(folder, """sh -c 'cat secrets/password >> log; echo >> log; echo $$ > pid; exec sleep 600'""")
    try:
        wait_until("its first start", lambda: lines(folder)() == 1, SECONDS, 0.02)
        (folder / "secrets" / "new").write_text("two")
        os.replace(folder / "secrets" / "new", folder / "secrets" / "password")
        wait_until("its second start", lambda: "two" in (folder / "log").read_text(), SECONDS, 0.02)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
        pid = int((folder / "pid").read_text())
        wait_until("its end", lambda: not Path(f"/proc/{pid}").exists(), SECONDS, 0.02)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_where_the_program_ends_so_does_the_container_with_its_code(folder: Path) -> None:
    assert started(folder, "sh -c 'exit 7'").wait(SECONDS) == 7
