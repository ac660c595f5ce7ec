"""Personal data: which columns are masked before anything sees them, and refused events that only the key's holder can read.

The decoder masks (src/mask.rs), so rows, logs, traces and the messages of dead letters hold masked values. What was refused is
kept as it came, to be replayed; of a table with masks it is kept encrypted.
"""

from sink_worker._native import Mask, MaskKey, TableHint
from sink_worker.masking_settings import MaskingSettings
from sink_worker.routing import Route


class Masking:
    """Applies the masks of routes. OSError when the key cannot be read, ValueError when it is too short."""

    def __init__(self, settings: MaskingSettings) -> None:
        self._key = None if settings.key_file is None else MaskKey(settings.key_file.read_bytes().rstrip(b"\r\n"))

    def onto(self, hint: TableHint, route: Route) -> TableHint:
        """What is known of a route's table, with its masks. ValueError for masks without a key."""
        return hint.masked(self.of(route)) if route.masks else hint

    def of(self, route: Route) -> dict[str, Mask]:
        """The masks of a route's columns. ValueError for masks without a key."""
        if not route.masks:
            return {}
        key = self._needed()
        return {column: key.mask(mask.rule, mask.keep) for column, mask in route.masks}

    def sealed(self, raw: bytes | None, route: Route) -> bytes | None:
        """A refused event's bytes as they may be kept: encrypted where the table has masks. Equal bytes stay equal."""
        return self._needed().seal(raw) if raw is not None and route.masks else raw

    def opened(self, raw: bytes | None) -> bytes | None:
        """The inverse. ValueError when it was sealed with another key."""
        return self._key.unseal(raw) if raw is not None and self._key is not None else raw

    def reveal(self, token: str) -> str:
        """The value that a token stands for. ValueError when it is none of this key's."""
        return self._needed().reveal(token)

    def _needed(self) -> MaskKey:
        if self._key is None:
            raise ValueError("masking.key_file: is needed for masks")
        return self._key
