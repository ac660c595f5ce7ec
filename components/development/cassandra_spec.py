"""What the user writes about a development environment's own Cassandra (requirements B10 and B11)."""

from components.core.errors import Problem
from components.core.model import SecretReference, SpecModel, setting
from components.core.resources import ResourcesSpec

_MIB = 1 << 20


class DevelopmentCassandraSpec(SpecModel):
    """One node that logs its changes for an agent beside it; pipelines read it as the host ``cassandra``."""

    image: str | None = setting(
        None, help="Image, when not the platform's own; pinned by tag or digest.", becomes="container image", min_length=1
    )
    resources: ResourcesSpec = setting(
        lambda: ResourcesSpec(cpu="1", memory="1536Mi"), help="CPU and memory.", becomes="bounds of the container"
    )
    host_port: int = setting(
        19042, help="Where on 127.0.0.1 the machine itself reaches it.", becomes="published port", ge=1024, le=65_535
    )
    password: SecretReference = setting(
        "secret:cassandra-app#password",
        help="Reference to the password of the user app, which writes into every keyspace that is read.",
        becomes="file app.password in its folder of secrets",
    )
    admin_password: SecretReference = setting(
        "secret:cassandra-admin#password",
        help="Reference to the password of the superuser cassandra.",
        becomes="file admin.password in its folder of secrets",
    )
    demo: bool = setting(
        True,
        help="Whether the tables of cdc mock (shop.users, shop.orders) are made, with a few rows.",
        becomes="schema.cql and rows.cql of the container",
    )

    @property
    def heap_bytes(self) -> int:
        """A third: as much again lies outside of the heap, and files are read through the rest."""
        return self.resources.memory // 3

    def problems(self) -> list[Problem]:
        if self.resources.memory < 1024 * _MIB:
            return [Problem("resources.memory", "is too little for Cassandra", "write at least 1Gi")]
        return []
