"""Java programs that come as Maven artifacts."""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tests.toolchain import versions
from tests.toolchain.cache import run_step
from tests.toolchain.debian import ensure_packages

PLUGIN = f"org.apache.maven.plugins:maven-dependency-plugin:{versions.MAVEN_DEPENDENCY_PLUGIN}"
PROJECT = """<project>
  <modelVersion>4.0.0</modelVersion><groupId>scratch</groupId><artifactId>scratch</artifactId><version>1</version>
  <dependencies>{dependencies}</dependencies>
</project>
"""


class Artifact(NamedTuple):
    """One Maven artifact: a jar of the group, or with a classifier or another type the file that these name."""

    group: str
    name: str
    version: str
    classifier: str = ""
    type: str = "jar"

    def xml(self) -> str:
        """The dependency element of a Maven project."""
        values = {"groupId": self.group, "artifactId": self.name, "version": self.version, "type": self.type,
                  "classifier": self.classifier}
        return f"<dependency>{''.join(f'<{key}>{value}</{key}>' for key, value in values.items() if value)}</dependency>"


def copy_dependencies(tool: str, artifacts: Iterable[Artifact], folder: Path) -> None:
    """Fill ``folder`` with the artifacts and everything that they need at run time."""
    ensure_packages({"mvn": "maven"})
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch, "pom.xml")
        project.write_text(PROJECT.format(dependencies="".join(artifact.xml() for artifact in artifacts)))
        run_step(tool, [
            "mvn", "--quiet", "--batch-mode", "--no-transfer-progress", f"--file={project}", f"{PLUGIN}:copy-dependencies",
            f"-DoutputDirectory={folder}", "-DincludeScope=runtime",
        ])
