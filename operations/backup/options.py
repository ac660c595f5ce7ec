"""The options of ``cdc backup``, and what they and the spec together name: a store, a key, a backup."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from components.backup import plan
from components.backup.plan import BackupPlan
from components.backup.spec import BackupSpec
from components.core.errors import CdcError
from components.environment import EnvironmentSpec
from operations import project
from operations.backup.create import is_id
from operations.backup.errors import BackupError, DamagedError
from operations.backup.manifest import Kind, Manifest, read_manifest
from operations.backup.sealing import read_key
from operations.backup.store import Folder, Store

KeyFile = Annotated[Path | None, typer.Option("--key-file", metavar="FILE", help="File with the key: openssl rand -hex 32.")]
Plan = Annotated[
    Path | None,
    typer.Option("--plan", metavar="DIR", help="Folder with what a CronJob knows in place of the project, as rendered."),
]
Backup = Annotated[str | None, typer.Argument(metavar="BACKUP", help="Its id. Default: the newest whole one.")]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the command line says that backups are; its fields are the options."""

    folder: Annotated[
        Path | None, typer.Option("--from", metavar="DIR", help="Folder of all backups. Default: what the spec says.")
    ] = None
    credentials: Annotated[
        Path | None,
        typer.Option("--s3-credentials-file", metavar="FILE", help="The bucket's access key, as AWS's programs read it."),
    ] = None
    ca: Annotated[
        Path | None, typer.Option("--s3-ca-file", metavar="FILE", help="What signed its store's certificate, PEM.")
    ] = None


@dataclass(frozen=True, slots=True)
class Target(Place):
    """Where they go."""

    folder: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Folder of all backups. Default: what the spec says.")
    ] = None


def declared_in(root: Path | None, stack: str) -> tuple[EnvironmentSpec, BackupSpec]:
    spec = project.load(project.find_root(root), stack)
    if spec.backup is None:
        raise CdcError(f"{spec.name}: no backup is declared\n      → declare backup; see cdc explain backup")
    return spec, spec.backup


def planned(root: Path | None, stack: str, folder: Path | None) -> BackupPlan:
    """From the project; or what ``folder`` says of it."""
    if folder is None:
        return plan.plan_of(*declared_in(root, stack))
    try:
        files = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir() if path.suffix in {".json", ".txt"}}
    except OSError as error:
        raise CdcError(f"{error.filename}: {error.strerror}\n      → name the folder with {plan.NAME}") from None
    found = plan.read(files, str(folder))
    if found.name != project.stack_name(stack):
        raise CdcError(f"{folder}: is the plan of {found.name}, not of {stack}\n      → name that stack, or another folder")
    return found


def store_of(spec: EnvironmentSpec | BackupPlan, declared: BackupSpec, place: Place, of: str | None = None) -> Store:
    """The bucket that is declared, unless a folder is named."""
    name, s3 = of or spec.name, declared.s3
    if s3 is None or place.folder is not None:
        return Folder((place.folder or Path(declared.directory)) / name)
    if s3.credentials is not None and place.credentials is None:
        raise CdcError("backups go to a bucket\n      → name the file of its access key with --s3-credentials-file")
    from operations.backup.s3 import Bucket, BucketStore

    prefix = "/".join([*filter(None, [s3.prefix]), name, ""])
    return BucketStore(Bucket(s3.bucket, s3.region, s3.endpoint, place.credentials, place.ca), prefix)


def kind_of(text: str) -> Kind:
    return "daily" if text == "daily" else "weekly" if text == "weekly" else "manual"


def create_key(declared: BackupSpec, file: Path | None) -> bytes | None:
    if declared.key is not None and file is None:
        raise CdcError("backups are encrypted here\n      → name the file of the key with --key-file")
    if declared.key is None and file is not None:
        raise CdcError("--key-file: backups are not encrypted here\n      → set backup.key, or leave the option out")
    return key_of(file)


def key_of(file: Path | None) -> bytes | None:
    return None if file is None else read_key(file)


def chosen(store: Store, backup: str | None) -> str:
    if backup is not None:
        if not is_id(backup):
            raise CdcError(f"{backup!r} is no id of a backup\n      → use one that cdc backup list shows")
        return backup
    found = [manifest.id for manifest in manifests(store)]
    if not found:
        raise BackupError(
            f"{store}: there is no backup\n      → make one with cdc backup create, or name another folder with --from"
        )
    return max(found)


def manifests(store: Store) -> list[Manifest]:
    found = [read_or_none(store, name) for name in store.children() if is_id(name)]
    return [manifest for manifest in found if manifest is not None]


def read_or_none(store: Store, name: str) -> Manifest | None:
    try:
        return read_manifest(store, name)
    except DamagedError:
        return None
