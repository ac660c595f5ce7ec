"""What the remote storage manager is told (KIP-405; Aiven's plugin for S3-compatible stores). Pure."""

from components.core.model import Scalar
from components.kafka.spec import TieredStorageSpec

S3_STORAGE_CLASS = "io.aiven.kafka.tieredstorage.storage.s3.S3Storage"
CHUNK_BYTES = 4 << 20
"""Objects are fetched in chunks of this size; the plugin has no default and its documentation uses 4 MiB."""


def s3_configuration(tiered: TieredStorageSpec, key_prefix: str) -> dict[str, Scalar]:
    """The plugin's settings without their ``rsm.config.`` prefix, sorted; ``tiered.config`` has the last word."""
    config: dict[str, Scalar] = {
        "chunk.size": CHUNK_BYTES,
        "key.prefix": key_prefix,
        "storage.backend.class": S3_STORAGE_CLASS,
        "storage.s3.bucket.name": tiered.bucket,
        "storage.s3.region": tiered.region,
    }
    if tiered.endpoint is not None:
        config["storage.s3.endpoint.url"] = tiered.endpoint
        config["storage.s3.path.style.access.enabled"] = True
    return dict(sorted({**config, **tiered.config}.items()))
