"""Kafka and Strimzi themselves say which settings there are; what we render and what we know of them is held against that."""

import re
import zipfile
from dataclasses import dataclass
from functools import cache

import pytest
from hypothesis import given

from components.core.model import Scalar
from components.core.rendered import Manifest
from components.kafka import settings as known
from components.kafka.broker_defaults import broker_defaults
from components.platform import render
from tests.harness.kafka_cluster import run_tool
from tests.strategies.draw import Plain
from tests.strategies.environments import environments
from tests.strategies.examples import build
from tests.toolchain.kubernetes import strimzi_libs

pytestmark = pytest.mark.integration

TOPIC_SETTINGS = "org.apache.kafka.storage.internals.log.LogConfig"
BROKER_SETTINGS = "kafka.server.KafkaConfig"
REMOTE_LOG_METADATA = (
    "rlmm.config.remote.log.metadata.topic.replication.factor",
    "rlmm.config.remote.log.metadata.topic.min.isr",
)
"""Settings of Kafka's own manager of remote log metadata, which its brokers pass on to it."""

SETTING = re.compile(r'<h4><a id="([^"]+)">.*?<th>Type:</th><td>(\w+)</td>.*?<th>Valid Values:</th><td>(.*?)</td>', re.DOTALL)
KINDS = {"boolean": bool, "double": float, "int": int, "list": str, "long": int, "short": int, "string": str}
BITS = {"short": 16, "int": 32, "long": 64}


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting as Kafka documents it; ``valid`` is text such as ``[1,...]`` or ``[compact, delete]``."""

    type: str
    valid: str

    def accepts(self, value: Scalar) -> bool:
        """Whether Kafka takes a rendered value. Texts go everywhere, since everything is text in the end."""
        if self.type in BITS:
            least = re.match(r"\[(-?\d+),\.\.\.", self.valid)
            most = 1 << (BITS[self.type] - 1)
            return type(value) is int and -most <= value < most and (least is None or value >= int(least[1]))
        choices = self.valid.strip("[]").split(", ") if self.type in {"string", "list"} and self.valid.startswith("[") else None
        return choices is None or all(part in choices for part in str(value).split(","))


@cache
def documented(source: str) -> dict[str, Setting]:
    """Every setting in the reference that one of Kafka's classes prints."""
    found = {name: Setting(kind, valid) for name, kind, valid in SETTING.findall(run_tool(source))}
    assert len(found) > 20
    return found


def test_every_topic_setting_of_kafka_is_a_fields_or_free_and_no_other_is_known() -> None:
    assert {*known.OTHER_TOPIC_KEYS, *known.OWNED_TOPIC_KEYS} == set(documented(TOPIC_SETTINGS))
    assert not known.OTHER_TOPIC_KEYS.keys() & known.OWNED_TOPIC_KEYS.keys()


def test_free_topic_settings_have_the_types_that_kafka_gives_them() -> None:
    topics = documented(TOPIC_SETTINGS)
    assert {key: KINDS[topics[key].type] for key in known.OTHER_TOPIC_KEYS} == known.OTHER_TOPIC_KEYS


def test_broker_settings_that_fields_own_are_kafkas() -> None:
    assert [key for key in known.OWNED_BROKER_KEYS if key not in documented(BROKER_SETTINGS)] == []


@given(environments("kubernetes"))
def test_kafka_takes_the_settings_of_every_topic(values: Plain) -> None:
    refused = {
        (key, value)
        for manifest in of_kind("KafkaTopic", values)
        for key, value in manifest.body["spec"]["config"].items()
        if not documented(TOPIC_SETTINGS)[key].accepts(value)
    }
    assert refused == set()


@given(environments("kubernetes"))
def test_kafka_takes_the_settings_that_we_give_every_broker(values: Plain) -> None:
    spec = build({**values, "kafka": {**values["kafka"], "config": {}}})
    own = {key: value for key, value in broker_defaults(spec.kafka).items() if key not in REMOTE_LOG_METADATA}
    assert [key for key in own if key not in documented(BROKER_SETTINGS)] == []
    assert {(key, value) for key, value in own.items() if not documented(BROKER_SETTINGS)[key].accepts(value)} == set()


def of_kind(kind: str, values: Plain) -> list[Manifest]:
    return [manifest for manifest in render(build(values)).manifests if manifest.kind == kind]


def test_what_the_operator_keeps_to_itself_is_what_its_own_code_says() -> None:
    """Two constants of ``KafkaClusterSpec``, read from the class itself. ZooKeeper's are all refused: it is gone."""
    [jar] = strimzi_libs().glob("api-*.jar")
    with zipfile.ZipFile(jar) as opened:
        code = opened.read("io/strimzi/api/kafka/model/kafka/KafkaClusterSpec.class")
    prefixes = _constant(code, "listeners, advertised.")
    assert [prefix for prefix in prefixes if not prefix.startswith(known.OPERATOR_PREFIXES)] == []
    ours = {*known.OPERATOR_PREFIXES} - {"zookeeper."}
    assert [prefix for prefix in ours if not any(theirs.startswith(prefix) for theirs in prefixes)] == []
    assert {*known.OPERATOR_EXCEPTIONS} == _constant(code, "zookeeper.connection.timeout.ms, ")


def _constant(code: bytes, beginning: str) -> set[str]:
    """The parts of a list in a text constant; a class file has its length in the two bytes before it."""
    start = code.index(beginning.encode())
    length = int.from_bytes(code[start - 2 : start], "big")
    return {part for part in code[start : start + length].decode().split(", ") if not part.startswith("zookeeper")}
