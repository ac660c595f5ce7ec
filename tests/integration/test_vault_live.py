"""A real Vault, with the configuration that is rendered: brought to the spec, and asked as each identity for each path."""

import json
import os
import signal
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from components.vault.identities import access
from components.vault.names import account
from components.vault.render import render
from operations.live.vault import Vault, VaultError
from operations.secret_files import gather
from operations.vault_plan import observe, plan
from tests.harness.api_server import ApiServer
from tests.harness.processes import wait_until
from tests.harness.vault_server import VaultServer
from tests.harness.vault_site import PLANTED, Site, vault_site

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, api_server: ApiServer) -> Iterator[Site]:
    with vault_site(tmp_path_factory.mktemp("vault"), api_server) as found:
        yield found


def test_what_is_missing_is_said_by_name_and_applying_twice_changes_nothing(site: Site) -> None:
    site.server.ask("DELETE", "secret/metadata/cdc-pipeline/trial/shop-db")
    missing = site.cdc("vault", "plan", "trial", "--json")
    assert missing.code == 3
    assert json.loads(missing.out)["missing"] == {"cdc-pipeline/trial/shop-db": ["password"]}
    site.plant("trial")
    for arguments in (["plan", "trial"], ["apply", "trial", "--yes"], ["plan", "trial-two"]):
        done = site.cdc("vault", *arguments)
        assert (done.code, "is what the spec says" in done.out) == (0, True), done.text


def test_every_identity_reads_its_own_paths_and_no_other(site: Site) -> None:
    """All identities of two environments, with all paths of both, each in every way that KV can be read or written."""
    specs = [site.spec(name) for name in ("trial", "trial-two")]
    paths = sorted({path for spec in specs for path in access(spec).keys})
    asked = 0
    for spec in specs:
        for identity in access(spec).identities:
            token = _approle(site, spec.name, identity.name)
            for path in paths:
                own = path in identity.paths
                assert _status(site, token, "GET", f"secret/data/{path}") == (200 if own else 403), (identity.name, path)
                for method, other in (("LIST", f"secret/metadata/{path}"), ("GET", f"secret/metadata/{path}")):
                    assert _status(site, token, method, other) == 403, (identity.name, path)
                assert _status(site, token, "POST", f"secret/data/{path}", {"data": {"password": "x"}}) == 403
                asked += 1
    assert asked > 200


def test_every_identity_is_issued_its_own_certificate_and_no_other(site: Site) -> None:
    spec = site.spec("trial")
    roles = [(made.authority, made.workload) for made in access(spec).certificates]
    assert len(roles) > 2
    for identity in access(spec).identities:
        token = _approle(site, spec.name, identity.name)
        for authority, role in roles:
            body = {"common_name": role}
            granted = identity.certificate is not None and identity.certificate.workload == role
            status = _status(site, token, "POST", f"cdc-trial-{authority}/issue/{role}", body)
            assert status == (200 if granted else 403), (identity.name, role)
            if granted:
                wrong = {"common_name": "somebody-else"}
                assert _status(site, token, "POST", f"cdc-trial-{authority}/issue/{role}", wrong) == 400


def test_on_kubernetes_a_service_account_proves_one_identity_in_its_own_namespace(site: Site) -> None:
    """The API server reviews the tokens. Every identity's account is tried as every identity."""
    spec, api = site.spec("cluster"), site.kubernetes
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "cdc"}}
    elsewhere = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "elsewhere"}}
    wanted = [dict(m.body) for m in render(spec).manifests if m.kind in {"ServiceAccount", "ClusterRoleBinding"}]
    stranger = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "vault-sink-orders", "namespace": "elsewhere"},
    }
    assert api.apply([namespace, elsewhere, *wanted, stranger]) == []
    file = site.server.folder / "reviewer"
    without = site.cdc("vault", "apply", "cluster", "--yes")
    assert (without.code, "--reviewer-token-file" in without.err) == (2, True)
    file.write_text(_kubernetes_token(api, "cdc", "vault-token-reviewer", None))
    assert site.cdc("vault", "apply", "cluster", "--yes", "--reviewer-token-file", str(file)).code == 3
    site.plant("cluster")
    assert site.cdc("vault", "plan", "cluster").code == 0
    identities = access(spec).identities
    for identity in identities:
        jwt = _kubernetes_token(api, "cdc", account(identity.name), "vault")
        for other in identities:
            status, answer = _login(site, "kubernetes", {"role": other.name, "jwt": jwt})
            assert (status == 200) == (other.name == identity.name), (identity.name, other.name)
            if status == 200:
                for path in access(spec).keys:
                    expected = 200 if path in identity.paths else 403
                    assert _status(site, answer["auth"]["client_token"], "GET", f"secret/data/{path}") == expected
    for namespace_of, name, audience in (("elsewhere", "vault-sink-orders", "vault"), ("cdc", "vault-sink-orders", None)):
        jwt = _kubernetes_token(api, namespace_of, name, audience)
        assert _login(site, "kubernetes", {"role": "sink-orders", "jwt": jwt})[0] == 403


def test_secrets_are_pulled_with_no_more_than_the_right_to_pull(site: Site, tmp_path: Path) -> None:
    to, pull = tmp_path / "secrets", site.token("cdc-trial-pull")
    done = site.cdc("secrets", "pull", "trial", "--to", str(to), token=pull)
    assert done.code == 0, done.text
    assert (to / "sink-orders-0" / "postgres.password").read_text() == f"{PLANTED}-cdc-pipeline/trial/warehouse-password"
    assert (to / "haproxy" / "sink.hash").read_text() == f"{PLANTED}-cdc-pipeline/trial/haproxy-sink-hash"
    files = [path for path in to.rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o400}
    if os.geteuid() == 0:
        assert (to / "sink-orders-0" / "postgres.password").stat().st_uid == 10001
    before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}
    again = site.cdc("secrets", "pull", "trial", "--to", str(to), token=pull)
    assert (again.code, "0 files written" in again.out) == (0, True)
    assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files} == before
    denied = site.cdc("secrets", "pull", "trial-two", "--to", str(tmp_path / "other"), token=pull)
    assert (denied.code, "the token may not" in denied.err) == (2, True)
    assert not (tmp_path / "other").exists()


def test_a_key_that_is_missing_is_named_and_nothing_is_written(site: Site, tmp_path: Path) -> None:
    site.server.ask("DELETE", "secret/metadata/cdc-pipeline/trial/books")
    done = site.cdc("secrets", "pull", "trial", "--to", str(tmp_path / "secrets"))
    site.plant("trial")
    assert (done.code, "cdc-pipeline/trial/books: password" in done.err) == (2, True), done.text
    assert not (tmp_path / "secrets").exists()


def test_certificates_are_renewed_in_time_and_vouched_for(site: Site, tmp_path: Path) -> None:
    to = tmp_path / "secrets"
    assert site.cdc("secrets", "pull", "trial", "--to", str(to)).code == 0
    ca = x509.load_pem_x509_certificate((to / "sink-orders-0" / "haproxy-ca.pem").read_bytes())
    first = x509.load_pem_x509_certificate((to / "haproxy" / "server.pem").read_bytes())
    first.verify_directly_issued_by(ca)
    assert first.not_valid_after_utc - datetime.now(UTC) < timedelta(days=90, minutes=1)
    spec = site.spec("trial")
    with site.client() as vault:
        for days, renewed in ((59, False), (61, True)):
            found = gather(spec, vault, to, datetime.now(UTC) + timedelta(days=days))
            [haproxy] = [each for each in found if each.container == "haproxy"]
            assert ("server.pem" in haproxy.files) is renewed, days
    (to / "haproxy" / "server.pem.key").unlink()
    again = site.cdc("secrets", "pull", "trial", "--to", str(to))
    assert again.code == 0
    assert "haproxy/server.pem.key" in again.out
    assert x509.load_pem_x509_certificate((to / "haproxy" / "server.pem").read_bytes()).serial_number != first.serial_number


def test_whoever_trusts_an_old_ca_trusts_what_the_renewed_one_issues(site: Site, tmp_path: Path) -> None:
    spec, later = site.spec("trial-two"), datetime.now(UTC) + timedelta(days=3600)
    to = tmp_path / "secrets"
    assert site.cdc("secrets", "pull", "trial-two", "--to", str(to)).code == 0
    old = x509.load_pem_x509_certificate((to / "sink-orders-0" / "haproxy-ca.pem").read_bytes())
    from operations.vault_apply import apply

    with site.client() as vault:
        found = plan(spec, observe(spec, vault), later)
        assert {change.action for change in found.changes} == {"renew"}
        apply(vault, found.changes)
    (to / "haproxy" / "server.pem").unlink()
    assert site.cdc("secrets", "pull", "trial-two", "--to", str(to)).code == 0
    new = x509.load_pem_x509_certificate((to / "sink-orders-0" / "haproxy-ca.pem").read_bytes())
    assert new.serial_number != old.serial_number
    x509.load_pem_x509_certificate((to / "haproxy" / "server.pem").read_bytes()).verify_directly_issued_by(old)


def test_an_expired_ca_is_said_and_renewed(site: Site, tmp_path: Path) -> None:
    spec, later = site.spec("trial"), datetime.now(UTC) + timedelta(days=4000)
    with site.client() as vault:
        found = plan(spec, observe(spec, vault), later)
        assert all("ended" in change.differences[0].live for change in found.changes)
        with pytest.raises(Exception, match="which renews it"):
            gather(spec, vault, tmp_path, later)


def test_what_others_changed_is_shown_and_mended(site: Site) -> None:
    site.server.ask("PUT", "sys/policies/acl/cdc-trial-haproxy", {"policy": '# cdc-platform environment=trial\npath "*" {}'})
    site.server.ask("POST", "auth/cdc-trial-approle/role/haproxy", {"token_policies": ["root-like"], "secret_id_num_uses": 0})
    site.server.ask("PUT", "sys/policies/acl/cdc-trial-gone", {"policy": "# cdc-platform environment=trial\n"})
    site.server.ask("PUT", "sys/policies/acl/cdc-trial-theirs", {"policy": 'path "a" {}'})
    found = site.cdc("vault", "plan", "trial")
    assert found.code == 3
    for said in ('-path "*" {}', "token_policies: ['root-like']", "remove policy cdc-trial-gone"):
        assert said in found.out, found.out
    assert "theirs" not in found.out
    assert "trial-two" not in found.out
    assert site.cdc("vault", "apply", "trial", "--yes").code == 0
    assert site.cdc("vault", "plan", "trial").code == 0
    assert _status(site, site.server.token, "GET", "sys/policies/acl/cdc-trial-gone") == 404
    assert _status(site, site.server.token, "GET", "sys/policies/acl/cdc-trial-theirs") == 200


def test_a_policy_of_somebody_elses_is_never_overwritten(site: Site) -> None:
    theirs = 'path "their/own" { capabilities = ["read"] }'
    ours = site.server.ask("GET", "sys/policies/acl/cdc-trial-haproxy")["data"]["policy"]
    site.server.ask("PUT", "sys/policies/acl/cdc-trial-haproxy", {"policy": theirs})
    done = site.cdc("vault", "apply", "trial", "--yes")
    left = site.server.ask("GET", "sys/policies/acl/cdc-trial-haproxy")["data"]["policy"]
    site.server.ask("PUT", "sys/policies/acl/cdc-trial-haproxy", {"policy": ours})
    assert (done.code, "written by somebody else" in done.err, left) == (2, True, theirs)


def test_a_token_that_may_not_do_all_of_it_does_none_of_it(site: Site) -> None:
    reader = 'path "sys/*" { capabilities = ["read", "list", "sudo"] }\npath "*" { capabilities = ["read", "list"] }'
    site.server.ask("PUT", "sys/policies/acl/reader", {"policy": reader})
    token = site.token("reader")
    assert site.cdc("vault", "plan", "trial", token=token).code == 0
    site.server.ask("DELETE", "auth/cdc-trial-approle/role/haproxy")
    site.server.ask("DELETE", "sys/policies/acl/cdc-trial-haproxy")
    done = site.cdc("vault", "apply", "trial", "--yes", token=token)
    assert (done.code, "2 of these changes; nothing was changed" in done.err) == (2, True), done.text
    assert _status(site, site.server.token, "GET", "sys/policies/acl/cdc-trial-haproxy") == 404
    assert site.cdc("vault", "apply", "trial", "--yes").code == 0
    assert site.cdc("vault", "plan", "trial").code == 0


def test_a_run_that_was_cut_off_is_completed_by_the_next(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the policies go, and the connection breaks at the third write."""
    from operations import vault_apply

    names = [name for name in site.server.ask("LIST", "sys/policies/acl")["data"]["keys"] if name.startswith("cdc-trial-two-")]
    for name in names:
        site.server.ask("DELETE", f"sys/policies/acl/{name}")
    real, calls = vault_apply._make, iter(range(1000))

    def broken(vault: Vault, change: Any) -> None:
        if next(calls) > 2:
            raise VaultError("the connection broke")
        real(vault, change)

    with monkeypatch.context() as patched:
        patched.setattr(vault_apply, "_make", broken)
        done = site.cdc("vault", "apply", "trial-two", "--yes")
    assert (done.code, f"3 of {len(names)} changes were made" in done.err) == (2, True), done.text
    assert site.cdc("vault", "apply", "trial-two", "--yes").code == 0
    assert site.cdc("vault", "plan", "trial-two").code == 0


def test_a_vault_that_cannot_be_entered_is_described(site: Site, tmp_path: Path) -> None:
    bad, empty = tmp_path / "bad", tmp_path / "empty"
    bad.write_text("hvs.not-a-token")
    empty.write_text("\n")
    cases = {
        "no longer valid": site.cdc("vault", "plan", "trial", token=bad),
        "holds no token": site.cdc("vault", "plan", "trial", token=empty),
        "cannot be reached": site.cdc("vault", "plan", "trial", address="https://127.0.0.1:1"),
        "CERTIFICATE_VERIFY_FAILED": site.cdc("vault", "plan", "trial", address=f"https://localhost:{site.server.port}"),
        "cannot be read": site.cdc("vault", "plan", "trial", token=tmp_path / "absent"),
    }
    for said, done in cases.items():
        assert (done.code, said in done.err, "→" in done.err) == (2, True, True), done.text


def test_a_sealed_vault_is_told_apart_and_used_again_once_open(site: Site, tmp_path: Path) -> None:
    site.server.seal()
    try:
        for done in (site.cdc("vault", "plan", "trial"), site.cdc("secrets", "pull", "trial", "--to", str(tmp_path / "s"))):
            assert (done.code, "Vault is sealed" in done.err) == (2, True), done.text
        assert not (tmp_path / "s").exists()
    finally:
        site.server.unseal()
    assert site.cdc("vault", "plan", "trial").code == 0


def test_a_renewed_certificate_of_its_own_is_shown_without_a_restart(site: Site, tmp_path: Path) -> None:
    """Started as its container starts it."""
    with VaultServer(tmp_path / "server", site.spec("trial"), by_script=True) as server:
        before, renewed = server.shown(), server.renew()
        assert before.serial_number != renewed.serial_number
        wait_until("the new certificate is shown", lambda: server.shown().serial_number == renewed.serial_number, 120)
        assert server.health() == 200
        server.process.send(signal.SIGTERM)
        wait_until("it ends", lambda: server.process.exit_code is not None, 120)


def test_no_secret_is_said_logged_or_rendered(site: Site) -> None:
    """Last in the file: everything that was said until here, the server's log with its record of requests, and the trees."""
    for name in ("trial", "cluster"):
        assert site.project.cdc("render", name).code == 0
    texts = ["".join(site.said), site.server.process.output()]
    texts += [path.read_text() for path in site.project.root.rglob("*") if path.is_file()]
    made = [
        site.server.ask("GET", f"secret/data/cdc-pipeline/trial/kafka/{name}")["data"]["data"]["password"]
        for name in ("schema-registry",)
    ]
    for text in texts:
        assert PLANTED not in text
        assert site.server.token not in text
        assert not [password for password in made if password in text]


def _approle(site: Site, environment: str, identity: str) -> str:
    role = f"auth/cdc-{environment}-approle/role/{identity}"
    role_id = site.server.ask("GET", f"{role}/role-id")["data"]["role_id"]
    secret_id = site.server.ask("POST", f"{role}/secret-id", {})["data"]["secret_id"]
    body = {"role_id": role_id, "secret_id": secret_id}
    return str(site.server.ask("POST", f"auth/cdc-{environment}-approle/login", body)["auth"]["client_token"])


def _status(site: Site, token: str, method: str, path: str, body: Any = None) -> int:
    return site.server.request(method, path, body, token).status_code


def _login(site: Site, kind: str, body: dict[str, str]) -> tuple[int, Any]:
    response = site.server.request("POST", f"auth/cdc-cluster-{kind}/login", body, "")
    return response.status_code, response.json()


def _kubernetes_token(api: ApiServer, namespace: str, name: str, audience: str | None) -> str:
    spec = {} if audience is None else {"audiences": [audience]}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    answer = api.http.post(f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token", json=body)
    return str(answer.raise_for_status().json()["status"]["token"])
