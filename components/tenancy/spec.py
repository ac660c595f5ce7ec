"""What the user writes about tenants and names (requirements A6 and A16)."""

import re
import string

from components.core.errors import Problem
from components.core.model import DnsLabel, SpecModel, setting
from components.core.quantities import ByteRate, CountRate, Percent

_PLACEHOLDERS = frozenset({"tenant", "application", "entity", "pipeline", "database", "table"})
_PIPELINE_PLACEHOLDERS = frozenset({"tenant", "application", "pipeline"})


class QuotaSpec(SpecModel):
    """What one client may use. Kafka enforces each figure on every broker by itself, not over the cluster."""

    produce: ByteRate | None = setting(
        None, help="Bytes that one user may produce per second on each broker.", becomes="producer_byte_rate of the user"
    )
    consume: ByteRate | None = setting(
        None, help="Bytes that one user may fetch per second from each broker.", becomes="consumer_byte_rate of the user"
    )
    request: Percent | None = setting(
        None,
        help="Share of one request or network thread's time that one user may take on each broker.",
        becomes="request_percentage of the user",
    )
    controller_mutations: CountRate | None = setting(
        None, help="Partitions that one user may create or delete per second.", becomes="controller_mutation_rate of the user"
    )


class TenantSpec(SpecModel):
    """One team or product that shares the platform."""

    name: DnsLabel = setting(
        help="The tenant's name; it begins its topics, users and groups.", becomes="prefix of topics, users and groups"
    )
    owner: str = setting(
        help="Who answers for it: a team or an address.", becomes="annotation cdc.platform/owner of what it owns", min_length=1
    )
    quota: QuotaSpec = setting(
        QuotaSpec,
        help="What each client of this tenant may use, where its pipeline or user does not say.",
        becomes="quotas of its users",
    )
    budget: QuotaSpec = setting(
        QuotaSpec,
        help="The most that the quotas of all its clients may add up to; more is refused.",
        becomes="a check of the spec",
    )
    namespaces: tuple[DnsLabel, ...] = setting(
        (), help="Kubernetes namespaces its own clients connect from.", becomes="ingress rules of the brokers' NetworkPolicy"
    )


class NamingSpec(SpecModel):
    """How derived names are made. Placeholders: {tenant}, {application}, {entity}, {pipeline}, {database}, {table}."""

    topic: str = setting(
        "{tenant}_{application}_{entity}",
        help="A source table's topic; {entity} is the table. Another convention: cassandra.{database}.{table}.",
        becomes="names of change topics",
        min_length=1,
    )
    dlq: str = setting(
        "{tenant}_{pipeline}_dlq", help="A pipeline's dead letter queue.", becomes="names of DLQ topics", min_length=1
    )
    internal: str = setting(
        "{tenant}_{pipeline}",
        help="The beginning of a pipeline's schema history, signal and heartbeat topics.",
        becomes="names of the connector's own topics",
        min_length=1,
    )
    group: str = setting(
        "{tenant}_{pipeline}_sink",
        help="A pipeline's consumer group.",
        becomes="consumer group of the sink",
        min_length=1,
    )
    pattern: str | None = setting(
        None,
        help="A regular expression that every topic's name must match, declared ones included.",
        becomes="a check of the spec",
    )

    def problems(self) -> list[Problem]:
        allowed = {
            "topic": _PLACEHOLDERS,
            "dlq": _PIPELINE_PLACEHOLDERS,
            "internal": _PIPELINE_PLACEHOLDERS,
            "group": _PIPELINE_PLACEHOLDERS,
        }
        found = [
            problem for field, names in allowed.items() for problem in _pattern_problems(field, getattr(self, field), names)
        ]
        try:
            re.compile(self.pattern or "")
        except re.error as error:
            found.append(Problem("pattern", f"not a regular expression: {error}", "write one such as ^[a-z]+_[a-z]+_[a-z_]+$"))
        return found


def _pattern_problems(field: str, pattern: str, allowed: frozenset[str]) -> list[Problem]:
    try:
        parts = list(string.Formatter().parse(pattern))
    except ValueError as error:
        return [Problem(field, f"is not a name pattern: {error}", "write placeholders as {tenant}")]
    if any(form or conversion for _, _, form, conversion in parts):
        return [Problem(field, "a placeholder has no form or conversion", "write placeholders as {tenant}")]
    unknown = sorted({name for _, name, _, _ in parts if name is not None} - allowed)
    if unknown:
        return [
            Problem(field, f"unknown placeholder {{{unknown[0]}}}", f"use {', '.join(f'{{{n}}}' for n in sorted(allowed))}")
        ]
    return []
