"""What a backup looks at, open."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from components.core.errors import CdcError
from components.environment import EnvironmentSpec
from operations.backup.contents import Sources
from operations.backup.schemas import Schemas
from operations.live.kafka_admin import KafkaAdmin
from operations.live.reach import Reach
from operations.live.registry import Access


@contextmanager
def opened(spec: EnvironmentSpec, reach: Reach) -> Iterator[tuple[Sources, Mapping[str, str]]]:
    """Everything that is to be looked at. Raises :class:`CdcError` where the spec has a part that no option reaches: a backup
    without it would be found out when it is needed."""
    if spec.schema_registry is not None and reach.registry is None:
        raise CdcError(f"{spec.name}: has a schema registry\n      → give its address with --registry, or say --registry none")
    if spec.connect is not None and not reach.connect:
        raise CdcError(f"{spec.name}: has Connect\n      → give a worker's address with --connect, or say --connect none")
    settings = reach.settings()
    address = None if reach.registry == "none" else reach.registry
    access = None if address is None else Access(address, reach.registry_user, reach.registry_password, reach.registry_ca)
    schemas = None if access is None else Schemas(access)
    try:
        yield Sources(KafkaAdmin(spec.name, settings), schemas, reach.workers()), settings
    finally:
        if schemas is not None:
            schemas.close()
