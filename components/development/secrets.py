"""Makes up what an environment on one's own machine keeps secret, so that its containers can start."""

import os
import secrets as entropy
from collections.abc import Iterator
from pathlib import Path

from components.core import tls
from components.core.errors import CdcError
from components.core.secrets import SecretFile, lines, read_lines
from components.development import admin_access
from components.environment import EnvironmentSpec
from components.kafka.logins import FIRST, MECHANISM
from components.vault.uses import uses

FOLDER_VARIABLE = "CDC_SECRETS_DIR"
_ENDINGS = ("password", "token", "login")
_BYTES = 24
_PRIVATE, _FOLDER, _FILE, _OWN_FILE = 0o700, 0o755, 0o444, 0o400
"""Containers run as users of their own, whom a developer may not give files to: so those may be read by everybody who can enter
the folder around them, which is nobody but its owner. A container sees its own part of it alone."""

Known = dict[tuple[str, str, str], str]
"""Values by secret, key and path in Vault."""


def secrets_folder(root: Path) -> Path:
    """``$CDC_SECRETS_DIR``, or ``secrets`` in the project."""
    return Path(os.environ.get(FOLDER_VARIABLE) or root / "secrets")


def make_up(spec: EnvironmentSpec, folder: Path) -> list[str]:
    """Write every password that is missing, and what the admin APIs are entered with; the same reference is the same password
    wherever it is read. What is there stays.

    Gives what was written, ``<container>/<file>``, and ``sink-admin.token``. Raises :class:`CdcError` where something else is
    needed, the environment is no development one, or the folder cannot be written.
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
        folder.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        keys_first = sorted(missing, key=lambda one: not admin_access.is_key(one[1]))
        return [name for container, file in keys_first for name in _give(folder, container, file, known)]
    except OSError as error:
        raise CdcError(f"{folder}: {error.strerror}\n      → name a folder that you may write to") from None


def _files(spec: EnvironmentSpec) -> Iterator[tuple[str, SecretFile]]:
    for use in uses(spec):
        yield from ((container, file) for container in use.containers for file in use.files)


def _known(wanted: list[tuple[str, SecretFile]], folder: Path) -> Known:
    """Values that lie there already, by their reference."""
    found: Known = {}
    for container, file in wanted:
        path = folder / container / file.name
        if path.exists():
            text = path.read_text(encoding="utf-8")
            values = read_lines(text) if file.beside else {file.key: text}
            found |= {_reference(file, key): value for key, value in values.items()}
    return found


def _reference(file: SecretFile, key: str) -> tuple[str, str, str]:
    """To one key of the file's secret."""
    return file.secret, key, file.vault


def _is_known(file: SecretFile, known: Known) -> bool:
    return all(_reference(file, key) in known for key in file.keys)


def _refuse_others(spec: EnvironmentSpec, missing: list[tuple[str, SecretFile]], known: Known) -> None:
    others = [
        f"{container}/{file.name}"
        for container, file in missing
        if not _is_known(file, known) and not _can_be_made(file, known)
    ]
    if others:
        raise CdcError(
            f"{spec.name}: only passwords are made up; missing: {', '.join(sorted(others))}"
            "\n      → put them there, or turn off what needs them, such as tls: {enabled: false}"
        )


def _can_be_made(file: SecretFile, known: Known) -> bool:
    """A certificate can be made for the key that is there, a key for the certificate that is there cannot."""
    if admin_access.is_key(file):
        return _reference(file, tls.CERTIFICATE) not in known
    return file.name.endswith(_ENDINGS) or admin_access.is_certificate(file) or admin_access.is_list_of_tokens(file)


def _give(folder: Path, container: str, file: SecretFile, known: Known) -> list[str]:
    """The file to the container; gives what was written."""
    written = [] if _is_known(file, known) else _make(container, file, known, folder)
    own = folder / container
    own.mkdir(exist_ok=True)
    own.chmod(_FOLDER)
    values = {key: known[_reference(file, key)] for key in file.keys}
    _write(own / file.name, lines(values) if file.beside else values[file.key], _FILE)
    return [*written, f"{container}/{file.name}"]


def _make(container: str, file: SecretFile, known: Known, folder: Path) -> list[str]:
    """Its values, into ``known``; gives what was written beside it."""
    written: list[str] = []
    if admin_access.is_list_of_tokens(file):
        token = folder / admin_access.TOKEN_FILE
        if not token.exists():
            _write(token, entropy.token_urlsafe(admin_access.TOKEN_BYTES), _OWN_FILE)
            written.append(token.name)
        made = admin_access.list_of_tokens(token.read_text(encoding="utf-8"))
    elif admin_access.is_key(file):
        made = admin_access.new_key()
    elif admin_access.is_certificate(file):
        made = admin_access.self_signed(container, known[_reference(file, tls.KEY)])
    else:
        made = entropy.token_urlsafe(_BYTES)
    known.setdefault(_reference(file, file.key), made)
    for key in file.beside:
        known.setdefault(_reference(file, key), FIRST if key == MECHANISM else entropy.token_urlsafe(_BYTES))
    return written


def _write(place: Path, text: str, mode: int) -> None:
    """Beside its place first, so that no other run reads half of it."""
    beside = place.with_name(f".{place.name}.{entropy.token_hex(8)}")
    beside.write_text(text, encoding="utf-8")
    beside.chmod(mode)
    beside.replace(place)
