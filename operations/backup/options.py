"""The options of ``cdc backup``, and what they and the spec together name: a store, a key, a backup."""

from pathlib import Path
from typing import Annotated

import typer

from components.backup.spec import BackupSpec
from components.core.errors import CdcError
from components.environment import EnvironmentSpec
from operations import project
from operations.backup.create import is_id
from operations.backup.errors import BackupError, DamagedError
from operations.backup.manifest import Kind, Manifest, read_manifest
from operations.backup.sealing import read_key
from operations.backup.store import Folder, Store

To = Annotated[Path | None, typer.Option("--to", metavar="DIR", help="Folder of all backups. Default: what the spec says.")]
From = Annotated[Path | None, typer.Option("--from", metavar="DIR", help="Folder of all backups. Default: what the spec says.")]
S3Credentials = Annotated[
    Path | None,
    typer.Option("--s3-credentials-file", metavar="FILE", help="The bucket's access key, as AWS's programs read it."),
]
S3Ca = Annotated[Path | None, typer.Option("--s3-ca-file", metavar="FILE", help="What signed its store's certificate, PEM.")]
KeyFile = Annotated[Path | None, typer.Option("--key-file", metavar="FILE", help="File with the key: openssl rand -hex 32.")]
KafkaConfig = Annotated[
    Path, typer.Option("--kafka-config", metavar="FILE", help="Settings of a client of Kafka, key=value lines.")
]
RegistryUrl = Annotated[
    str | None, typer.Option("--registry", metavar="URL", help="The schema registry's API as this machine reaches it; or none.")
]
Connect = Annotated[
    list[str] | None, typer.Option("--connect", metavar="URL", help="REST address of a worker of the active colour; or none.")
]
ConnectUser = Annotated[str | None, typer.Option("--connect-user", metavar="NAME", help="Whom to enter there as.")]
ConnectPassword = Annotated[
    Path | None, typer.Option("--connect-password-file", metavar="FILE", help="File with that user's password.")
]
ConnectCa = Annotated[Path | None, typer.Option("--connect-ca-file", metavar="FILE", help="What signed its certificate, PEM.")]
Backup = Annotated[str | None, typer.Argument(metavar="BACKUP", help="Its id. Default: the newest whole one.")]


def declared_in(root: Path | None, stack: str) -> tuple[EnvironmentSpec, BackupSpec]:
    spec = project.load(project.find_root(root), stack)
    if spec.backup is None:
        raise CdcError(f"{spec.name}: no backup is declared\n      → declare backup; see cdc explain backup")
    return spec, spec.backup


def store_of(
    spec: EnvironmentSpec,
    declared: BackupSpec,
    folder: Path | None,
    credentials: Path | None,
    ca: Path | None,
    of: str | None = None,
) -> Store:
    """The bucket that is declared, unless a folder is named."""
    name, s3 = of or spec.name, declared.s3
    if s3 is None or folder is not None:
        return Folder((folder or Path(declared.directory)) / name)
    if s3.credentials is not None and credentials is None:
        raise CdcError("backups go to a bucket\n      → name the file of its access key with --s3-credentials-file")
    from operations.backup.s3 import Bucket, BucketStore

    prefix = "/".join([*filter(None, [s3.prefix]), name, ""])
    return BucketStore(Bucket(s3.bucket, s3.region, s3.endpoint, credentials, ca), prefix)


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
