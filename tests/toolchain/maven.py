"""Java programs that come as Maven artifacts."""

import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tests.toolchain import versions
from tests.toolchain.cache import run_step
from tests.toolchain.debian import ensure_packages

PLUGIN = f"org.apache.maven.plugins:maven-dependency-plugin:{versions.MAVEN_DEPENDENCY_PLUGIN}"
FOREIGN_REPOSITORIES = ("jgit-repository", "confluent")
"""Repositories beside Maven Central that some artifacts' own projects name. They are asked first, for everything, and where
they cannot be reached nothing resolves: a repository of the same name in our project stands in for each, and has nothing."""
REPOSITORY = "<repository><id>{name}</id><url>file:///nowhere</url></repository>"
PROJECT = """<project>
  <modelVersion>4.0.0</modelVersion><groupId>scratch</groupId><artifactId>scratch</artifactId><version>1</version>
  <repositories>{repositories}</repositories>
  <dependencies>{dependencies}</dependencies>
</project>
"""
EXCLUSIONS = "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>"


class Artifact(NamedTuple):
    """One Maven artifact: a jar of the group, or with a classifier or another type the file that these name."""

    group: str
    name: str
    version: str
    classifier: str = ""
    type: str = "jar"
    alone: bool = False
    """Without what it depends on: for archives that bring everything."""

    def xml(self) -> str:
        """The dependency element of a Maven project."""
        values = {
            "groupId": self.group,
            "artifactId": self.name,
            "version": self.version,
            "type": self.type,
            "classifier": self.classifier,
        }
        elements = "".join(f"<{key}>{value}</{key}>" for key, value in values.items() if value)
        return f"<dependency>{elements}{EXCLUSIONS if self.alone else ''}</dependency>"


def copy_dependencies(tool: str, artifacts: Iterable[Artifact], folder: Path) -> None:
    """Fill ``folder`` with the artifacts and everything that they need at run time."""
    ensure_packages({"mvn": "maven"})
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch, "pom.xml")
        project.write_text(
            PROJECT.format(
                repositories="".join(REPOSITORY.format(name=name) for name in FOREIGN_REPOSITORIES),
                dependencies="".join(artifact.xml() for artifact in artifacts),
            )
        )
        run_step(
            tool,
            [
                "mvn",
                "--quiet",
                "--batch-mode",
                "--no-transfer-progress",
                f"--file={project}",
                f"{PLUGIN}:copy-dependencies",
                f"-DoutputDirectory={folder}",
                "-DincludeScope=runtime",
            ],
        )


def unpack_archive(tool: str, artifact: Artifact, folder: Path) -> None:
    """Fill ``folder`` with the content of an artifact of the type ``tar.gz``."""
    with tempfile.TemporaryDirectory() as scratch:
        copy_dependencies(tool, [artifact], Path(scratch))
        (archive,) = Path(scratch).iterdir()
        with tarfile.open(archive) as content:
            content.extractall(folder, filter="data")
