"""Locust: people and scripts at the admin API, most of whom look.

    locust -f tests/load/admin_api.py --host https://sink-orders-admin:8443 --users 20 --spawn-rate 5

The token comes from the file ``CDC_ADMIN_TOKEN_FILE`` names; ``CDC_ADMIN_CA_FILE``, ``CDC_ADMIN_CERTIFICATE_FILE`` and
``CDC_ADMIN_KEY_FILE`` name what TLS needs. Nothing is changed: a replay only says what it would do.
"""

import os
from pathlib import Path

from locust import HttpUser, between, task

ACCEPTED = frozenset({200, 429})  # a limit that is met is what it is for


class Looking(HttpUser):
    """Looks at the pipeline, and now and then asks what a replay would do."""

    wait_time = between(0.1, 0.5)

    def on_start(self) -> None:
        """Say who asks."""
        if file := os.environ.get("CDC_ADMIN_TOKEN_FILE"):
            self.client.headers["Authorization"] = f"Bearer {Path(file).read_text(encoding='utf-8').strip()}"
        if ca := os.environ.get("CDC_ADMIN_CA_FILE"):
            self.client.verify = ca
        certificate, key = (os.environ.get(f"CDC_ADMIN_{name}_FILE") for name in ("CERTIFICATE", "KEY"))
        if certificate and key:
            self.client.cert = (certificate, key)

    @task(5)
    def health(self) -> None:
        """What probes ask."""
        self._get("/health")

    @task(5)
    def summary(self) -> None:
        """What a dashboard asks."""
        self._get("/v1/dead-letters/summary")

    @task(2)
    def state(self) -> None:
        """Asks PostgreSQL, Kafka and every worker."""
        self._get("/v1/state")

    @task(2)
    def letters(self) -> None:
        """A page."""
        self._get("/v1/dead-letters?status=open&limit=100")

    @task(1)
    def replay(self) -> None:
        """Decodes events, and writes nothing."""
        with self.client.post("/v1/dead-letters/replay", json={"dry_run": True, "limit": 50}, catch_response=True) as response:
            _judge(response)

    def _get(self, path: str) -> None:
        with self.client.get(path, catch_response=True, name=path.partition("?")[0]) as response:
            _judge(response)


def _judge(response: object) -> None:
    status = getattr(response, "status_code", 0)
    if status in ACCEPTED:
        response.success()  # type: ignore[attr-defined]
    else:
        response.failure(f"status {status}")  # type: ignore[attr-defined]
