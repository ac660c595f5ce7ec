"""HAProxy itself judges its configuration, in every form that a spec can give it."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from components.environment import EnvironmentSpec
from components.haproxy.configuration import SECRETS
from components.loading import load_environment
from components.platform import render
from tests.harness.certificates import CertificateAuthority
from tests.harness.processes import LOOPBACK
from tests.strategies.draw import Plain
from tests.strategies.environments import environments
from tests.strategies.examples import ROOT, STACKS, build, shop
from tests.toolchain.haproxy import haproxy_program

pytestmark = pytest.mark.integration

AUTHORITY, CLIENTS = CertificateAuthority("authority"), CertificateAuthority("clients")
DRAWN = 25


def judged(folder: Path, text: str) -> str:
    """What HAProxy says of a configuration, warnings taken for errors; nothing when it is right."""
    own = AUTHORITY.issue("haproxy", LOOPBACK)
    for name, content in {"server.pem": own.certificate, "server.pem.key": own.key}.items():
        (folder / name).write_text(content)
    for name in ("client-ca.pem", "schema-registry-ca.pem"):
        (folder / name).write_text(CLIENTS.certificate)
    lists = {line.split("http_auth(")[1].partition(")")[0] for line in text.splitlines() if "http_auth(" in line}
    (folder / "users.cfg").write_text("".join(f"userlist {name}\n  user app password '$6$a$b'\n" for name in sorted(lists)))
    local = text.replace(SECRETS, str(folder)).replace("bind haproxy:", f"bind {LOOPBACK}:")
    (folder / "haproxy.cfg").write_text(local.replace("init-addr last,libc,none", "init-addr none"))
    command: list[str | Path] = [haproxy_program(), "-c", "-dW", "-f", folder / "haproxy.cfg", "-f", folder / "users.cfg"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr


def configurations(spec: EnvironmentSpec) -> list[str]:
    """HAProxy's, on either target."""
    rendered = render(spec)
    maps = [manifest.body["data"] for manifest in rendered.manifests if manifest.kind == "ConfigMap"]
    found = [data["haproxy.cfg"] for data in maps if "haproxy.cfg" in data]
    return found + [text for path, text in rendered.files.items() if path.endswith("haproxy.cfg")]


MATRIX: list[Plain] = [
    {"target": target, "schemaRegistry": {"distribution": distribution}, "haproxy": {**haproxy, "users": users}}
    for target in ("kubernetes", "docker")
    for distribution in ("confluent", "apicurio")
    for users in ([{"name": "app", "passwordHash": "vault:x#y"}],)
    for haproxy in (
        {},
        {"authentication": "none"},
        {"tls": {"enabled": False}, "drain": "45s"},
        {"authentication": "tls", "tls": {"clientCa": "vault:x#ca", "minimum": "TLSv1.3"}},
        {"frontends": {"schema-registry": {"authentication": "none"}}, "resources": {"cpu": 16, "memory": "2Gi"}},
    )
]


@pytest.mark.parametrize(
    "changes", MATRIX, ids=lambda changes: f"{changes['target']}-{changes['schemaRegistry']['distribution']}"
)
def test_haproxy_takes_every_form_of_its_configuration(changes: Plain, tmp_path: Path) -> None:
    [text] = configurations(build(shop(changes)))
    assert judged(tmp_path, text) == ""


@pytest.mark.parametrize("stack", STACKS)
def test_haproxy_takes_the_configuration_of_every_stack(stack: str, tmp_path: Path) -> None:
    for text in configurations(load_environment(ROOT, stack)):
        assert judged(tmp_path, text) == ""


def test_haproxy_refuses_what_is_wrong(tmp_path: Path) -> None:
    """So its having taken the others means something."""
    [text] = configurations(build(shop(MATRIX[0])))
    assert "unknown keyword" in judged(tmp_path, text.replace("balance roundrobin", "balanced roundrobin"))


@settings(max_examples=DRAWN, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much])
@given(environments())
def test_haproxy_takes_the_configuration_of_any_valid_environment(tmp_path: Path, values: Plain) -> None:
    folder = tmp_path / "any"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for text in configurations(build(values)):
        assert judged(folder, text) == ""
