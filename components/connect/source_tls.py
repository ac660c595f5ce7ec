"""How a source's reader encrypts the way to it, and knows it again: Java's stores, and what each program calls them. Pure."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from components.core.secrets import SecretFile, referenced
from components.kafka.clients import secret_of

if TYPE_CHECKING:
    from components.pipelines.spec import DatabaseSourceSpec, PipelineSpec, SourceKind

TRUSTSTORE, KEYSTORE, PASSWORD = "truststore", "keystore", "store-password"
_VERIFYING = {"mysql": "verify_identity", "mariadb": "verify-full"}
"""Debezium's words for a certificate that must be good for the name that it connects to."""


def store_file(pipeline: "PipelineSpec", what: str) -> str:
    """The name of one of the files in the reader's folder of secrets."""
    return f"{pipeline.name}-source.{what}"


def store_files(pipeline: "PipelineSpec", source: "DatabaseSourceSpec") -> tuple[SecretFile, ...]:
    """Those that programs open by their paths."""
    tls = source.tls
    named = {} if tls is None else {TRUSTSTORE: tls.truststore, KEYSTORE: tls.keystore}
    return tuple(_file(pipeline, what, reference) for what, reference in named.items() if reference is not None)


def tls_files(pipeline: "PipelineSpec", source: "DatabaseSourceSpec") -> tuple[SecretFile, ...]:
    """The stores, and the password that opens them."""
    tls = source.tls
    password = None if tls is None else tls.password
    stores = store_files(pipeline, source)
    return stores if password is None else (*stores, _file(pipeline, PASSWORD, password))


def _file(pipeline: "PipelineSpec", what: str, reference: str) -> SecretFile:
    """Each is a Secret of its own where it comes from Vault: paths may use one key for two things."""
    secret = f"{pipeline.name}-source-{'stores' if what == PASSWORD else what}"
    return referenced(reference, store_file(pipeline, what), secret)


def connector_settings(
    kind: "SourceKind", pipeline: "PipelineSpec", source: "DatabaseSourceSpec", folder: str
) -> Iterator[tuple[str, str]]:
    """Of Debezium's connectors for MySQL and MariaDB: both their ways, JDBC and the binary log, take the same stores."""
    if source.tls is None:
        return
    yield "database.ssl.mode", _VERIFYING[kind]
    for what, reference in ((TRUSTSTORE, source.tls.truststore), (KEYSTORE, source.tls.keystore)):
        if reference is not None:
            yield f"database.ssl.{what}", f"{folder}/{store_file(pipeline, what)}"
            yield f"database.ssl.{what}.password", secret_of(folder, store_file(pipeline, PASSWORD))
    if kind == "mariadb" and source.tls.truststore is not None:
        yield "driver.fallbackToSystemTrustStore", "false"
