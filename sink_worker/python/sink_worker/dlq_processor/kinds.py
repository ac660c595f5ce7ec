"""Which of the three classes of B section 7 a refused event is in, and when a transient one is tried again. Pure."""

import random
from collections.abc import Callable, Iterable
from datetime import timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final

from sink_worker.dlq_processor.settings import DlqProcessorSettings

RESTORED: Final = "Restored"
"""The error class of an event that was taken out of the archive again."""


class Kind(StrEnum):
    """What is done with an event."""

    TRANSIENT = "transient"  # it may be right later: a schema that comes, a parent row, a lock
    VALIDATION = "validation"  # its values do not fit; a person corrects them
    PERMANENT = "permanent"  # its bytes are no event


_TRANSIENT: Final = (
    RESTORED, "UnknownSchema", "RegistryUnavailableError", "KafkaException", "OperationalError", "InterfaceError", "locked",
    "paused", "Undecided",
    "*:23503",  # foreign_key_violation: topics have no order between them, the parent row may come later
    "*:08???", "*:40???", "*:53???", "*:55???", "*:57???", "*:58???",  # the server's state, not the row's
)  # fmt: skip
_PERMANENT: Final = (
    "InternalError", "InvalidJson", "InvalidLength", "InvalidUnion", "InvalidVarint", "KeyMismatch", "KeylessChange",
    "MagicByte", "MissingAfter", "MissingKey", "TooDeep", "TrailingBytes", "Truncated", "UnknownOp", "UnsupportedSchema",
    "Malformed",
)  # fmt: skip


def kind_of(error_class: str, settings: DlqProcessorSettings) -> Kind:
    """The settings' patterns first, then what is known here; whatever is left is a matter of values."""
    patterns: Iterable[tuple[Kind, Iterable[str]]] = (
        (Kind.TRANSIENT, settings.transient), (Kind.VALIDATION, settings.validation), (Kind.PERMANENT, settings.permanent),
        (Kind.TRANSIENT, _TRANSIENT), (Kind.PERMANENT, _PERMANENT),
    )  # fmt: skip
    for kind, named in patterns:
        if any(fnmatchcase(error_class, pattern) for pattern in named):
            return kind
    return Kind.VALIDATION


def wait_after(
    attempts: int, settings: DlqProcessorSettings, uniform: Callable[[float, float], float] = random.uniform
) -> timedelta:
    """How long to wait after so many new tries: doubled each time, up to the longest, less up to a tenth at random."""
    seconds = min(settings.first_seconds * 2.0 ** min(attempts, 32), settings.longest_seconds)
    return timedelta(seconds=seconds * uniform(0.9, 1.0))
