"""Replication ids: a source database knows each of its readers by a number that no other reader may have. Pure."""

import hashlib
from collections.abc import Iterator

from components.connect.names import COLOURS, Colour
from components.connect.spec import ConnectSpec

FIRST, LAST = 5400, 2**31 - 1
"""Debezium's own choice begins at 5400; the last is the most that its field takes."""


def server_id(connect: ConnectSpec, environment: str, pipeline: str, colour: Colour) -> int:
    """The id that ``connect.serverIds`` gives (green has the next one), or one made of environment, pipeline and colour.

    It depends on nothing else, so that it never changes; and a standby environment that reads the same source has another
    name, so another id.
    """
    given = connect.server_ids.get(pipeline)
    if given is not None:
        return given + COLOURS.index(colour)
    digest = hashlib.sha256(f"{environment}/{pipeline}/{colour}".encode()).digest()
    return FIRST + int.from_bytes(digest[:8], "big") % (LAST - FIRST + 1)


def server_ids(connect: ConnectSpec, environment: str, pipelines: list[str]) -> Iterator[tuple[str, Colour, int]]:
    """Every (pipeline, colour, id)."""
    return (
        (pipeline, colour, server_id(connect, environment, pipeline, colour)) for pipeline in pipelines for colour in COLOURS
    )
