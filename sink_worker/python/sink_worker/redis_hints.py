"""Redis: checkpoints and schemas for people and other programs, a lock that saves work. Hints, all of it.

Nothing is ever read from Redis to decide what to write. Lost, stale or lying, it loses and doubles nothing.
"""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import redis
import structlog
from redis.sentinel import Sentinel

from sink_worker.metrics import Metrics
from sink_worker.settings import RedisSettings, read_secret

_log = structlog.get_logger("sink_worker.redis")
FLUSH_SECONDS: Final = 1.0
LOCK_SECONDS: Final = 10
_RELEASE: Final = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end"


class RedisHints(threading.Thread):
    """Tells Redis in a thread of its own, the newest of each key, so that a slow Redis slows nothing."""

    def __init__(self, settings: RedisSettings, metrics: Metrics, worker_id: str) -> None:
        super().__init__(name="redis-hints", daemon=True)
        self._settings = settings
        self._metrics = metrics
        self._worker_id = worker_id
        self._lock = threading.Lock()
        self._news: dict[str, str] = {}
        self._ending = threading.Event()
        self._client: redis.Redis | None = None
        self.enabled = bool(settings.url or settings.sentinels)

    def checkpoint(self, table: str, partition: int, offset: int) -> None:
        """``checkpoint:TABLE:PARTITION``: the next offset."""
        if self.enabled:
            now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            self._put(f"checkpoint:{table}:{partition}", {"offset": offset, "timestamp": now, "worker_id": self._worker_id})

    def schema(self, schema: str, table: str, version: str, columns: list[dict[str, Any]]) -> None:
        """``schema:SCHEMA:TABLE``: columns and types as they are written."""
        if self.enabled:
            self._put(f"schema:{schema}:{table}", {"version": version, "columns": columns})

    @contextlib.contextmanager
    def lock(self, table: str) -> Iterator[None]:
        """``lock:TABLE`` around a change of the table. Goes ahead without it: PostgreSQL's own lock decides."""
        name, token, held = f"lock:{table}", f"{self._worker_id}:{time.monotonic_ns()}", False
        if self.enabled:
            held = self._tried(lambda client: bool(client.set(name, token, nx=True, ex=LOCK_SECONDS)))
        try:
            yield
        finally:
            if held:
                self._tried(lambda client: bool(client.eval(_RELEASE, 1, name, token)))

    def run(self) -> None:
        """The thread."""
        while not self._ending.wait(FLUSH_SECONDS):
            self._flush()
        self._flush()

    def close(self) -> None:
        """Tell the last news and end."""
        self._ending.set()
        if self.is_alive():
            self.join(3 * self._settings.timeout_seconds)

    def _put(self, name: str, value: dict[str, Any]) -> None:
        text = json.dumps(value, separators=(",", ":"))
        with self._lock:
            self._news[name] = text

    def _flush(self) -> None:
        with self._lock:
            news, self._news = self._news, {}
        if not news:
            return

        def tell(client: redis.Redis) -> bool:
            pipeline = client.pipeline(transaction=False)
            for name, text in news.items():
                pipeline.set(name, text)
            pipeline.execute()
            return True

        if not self._tried(tell):
            with self._lock:
                self._news = {**news, **self._news}

    def _tried(self, action: Any) -> bool:
        try:
            if self._client is None:
                self._client = connect_redis(self._settings)
            return bool(action(self._client))
        except (redis.RedisError, OSError) as error:
            self._metrics.redis_failures.inc()
            _log.warning("redis_hint_failed", error=type(error).__name__)
            return False


def connect_redis(settings: RedisSettings) -> redis.Redis:
    """A client of the server, or of the master that the Sentinels name. They take the same credentials and TLS."""
    common: dict[str, Any] = {
        "username": settings.username, "password": read_secret(settings.password_file),
        "socket_timeout": settings.timeout_seconds, "socket_connect_timeout": settings.timeout_seconds,
    }  # fmt: skip
    if settings.ca_file is not None:
        common["ssl_ca_certs"] = str(settings.ca_file)
    if settings.sentinels:
        common["ssl"] = settings.ca_file is not None
        addresses = [(host, int(port)) for host, _, port in (address.rpartition(":") for address in settings.sentinels)]
        sentinel = Sentinel(addresses, sentinel_kwargs=common, **common)  # type: ignore[no-untyped-call]
        found: redis.Redis = sentinel.master_for(settings.master_name)  # type: ignore[no-untyped-call]
        return found
    return redis.Redis.from_url(settings.url or "", **common)
