"""What every renderer knows of the environment it renders for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Tier = Literal["development", "staging", "production"]
Target = Literal["kubernetes", "docker"]


@dataclass(frozen=True, slots=True)
class Context:
    """The environment's name, tier and target, and the Kubernetes namespaces that matter to it."""

    environment: str
    tier: Tier
    target: Target
    namespace: str = "cdc"
    operator_namespace: str = "strimzi"
    kubernetes_context: str | None = None
    rotates_logins: bool = False
    """Whether ``cdc vault rotate`` changes the logins of Kafka's users, which are then files of :mod:`components.kafka.logins`:
    Vault keeps them, and no operator makes them."""

    @property
    def network(self) -> str:
        """The docker network of the environment."""
        return f"cdc-{self.environment}"

    def priority_class(self, role: str) -> str:
        """The priority class of pods of ``role``: cluster-wide, so it carries namespace and environment."""
        return f"{self.namespace}-{self.environment}-{role}"

    def labels(self, component: str, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Labels that every object carries (Kubernetes' recommended ones, and ours)."""
        own = {
            "app.kubernetes.io/component": component,
            "app.kubernetes.io/managed-by": "cdc-platform",
            "app.kubernetes.io/part-of": "cdc-platform",
            "cdc.platform/environment": self.environment,
        }
        return dict(sorted({**own, **{key: value for key, value in (more or {}).items() if value}}.items()))
