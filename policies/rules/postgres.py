"""PostgreSQL is there twice, is not listened to, and lets each sink do its own work (requirements A1, A17, A18, B9, B12)."""

from collections.abc import Iterator

from components.kafka.derive import source_tables
from components.postgres.derive import budget, destination, written
from policies.model import EVERYWHERE, OUTSIDE_DEVELOPMENT, PRODUCTION, SHARED, Rule, Subject, Violation

_SUPER_USERS = {"postgres", "root", "admin", "cdc_admin", "rds_superuser", "azure_pg_admin"}
_RESERVED = 10
"""Connections that PostgreSQL keeps for super users (3), and those of the administrator and of replication."""

_METHODS = {"scram-sha-256", "cert", "reject"}
_CLOSED = "host all all all reject"


def _replicas(subject: Subject) -> Iterator[Violation]:
    postgres = subject.spec.postgres
    own = postgres is not None and postgres.external is None and subject.spec.target == "kubernetes"
    if own and postgres is not None and postgres.instances < 2:
        yield Violation("postgres.instances", "no other server takes over where this one dies")


def _encryption(subject: Subject) -> Iterator[Violation]:
    if subject.spec.postgres is not None and not subject.spec.postgres.encrypted:
        yield Violation("postgres.tls.enabled", "rows and passwords cross the network in the clear")


def _access_rules(subject: Subject) -> Iterator[Violation]:
    """Lines of ``pg_hba.conf``, by the object that has them."""
    found = [(m.id, list(m.body["spec"]["postgresql"].get("pg_hba", ()))) for m in subject.of_kind("Cluster")]
    found += [
        (workload.id, text.splitlines())
        for workload in subject.rendered.workloads
        for path, text in workload.files.items()
        if path.endswith("/pg_hba.conf")
    ]
    for resource, lines in found:
        if not lines or lines[-1] != _CLOSED:
            yield Violation("postgres", f"whom no rule names is not refused: the last is not {_CLOSED}", resource)
        for line in lines:
            if line.rpartition(" ")[2] not in _METHODS:
                yield Violation("postgres", f"{line} asks for no proof that can be trusted", resource)
            elif not line.startswith("hostssl ") and line != _CLOSED:
                yield Violation("postgres", f"{line} lets connections in that are not encrypted", resource)


def _super_users(subject: Subject) -> Iterator[Violation]:
    for manifest in subject.of_kind("Cluster"):
        if manifest.body["spec"].get("enableSuperuserAccess"):
            yield Violation("postgres", "the super user may enter by the network", manifest.id)
        for role in manifest.body["spec"].get("managed", {}).get("roles", ()):
            if role.get("superuser") or role.get("bypassrls") or role.get("replication"):
                yield Violation("postgres", f"the role {role['name']} may do everything", manifest.id)
    for index, pipeline in enumerate(subject.spec.pipelines):
        if pipeline.sink.postgres.user in _SUPER_USERS:
            yield Violation(f"pipelines[{index}].sink.postgres.user", f"{pipeline.sink.postgres.user} is an administrator")


def _own_role(subject: Subject) -> Iterator[Violation]:
    first: dict[str, int] = {}
    for index, _, found in written(subject.spec):
        other = first.setdefault(found.user, index)
        if other != index:
            path = f"pipelines[{index}].sink.postgres.user"
            yield Violation(path, f"{found.user} writes pipelines[{other}] too, and so each may change what the other wrote")


def _connections(subject: Subject) -> Iterator[Violation]:
    postgres = subject.spec.postgres
    if postgres is None:
        return
    wanted, most = budget(subject.spec), postgres.max_connections - _RESERVED
    if wanted > most:
        yield Violation("postgres.maxConnections", f"the roles may open {wanted} connections together, and there are {most}")


def _tables(subject: Subject) -> Iterator[Violation]:
    first: dict[tuple[str, int, str, str, str], int] = {}
    for index, pipeline in enumerate(subject.spec.pipelines):
        found = destination(subject.spec, pipeline)
        for table in dict.fromkeys(source_tables(pipeline)):
            name = table.partition(".")[2]
            other = first.setdefault((found.host, found.port, found.database, found.schema, name), index)
            if other != index:
                place = f"{found.database}.{found.schema}.{name}"
                yield Violation(f"pipelines[{index}].sink.postgres.schema", f"pipelines[{other}] writes {place} too")


RULES: tuple[Rule[Subject], ...] = (
    Rule(
        "postgres-replicas",
        "PostgreSQL runs at least twice in production",
        "With one server, its node's failure stops every pipeline, and its disk's failure loses what was written.",
        "Set postgres.instances to 3.",
        "CloudNativePG documentation, architecture",
        PRODUCTION,
        _replicas,
    ),
    Rule(
        "postgres-encryption",
        "Connections to PostgreSQL are encrypted",
        "Rows and passwords cross the network there.",
        "Leave postgres.tls.enabled on.",
        "Requirements A17 and B9: TLS to PostgreSQL",
        OUTSIDE_DEVELOPMENT,
        _encryption,
    ),
    Rule(
        "postgres-access",
        "pg_hba.conf names who may enter, by SCRAM or certificate and encrypted, and refuses everybody else",
        "A rule for all lets every role that is ever made into every database.",
        "Leave pg_hba.conf to the platform.",
        "PostgreSQL documentation, client authentication",
        OUTSIDE_DEVELOPMENT,
        _access_rules,
    ),
    Rule(
        "postgres-super-user",
        "No program enters PostgreSQL as a super user",
        "Whoever gets hold of its password has the server, and through it the machine.",
        "Leave the pipeline's user out: a role of its own is made.",
        "Requirement B12: database users have minimal permissions",
        SHARED,
        _super_users,
    ),
    Rule(
        "postgres-sink-role",
        "Every sink has a role of its own",
        "Pipelines that share one can write each other's tables and offsets, and no password can be changed for one alone.",
        "Leave the pipelines' users out: roles of their own are made.",
        "Requirements A16 and A18: least privilege",
        SHARED,
        _own_role,
    ),
    Rule(
        "postgres-connections",
        "The connection limits of all roles fit into the server's",
        "When all workers run, the last of them would be refused, and its rows wait.",
        "Raise postgres.maxConnections, or lower sink.autoscaling.most, sink.writers or the readers' connections.",
        "Requirement B12: pools of 5 to 20; PostgreSQL documentation, max_connections",
        EVERYWHERE,
        _connections,
    ),
    Rule(
        "postgres-table",
        "No two pipelines write one table",
        "Each takes the rows that it does not know for its own: they overwrite and delete each other's.",
        "Give one of the pipelines another schema.",
        "Requirement A1: the target equals the source",
        EVERYWHERE,
        _tables,
    ),
)
