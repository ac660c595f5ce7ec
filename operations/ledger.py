"""The list of what ``cdc render`` wrote into a tree, so that the next run knows its own files from everybody else's."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from components.core.errors import RenderError

LEDGER = ".cdc-rendered.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Ledger:
    """``files`` maps each written path to the SHA-256 of its bytes. ``stack`` is empty where nothing was rendered yet."""

    stack: str
    files: Mapping[str, str]

    def encode(self) -> bytes:
        """The same files give the same bytes."""
        value = {"format": _FORMAT, "stack": self.stack, "files": dict(sorted(self.files.items()))}
        return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def fingerprint(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def ledger_of(stack: str, contents: Mapping[str, bytes]) -> Ledger:
    """The ledger of a tree that holds exactly ``contents``."""
    return Ledger(stack, {path: fingerprint(content) for path, content in contents.items()})


def read_ledger(tree: Path) -> Ledger:
    """The ledger in ``tree``; an empty one where there is none. A damaged one is an error: nothing could be told apart."""
    path = tree / LEDGER
    try:
        value = json.loads(path.read_bytes())
        if value["format"] != _FORMAT:
            raise ValueError(f"format {value['format']}")
        return Ledger(str(value["stack"]), {str(name): str(digest) for name, digest in value["files"].items()})
    except (FileNotFoundError, NotADirectoryError):
        return Ledger("", {})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RenderError(
            f"{path}: cannot be read, so cdc cannot tell its own files from yours: {error}"
            "\n      → restore it from version control, or move the folder away"
        ) from None
