"""``cdc plan``, ``apply`` and ``drift`` beside a running :class:`ConnectStack` with a registry, and others who disturb both."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from components.connect.connectors import connectors
from components.core import yaml_text
from components.environment import CONFIG_KEY, EnvironmentSpec
from components.schema_registry.derive import registry_url
from operations.project import load
from tests.harness.cdc_command import Outcome, Project
from tests.harness.certificates import write
from tests.harness.connect_stack import ConnectStack
from tests.harness.processes import wait_until

SECONDS = 120
THEIR_SUBJECT, THEIR_CONNECTOR = "theirs-value", "theirs"
THEIR_SCHEMA = {"type": "record", "name": "Theirs", "fields": [{"name": "id", "type": "long"}]}
Json = dict[str, Any]


@dataclass(frozen=True)
class LiveServices:
    """``client`` has the settings of the super user's client. What others have there is a connector and a subject of theirs."""

    stack: ConnectStack
    client: Path

    @property
    def spec(self) -> EnvironmentSpec:
        return load(self.stack.root, self.stack.stack)

    @property
    def registry(self) -> str:
        return registry_url(self.spec)

    def words(self, verb: str, *more: str) -> list[str]:
        return [verb, self.stack.stack, *more, "--kafka-config", str(self.client)]

    def cdc(self, verb: str, *more: str) -> Outcome:
        """On the stack's network, in this process."""
        return self.stack.kafka.project.namespace.run(lambda: Project(self.stack.root).cdc(*self.words(verb, *more)))

    def changes(self, verb: str = "plan", *more: str) -> list[Json]:
        """What it finds to change."""
        return list(self.told(verb, *more)["changes"])

    def told(self, verb: str, *more: str) -> Json:
        """What it tells a machine; it must have been able to look at everything."""
        done = self.cdc(verb, *more, "--json")
        assert done.code in {0, 3}, done.text
        return dict(json.loads(done.out))

    def apply(self, *more: str, code: int = 0) -> Outcome:
        done = self.cdc("apply", "--yes", *more)
        assert done.code == code, done.text
        return done

    def same(self) -> bool:
        return self.cdc("plan").code == 0

    def edit(self, change: Callable[[Json], None]) -> None:
        """Change the stack's file."""
        path = self._file
        whole = yaml_text.load(path.read_text(encoding="utf-8"), path.name)
        change(whole["config"][CONFIG_KEY])
        path.write_text(yaml_text.dump(whole), encoding="utf-8")

    @property
    def _file(self) -> Path:
        return self.stack.root / f"Pulumi.{self.stack.stack}.yaml"

    def ask(self, method: str, url: str, body: Any = None) -> Any:
        """A plain request from inside the stack's network; its answer's JSON, ``None`` for what is not there."""
        request = partial(httpx.request, method, url, json=body, timeout=SECONDS, trust_env=False)
        answer = self.stack.kafka.project.namespace.run(request)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        return answer.raise_for_status().json() if answer.content else None

    def connect(self, method: str, path: str, body: Any = None) -> Any:
        """To the active colour."""
        return self.ask(method, f"{self.stack.url(self.stack.active)}{path}", body)

    def subject(self, method: str, path: str, body: Any = None) -> Any:
        """To the registry."""
        return self.ask(method, f"{self.registry}{path}", body)

    def lives(self, connector: str) -> str:
        status = self.connect("GET", f"/connectors/{connector}/status")
        return "" if status is None else str(status["connector"]["state"])

    def runs(self) -> None:
        """Until all connectors of the spec do."""
        names = [one.name for one in connectors(self.spec, self.stack.active)]
        wait_until("the connectors run", lambda: {self.lives(name) for name in names} == {"RUNNING"}, SECONDS, 0.5)

    def check_as_told(self) -> None:
        """By plain requests: each connector has the spec's configuration, each subject has its schema and its level."""
        spec = self.spec
        for one in connectors(spec, self.stack.active):
            config = self.connect("GET", f"/connectors/{one.name}/config")
            assert {key: value for key, value in config.items() if key != "name"} == dict(one.config), one.name
        assert spec.schema_registry is not None
        assert self.subject("GET", "/config")["compatibilityLevel"] == spec.schema_registry.compatibility
        for entry in spec.schema_registry.subjects:
            schema = {"schema": (self.stack.root / str(entry.file)).read_text(), "schemaType": entry.schema_type}
            assert self.subject("POST", f"/subjects/{entry.subject}?normalize=true", schema) is not None, entry.subject
            if entry.compatibility is not None:
                level = self.subject("GET", f"/config/{entry.subject}")
                assert level["compatibilityLevel"] == entry.compatibility, entry.subject

    def theirs(self) -> Json:
        """All that is nobody's here."""
        return {
            "config": self.connect("GET", f"/connectors/{THEIR_CONNECTOR}/config"),
            "state": self.lives(THEIR_CONNECTOR),
            "versions": self.subject("GET", f"/subjects/{THEIR_SUBJECT}/versions"),
            "newest": self.subject("GET", f"/subjects/{THEIR_SUBJECT}/versions/latest"),
            "level": self.subject("GET", f"/config/{THEIR_SUBJECT}"),
        }

    def logged(self) -> int:
        """Lines of the audit log."""
        file = self.stack.root / ".cdc-audit" / f"{self.stack.stack}.jsonl"
        return len(file.read_bytes().splitlines()) if file.exists() else 0

    def _others_come(self) -> None:
        """With a connector that was made stopped, and a subject with a level of its own."""
        one = connectors(self.spec, self.stack.active)[0]
        config = {**one.config, "topic.prefix": "theirs"}
        body = {"name": THEIR_CONNECTOR, "config": config, "initial_state": "STOPPED"}
        self.connect("POST", "/connectors", body)
        wait_until("theirs is stopped", lambda: self.lives(THEIR_CONNECTOR) == "STOPPED", SECONDS, 0.2)
        self.subject("POST", f"/subjects/{THEIR_SUBJECT}/versions", {"schema": json.dumps(THEIR_SCHEMA)})
        self.subject("PUT", f"/config/{THEIR_SUBJECT}", {"compatibility": "NONE"})

    def _others_go(self) -> None:
        self.connect("DELETE", f"/connectors/{THEIR_CONNECTOR}")
        self.subject("DELETE", f"/subjects/{THEIR_SUBJECT}")


@contextmanager
def live_services(stack: ConnectStack) -> Iterator[LiveServices]:
    """The system as the stack's file says it. Afterwards that file and the schemas are as they were, and the system too."""
    kafka = stack.kafka
    identity = kafka.stack.identities["platform-admin"]
    pem = {"ca.pem": kafka.stack.cluster_ca.certificate, "client.pem": identity.certificate, "client.key": identity.key}
    folder = write(stack.root.parent / "super-user", pem)
    settings = {
        "bootstrap.servers": kafka.clients.addresses.mutual,
        "security.protocol": "SSL",
        "ssl.ca.location": folder / "ca.pem",
        "ssl.certificate.location": folder / "client.pem",
        "ssl.key.location": folder / "client.key",
    }
    client = folder / "client.properties"
    client.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    found = LiveServices(stack, client)
    schemas = {path: path.read_text() for path in sorted((stack.root / "schemas").iterdir())}
    text = found._file.read_text(encoding="utf-8")
    if not found.same():
        found.apply()
    found._others_come()
    try:
        yield found
    finally:
        found._file.write_text(text, encoding="utf-8")
        for path, schema in schemas.items():
            path.write_text(schema)
        found._others_go()
        found.apply()
        found.runs()
