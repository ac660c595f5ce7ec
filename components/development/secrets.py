"""Makes up the passwords of an environment on one's own machine, so that its containers can start."""

import os
import secrets as entropy
from collections.abc import Iterator, Mapping
from pathlib import Path

from components.core.errors import CdcError
from components.core.secrets import SecretFile
from components.environment import EnvironmentSpec
from components.vault.uses import uses

FOLDER_VARIABLE = "CDC_SECRETS_DIR"
_ENDINGS = ("password", "token")
_BYTES = 24
_PRIVATE, _FOLDER, _FILE = 0o700, 0o755, 0o444
"""Containers run as users of their own, whom a developer may not give files to: so those may be read by everybody who can enter
the folder around them, which is nobody but its owner. A container sees its own part of it alone."""


def secrets_folder(root: Path) -> Path:
    """``$CDC_SECRETS_DIR``, or ``secrets`` in the project."""
    return Path(os.environ.get(FOLDER_VARIABLE) or root / "secrets")


def make_up(spec: EnvironmentSpec, folder: Path) -> list[str]:
    """Write every password that is missing; the same reference is the same password wherever it is read. What is there stays.

    Gives what was written, ``<container>/<file>``. Raises :class:`CdcError` where something else than passwords is needed, the
    environment is no development one, or the folder cannot be written.
    """
    if spec.tier != "development" or spec.target != "docker":
        raise CdcError(
            f"{spec.name}: passwords are made up only for development on docker\n      → write them, or keep them in Vault: "
            "see docs/vault.md"
        )
    wanted = list(_files(spec))
    try:
        known = _known(wanted, folder)
        missing = [(container, file) for container, file in wanted if not (folder / container / file.name).exists()]
        _refuse_others(spec, missing, known)
        return [_write(folder, container, file, known) for container, file in missing]
    except OSError as error:
        raise CdcError(f"{folder}: {error.strerror}\n      → name a folder that you may write to") from None


def _files(spec: EnvironmentSpec) -> Iterator[tuple[str, SecretFile]]:
    for use in uses(spec):
        yield from ((container, file) for container in use.containers for file in use.files)


def _known(wanted: list[tuple[str, SecretFile]], folder: Path) -> dict[tuple[str, str, str], str]:
    """Values that lie there already, by their reference."""
    paths = ((file, folder / container / file.name) for container, file in wanted)
    return {_reference(file): path.read_text(encoding="utf-8") for file, path in paths if path.exists()}


def _reference(file: SecretFile) -> tuple[str, str, str]:
    return file.secret, file.key, file.vault


def _refuse_others(
    spec: EnvironmentSpec, missing: list[tuple[str, SecretFile]], known: Mapping[tuple[str, str, str], str]
) -> None:
    others = [
        f"{container}/{file.name}"
        for container, file in missing
        if not file.name.endswith(_ENDINGS) and _reference(file) not in known
    ]
    if others:
        raise CdcError(
            f"{spec.name}: only passwords are made up; missing: {', '.join(sorted(others))}"
            "\n      → put them there, or turn off what needs them, such as tls: {enabled: false}"
        )


def _write(folder: Path, container: str, file: SecretFile, known: dict[tuple[str, str, str], str]) -> str:
    """Beside its place first, so that no other run reads half of it."""
    text = known.setdefault(_reference(file), entropy.token_urlsafe(_BYTES))
    folder.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
    own = folder / container
    own.mkdir(exist_ok=True)
    own.chmod(_FOLDER)
    beside = own / f".{file.name}.{entropy.token_hex(8)}"
    beside.write_text(text, encoding="utf-8")
    beside.chmod(_FILE)
    beside.replace(own / file.name)
    return f"{container}/{file.name}"
