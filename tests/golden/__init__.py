"""What a small environment becomes, to be read by people, and compared with what is rendered now."""

from pathlib import Path

from components.core import yaml_text
from components.loading import parse_environment
from components.platform import render

FOLDER = Path(__file__).parent
SPEC = FOLDER / "minimal.yaml"
SHOWN = {
    "Kafka/cdc/cdc": "kafka.yaml",
    "KafkaNodePool/cdc/brokers": "node-pool.yaml",
    "KafkaTopic/cdc/shop-orders-orders": "topic-of-a-table.yaml",
    "KafkaTopic/cdc/shop-orders-schema-history": "topic-of-the-schema-history.yaml",
    "KafkaUser/cdc/shop-orders-source": "user-of-the-source.yaml",
    "KafkaUser/cdc/shop-orders-sink": "user-of-the-sink.yaml",
}
"""The objects that are worth a reader's time, and their files."""


def rendered() -> dict[str, str]:
    """The text of each golden file, as it is now."""
    spec = parse_environment(SPEC.read_text(encoding="utf-8"), "minimal")
    bodies = {manifest.id: manifest.body for manifest in render(spec).manifests}
    return {name: yaml_text.dump(bodies[identity]) for identity, name in SHOWN.items()}
