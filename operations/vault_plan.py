"""From what a live Vault holds to what it must hold: observed, then planned, which is pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from components.environment import EnvironmentSpec
from components.vault.identities import access, generated
from components.vault.names import KV, auth_mount, own
from components.vault.state import Body, Entry, desired, mark
from operations.live.vault import Vault, VaultError

Action = Literal["create", "change", "renew", "remove", "generate"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting: as it is, and as it must be."""

    field: str
    live: Any
    wanted: Any


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to be done to a live Vault. ``entry`` is what it must be; for what is removed, what it was."""

    action: Action
    entry: Entry
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class Keys:
    """What is under a path, names only. ``version`` is 0 for a path that was never written."""

    names: frozenset[str]
    version: int


@dataclass(frozen=True, slots=True)
class Live:
    """What was observed: the settings of each desired entry by its id (absent: not there), what else of ours is there, the
    keys under each path, and when each CA ends."""

    bodies: Mapping[str, Body]
    strays: tuple[Entry, ...]
    keys: Mapping[str, Keys]
    ends: Mapping[str, datetime]


@dataclass(frozen=True, slots=True)
class Plan:
    """``missing`` are keys by path that only a person can write."""

    changes: tuple[Change, ...]
    missing: Mapping[str, tuple[str, ...]]

    @property
    def is_empty(self) -> bool:
        return not self.changes and not self.missing


def observe(spec: EnvironmentSpec, vault: Vault) -> Live:
    """What is there of all that the spec wants. Reads no secret: of KV only the names of keys."""
    mounts = _mounted(vault, "sys/mounts")
    methods = _mounted(vault, "sys/auth")
    entries = desired(spec)
    audited = any(entry.kind == "audit" for entry in entries)
    devices = _mounted(vault, "sys/audit") if audited else {}
    bodies: dict[str, Body] = {}
    for entry in entries:
        found = {"mount": mounts, "auth": methods, "audit": devices}.get(entry.kind, {}).get(entry.name)
        if found is not None:
            bodies[entry.id] = found
    there = set(mounts) | {f"auth/{name}" for name in methods}
    documents = [entry for entry in entries if entry.kind == "document" and _mount_of(entry.name) in there]
    policies = [entry for entry in entries if entry.kind == "policy"]
    for entry, answer in zip(documents, vault.each(lambda entry: vault.read(entry.name), documents), strict=True):
        if answer is not None and answer.get("data"):
            bodies[entry.id] = answer["data"]
    for entry, answer in zip(policies, vault.each(lambda e: vault.read(f"sys/policies/acl/{e.name}"), policies), strict=True):
        if answer is not None:
            bodies[entry.id] = {"policy": answer["data"]["policy"]}
    ends = {entry.name: end for entry in entries if entry.kind == "authority" for end in _ends(vault, entry.name, there)}
    for entry in entries:
        if entry.kind == "authority" and entry.name in ends:
            bodies[entry.id] = entry.body
    strays = (*_stray_policies(spec, entries, vault), *_stray_roles(spec, entries, vault, there))
    return Live(bodies, strays, _keys(spec, vault) if KV in mounts else {}, ends)


def plan(spec: EnvironmentSpec, live: Live, now: datetime) -> Plan:
    """What must be done, in the order in which it is. Raises :class:`VaultError` where what is there is somebody else's."""
    entries = desired(spec)
    conflicts = [text for entry in entries for text in _conflicts(spec, entry, live.bodies.get(entry.id))]
    if conflicts:
        raise VaultError("\n".join(["Vault holds what is not this environment's:", *(f"  {text}" for text in conflicts)]))
    changes = [change for entry in entries if (change := _change(spec, entry, live, now)) is not None]
    changes += [Change("remove", entry) for entry in live.strays]
    needed = access(spec)
    keys, made_up = needed.keys, generated(spec, needed)
    missing: dict[str, tuple[str, ...]] = {}
    for path in sorted({*keys, *made_up}):
        there = live.keys.get(path, Keys(frozenset(), 0))
        invented = [key for key in made_up.get(path, ()) if key not in there.names]
        left = tuple(key for key in keys.get(path, ()) if key not in there.names and key not in invented)
        if left:
            missing[path] = left
        if invented:
            changes.append(Change("generate", Entry("document", f"{KV}/data/{path}", {"keys": invented, "cas": there.version})))
    return Plan(tuple(changes), missing)


def needed_paths(changes: Iterable[Change]) -> dict[str, frozenset[str]]:
    """By API path: of which capabilities a token needs one, to make these changes."""
    write, sudo = frozenset({"create", "update"}), frozenset({"sudo"})
    found: dict[str, frozenset[str]] = {}
    for change in changes:
        entry = change.entry
        if change.action == "remove":
            found[api_path(entry)] = frozenset({"delete"})
        elif change.action == "generate":
            found[entry.name] = write if entry.body["cas"] == 0 else frozenset({"patch"})
        elif entry.kind in {"auth", "audit"}:
            found[api_path(entry)] = sudo
        elif entry.kind == "mount" and change.action == "change":
            found[f"sys/mounts/{entry.name}/tune"] = write
        else:
            found[api_path(entry)] = write
    return found


def api_path(entry: Entry) -> str:
    """Where in the API an entry is made, changed and taken away."""
    return {
        "mount": f"sys/mounts/{entry.name}",
        "auth": f"sys/auth/{entry.name}",
        "audit": f"sys/audit/{entry.name}",
        "policy": f"sys/policies/acl/{entry.name}",
        "authority": "/".join((entry.name, "root", "generate", "internal")),
        "document": entry.name,
    }[entry.kind]


def _mounted(vault: Vault, path: str) -> dict[str, Body]:
    answer = vault.read(path)
    return {name.rstrip("/"): body for name, body in ((answer or {}).get("data") or {}).items()}


def _mount_of(path: str) -> str:
    steps = path.split("/")
    return "/".join(steps[:2]) if steps[0] == "auth" else steps[0]


def _ends(vault: Vault, mount: str, there: set[str]) -> Iterator[datetime]:
    """When the CA's certificate ends; nothing while it has none."""
    if mount not in there:
        return
    answer = vault.read(f"{mount}/cert/ca")
    pem = str(((answer or {}).get("data") or {}).get("certificate") or "")
    if pem:
        from cryptography import x509

        yield x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc


def _stray_policies(spec: EnvironmentSpec, entries: Iterable[Entry], vault: Vault) -> Iterator[Entry]:
    """Policies that carry this environment's mark and that it no longer has."""
    wanted = {entry.name for entry in entries if entry.kind == "policy"}
    begin = own(spec.context, "")
    names = [name for name in vault.listed("sys/policies/acl") if name.startswith(begin) and name not in wanted]
    for name, answer in zip(names, vault.each(lambda name: vault.read(f"sys/policies/acl/{name}"), names), strict=True):
        text = "" if answer is None else str(answer["data"]["policy"])
        if text.partition("\n")[0] == mark(spec):
            yield Entry("policy", name, {"policy": text})


def _stray_roles(spec: EnvironmentSpec, entries: Iterable[Entry], vault: Vault, there: set[str]) -> Iterator[Entry]:
    """Roles in this environment's own mounts that it no longer has."""
    wanted = {entry.name for entry in entries if entry.kind == "document"}
    folders = [f"auth/{auth_mount(spec.context)}/role"]
    folders += [f"{entry.name}/roles" for entry in entries if entry.kind == "authority"]
    for folder in folders:
        if _mount_of(folder) in there:
            paths = (f"{folder}/{name}" for name in vault.listed(folder))
            yield from (Entry("document", path, {}) for path in paths if path not in wanted)


def _keys(spec: EnvironmentSpec, vault: Vault) -> dict[str, Keys]:
    found = access(spec)
    paths = sorted({*found.keys, *generated(spec, found)})
    return dict(zip(paths, vault.each(lambda path: read_keys(vault, path), paths), strict=True))


def read_keys(vault: Vault, path: str) -> Keys:
    """The keys under ``path``, without their values."""
    answer = vault.read(f"{KV}/subkeys/{path}")
    data = {} if answer is None else answer["data"]
    version = int((data.get("metadata") or {}).get("version") or 0)
    if answer is None:  # never written, or its newest version deleted
        metadata = vault.read(f"{KV}/metadata/{path}")
        version = 0 if metadata is None else int(metadata["data"]["current_version"])
    return Keys(frozenset(data.get("subkeys") or {}), version)


def _conflicts(spec: EnvironmentSpec, entry: Entry, live: Body | None) -> Iterator[str]:
    if live is None:
        return
    if entry.kind in {"mount", "auth", "audit"} and live.get("type") != entry.body["type"]:
        yield f"{entry.id}: is of type {live.get('type')}, not {entry.body['type']}\n      → move it, or disable it by hand"
    elif entry.shared and (live.get("options") or {}).get("version") != entry.body["options"]["version"]:
        yield f"{entry.id}: is KV version 1\n      → upgrade it: vault kv enable-versioning {entry.name}"
    elif entry.kind == "policy" and not str(live["policy"]).startswith("# cdc-platform environment="):
        yield f"{entry.id}: was written by somebody else\n      → rename or delete that policy, and run this again"
    elif entry.kind == "policy" and str(live["policy"]).partition("\n")[0] != mark(spec):
        whose = str(live["policy"]).partition("\n")[0].rpartition("=")[2]
        yield f"{entry.id}: is that of environment {whose}\n      → rename the workload, or the environment"


def _change(spec: EnvironmentSpec, entry: Entry, live: Live, now: datetime) -> Change | None:
    found = live.bodies.get(entry.id)
    if found is None:
        return Change("create", entry)
    if entry.shared:
        return None
    if entry.kind == "authority":
        return _renewal(spec, entry, live.ends[entry.name], now)
    differences = tuple(_differences(found, entry.body))
    return Change("change", entry, differences) if differences else None


def _renewal(spec: EnvironmentSpec, entry: Entry, end: datetime, now: datetime) -> Change | None:
    """A CA is renewed while it can still vouch for a whole certificate."""
    if spec.vault is None or end - now > timedelta(milliseconds=spec.vault.pki.lifetime + spec.vault.pki.renew_before):
        return None
    said = f"{'ended' if end <= now else 'ends'} {end.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return Change("renew", entry, (Difference("certificate", said, f"{entry.body['ttl'] // 86400} more days"),))


def _differences(live: Body, wanted: Body, path: str = "") -> Iterator[Difference]:
    for key, value in wanted.items():
        found = live.get(key)
        if isinstance(value, Mapping):
            yield from _differences(found or {}, value, f"{path}{key}.")
        elif isinstance(value, list):
            if sorted(found or []) != sorted(value):
                yield Difference(f"{path}{key}", found, value)
        elif found != value:
            yield Difference(f"{path}{key}", found, value)


def check_may(vault: Vault, changes: Iterable[Change]) -> None:
    """Refuses before anything is changed when the token may not make all of these changes."""
    needed = needed_paths(changes)
    if not needed:
        return
    answer = vault.write("sys/capabilities-self", {"paths": sorted(needed)})["data"]
    lacking = [path for path, wanted in needed.items() if not ({"root"} | wanted) & set(answer.get(path) or ())]
    if lacking:
        lines = [f"  {path}: {' or '.join(sorted(needed[path]))}" for path in lacking]
        head = f"{vault.url}: the token may not make {len(lacking)} of these changes; nothing was changed"
        raise VaultError("\n".join([head, *lines, "      → use a token whose policies allow them; see docs/vault.md"]))
