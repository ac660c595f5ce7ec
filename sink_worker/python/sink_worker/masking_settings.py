"""What can be set about personal data."""

from pathlib import Path
from typing import Literal

from pydantic import PositiveInt

from sink_worker.section import Section

Rule = Literal["hash", "tokenize", "redact", "partial"]


class MaskSettings(Section):
    """What becomes of one column's values. The column holds text then; NULL stays NULL."""

    rule: Rule
    """``hash``: HMAC-SHA-256, in hexadecimal digits. ``tokenize``: encrypted (AES-256-SIV), so that who has the key can turn it
    back. ``redact``: a constant where the column holds text, NULL elsewhere. ``partial``: only the last characters. Key columns
    can be hashed or tokenized."""
    keep: PositiveInt = 4
    """How many characters ``partial`` shows; never more than half of them."""


class MaskingSettings(Section):
    """The secret of all masks. Equal values have equal hashes and tokens wherever it is the same."""

    key_file: Path | None = None
    """At least 32 bytes. With another key hashes and tokens are others, and refused events cannot be replayed."""
