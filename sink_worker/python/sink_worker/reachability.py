"""``check-config --connect``: whether the settings' services answer, and what the worker needs of them is there."""

from collections.abc import Callable

import httpx
import redis
from confluent_kafka import KafkaException
from psycopg import Error as PostgresError

from sink_worker.control import Control, connect
from sink_worker.errors import SinkError
from sink_worker.kafka_client import Cluster
from sink_worker.redis_hints import connect_redis
from sink_worker.settings import Settings


def check_reachability(settings: Settings) -> list[str]:
    """Each problem in words; none is good."""
    checks: list[tuple[str, Callable[[Settings], list[str]]]] = [
        ("kafka", _kafka), ("registry", _registry), ("postgres", _postgres), ("redis", _redis),
    ]  # fmt: skip
    problems: list[str] = []
    for name, check in checks:
        try:
            problems += [f"{name}: {problem}" for problem in check(settings)]
        except (KafkaException, PostgresError, redis.RedisError, httpx.HTTPError, SinkError, OSError) as error:
            problems.append(f"{name}: {str(error).strip() or type(error).__name__}")
    return problems


def _kafka(settings: Settings) -> list[str]:
    cluster = Cluster(settings, f"{settings.worker_id}-check")
    cluster.cluster_id()
    wanted = [topic for topic in settings.kafka.topics if not topic.startswith("^")]
    wanted += [settings.dlq.topic] if settings.dlq.topic else []
    there = cluster.topics(wanted)
    return [f"topic {topic} does not exist" for topic in wanted if topic not in there]


def _registry(settings: Settings) -> list[str]:
    problems = []
    for url in settings.registry.urls:
        answer = httpx.get(f"{url.rstrip('/')}/subjects", timeout=settings.registry.timeout_seconds, follow_redirects=True)
        if answer.status_code not in {200, 401}:
            problems.append(f"{url} answers with status {answer.status_code}")
    return problems


def _postgres(settings: Settings) -> list[str]:
    with connect(settings.postgres, "check", settings.kafka.group_id) as connection:
        Control(settings.postgres.control_schema).install(connection)
    return []


def _redis(settings: Settings) -> list[str]:
    if settings.redis.url or settings.redis.sentinels:
        connect_redis(settings.redis).ping()
    return []
