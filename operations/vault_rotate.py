"""Giving credentials their successors. Every step may be repeated: a run that was killed is completed by the next one."""

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from components.core.errors import CdcError
from components.core.secrets import NEXT, PREVIOUS
from components.environment import EnvironmentSpec
from components.vault.login_rotation import left_out
from components.vault.names import KV
from components.vault.rotation import Rotated, rotated
from operations.audit_log import AuditLog
from operations.live.told import Server
from operations.live.vault import Vault, VaultError
from operations.login_rotate import KafkaServers, rotate_login
from operations.source_restarts import is_held
from operations.vault_apply import new_password

State = Literal["due", "fresh", "settling", "restart", "read", "missing"]


@dataclass(frozen=True, slots=True)
class Finding:
    """How one path stands. ``due``: may be rotated and is old enough; ``fresh``: not old enough; ``settling``: written so
    lately that clients may not have fetched it; ``restart``: it was, and connectors still know the one before; ``read``: they
    have been started again since; ``missing``: the spec's keys are not all there."""

    rotated: Rotated
    state: State
    since: datetime | None
    version: int = 0

    @property
    def path(self) -> str:
        return self.rotated.path


def observe(spec: EnvironmentSpec, vault: Vault, now: datetime, only: Iterable[str] = ()) -> list[Finding]:
    """How every rotated path stands, or those that are named, which are due however fresh. Reads no secret."""
    named = {name.removeprefix("vault:").partition("#")[0] for name in only}
    items = [item for item in rotated(spec) if not named or item.path in named]
    unknown = named - {item.path for item in items}
    if unknown:
        known = ", ".join(item.path for item in rotated(spec)) or "none"
        reasons = "".join(f"; {why}" for path in sorted(unknown) if (why := left_out(spec, path)) is not None)
        raise CdcError(f"{', '.join(sorted(unknown))}: is not rotated here{reasons}\n      → name one of: {known}")
    return vault.each(lambda item: _finding(spec, vault, item, now, bool(named)), items)


def rotate(
    vault: Vault,
    servers: Server,
    findings: Iterable[Finding],
    now: datetime,
    log: AuditLog | None = None,
    kafka: KafkaServers | None = None,
) -> list[str]:
    """Rotate all that are due, several at a time. Gives the paths. Raises the first error, once the others are done; what was
    not reached goes on with the password that it has."""
    done: list[str] = []

    def work(finding: Finding) -> None:
        with nullcontext() if log is None else log.changing(finding.path, after="rotated"):
            login = finding.rotated.kafka
            if login is None:
                _rotate(vault, servers, finding, now)
            else:
                assert kafka is not None, "whoever rotates logins says where"
                rotate_login(vault, kafka, finding.path, login, finding.version)
        done.append(finding.path)

    due = [finding for finding in findings if finding.state == "due"]
    try:
        vault.each(work, due)
    except CdcError as error:
        raise VaultError(f"{error}\n      → {len(done)} of {len(due)} were rotated; run the same again for the rest") from None
    return sorted(done)


def stamp(key: str) -> str:
    """Where Vault keeps, beside the secret, when a key was last rotated."""
    return f"cdc-{key}-rotated"


def _finding(spec: EnvironmentSpec, vault: Vault, item: Rotated, now: datetime, named: bool) -> Finding:
    assert spec.vault is not None
    answer = vault.read(f"{KV}/metadata/{item.path}")
    versions = {} if answer is None else answer["data"]["versions"]
    newest = versions.get(str(answer["data"]["current_version"])) if answer is not None else None
    if answer is None or newest is None or newest["deletion_time"] or newest["destroyed"]:
        return Finding(item, "missing", None)
    stamps = answer["data"].get("custom_metadata") or {}
    version, written = int(answer["data"]["current_version"]), _time(newest["created_time"])
    times = [_time(stamps[stamp(key)]) for key in item.keys if stamp(key) in stamps]
    since = min(times) if len(times) == len(item.keys) else None
    if item.kafka is not None:  # in one write with the login, and nothing else is written there: it is never missing
        since = written
    if now - written < timedelta(milliseconds=spec.vault.rotation.overlap):
        return Finding(item, "settling", since, version)
    if is_held(vault, item):
        return Finding(item, "restart", since, version)
    old = since is None or now - since >= timedelta(milliseconds=spec.vault.rotation.every)
    return Finding(item, "due" if named or old else "fresh", since, version)


def _rotate(vault: Vault, servers: Server, finding: Finding, now: datetime) -> None:
    """The server is told the password that clients have been given as the next one long ago, or that it is to take beside the
    present one; then Vault, in one write that nobody else's may come before, makes it the present one and thinks of another."""
    item = finding.rotated
    answer = vault.read(f"{KV}/data/{item.path}")
    data: Mapping[str, Any] = {} if answer is None else answer["data"]["data"] or {}
    made = {f"{key}-{NEXT}": new_password() for key in item.sources if f"{key}-{NEXT}" not in data}
    data = {**made, **data}
    wanted = [f"{key}{end}" for key in item.keys for end in ("", f"-{NEXT}")]
    wanted += [f"{key}-{PREVIOUS}" for key in item.keys if key not in item.sources]
    missing = [key for key in wanted if not isinstance(data.get(key), str)]
    if missing:
        raise VaultError(
            f"{item.path}: {', '.join(missing)}: is missing\n      → run cdc vault apply, and rotate a while later"
        )
    version = answer["data"]["metadata"]["version"]
    if version != finding.version:
        raise VaultError(f"{item.path}: was written while this ran\n      → look again who rotates it too")
    if made:  # a source's reader is not told before: nobody else makes it, and the server must not know it before Vault does
        body = {"data": made, "options": {"cas": version}}
        version = vault.ask("PATCH", f"{KV}/data/{item.path}", body)["data"]["version"]
    new: dict[str, str] = {}
    for key, logins in item.keys.items():
        for login in logins:
            servers.tell(login, data[key], data[f"{key}-{NEXT}"])
        new |= {key: data[f"{key}-{NEXT}"], f"{key}-{NEXT}": new_password(), f"{key}-{PREVIOUS}": data[key]}
    vault.ask("PATCH", f"{KV}/data/{item.path}", {"data": new, "options": {"cas": version}})
    stamps = {stamp(key): now.astimezone(UTC).isoformat(timespec="seconds") for key in item.keys}
    vault.ask("PATCH", f"{KV}/metadata/{item.path}", {"custom_metadata": stamps})


def _time(text: str) -> datetime:
    """Vault's clock has nanoseconds."""
    whole, _, rest = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00") if rest else datetime.fromisoformat(text)
