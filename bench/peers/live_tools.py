"""Peers of ``cdc plan``: what else looks at a cluster, and compares it with files.

topicctl compares topics (not users, rights or quotas) with a file for each. Kafka's own command-line tools show topics, ACLs
and users, and compare nothing. Neither says what follows from a change.
"""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.measure import BenchmarkFailed, Command
from components.core import yaml_text
from operations.live.desired import DesiredTopic
from tests.harness.kafka_cluster import java_command
from tests.toolchain.cache import ToolUnavailable, ensure, run_step
from tests.toolchain.kubernetes import GO_ENVIRONMENT

TOPICCTL = "v1.10.0"
_MODULE = "github.com/segmentio/topicctl"
_META = {"environment": "bench", "region": "here", "description": "as many as can be"}
_MEMORY = "-Xmx1g"
_TOOLS = (
    ("topics", ("org.apache.kafka.tools.TopicCommand", "--describe")),
    ("ACLs", ("org.apache.kafka.tools.AclCommand", "--list")),
    ("users", ("kafka.admin.ConfigCommand", "--describe", "--entity-type", "users")),
)


@dataclass(frozen=True, slots=True)
class LivePeer:
    """Commands that together look at what ``covers`` says, one after the other."""

    name: str
    covers: str
    commands: tuple[Command, ...]


def live_peers(folder: Path, bootstrap: str, topics: Sequence[DesiredTopic]) -> tuple[list[LivePeer], dict[str, str]]:
    """Those that are to be had, with what they read laid out in ``folder``, and why others are not."""
    tools = tuple(
        Command((*java_command(_MEMORY), main, "--bootstrap-server", bootstrap, *words), folder) for _, (main, *words) in _TOOLS
    )
    found = [LivePeer("Kafka's own tools", "shows topics, ACLs and users; compares nothing", tools)]
    try:
        program = ensure("topicctl", TOPICCTL, _build) / "topicctl"
    except ToolUnavailable as error:
        return found, {"topicctl": str(error).splitlines()[0]}
    words = (str(program), "check", "--no-spinner", "--cluster-config", "cluster.yaml", "topics/*.yaml")
    _lay_out(folder, bootstrap, topics)
    _require_all(words, folder, topics)
    found.append(LivePeer(f"topicctl {TOPICCTL}", "compares topics", (Command(words, folder),)))
    return found, {}


def _require_all(words: Sequence[str], folder: Path, topics: Sequence[DesiredTopic]) -> None:
    """That it looks at every topic, before it is measured."""
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    seen = [topic for topic in topics if topic.name in done.stdout + done.stderr]
    if done.returncode or len(seen) < len(topics):
        end = (done.stdout + done.stderr)[-500:]
        raise BenchmarkFailed(
            f"topicctl looked at {len(seen):,} of {len(topics):,} topics, and ended with {done.returncode}: {end}"
        )


def _build(folder: Path) -> None:
    module = folder / "source"
    module.mkdir()
    (module / "go.mod").write_text("module scratch\n")
    package = f"{_MODULE}/cmd/topicctl"
    run_step("topicctl", ["go", "get", f"{package}@{TOPICCTL}"], cwd=module, env=GO_ENVIRONMENT)
    run_step("topicctl", ["go", "build", "-trimpath", "-o", str(folder / "topicctl"), package], cwd=module, env=GO_ENVIRONMENT)


def _lay_out(folder: Path, bootstrap: str, topics: Sequence[DesiredTopic]) -> None:
    cluster = {"meta": {"name": "bench", **_META}, "spec": {"bootstrapAddrs": [bootstrap]}}
    (folder / "cluster.yaml").write_text(yaml_text.dump(cluster))
    (folder / "topics").mkdir()
    for topic in topics:
        spec = {
            "partitions": topic.partitions,
            "replicationFactor": topic.replicas,
            "placement": {"strategy": "any"},
            "settings": dict(topic.config),
        }
        body = {"meta": {"name": topic.name, "cluster": "bench", **_META}, "spec": spec}
        (folder / "topics" / f"{topic.name}.yaml").write_text(json.dumps(body))
