"""OpenTelemetry's Java agent, which traces a JVM without a change to its program."""

from pathlib import Path

from tests.toolchain import versions
from tests.toolchain.cache import ensure
from tests.toolchain.maven import Artifact, copy_dependencies

NAME = "opentelemetry-javaagent"


def otel_java_agent() -> Path:
    """The jar for Java's option ``-javaagent:<jar>``."""
    return ensure(NAME, versions.OTEL_JAVA_AGENT, _fill) / f"{NAME}-{versions.OTEL_JAVA_AGENT}.jar"


def _fill(folder: Path) -> None:
    copy_dependencies(NAME, [Artifact("io.opentelemetry.javaagent", NAME, versions.OTEL_JAVA_AGENT, alone=True)], folder)
