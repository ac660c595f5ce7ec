"""Apache Kafka's broker, Connect, MirrorMaker 2 and command-line tools, as a folder of jars."""

from pathlib import Path

from tests.toolchain import versions
from tests.toolchain.cache import ensure
from tests.toolchain.maven import Artifact, copy_dependencies

KAFKA_MODULES = (f"kafka_{versions.SCALA}", "connect-runtime", "connect-mirror", "kafka-tools")
LOGGING_FILE = "log4j2.properties"
LOGGING = """status = error
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d] %p %m (%c)%n
rootLogger.level = ${sys:kafka.log.level:-WARN}
rootLogger.appenderRef.console.ref = console
"""


def kafka_libs() -> Path:
    """The folder with every jar of Kafka, ``LocalTieredStorage`` included, and ``log4j2.properties``.

    The logging configuration writes to the standard error at the level of the system property ``kafka.log.level``, WARN when
    it is unset: servers get a log file by redirection, and tools keep their standard output clean.
    """
    return ensure("kafka-libs", versions.KAFKA, _fill)


def _fill(folder: Path) -> None:
    kafka = [Artifact("org.apache.kafka", module, versions.KAFKA) for module in KAFKA_MODULES]
    tiered = Artifact("org.apache.kafka", "kafka-storage", versions.KAFKA, classifier="test")
    logging = Artifact("org.apache.logging.log4j", "log4j-slf4j-impl", versions.KAFKA_LOG4J)
    copy_dependencies("kafka", [*kafka, tiered, logging], folder)
    (folder / LOGGING_FILE).write_text(LOGGING)
