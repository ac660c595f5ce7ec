"""Which names are mirrored: regular expressions as MirrorMaker reads them, and the ACL patterns that cover them. Pure."""

import re
import string
from collections.abc import Iterable, Iterator, Sequence

from components.tenancy.spec import NamingSpec, TenantSpec

CONNECTOR_TOPICS = "_(schema_history|signals|heartbeat)"
CONNECTOR_OFFSETS = "_offsets_(blue|green)"
"""What follows ``naming.internal`` in the names of the topics that a connector keeps for itself."""

_ANY = ".+"
_META = frozenset(".^$*+?{}[]|()")
_QUANTIFIERS = frozenset("*+?{")


def tenant_topics(tenants: Iterable[TenantSpec], naming: NamingSpec) -> tuple[str, ...]:
    """Expressions for every topic that pipelines of these tenants can derive, pipelines yet to come included."""
    return tuple(dict.fromkeys(expression for tenant in tenants for expression in _topics_of(tenant, naming)))


def tenant_groups(tenants: Iterable[TenantSpec], naming: NamingSpec) -> tuple[str, ...]:
    """Expressions for every consumer group that pipelines of these tenants can derive."""
    return tuple(dict.fromkeys(_filled(naming.group, tenant.name) for tenant in tenants))


def _topics_of(tenant: TenantSpec, naming: NamingSpec) -> Iterator[str]:
    yield _filled(naming.topic, tenant.name)
    yield _filled(naming.dlq, tenant.name)
    yield _filled(naming.internal, tenant.name) + CONNECTOR_TOPICS


def connector_offsets(tenants: Iterable[TenantSpec], naming: NamingSpec) -> tuple[str, ...]:
    """Expressions for the topics that source connectors keep their positions in, by colour."""
    return tuple(dict.fromkeys(_filled(naming.internal, tenant.name) + CONNECTOR_OFFSETS for tenant in tenants))


def _filled(pattern: str, tenant: str) -> str:
    """``{tenant}_{application}_{entity}`` → ``shop_.+_.+``."""
    parts = []
    for text, name, _, _ in string.Formatter().parse(pattern):
        parts.append(literal(text))
        if name is not None:
            parts.append(literal(tenant) if name == "tenant" else _ANY)
    return "".join(parts)


def literal(name: str) -> str:
    """The expression that matches ``name`` alone: ``.`` is the only character of a name that means something else."""
    return name.replace(".", r"\.")


def covers(expressions: Sequence[str], excluded: Sequence[str], name: str) -> bool:
    """Whether MirrorMaker takes ``name``: some expression matches all of it, and no excluded one does."""
    return _matches(expressions, name) and not _matches(excluded, name)


def _matches(expressions: Sequence[str], name: str) -> bool:
    return any(re.fullmatch(expression, name) for expression in expressions)


def acl_pattern(expression: str) -> str:
    """The narrowest ACL pattern (a name, or a prefix before ``*``) that covers whatever ``expression`` can match."""
    prefix, whole = _literal_beginning(expression)
    return prefix if whole else f"{prefix}*"


def _literal_beginning(expression: str) -> tuple[str, bool]:
    """The characters that everything it matches begins with, and whether that is all. Alternatives have none in common."""
    if "|" in re.sub(r"\([^()]*\)", "", expression):
        return "", False
    found: list[str] = []
    position = 0
    while position < len(expression):
        escaped = expression[position] == "\\" and expression[position + 1 : position + 2] in _META
        width = 2 if escaped else 1
        if not escaped and (expression[position] in _META or expression[position] == "\\"):
            return "".join(found), False
        if expression[position + width : position + width + 1] in _QUANTIFIERS:
            return "".join(found), False
        found.append(expression[position + width - 1])
        position += width
    return "".join(found), True
