"""What is said when a Vault does not answer as one does. Real ones are asked in tests/integration/test_vault_live.py."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from components.core.errors import CdcError
from operations.live.vault import Vault, VaultAccess, VaultError, find_access

TOKEN = "hvs.planted-token"
URL = "https://vault:8200"


def answering(status: int, **answer: Any) -> Vault:
    """A Vault that gives everybody one answer."""
    return Vault(VaultAccess(URL, None, TOKEN), httpx.MockTransport(lambda request: httpx.Response(status, **answer)))


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (200, {"text": "<html>a portal</html>"}, "is no Vault"),
        (200, {"json": {"sealed": True, "initialized": False}}, "not initialised"),
        (200, {"json": {"sealed": True, "initialized": True}}, "Vault is sealed"),
        (200, {"json": {"other": 1}}, "is no Vault"),
        (502, {"text": "bad gateway"}, "is no Vault"),
    ],
)
def test_what_is_no_open_vault_is_described(status: int, answer: dict[str, Any], said: str) -> None:
    with answering(status, **answer) as vault, pytest.raises(VaultError) as refused:
        vault.check_open()
    assert said in str(refused.value)
    assert "→" in str(refused.value)
    assert TOKEN not in str(refused.value)


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (403, {"json": {"errors": ["permission denied"]}}, "the token may not"),
        (503, {"json": {"errors": ["Vault is sealed"]}}, "no active node"),
        (400, {"json": {"errors": ["beyond the expiration of the CA certificate"]}}, "cdc vault apply renews it"),
        (500, {"text": "x" * 5000}, "answered 500"),
        (400, {"json": ["odd"]}, "answered 400"),
    ],
)
def test_a_refusal_says_what_where_and_what_to_do(status: int, answer: dict[str, Any], said: str) -> None:
    with answering(status, **answer) as vault, pytest.raises(VaultError) as refused:
        vault.write("secret/data/cdc-pipeline/x/y", {"data": {"password": "planted"}})
    assert said in str(refused.value)
    assert "→" in str(refused.value)
    assert "planted" not in str(refused.value)
    assert len(str(refused.value)) < 700


def test_what_vault_has_dated_is_judged_by_its_own_clock() -> None:
    with answering(200, json={}, headers={"Date": "Tue, 01 Jan 2030 12:00:00 GMT"}) as vault:
        assert vault.now() == datetime(2030, 1, 1, 12, tzinfo=UTC)


def test_a_token_is_never_part_of_what_is_shown() -> None:
    assert TOKEN not in repr(VaultAccess(URL, None, TOKEN))


@pytest.mark.parametrize("address", ["vault:8200", "ftp://vault", "https://user:planted@vault:8200", ""])
def test_what_is_no_address_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VAULT_ADDR", raising=False)
    monkeypatch.setenv("VAULT_TOKEN", TOKEN)
    with pytest.raises(CdcError) as refused:
        find_access("not-used-either" if not address else URL, address or None, None, None)
    assert "planted" not in str(refused.value)


def test_the_command_line_wins_over_the_environment_and_that_over_the_spec(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("from-the-file\n")
    monkeypatch.setenv("VAULT_TOKEN", TOKEN)
    monkeypatch.setenv("VAULT_ADDR", "https://from-the-environment")
    assert find_access(URL, None, None, None).url == "https://from-the-environment"
    assert find_access(URL, "https://said", None, file).url == "https://said"
    assert find_access(URL, None, None, file).token == "from-the-file"
    assert find_access(URL, None, None, None).token == TOKEN
