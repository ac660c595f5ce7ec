"""What the user writes about personal data (requirement B9, section 9)."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from components.core.model import SpecModel, setting

MaskRule = Literal["hash", "tokenize", "redact", "partial", "clear"]


class MaskSpec(SpecModel):
    """A column with personal data, and what becomes of it before it is written; ``hash`` is short for ``{rule: hash}``."""

    shorthand: ClassVar[str | None] = "rule"
    rule: MaskRule = setting(
        help="hash: HMAC-SHA-256. tokenize: encrypted, and turned back by who has the key (`sink-worker reveal`). redact: a "
        "constant where the column holds text, NULL elsewhere. partial: the last characters only. clear: as it is. Key columns "
        "can be hashed, tokenized or left clear.",
        becomes="routing.rules[].masks of the sink worker",
    )
    keep: int = setting(
        4, help="How many characters partial shows, never more than half.", becomes="masks.<column>.keep", ge=1, le=1000
    )


class PersonalDataSpec(SpecModel):
    """A table with personal data. Its refused events are kept encrypted."""

    columns: Mapping[str, MaskSpec] = setting(
        dict, help="Columns that hold it, and what becomes of each.", becomes="routing.rules[].masks of the sink worker"
    )
