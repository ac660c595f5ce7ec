"""Bringing a live Vault to what was planned. What is there already is left alone, so that a run that was cut off is
completed by the next one."""

import secrets as entropy
import string
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from components.kafka.logins import FIRST, MECHANISM
from components.vault.state import REVIEWER_SET, Entry
from operations.audit_log import AuditLog
from operations.live.vault import Vault, VaultError
from operations.vault_plan import Change, api_path

PASSWORD_LENGTH = 40
"""Letters and digits only, about 238 bits: nothing that a URL, a shell or a properties file would have to escape."""

_STAGES: tuple[tuple[str, ...], ...] = (("audit",), ("mount", "auth"), ("authority",), ("policy", "document"))
"""Kinds that may be made at the same time, in the order in which they stand on each other; the log of it all comes first."""


def new_password() -> str:
    """A random password."""
    return "".join(entropy.choice(string.ascii_letters + string.digits) for _ in range(PASSWORD_LENGTH))


def with_reviewer(changes: Iterable[Change], token: str | None) -> list[Change]:
    """The changes with the token that an external Vault is to ask the API server with. Raises :class:`VaultError` where one of
    them needs it and there is none."""
    found = []
    for change in changes:
        entry = change.entry
        if REVIEWER_SET in entry.body and change.action != "remove":
            if token is None:
                remedy = "make one with kubectl create token vault-token-reviewer, and name its file with --reviewer-token-file"
                raise VaultError(f"{entry.name}: Vault needs a token for the API server; nothing was changed\n      → {remedy}")
            body = {key: value for key, value in entry.body.items() if key != REVIEWER_SET}
            entry = replace(entry, body={**body, "token_reviewer_jwt": token})
        found.append(replace(change, entry=entry))
    return found


def apply(vault: Vault, changes: Iterable[Change], log: AuditLog | None = None) -> None:
    """Make all changes, and log each by its name. Raises :class:`VaultError` for the first that fails, with how far it came."""
    changes = list(changes)
    made: list[Change] = []

    def work(change: Change) -> None:
        with nullcontext() if log is None else log.changing(change.entry.id, after=change.action):
            _make(vault, change)
        made.append(change)

    removed = [change for change in changes if change.action == "remove"]
    invented = [change for change in changes if change.action == "generate"]
    stages = [[c for c in changes if c.entry.kind in kinds and c not in removed and c not in invented] for kinds in _STAGES]
    try:
        for stage in (*stages, invented, removed):
            vault.each(work, stage)
    except VaultError as error:
        text = f"{error}\n      → {len(made)} of {len(changes)} changes were made; run the same again for the rest"
        raise VaultError(text) from None


def _make(vault: Vault, change: Change) -> None:
    if change.action == "remove":
        vault.delete(api_path(change.entry))
    elif change.action == "generate":
        _generate(vault, change.entry)
    elif change.action == "renew":
        renew(vault, change.entry)
    elif change.entry.kind == "authority":
        vault.write(api_path(change.entry), {**change.entry.body, "key_type": "ec", "key_bits": 384})
    elif change.action == "change" and change.entry.kind in {"mount", "auth"}:
        vault.write(f"{api_path(change.entry)}/tune", change.entry.body["config"])
    elif change.action == "change" and change.entry.kind == "audit":
        vault.delete(api_path(change.entry))
        vault.write(api_path(change.entry), change.entry.body)
    else:
        vault.write(api_path(change.entry), change.entry.body)


def renew(vault: Vault, authority: Entry) -> None:
    """A new certificate for the CA's own key and name: whoever trusts the old one trusts what is issued from now on."""
    issuer = vault.read(f"{authority.name}/issuer/default")["data"]
    body = {**authority.body, "key_ref": issuer["key_id"]}
    new = vault.write(f"{authority.name}/issuers/generate/root/existing", body)["data"]["issuer_id"]
    vault.write(f"{authority.name}/config/issuers", {"default": new})


def _generate(vault: Vault, entry: Entry) -> None:
    """Only where nobody wrote in between: Vault compares the version that was seen."""
    data: Mapping[str, Any] = {key: FIRST if key == MECHANISM else new_password() for key in entry.body["keys"]}
    method = "POST" if entry.body["cas"] == 0 else "PATCH"
    vault.ask(method, entry.name, {"data": data, "options": {"cas": entry.body["cas"]}})
