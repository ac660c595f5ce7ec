"""What must hold of an image that was built: who runs in it, what is in it, and that it does its work locked down."""

import json
from pathlib import Path
from typing import Any

from components.development.secrets import make_up
from components.loading import load_environment
from components.platform import render
from tests.harness.processes import wait_until
from tests.images.bases import PYTHON
from tests.images.engine import Docker

SINK, CDC = "cdc-platform/sink-worker:local", "cdc-platform/cdc:local"
USER = "10001:10001"
MOST_OF_ITS_OWN = {SINK: 200 << 20, CDC: 700 << 20}
"""Bytes beyond the base image. The second holds Pulumi's SDKs."""

BUILDERS = ("cargo", "gcc", "maturin", "rustc")
LOCKED = ("--rm", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp", f"--user={USER}")
HEALTHY_SECONDS = 120
_SUSPICIOUS = ("password", "secret", "token", "api_key")


def check_image(docker: Docker, image: str) -> None:
    """Its user, its size, and that neither a secret nor a compiler was left in it."""
    config = _inspect(docker, image)["Config"]
    assert config["User"] == USER, config["User"]
    assert docker.run("run", "--rm", "--entrypoint=id", image, "-u") == USER.partition(":")[0]
    own = _inspect(docker, image)["Size"] - _inspect(docker, PYTHON)["Size"]
    print(f"{image}: {own / 1e6:.0f} MB on top of {PYTHON}")
    assert 0 < own < MOST_OF_ITS_OWN[image], own
    said = "\n".join([*config["Env"], docker.run("history", "--no-trunc", "--format={{.CreatedBy}}", image)]).lower()
    assert not [word for word in _SUSPICIOUS if word in said]
    for program in BUILDERS:
        assert docker.attempt("run", "--rm", "--entrypoint=sh", image, "-c", f"command -v {program}").returncode != 0, program


def check_sink_worker(docker: Docker, root: Path, work: Path) -> None:
    """It takes the settings that are rendered for the development stack, refuses others, and its health check tells."""
    spec = load_environment(root, "dev")
    make_up(spec, work / "secrets")
    [worker] = [workload for workload in render(spec).workloads if workload.name == "sink-orders-0"]
    [(place, text)] = worker.files.items()
    (work / "settings.json").write_text(text)
    (work / "wrong.json").write_text(json.dumps({**json.loads(text), "writers": 0}))
    secrets = f"--volume={work / 'secrets' / worker.name}:/run/secrets/sink:ro"
    locked = [*LOCKED, secrets]
    checked = ("check-config", "--config", place)
    good = docker.run("run", *locked, f"--volume={work / 'settings.json'}:{place}:ro", SINK, *checked)
    assert "good" in good, good
    bad = docker.attempt("run", *locked, f"--volume={work / 'wrong.json'}:{place}:ro", SINK, *checked)
    assert bad.returncode == 2, bad
    assert "writers" in bad.stdout + bad.stderr
    running = [word for word in locked if word != "--rm"]
    mount = f"--volume={work / 'settings.json'}:{place}:ro"
    name = docker.run("run", "--detach", "--network=none", *running, mount, SINK, "run", "--config", place)
    wait_until("its health check passes", lambda: _health(docker, name) == "healthy", HEALTHY_SECONDS, 0.5)
    docker.run("stop", name)
    assert _inspect(docker, name)["State"]["ExitCode"] == 0, docker.run("logs", name)[-2000:]


def check_cdc(docker: Docker, work: Path, root: Path) -> None:
    """It judges a stack from the files that the development stack gives it."""
    (work / "project").mkdir()
    for name in ("Pulumi.yaml", "Pulumi.dev.yaml"):
        (work / "project" / name).write_text((root / name).read_text())
    said = docker.run(
        "run", *LOCKED, "--network=none", f"--volume={work / 'project'}:/project:ro", CDC, "--root", "/project", "check", "dev"
    )
    assert "passed" in said, said


def _health(docker: Docker, container: str) -> str:
    state = _inspect(docker, container)["State"]
    if state["Status"] == "exited":
        raise AssertionError(docker.attempt("logs", container))
    return str(state["Health"]["Status"])


def _inspect(docker: Docker, name: str) -> dict[str, Any]:
    [found] = json.loads(docker.run("inspect", name))
    return dict(found)
