"""The JMX exporter that Strimzi's images bring: what turns Java's metrics into Prometheus'."""

from pathlib import Path

from tests.toolchain import versions
from tests.toolchain.cache import ensure
from tests.toolchain.maven import Artifact, copy_dependencies

NAME = "jmx_prometheus_javaagent"


def jmx_exporter() -> Path:
    """The jar for Java's option ``-javaagent:<jar>=<address>:<port>:<configuration>``."""
    return ensure("jmx-exporter", versions.JMX_EXPORTER, _fill) / f"{NAME}-{versions.JMX_EXPORTER}.jar"


def _fill(folder: Path) -> None:
    copy_dependencies("jmx-exporter", [Artifact("io.prometheus.jmx", NAME, versions.JMX_EXPORTER, alone=True)], folder)
