"""Which secrets Redis and its Sentinels read. Pure."""

from collections.abc import Iterator

from components.core.secrets import SecretFile, Use, referenced
from components.environment import EnvironmentSpec
from components.redis.derive import CA_FILE, NAME, SENTINEL, node_hosts, sentinel_hosts, users
from components.redis.spec import RedisSpec


def secret_uses(environment: EnvironmentSpec, redis: RedisSpec) -> Iterator[Use]:
    """Nodes and Sentinels have the same."""
    containers = (*node_hosts(environment, redis), *sentinel_hosts(environment, redis))
    hosts = (NAME, SENTINEL) if redis.sentinels else (NAME,)
    yield Use(NAME, secret_files(environment, redis), containers, hosts, pooled=True)


def secret_files(spec: EnvironmentSpec, redis: RedisSpec) -> tuple[SecretFile, ...]:
    """What must lie in the folder of each node and Sentinel."""
    found = [user.password for user in users(spec) if user.password is not None]
    if redis.tls.enabled:
        tls = redis.tls
        pairs = ((tls.certificate, "redis.crt"), (tls.key, "redis.key"), (tls.ca, CA_FILE))
        found += [referenced(reference, name, "redis-tls") for reference, name in pairs]
    return tuple(sorted(found))
