"""The project folder and the stacks in it. Reads files; everything behind it is pure."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.core import yaml_text
from components.core.errors import CdcError
from components.core.paths import Location
from components.environment import CONFIG_KEY, EnvironmentSpec
from components.loading import build_environment, load_environment, parse_environment, stacks

_STACK_FILE = re.compile(r"^(?:.*/)?Pulumi\.([a-z0-9-]+)\.ya?ml$")
_GIT_SECONDS = 30
RENDERED = "rendered"
"""The folder in the project that rendered trees are written to, one for each stack."""


def find_root(given: Path | None) -> Path:
    """``given``; else the nearest folder, from the current one upwards, that holds ``Pulumi.yaml``."""
    if given is not None:
        if not given.is_dir():
            raise CdcError(f"{given}: is not a folder\n      → name the folder that holds Pulumi.yaml with --root")
        return given.resolve()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "Pulumi.yaml").is_file():
            return folder
    raise CdcError(
        f"{here}: neither here nor above is a Pulumi.yaml\n      → go into the project's folder, or name it with --root"
    )


def in_repository(root: Path, path: str) -> str:
    """``path``, which is relative to the project, as the repository that holds it knows it; ``/``-separated."""
    top = next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)
    return (root / path).relative_to(top).as_posix()


def stack_name(text: str) -> str:
    """``prod``, also when written as the file's name, ``Pulumi.prod.yaml``."""
    match = _STACK_FILE.match(text)
    return match[1] if match else text


def load(root: Path, stack: str) -> EnvironmentSpec:
    """The spec of ``stack``, see :func:`components.loading.load_environment`."""
    return load_environment(root, stack_name(stack))


def known_stacks(root: Path) -> list[str]:
    """All stacks of the project; an error when there is none."""
    found = stacks(root)
    if not found:
        raise CdcError(f"{root}: there is no Pulumi.<stack>.yaml\n      → write one, or name the project with --root")
    return found


@dataclass(frozen=True, slots=True)
class WrittenSpec:
    """What the user wrote: plain values, the text they stand in, its file's name, and where in the text they begin."""

    value: Any
    text: str
    source: str
    prefix: Location


def written_spec(root: Path, stack: str) -> WrittenSpec:
    """The plain values behind ``stack``, which must have been loaded before."""
    source = f"Pulumi.{stack_name(stack)}.yaml"
    text = (root / source).read_text(encoding="utf-8")
    value = yaml_text.load(text, source)["config"][CONFIG_KEY]
    if isinstance(value, str):
        referenced = (root / value).read_text(encoding="utf-8")
        return WrittenSpec(yaml_text.load(referenced, value), referenced, value, ())
    return WrittenSpec(value, text, source, ("config", CONFIG_KEY))


def load_at(root: Path, stack: str, reference: str) -> EnvironmentSpec:
    """The spec of ``stack`` as it stands in git at ``reference``, a file it refers to included."""
    name = f"Pulumi.{stack}.yaml"
    source = f"{name} at {reference}"
    text = _show(root, reference, name)
    document = yaml_text.load(text, source)
    config = document.get("config") if isinstance(document, dict) else None
    value = config.get(CONFIG_KEY) if isinstance(config, dict) else None
    if not isinstance(value, str):
        return parse_environment(text, stack, source=source)
    text, source = _show(root, reference, value), f"{value} at {reference}"
    return build_environment(yaml_text.load(text, source), stack, source, text)


def _show(root: Path, reference: str, path: str) -> str:
    """One file's text at a git reference. ``./`` makes git read it relative to ``root``."""
    if reference.startswith("-") or ":" in reference:
        raise CdcError(f"{reference}: is not a git reference\n      → name a branch, a tag or a commit")
    try:
        shown = subprocess.run(
            ["git", "show", f"{reference}:./{path}"], cwd=root, capture_output=True, timeout=_GIT_SECONDS, check=False
        )
    except FileNotFoundError:
        raise CdcError("git is not installed\n      → install it, or compare two stacks") from None
    except subprocess.TimeoutExpired:
        raise CdcError(f"git show {reference}:./{path}: no answer in {_GIT_SECONDS} s") from None
    if shown.returncode != 0:
        reason = shown.stderr.decode(errors="replace").strip().removeprefix("fatal: ")
        raise CdcError(
            f"{reference}: neither a stack ({', '.join(stacks(root))}) nor a git reference that holds {path}: {reason}"
            "\n      → name a stack, a branch, a tag or a commit"
        )
    return shown.stdout.decode(errors="replace")
