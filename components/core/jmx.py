"""The JMX exporter, which turns Java's metrics into Prometheus': its rules as text, and how a JVM is given it. Pure.

What no rule names is not exported: a Kafka node has thousands of beans. Source: github.com/prometheus/jmx_exporter, 1.x.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from components.core import yaml_text

PORT = 9404
"""Strimzi's own choice, which its network policies open."""
RULES_FILE = "/etc/cdc/metrics.yaml"
CONFIG_KEY = "metrics.yaml"


@dataclass(frozen=True, slots=True)
class Rule:
    """Attributes that match ``pattern`` (``domain<key=value, ...><>Attribute: value``) become ``name``. ``factor`` turns the
    value into the unit that the name says; ``value`` stands for one that is text."""

    pattern: str
    name: str
    help: str
    labels: Mapping[str, str] = field(default_factory=dict)
    kind: Literal["GAUGE", "COUNTER"] = "GAUGE"
    factor: float | None = None
    value: str | None = None

    def body(self) -> dict[str, Any]:
        """As the exporter's configuration file has it; a factor other than 1 is said."""
        rule: dict[str, Any] = {"pattern": self.pattern, "name": self.name, "type": self.kind, "help": self.help}
        further = {"labels": dict(self.labels) or None, "valueFactor": self.factor, "value": self.value}
        return rule | {key: value for key, value in further.items() if value is not None}


def exporter_rules(rules: Sequence[Rule]) -> str:
    """The exporter's configuration file. Names stay in lower case, as Kafka's dashboards have them."""
    return yaml_text.dump({"lowercaseOutputName": True, "rules": [rule.body() for rule in rules]})


def metrics_config(config_map: str) -> dict[str, Any]:
    """How Strimzi's objects are told of the rules that a ConfigMap holds."""
    reference = {"configMapKeyRef": {"name": config_map, "key": CONFIG_KEY}}
    return {"metricsConfig": {"type": "jmxPrometheusExporter", "valueFrom": reference}}


def with_agent(pattern: str, host: str) -> str:
    """Shell that gives the JVM which is started next the agent that ``pattern`` finds, serving at ``host``; it ends with a
    message where there is none."""
    missing = f"echo 'observability.jmxAgent: this image has no {pattern}' >&2; exit 1"
    found = f'export KAFKA_OPTS="-javaagent:$agent={host}:{PORT}:{RULES_FILE} ${{KAFKA_OPTS:-}}"'
    return f'for agent in {pattern}; do [ -f "$agent" ] || {{ {missing}; }}; {found}; done'
