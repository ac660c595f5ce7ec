"""Changes one value in a stack file and nothing else: comments, order and layout stay."""

import re
from pathlib import Path

from components.core.errors import CdcError
from operations import project
from operations.files import replace_text

_ACTIVE = re.compile(r"(?P<key>(?<![\w.-])active\s*:\s*)(?P<quote>['\"]?)(?P<value>blue|green)(?P=quote)")
_CONNECT = re.compile(r"(?m)^(?P<indent>[ ]*)connect[ ]*:(?P<rest>[^\n]*)(?:\n|$)")


def set_active(root: Path, stack: str, colour: str) -> Path:
    """``connect.active`` of ``stack`` becomes ``colour``; gives the file, whose other bytes are as they were.

    The file is replaced in one step. It is an error where the result would not mean what it should.
    """
    written = project.written_spec(root, stack)
    path = root / written.source
    text = with_active(written.text, colour)
    if text != written.text:
        try:
            replace_text(path, text)
        except OSError as error:
            raise CdcError(f"{path}: cannot be written: {error.strerror}\n      → write connect.active by hand") from None
    if project.written_spec(root, stack).value.get("connect", {}).get("active", "blue") != colour:
        raise CdcError(f"{path}: connect.active could not be changed to {colour}\n      → write it by hand")
    return path


def with_active(text: str, colour: str) -> str:
    """``text`` with another value of ``active`` in the block or flow mapping ``connect``; added where it is left out."""
    for match in _CONNECT.finditer(text):
        end = _block_end(text, match.end(), len(match["indent"]))
        flow = match["rest"].split(" #")[0].strip().startswith("{")
        start = match.start("rest") if flow else match.end()
        block = text[start : match.end() if flow else end]
        changed, count = _ACTIVE.subn(lambda found: f"{found['key']}{found['quote']}{colour}{found['quote']}", block, count=1)
        if count == 0:
            changed = _added(block, flow, colour)
        return text[:start] + changed + text[start + len(block) :]
    raise CdcError("there is no connect in the spec\n      → declare it first")


def _block_end(text: str, start: int, indent: int) -> int:
    """Where the lines that are further in than ``indent`` end."""
    position = start
    for line in text[start:].splitlines(keepends=True):
        if line.strip() and not line.lstrip().startswith("#") and len(line) - len(line.lstrip(" ")) <= indent:
            break
        position += len(line)
    return position


def _added(block: str, flow: bool, colour: str) -> str:
    if flow:
        begin = block.index("{") + 1
        comma = ", " if block[begin:].strip().rstrip("}").strip() else ""
        return f"{block[:begin]}active: {colour}{comma}{block[begin:]}"
    first = next((line for line in block.splitlines() if line.strip() and not line.lstrip().startswith("#")), "")
    indent = " " * (len(first) - len(first.lstrip(" ")))
    return f"{indent}active: {colour}\n{block}"
