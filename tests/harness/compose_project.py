"""A double of ``docker compose``: it runs the services of a real ``compose.yaml`` without docker and without its images.

Each service is a process with a file system, a host name and an address of its own, made of namespaces. Held as docker would
hold them: the command, environment and user, no capabilities, the read-only root, tmpfs with docker's default options, bound
files, volumes (a new one takes over the owner of the image's folder), health checks and the order they give, published ports.
Not held: limits of CPU and memory, and restarts. Any other key is refused, so that nothing is passed over in silence.
"""

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from components.core.quantities import parse_duration
from tests.harness.namespace import Namespace, bind, mount
from tests.harness.port_forwarder import PortForwarder
from tests.harness.processes import NotReadyError, Process, wait_until
from tests.toolchain.compose import compose_loader
from tests.toolchain.debian import ensure_packages

HELD = {
    "image",
    "build",
    "container_name",
    "hostname",
    "entrypoint",
    "environment",
    "user",
    "read_only",
    "cap_drop",
    "security_opt",
    "tmpfs",
    "ports",
    "networks",
    "depends_on",
    "healthcheck",
    "stop_grace_period",
    "volumes",
}
NOT_HELD = {"labels", "logging", "restart", "mem_limit", "cpus"}
TMPFS_DEFAULTS = "noexec,nosuid,nodev"
HEALTH_SECONDS = 150


class ComposeError(ValueError):
    """A compose file that docker compose would refuse; the message is its own."""


def load_compose(file: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """What ``file`` means to docker compose, by its own library: validated, with variables and paths resolved."""
    done = subprocess.run([compose_loader(), file], capture_output=True, text=True, env=dict(environment), check=False)
    if done.returncode != 0:
        raise ComposeError(done.stderr.strip())
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@dataclass(frozen=True)
class Image:
    """Stands in for a container image: ``fill(root)`` puts its files under ``root``; the rest is its configuration."""

    fill: Callable[[Path], None]
    environment: Mapping[str, str] = field(default_factory=dict)


class Container:
    """One service. Its root, volumes included, is seen by its own processes only; ``log`` has its output over all starts."""

    def __init__(self, name: str, service: Mapping[str, Any], project: "ComposeProject") -> None:
        sources = service.get("build") or {}
        if sources and not Path(sources["context"], sources["dockerfile"]).is_file():
            raise ComposeError(f"service {name}: build: {sources['context']} has no {sources['dockerfile']}")
        unknown = {key for key, value in service.items() if value is not None} - HELD - NOT_HELD
        if unknown or service["hostname"] != name or service["cap_drop"] != ["ALL"]:
            raise ValueError(f"service {name}: not held by this double: {sorted(unknown) or 'its host name or capabilities'}")
        self.name = name
        self.log = project.work / "logs" / f"{name}.log"
        self._service = service
        self._image: Image | None = None
        self._project = project
        self._root = project.work / "roots" / name
        self._namespace: Namespace | None = None
        self._process: Process | None = None

    def start(self) -> None:
        """Begin, with empty tmpfs and whatever the volumes hold; returns before it is healthy."""
        self._release()
        self._image = self._image or self._project.images(self._service["image"])
        self._root.mkdir(parents=True, exist_ok=True)
        self._namespace = Namespace(self._lay_out, within=self._project.namespace, host_name=self.name)
        self._process = Process(f"container {self.name}", self._command(*self._service["entrypoint"]), self.log)

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.exit_code is None

    def passes_health_check(self) -> bool:
        """Whether its health check succeeds now, in time."""
        check = self._service["healthcheck"]
        kind, *words = check["test"]
        assert kind == "CMD"
        try:
            done = subprocess.run(self._command(*words), capture_output=True, timeout=_seconds(check["timeout"]), check=False)
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0

    def wait_healthy(self) -> None:
        """Wait until it is; :class:`NotReadyError` when it ends first, with the end of its output, or takes too long."""
        wait_until(f"{self.name} is healthy", lambda: not self.is_running or self.passes_health_check(), HEALTH_SECONDS, 0.5)
        if self._process is None or not self.is_running:
            code, text = (self._process.exit_code, self._process.log_tail()) if self._process else (None, "")
            raise NotReadyError(f"{self.name} ended with {code}:\n{text}")

    def kill(self) -> None:
        """End it with no warning, as by ``docker kill``."""
        if self._process is not None:
            self._process.kill()

    def use_image(self, image: Image) -> None:
        """From its next start on, another image is behind the name that the service has."""
        self._image = image

    def signal(self, number: int) -> None:
        """Send a signal to its first process, as ``docker kill --signal`` does."""
        if self._process is not None:
            os.kill(self._process.pid, number)

    def stop(self) -> None:
        """Ask it to end, and kill it after its grace period, as ``docker stop`` does."""
        if self._process is not None:
            self._process.stop(_seconds(self._service["stop_grace_period"]))

    def _release(self) -> None:
        if self._namespace is not None:
            self._namespace.close()
            self._namespace = None

    def close(self) -> None:
        self.kill()
        self._release()

    def _command(self, *words: str) -> list[str]:
        assert self._namespace is not None
        assert self._image is not None
        user, _, group = self._service["user"].partition(":")
        own = {**self._image.environment, **self._service.get("environment", {})}
        return self._namespace.command(
            "chroot",
            self._root,
            "setpriv",
            f"--reuid={user}",
            f"--regid={group}",
            "--clear-groups",
            "--inh-caps=-all",
            "--bounding-set=-all",
            *(["--no-new-privs"] if "no-new-privileges:true" in self._service["security_opt"] else []),
            "--pdeathsig=KILL",
            "--",
            "env",
            "-i",
            *(f"{key}={value}" for key, value in own.items()),
            *words,
        )

    def _lay_out(self) -> None:
        assert self._image is not None
        mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", self._root)
        self._image.fill(self._root)
        etc = self._root / "etc"
        etc.mkdir(exist_ok=True)
        (etc / "hosts").write_text(self._project.hosts.read_text())
        for entry in self._service.get("volumes", []):
            self._mount(entry)
        for entry in self._service.get("tmpfs", []):
            path, _, options = entry.partition(":")
            self._inside(path).mkdir(parents=True, exist_ok=True)
            mount("-t", "tmpfs", "-o", ",".join(filter(None, [TMPFS_DEFAULTS, options])), "tmpfs", self._inside(path))
        if self._service["read_only"]:
            mount("-o", "remount,ro", self._root)

    def _inside(self, path: str) -> Path:
        return self._root / path.lstrip("/")

    def _mount(self, entry: Mapping[str, Any]) -> None:
        target = self._inside(entry["target"])
        if entry["type"] == "volume":
            source = self._project.work / "volumes" / entry["source"]
            if not source.exists():
                source.mkdir(parents=True)
                owner = target.stat() if target.is_dir() else None
                os.chown(source, owner.st_uid if owner else 0, owner.st_gid if owner else 0)
        else:
            source = Path(entry["source"])
            if entry.get("bind", {}).get("create_host_path", True):  # the library leaves out what is so by default
                source.mkdir(parents=True, exist_ok=True)
            if not source.exists():
                raise FileNotFoundError(f"{self.name}: the bound {source} is missing")
        bind(source, target, read_only=entry.get("read_only", False))


class ComposeProject:
    """The services of one ``compose.yaml``, on a network of their own.

    ``images`` gives what stands in for an image by its name; ``work`` is a folder for volumes, logs and what else is needed;
    ``environment`` is what ``${NAME:-default}`` is taken from.
    ``namespace`` is where clients reach the services by name, and the machine's published ports on 127.0.0.1.
    One that is ``beside`` another is on that one's network, and its services know the other's names too.
    """

    def __init__(
        self,
        file: Path,
        work: Path,
        images: Callable[[str], Image],
        environment: Mapping[str, str],
        beside: "ComposeProject | None" = None,
    ) -> None:
        services: dict[str, Any] = load_compose(file, environment)["services"]
        self.work, self.images = work, images
        self.hosts = work / "hosts"
        first = 1 if beside is None else 1 + len(beside.containers)
        self._addresses = {name: f"127.0.{index}.1" for index, name in enumerate(sorted(services), start=first)}
        known = "127.0.0.1 localhost\n" if beside is None else beside.hosts.read_text()
        self.hosts.write_text(known + "".join(f"{address} {name}\n" for name, address in self._addresses.items()))
        network = None if beside is None else beside.namespace
        self.namespace: Namespace = Namespace(lambda: bind(self.hosts, Path("/etc/hosts")), within=network)
        self.containers: dict[str, Container] = {name: Container(name, service, self) for name, service in services.items()}
        self._services = services
        self._forwarders: list[tuple[str, PortForwarder]] = []

    def up(self, *names: str) -> None:
        """Start the named services, or all that do not run yet, each once those of them it depends on are healthy, and wait
        until all are."""
        pending = {name: self._services[name] for name in names or self._services if not self.containers[name].is_running}
        for name, service in pending.items():
            for published in service.get("ports", []):
                outside, inside = (published["host_ip"], int(published["published"])), published["target"]
                forwarder = PortForwarder(self.namespace, outside, (self._addresses[name], inside))
                self._forwarders.append((name, forwarder))
        while pending:
            ready = [name for name, service in pending.items() if not set(service.get("depends_on", {})) & set(pending)]
            if not ready:
                raise ValueError(f"services depend on each other in a circle: {', '.join(pending)}")
            for name in ready:
                self.containers[name].start()
                del pending[name]
            for name in ready:
                self.containers[name].wait_healthy()

    @contextmanager
    def slowed(self, name: str, seconds: float) -> Iterator[None]:
        """Meanwhile what passes a published port of ``name`` comes ``seconds`` later, either way."""
        own = [forwarder for service, forwarder in self._forwarders if service == name]
        for forwarder in own:
            forwarder.delay_seconds = seconds
        try:
            yield
        finally:
            for forwarder in own:
                forwarder.delay_seconds = 0

    @contextmanager
    def cut_off(self, name: str) -> Iterator[None]:
        """Meanwhile nothing reaches ``name``, through open connections neither; its own packets still leave."""
        ip = ensure_packages({"ip": "iproute2"})["ip"]
        nowhere = ("blackhole", self._addresses[name], "table", "local")
        subprocess.run(self.namespace.command(ip, "route", "add", *nowhere), check=True)
        try:
            yield
        finally:
            subprocess.run(self.namespace.command(ip, "route", "del", *nowhere), check=True)

    def close(self) -> None:
        for container in self.containers.values():
            container.close()
        for _, forwarder in self._forwarders:
            forwarder.close()
        self.namespace.close()

    def __enter__(self) -> Self:
        try:
            self.up()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _seconds(duration: str) -> float:
    """``1m30s`` → 90."""
    return parse_duration(duration) / 1000
