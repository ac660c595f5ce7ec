"""CQL's types as ``DESCRIBE TABLE`` writes them."""

import re
from dataclasses import dataclass, field
from typing import Final

NATIVE: Final = frozenset({
    "ascii", "bigint", "blob", "boolean", "counter", "date", "decimal", "double", "duration", "float", "inet", "int",
    "smallint", "text", "time", "timestamp", "timeuuid", "tinyint", "uuid", "varchar", "varint",
})  # fmt: skip
_ARGUMENTS: Final = {"list": 1, "set": 1, "map": 2, "frozen": 1}
_TOKEN = re.compile(r'\s*("(?:[^"]|"")+"|[A-Za-z_][A-Za-z0-9_.]*|[<>,])')


@dataclass(frozen=True, slots=True)
class CqlType:
    """``name`` is of a native type, ``list``, ``set``, ``map``, ``tuple``, or ``udt`` for whatever else is named."""

    name: str
    arguments: tuple["CqlType", ...] = field(default=())
    frozen: bool = False
    static: bool = False

    @property
    def ambiguous(self) -> bool:
        """Whether an event of a column of this type does not tell the column's value."""
        return self.unstreamed or (not self.frozen and self.name in {"list", "set", "map", "udt"})

    @property
    def unstreamed(self) -> bool:
        """Whether a change of a column of this type makes no event."""
        return self.static or self.name == "counter"

    def as_text(self) -> str:
        """The type without ``frozen`` and ``static``: what the decoder is told."""
        inner = ",".join(argument.as_text() for argument in self.arguments)
        return f"{self.name}<{inner}>" if inner else self.name


def parse_cql(text: str) -> CqlType:
    """Parse a column's type, ``static`` behind it or not. ValueError when it is none."""
    words = text.strip()
    static = words.lower().endswith(" static")
    tokens = _tokens(words[: -len(" static")] if static else words)
    found, rest = _type(tokens)
    if rest:
        raise ValueError(f"{text!r} is no CQL type: {' '.join(rest)} follows it")
    return CqlType(found.name, found.arguments, found.frozen, static)


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    while at < len(text):
        if (match := _TOKEN.match(text, at)) is None:
            raise ValueError(f"{text!r} is no CQL type: {text[at:]!r} is unexpected")
        tokens.append(match[1])
        at = match.end()
    return tokens


def _type(tokens: list[str]) -> tuple[CqlType, list[str]]:
    if not tokens or tokens[0] in "<>,":
        raise ValueError("a CQL type is missing")
    name, rest = tokens[0].lower(), tokens[1:]
    arguments: list[CqlType] = []
    if rest[:1] == ["<"]:
        separator = "<"
        while separator != ">":
            inner, rest = _type(rest[1:])
            arguments.append(inner)
            separator = rest[0] if rest else ""
            if separator not in {",", ">"}:
                raise ValueError(f"{name}<…> is not closed")
        rest = rest[1:]
    wanted = _ARGUMENTS.get(name)
    if wanted is not None and len(arguments) != wanted:
        raise ValueError(f"{name} takes {wanted} type{'s' if wanted > 1 else ''}, not {len(arguments)}")
    if name == "frozen":
        inner = arguments[0]
        return CqlType(inner.name, inner.arguments, frozen=True), rest
    if name == "tuple":
        return CqlType(name, tuple(arguments), frozen=True), rest
    if wanted is None and arguments:
        raise ValueError(f"{name} takes no types")
    return CqlType(name if name in NATIVE or wanted else "udt", tuple(arguments)), rest
