"""PostgreSQL's programs, and the definition of its operator's resource."""

import shutil
from pathlib import Path

from components.core import yaml_text
from tests.toolchain import versions
from tests.toolchain.cache import ensure
from tests.toolchain.debian import ensure_packages
from tests.toolchain.kubernetes import go_json

OPERATOR = "github.com/cloudnative-pg/cloudnative-pg"


def postgres_programs() -> Path:
    """The folder with ``initdb``, ``postgres``, ``pg_ctl`` and ``psql``."""
    program = f"/usr/lib/postgresql/{versions.POSTGRESQL}/bin/postgres"
    return ensure_packages({program: f"postgresql-{versions.POSTGRESQL}"})[program].parent


def cluster_definitions() -> list[Path]:
    """The YAML file of CloudNativePG's custom resource definition ``Cluster``, as its module has it."""
    return sorted(ensure("cloudnative-pg-crds", versions.CLOUDNATIVE_PG, _copy_definitions).glob("*.yaml"))


def _copy_definitions(folder: Path) -> None:
    module = go_json("cloudnative-pg-crds", "mod", "download", "-json", f"{OPERATOR}@{versions.CLOUDNATIVE_PG}")
    shutil.copyfile(Path(module["Dir"], "config/crd/bases/postgresql.cnpg.io_clusters.yaml"), folder / "clusters.yaml")


def default_queries() -> Path:
    """What CloudNativePG's servers ask themselves for their metrics, as its module has it: YAML, by the name of the query."""
    return ensure("cloudnative-pg-queries", versions.CLOUDNATIVE_PG, _copy_queries) / "queries.yaml"


def _copy_queries(folder: Path) -> None:
    """From the ConfigMap that the operator installs."""
    module = go_json("cloudnative-pg-queries", "mod", "download", "-json", f"{OPERATOR}@{versions.CLOUDNATIVE_PG}")
    document = yaml_text.load(Path(module["Dir"], "config/manager/default-monitoring.yaml").read_text(), "queries")
    (folder / "queries.yaml").write_text(document["data"]["queries"])
