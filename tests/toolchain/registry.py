"""Apicurio's schema registry, and the Connect converter that writes Confluent's wire format with it."""

import zipfile
from pathlib import Path

from tests.toolchain import versions
from tests.toolchain.cache import ensure
from tests.toolchain.maven import Artifact, copy_dependencies, unpack_archive

GROUP = "io.apicurio"
AVRO_CONVERTER = "io.apicurio.registry.utils.converter.AvroConverter"


def registry_app() -> Path:
    """The registry's folder, whose ``quarkus-run.jar`` starts it with the preferred Java."""
    return ensure("schema-registry", versions.APICURIO, _fill_app)


def avro_converter() -> Path:
    """A folder for Connect's ``plugin.path``; the class is :data:`AVRO_CONVERTER`.

    It comes without the manifest by which Connect finds a plugin quickly; a jar that has it is laid beside.
    """
    return ensure("avro-converter", versions.APICURIO_CONVERTER, _fill_converter)


def _fill_app(folder: Path) -> None:
    app = Artifact(GROUP, "apicurio-registry-app", versions.APICURIO, classifier="all", type="tar.gz", alone=True)
    unpack_archive("schema-registry", app, folder)


def _fill_converter(folder: Path) -> None:
    converter = Artifact(GROUP, "apicurio-registry-utils-converter", versions.APICURIO_CONVERTER)
    copy_dependencies("avro-converter", [converter], folder / "avro-converter")
    with zipfile.ZipFile(folder / "avro-converter" / "services.jar", "w") as services:
        services.writestr("META-INF/services/org.apache.kafka.connect.storage.Converter", f"{AVRO_CONVERTER}\n")
