"""Which topics are Cassandra's."""

import re
from collections.abc import Sequence


def is_taken(topics: Sequence[str], topic: str) -> bool:
    """Whether a topic is among these names and (from ``^`` on) regular expressions."""
    return topic in topics or any(name.startswith("^") and re.match(name, topic) for name in topics)
