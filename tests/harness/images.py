"""What stands in for each container image that the docker target names: one line per image."""

from collections.abc import Callable, Mapping

from tests.harness.compose_project import Image
from tests.harness.kafka_image import kafka_image

IMAGES: Mapping[str, Callable[[], Image]] = {
    "apache/kafka": kafka_image,
}


def image(name: str) -> Image:
    """The stand-in for ``<repository>:<tag>``. Raises :class:`KeyError` for a repository that has none."""
    return IMAGES[name.partition("@")[0].rpartition(":")[0] or name]()
