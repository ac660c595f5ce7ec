"""Clients of a schema registry that ask without a pause and never a second time."""

import base64
import json
import ssl
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.harness.namespace import Namespace

ANSWER_SECONDS = 30
HEADERS = {"Content-Type": "application/vnd.schemaregistry.v1+json"}


@dataclass(frozen=True)
class Door:
    """An address and how a client enters there. ``trust`` is the CA's certificate as PEM."""

    url: str
    user: str = ""
    password: str = ""
    trust: str | None = None

    def client(self) -> httpx.Client:
        """A client of its own; made in the thread that uses it, which is inside the network of the address."""
        verify: ssl.SSLContext | bool = ssl.create_default_context(cadata=self.trust) if self.trust else False
        token = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        own = {"Authorization": f"Basic {token}"} if self.user else {}
        return httpx.Client(
            base_url=self.url, verify=verify, headers={**HEADERS, **own}, timeout=ANSWER_SECONDS, trust_env=False
        )


def avro(fields: int) -> str:
    """A record of so many fields, each compatible with all before it."""
    listed = [{"name": f"f{number}", "type": ["null", "string"], "default": None} for number in range(fields)]
    return json.dumps({"type": "record", "name": "Load", "fields": listed})


@dataclass
class Load:
    """Looks schemas up and registers them, new ones among them, from several threads until it is ended. ``first`` numbers
    the first thread, and so its subject."""

    namespace: Namespace
    door: Door
    threads: int = 4
    first: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._ended = threading.Event()
        self._running = [
            threading.Thread(target=self._run, args=(self.first + number,), daemon=True) for number in range(self.threads)
        ]
        for thread in self._running:
            thread.start()

    def end(self) -> None:
        """Once every request that was begun is answered."""
        self._ended.set()
        for thread in self._running:
            thread.join()

    def _run(self, number: int) -> None:
        self.namespace.enter()
        with self.door.client() as client:
            turn = 0
            while not self._ended.is_set():
                self._turn(client, number, turn)
                turn += 1
                time.sleep(0.02)

    def _turn(self, client: httpx.Client, number: int, turn: int) -> None:
        """Registers what it had registered before, and every so often something new; then looks it up in three ways."""
        body = {"schema": avro(1 + turn // 20), "schemaType": "AVRO"}
        subject = f"load-{number}-value"
        made = self._ask(client, "POST", f"/subjects/{subject}/versions", body)
        if made is not None and turn % 20:
            self._ask(client, "GET", f"/schemas/ids/{made['id']}")
            self._ask(client, "GET", f"/subjects/{subject}/versions/latest")
            self._ask(client, "POST", f"/subjects/{subject}", body)

    def _ask(self, client: httpx.Client, method: str, path: str, body: Any = None) -> Any:
        try:
            response = client.request(method, path, json=body)
        except httpx.HTTPError as error:
            self.failures.append(f"{method} {path}: {type(error).__name__} {error}")
            return None
        self.answers[f"{method} {response.status_code}"] += 1
        if not response.is_success:
            self.failures.append(f"{method} {path}: {response.status_code} {response.text[:200]}")
            return None
        return response.json()
