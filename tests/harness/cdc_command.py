"""Runs the ``cdc`` command on a project of its own: inside this process, or as a user does."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from operations.cli import app

REPOSITORY = Path(__file__).parents[2]
SMALL = """\
# yaml-language-server: $schema=docs/schema/stack.schema.json
config:
  cdc-platform:environment:
    tier: production
    target: kubernetes
    kubernetes: {context: prod}
    naming: {pattern: "^[a-z][a-z0-9-]*_[a-z0-9_.-]+$"}
    kafka:
      racks: topology.kubernetes.io/zone
      brokers: {replicas: 3, storage: 500Gi}
      listeners:
        - {name: clients, port: 9093}
      topics:
        - {name: shop_audit, owner: team-shop, partitions: 6}
    backup: {image: "acme/cdc:1", claim: elsewhere, key: "vault:backup#key", data: {pipelines: ["*"]}}
    tenants:
      - {name: shop, owner: team-shop, quota: {produce: 10MiB/s, consume: 20MiB/s}}
    pipelines:
      - name: orders
        tenant: shop
        source:
          mysql: {host: shop-db, password: "vault:shop-db#password", tables: [shop.orders, shop.order_lines], tls: {}}
        sink: {postgres: {database: warehouse, schema: shop}}
        tables:
          shop.orders: {partitions: 24}
"""
"""A stack that is valid and breaks no rule, and small enough to be read beside a test."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


@dataclass(frozen=True, slots=True)
class Project:
    """A project folder that belongs to one test."""

    root: Path

    def write(self, stack: str, text: str = SMALL) -> Path:
        """Writes a stack file."""
        path = self.root / f"Pulumi.{stack}.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    def edit(self, stack: str, old: str, new: str) -> None:
        """Replaces text that must be there in a stack file."""
        path = self.root / f"Pulumi.{stack}.yaml"
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in {path.name}"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    def cdc(self, *arguments: str) -> Outcome:
        """Runs ``cdc`` in this process; errors and exit codes are those of the real command."""
        result = CliRunner().invoke(app, ["--root", str(self.root), *arguments])
        return Outcome(result.exit_code, result.stdout, result.stderr)


def project(folder: Path, **stacks: str) -> Project:
    """A project in ``folder`` with the given stack files."""
    (folder / "Pulumi.yaml").write_text("name: cdc-platform\nruntime: python\n", encoding="utf-8")
    made = Project(folder)
    for name, text in stacks.items():
        made.write(name, text)
    return made


def copy_of_repository(folder: Path) -> Project:
    """A project with this repository's own stack files."""
    for path in REPOSITORY.glob("Pulumi*.yaml"):
        shutil.copy(path, folder / path.name)
    return Project(folder)


def real_cdc(*arguments: str, cwd: Path, **environment: str) -> Outcome:
    """The installed command in a process of its own, with no terminal."""
    return outcome_of([*installed_cdc(), *arguments], cwd, **environment)


def installed_cdc() -> list[str]:
    """The words that run the installed command."""
    return [str(Path(sys.executable).with_name("cdc"))]


def outcome_of(command: list[str], cwd: Path, **environment: str) -> Outcome:
    """What a command line says that ends by itself, with no terminal."""
    kept = {key: value for key, value in os.environ.items() if key not in {"COLUMNS", "FORCE_COLOR", "NO_COLOR"}}
    done = subprocess.run(command, cwd=cwd, env={**kept, **environment}, capture_output=True, timeout=60, check=False)
    return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())
