"""How this machine reaches source databases, and as whom their users' passwords are changed: ``--source-config``."""

import ssl
from collections.abc import Mapping
from configparser import Error as ConfigError
from configparser import RawConfigParser
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from components.core.errors import CdcError
from components.vault.source_rotation import PORT, SourceLogin

EVERYWHERE = "client"
"""The section about all servers, as in MySQL's own option files. Others are about the server that they name."""

KEYS = ("user", "password", "host", "port", "primary", "ssl-ca", "ssl-cert", "ssl-key")


@dataclass(frozen=True, slots=True)
class SourceWay:
    """To one server. ``primary`` takes its writes, where it is a replica. Without ``user`` each source's user changes its own
    password."""

    host: str
    port: int
    primary: tuple[str, int] | None = None
    user: str | None = None
    password: str = field(default="", repr=False)
    encrypted: bool = False
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None

    @property
    def local(self) -> bool:
        """Whether nobody is on the way."""
        return all(_is_local(host) for host in (self.host, *(self.primary or ())[:1]))

    def context(self) -> ssl.SSLContext | None:
        """What the server's certificate, which must be good for the host's name, is judged by; ``None``: in plain text."""
        if not self.encrypted:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            said = error.strerror or "it is no certificate"
            named = ", ".join(filter(None, (self.ca, self.certificate, self.key)))
            raise CdcError(f"{named}: cannot be used: {said}\n      → name PEM files in --source-config") from None
        return context


@dataclass(frozen=True, slots=True)
class SourceWays:
    """Settings by section."""

    sections: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)

    def of(self, login: SourceLogin) -> SourceWay:
        """To the server of ``login``: what is said of it by host and port, else by host, else of all, else by the spec."""
        said: dict[str, str] = {}
        for section in (EVERYWHERE, login.host, f"{login.host}:{login.port}"):
            said |= self.sections.get(section, {})
        return SourceWay(
            host=said.get("host", login.host),
            port=_port(said.get("port", str(login.port))),
            primary=_place(said["primary"]) if "primary" in said else None,
            user=said.get("user"),
            password=said.get("password", ""),
            encrypted=login.encrypted or "ssl-ca" in said,
            ca=said.get("ssl-ca"),
            certificate=said.get("ssl-cert"),
            key=said.get("ssl-key"),
        )


def read_ways(file: Path | None) -> SourceWays:
    """An option file such as MySQL's programs read. Raises :class:`CdcError` for one that says what nobody asks."""
    if file is None:
        return SourceWays()
    parser = RawConfigParser(delimiters=("=",), comment_prefixes=("#", ";"), strict=True, empty_lines_in_values=False)
    try:
        parser.read_string(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise CdcError(f"{file}: cannot be read: {why}\n      → name a readable file") from None
    except ConfigError:  # it repeats lines, which may hold a password
        remedy = "write sections such as [client] or [shop-db:3306], and lines such as user=dba below them"
        raise CdcError(f"{file}: is no option file\n      → {remedy}") from None
    sections = {name: {key: _unquoted(value) for key, value in parser.items(name)} for name in parser.sections()}
    unknown = sorted({key for said in sections.values() for key in said} - set(KEYS))
    if unknown:
        raise CdcError(f"{file}: {', '.join(unknown)}: is not known\n      → write of {', '.join(KEYS)}")
    ways = SourceWays(sections)
    for said in sections.values():
        _port(said.get("port", str(PORT)))
        _place(said.get("primary", "any"))
    return ways


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value


def _place(text: str) -> tuple[str, int]:
    host, _, port = text.partition(":")
    return host, _port(port or str(PORT))


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 1 << 16:
        raise CdcError(f"--source-config: {text} is no port\n      → write one such as {PORT}")
    return int(text)


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
