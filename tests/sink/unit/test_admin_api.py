"""The admin API: nobody unknown does anything but ask for health, nobody more than their role, and all of it is noted."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi.routing import APIRoute
from sink_worker.admin.application import make_api, make_application
from sink_worker.admin.authentication import digest_of, new_token
from sink_worker.admin.description import openapi_text
from sink_worker.admin.gate import OPEN, ROLE
from sink_worker.admin.limits import Buckets
from sink_worker.admin.problems import KIND
from sink_worker.admin.settings import AdminSettings, AdminTlsSettings, Role
from sink_worker.dlq_processor.sheet import OWN
from sink_worker.errors import SettingsError
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.sink.unit.asgi_client import AsgiClient, chunked
from tests.sink.unit.fake_backend import FakeBackend

PUBLISHED = Path(__file__).parents[3] / "docs" / "admin-api.openapi.json"
TOKENS = {role: new_token() for role in Role}
EXPIRED = new_token()
SUBJECT = "O=shop,CN=alice"
MANY = 10_000
BODIES: dict[str, Any] = {
    "/v1/tables/{schema}/{table}/pause": {"reason": "maintenance"},
    "/v1/dead-letters/replay": {"ids": [1]},
    "/v1/dead-letters/archive": {"ids": [1], "reason": "spoilt"},
    "/v1/dead-letters/restore": {"ids": [1]},
    "/v1/schema/reviews/{identity}/approve": {},
    "/v1/schema/reviews/{identity}/reject": {"reason": "no"},
}
SHEET = f"{','.join(OWN)}\r\n1,t[0]@7,0,upsert,X,m\r\n"
ROUTES = [(route.path_format, sorted(route.methods or ())[0], (route.openapi_extra or {}).get(ROLE))
          for route in make_api(FakeBackend()).routes if isinstance(route, APIRoute)]  # fmt: skip


def tokens_file(folder: Path) -> Path:
    """A token of each role, and one that ran out."""
    entries = [{"name": f"a {role}", "role": role, "sha256": digest_of(token).hex()} for role, token in TOKENS.items()]
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    entries.append({"name": "late", "role": "admin", "sha256": digest_of(EXPIRED).hex(), "expires": past})
    path = folder / "tokens.json"
    path.write_text(json.dumps(entries))
    return path


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def settings(tmp_path: Path) -> AdminSettings:
    return AdminSettings(tokens_file=tokens_file(tmp_path), requests_per_minute=MANY, import_max_bytes=1024)


@pytest.fixture
def client(settings: AdminSettings, backend: FakeBackend) -> AsgiClient:
    return AsgiClient(make_application(settings, backend))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def ask(client: AsgiClient, path: str, method: str, headers: dict[str, str]) -> Any:
    """A request that fits the route's description."""
    concrete = path.format(schema="shop", table="orders", identity=1)
    if path == "/v1/validation/sheet":
        if method == "GET":
            return client.get(concrete, params={"table": "shop.orders"}, headers=headers)
        return client.post(concrete, content=SHEET, headers={**headers, "Content-Type": "text/csv"})
    return client.request(method, concrete, json=BODIES.get(path), headers=headers)


def assert_is_a_problem(response: Any, status: int) -> None:
    assert (response.status_code, response.headers["content-type"]) == (status, KIND), response.text
    body = response.json()
    assert body["status"] == status
    assert body["detail"]
    assert "Traceback" not in response.text


def test_no_route_but_health_is_open_and_each_names_its_role() -> None:
    """Whoever adds a route says who may use it; one that does not is refused by the gate."""
    assert [path for path, _, role in ROUTES if role == OPEN] == ["/health"]
    assert all(role in {*Role, OPEN} for _, _, role in ROUTES)
    assert all(method == "GET" for _, method, role in ROUTES if role == Role.VIEWER)
    assert len(ROUTES) > 15


@pytest.mark.parametrize(("path", "method", "needed"), ROUTES, ids=[f"{method} {path}" for path, method, _ in ROUTES])
def test_each_route_answers_its_role_and_those_above_and_nobody_else(
    client: AsgiClient, backend: FakeBackend, path: str, method: str, needed: str
) -> None:
    """Refused calls do nothing; every call of somebody known is in the audit log."""
    refused = [None, *(role for role in Role if needed != OPEN and not role.may(Role(needed)))]
    for role in refused if needed != OPEN else []:
        response = ask(client, path, method, {} if role is None else bearer(TOKENS[role]))
        assert_is_a_problem(response, 401 if role is None else 403)
    assert backend.calls == []
    allowed = [None] if needed == OPEN else [role for role in Role if role.may(Role(needed))]
    for role in allowed:
        response = ask(client, path, method, {} if role is None else bearer(TOKENS[role]))
        assert response.status_code not in {401, 403, 405, 422, 500}, response.text
    phases = [entry.phase for entry, stored in backend.notes if stored and entry.status != 403]
    once = ["answered"] if method == "GET" else ["asked", "answered"]
    assert phases == ([] if needed == OPEN else once * len(allowed))


WRONG = {
    "no header": {},
    "another scheme": {"Authorization": "Basic YTpi"},
    "an unknown token": bearer("x" * 43),
    "a short one": bearer("x"),
    "a long one": bearer("x" * 5000),
    "an expired one": bearer(EXPIRED),
    "a digest in the token's place": bearer(digest_of(TOKENS[Role.ADMIN]).hex()),
    "one with more behind it": bearer(TOKENS[Role.ADMIN] + "x"),
}


@pytest.mark.parametrize("what", WRONG)
@pytest.mark.parametrize("path", ["/v1/state", "/v1/no/such/path", "/v1/openapi.json", "/docs"])
def test_a_wrong_token_is_refused_everywhere_alike(client: AsgiClient, what: str, path: str) -> None:
    """Also where there is no such path: nothing of the API is learnt without a token."""
    response = client.get(path, headers=WRONG[what])
    assert_is_a_problem(response, 401)
    assert response.headers["www-authenticate"].startswith("Bearer")


def test_a_token_given_twice_is_none(client: AsgiClient) -> None:
    headers = [("Authorization", f"Bearer {TOKENS[Role.VIEWER]}"), ("Authorization", f"Bearer {TOKENS[Role.ADMIN]}")]
    assert client.get("/v1/state", headers=headers).status_code == 401


def test_a_token_taken_out_of_the_file_is_refused_at_once(client: AsgiClient, settings: AdminSettings) -> None:
    """And a file that cannot be read lets nobody in."""
    assert settings.tokens_file is not None
    assert client.get("/v1/state", headers=bearer(TOKENS[Role.VIEWER])).status_code == 200
    settings.tokens_file.write_text("[]")
    assert_is_a_problem(client.get("/v1/state", headers=bearer(TOKENS[Role.VIEWER])), 401)
    settings.tokens_file.write_text("[{]")
    assert_is_a_problem(client.get("/v1/state", headers=bearer(TOKENS[Role.VIEWER])), 503)


def with_subject(application: ASGIApp, subject: str | None) -> ASGIApp:
    """As the listener does for a client whose certificate it verified."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        await application({**scope, "extensions": {"tls": {"client_cert_name": subject}}}, receive, send)

    return wrapped


@pytest.mark.parametrize(
    ("subject", "status"), [(SUBJECT, 200), ("CN=alice", 401), ("CN=alice,O=shop", 401), ("O=evil,CN=alice", 401), (None, 401)]
)
def test_a_certificate_counts_by_its_whole_subject(tmp_path: Path, subject: str | None, status: int) -> None:
    file = tmp_path / "file.pem"
    file.write_text("-")
    tls = AdminTlsSettings(certificate_file=file, key_file=file, client_ca_file=file, subjects={SUBJECT: Role.VIEWER})
    application = make_application(AdminSettings(tls=tls), FakeBackend())
    client = AsgiClient(with_subject(application, subject))
    assert client.get("/v1/state").status_code == status
    if status == 200:
        assert client.get("/v1/audit").status_code == 403


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "nobody could be told from anybody"),
        ({"host": "0.0.0.0", "tokens_file": "tokens"}, "no loopback address"),
        ({"tls": {"certificate_file": "none", "key_file": "none"}}, "nobody could be told from anybody"),
        ({"tls": {"certificate_file": "none", "key_file": "none", "client_ca_file": "none"}}, "no subject has a role"),
        ({"tokens_file": "empty"}, "has no tokens"),
        ({"tokens_file": "missing"}, "cannot be read"),
    ],
)
def test_it_does_not_start_where_anybody_would_be_let_in(tmp_path: Path, settings: dict[str, Any], says: str) -> None:
    tokens_file(tmp_path).rename(tmp_path / "tokens")
    (tmp_path / "empty").write_text("[]")
    given = {**settings, **({"tokens_file": tmp_path / settings["tokens_file"]} if "tokens_file" in settings else {})}
    with pytest.raises(SettingsError, match=says) as refused:
        make_application(AdminSettings.model_validate(given), FakeBackend())
    assert refused.value.exit_code == 2


def test_every_problem_of_a_tokens_file_is_told_and_no_digest(tmp_path: Path) -> None:
    digest = "ab" * 32
    entries = [{"name": "", "role": "viewer", "sha256": digest}, {"name": "a", "role": "root", "sha256": digest},
               {"name": "b", "role": "viewer", "sha256": "zz"}, {"name": "c", "role": "viewer", "token": "secret-value"}, 1,
               {"name": "d", "role": "viewer", "sha256": digest, "expires": "soon"}]  # fmt: skip
    path = tmp_path / "tokens.json"
    path.write_text(json.dumps(entries))
    with pytest.raises(SettingsError) as refused:
        make_application(AdminSettings(tokens_file=path), FakeBackend())
    told = str(refused.value)
    assert all(f"entry {number}" in told for number in range(len(entries)))
    assert digest not in told
    assert "secret-value" not in told


def test_nothing_is_done_that_cannot_be_noted(client: AsgiClient, backend: FakeBackend) -> None:
    backend.audit_fails = psycopg.OperationalError("gone")
    response = client.post("/v1/tables/shop/orders/pause", json={"reason": "x"}, headers=bearer(TOKENS[Role.OPERATOR]))
    assert_is_a_problem(response, 503)
    assert backend.calls == []
    assert client.get("/v1/tables", headers=bearer(TOKENS[Role.VIEWER])).status_code == 200  # a read goes on


def test_the_audit_log_says_who_did_what_and_how_it_ended(client: AsgiClient, backend: FakeBackend) -> None:
    headers = bearer(TOKENS[Role.OPERATOR])
    for table, status in (("orders", 204), ("orders", 409), ("other", 404)):
        response = client.post(f"/v1/tables/shop/{table}/pause", json={"reason": "maintenance"}, headers=headers)
        assert response.status_code == status
    told = [(entry.principal, entry.role, entry.action, entry.target, entry.phase, entry.status) for entry, _ in backend.notes]
    action = "POST /v1/tables/{schema}/{table}/pause"
    who = ("a operator", Role.OPERATOR, action)
    assert told[:4] == [
        (*who, "/v1/tables/shop/orders/pause", "asked", None), (*who, "/v1/tables/shop/orders/pause", "answered", 204),
        (*who, "/v1/tables/shop/orders/pause", "asked", None), (*who, "/v1/tables/shop/orders/pause", "answered", 409),
    ]  # fmt: skip
    assert backend.calls[0] == ("pause", "shop", "orders", "maintenance", "a operator")


def test_a_path_cannot_forge_a_line_of_the_log(client: AsgiClient, backend: FakeBackend) -> None:
    client.get("/v1/x%0a%1b[31mforged" + "y" * 1000, headers=bearer(TOKENS[Role.VIEWER]))
    [(entry, _)] = backend.notes
    assert entry.target.isprintable()
    assert len(entry.target) <= 300


class SecretInDefect(Exception):
    """Holds what must not leave."""


@pytest.mark.parametrize(
    ("failure", "status"),
    [(SecretInDefect("row-value"), 500), (psycopg.OperationalError("row-value"), 503), (OSError("x"), 503)],
)
def test_a_failure_leaves_no_traceback_and_no_value(
    client: AsgiClient, backend: FakeBackend, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str],
    failure: Exception, status: int,
) -> None:  # fmt: skip
    backend.fails = failure
    response = client.get("/v1/state", headers=bearer(TOKENS[Role.VIEWER]))
    assert_is_a_problem(response, status)
    assert "row-value" not in response.text
    if status == 500:
        assert "row-value" not in caplog.text + capsys.readouterr().out
    assert [entry.status for entry, stored in backend.notes if stored] == [status]


def test_a_body_too_large_is_refused_whether_it_says_so_or_not(client: AsgiClient, backend: FakeBackend) -> None:
    headers = {**bearer(TOKENS[Role.OPERATOR]), "Content-Type": "text/csv"}
    assert_is_a_problem(client.post("/v1/validation/sheet", content="x" * 1025, headers=headers), 413)
    assert_is_a_problem(client.post("/v1/validation/sheet", content=chunked(b"x" * 600, 3), headers=headers), 413)
    large = {"reason": "x" * 100_000}
    assert_is_a_problem(client.post("/v1/tables/a/b/pause", json=large, headers=bearer(TOKENS[Role.OPERATOR])), 413)
    assert backend.calls == []


def test_a_wrong_sheet_is_refused_with_all_its_problems(client: AsgiClient) -> None:
    headers = {**bearer(TOKENS[Role.OPERATOR]), "Content-Type": "text/csv"}
    response = client.post("/v1/validation/sheet", content="a,a\r\n1\r\n", headers=headers)
    assert_is_a_problem(response, 422)
    assert len(response.json()["problems"]) >= len(OWN) + 2
    assert_is_a_problem(client.post("/v1/validation/sheet", content=b"\xff\xfe", headers=headers), 422)
    other = {**headers, "Content-Type": "application/json"}
    assert_is_a_problem(client.post("/v1/validation/sheet", content="{}", headers=other), 415)


def test_an_invalid_request_is_told_without_what_was_sent(client: AsgiClient) -> None:
    body = {"ids": [0], "reason": "x", "secret": "row-value"}
    response = client.post("/v1/dead-letters/archive", json=body, headers=bearer(TOKENS[Role.ADMIN]))
    assert_is_a_problem(response, 422)
    assert "row-value" not in response.text
    assert len(response.json()["problems"]) == 2


def test_one_client_cannot_take_it_all(tmp_path: Path, backend: FakeBackend) -> None:
    """Also not somebody unknown who guesses; health stays to be had."""
    settings = AdminSettings(tokens_file=tokens_file(tmp_path), requests_per_minute=3)
    client = AsgiClient(make_application(settings, backend))
    answers = [client.get("/v1/state", headers=WRONG["an unknown token"]) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
    assert int(answers[-1].headers["retry-after"]) > 0
    assert client.get("/health").json() == {"status": "ok"}


def test_a_bucket_fills_again_and_is_each_clients_own() -> None:
    now = [0.0]
    buckets = Buckets(2, lambda: now[0])
    assert [buckets.take("a") for _ in range(3)] == [0.0, 0.0, 30.0]
    assert buckets.take("b") == 0.0
    now[0] = 30.0
    assert buckets.take("a") == 0.0


def test_the_published_description_is_the_apis_own() -> None:
    """`sink-worker admin openapi` writes it."""
    assert PUBLISHED.read_text(encoding="utf-8") == openapi_text()
