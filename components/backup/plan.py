"""What a run of ``cdc backup create`` needs to know of an environment, and no more: that much is rendered for it. Pure.

The whole spec of a large environment fits into no Kubernetes object, and a change of anything in it would be a change of the
backup's. Lists are files of their own, one entry a line, in parts that each fit into one.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from components.backup.derive import backed_up_topics
from components.backup.names import COMPONENT, KEY, S3_CA, S3_CREDENTIALS
from components.backup.spec import BackupSpec
from components.core.errors import CdcError
from components.environment import EnvironmentSpec

NAME = "plan.json"
TOPICS, VAULT = "topics", "vault"
PART_BYTES = 500_000
"""Of an object's at most 1 MiB, most of which tools double in an annotation of what was applied last."""

_FIELDS = {"directory", "s3", "key", "keep"}
_REFERENCE = re.compile(r"vault:[A-Za-z0-9._/-]+#[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class BackupPlan:
    """``topics`` are those whose records are backed up, ``vault`` the names of secrets, ``path#key``. ``registry`` and
    ``connect``: whether there is one. ``environment`` is the whole spec, where it is at hand."""

    name: str
    backup: BackupSpec
    topics: tuple[str, ...]
    vault: tuple[str, ...]
    registry: bool
    connect: bool
    environment: EnvironmentSpec | None = None


def plan_of(environment: EnvironmentSpec, backup: BackupSpec) -> BackupPlan:
    """From the spec."""
    return BackupPlan(
        name=environment.name,
        backup=backup,
        topics=backed_up_topics(environment, backup),
        vault=vault_names(environment),
        registry=environment.schema_registry is not None,
        connect=environment.connect is not None,
        environment=environment,
    )


def vault_names(environment: EnvironmentSpec) -> tuple[str, ...]:
    """``path#key`` of everything that the spec refers to in Vault, sorted."""
    return tuple(
        sorted({text.removeprefix("vault:") for text in _texts(environment.published()) if _REFERENCE.fullmatch(text)})
    )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)


def written(plan: BackupPlan) -> dict[str, str]:
    """Its files, by name: :data:`NAME`, and lists as ``topics-0.txt``, ``topics-1.txt`` …; of what is secret, only that there
    is a file."""
    declared = plan.backup.model_dump(mode="json", by_alias=True, exclude_unset=True, include=_FIELDS)
    for values, name, file in (
        (declared, "key", KEY),
        (declared.get("s3") or {}, "credentials", S3_CREDENTIALS),
        (declared.get("s3") or {}, "ca", S3_CA),
    ):
        if values.get(name) is not None:
            values[name] = f"secret:{COMPONENT}#{file}"
    body = {"environment": plan.name, "registry": plan.registry, "connect": plan.connect, "backup": declared}
    lists = {
        f"{name}-{number}.txt": text
        for name, lines in ((TOPICS, plan.topics), (VAULT, plan.vault))
        for number, text in enumerate(_parts(lines))
    }
    return {NAME: json.dumps(body, indent=1, ensure_ascii=False) + "\n", **lists}


def _parts(lines: Iterable[str]) -> Iterator[str]:
    part: list[str] = []
    size = 0
    for line in lines:
        length = len(line.encode()) + 1
        if size + length > PART_BYTES:
            yield "".join(part)
            part, size = [], 0
        part.append(line + "\n")
        size += length
    if part:
        yield "".join(part)


def read(files: Mapping[str, str], where: str) -> BackupPlan:
    """What :func:`written` wrote. Raises :class:`CdcError` for what it did not."""
    try:
        body = json.loads(files[NAME])
        backup = BackupSpec.model_validate(body["backup"])
        name, registry, connect = str(body["environment"]), bool(body["registry"]), bool(body["connect"])
    except (KeyError, TypeError, ValueError):
        raise CdcError(f"{where}/{NAME}: is no plan of a backup\n      → use what cdc render wrote") from None
    return BackupPlan(name, backup, _lines(files, TOPICS), _lines(files, VAULT), registry, connect)


def _lines(files: Mapping[str, str], name: str) -> tuple[str, ...]:
    own = (text for file, text in files.items() if file.startswith(f"{name}-"))
    return tuple(sorted(line for text in own for line in text.splitlines()))
